"""The client side of the dialect, behind a client of the real wire: one in, the other out. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs

from .._converter import JsonObject
from .._errors import LocalWireError, RemoteWireError, clip
from ._audio import encode_audio
from ._base import BinaryAudio, ClientEvent, Decoded, ServerEvent, Unknown
from ._client_events import (
    CLIENT_EVENTS,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from ._codec import MAX_SERVER_MESSAGE, decode_client_event, encode
from ._dialect_answer import ITEM, DialectAnswer
from ._dialect_codec import decode_server_message
from ._dialect_messages import (
    AudioAppend,
    AudioCommit,
    AudioDelta,
    ClientMessage,
    ConversationInterrupt,
    ErrorMessage,
    SessionConfigured,
    TextAppend,
    ToolCall,
    ToolResult,
    Transcript,
)
from ._dialect_settings import DialectSettings
from ._items import ContentPart, FunctionCallOutput, Item, Message
from ._response_events import (
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
)
from ._server_events import (
    Conversation,
    ConversationCreated,
    ConversationItemAdded,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionUpdated,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    SessionCreated,
    SessionUpdated,
)

__all__ = ["DialectClient"]

# Calls and items that are remembered, so that a server that never goes on does not fill the memory.
_MAX_REMEMBERED: Final = 1024


# The events that say the same as a message. All others are made up to go with them.
_SAID: Final = (
    SessionUpdated,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ConversationItemInputAudioTranscriptionUpdated,
    ConversationItemInputAudioTranscriptionCompleted,
    ResponseFunctionCallArgumentsDone,
    ErrorEvent,
)


@attrs.frozen(kw_only=True)
class _CallerItem:
    """A turn of the caller that is being transcribed."""

    id: str
    heard: bool
    """That the caller speaks was said before."""


class DialectClient:
    """One connection to a server of the dialect, told to a client of the real wire, and the reverse.

    ``send`` turns the client's events into messages to the server, ``receive`` turns what the server sends into events
    of the real wire. What the dialect never says is made up: the greeting, ids, items, the beginning and the end of
    each response. An answer has ended when ``handle_timer`` says so, which is to be called at ``deadline``. Times are
    float seconds of any clock that only goes forward.

    Each connection gets a new one.

    Args:
        model: What to ask for; the real wire has it in the URL.
        name: All ids that are made up begin with it, so it should differ between connections.
        quiet: An answer without any further word has ended so long after all its audio was played, float seconds.
        settle: An answer whose text is complete, that calls a function or that was interrupted ends so long after the
            last that came of it, float seconds.
        max_octets: A longer message is an error.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        name: str = "dialect",
        quiet: float = 1.0,
        settle: float = 0.25,
        max_octets: int = MAX_SERVER_MESSAGE,
    ) -> None:
        self._model = model
        self._name = name
        self._quiet = quiet
        self._settle = settle
        self._max_octets = max_octets
        self._opened = False
        self._greeted = False
        self._settings = DialectSettings(model)
        self._n_made = 0
        self._answer: DialectAnswer | None = None
        self._metadata: JsonObject | None = None
        self._until = 0.0
        self._caller_item: _CallerItem | None = None
        self._written: list[Message] = []
        """What the user wrote that no answer was asked for yet."""
        self._unconfirmed: deque[Item] = deque(maxlen=_MAX_REMEMBERED)
        self._calls: dict[str, bool] = {}
        """The functions called on this connection; True where there is no result yet."""
        self._implied = False
        """Results were sent, which the server answers unasked: a ``response.create`` for them is superfluous."""
        self._moved_on = False
        """What the server says next answers something new; an interruption would hit that."""
        self._interrupted = False
        self.deadline: float | None = None
        """When to call ``handle_timer``; None is never."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The settings asked for that the dialect has no place for, by path."""
        return self._settings.left_out

    # --- to the server

    def open(self, events: Sequence[ClientEvent], now: float) -> tuple[ClientMessage, ...]:
        """Return the messages that begin the connection.

        The settings come first, also where ``events`` have none: the server greets nobody, so it has to be asked
        something before it says anything. Items go with them, as part of the instructions.

        Args:
            events: What the client begins with: settings and what was said on an earlier connection.
            now: The time.

        Raises:
            LocalWireError: The dialect cannot say it.
        """
        items = [event for event in events if isinstance(event, ConversationItemCreate)]
        others = [event for event in events if not isinstance(event, ConversationItemCreate)]
        for event in items:
            self._create(event.item)
        # What is told with the instructions is no item of this session.
        known = {item.id for item in self._written}
        self._unconfirmed = deque((item for item in self._unconfirmed if item.id in known), _MAX_REMEMBERED)
        self._opened = True
        settings = any(isinstance(event, SessionUpdate) for event in others)
        first = () if settings else (self._settings.repeat(),)
        return (*first, *(sent for event in others for sent in self.send(event, now)))

    def send(self, event: ClientEvent | BinaryAudio, now: float) -> tuple[ClientMessage, ...]:
        """Return the messages that say ``event``.

        None are needed for what the server does unasked, or only together with a later event: a user's text goes out
        with the ``response.create`` that follows it. What else is added to the conversation is repeated in the
        instructions.

        Raises:
            LocalWireError: The dialect cannot say it. Nothing has changed.
        """
        match event:
            case BinaryAudio():
                return (AudioAppend(audio=encode_audio(event.payload)),)
            case InputAudioBufferAppend():
                return (AudioAppend(audio=event.audio),)
            case SessionUpdate():
                return (self._settings.update(event),)
            case InputAudioBufferCommit():
                # audio.commit asks for an answer too, so it goes out when that is wanted.
                return ()
            case ConversationItemCreate():
                return self._create(event.item)
            case ConversationItemDelete():
                self._written = [item for item in self._written if item.id != event.item_id]
                return (self._settings.repeat(),) if self._settings.context.remove(event.item_id) else ()
            case ResponseCreate():
                return self._ask(event)
            case ResponseCancel() | ConversationItemTruncate():
                return self._interrupt(event, now)
            case _ if isinstance(event, CLIENT_EVENTS):
                raise _no_message(event.type)
            case _:
                return self.send(_typed(event), now)

    def _create(self, item: Item) -> tuple[ClientMessage, ...]:
        match item:
            case Message(role="user", content=tuple() as content) if _is_written(content):
                given = attrs.evolve(item, id=item.id or self._make("item"))
                self._written.append(given)
                self._unconfirmed.append(attrs.evolve(given, object=ITEM, status="completed"))
                return ()
            case FunctionCallOutput(call_id=str() as call_id, output=str() as output):
                item_id = item.id or self._make("item")
                added = attrs.evolve(item, id=item_id, object=ITEM, status="completed", role="tool")
                self._unconfirmed.append(added)
                if self._calls.get(call_id):
                    return (self._result(call_id, output),)
                # Of an earlier connection: this server has never heard of the call.
            case _:
                pass
        context = self._settings.context
        if not context.takes(item):
            raise _no_message(f"an item of type {item.type!r}")
        # A text that something else follows, and not a request for an answer, is of the past.
        for before in (*self._written, item):
            context.add(before)
        self._written.clear()
        return (self._settings.repeat(),) if self._opened else ()

    def _result(self, call_id: str, output: str) -> ClientMessage:
        self._calls[call_id] = False
        self._implied = True
        if True not in self._calls.values():
            self._moved_on = True
        return ToolResult(tool_call_id=call_id, result=output)

    def _ask(self, event: ResponseCreate) -> tuple[ClientMessage, ...]:
        options = event.response
        if options is not None and options.instructions is not None:
            raise _no_message("instructions of a single response")
        self._metadata = None if options is None else options.metadata
        if self._written:
            text = "\n".join(item.words for item in self._written)
            self._written.clear()
            self._moved_on = True
            return (TextAppend(text=text),)
        if self._implied:
            self._implied = False
            return ()
        self._moved_on = True
        return (AudioCommit(),)

    def _interrupt(
        self, event: ResponseCancel | ConversationItemTruncate, now: float
    ) -> tuple[ClientMessage, ...]:
        answer = self._answer
        blind = isinstance(event, ResponseCancel) and event.response_id is None
        if not blind and (self._moved_on or self._interrupted):
            # Said already, or too late: it would stop an answer nobody has heard yet.
            return ()
        self._interrupted = True
        self._until = min(self._until, now)
        if answer is not None:
            answer.status = "cancelled"
            self.deadline = now + self._settle
        return (ConversationInterrupt(),)

    # --- from the server

    def receive(self, message: str | bytes, now: float) -> tuple[Decoded, ...]:
        """Take one message of the server; return the events of the real wire that it means, possibly none.

        ``raw`` of the one that says the same is the message; of those that are made up it is empty.

        Raises:
            RemoteWireError: It is no message of the dialect. Nothing has changed.
        """
        decoded = decode_server_message(message, max_octets=self._max_octets)
        self._opened = True
        event = decoded.event
        if isinstance(event, Unknown):
            return (*map(Decoded, self._greet()), decoded)
        events = self._say(event, now)
        said = max((index for index, entry in enumerate(events) if isinstance(entry, _SAID)), default=None)
        return (
            *map(Decoded, self._greet()),
            *(
                Decoded(entry, decoded.raw) if index == said else Decoded(entry)
                for index, entry in enumerate(events)
            ),
        )

    def handle_timer(self, now: float) -> tuple[Decoded, ...]:
        """Return the end of an answer of which nothing more is to be expected."""
        if self.deadline is None or now < self.deadline:
            return ()
        return tuple(map(Decoded, self._end()))

    def _say(self, event: object, now: float) -> tuple[ServerEvent, ...]:
        match event:
            case AudioDelta():
                return self._audio(event, len(event.payload()), now)
            case SessionConfigured():
                updated = self._settings.accepted(event)
                return () if updated is None else (updated,)
            case Transcript():
                theirs = event.role == "user" or (event.role is None and self._answer is None)
                return self._caller(event) if theirs else self._agent(event, now)
            case ToolCall():
                return self._call(event, now)
            case ErrorMessage():
                return (ErrorEvent(error=self._settings.refused(event.error)),)
            case _:
                raise AssertionError(f"{type(event).__name__} is not handled")

    def _make(self, what: str) -> str:
        self._n_made += 1
        return f"{self._name}-{what}-{self._n_made}"

    def _greet(self) -> tuple[ServerEvent, ...]:
        if self._greeted:
            return ()
        self._greeted = True
        session: dict[str, object] = {"id": f"{self._name}-session", "object": "realtime.session"}
        if self._model is not None:
            session["model"] = self._model
        conversation = Conversation(id=f"{self._name}-conversation", object="realtime.conversation")
        return (SessionCreated(session=session), ConversationCreated(conversation=conversation))

    # --- answers

    def _begin(self) -> tuple[DialectAnswer, tuple[ServerEvent, ...]]:
        """The answer that what the server says next belongs to, and the events before that."""
        if self._answer is not None and not self._moved_on:
            return self._answer, ()
        ended = self._end()
        answer = self._answer = DialectAnswer(self._make("response"), self._metadata)
        answer.caused, answer.after_results = self._moved_on, self._implied
        confirmed = tuple(ConversationItemAdded(item=item) for item in self._unconfirmed)
        self._unconfirmed.clear()
        self._metadata = None
        self._moved_on = self._interrupted = False
        return answer, (*ended, *confirmed, answer.created())

    def _end(self, status: str | None = None) -> tuple[ServerEvent, ...]:
        answer, self._answer, self.deadline = self._answer, None, None
        if answer is None:
            return ()
        if answer.after_results:
            self._implied = False
        return answer.end(status)

    def _audio(self, event: AudioDelta, n_octets: int, now: float) -> tuple[ServerEvent, ...]:
        if self._answer is not None and self._answer.whole:
            # All of that one has been said: these are words of another.
            self._moved_on = True
        answer, begun = self._begin()
        output = self._settings.config.output_format
        octets = output.rate_hz * (2 if output.type == "audio/pcm" else 1)
        if self._interrupted:
            # On its way when we interrupted; nobody will hear it.
            self.deadline = now + self._settle
        else:
            self._until = max(self._until, now) + n_octets / octets
            self.deadline = self._until + self._quiet
        return (*begun, *answer.audio(event.audio))

    def _agent(self, event: Transcript, now: float) -> tuple[ServerEvent, ...]:
        if self._answer is not None and self._answer.whole:
            self._moved_on = True
        answer, begun = self._begin()
        quick = event.final is True or self._interrupted
        self.deadline = now + self._settle if quick else max(self._until, now) + self._quiet
        return (*begun, *answer.text(event.text, whole=event.final is True))

    def _call(self, event: ToolCall, now: float) -> tuple[ServerEvent, ...]:
        if event.id in self._calls:
            return ()
        answer, begun = self._begin()
        self._calls[event.id] = True
        if len(self._calls) > _MAX_REMEMBERED:
            del self._calls[next(iter(self._calls))]
        self.deadline = now + self._settle
        return (*begun, *answer.call(event.id, event.function.name, event.function.arguments))

    # --- the caller

    def _caller(self, event: Transcript) -> tuple[ServerEvent, ...]:
        made: tuple[ServerEvent, ...] = ()
        item = self._caller_item
        if item is None:
            late = self._answer is not None and not self._answer.caused
            item = _CallerItem(id=self._make("item"), heard=not late and not self._settings.manual)
            if item.heard:
                made = (InputAudioBufferSpeechStarted(item_id=item.id),)
            if late and self._answer is not None:
                # The words that the answer is to, later than it.
                self._answer.caused = True
            else:
                # An answer that is open was talked over: a server that hears the caller stops.
                self._moved_on = True
                made = (*made, *self._end("cancelled"))
        self._caller_item = item if event.final is False else None
        if event.final is False:
            updated = ConversationItemInputAudioTranscriptionUpdated(item_id=item.id, transcript=event.text)
            return (*made, updated)
        if item.heard:
            made = (*made, InputAudioBufferSpeechStopped(item_id=item.id))
        part = ContentPart(type="input_audio", transcript=event.text)
        said = Message(id=item.id, object=ITEM, status="completed", role="user", content=(part,))
        return (
            *made,
            InputAudioBufferCommitted(item_id=item.id),
            ConversationItemAdded(item=said),
            ConversationItemInputAudioTranscriptionCompleted(
                item_id=item.id, content_index=0, transcript=event.text, status="completed"
            ),
        )


def _is_written(content: Sequence[ContentPart]) -> bool:
    return bool(content) and all(part.text is not None for part in content)


def _no_message(what: str) -> LocalWireError:
    return LocalWireError(f"the dialect has no message for {what}")


def _typed(event: ClientEvent) -> ClientEvent | BinaryAudio:
    """An event that was written as JSON, as its class."""
    try:
        typed = decode_client_event(encode(event)).event
    except RemoteWireError as error:
        raise LocalWireError(f"cannot send {clip(event)}: {error}") from None
    if not isinstance(typed, ClientEvent):
        raise _no_message(f"an event of type {getattr(typed, 'type', None)!r}")
    return typed
