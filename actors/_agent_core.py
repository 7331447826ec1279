"""The inside of a voice agent's client: its dialogue, its tools, its events, and the provider that drives it now.

Everything here is a plain function, called by the connection's reader in the order of the wire. Nothing waits,
so nothing can happen between a message and its effects.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio

from callboard.media import AudioFormat, AudioFrame, Converter
from callboard.protocols import RemoteWireError

from ._agent_dialogue import Dialogue
from ._agent_driver import Driver, News
from ._agent_events import (
    AgentEvents,
    ClientEvent,
    ConnectorData,
    WebSocketClosed,
    WebSocketErrorData,
    WebSocketMediaInfo,
)
from ._agent_history import HistoryCall, HistoryMessage
from ._agent_tools import AgentTools
from ._agent_turns import ResponseState
from ._errors import MailboxFull
from ._provider_errors import ClientClosed, ProviderFailed, ProviderFailure
from ._provider_outbox import Outbox
from ._provider_port import Connected, Disconnected
from ._tools import ToolResult
from ._tools_schema import ToolContext
from ._trace import Redactor, Trace
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._agent_client import VoiceAgent
    from ._ports import MediaUnit

_log = logging.getLogger("callboard.agent")

# Characters of a message in a debug log.
LOG_CLIP = 300
# Events of the first connection, kept for listeners that are added once the client exists.
MAX_UNCLAIMED = 32


class AgentCore:
    """The state of one client.

    Args:
        client: The media unit and the client of all events.
        drivers: The providers, the preferred one first.
        call: The call it belongs to, if any.
        transcript: Where lines are written.
        outbox: Where messages wait.
        redactor: Takes credentials out of texts.
        trace: For notes, if there is one.
        barge_in: Interrupt by ourselves when the caller begins to speak.
        privacy: Nothing of a payload in any log.
    """

    def __init__(
        self,
        client: "VoiceAgent",
        drivers: Sequence[Driver],
        *,
        call: "MediaUnit | None",
        transcript: Transcript,
        outbox: Outbox,
        redactor: Redactor,
        trace: Trace | None,
        barge_in: bool,
        privacy: bool,
    ) -> None:
        self.client = client
        self.call = call
        self.outbox = outbox
        self.redactor = redactor
        self.trace = trace
        self.transcript = transcript
        self.privacy = privacy
        self.dialogue = Dialogue(client, self, outbox, transcript, barge_in=barge_in)
        self.playback = self.dialogue.playback
        self.counters = self.dialogue.counters
        self.tools = AgentTools(client.scope, client.id(), self._tool_context, self._tool_finished)
        self.drivers = tuple(drivers)
        self.driver = self.drivers[0]
        self.news: News | None = None
        """Makes the provider's own events, where the client is one provider's."""
        self.ready = trio.Event()
        """The greeting of the first connection is complete, or the client is over."""
        self.answered = trio.Event()
        """A server has said anything at all, or the client is over."""
        self.on_renew: Callable[[], None] | None = None
        """Set by the actor that has the connections."""
        self.on_close: Callable[[WebSocketClosed], object] | None = None
        self.closed = False
        self.failure: ProviderFailed | None = None
        self.ended = trio.Event()
        self.present = False
        """A session can be talked to."""
        self.back = trio.Event()
        """Set while `present`."""
        self.lost = trio.Event()
        """Set while not."""
        self.lost.set()
        self.unclaimed: list[ClientEvent] = []
        """Events of the time before users had the client, until somebody asks for them."""
        self._collecting = True
        self._greeted = False
        self._verdict: Exception | None = None
        self._handed_over = 0
        for driver in self.drivers:
            driver.bind(self)

    def new_id(self, kind: str) -> str:
        """An id for a message or an item of ours."""
        return self.client.scope.new_id(kind)

    # Sending

    def require_open(self) -> None:
        """Raise unless messages can be sent, now or later."""
        if self.failure is not None:
            # A new one each time, for a traceback grows with every raise.
            raise ProviderFailed(self.failure.reason, str(self.failure))
        if self.closed:
            raise ClientClosed(f"the client {self.client.id()!r} is closed")

    def queue(self, event: Any, *, bound: bool = False) -> None:
        """Queue an event of the present provider's wire; see `Outbox.put`."""
        self.require_open()
        for message in self.driver.adapter.encode(event):
            self.outbox.put(message, bound=bound)

    def lead(self, event: Any) -> None:
        """Send an event before everything that waits, caller audio included: it belongs to the session's beginning."""
        self.outbox.lead(self.driver.adapter.encode(event))

    def tell(self, event: Any) -> None:
        """Send an event that is of use on the present connection only, and not worth an error without one."""
        if self.client.connected and not self.closed:
            try:
                self.queue(event, bound=True)
            except MailboxFull:
                _log.exception("%s: cannot send %s", self.client.id(), type(event).__name__)

    # DialogueSide

    def publish(self, event: ClientEvent) -> None:
        """Give an event to streams and listeners."""
        taken = self.client.hub.publish(event) + self.client.listeners.publish(event)
        if not taken and self._collecting:
            self.unclaimed.append(event)
            del self.unclaimed[:-MAX_UNCLAIMED]

    def media_started(self, encoding: str) -> None:
        """See `DialogueSide`."""
        if self.news is not None:
            self.news.media_started(encoding)

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """See `DialogueSide`."""
        if self.news is not None:
            self.news.media_ended(info)

    def tell_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """See `DialogueSide`."""
        self.driver.tell_cut(state, heard, text)

    def stop_answer(self, state: ResponseState) -> None:
        """See `DialogueSide`."""
        self.driver.stop_answer(state)

    # Tools

    def _tool_context(self, call_id: str, name: str) -> ToolContext:
        return ToolContext(call=self.call, client=self.client, call_id=call_id, name=name)

    def _tool_finished(self, result: ToolResult) -> None:
        self.counters.tool_calls += 1
        self.dialogue.history.answered(result.call_id, result.output)
        self.playback.lines.tool(result.name, result.arguments, result.output)
        self.publish(AgentEvents.ToolFinished(client=self.client, result=result))
        self.driver.tool_finished(result)
        if not (self.client.connected or self.tools.runner.running or result.stopped):
            # Whichever provider has the next session is to go on from it.
            self.dialogue.owes = True

    def user_goes_on(self) -> None:
        """The caller began another turn."""
        self.tools.turn_over()

    # The connection: `ProviderClient`

    def provider_opening(self) -> list[str | bytes]:
        """See `ProviderClient`."""
        handover = self.dialogue.handover()
        self._handed_over = len(handover.entries)
        return list(self.driver.adapter.encode_opening(self.driver.opening(handover)))

    def provider_connected(self, event: Connected) -> None:
        """See `ProviderClient`."""
        self._greeted = False
        self.dialogue.session += 1
        self.driver.connected()
        if self.news is not None:
            self.news.connector(
                ConnectorData(
                    endpoint=event.endpoint,
                    model=self.driver.adapter.model,
                    web_socket_id=event.web_socket_id,
                    attempt=event.attempt,
                    trace=None if self.trace is None else str(self.trace.path),
                )
            )

    def provider_message(self, message: Any) -> None:
        """See `ProviderClient`."""
        if not self._greeted:
            self._greeted = True
            self.counters.greeted(trio.current_time())
            self.move_gate()
            self.answered.set()
        if _log.isEnabledFor(logging.DEBUG):
            self._log_message(message.event, message.raw)
        try:
            hidden = self.driver.message(message)
        except RemoteWireError as error:
            self.provider_malformed(error)
            return
        if not hidden and self.news is not None:
            self.news.message(message)
        if self._verdict is not None:
            verdict, self._verdict = self._verdict, None
            raise verdict

    def _log_message(self, event: object, raw: Mapping[str, object]) -> None:
        kind = getattr(event, "type", "binary audio")
        if self.privacy or kind in self.driver.adapter.audio_fields or not raw:
            _log.debug("%s: received %s", self.client.id(), kind)
        else:
            text = str(self.redactor.value(raw))
            _log.debug("%s: received %s %s", self.client.id(), kind, text[:LOG_CLIP])

    def provider_malformed(self, error: Exception) -> None:
        """See `ProviderClient`."""
        self.counters.malformed += 1
        text = self.redactor.text(str(error))
        _log.warning("%s: a message of the provider cannot be used%s", self.client.id(), self.quote(text))
        if self.news is not None:
            self.news.web_socket_error(WebSocketErrorData(message=text))

    def provider_disconnected(self, event: Disconnected) -> None:
        """See `ProviderClient`."""
        had_session = self._greeted
        self._greeted = False
        if self.present:
            self.present = False
            self.back = trio.Event()
            self.lost.set()
        self.driver.disconnected()
        if had_session:
            self.tools.session_lost(self._calls_of_turn())
            self.dialogue.session_lost()
            self.outbox.hold()
        reason = event.reason or f"the connection ended with {event.code}"
        if self.news is not None and not event.was_clean:
            if event.status is not None:
                self.news.handshake_refused(event.status, event.headers, event.body)
            self.news.web_socket_error(
                WebSocketErrorData(
                    message=reason,
                    code=event.code if event.was_open else None,
                    will_reconnect=event.will_reconnect,
                )
            )
        if not event.wanted:
            self.publish(
                AgentEvents.ProviderLost(
                    client=self.client,
                    provider=self.driver.name,
                    reason=reason,
                    will_reconnect=event.will_reconnect,
                )
            )
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

    def _calls_of_turn(self) -> list[str]:
        """The calls since the caller's last words."""
        calls: list[str] = []
        for entry in reversed(self.dialogue.history.entries):
            if isinstance(entry, HistoryMessage) and entry.role == "user":
                break
            if isinstance(entry, HistoryCall):
                calls.append(entry.call_id)
        return calls

    @property
    def idle(self) -> bool:
        """See `ProviderClient`: nothing would be lost if the session were replaced now."""
        return (
            self.present and self.dialogue.idle and not self.tools.runner.running and not self.driver.blocked
        )

    @property
    def awaits(self) -> bool:
        """See `ProviderClient`: the provider owes us a message."""
        return self.driver.awaits

    # What drivers tell

    def end_session(self, error: Exception) -> None:
        """The present session is over, once its message has been told: `ConnectionLost`, or `ProviderFailed`."""
        self._verdict = error

    def renew(self) -> None:
        """Have the session replaced at the next pause."""
        if self.on_renew is not None:
            self.on_renew()

    def session_ready(self, native: object) -> None:
        """The session is configured and may be talked to."""
        self.move_gate()
        if self.present:
            return
        self.present = True
        self.lost = trio.Event()
        self.back.set()
        self.publish(
            AgentEvents.ProviderReady(
                client=self.client,
                native=native,
                provider=self.driver.name,
                session=self.dialogue.session,
                handed_over=self._handed_over,
            )
        )

    def move_gate(self) -> None:
        """Let caller audio out, or hold it back."""
        if self._greeted and not self.driver.blocked:
            self.outbox.open_gate()
        else:
            self.outbox.close_gate()

    def report_error(self, kind: str, message: str, native: object) -> None:
        """The provider reports an error."""
        self.counters.errors += 1
        text = self.redactor.text(message)
        _log.warning("%s: the provider reports %s%s", self.client.id(), kind, self.quote(text))
        self.publish(AgentEvents.Error(client=self.client, native=native, kind=kind, message=text))

    def quote(self, text: str) -> str:
        """A text for a log, or nothing of it."""
        return "" if self.privacy else f": {text[:LOG_CLIP]}"

    # Failover

    def is_driver(self, driver: object) -> bool:
        """Whether a driver is the present one."""
        return self.driver is driver

    def use(self, driver: Driver) -> None:
        """Go on with another provider."""
        if driver is self.driver:
            return
        old_format = self.driver.input_format
        self.driver.close(ProviderFailed(ProviderFailure.CONNECTION_LOST, "another provider took over"))
        self.driver = driver
        # What waits is in the words of another wire; what matters of it is in the history.
        self.outbox.drop_commands()
        new_format = driver.input_format
        if new_format != old_format:
            self.outbox.convert(Converter(old_format, new_format), new_format)

    # The end

    def close_trace(self) -> None:
        """Write the rest of the trace, if there is one."""
        if self.trace is not None:
            self.trace.close()

    def settled(self) -> None:
        """The client exists: events that nobody asks for from now on are not kept."""
        self._collecting = False

    def tell_failure(self, failure: ProviderFailed) -> None:
        """The last event of a client that failed."""
        if self.news is not None:
            self.news.web_socket_error(WebSocketErrorData(message=str(failure), will_reconnect=False))
        self.publish(AgentEvents.Error(client=self.client, kind=failure.reason.value, message=str(failure)))

    def finish(self, failure: ProviderFailed | None) -> None:
        """The client is over. Idempotent."""
        if self.ended.is_set():
            return
        self.closed = True
        self.failure = self.failure or failure
        closed = failure or ClientClosed(f"the client {self.client.id()!r} is closed")
        self.tools.close()
        self.dialogue.fail_says(closed)
        for driver in self.drivers:
            driver.close(closed)
        self.outbox.close_gate()
        self.playback.lines.close()
        self.client.hub.close()
        self.unclaimed.clear()
        self.answered.set()
        self.ready.set()
        self.ended.set()
        self.playback.changed.unpark_all()
        self.playback.touch()

    # Audio from the caller

    def accept(self, frame: AudioFrame) -> None:
        """Queue caller audio."""
        if self.closed or not frame.payload:
            return
        wanted = self.driver.input_format
        if frame.format is not wanted and frame.format != wanted:
            # Converted for a format that changed a moment ago.
            return
        seconds = frame.duration
        self.counters.audio_in += seconds
        self.outbox.put_audio(frame.payload, seconds)

    @property
    def input_format(self) -> AudioFormat:
        """What to send."""
        return self.driver.input_format

    @property
    def output_format(self) -> AudioFormat:
        """What comes."""
        return self.driver.output_format
