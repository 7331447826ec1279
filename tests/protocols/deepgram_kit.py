"""Examples of every message of the Deepgram wire, built from the classes themselves."""

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Union, cast, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from callboard.protocols import deepgram as dg
from tests.protocols.grok_kit import integers, json_objects, json_values, texts

MESSAGES: tuple[type[dg.Message], ...] = (*dg.CLIENT_MESSAGES, *dg.SERVER_MESSAGES)
PAIRS: tuple[tuple[str, type[dg.Message]], ...] = (
    *(("client", cls) for cls in dg.CLIENT_MESSAGES),
    *(("server", cls) for cls in dg.SERVER_MESSAGES),
)
"""Every class with the side that sends it."""


_HINTS: dict[type, dict[str, object]] = {}


def hints(cls: type) -> dict[str, object]:
    """The types of the fields of a class, as they are on the wire."""
    if cls not in _HINTS:
        names = attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls)).keys() - {"extra"}
        _HINTS[cls] = {name: hint for name, hint in get_type_hints(cls).items() if name in names}
    return _HINTS[cls]


def is_open(cls: type) -> bool:
    """Whether a class keeps fields it does not know."""
    return "extra" in attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))


def _unknown_fields(cls: type) -> st.SearchStrategy[dict[str, object]]:
    taken = {*hints(cls), "type"}
    return st.dictionaries(texts.filter(lambda name: name not in taken), json_values, max_size=2)


@cache
def values(kind: object) -> st.SearchStrategy[object]:
    """Values a field of this type may hold."""
    if kind is str:
        return texts
    if kind is int:
        return integers
    if kind is float:
        return st.floats(-1e6, 1e6)
    if kind is bool:
        return st.booleans()
    if kind is type(None):
        return st.none()
    if kind is object:
        return json_values
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return json_objects if arguments[1] is object else st.dictionaries(texts, texts, max_size=3)
    assert isinstance(kind, type), kind
    return instances(kind)


def instances(cls: type) -> st.SearchStrategy[typing.Any]:
    """Instances of a class, every field drawn by its type."""
    fields = {name: values(hint) for name, hint in hints(cls).items()}
    if is_open(cls):
        fields["extra"] = _unknown_fields(cls)
    return st.builds(cls, **fields)


_valid: dict[type, st.SearchStrategy[typing.Any]] = {
    dg.InjectAgentMessage: st.one_of(
        st.builds(
            dg.InjectAgentMessage,
            message=texts,
            behavior=st.none() | st.sampled_from(dg.BEHAVIORS),
            is_dynamic=st.none() | st.just(False),
        ),
        st.builds(dg.InjectAgentMessage, is_dynamic=st.just(True)),
    ),
}
client_messages: st.SearchStrategy[dg.ClientMessage] = st.one_of(
    [_valid.get(cls, instances(cls)) for cls in dg.CLIENT_MESSAGES]
)
"""What a client may send, of every kind; the values of ``Settings`` make no sense."""

server_messages: st.SearchStrategy[dg.ServerMessage] = st.one_of(
    [instances(cls) for cls in dg.SERVER_MESSAGES]
)
"""What a server may send, of every kind."""


def example(kind: object) -> object:
    """One value of a type as JSON, every field of it there."""
    if kind is str or kind is object:
        return "x"
    if kind is int:
        return 7
    if kind is float:
        return 0.5
    if kind is bool:
        return True
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return example(arguments[0])
    if origin is tuple:
        return [example(arguments[0])]
    if origin is Mapping:
        return {"k": "v"}
    assert isinstance(kind, type), kind
    return example_object(kind)


_PRETTY: dict[type, dict[str, object]] = {dg.InjectAgentMessage: {"behavior": "queue", "is_dynamic": False}}


def example_object(cls: type) -> dict[str, object]:
    """One instance of a class as JSON, every field of it there, values that pass the checks."""
    wire = {name: example(hint) for name, hint in hints(cls).items()}
    # A History inside Settings has its type too, a provider one of its own.
    tag: object = None if "type" in wire else getattr(cls, "type", None)
    return wire | ({"type": tag} if isinstance(tag, str) else {}) | _PRETTY.get(cls, {})


def required(cls: type) -> set[str]:
    """The fields of a class that have no default."""
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    return {field.name for field in fields if field.default is attrs.NOTHING}


def accepts(kind: object, value: object) -> bool:
    """Whether a JSON value is of a type, as this wire reads it: nothing is coerced."""
    if kind is object:
        return True
    if kind is str or kind is int or kind is bool:
        return type(value) is kind
    if kind is float:
        return type(value) in {int, float}
    if kind is type(None):
        return value is None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return any(accepts(argument, value) for argument in arguments)
    if origin is tuple:
        return isinstance(value, list)
    return isinstance(value, dict)


def decode(side: str, message: str | bytes) -> dg.Decoded:
    """Decode a message of one side on the other."""
    return dg.decode_client_message(message) if side == "client" else dg.decode_server_message(message)
