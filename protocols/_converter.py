"""From JSON text to typed values without coercion: limits, a strict cattrs converter, field paths in errors."""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
import orjson
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from ._errors import LocalWireError, RemoteWireError, clip

__all__ = [
    "MAX_DEPTH",
    "JsonObject",
    "decode_base64",
    "dump_json",
    "is_object",
    "load_object",
    "make_converter",
    "structure",
    "type_of",
]

T = TypeVar("T")

JsonObject = Mapping[str, object]
"""A JSON object as decoded, or as it is to be encoded."""

# orjson reads 1024 levels but writes only 254: whatever we accept we must be able to echo. No event of our wires needs
# more than 10 of its own; the rest is room for the JSON Schema of a tool.
MAX_DEPTH = 128
# Characters of a message in which brackets are simply counted: a frame of a call.
SHORT = 1000


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether ``value``, which came out of a JSON decoder, is an object."""
    return isinstance(value, dict)


def _depth(value: object) -> int:
    """Return how deeply lists and objects nest, without recursion."""
    depth = 0
    level: list[object] = [value]
    while level:
        below: list[object] = []
        for entry in level:
            if is_object(entry):
                below.extend(entry.values())
            elif isinstance(entry, list):
                below.extend(cast("list[object]", entry))
        depth += 1
        level = [entry for entry in below if isinstance(entry, (dict, list))]
    return depth


def _brackets(message: str | bytes) -> int:
    """Return how many opening brackets there are, or some number above ``MAX_DEPTH`` if they are more.

    Counts in a short message. In a long one it hops from one to the next: on half a second of base64 ``count`` takes
    twice as long as the JSON decoder.
    """
    if isinstance(message, str) and len(message) < SHORT:
        return message.count("{") + message.count("[")
    n_found = 0
    for bracket in "{[":
        at = -1
        while n_found <= MAX_DEPTH:
            at = (
                message.find(bracket, at + 1)
                if isinstance(message, str)
                else message.find(ord(bracket), at + 1)
            )
            if at < 0:
                break
            n_found += 1
    return n_found


def load_object(message: str | bytes, *, max_octets: int) -> dict[str, object]:
    """Parse one message that must be a JSON object.

    Args:
        message: Text of the message; bytes are taken as UTF-8.
        max_octets: The longest message to look at, in octets of UTF-8.

    Raises:
        RemoteWireError: Too long, not JSON, not an object, or nested more than ``MAX_DEPTH`` levels.
    """
    # len() of a str counts characters, of which UTF-8 needs up to four octets each; encode only when it matters.
    octets = len(message)
    if isinstance(message, str) and octets <= max_octets < octets * 4 and not message.isascii():
        octets = len(message.encode("utf-8", "surrogatepass"))
    if octets > max_octets:
        raise RemoteWireError(f"message of {octets} octets, expected at most {max_octets}")
    try:
        value: object = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise RemoteWireError(f"message {clip(message)} is not JSON: {error}") from None
    if not is_object(value):
        raise RemoteWireError(f"message is {clip(value)}, expected a JSON object")
    # Brackets inside strings only make this look deeper than it is, so the exact walk is the rare case.
    if _brackets(message) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise RemoteWireError(f"message nests more than {MAX_DEPTH} levels")
    return value


def type_of(raw: JsonObject) -> str:
    """Return the ``type`` of a message.

    Raises:
        RemoteWireError: It has none, or one that is not a string.
    """
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise RemoteWireError(f"type: got {clip(kind)}, expected a string", path="type")
    return kind


def _default(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("JsonObject", value))
    raise TypeError(f"{clip(value)} has no JSON form")


def dump_json(value: JsonObject) -> str:
    """Return ``value`` as JSON text.

    Raises:
        LocalWireError: Something in it has no JSON form.
    """
    try:
        return orjson.dumps(value, default=_default).decode()
    except TypeError as error:
        raise LocalWireError(f"cannot encode {clip(value)}: {error}") from None


def decode_base64(text: str) -> bytes:
    """Decode standard base64: padded, nothing else in between.

    Raises:
        RemoteWireError: Not base64. The message has no ``path`` and no ``reply``; the caller knows them.
    """
    try:
        # Strict mode lets whole groups of padding pass after the data (seen with Python 3.11).
        if text.endswith("==="):
            raise ValueError("Excess padding")
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise RemoteWireError(f"{clip(text)} is not base64: {error}") from None


# What a JSON value is called in error texts.
_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _expected(value: object, kind: type) -> TypeError:
    return TypeError(f"got {clip(value)}, expected {_NAMES[kind]}")


def _str(value: object, _: object) -> str:
    if type(value) is not str:
        raise _expected(value, str)
    return value


def _int(value: object, _: object) -> int:
    # type() and not isinstance(): True is an int to Python, never to a wire.
    if type(value) is not int:
        raise _expected(value, int)
    return value


def _bool(value: object, _: object) -> bool:
    if type(value) is not bool:
        raise _expected(value, bool)
    return value


def _float(value: object, _: object) -> float:
    # JSON has one kind of number: 1 is as good a float as 1.0.
    if type(value) not in {int, float}:
        raise _expected(value, float)
    number = float(cast("float", value))
    if not math.isfinite(number):
        raise _expected(value, float)
    return number


def _none(value: object, _: object) -> None:
    if value is not None:
        raise TypeError(f"got {clip(value)}, expected null")


def _object(value: object, _: object) -> JsonObject:
    if not is_object(value):
        raise _expected(value, dict)
    return value


def _is_open_mapping(kind: object) -> bool:
    return get_origin(kind) is Mapping and get_args(kind) == (str, object)


def _is_str_mapping(kind: object) -> bool:
    return get_origin(kind) is Mapping and get_args(kind) == (str, str)


def _is_homogeneous_tuple(kind: object) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,)


def _str_mapping(value: object, kind: object) -> Mapping[str, str]:
    for name, entry in _object(value, kind).items():
        if type(entry) is not str:
            raise TypeError(f"got {clip(entry)} for {clip(name)}, expected a string")
    return cast("Mapping[str, str]", value)


def make_converter() -> cattrs.Converter:
    """Return a cattrs converter that never coerces.

    Plain cattrs calls ``str(x)`` and ``bool(x)``: ``null`` becomes ``'None'`` and ``"false"`` becomes ``True``, a
    string passes for a list of its characters. Here each type accepts its own JSON kind only.
    """
    converter = cattrs.Converter(detailed_validation=True)

    def attrs_hook(cls: type[T]) -> Callable[[object, object], T]:
        inner = make_dict_structure_fn(cls, converter)

        def hook(value: object, _: object) -> T:
            if not isinstance(value, dict):
                raise _expected(value, dict)
            return inner(cast("dict[str, object]", value), cls)

        return hook

    def tuple_hook(kind: type) -> Callable[[object, object], tuple[object, ...]]:
        member = get_args(kind)[0]
        inner = converter.get_structure_hook(member)

        def hook(value: object, _: object) -> tuple[object, ...]:
            if not isinstance(value, list):
                raise _expected(value, list)
            result: list[object] = []
            for index, entry in enumerate(cast("list[object]", value)):
                try:
                    result.append(inner(entry, member))
                except Exception as error:
                    error.add_note(IterableValidationNote(f"in entry {index}", index, member))
                    raise
            return tuple(result)

        return hook

    converter.register_structure_hook_factory(attrs.has, attrs_hook)
    converter.register_structure_hook_factory(_is_homogeneous_tuple, tuple_hook)
    converter.register_structure_hook_func(_is_open_mapping, _object)
    converter.register_structure_hook_func(_is_str_mapping, _str_mapping)
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook(str, _str)
    converter.register_structure_hook(int, _int)
    converter.register_structure_hook(bool, _bool)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(type(None), _none)
    return converter


def _join(path: str, name: str | int) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _blame(error: BaseException, path: str) -> tuple[str, str]:
    """Return the path and the text of the first leaf of a cattrs error."""
    notes: Sequence[object] = getattr(error, "__notes__", ())
    for note in reversed(notes):  # noted from the inside out
        if isinstance(note, (AttributeValidationNote, IterableValidationNote)):
            path = _join(path, note.name if isinstance(note, AttributeValidationNote) else note.index)
    if isinstance(error, BaseExceptionGroup):
        first: BaseException = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
        return _blame(first, path)
    if isinstance(error, KeyError):
        # cattrs notes the attribute as well, so the path already ends in the missing name.
        return path, "is missing"
    return path, str(error)


def structure(converter: cattrs.Converter, value: object, kind: type[T], *, path: str = "") -> T:
    """Turn a decoded JSON value into ``kind``.

    Args:
        converter: One made by ``make_converter``.
        value: What the JSON decoder returned.
        kind: The class to build.
        path: Where in the message ``value`` was found.

    Raises:
        RemoteWireError: With the path of the first field that is missing or has the wrong type.
    """
    try:
        return converter.structure(value, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError, KeyError) as error:
        where, what = _blame(error, path)
        raise RemoteWireError(f"{where or 'message'}: {what}", path=where) from None
