"""Examples of every event of the Grok wire, built from the classes themselves."""

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Union, cast, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from callboard.protocols import grok

# orjson takes integers of 64 bits and no lone surrogates.
texts = st.text(st.characters(codec="utf-8"), max_size=12)
integers = st.integers(-(2**53), 2**53)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
json_objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(texts, json_values, max_size=4)

EVENTS: tuple[type[grok.Event], ...] = (*grok.CLIENT_EVENTS, *grok.SERVER_EVENTS)


def hints(cls: type) -> dict[str, object]:
    """The types of the fields of a class."""
    names = attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))
    return {name: hint for name, hint in get_type_hints(cls).items() if name in names}


def unknown_item(fields: Mapping[str, object]) -> grok.UnknownItem:
    """An item of a kind that has no class."""
    return grok.UnknownItem("mcp_call", {**fields, "type": "mcp_call"})


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
    if kind is grok.UnknownItem:
        return json_objects.map(unknown_item)
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
    return st.builds(cls, **{name: values(hint) for name, hint in hints(cls).items()})


message_parts = st.builds(
    grok.ContentPart, type=st.sampled_from(["input_text", "output_text", "text"]), text=texts
) | st.builds(grok.ContentPart, type=st.sampled_from(["input_audio", "audio"]), audio=texts, transcript=texts)
contents = st.lists(message_parts, min_size=1, max_size=3).map(tuple)
client_items: st.SearchStrategy[grok.Item] = st.one_of(
    st.builds(
        grok.Message,
        id=st.none() | texts,
        role=st.sampled_from(["user", "assistant", "system"]),
        content=contents,
    ),
    st.builds(grok.FunctionCall, name=texts, call_id=st.none() | texts, arguments=texts),
    st.builds(grok.FunctionCallOutput, call_id=texts, output=texts),
    st.builds(
        grok.ForceMessage,
        role=st.just("assistant"),
        content=contents,
        interruptible=st.none() | st.booleans(),
    ),
)
_names = st.none() | texts
client_events: st.SearchStrategy[grok.ClientEvent] = st.one_of(
    instances(grok.SessionUpdate),
    instances(grok.InputAudioBufferAppend),
    instances(grok.InputAudioBufferCommit),
    instances(grok.InputAudioBufferClear),
    st.builds(grok.ConversationItemCreate, event_id=_names, previous_item_id=_names, item=client_items),
    instances(grok.ConversationItemDelete),
    st.builds(
        grok.ConversationItemTruncate,
        event_id=_names,
        item_id=texts,
        content_index=st.integers(0, 3),
        audio_end_ms=st.integers(0, 10**9),
    ),
    st.builds(
        grok.ResponseCreate,
        event_id=_names,
        response=st.none()
        | st.builds(
            grok.ResponseOptions,
            modalities=st.none() | st.lists(st.sampled_from(["text", "audio"]), max_size=2).map(tuple),
            instructions=_names,
            metadata=st.none() | st.dictionaries(texts, texts, max_size=3),
        ),
    ),
    instances(grok.ResponseCancel),
)
"""What a client may send, of every kind."""

server_events: st.SearchStrategy[grok.ServerEvent] = st.one_of([instances(cls) for cls in grok.SERVER_EVENTS])
"""What a server may send, of every kind."""


def example(kind: object) -> object:
    """One value of a type as JSON, every field of it there."""
    if kind is str:
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


_PRETTY: dict[type, dict[str, object]] = {
    grok.Message: {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
    grok.ResponseOptions: {"modalities": ["text"]},
    grok.InputAudioBufferAppend: {"audio": "AAAA"},
}


def example_object(cls: type) -> dict[str, object]:
    """One instance of a class as JSON, every field of it there, values that pass the checks."""
    wire = {name: example(hint) for name, hint in hints(cls).items()}
    tag: object = getattr(cls, "type", None)
    return wire | ({"type": tag} if isinstance(tag, str) else {}) | _PRETTY.get(cls, {})


def required(cls: type) -> set[str]:
    """The fields of a class that have no default."""
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    return {field.name for field in fields if field.default is attrs.NOTHING}


def accepts(kind: object, value: object) -> bool:
    """Whether a JSON value is of a type, as this wire reads it: nothing is coerced."""
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


def decode(cls: type, message: str | bytes) -> grok.Decoded:
    """Decode a message of a class on the side that receives it."""
    if issubclass(cls, grok.ClientEvent):
        return grok.decode_client_event(message)
    return grok.decode_server_event(message)
