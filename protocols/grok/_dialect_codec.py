"""Messages of the dialect to values and back."""

from __future__ import annotations

from typing import Final

import cattrs

from .._converter import JsonObject, dump_json, is_object, load_object, make_converter, structure, type_of
from .._errors import LocalWireError, RemoteWireError, clip
from ._audio import encode_audio
from ._base import Decoded, Unknown
from ._codec import MAX_CLIENT_MESSAGE, MAX_SERVER_MESSAGE
from ._dialect_messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    ClientMessage,
    ErrorMessage,
    ServerMessage,
    ToolCall,
)
from ._problems import invalid_event, invalid_request
from ._server_events import ErrorDetail, ErrorEvent
from ._unstructure import to_wire

__all__ = ["decode_client_message", "decode_server_message", "encode", "encode_audio_append"]

_CLIENT: Final[dict[str, type[ClientMessage]]] = {kind.type: kind for kind in CLIENT_MESSAGES}
_SERVER: Final[dict[str, type[ServerMessage]]] = {kind.type: kind for kind in SERVER_MESSAGES}


def _make_converter() -> cattrs.Converter:
    converter = make_converter()

    def optional_object(value: object, _: object) -> JsonObject | None:
        if value is None or is_object(value):
            return value
        raise TypeError(f"got {clip(value)}, expected an object")

    converter.register_structure_hook(JsonObject | None, optional_object)
    return converter


_CONVERTER = _make_converter()


def _reply(error: ErrorEvent) -> ErrorMessage:
    return ErrorMessage(error=error.error)


def decode_client_message(message: str | bytes, *, max_octets: int = MAX_CLIENT_MESSAGE) -> Decoded:
    """Decode what a client of the dialect sent.

    The ``config`` of a ``session.configure`` is checked only as far as it is an object; see ``parse_config``.

    Args:
        message: A text frame as ``str``; binary frames are not part of the dialect.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is not one of the six; ``reply`` is the ``ErrorMessage`` to answer with.
    """
    try:
        raw = _load(message, max_octets)
        kind = raw.get("type")
        cls = _CLIENT.get(kind) if isinstance(kind, str) else None
        if cls is None:
            text = f"type: got {clip(kind)}, expected one of {', '.join(_CLIENT)}"
            raise RemoteWireError(text, reply=_reply(invalid_event(text)), path="type")
        return Decoded(structure(_CONVERTER, raw, cls), raw)
    except RemoteWireError as error:
        reply = error.reply or _reply(invalid_request(str(error), param=error.path))
        raise RemoteWireError(str(error), reply=reply, path=error.path) from None


def decode_server_message(message: str | bytes, *, max_octets: int = MAX_SERVER_MESSAGE) -> Decoded:
    """Decode what a server of the dialect sent: a ``ServerMessage``, or ``Unknown`` for a type that is none.

    Where nobody knows what the server sends, this takes what can be understood: arguments of a call as an object, an
    error as a bare text.

    Args:
        message: A text frame as ``str``; binary frames are not part of the dialect.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is none. There is no ``reply``: clients do not answer.
    """
    raw = _load(message, max_octets)
    kind = type_of(raw)
    cls = _SERVER.get(kind)
    if cls is None:
        return Decoded(Unknown(kind, raw), raw)
    if cls is ErrorMessage:
        return Decoded(ErrorMessage(error=_error_detail(raw)), raw)
    return Decoded(structure(_CONVERTER, _with_text_arguments(raw) if cls is ToolCall else raw, cls), raw)


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the text of ``message``; fields that are None are left out.

    Raises:
        LocalWireError: It holds something that has no JSON form.
    """
    wire = to_wire(message)
    if not is_object(wire):
        raise LocalWireError(f"cannot encode {clip(message)}: not a message of the dialect")
    return dump_json(wire)


def encode_audio_append(payload: bytes | bytearray | memoryview) -> str:
    """Return an ``audio.append`` for this audio: ``encode`` for the one message sent 50 times a second."""
    return f'{{"type":"audio.append","audio":"{encode_audio(payload)}"}}'


def _load(message: str | bytes, max_octets: int) -> dict[str, object]:
    if isinstance(message, bytes):
        raise RemoteWireError(
            f"binary frame of {len(message)} octets, expected text: the dialect has no binary audio"
        )
    return load_object(message, max_octets=max_octets)


def _with_text_arguments(raw: JsonObject) -> JsonObject:
    function = raw.get("function")
    if not is_object(function):
        return raw
    arguments = function.get("arguments")
    if is_object(arguments):
        arguments = dump_json(arguments)
    if arguments is None or arguments == "":
        arguments = "{}"
    return {**raw, "function": {**function, "arguments": arguments}}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _error_detail(raw: JsonObject) -> ErrorDetail:
    inner = raw.get("error")
    given: JsonObject = inner if is_object(inner) else raw
    message = _text(inner) or _text(given.get("message")) or "the server gave no reason"
    # At the top level "type" is that of the message.
    kind = _text(given.get("type")) if given is inner else None
    return ErrorDetail(
        type=kind or _text(given.get("code")) or "error",
        message=message,
        code=_text(given.get("code")),
        param=_text(given.get("param")),
        event_id=_text(given.get("event_id")),
    )
