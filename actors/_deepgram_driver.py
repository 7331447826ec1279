"""Deepgram's session rules: one `Settings`, updates, injections, function calls and what a new session is given."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import AudioFormat
from callboard.protocols import deepgram as wire

from ._agent_dialogue import Handover, PendingSay
from ._agent_driver import Wish
from ._agent_history import HistoryCall, HistoryEntry, HistoryMessage, HistoryResult
from ._agent_turns import ResponseState
from ._deepgram_adapter import DeepgramAdapter
from ._deepgram_messages import DeepgramMessages
from ._deepgram_settings import DeepgramSettings
from ._provider_errors import ConnectionLost, ProviderFailed, ProviderFailure, RequestRefused
from ._tools import ToolResult, error_output

if TYPE_CHECKING:
    from ._agent_core import AgentCore

_log = logging.getLogger("callboard.deepgram")

# How the agent is asked to go on where it has to speak and the last words are not the caller's: this wire has no
# request for an answer but a turn of the caller's. It is in no transcript and in no history of ours.
NUDGE = "Please go on."


@attrs.define(eq=False)
class PendingChange:
    """A change of the configuration that the server has not confirmed."""

    left: int
    """Confirmations that are missing."""
    done: trio.Event = attrs.field(factory=trio.Event)
    error: Exception | None = None

    def finish(self, error: Exception | None = None) -> None:
        """The answer came."""
        self.error = error
        self.done.set()


def context_of(entries: Sequence[HistoryEntry]) -> list[Mapping[str, object]]:
    """The history as the messages of `agent.context`. Calls without a result have no place there."""
    results = {entry.call_id: entry.output for entry in entries if isinstance(entry, HistoryResult)}
    messages: list[Mapping[str, object]] = []
    for entry in entries:
        match entry:
            case HistoryMessage(role=("user" | "assistant") as role, text=text):
                messages.append({"type": "History", "role": role, "content": text})
            case HistoryCall(call_id=call_id) if call_id in results:
                call = {
                    "id": call_id,
                    "name": entry.name,
                    "client_side": True,
                    "arguments": entry.arguments,
                    "response": results[call_id],
                }
                messages.append({"type": "History", "function_calls": [call]})
            case _:
                pass
    return messages


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
        self._sent = False
        self._applied = False
        self._inject: list[str] = []
        """Turns of the caller's to give as text once the settings are applied."""
        self._pending: list[PendingChange] = []
        self._calls: dict[str, str | None] = {}
        """Calls of the present session without an answer, with their thought signature."""
        self._orphans: frozenset[str] = frozenset()
        """Calls of earlier sessions that ran when this one began."""
        self._late = False
        """One of them was answered, and nobody has told the model."""
        self._greeted = False
        self.request_id = ""
        """The server's id of the session."""
        self._core: AgentCore
        self._messages: DeepgramMessages

    def bind(self, core: "AgentCore") -> None:
        """See `Driver`."""
        self._core = core
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
        return (
            (self._sent and not self._applied)
            or any(change.left for change in self._pending)
            or self._core.dialogue.owes
            or self._core.playback.turns.active is not None
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
        """See `Driver`."""
        if not self._ready:
            return ()
        entries = list(handover.entries)
        owes, self._late = handover.owes or self._late, False
        answered = {entry.call_id for entry in entries if isinstance(entry, HistoryResult)}
        self._orphans = frozenset(
            entry.call_id
            for entry in entries
            if isinstance(entry, HistoryCall) and entry.call_id not in answered
        )
        self._inject = []
        if owes:
            last = entries[-1] if entries else None
            if isinstance(last, HistoryMessage) and last.role == "user":
                # It is given as a turn instead, which is answered.
                self._inject.append(last.text)
                entries.pop()
            elif last is not None:
                self._inject.append(NUDGE)
        greets = not self._greeted and not entries
        self._sent = self.adapter.alive = True
        return (self.settings.opening(context_of(entries), greeting=greets),)

    def connected(self) -> None:
        """See `Driver`."""
        self._messages.connected()

    def disconnected(self) -> None:
        """See `Driver`."""
        self._sent = self._applied = self.adapter.alive = False
        # The next session does not know them; what they bring is told to it when there is a pause.
        self._calls.clear()

    def message(self, decoded: wire.Decoded) -> bool:
        """See `Driver`."""
        return self._messages.handle(decoded.event)

    def settings_applied(self, event: wire.SettingsApplied) -> None:
        """The session may be talked to."""
        core = self._core
        self._applied = self._greeted = True
        for change in self._pending:
            change.finish()
        self._pending.clear()
        for update in self.settings.applied():
            core.lead(update)
        for say in tuple(core.dialogue.says):
            core.lead(_line(say))
        for text in self._inject:
            self._messages.given(text)
            core.lead(wire.InjectUserMessage(content=text))
            core.dialogue.owes = True
        self._inject = []
        core.session_ready(event)

    def close(self, error: Exception) -> None:
        """See `Driver`."""
        self._refuse_changes(RequestRefused(str(error), kind="closed"))
        self._calls.clear()

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
            if core.is_driver(self) and core.client.connected:
                for message in self.opening(core.dialogue.handover()):
                    core.queue(message, bound=True)
        elif self._sent and core.is_driver(self):
            if not updates:
                self._pending.remove(change)
                change.finish()
            for update in updates:
                core.queue(update, bound=True)
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

    def stop_answer(self, state: ResponseState) -> None:
        """See `Driver`."""
        if self._core.is_driver(self) and state.session == self._core.dialogue.session:
            self._messages.ignore_answer()

    # Functions

    def called(self, call: wire.FunctionCall) -> None:
        """The model called a function that is to be run here."""
        tools = self._core.tools
        tool = tools.tools.get(call.name)
        if tool is None and (not tools.tools or self.declared(call.name)):
            # Somebody else answers it: a listener, as in VoxEngine.
            return
        if tool is None and not tools.runner.claim(call.id):
            return
        self._calls[call.id] = call.thought_signature
        if tool is None:
            output = error_output(f"there is no tool {call.name!r}")
            self._core.dialogue.history.answered(call.id, output)
            self._answer(call.id, call.name, output)
        elif not tools.begin(tool, call.id, call.arguments):
            self._calls.pop(call.id, None)

    def calls_cancelled(self, call_ids: Sequence[str]) -> None:
        """The server does not want answers to these calls.

        They run on, for what they do may not be half done; where the model asks for the same again in this turn it gets
        what they bring.
        """
        for call_id in call_ids:
            self._calls.pop(call_id, None)
        self._core.tools.session_lost(call_ids)

    def tool_finished(self, result: ToolResult) -> None:
        """See `Driver`."""
        if result.call_id in self._calls:
            self._answer(result.call_id, result.name, result.output)
        elif result.call_id in self._orphans and not self._core.tools.inherited(result.call_id):
            # No message of this wire could tell the session; the next one gets it with the history.
            self._late = True
            self._core.renew()

    def answer(self, response: wire.FunctionCallResponse) -> None:
        """Answer a call as the user says."""
        if response.id is not None:
            self._core.dialogue.history.answered(response.id, response.content)
            self._calls.pop(response.id, None)
        self._core.queue(response, bound=True)
        self._core.dialogue.owes = True

    def _answer(self, call_id: str, name: str, output: str) -> None:
        signature = self._calls.pop(call_id, None)
        if self._core.is_driver(self):
            self._core.tell(
                wire.FunctionCallResponse(id=call_id, name=name, content=output, thought_signature=signature)
            )
            self._core.dialogue.owes = not self._calls

    # Errors

    def server_error(self, event: wire.ErrorMessage) -> None:
        """An error came, which is the end of the session."""
        core, code = self._core, event.code
        core.report_error(code, event.description, event)
        text = f"{code}: {core.redactor.text(event.description)[:200]}"
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
