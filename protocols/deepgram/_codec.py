"""Messages to typed messages and back."""

from __future__ import annotations

import re
from typing import Final, TypeVar, cast

import attrs

from .._converter import JsonObject, dump_json, is_object, load_object, structure, type_of
from .._errors import LocalWireError, RemoteWireError, clip
from . import _client_messages, _server_messages
from ._base import BinaryAudio, ClientMessage, Decoded, Message, ServerMessage, Unknown
from ._check import check_client_message
from ._client_messages import FunctionCallResponse, InjectAgentMessage, InjectUserMessage
from ._codes import ErrorCode
from ._history import History
from ._problems import refuse
from ._settings import Settings
from ._structure import CONVERTER
from ._unstructure import to_wire

__all__ = [
    "CLIENT_MESSAGES",
    "MAX_CLIENT_MESSAGE",
    "MAX_SERVER_MESSAGE",
    "SERVER_MESSAGES",
    "decode_client_message",
    "decode_server_message",
    "encode",
    "parse_settings",
    "settings_to_wire",
]

M = TypeVar("M", bound=Message)

# Octets. The official client takes 1 MiB at most, so no server sends more at once; the rest is for other servers.
MAX_SERVER_MESSAGE: Final = 8 * 2**20
# Octets. No limit is published. Settings with functions and a long conversation to go on with are the longest.
MAX_CLIENT_MESSAGE: Final = 8 * 2**20


def _concrete(module: object, base: type[M]) -> tuple[type[M], ...]:
    names = cast("list[str]", vars(module)["__all__"])
    kinds = (vars(module)[name] for name in names)
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, base))


SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    *_concrete(_server_messages, ServerMessage),
    History,
    FunctionCallResponse,
)
"""Every class of message a server sends."""
CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (Settings, *_concrete(_client_messages, ClientMessage))
"""Every class of message a client sends."""

_SERVER: dict[str, type[ServerMessage]] = {kind.type: kind for kind in SERVER_MESSAGES}
_CLIENT: dict[str, type[ClientMessage]] = {kind.type: kind for kind in CLIENT_MESSAGES}

# Names that are wrong here are taken from old or wrong pages, and would silently lose what is to be said.
_NO_OTHER_FIELDS: Final = (InjectUserMessage, InjectAgentMessage)
# Where keys travel; texts about them do not quote.
_SECRET: Final = re.compile(r"\.(url|headers|credentials|extra)\b")


def decode_server_message(message: str | bytes, *, max_octets: int = MAX_SERVER_MESSAGE) -> Decoded:
    """Decode what a server sent.

    Args:
        message: A text frame as ``str``, a binary frame as ``bytes``.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is not one of this wire. There is no ``reply``: clients do not answer.
    """
    if isinstance(message, bytes):
        if len(message) > max_octets:
            raise RemoteWireError(_too_long(message, max_octets))
        return Decoded(BinaryAudio(message))
    raw = load_object(message, max_octets=max_octets)
    kind = type_of(raw)
    cls = _SERVER.get(kind)
    if cls is None:
        return Decoded(Unknown(kind, raw), raw)
    return Decoded(structure(CONVERTER, raw, cls), raw)


def decode_client_message(message: str | bytes, *, max_octets: int = MAX_CLIENT_MESSAGE) -> Decoded:
    """Decode what a client sent.

    The values of ``Settings`` are not looked at, only their types; see ``check_settings``.

    Args:
        message: A text frame as ``str``, a binary frame as ``bytes``.
        max_octets: The longest message to accept.

    Raises:
        RemoteWireError: The message is not one of this wire; ``reply`` is the ``ErrorMessage`` to answer with before
            closing: errors of this wire end the session.
    """
    if isinstance(message, bytes):
        if len(message) > max_octets:
            raise _unparsable(_too_long(message, max_octets))
        return Decoded(BinaryAudio(message))
    try:
        raw = load_object(message, max_octets=max_octets)
    except RemoteWireError as error:
        raise _unparsable(str(error)) from None
    kind = raw.get("type")
    cls = _CLIENT.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise _unparsable(f"type: got {clip(kind)}, expected that of a client message", "type")
    event = _structure(raw, cls)
    if isinstance(event, _NO_OTHER_FIELDS):
        names = attrs.fields_dict(type(event))
        for name in raw:
            if name != "type" and name not in names:
                raise _unparsable(f"{clip(name)} is not a field of {cls.__name__}", name)
    check_client_message(event)
    return Decoded(event, raw)


def parse_settings(raw: JsonObject) -> Settings:
    """Return the settings in a JSON object, with or without its ``type``.

    Fields without an attribute are kept in the ``extra`` of their part. Values are not looked at; see
    ``check_settings``.

    Raises:
        RemoteWireError: A field is missing or has the wrong type: ``path`` names it, ``reply`` is the answer of a
            server.
    """
    kind = raw.get("type", Settings.type)
    if kind != Settings.type:
        raise _unparsable(f"type: got {clip(kind)}, expected {Settings.type!r}", "type")
    return _structure(raw, Settings)


def settings_to_wire(settings: Settings) -> dict[str, object]:
    """Return the settings as a JSON object, with its ``type``."""
    return cast("dict[str, object]", to_wire(settings))


def encode(message: Message) -> str | bytes:
    """Return the wire form of a message: text, or octets for ``BinaryAudio``. Fields that are None are left out.

    Raises:
        LocalWireError: The message holds something that has no JSON form.
    """
    if isinstance(message, BinaryAudio):
        return message.payload
    wire = to_wire(message)
    if not is_object(wire):
        raise LocalWireError(f"cannot encode {clip(message)}: not a message of this wire")
    return dump_json(wire)


def _structure(raw: JsonObject, cls: type[M]) -> M:
    try:
        return structure(CONVERTER, raw, cls)
    except RemoteWireError as error:
        text, path = str(error), error.path
    if _SECRET.search(path) and not text.endswith("is missing"):
        text = f"{path}: has the wrong type"
    raise _unparsable(text, path)


def _unparsable(text: str, path: str = "") -> RemoteWireError:
    return refuse(ErrorCode.UNPARSABLE_CLIENT_MESSAGE, text, path=path)


def _too_long(message: bytes, max_octets: int) -> str:
    return f"binary frame of {len(message)} octets, expected at most {max_octets}"
