"""The inside of a Grok client: what each message of the server changes, and barge-in.

Everything here is a plain function, called by the connection's reader in the order of the wire. Nothing waits,
so nothing can happen between a message and its effects.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame, Encoding
from callboard.protocols import RemoteWireError, grok as wire

from ._errors import MailboxFull
from ._grok_events import (
    BY_WIRE_TYPE,
    ConnectorData,
    GrokEvent,
    VoiceAgentAPIEvents,
    WebSocketClosed,
    WebSocketErrorData,
)
from ._grok_messages import GrokMessages
from ._grok_playback import GrokPlayback
from ._grok_session import GrokSession, PendingUpdate
from ._grok_statistics import Counters
from ._grok_tools import GrokToolCalls
from ._grok_turns import ResponseState
from ._provider_errors import ClientClosed, ProviderFailed, ProviderFailure, RequestRefused
from ._provider_outbox import Outbox
from ._provider_port import Connected, Disconnected
from ._tools import ToolResult, ToolRunner
from ._tools_schema import ToolContext
from ._trace import Redactor, Trace
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._grok_client import VoiceAgentAPIClient
    from ._ports import MediaUnit

_log = logging.getLogger("callboard.grok")

# Characters of a message in a debug log.
LOG_CLIP = 300
# Events of the first connection, kept for listeners that are added once the client exists.
MAX_UNCLAIMED = 32

_ENCODINGS = {Encoding.ULAW: "ULAW", Encoding.ALAW: "ALAW", Encoding.PCM16: "PCM16"}


@attrs.define(eq=False)
class PendingSay:
    """A line that was sent to be spoken."""

    event_id: str
    interruptible: bool
    begun: trio.Event = attrs.field(factory=trio.Event)
    response: ResponseState | None = None
    error: Exception | None = None


class GrokCore:
    """The state of one client.

    Args:
        client: The media unit and the client of all events.
        outbox: Where messages wait.
        session: The configuration.
        redactor: Takes credentials out of texts.
        trace: For notes, if there is one.
        model: What was asked for.
        barge_in: Interrupt by ourselves when the caller begins to speak.
        privacy: Nothing of a payload in any log.
        encode: From an event to its message.
    """

    def __init__(
        self,
        client: "VoiceAgentAPIClient",
        *,
        call: "MediaUnit | None",
        transcript: Transcript,
        outbox: Outbox,
        session: GrokSession,
        redactor: Redactor,
        trace: Trace | None,
        model: str,
        barge_in: bool,
        privacy: bool,
        encode: Callable[[wire.ClientEvent], str | bytes],
    ) -> None:
        self.client = client
        self.call = call
        self.outbox = outbox
        self.session = session
        self.trace = trace
        self.transcript = transcript
        self.counters = Counters(began_at=trio.current_time())
        self.playback = GrokPlayback(client, self, transcript, self.counters)
        self.tools = GrokToolCalls(self, lambda report: ToolRunner(client.scope, client.id(), report))
        self.says: deque[PendingSay] = deque()
        self.greeted = trio.Event()
        """The first greeting is complete, or the client is over."""
        self.answered = trio.Event()
        """The server has said anything at all, or the client is over."""
        self.on_close: Callable[[WebSocketClosed], object] | None = None
        self.closed = False
        self.failure: ProviderFailed | None = None
        self.ended = trio.Event()
        self.conversation_id = ""
        self.connector: ConnectorData | None = None
        self.unclaimed: deque[GrokEvent] = deque(maxlen=MAX_UNCLAIMED)
        """Events of the time before users had the client, until somebody asks for them."""
        self._collecting = True
        self._redactor = redactor
        self._model = model
        self.barge_in = barge_in
        self._privacy = privacy
        self._encode = encode
        self._this_greeted = False
        self._messages = GrokMessages(self)

    # Sending

    def require_open(self) -> None:
        """Raise unless messages can be sent, now or later."""
        if self.failure is not None:
            # A new one each time, for a traceback grows with every raise.
            raise ProviderFailed(self.failure.reason, str(self.failure))
        if self.closed:
            raise ClientClosed(f"the Grok client {self.client.id()!r} is closed")

    def queue(self, event: wire.ClientEvent, *, bound: bool = False) -> str | bytes:
        """Queue an event; see `Outbox.put`."""
        self.require_open()
        message = self._encode(event)
        self.outbox.put(message, bound=bound)
        return message

    def send(self, event: wire.ClientEvent) -> str | bytes | None:
        """See `ToolWire`."""
        if self.closed or self.failure is not None:
            return None
        message = self._encode(event)
        try:
            self.outbox.put(message)
        except MailboxFull:
            _log.exception("%s: cannot send %s", self.client.id(), event.type)
            return None
        return message

    def update_session(self, session: Mapping[str, object], event_id: str | None) -> PendingUpdate:
        """Merge an update into the session and send it, or leave it to the next connection's opening."""
        self.require_open()
        old_input = self.session.input_format
        update = self.session.update(session, event_id=event_id)
        if self.client.connected:
            message = wire.SessionUpdate(session=update.session, event_id=update.event_id)
            self.outbox.put(self._encode(message), bound=True)
        if self.session.input_format != old_input:
            # What waits is in the old format and would come after the update.
            self.outbox.drop_audio()
        self._move_gate()
        return update

    def tell(self, event: wire.ClientEvent) -> None:
        """See `PlaybackSide`."""
        # About this session only: of no use after a reconnect, and not worth an error when there is no connection.
        if self.client.connected and not self.closed:
            try:
                self.outbox.put(self._encode(event), bound=True)
            except MailboxFull:
                _log.exception("%s: cannot send %s", self.client.id(), event.type)

    # ToolWire

    def waits(self, message: str | bytes) -> bool:
        """See `ToolWire`."""
        return self.outbox.waits(message)

    def response_active(self) -> bool:
        """See `ToolWire`."""
        return self.playback.turns.active is not None

    def declared_elsewhere(self, name: str) -> bool:
        """See `ToolWire`."""
        return name in self.session.function_names()

    def tool_context(self, call_id: str, name: str) -> ToolContext:
        """See `ToolWire`."""
        return ToolContext(call=self.call, client=self.client, call_id=call_id, name=name)

    def tool_finished(self, result: ToolResult) -> None:
        """See `ToolWire`."""
        self.counters.tool_calls += 1
        self.playback.history.output(result.call_id, result.output)
        self.playback.lines.tool(result.name, result.arguments, result.output)

    # The connection

    def opening(self) -> list[wire.ClientEvent]:
        """The events that begin a connection."""
        update = self.session.opening()
        return [*([] if update is None else [update]), *self.tools.opening()]

    def provider_connected(self, event: Connected) -> None:
        """See `ProviderClient`."""
        self._this_greeted = False
        self.connector = ConnectorData(
            endpoint=event.endpoint,
            model=self._model,
            web_socket_id=event.web_socket_id,
            attempt=event.attempt,
            trace=None if self.trace is None else str(self.trace.path),
        )
        self.publish(VoiceAgentAPIEvents.ConnectorInformation(client=self.client, data=self.connector))

    def provider_message(self, message: wire.Decoded) -> None:
        """See `ProviderClient`."""
        event = message.event
        if not self._this_greeted:
            self._begin_session()
        if _log.isEnabledFor(logging.DEBUG):
            self._log_message(event, message.raw)
        try:
            hidden = self._messages.handle(event)
        except RemoteWireError as error:
            self.provider_malformed(error)
            return
        if not isinstance(event, wire.SessionCreated | wire.Ping):
            self.greeted.set()
        if not hidden:
            self._publish_message(event, message.raw)

    def _begin_session(self) -> None:
        self._this_greeted = True
        self.counters.greeted(trio.current_time())
        self._move_gate()
        self.answered.set()

    def _log_message(self, event: wire.Event, raw: Mapping[str, object]) -> None:
        kind = getattr(event, "type", "binary audio")
        if self._privacy or isinstance(event, wire.ResponseOutputAudioDelta | wire.BinaryAudio):
            _log.debug("%s: received %s", self.client.id(), kind)
        else:
            text = str(self._redactor.value(raw))
            _log.debug("%s: received %s %s", self.client.id(), kind, text[:LOG_CLIP])

    def _publish_message(self, event: wire.Event, raw: Mapping[str, object]) -> None:
        if isinstance(event, wire.Unknown):
            self.publish(VoiceAgentAPIEvents.Unknown(client=self.client, data=event, raw=raw))
        elif isinstance(event, wire.ServerEvent):
            kind = BY_WIRE_TYPE.get(event.type)
            if kind is not None:
                self.publish(kind(client=self.client, data=event, raw=raw))

    def publish(self, event: GrokEvent) -> None:
        """Give an event to streams and listeners."""
        taken = self.client.hub.publish(event) + self.client.listeners.publish(event)
        if not taken and self._collecting:
            self.unclaimed.append(event)

    def provider_malformed(self, error: Exception) -> None:
        """See `ProviderClient`."""
        self.counters.malformed += 1
        text = self._redactor.text(str(error))
        _log.warning(
            "%s: a message of the provider cannot be used%s", self.client.id(), _unless(self._privacy, text)
        )
        self.publish(
            VoiceAgentAPIEvents.WebSocketError(client=self.client, data=WebSocketErrorData(message=text))
        )

    def provider_disconnected(self, event: Disconnected) -> None:
        """See `ProviderClient`."""
        now = trio.current_time()
        self._this_greeted = False
        if self.playback.turns.active is not None:
            state = self.playback.turns.active
            self.playback.lines.agent_ends(state.id, max(self.playback.turns.playing_until, now))
        self.playback.turns.disconnected()
        self.tools.disconnected()
        lost = ProviderFailed(ProviderFailure.CONNECTION_LOST, "the connection ended before the answer came")
        self._fail_says(lost)
        self.playback.changed.unpark_all()
        self.playback.touch()
        if not event.was_clean:
            data = WebSocketErrorData(
                message=event.reason or f"the connection ended with {event.code}",
                code=event.code if event.was_open else None,
                will_reconnect=event.will_reconnect,
            )
            self.publish(VoiceAgentAPIEvents.WebSocketError(client=self.client, data=data))
        if self.closed:
            self.close_trace()
        if event.was_open and self.on_close is not None:
            closed = WebSocketClosed(
                client=self.client,
                code=event.code,
                reason=event.reason,
                was_clean=event.was_clean,
                will_reconnect=event.will_reconnect,
            )
            self.client.listeners.call(self.on_close, closed)

    def _fail_says(self, error: Exception) -> None:
        for say in self.says:
            say.error = error
            say.begun.set()
        self.says.clear()

    def close_trace(self) -> None:
        """Write the rest of the trace, if there is one."""
        if self.trace is not None:
            self.trace.close()

    def settled(self) -> None:
        """The client exists: events that nobody asks for from now on are not kept."""
        self._collecting = False

    def tell_failure(self, failure: ProviderFailed) -> None:
        """The last event of a client that failed."""
        data = WebSocketErrorData(message=str(failure), will_reconnect=False)
        self.publish(VoiceAgentAPIEvents.WebSocketError(client=self.client, data=data))

    def finish(self, failure: ProviderFailed | None) -> None:
        """The client is over. Idempotent."""
        if self.ended.is_set():
            return
        self.closed = True
        self.failure = self.failure or failure
        closed = failure or ClientClosed(f"the Grok client {self.client.id()!r} is closed")
        self.tools.close()
        self._fail_says(closed)
        self.session.abandon(RequestRefused(str(closed), kind="closed"))
        self.outbox.close_gate()
        self.playback.lines.close()
        self.client.hub.close()
        self.unclaimed.clear()
        self.answered.set()
        self.greeted.set()
        self.ended.set()
        self.playback.changed.unpark_all()
        self.playback.touch()

    # The session

    def _move_gate(self) -> None:
        if self._this_greeted and not self.session.blocked:
            self.outbox.open_gate()
        else:
            self.outbox.close_gate()

    def session_updated(self, event: wire.SessionUpdated) -> None:
        """An update took effect."""
        old_input = self.session.input_format
        self.session.accepted(event.session)
        if self.session.input_format != old_input:
            self.outbox.drop_audio()
        self._move_gate()

    def server_error(self, event: wire.ErrorEvent) -> bool:
        """An error came; True keeps it from users."""
        detail = event.error
        self.counters.errors += 1
        if wire.is_benign_error(detail):
            # Both sides may lose this race; nothing is wrong.
            _log.debug(
                "%s: %s", self.client.id(), detail.type if self._privacy else detail.message[:LOG_CLIP]
            )
            if wire.is_already_active(detail):
                self.tools.already_active()
            return True
        old_input = self.session.input_format
        update = self.session.refused(detail)
        if update is not None:
            if self.session.input_format != old_input:
                self.outbox.drop_audio()
            if update.opening and update.covers and (again := self.session.restore()) is not None:
                self.outbox.put(self._encode(again), bound=True)
            self._move_gate()
        elif (say := self._say_of(detail.event_id)) is not None:
            self.says.remove(say)
            say.error = RequestRefused(detail.message, kind=detail.type, param=detail.param)
            say.begun.set()
        text = self._redactor.text(detail.message)
        _log.warning(
            "%s: the provider reports %s%s", self.client.id(), detail.type, _unless(self._privacy, text)
        )
        return False

    def _say_of(self, event_id: str | None) -> PendingSay | None:
        return next((say for say in self.says if say.event_id == event_id), None)

    # Audio from the caller

    def accept(self, frame: AudioFrame) -> None:
        """Queue caller audio."""
        if self.closed or not frame.payload:
            return
        if frame.format != self.input_format:
            # Converted for a format that changed a moment ago.
            return
        seconds = frame.duration
        self.counters.audio_in += seconds
        self.outbox.put_audio(frame.payload, seconds)

    @property
    def input_format(self) -> AudioFormat:
        """What to send."""
        return self.session.input_format


def _unless(privacy: bool, text: str) -> str:
    return "" if privacy else f": {text[:LOG_CLIP]}"
