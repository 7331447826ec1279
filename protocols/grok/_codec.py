"""Messages to events and back."""

from __future__ import annotations

from typing import Final, cast

import cattrs

from .._converter import JsonObject, dump_json, is_object, load_object, make_converter, structure, type_of
from .._errors import LocalWireError, RemoteWireError, clip
from . import _response_events, _server_events
from ._audio import encode_audio
from ._base import BinaryAudio, ClientEvent, Decoded, Event, Profile, ServerEvent, Unknown
from ._check import check_client_event
from ._client_events import CLIENT_EVENTS, InputAudioBufferCommit
from ._items import ForceMessage, FunctionCall, FunctionCallOutput, Item, ItemBase, Message, UnknownItem
from ._problems import invalid_event, invalid_request
from ._response_events import ResponseOutputAudioDelta, ResponseOutputTextDelta, ResponseOutputTextDone
from ._server_events import ConversationItemAdded, InputAudioBufferCommitted, SessionCreated
from ._unstructure import to_wire

__all__ = [
    "MAX_CLIENT_MESSAGE",
    "MAX_SERVER_MESSAGE",
    "SERVER_EVENTS",
    "decode_client_event",
    "decode_server_event",
    "encode",
    "encode_append",
]

# Octets. The longest legitimate server message is a burst of speech: the longest chunk seen is 1.2 s, which at 48 kHz
# is 160 KB of base64. The rest is room for instructions and tools echoed in session.updated, and for the future.
MAX_SERVER_MESSAGE: Final = 8 * 2**20
# Octets. OpenAI, whose clients talk to this API, lets one append hold 15 MiB.
MAX_CLIENT_MESSAGE: Final = 16 * 2**20


def _concrete(module: object) -> tuple[type[ServerEvent], ...]:
    names = cast("list[str]", vars(module)["__all__"])
    kinds = (vars(module)[name] for name in names)
    return tuple(
        kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, ServerEvent) and hasattr(kind, "type")
    )


SERVER_EVENTS: tuple[type[ServerEvent], ...] = (*_concrete(_server_events), *_concrete(_response_events))
"""Every class of event a server sends."""

_SERVER: dict[str, type[ServerEvent]] = {kind.type: kind for kind in SERVER_EVENTS} | {
    "response.audio.delta": ResponseOutputAudioDelta,
    "response.text.delta": ResponseOutputTextDelta,
    "response.text.done": ResponseOutputTextDone,
}
_CLIENT: dict[str, type[ClientEvent]] = {kind.type: kind for kind in CLIENT_EVENTS} | {
    "conversation.item.commit": InputAudioBufferCommit,
}
_ITEMS: dict[str, type[ItemBase]] = {
    kind.type: kind for kind in (Message, FunctionCall, FunctionCallOutput, ForceMessage)
}


def _text_or_object(value: object, _: object) -> str | JsonObject | None:
    if value is None or isinstance(value, str) or is_object(value):
        return value
    raise TypeError(f"got {clip(value)}, expected a string or an object")


def _text_or_number(value: object, _: object) -> str | float | None:
    if value is None or isinstance(value, (str, float)) or type(value) is int:
        return value
    raise TypeError(f"got {clip(value)}, expected a string or a number")


def _make_converter() -> cattrs.Converter:
    converter = make_converter()

    def item(value: object, _: object) -> ItemBase | UnknownItem:
        if not is_object(value):
            raise TypeError(f"got {clip(value)}, expected an object")
        kind = value.get("type")
        if not isinstance(kind, str):
            raise TypeError(f"type: got {clip(kind)}, expected a string")
        cls = _ITEMS.get(kind)
        return UnknownItem(kind, value) if cls is None else converter.structure(value, cls)

    converter.register_structure_hook(Item, item)
    converter.register_structure_hook(str | JsonObject | None, _text_or_object)
    converter.register_structure_hook(str | float | None, _text_or_number)
    return converter


_CONVERTER = _make_converter()


def decode_server_event(message: str | bytes, *, max_octets: int = MAX_SERVER_MESSAGE) -> Decoded:
    """Decode what a server sent.

    Args:
        message: A text frame as ``str``, a binary frame as ``bytes``.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is not an event. There is no ``reply``: clients do not answer.
    """
    if isinstance(message, bytes):
        return _binary(message, max_octets)
    raw = load_object(message, max_octets=max_octets)
    kind = type_of(raw)
    cls = _SERVER.get(kind)
    if cls is None:
        return Decoded(Unknown(kind, raw), raw)
    return Decoded(structure(_CONVERTER, raw, cls), raw)


def decode_client_event(message: str | bytes, *, max_octets: int = MAX_CLIENT_MESSAGE) -> Decoded:
    """Decode what a client sent.

    A ``session.update`` is checked only as far as its ``session`` is an object; see ``parse_session``.

    Args:
        message: A text frame as ``str``, a binary frame as ``bytes``.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is not an event; ``reply`` is the ``ErrorEvent`` to answer with. The connection
            stays open.
    """
    if isinstance(message, bytes):
        return _binary(message, max_octets)
    try:
        raw = load_object(message, max_octets=max_octets)
    except RemoteWireError as error:
        raise RemoteWireError(str(error), reply=invalid_request(str(error))) from None
    given = raw.get("event_id")
    event_id = given if isinstance(given, str) else None
    kind = raw.get("type")
    if not isinstance(kind, str):
        text = f"type: got {clip(kind)}, expected a string"
        raise RemoteWireError(text, reply=invalid_event(text, event_id=event_id), path="type")
    cls = _CLIENT.get(kind)
    if cls is None:
        return Decoded(Unknown(kind, raw), raw)
    try:
        event = structure(_CONVERTER, raw, cls)
        check_client_event(event)
    except RemoteWireError as error:
        reply = invalid_request(str(error), param=error.path, event_id=event_id)
        raise RemoteWireError(str(error), reply=reply, path=error.path) from None
    return Decoded(event, raw)


def _binary(message: bytes, max_octets: int) -> Decoded:
    if len(message) > max_octets:
        text = f"binary frame of {len(message)} octets, expected at most {max_octets}"
        raise RemoteWireError(text, reply=invalid_request(text))
    return Decoded(BinaryAudio(message))


# The events whose previous_item_id is documented as "string or null", not only seen so.
_NULLABLE = (ConversationItemAdded, InputAudioBufferCommitted)


def encode(event: Event, *, profile: Profile = Profile.OBSERVED) -> str | bytes:
    """Return the message for ``event``: text, or octets for ``BinaryAudio``.

    Fields that are None are left out, save for ``previous_item_id`` of server events: an observed server sends it as
    null on everything but ``session.created``, a documented one where it has a meaning.

    Raises:
        LocalWireError: The event holds something that has no JSON form.
    """
    if isinstance(event, BinaryAudio):
        return event.payload
    wire = to_wire(event)
    if not is_object(wire):
        raise LocalWireError(f"cannot encode {clip(event)}: not an event of this wire")
    if isinstance(event, ServerEvent) and event.previous_item_id is None:
        observed = profile is Profile.OBSERVED and not isinstance(event, SessionCreated)
        if observed or isinstance(event, _NULLABLE):
            wire["previous_item_id"] = None
    return dump_json(wire)


def encode_append(payload: bytes | bytearray | memoryview) -> str:
    """Return an ``input_audio_buffer.append`` for this audio: ``encode`` for the one message sent 50 times a second.

    Base64 needs no escaping in JSON, so the text is put together without an encoder.
    """
    return f'{{"type":"input_audio_buffer.append","audio":"{encode_audio(payload)}"}}'
