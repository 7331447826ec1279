"""Deepgram's session rules: one `Settings`, updates, injections, function calls and what a new session is given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import AudioFormat
from callboard.protocols import deepgram as wire

from ._agent_dialogue import Handover, PendingSay
from ._agent_driver import Wish
from ._agent_history import HistoryMessage
from ._agent_turns import ResponseState
from ._deepgram_adapter import DeepgramAdapter
from ._deepgram_calls import DeepgramCalls
from ._deepgram_messages import DeepgramMessages
from ._deepgram_settings import DeepgramSettings
from ._errors import MailboxFull
from ._provider_errors import ConnectionLost, ProviderFailed, ProviderFailure, RequestRefused
from ._provider_outbox import COMMAND_CAPACITY
from ._tools import ToolResult

if TYPE_CHECKING:
    from ._agent_core import AgentCore

# How the agent is asked to go on where it has to speak and the last words are not the caller's: this wire has no
# request for an answer but a turn of the caller's. It is in no transcript and in no history of ours.
NUDGE = "Please go on."


@attrs.define(eq=False)
class PendingChange:
    """A change of the configuration that the server has not confirmed."""

    left: int
    """Confirmations that are missing."""
    held: Sequence[wire.ClientMessage] = ()
    """What asks for them, where it has to wait until the settings are applied."""
    done: trio.Event = attrs.field(factory=trio.Event)
    error: Exception | None = None

    def finish(self, error: Exception | None = None) -> None:
        """The answer came."""
        self.error = error
        self.done.set()


class DeepgramDriver:
    """See `Driver`.

    Args:
        adapter: The wire.
        settings: The configuration.
    """

    name = "deepgram"
    nudge = NUDGE

    def __init__(self, adapter: DeepgramAdapter, settings: DeepgramSettings) -> None:
        self.adapter = adapter
        self.settings = settings
        self._ready = False
        """There are settings to send; before that, `configure` is waited for."""
        self._welcomed = False
        self._sent = False
        self._applied = False
        self._inject: list[str] = []
        """Turns of the caller's to give as text once the settings are applied."""
        self._lines: list[wire.InjectAgentMessage] = []
        """Lines of the user's own that wait for that too."""
        self._pending: list[PendingChange] = []
        self._greeted = False
        self.request_id = ""
        """The server's id of the session."""
        self._core: AgentCore
        self._messages: DeepgramMessages
        self.calls: DeepgramCalls
        """The function calls."""

    def bind(self, core: "AgentCore") -> None:
        """See `Driver`."""
        self._core = core
        self.calls = DeepgramCalls(core, self)
        self._messages = DeepgramMessages(core, self)

    @property
    def input_format(self) -> AudioFormat:
        """See `Driver`."""
        return self.settings.input_format

    @property
    def output_format(self) -> AudioFormat:
        """See `Driver`."""
        return self.settings.output_format

    @property
    def blocked(self) -> bool:
        """See `Driver`."""
        return not self._applied

    @property
    def awaits(self) -> bool:
        """See `Driver`."""
        dialogue = self._core.dialogue
        return (
            (self._sent and not self._applied)
            or any(change.left for change in self._pending)
            or (dialogue.owes and not dialogue.speaking)
            # A long sentence comes at once, and the next one when it has nearly been heard.
            or (dialogue.playback.turns.active is not None and not dialogue.play_lag())
        )

    @property
    def _live(self) -> bool:
        """Whether messages of the conversation can be sent at this moment."""
        return self._applied and self._core.is_driver(self) and self._core.client.connected

    def complete(self) -> None:
        """The settings are to be sent as they are."""
        self._ready = True

    # Connections

    def opening(self, handover: Handover) -> Sequence[wire.ClientMessage]:
        """See `Driver`. The server speaks first; what it is given is seen to when it does."""
        del handover
        return ()

    def welcomed(self, event: wire.Welcome) -> None:
        """The server is there."""
        self.request_id = event.request_id
        self._welcomed = True
        self._open()
        self._core.ready.set()

    def _open(self) -> None:
        """Send the settings, if they are known and there is a server that waits for them."""
        core = self._core
        if self._sent or not (self._ready and self._welcomed and core.is_driver(self)):
            return
        handover = core.dialogue.handover()
        entries = list(handover.entries)
        owes = handover.owes or self.calls.late
        self.calls.opening(entries)
        self._inject = []
        if owes:
            last = entries[-1] if entries else None
            if isinstance(last, HistoryMessage) and last.role == "user":
                # It is given as a turn instead, which is answered.
                self._inject.append(last.text)
                entries.pop()
            elif last is not None:
                self._inject.append(NUDGE)
        for change in self._pending:
            # All of it is in the settings.
            change.left, change.held = 0, ()
        greets = not self._greeted and not entries
        self._sent = self.adapter.alive = True
        core.lead(self.settings.opening(self.calls.context_of(entries), greeting=greets))

    def connected(self) -> None:
        """See `Driver`."""
        self._messages.connected()

    def disconnected(self) -> None:
        """See `Driver`."""
        self._welcomed = self._sent = self._applied = self.adapter.alive = False
        self.calls.disconnected()
        state = self._core.playback.turns.active
        if state is not None:
            self._forget_unheard(state)

    def message(self, decoded: wire.Decoded) -> bool:
        """See `Driver`."""
        return self._messages.handle(decoded.event)

    def settings_applied(self, event: wire.SettingsApplied) -> None:
        """The session may be talked to."""
        core = self._core
        if self._applied:
            return
        self._applied = self._greeted = True
        held: list[wire.ClientMessage] = []
        for change in tuple(self._pending):
            if change.left:
                held += change.held
                change.held = ()
            else:
                self._pending.remove(change)
                change.finish()
        for update in (*self.settings.applied(), *held):
            core.lead(update)
        for line in (*map(_line, core.dialogue.says), *self._lines):
            core.lead(line)
        for text in self._inject:
            self._messages.given(text)
            core.lead(wire.InjectUserMessage(content=text))
            core.dialogue.owes = True
        self._inject, self._lines = [], []
        core.session_ready(event)

    def close(self, error: Exception) -> None:
        """See `Driver`."""
        self._refuse_changes(RequestRefused(str(error), kind="closed"))
        self.calls.disconnected()

    # What users ask for

    def configure(self, wish: Wish) -> PendingChange:
        """See `Driver`."""
        updates = self.settings.configure(
            live=self._sent,
            instructions=wish.instructions,
            voice=wish.voice,
            tools=wish.declared,
            language=wish.language,
            keyterms=wish.keyterms,
            speed=wish.speed,
            extra=wish.extra,
        )
        return self._change(updates)

    def change(self, update: wire.Update) -> None:
        """Change the live session as the user says, and every later one with it."""
        self._core.require_open()
        self._change(self.settings.updated(update))

    def _change(self, updates: Sequence[wire.ClientMessage]) -> PendingChange:
        core = self._core
        change = PendingChange(left=len(updates))
        self._pending.append(change)
        if not self._ready:
            self._ready = True
            self._open()
        elif self._live:
            if not updates:
                self._pending.remove(change)
                change.finish()
            for update in updates:
                core.queue(update, bound=True)
        elif self._sent:
            change.held = tuple(updates)
        return change

    def acknowledged(self, event: wire.ServerMessage) -> None:
        """A change took effect. They are confirmed in the order in which they were sent."""
        if not self.settings.acknowledged(event):
            return
        change = next((change for change in self._pending if change.left), None)
        if change is not None:
            change.left -= 1
            if not change.left:
                self._pending.remove(change)
                change.finish()

    def declared(self, name: str) -> bool:
        """See `Driver`."""
        return name in self.settings.function_names()

    def send(self, message: wire.ClientMessage) -> None:
        """Send a message as the user wrote it, in a session that can be talked to.

        A line for the agent waits for one. Everything else is about the moment, and of no use in another.
        """
        self._core.require_open()
        if self._live:
            self._core.queue(message, bound=True)
        elif isinstance(message, wire.InjectAgentMessage):
            if len(self._lines) >= COMMAND_CAPACITY:
                raise MailboxFull(f"outbox of {self._core.client.id()}", COMMAND_CAPACITY)
            self._lines.append(message)

    def say(self, say: PendingSay) -> None:
        """See `Driver`. What is said before the settings are applied, or without a connection, is said then."""
        if self._live:
            self._core.queue(_line(say), bound=True)

    def ask(self, text: str) -> None:
        """See `Driver`."""
        core = self._core
        text = text.strip()
        core.dialogue.history.text(core.new_id("ask"), "user", text)
        core.dialogue.owes = True
        if self._live:
            self._messages.given(text)
            core.queue(wire.InjectUserMessage(content=text), bound=True)
        elif self._sent:
            self._inject.append(text)

    # What becomes of answers

    def tell_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """See `Driver`: this wire has no message for it."""
        self._forget_unheard(state)

    def stop_answer(self, state: ResponseState) -> None:
        """See `Driver`."""
        if self._core.is_driver(self) and state.session == self._core.dialogue.session:
            self._messages.ignore_answer()

    def _forget_unheard(self, state: ResponseState) -> None:
        # The words come before the sound: where there was none, nothing was said.
        if not state.items:
            self._core.dialogue.history.deleted(state.id)

    # Functions

    def tool_finished(self, result: ToolResult) -> None:
        """See `Driver`."""
        self.calls.finished(result)

    # Errors

    def server_error(self, event: wire.ErrorMessage) -> None:
        """An error came, which is the end of the session."""
        core, code = self._core, event.code
        core.report_error(code, event.description, event)
        # It ends up in logs, which a description may tell too much.
        text = code if core.privacy else f"{code}: {core.redactor.text(event.description)[:200]}"
        if self.settings.refused(code) and self.settings.take_back():
            self._refuse_changes(RequestRefused(event.description, kind=code))
            core.end_session(ConnectionLost(text))
        elif code == wire.ErrorCode.NON_EXISTENT_FUNCTION_CALLED:
            core.end_session(ProviderFailed(ProviderFailure.UNKNOWN_FUNCTION, text))
        elif wire.is_permanent_error(code) and (
            not self._applied or code != wire.ErrorCode.UNPARSABLE_CLIENT_MESSAGE
        ):
            core.end_session(ProviderFailed(ProviderFailure.BAD_SETTINGS, text))
        else:
            core.end_session(ConnectionLost(text))

    def warned(self, event: wire.WarningMessage) -> None:
        """A warning came; one kind refuses a change."""
        if self.settings.warned(event) is not None:
            self._refuse_changes(RequestRefused(event.description, kind=event.code))

    def _refuse_changes(self, error: RequestRefused) -> None:
        for change in self._pending:
            change.finish(error)
        self._pending.clear()


def _line(say: PendingSay) -> wire.InjectAgentMessage:
    return wire.InjectAgentMessage(message=say.text, behavior="queue")
