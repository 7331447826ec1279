"""The events of a response: from ``response.created`` to ``response.done``, and the MCP calls the server makes in it.

Only this much of their order is sure: created first, an item announced before its deltas, every delta before
``response.done``.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from ._audio import decode_audio
from ._base import Event, ServerEvent
from ._items import ContentPart, FunctionCall, Item
from ._server_events import ErrorDetail

__all__ = [
    "Response",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseCreated",
    "ResponseDone",
    "ResponseEvent",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
    "ResponseMcpCallInProgress",
    "ResponseOutputAudioDelta",
    "ResponseOutputAudioDone",
    "ResponseOutputAudioTranscriptDelta",
    "ResponseOutputAudioTranscriptDone",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseOutputTextDelta",
    "ResponseOutputTextDone",
    "ResponsePartEvent",
    "completed_calls",
    "usage_of",
]


@attrs.frozen(kw_only=True)
class Response:
    """One answer of the assistant: speech, function calls, or both."""

    id: str
    object: str | None = None
    status: str | None = None
    """``in_progress``, ``completed``, ``cancelled``, ``incomplete`` or ``failed``."""
    output: tuple[Item, ...] | None = None
    status_details: str | JsonObject | None = None
    """A constant string in practice, an object in the documents."""
    usage: JsonObject | None = None
    """Empty in practice; see ``usage_of``."""
    metadata: JsonObject | None = None
    """What ``response.create`` gave."""


@attrs.frozen(kw_only=True)
class ResponseCreated(ServerEvent):
    """A response begins. One that was still open has been dropped without a ``response.done``."""

    type: ClassVar[str] = "response.created"
    response: Response


@attrs.frozen(kw_only=True)
class ResponseDone(ServerEvent):
    """A response ended; playback of its audio usually goes on."""

    type: ClassVar[str] = "response.done"
    response: Response
    response_id: str | None = None
    usage: JsonObject | None = None


def usage_of(done: ResponseDone) -> JsonObject | None:
    """Return the token counts of a response.

    Observed servers put them at the top level of the event and leave ``response.usage`` empty; documents have them in
    ``response.usage``. None if neither has any.
    """
    return done.usage or done.response.usage or None


@attrs.frozen(kw_only=True)
class ResponseEvent(ServerEvent):
    """Anything that belongs to the response ``response_id``."""

    response_id: str


@attrs.frozen(kw_only=True)
class ResponseOutputItemAdded(ResponseEvent):
    """A response gets an item: a message without content yet, or a call without arguments."""

    type: ClassVar[str] = "response.output_item.added"
    output_index: int | None = None
    item: Item


@attrs.frozen(kw_only=True)
class ResponseOutputItemDone(ResponseEvent):
    """An item of a response is complete; calls carry their arguments."""

    type: ClassVar[str] = "response.output_item.done"
    output_index: int | None = None
    item: Item


@attrs.frozen(kw_only=True)
class ResponsePartEvent(ResponseEvent):
    """Anything about one content part of an item."""

    item_id: str
    output_index: int | None = None
    """Always 0 in practice."""
    content_index: int | None = None


@attrs.frozen(kw_only=True)
class ResponseContentPartAdded(ResponsePartEvent):
    """An item gets a content part."""

    type: ClassVar[str] = "response.content_part.added"
    part: ContentPart | None = None


@attrs.frozen(kw_only=True)
class ResponseContentPartDone(ResponsePartEvent):
    """A content part is complete. Observed servers leave out ``part``."""

    type: ClassVar[str] = "response.content_part.done"
    part: ContentPart | None = None


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDelta(ResponsePartEvent):
    """A piece of speech, any length of whole samples. ``response.audio.delta`` decodes to this too."""

    type: ClassVar[str] = "response.output_audio.delta"
    delta: str = attrs.field(repr=False)
    """Base64 of audio in the output codec."""
    rid: str | None = None
    """The spoken segment, a UUID; shared with its transcript delta."""
    latency: str | float | None = None
    """Seconds from the end of the turn to this, the first audio; a string in practice."""
    audio_duration_ms: int | None = None
    ts: int | None = None
    """Unix milliseconds."""

    def payload(self) -> bytes:
        """Return the audio.

        Raises:
            RemoteWireError: ``delta`` is not base64.
        """
        return decode_audio(self.delta)


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDone(ResponsePartEvent):
    """All audio of a part has been sent."""

    type: ClassVar[str] = "response.output_audio.done"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDelta(ResponsePartEvent):
    """What one segment of the speech says, with its leading space."""

    type: ClassVar[str] = "response.output_audio_transcript.delta"
    delta: str
    rid: str | None = None
    start_time: float | None = None
    """Seconds into the answer."""


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDone(ResponsePartEvent):
    """What the whole part says."""

    type: ClassVar[str] = "response.output_audio_transcript.done"
    transcript: str | None = None
    """Always there in practice, but examples in circulation leave it out."""


@attrs.frozen(kw_only=True)
class ResponseOutputTextDelta(ResponsePartEvent):
    """A piece of a text answer. ``response.text.delta`` decodes to this too."""

    type: ClassVar[str] = "response.output_text.delta"
    delta: str


@attrs.frozen(kw_only=True)
class ResponseOutputTextDone(ResponsePartEvent):
    """A text answer as a whole. Not documented for this API, tolerated."""

    type: ClassVar[str] = "response.output_text.done"
    text: str | None = None


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDelta(ResponseEvent):
    """Part of the arguments of a call; in practice all of them."""

    type: ClassVar[str] = "response.function_call_arguments.delta"
    item_id: str
    output_index: int | None = None
    call_id: str
    delta: str


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDone(ResponseEvent):
    """A call is complete: run it. The same call is announced by other events too; tell them by ``call_id``."""

    type: ClassVar[str] = "response.function_call_arguments.done"
    item_id: str
    output_index: int | None = None
    call_id: str
    name: str
    arguments: str
    """JSON text."""


def completed_calls(event: Event) -> tuple[ResponseFunctionCallArgumentsDone, ...]:
    """Return the function calls that ``event`` says are complete, each as the event that says so of one call.

    A server announces a call in up to three places, and not every server in all of them. A call that was cut short
    is in the same places with another status, and must not be run.
    """
    items: tuple[Item, ...]
    match event:
        case ResponseFunctionCallArgumentsDone():
            return (event,)
        case ResponseOutputItemDone():
            response_id, items = event.response_id, (event.item,)
        case ResponseDone():
            response_id, items = event.response.id, event.response.output or ()
        case _:
            return ()
    return tuple(
        ResponseFunctionCallArgumentsDone(
            response_id=response_id,
            item_id=item.id or "",
            call_id=item.call_id,
            name=item.name,
            arguments=item.arguments,
        )
        for item in items
        # Empty arguments are those of a call in progress, whatever its status says.
        if isinstance(item, FunctionCall)
        and item.status in {"completed", None}
        and item.call_id
        and item.name
        and item.arguments
    )


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDelta(ResponseEvent):
    """Part of the arguments of a call the server makes itself."""

    type: ClassVar[str] = "response.mcp_call_arguments.delta"
    item_id: str
    output_index: int | None = None
    call_id: str
    delta: str


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDone(ResponseEvent):
    """The arguments of a call the server makes itself."""

    type: ClassVar[str] = "response.mcp_call_arguments.done"
    item_id: str
    output_index: int | None = None
    call_id: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class ResponseMcpCallInProgress(ServerEvent):
    """The server calls an MCP tool. These three have no ``response_id``."""

    type: ClassVar[str] = "response.mcp_call.in_progress"
    item_id: str
    output_index: int | None = None


@attrs.frozen(kw_only=True)
class ResponseMcpCallCompleted(ServerEvent):
    """An MCP tool answered."""

    type: ClassVar[str] = "response.mcp_call.completed"
    item_id: str
    output_index: int | None = None


@attrs.frozen(kw_only=True)
class ResponseMcpCallFailed(ServerEvent):
    """An MCP tool failed."""

    type: ClassVar[str] = "response.mcp_call.failed"
    item_id: str
    output_index: int | None = None
    error: ErrorDetail
