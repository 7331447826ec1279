"""The events the server sends outside of responses: session, conversation, input audio, errors.

Fields are named as on the wire. Only what every witness agrees is always there is required; a field the server merely
tends to send has the default None.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from ._base import ServerEvent
from ._items import Item

__all__ = [
    "Conversation",
    "ConversationCreated",
    "ConversationItemAdded",
    "ConversationItemCreated",
    "ConversationItemDeleted",
    "ConversationItemInputAudioTranscriptionCompleted",
    "ConversationItemInputAudioTranscriptionUpdated",
    "ConversationItemTruncated",
    "ErrorDetail",
    "ErrorEvent",
    "InputAudioBufferCleared",
    "InputAudioBufferCommitted",
    "InputAudioBufferDtmfEventReceived",
    "InputAudioBufferSpeechStarted",
    "InputAudioBufferSpeechStopped",
    "InputAudioBufferTimeoutTriggered",
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "Ping",
    "SessionCreated",
    "SessionUpdated",
]


@attrs.frozen(kw_only=True)
class SessionCreated(ServerEvent):
    """The greeting. Usually the first message; some servers sent none."""

    type: ClassVar[str] = "session.created"
    session: JsonObject = attrs.field(repr=False)
    """An opaque receipt: its fields vary between servers."""


@attrs.frozen(kw_only=True)
class SessionUpdated(ServerEvent):
    """A ``session.update`` took effect. With resumption, replayed items come before it."""

    type: ClassVar[str] = "session.updated"
    session: JsonObject = attrs.field(repr=False)
    """An opaque receipt, without an id. Not in the repr: it may echo credentials of MCP servers."""


@attrs.frozen(kw_only=True)
class Conversation:
    """The conversation a connection is about."""

    id: str
    """Keep it to resume."""
    object: str | None = None


@attrs.frozen(kw_only=True)
class ConversationCreated(ServerEvent):
    """The conversation has an id: a new one, or the old one of a resumed session."""

    type: ClassVar[str] = "conversation.created"
    conversation: Conversation


@attrs.frozen(kw_only=True)
class Ping(ServerEvent):
    """Keep-alive on the level of the application. Nothing is expected back."""

    type: ClassVar[str] = "ping"
    timestamp: int | None = None
    """Unix milliseconds."""


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStarted(ServerEvent):
    """The caller speaks. May repeat within a turn; in manual mode, ignore it."""

    type: ClassVar[str] = "input_audio_buffer.speech_started"
    item_id: str
    """The user item this will become, or that it resumes."""
    audio_start_ms: int | None = None
    """Milliseconds of input audio received before the speech."""


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStopped(ServerEvent):
    """The caller paused."""

    type: ClassVar[str] = "input_audio_buffer.speech_stopped"
    item_id: str
    audio_end_ms: int | None = None
    """Milliseconds of input audio received up to the end of the speech."""


@attrs.frozen(kw_only=True)
class InputAudioBufferCommitted(ServerEvent):
    """The buffered audio became a user message."""

    type: ClassVar[str] = "input_audio_buffer.committed"
    item_id: str


@attrs.frozen(kw_only=True)
class InputAudioBufferCleared(ServerEvent):
    """Answer to ``input_audio_buffer.clear``."""

    type: ClassVar[str] = "input_audio_buffer.cleared"


@attrs.frozen(kw_only=True)
class InputAudioBufferTimeoutTriggered(ServerEvent):
    """Nobody spoke for the idle timeout: a silent user turn was committed and a response follows."""

    type: ClassVar[str] = "input_audio_buffer.timeout_triggered"
    item_id: str
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


@attrs.frozen(kw_only=True)
class InputAudioBufferDtmfEventReceived(ServerEvent):
    """A key was pressed, in a session attached to a SIP call."""

    type: ClassVar[str] = "input_audio_buffer.dtmf_event_received"
    event: str = attrs.field(default="", repr=False)
    """``0`` to ``9``, ``*`` or ``#``. Not in the repr: keys may be card numbers."""
    received_at: int | None = None
    """Unix seconds."""


@attrs.frozen(kw_only=True)
class ConversationItemAdded(ServerEvent):
    """An item joined the conversation. ``previous_item_id`` may name one that was never announced."""

    type: ClassVar[str] = "conversation.item.added"
    item: Item


@attrs.frozen(kw_only=True)
class ConversationItemCreated(ServerEvent):
    """The documents' name for a replayed item; observed servers replay with ``conversation.item.added``."""

    type: ClassVar[str] = "conversation.item.created"
    item: Item


@attrs.frozen(kw_only=True)
class ConversationItemDeleted(ServerEvent):
    """An item left the conversation. Its id has been seen empty."""

    type: ClassVar[str] = "conversation.item.deleted"
    item_id: str


@attrs.frozen(kw_only=True)
class ConversationItemTruncated(ServerEvent):
    """The server forgot what was not heard of an answer."""

    type: ClassVar[str] = "conversation.item.truncated"
    item_id: str
    content_index: int | None = None
    audio_end_ms: int | None = None
    transcript: str | None = None
    """The text that is kept."""


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionUpdated(ServerEvent):
    """The whole text of a user item so far; it may correct earlier text. Replace, never append."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.updated"
    item_id: str
    content_index: int | None = None
    transcript: str


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionCompleted(ServerEvent):
    """The whole text of a user item. Several come per item; ``status`` tells the last of a pause from the others."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.completed"
    item_id: str
    content_index: int | None = None
    transcript: str
    status: str | None = None
    """``in_progress`` or ``completed``; documented servers leave it out and mean ``completed``."""


@attrs.frozen(kw_only=True)
class ErrorDetail:
    """What went wrong. Branch on ``type``, then on the text of ``message``; ``code`` is free text."""

    type: str
    message: str
    code: str | None = None
    param: str | None = None
    event_id: str | None = None
    """The client event at fault, if it had an id."""


@attrs.frozen(kw_only=True)
class ErrorEvent(ServerEvent):
    """A client event was refused, or the session is about to end."""

    type: ClassVar[str] = "error"
    error: ErrorDetail


@attrs.frozen(kw_only=True)
class McpListToolsInProgress(ServerEvent):
    """The server asks an MCP server for its tools. Informational, like all MCP events."""

    type: ClassVar[str] = "mcp_list_tools.in_progress"
    item_id: str


@attrs.frozen(kw_only=True)
class McpListToolsCompleted(ServerEvent):
    """The tools of an MCP server are known."""

    type: ClassVar[str] = "mcp_list_tools.completed"
    item_id: str


@attrs.frozen(kw_only=True)
class McpListToolsFailed(ServerEvent):
    """An MCP server did not answer."""

    type: ClassVar[str] = "mcp_list_tools.failed"
    item_id: str
    error: ErrorDetail
