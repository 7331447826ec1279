"""The events a client sends: one class each, fields named as on the wire.

Source: sections on client events of the Speech to Speech guide and of the WebSocket schema of the API.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from .._errors import RemoteWireError
from ._audio import decode_audio
from ._base import ClientEvent
from ._items import Item
from ._problems import invalid_request
from ._session import SessionConfig

__all__ = [
    "CLIENT_EVENTS",
    "ConversationItemCreate",
    "ConversationItemDelete",
    "ConversationItemTruncate",
    "InputAudioBufferAppend",
    "InputAudioBufferClear",
    "InputAudioBufferCommit",
    "ResponseCancel",
    "ResponseCreate",
    "ResponseOptions",
    "SessionUpdate",
]


def _session_object(session: SessionConfig | JsonObject) -> JsonObject:
    return session.to_wire() if isinstance(session, SessionConfig) else session


@attrs.frozen(kw_only=True)
class SessionUpdate(ClientEvent):
    """Change part of the session's configuration. The server answers ``session.updated`` or ``error``."""

    type: ClassVar[str] = "session.update"
    session: JsonObject = attrs.field(converter=_session_object, repr=False)
    """The fields to change, as JSON; a ``SessionConfig`` given here is converted. Read it with ``parse_session``.

    Not in the repr: credentials of MCP servers travel here.
    """


@attrs.frozen(kw_only=True)
class InputAudioBufferAppend(ClientEvent):
    """Caller audio. There is no acknowledgement."""

    type: ClassVar[str] = "input_audio_buffer.append"
    audio: str = attrs.field(repr=False)
    """Base64 of audio in the input codec."""

    def payload(self) -> bytes:
        """Return the audio.

        Raises:
            RemoteWireError: ``audio`` is not base64. Its ``reply`` is what a server answers.
        """
        try:
            return decode_audio(self.audio)
        except RemoteWireError as error:
            text = str(error)
        reply = invalid_request(text, param="audio", event_id=self.event_id)
        raise RemoteWireError(f"audio: {text}", reply=reply, path="audio")


@attrs.frozen(kw_only=True)
class InputAudioBufferCommit(ClientEvent):
    """Turn the audio so far into a user message, in manual mode. It does not start a response.

    ``conversation.item.commit``, the name of December 2025, decodes to this too.
    """

    type: ClassVar[str] = "input_audio_buffer.commit"


@attrs.frozen(kw_only=True)
class InputAudioBufferClear(ClientEvent):
    """Drop the audio that is not committed yet."""

    type: ClassVar[str] = "input_audio_buffer.clear"


@attrs.frozen(kw_only=True)
class ConversationItemCreate(ClientEvent):
    """Add an item to the conversation. Only a ``ForceMessage`` starts a response."""

    type: ClassVar[str] = "conversation.item.create"
    item: Item
    previous_item_id: str | None = None
    """Insert after this item; default at the end."""


@attrs.frozen(kw_only=True)
class ConversationItemDelete(ClientEvent):
    """Remove an item from the conversation."""

    type: ClassVar[str] = "conversation.item.delete"
    item_id: str


@attrs.frozen(kw_only=True)
class ConversationItemTruncate(ClientEvent):
    """Tell the server how much of an answer was heard; it forgets the rest."""

    type: ClassVar[str] = "conversation.item.truncate"
    item_id: str
    content_index: int = 0
    audio_end_ms: int
    """Milliseconds the user heard."""


@attrs.frozen(kw_only=True)
class ResponseOptions:
    """Settings for one response."""

    modalities: tuple[str, ...] | None = None
    """Of ``text`` and ``audio``. The server speaks in any case."""
    instructions: str | None = None
    """Replaces the session's instructions for this response."""
    metadata: JsonObject | None = None
    """Echoed on ``response.created`` and ``response.done``: at most 16 strings of 512 characters."""


@attrs.frozen(kw_only=True)
class ResponseCreate(ClientEvent):
    """Ask for a response now."""

    type: ClassVar[str] = "response.create"
    response: ResponseOptions | None = None


@attrs.frozen(kw_only=True)
class ResponseCancel(ClientEvent):
    """Stop the running response."""

    type: ClassVar[str] = "response.cancel"
    response_id: str | None = None
    """Default: whichever runs."""


CLIENT_EVENTS: tuple[type[ClientEvent], ...] = (
    SessionUpdate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCreate,
    ResponseCancel,
)
