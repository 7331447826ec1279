"""The messages of the dialect: one class each, fields named as on its wire.

Source: a page that summarises the Grok Voice Agent API under names no other document of xAI has. It states the names
and some of the fields. What it leaves open is marked "ours" here: chosen by this package, and optional when received.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from .._errors import RemoteWireError
from ._audio import decode_audio
from ._base import Event
from ._dialect_config import DialectConfig
from ._server_events import ErrorDetail

__all__ = [
    "CLIENT_MESSAGES",
    "SERVER_MESSAGES",
    "AudioAppend",
    "AudioCommit",
    "AudioDelta",
    "CalledFunction",
    "ClientMessage",
    "ConversationInterrupt",
    "ErrorMessage",
    "ServerMessage",
    "SessionConfigure",
    "SessionConfigured",
    "TextAppend",
    "ToolCall",
    "ToolResult",
    "Transcript",
]


@attrs.frozen(kw_only=True)
class ClientMessage(Event):
    """A message a client sends."""

    type: ClassVar[str]


@attrs.frozen(kw_only=True)
class ServerMessage(Event):
    """A message the server sends."""

    type: ClassVar[str]


def _config_object(config: DialectConfig | JsonObject) -> JsonObject:
    return config.to_wire() if isinstance(config, DialectConfig) else config


@attrs.frozen(kw_only=True)
class SessionConfigure(ClientMessage):
    """Set what the session is to be like: the first message of a client, and later any change."""

    type: ClassVar[str] = "session.configure"
    config: JsonObject = attrs.field(converter=_config_object, repr=False)
    """The settings, as JSON; a ``DialectConfig`` given here is converted. Read it with ``parse_config``."""


@attrs.frozen(kw_only=True)
class AudioAppend(ClientMessage):
    """Caller audio."""

    type: ClassVar[str] = "audio.append"
    audio: str = attrs.field(repr=False)
    """Base64 of audio in the input format."""

    def payload(self) -> bytes:
        """Return the audio.

        Raises:
            RemoteWireError: ``audio`` is not base64.
        """
        return _payload(self.audio)


@attrs.frozen(kw_only=True)
class AudioCommit(ClientMessage):
    """The caller has finished. There is no message that asks for an answer, so this one does (ours)."""

    type: ClassVar[str] = "audio.commit"


@attrs.frozen(kw_only=True)
class TextAppend(ClientMessage):
    """A turn of the user in writing, to be answered."""

    type: ClassVar[str] = "text.append"
    text: str
    """The name of this field is ours."""


@attrs.frozen(kw_only=True)
class ConversationInterrupt(ClientMessage):
    """Stop the answer that is being given."""

    type: ClassVar[str] = "conversation.interrupt"


@attrs.frozen(kw_only=True)
class ToolResult(ClientMessage):
    """What a called function returned."""

    type: ClassVar[str] = "tool_result"
    tool_call_id: str
    result: str
    """Any text; the page's example has JSON in it."""


@attrs.frozen(kw_only=True)
class SessionConfigured(ServerMessage):
    """The settings of a ``session.configure`` are in force."""

    type: ClassVar[str] = "session.configured"
    config: JsonObject | None = attrs.field(default=None, repr=False)
    """All settings as they are now (ours)."""


@attrs.frozen(kw_only=True)
class AudioDelta(ServerMessage):
    """A piece of the answer's audio."""

    type: ClassVar[str] = "audio.delta"
    audio: str = attrs.field(repr=False)
    """Base64 of audio in the output format."""

    def payload(self) -> bytes:
        """Return the audio.

        Raises:
            RemoteWireError: ``audio`` is not base64.
        """
        return _payload(self.audio)


@attrs.frozen(kw_only=True)
class Transcript(ServerMessage):
    """What somebody said."""

    type: ClassVar[str] = "transcript"
    text: str
    role: str | None = None
    """``user`` or ``assistant`` (ours)."""
    final: bool | None = None
    """True for the whole text of a turn, false for a piece of the answer that follows the pieces before it (ours)."""


@attrs.frozen(kw_only=True)
class CalledFunction:
    """The function of a call."""

    name: str
    arguments: str = "{}"
    """JSON text (ours; the page does not say whether it is text, so an object is read too)."""


@attrs.frozen(kw_only=True)
class ToolCall(ServerMessage):
    """The model calls a function of the client, and goes on when it has the results of all its calls."""

    type: ClassVar[str] = "tool_call"
    id: str
    """What ``tool_result`` repeats as ``tool_call_id``."""
    function: CalledFunction


@attrs.frozen(kw_only=True)
class ErrorMessage(ServerMessage):
    """A message of the client was refused, or the session is about to end."""

    type: ClassVar[str] = "error"
    error: ErrorDetail
    """Fields as in the ``error`` of the real wire (ours)."""


CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (
    SessionConfigure,
    AudioAppend,
    AudioCommit,
    TextAppend,
    ConversationInterrupt,
    ToolResult,
)
"""Every class of message a client sends."""

SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    SessionConfigured,
    AudioDelta,
    Transcript,
    ToolCall,
    ErrorMessage,
)
"""Every class of message a server sends."""


def _payload(text: str) -> bytes:
    try:
        return decode_audio(text)
    except RemoteWireError as error:
        raise RemoteWireError(f"audio: {error}", path="audio") from None
