"""The server side of the dialect, in front of a session of the real wire: one in, the other out. No I/O."""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from .._errors import RemoteWireError, clip
from ._audio import encode_audio
from ._base import BinaryAudio, ClientEvent, ServerEvent
from ._client_events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from ._codec import MAX_CLIENT_MESSAGE
from ._dialect_codec import decode_client_message
from ._dialect_config import DialectConfig, merge_config, parse_config, session_from_config, voice_model
from ._dialect_messages import (
    AudioAppend,
    AudioCommit,
    AudioDelta,
    CalledFunction,
    ConversationInterrupt,
    ErrorMessage,
    ServerMessage,
    SessionConfigure,
    SessionConfigured,
    TextAppend,
    ToolCall,
    ToolResult,
    Transcript,
)
from ._dialect_played import Played
from ._items import ContentPart, FunctionCallOutput, Message
from ._problems import invalid_request, is_already_active, is_benign_error
from ._response_events import (
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    completed_calls,
)
from ._server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    SessionUpdated,
)

__all__ = ["DialectServer"]

# Calls without a result that are remembered. A client that never answers must not fill the memory.
_MAX_CALLS: Final = 1024


class DialectServer:
    """One connection of a client of the dialect, told to a server of the real wire, and the reverse.

    ``receive`` turns what the client sends into events of the real wire, ``send`` turns the server's events into
    messages to the client. After each ``send`` there may be ``follow_ups``: events for the server that had to wait for
    what was just sent. Times are float seconds of any clock that only goes forward.

    Args:
        max_octets: A longer message is an error.
    """

    def __init__(self, *, max_octets: int = MAX_CLIENT_MESSAGE) -> None:
        self._max_octets = max_octets
        self.config: DialectConfig | None = None
        """The settings in force, or None before the first are."""
        self._configuring: deque[tuple[str, DialectConfig]] = deque()
        self._n_configured = 0
        self._followers: list[ClientEvent] = []
        self._buffered = False
        self._speaking = False
        self._answer_due = False
        """The server is about to answer a spoken turn by itself."""
        self._active: str | None = None
        self._has_output = False
        self._asked = False
        """An answer was asked for and has not begun."""
        self._wanted = False
        """An answer is to be asked for, once the one before is over."""
        self._results = False
        """The model was given results that it has not gone on from."""
        self._calls: dict[str, None] = {}
        self._unanswered: set[str] = set()
        self._item = ""
        self._played = Played()

    # --- from the client

    def receive(self, message: str | bytes, now: float) -> tuple[ClientEvent, ...]:
        """Take one message of the client; return the events of the real wire that it means, possibly none.

        Raises:
            RemoteWireError: It is no message of the dialect, or not one that is possible now. ``reply`` is the
                ``ErrorMessage`` to answer with. Nothing has changed.
        """
        given = decode_client_message(message, max_octets=self._max_octets).event
        try:
            return self._receive(given, now)
        except RemoteWireError as error:
            detail = invalid_request(str(error), param=error.path).error
            raise RemoteWireError(str(error), reply=ErrorMessage(error=detail), path=error.path) from None

    def _receive(self, given: object, now: float) -> tuple[ClientEvent, ...]:
        if isinstance(given, SessionConfigure):
            return (self._configure(given),)
        if not self._n_configured:
            kind = getattr(given, "type", "")
            raise RemoteWireError(f"type: got {clip(kind)}, expected session.configure first", path="type")
        match given:
            case AudioAppend():
                given.payload()
                self._buffered = True
                return (InputAudioBufferAppend(audio=given.audio),)
            case AudioCommit():
                return self._commit(now)
            case TextAppend():
                self._wanted = True
                part = ContentPart.input_text(given.text)
                return (ConversationItemCreate(item=Message(role="user", content=(part,))), *self._ask())
            case ConversationInterrupt():
                # Without an id: there may be an answer on its way that we have not heard of. If there is none at
                # all, the error is not the client's business.
                return (ResponseCancel(), *self._cut(now))
            case ToolResult():
                return self._result(given)
            case _:
                raise AssertionError(f"{type(given).__name__} is not handled")

    def _latest(self) -> DialectConfig:
        return self._configuring[-1][1] if self._configuring else self.config or DialectConfig()

    def _configure(self, given: SessionConfigure) -> ClientEvent:
        config = merge_config(self._latest(), parse_config(given.config))
        self._n_configured += 1
        event_id = f"configure-{self._n_configured}"
        self._configuring.append((event_id, config))
        return SessionUpdate(session=session_from_config(config), event_id=event_id)

    def _commit(self, now: float) -> tuple[ClientEvent, ...]:
        turns = self._latest().turn_detection
        detected = turns is None or not turns.manual
        answering = self._active is not None or self._asked or self._answer_due or self._played.until > now
        if detected and not self._speaking and answering:
            # The end of the caller's turn was noticed already; this would be a second, empty one.
            return ()
        commit = (InputAudioBufferCommit(),) if self._buffered else ()
        self._buffered = self._speaking = False
        self._wanted = True
        return (*commit, *self._ask())

    def _result(self, given: ToolResult) -> tuple[ClientEvent, ...]:
        if given.tool_call_id not in self._unanswered:
            raise RemoteWireError(
                f"tool_call_id: got {clip(given.tool_call_id)}, expected the id of a call without a result",
                path="tool_call_id",
            )
        self._unanswered.discard(given.tool_call_id)
        self._results = True
        item = FunctionCallOutput(call_id=given.tool_call_id, output=given.result)
        return (ConversationItemCreate(item=item), *self._ask())

    def _ask(self) -> tuple[ClientEvent, ...]:
        """Ask for an answer, if one is wanted and nothing is in the way."""
        wanted = self._wanted or (self._results and not self._unanswered)
        if not wanted or self._asked or self._active is not None:
            return ()
        self._asked = True
        self._wanted = self._results = False
        return (ResponseCreate(),)

    def _cut(self, now: float) -> tuple[ClientEvent, ...]:
        """Have the server forget what of its answers cannot have been heard."""
        return tuple(
            ConversationItemTruncate(item_id=item, audio_end_ms=heard_ms)
            for item, heard_ms in self._played.cut(now)
        )

    def follow_ups(self) -> tuple[ClientEvent, ...]:
        """Take the events that are to go to the server now."""
        followers, self._followers = tuple(self._followers), []
        return followers

    # --- to the client

    def send(self, event: ServerEvent | BinaryAudio, now: float) -> tuple[ServerMessage, ...]:
        """Take one event of the server; return the messages to the client that say it, often none.

        Raises:
            RemoteWireError: Its audio is not base64.
        """
        match event:
            case SessionUpdated():
                return self._configured(event)
            case ErrorEvent():
                return self._error(event)
            case ResponseOutputAudioDelta():
                self._sent_audio(event.item_id, event.payload(), now)
                return (AudioDelta(audio=event.delta),)
            case BinaryAudio():
                self._sent_audio(self._item, event.payload, now)
                return (AudioDelta(audio=encode_audio(event.payload)),)
            case ResponseOutputAudioTranscriptDelta() | ResponseOutputTextDelta():
                return _said("assistant", event.delta, final=False)
            case ResponseOutputAudioTranscriptDone():
                return _said("assistant", event.transcript, final=True)
            case ResponseOutputTextDone():
                return _said("assistant", event.text, final=True)
            case ConversationItemInputAudioTranscriptionCompleted(status="completed" | None):
                return _said("user", event.transcript, final=True)
            case _:
                calls = self._called(event)
                self._follow(event, now)
                return calls

    def _configured(self, event: SessionUpdated) -> tuple[ServerMessage, ...]:
        if not self._configuring:
            return ()
        _, self.config = self._configuring.popleft()
        echo = dict(self.config.to_wire())
        # What the server made of names it does not know.
        for name, known in (("model", voice_model(self.config.model)), ("voice", None)):
            told = known or event.session.get(name)
            if isinstance(told, str):
                echo[name] = told
        return (SessionConfigured(config=echo),)

    def _error(self, event: ErrorEvent) -> tuple[ServerMessage, ...]:
        detail = event.error
        if is_already_active(event):
            # Asked a moment too early: again when that one is done.
            self._asked, self._wanted = False, True
            return ()
        if is_benign_error(event):
            return ()
        for entry in tuple(self._configuring):
            if entry[0] == detail.event_id:
                self._configuring.remove(entry)
        param = detail.param
        if param is not None:
            param = _PARAMS.get(param, param)
            if param.startswith("session"):
                param = f"config{param.removeprefix('session')}"
        return (ErrorMessage(error=attrs.evolve(detail, param=param, event_id=None)),)

    def _sent_audio(self, item_id: str, payload: bytes, now: float) -> None:
        self._has_output = True
        output = (self.config or DialectConfig()).output_format
        octets = 2 if output.type == "audio/pcm" else 1
        self._played.sent(item_id, len(payload) / (octets * output.rate_hz), now)

    def _called(self, event: ServerEvent) -> tuple[ServerMessage, ...]:
        calls: list[ServerMessage] = []
        for call in completed_calls(event):
            if call.call_id in self._calls:
                continue
            self._calls[call.call_id] = None
            self._unanswered.add(call.call_id)
            self._has_output = True
            if len(self._calls) > _MAX_CALLS:
                oldest = next(iter(self._calls))
                del self._calls[oldest]
                self._unanswered.discard(oldest)
            function = CalledFunction(name=call.name, arguments=call.arguments)
            calls.append(ToolCall(id=call.call_id, function=function))
        return tuple(calls)

    def _follow(self, event: ServerEvent, now: float) -> None:
        """Keep up with turns and answers, of which the client is told nothing."""
        match event:
            case InputAudioBufferSpeechStarted():
                self._speaking = True
                if self._interrupts:
                    self._followers += self._cut(now)
                    if not self._has_output:
                        # A server may drop such an answer without a word.
                        self._active = None
            case InputAudioBufferSpeechStopped():
                self._speaking = False
            case InputAudioBufferCommitted():
                self._buffered = False
                self._answer_due = self._answers and not self._asked
            case ResponseCreated():
                self._active = event.response.id
                self._has_output = False
                # It knows of all that was said and returned so far.
                self._asked = self._wanted = self._answer_due = False
                self._results = False
            case ResponseOutputItemAdded():
                self._item = event.item.id or ""
            case ResponseDone():
                if event.response.id == self._active:
                    self._active = None
                self._followers += self._ask()
            case _:
                pass

    @property
    def _answers(self) -> bool:
        turns = (self.config or DialectConfig()).turn_detection
        return turns is None or (not turns.manual and turns.create_response is not False)

    @property
    def _interrupts(self) -> bool:
        turns = (self.config or DialectConfig()).turn_detection
        return turns is None or (not turns.manual and turns.interrupt_response is not False)


# Where the settings of the real session are in the flat object.
_PARAMS: Final = {
    "session.audio.input.format.type": "config.input_audio_format",
    "session.audio.output.format.type": "config.output_audio_format",
    "session.audio.input.format.rate": "config.sample_rate",
    "session.audio.output.format.rate": "config.sample_rate",
    "item.call_id": "tool_call_id",
}


def _said(role: str, text: str | None, *, final: bool) -> tuple[ServerMessage, ...]:
    return (Transcript(text=text, role=role, final=final),) if text else ()
