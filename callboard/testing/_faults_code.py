"""Values of attrs classes as the code that makes them, and values that say less."""

import enum
import math
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import attrs

A = TypeVar("A", bound=attrs.AttrsInstance)

# What a fault is about; another one would be another fault, not a simpler one.
KEPT = frozenset({"call", "actor", "peer", "way", "how", "action", "provider", "kind"})


def simpler(value: A) -> Iterator[A]:
    """Values of the same sort that say less, those that say least first."""
    fields = attrs.fields_dict(type(value))
    for name, given in changed(value):
        if name in KEPT:
            continue
        default: object = fields[name].default
        tries: list[object] = []
        if default is not attrs.NOTHING and default is not None and not isinstance(default, _Factory):
            tries.append(default)
        if isinstance(given, float) and math.isfinite(given):
            tries += sorted({float(round(given)), round(given, 1)} - {given})
        elif isinstance(given, int) and not isinstance(given, bool) and given > 1:
            tries += [less for less in dict.fromkeys((1, given // 2, given - 1)) if 0 < less < given]
        for less in tries:
            yield attrs.evolve(value, **{name: less})  # type: ignore[misc]


def as_code(value: object, indent: str = "") -> str:
    """Python that makes a value of attrs classes, enums, tuples and plain values; what is as by default is left out.

    Args:
        value: The value.
        indent: Of the lines behind the first.

    Raises:
        TypeError: There is a function in it, for one: that cannot be written down.
    """
    if attrs.has(type(value)):
        instance = cast("attrs.AttrsInstance", value)
        fields = attrs.fields_dict(type(instance))
        given = changed(instance)
        names = [name for name, field in fields.items() if not field.kw_only]
        # What stands at its place needs no name.
        parts = [
            ("" if names[place : place + 1] == [name] else name, as_code(inner, indent))
            for place, (name, inner) in enumerate(given)
        ]
        inner = [f"{name}={text}" if name else text for name, text in parts]
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        items = [as_code(item, indent + "    ") for item in cast("tuple[object, ...]", value)]
        if any(attrs.has(type(item)) for item in cast("tuple[object, ...]", value)):
            lines = "".join(f"\n{indent}    {item}," for item in items)
            return f"({lines}\n{indent})"
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return "-math.inf" if value < 0 else "math.inf" if value > 0 else "math.nan"
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    raise TypeError(f"no code for {value!r:.80}, expected attrs classes, enums, tuples and plain values")


# What attrs makes of a default that is a function.
_Factory = cast(type, attrs.Factory)


def changed(value: attrs.AttrsInstance) -> list[tuple[str, object]]:
    """The fields that are not as by default, and those that have no plain default, with what they are."""
    found: list[tuple[str, object]] = []
    for field in attrs.fields(type(value)):
        given: object = getattr(value, field.name)
        default: object = field.default
        if isinstance(default, _Factory):
            factory: Any = default
            default = attrs.NOTHING if factory.takes_self else factory.factory()
        if default is attrs.NOTHING or given != default:
            found.append((field.name, given))
    return found
