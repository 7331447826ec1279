"""Server events as each profile spells them.

The recorded server and the documented one differ in fields and roles more than in behaviour; all such
differences of shape live here, so that the rest of the emulator knows one kind of event.
"""

from collections.abc import Mapping, Sequence

import attrs

from callboard.protocols import grok

from ._grok_conversation import Item, ItemKind, ItemStatus
from ._grok_options import GrokEmulatorOptions
from ._grok_usage import Usage
from ._ids import Ids

# The recorded server fills these fields with constants.
_NO_DETAILS = "unimplemented"
_FIRST_PART = "0"


@attrs.frozen
class Place:
    """Where in a response an event belongs."""

    response_id: str
    item_id: str
    output_index: int


class Frames:
    """Makes the events of one connection; every one gets a fresh `event_id`.

    Args:
        options: Whose profile and clock to use.
        ids: Where event ids come from.
    """

    def __init__(self, options: GrokEmulatorOptions, ids: Ids) -> None:
        self._ids = ids
        self._observed = options.observed
        self._unix_time = options.unix_time

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self._unix_time() * 1000)

    # --- session

    def session_created(self, session: Mapping[str, object]) -> grok.SessionCreated:
        """The greeting."""
        return grok.SessionCreated(event_id=self._ids.new(), session=session)

    def conversation_created(self, conversation_id: str) -> grok.ConversationCreated:
        """The id under which the conversation can be resumed."""
        return grok.ConversationCreated(
            event_id=self._ids.new(),
            conversation=grok.Conversation(id=conversation_id, object="realtime.conversation"),
        )

    def ping(self) -> grok.Ping:
        """The application's keep-alive."""
        return grok.Ping(event_id=self._ids.new(), timestamp=self.now_ms())

    def session_updated(self, session: Mapping[str, object]) -> grok.SessionUpdated:
        """An update took effect."""
        return grok.SessionUpdated(event_id=self._ids.new(), session=session)

    def error(self, error: grok.ErrorEvent) -> grok.ErrorEvent:
        """An error that was made elsewhere, with an id of its own."""
        return attrs.evolve(error, event_id=self._ids.new())

    def failure(self, kind: str, message: str) -> grok.ErrorEvent:
        """An error no client event is to blame for: `internal_error`, `timeout`, `max_duration`."""
        return grok.ErrorEvent(
            event_id=self._ids.new(), error=grok.ErrorDetail(type=kind, code=kind, message=message)
        )

    # --- input audio

    def speech_started(self, item_id: str, at_ms: int) -> grok.InputAudioBufferSpeechStarted:
        """The caller speaks."""
        return grok.InputAudioBufferSpeechStarted(
            event_id=self._ids.new(), item_id=item_id, audio_start_ms=at_ms
        )

    def speech_stopped(self, item_id: str, at_ms: int) -> grok.InputAudioBufferSpeechStopped:
        """The caller paused."""
        return grok.InputAudioBufferSpeechStopped(
            event_id=self._ids.new(), item_id=item_id, audio_end_ms=at_ms
        )

    def committed(self, item_id: str, previous: str | None) -> grok.InputAudioBufferCommitted:
        """The buffer became a user message."""
        return grok.InputAudioBufferCommitted(
            event_id=self._ids.new(), item_id=item_id, previous_item_id=previous
        )

    def cleared(self) -> grok.InputAudioBufferCleared:
        """The buffer is empty."""
        return grok.InputAudioBufferCleared(event_id=self._ids.new())

    def timeout_triggered(
        self, item_id: str, previous: str | None, start_ms: int, end_ms: int
    ) -> grok.InputAudioBufferTimeoutTriggered:
        """Nobody spoke for the idle timeout."""
        return grok.InputAudioBufferTimeoutTriggered(
            event_id=self._ids.new(),
            item_id=item_id,
            previous_item_id=previous,
            audio_start_ms=start_ms,
            audio_end_ms=end_ms,
        )

    def transcript_updated(self, item_id: str, text: str) -> grok.ServerEvent:
        """The whole text of a user item so far."""
        return grok.ConversationItemInputAudioTranscriptionUpdated(
            event_id=self._ids.new(), item_id=item_id, content_index=0, transcript=text
        )

    def transcript_completed(self, item_id: str, text: str, status: ItemStatus) -> grok.ServerEvent:
        """The text of a user item; only the observed server says whether more may follow."""
        return grok.ConversationItemInputAudioTranscriptionCompleted(
            event_id=self._ids.new(),
            item_id=item_id,
            content_index=0,
            transcript=text,
            status=status.value if self._observed else None,
        )

    # --- items

    def item_added(
        self, item: Item, previous: str | None, *, replayed: bool = False
    ) -> grok.ConversationItemAdded:
        """An item joined the conversation, now or in an earlier session."""
        # The recorded server never anchors calls and results.
        anchor = None if self._observed and item.kind is not ItemKind.MESSAGE else previous
        return grok.ConversationItemAdded(
            event_id=self._ids.new(),
            previous_item_id=anchor,
            item=self._item(item, role=self._role(item), content=_parts(item), replayed=replayed),
        )

    def deleted(self, item_id: str) -> grok.ConversationItemDeleted:
        """An item left the conversation."""
        return grok.ConversationItemDeleted(event_id=self._ids.new(), item_id=item_id)

    def truncated(
        self, item_id: str, content_index: int, audio_end_ms: int, kept: str
    ) -> grok.ConversationItemTruncated:
        """The rest of an answer was forgotten."""
        return grok.ConversationItemTruncated(
            event_id=self._ids.new(),
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=audio_end_ms,
            transcript=kept,
        )

    # --- responses

    def response_created(
        self, response_id: str, metadata: Mapping[str, object] | None
    ) -> grok.ResponseCreated:
        """A response begins."""
        return grok.ResponseCreated(
            event_id=self._ids.new(),
            response=grok.Response(
                id=response_id,
                object="realtime.response",
                status="in_progress",
                output=(),
                status_details=_NO_DETAILS if self._observed else None,
                usage={} if self._observed else None,
                metadata=metadata,
            ),
        )

    def response_done(
        self,
        response_id: str,
        status: str,
        items: Sequence[Item],
        usage: Usage,
        metadata: Mapping[str, object] | None,
    ) -> grok.ResponseDone:
        """A response ended."""
        output = tuple(self._item(item, role=self._output_role(item), content=_parts(item)) for item in items)
        return grok.ResponseDone(
            event_id=self._ids.new(),
            response=grok.Response(
                id=response_id,
                object="realtime.response",
                status=status,
                output=output,
                status_details=_NO_DETAILS if self._observed else None,
                usage={} if self._observed else usage.to_wire(),
                metadata=metadata,
            ),
            response_id=response_id if self._observed else None,
            usage=usage.to_wire() if self._observed else None,
        )

    def output_item_added(self, place: Place, item: Item) -> grok.ResponseOutputItemAdded:
        """A response gets an item."""
        return grok.ResponseOutputItemAdded(
            event_id=self._ids.new(),
            response_id=place.response_id,
            output_index=self._index(place),
            item=self._output_item(item, ()),
        )

    def output_item_done(self, place: Place, item: Item) -> grok.ResponseOutputItemDone:
        """An item of a response is complete."""
        return grok.ResponseOutputItemDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            output_index=self._index(place),
            item=self._output_item(item, _parts(item)),
        )

    def part_added(self, place: Place, *, spoken: bool) -> grok.ResponseContentPartAdded:
        """The item gets its one part."""
        return grok.ResponseContentPartAdded(
            event_id=self._ids.new(),
            previous_item_id=_FIRST_PART if self._observed else None,
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            part=_part("", spoken=spoken),
        )

    def part_done(self, place: Place, text: str, *, spoken: bool) -> grok.ResponseContentPartDone:
        """The part is complete."""
        return grok.ResponseContentPartDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            part=None if self._observed else _part(text, spoken=spoken),
        )

    def audio_delta(
        self, place: Place, payload: bytes, rid: str, seconds: float, latency: float | None
    ) -> grok.ResponseOutputAudioDelta:
        """A piece of speech; `latency` (seconds) goes with the first one."""
        event = grok.ResponseOutputAudioDelta(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            delta=grok.encode_audio(payload),
        )
        if not self._observed:
            return event
        return attrs.evolve(
            event,
            rid=rid,
            latency=None if latency is None else f"{latency:.2f}",
            audio_duration_ms=round(seconds * 1000),
            ts=self.now_ms(),
        )

    def audio_done(self, place: Place) -> grok.ResponseOutputAudioDone:
        """All audio was sent."""
        return grok.ResponseOutputAudioDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
        )

    def transcript_delta(
        self, place: Place, text: str, rid: str, start: float
    ) -> grok.ResponseOutputAudioTranscriptDelta:
        """What one segment says; `start` is its beginning in seconds into the answer."""
        return grok.ResponseOutputAudioTranscriptDelta(
            event_id=rid if self._observed else self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            delta=text,
            rid=rid if self._observed else None,
            start_time=start if self._observed else None,
        )

    def transcript_done(self, place: Place, text: str) -> grok.ResponseOutputAudioTranscriptDone:
        """What the whole answer says."""
        return grok.ResponseOutputAudioTranscriptDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            transcript=text,
        )

    def text_delta(self, place: Place, text: str) -> grok.ResponseOutputTextDelta:
        """A piece of a text answer."""
        return grok.ResponseOutputTextDelta(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            delta=text,
        )

    def text_done(self, place: Place, text: str) -> grok.ResponseOutputTextDone:
        """A text answer as a whole."""
        return grok.ResponseOutputTextDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=place.item_id,
            output_index=self._index(place),
            content_index=0,
            text=text,
        )

    def arguments_delta(self, place: Place, item: Item) -> grok.ResponseFunctionCallArgumentsDelta:
        """The arguments of a call, all at once."""
        return grok.ResponseFunctionCallArgumentsDelta(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=item.id,
            output_index=None if self._observed else place.output_index,
            call_id=item.call_id,
            delta=item.arguments,
        )

    def arguments_done(self, place: Place, item: Item) -> grok.ResponseFunctionCallArgumentsDone:
        """A call is complete."""
        return grok.ResponseFunctionCallArgumentsDone(
            event_id=self._ids.new(),
            response_id=place.response_id,
            item_id=item.id,
            output_index=self._index(place),
            call_id=item.call_id,
            name=item.name,
            arguments=item.arguments,
        )

    def _index(self, place: Place) -> int:
        return 0 if self._observed else place.output_index

    def _role(self, item: Item) -> str | None:
        if item.kind is ItemKind.MESSAGE:
            return item.role
        return "tool" if self._observed else None

    def _output_role(self, item: Item) -> str | None:
        if item.kind is ItemKind.CALL:
            return "user" if self._observed else None
        return self._role(item)

    def _output_item(self, item: Item, content: tuple[grok.ContentPart, ...]) -> grok.Item:
        # The recorded server leaves the content out of these two events.
        return self._item(item, role=self._output_role(item), content=None if self._observed else content)

    def _item(
        self,
        item: Item,
        *,
        role: str | None,
        content: tuple[grok.ContentPart, ...] | None,
        replayed: bool = False,
    ) -> grok.Item:
        flag = replayed if self._observed or replayed else None
        in_progress = item.status is ItemStatus.IN_PROGRESS
        match item.kind:
            case ItemKind.MESSAGE:
                return grok.Message(
                    id=item.id,
                    object="realtime.item",
                    status=item.status.value,
                    role=role,
                    replayed=flag,
                    content=content,
                )
            case ItemKind.CALL:
                return grok.FunctionCall(
                    id=item.id,
                    object="realtime.item",
                    status=item.status.value,
                    role=role,
                    replayed=flag,
                    call_id=item.call_id,
                    name=item.name,
                    arguments="" if in_progress else item.arguments,
                )
            case ItemKind.RESULT:
                return grok.FunctionCallOutput(
                    id=item.id,
                    object="realtime.item",
                    status=item.status.value,
                    role=role,
                    replayed=flag,
                    call_id=item.call_id,
                    output=item.output,
                )


def _part(text: str, *, spoken: bool) -> grok.ContentPart:
    return (
        grok.ContentPart(type="audio", transcript=text)
        if spoken
        else grok.ContentPart(type="text", text=text)
    )


def _parts(item: Item) -> tuple[grok.ContentPart, ...]:
    """The content of a message as the server shows it."""
    if item.content:
        return item.content
    if item.role == "user":
        if item.spoken:
            return (grok.ContentPart(type="input_audio", transcript=item.text),)
        return (grok.ContentPart(type="input_text", text=item.text),)
    if item.status is ItemStatus.IN_PROGRESS or not item.text:
        return ()
    return (_part(item.text, spoken=item.spoken),)
