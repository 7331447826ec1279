"""Python types as JSON Schema, and the way back: JSON values to arguments, strictly."""

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import attrs

Json = dict[str, object]
Load = Callable[[object], object]

_CLIP = 80


class BadArguments(Exception):
    """The model gave arguments that do not fit; the text is meant for the model."""


@attrs.frozen
class Kind:
    """How values of one type look as JSON."""

    schema: Json
    load: Load
    """From a JSON value to the Python value; raises `BadArguments`."""


def _bad(value: object, expected: str) -> BadArguments:
    text = repr(value)
    return BadArguments(
        f"got {text if len(text) <= _CLIP else text[: _CLIP - 3] + '...'}, expected {expected}"
    )


def _at(place: str, error: BadArguments) -> BadArguments:
    text = str(error)
    return BadArguments(f"{place}{text}" if text.startswith(("[", ".")) else f"{place}: {text}")


def _load_str(value: object) -> object:
    if not isinstance(value, str):
        raise _bad(value, "a string")
    return value


def _load_int(value: object) -> object:
    # JSON has one kind of number, and models do write 3.0; JSON Schema calls that an integer too.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(value, "an integer")
    return value


def _load_float(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(value, "a number")
    return float(value)


def _load_bool(value: object) -> object:
    if not isinstance(value, bool):
        raise _bad(value, "true or false")
    return value


def _load_none(value: object) -> object:
    if value is not None:
        raise _bad(value, "null")
    return None


_PLAIN: Mapping[object, tuple[str, Load]] = {
    str: ("string", _load_str),
    int: ("integer", _load_int),
    float: ("number", _load_float),
    bool: ("boolean", _load_bool),
    type(None): ("null", _load_none),
}

_LISTS: Mapping[object, Callable[[list[object]], object]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}


def kind_of(hint: object) -> Kind:
    """The JSON form of a type hint.

    Raises:
        TypeError: It has none that a model could be told about.
    """
    if hint is Any or hint is object:
        return Kind({}, lambda value: value)
    if hint is None:
        hint = type(None)
    plain = _PLAIN.get(cast("type[object]", hint)) if isinstance(hint, type) else None
    if plain is not None:
        return Kind({"type": plain[0]}, plain[1])
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(args)
    if origin is Literal:
        return _choice(args)
    if origin is Union or isinstance(hint, types.UnionType):
        return _union(args)
    if origin in _LISTS or hint in _LISTS:
        return _list(cast("type", origin or hint), args)
    if origin in {dict, Mapping} or hint in (dict, Mapping):
        return _mapping(args)
    if isinstance(hint, type):
        cls = cast("type[object]", hint)
        if issubclass(cls, enum.Enum):
            return _enum(cls)
        if typing.is_typeddict(cls) or dataclasses.is_dataclass(cls) or attrs.has(cls):
            return _record(cls)
    raise TypeError(f"a tool's parameter cannot be {hint!r}: there is no JSON Schema for it")


def _annotated(args: tuple[object, ...]) -> Kind:
    inner = kind_of(args[0])
    texts = [extra for extra in args[1:] if isinstance(extra, str)]
    if not texts:
        return inner
    return attrs.evolve(inner, schema={**inner.schema, "description": texts[0]})


def _choice(values: tuple[object, ...]) -> Kind:
    def load(value: object) -> object:
        for choice in values:
            # True == 1, but they are different answers.
            if value == choice and type(value) is type(choice):
                return choice
        raise _bad(value, "one of " + ", ".join(map(repr, values)))

    schema: Json = {"enum": list(values)}
    names = {_PLAIN[type(value)][0] for value in values if type(value) in _PLAIN}
    if len(names) == 1:
        schema = {"type": names.pop(), **schema}
    return Kind(schema, load)


def _enum(hint: type[enum.Enum]) -> Kind:
    values = tuple(member.value for member in hint)
    inner = _choice(values)

    def load(value: object) -> object:
        return hint(inner.load(value))

    return attrs.evolve(inner, load=load)


def _union(args: tuple[object, ...]) -> Kind:
    kinds = [kind_of(arg) for arg in args]

    def load(value: object) -> object:
        # The exact type first, so that 1 is an int where the union says int | float.
        for arg, kind in zip(args, kinds, strict=True):
            if arg is type(value):
                return kind.load(value)
        problems: list[str] = []
        for kind in kinds:
            try:
                return kind.load(value)
            except BadArguments as error:
                problems.append(str(error).partition("expected ")[2] or str(error))
        raise _bad(value, " or ".join(problems))

    return Kind({"anyOf": [kind.schema for kind in kinds]}, load)


def _entries(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _bad(value, "a list")
    return cast("list[object]", value)


def _list(origin: type, args: tuple[object, ...]) -> Kind:
    fixed = origin is tuple and bool(args) and args[-1] is not ...
    make = _LISTS[origin]
    members = args if fixed else (args[0] if args else Any,)
    kinds = [kind_of(member) for member in members]

    def load(value: object) -> object:
        entries = _entries(value)
        if fixed and len(entries) != len(kinds):
            raise _bad(entries, f"a list of {len(kinds)}")
        loaded: list[object] = []
        for index, entry in enumerate(entries):
            try:
                loaded.append(kinds[index if fixed else 0].load(entry))
            except BadArguments as error:
                raise _at(f"[{index}]", error) from None
        try:
            return make(loaded)
        except TypeError:
            raise _bad(entries, "a list of values that can be told apart") from None

    if fixed:
        n = len(kinds)
        return Kind(
            {"type": "array", "prefixItems": [kind.schema for kind in kinds], "minItems": n, "maxItems": n},
            load,
        )
    schema: Json = {"type": "array", "items": kinds[0].schema}
    if make in {set, frozenset}:
        schema["uniqueItems"] = True
    return Kind(schema, load)


def _mapping(args: tuple[object, ...]) -> Kind:
    if args and args[0] is not str:
        raise TypeError(f"the keys of a JSON object are strings, not {args[0]!r}")
    inner = kind_of(args[1]) if args else Kind({}, lambda value: value)

    def load(value: object) -> object:
        if not isinstance(value, dict):
            raise _bad(value, "an object")
        loaded: dict[str, object] = {}
        for name, entry in cast("dict[str, object]", value).items():
            try:
                loaded[name] = inner.load(entry)
            except BadArguments as error:
                raise _at(name, error) from None
        return loaded

    return Kind({"type": "object", "additionalProperties": inner.schema}, load)


@attrs.frozen
class Field:
    """One named value of a record or one parameter of a function."""

    name: str
    kind: Kind
    required: bool
    default: object = None
    """Shown to the model where it has a JSON form."""


def record_of(fields: Sequence[Field], make: Callable[[dict[str, object]], object]) -> Kind:
    """A JSON object with fixed fields.

    Args:
        fields: Its fields.
        make: Builds the Python value of those that were given.
    """
    properties: Json = {}
    for field in fields:
        schema = field.kind.schema
        if not field.required and isinstance(field.default, str | int | float | bool):
            schema = {**schema, "default": field.default}
        properties[field.name] = schema
    record: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [field.name for field in fields if field.required]
    if required:
        record["required"] = required
    by_name = {field.name: field for field in fields}

    def load(value: object) -> object:
        if not isinstance(value, dict):
            raise _bad(value, "an object")
        given = cast("dict[str, object]", value)
        unknown = [name for name in given if name not in by_name]
        if unknown:
            raise BadArguments(
                f"unknown argument {unknown[0][:_CLIP]!r}, expected {', '.join(by_name) or 'none'}"
            )
        missing = [name for name in required if name not in given]
        if missing:
            raise BadArguments(f"{', '.join(missing)}: missing")
        loaded: dict[str, object] = {}
        for name, entry in given.items():
            try:
                loaded[name] = by_name[name].kind.load(entry)
            except BadArguments as error:
                raise _at(name, error) from None
        return make(loaded)

    return Kind(record, load)


def _record(hint: type) -> Kind:
    hints = get_type_hints(hint, include_extras=True)
    fields: list[Field] = []
    if typing.is_typeddict(hint):
        required = cast("frozenset[str]", vars(hint)["__required_keys__"])
        fields = [Field(name, kind_of(_bare(kind)), name in required) for name, kind in hints.items()]
        return record_of(fields, lambda values: values)
    if attrs.has(hint):
        for attribute in attrs.fields(hint):
            if attribute.init:
                name = attribute.alias or attribute.name
                needed = attribute.default is attrs.NOTHING
                default: object = None if needed else attribute.default
                fields.append(Field(name, kind_of(hints.get(attribute.name, Any)), needed, default))
    else:
        for field in dataclasses.fields(hint):
            if field.init:
                needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
                fields.append(Field(field.name, kind_of(hints[field.name]), needed, field.default))

    def make(values: dict[str, object]) -> object:
        try:
            return hint(**values)
        except (TypeError, ValueError) as error:
            raise BadArguments(str(error)) from None

    return record_of(fields, make)


def _bare(hint: object) -> object:
    """A hint without `Required` and `NotRequired`."""
    if get_origin(hint) in {typing.Required, typing.NotRequired}:
        return cast("object", get_args(hint)[0])
    return hint
