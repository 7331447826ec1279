"""Grok's session rules: configuration, answers, tool calls and what a new session is given."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from callboard.media import AudioFormat
from callboard.protocols import LocalWireError, grok as wire

from ._agent_dialogue import Handover, PendingSay
from ._agent_driver import Wish
from ._agent_history import HistoryCall, HistoryEntry, HistoryMessage, HistoryResult
from ._agent_turns import NEGLIGIBLE, ResponseState
from ._errors import MailboxFull
from ._grok_adapter import GrokAdapter
from ._grok_messages import GrokMessages
from ._grok_session import GrokSession, PendingUpdate
from ._grok_tools import GrokToolCalls
from ._provider_errors import RequestRefused
from ._tools import ToolResult

if TYPE_CHECKING:
    from ._agent_core import AgentCore

_log = logging.getLogger("callboard.grok")


def item_of(entry: HistoryEntry) -> wire.Message | wire.FunctionCall | wire.FunctionCallOutput:
    """An entry of the history as an item to create."""
    match entry:
        case HistoryMessage():
            part = (
                wire.ContentPart.output_text(entry.text)
                if entry.role == "assistant"
                else wire.ContentPart.input_text(entry.text)
            )
            return wire.Message(id=entry.id, role=entry.role, content=(part,))
        case HistoryCall():
            return wire.FunctionCall(call_id=entry.call_id, name=entry.name, arguments=entry.arguments)
        case HistoryResult():
            return wire.FunctionCallOutput(call_id=entry.call_id, output=entry.output)


class GrokDriver:
    """See `Driver`.

    Args:
        adapter: The wire.
        session: The configuration.
        voice: One of xAI's voices, until another is configured.
    """

    name = "grok"

    def __init__(self, adapter: GrokAdapter, session: GrokSession, *, voice: str | None = None) -> None:
        self.adapter = adapter
        self.session = session
        self._voice = voice
        self.conversation_id = ""
        self.resumes = False
        """The server keeps the conversation, and is asked for it when a connection is made."""
        self.replayed: set[str] | None = None
        """Where the server is asked for its history: what it has sent of it so far."""
        self._handover: Handover | None = None
        self._core: AgentCore
        self.tools: GrokToolCalls
        self._messages: GrokMessages

    def bind(self, core: "AgentCore") -> None:
        """See `Driver`."""
        self._core = core
        self.tools = GrokToolCalls(self, core.tools)
        self._messages = GrokMessages(core, self)

    @property
    def input_format(self) -> AudioFormat:
        """See `Driver`."""
        return self.session.input_format

    @property
    def output_format(self) -> AudioFormat:
        """See `Driver`."""
        return self.session.output_format

    @property
    def blocked(self) -> bool:
        """See `Driver`."""
        return self.session.blocked or self._handover is not None

    @property
    def awaits(self) -> bool:
        """See `Driver`."""
        dialogue = self._core.dialogue
        return self.session.waits or dialogue.owes or self.response_active()

    @property
    def current(self) -> bool:
        """Whether this provider is the one that is talked to."""
        return self._core.is_driver(self)

    # Connections

    def opening(self, handover: Handover) -> Sequence[wire.ClientEvent]:
        """See `Driver`. Where the server has the history itself, what it lacks of it follows once that is known."""
        update = self.session.opening()
        events: list[wire.ClientEvent] = [] if update is None else [update]
        self._handover = None
        if self.adapter.conversation_id and update is not None:
            self._handover = handover
            self.replayed = set()
            return events
        return [*events, *self._hand_over(handover, frozenset())]

    def _hand_over(self, handover: Handover, known: frozenset[str]) -> list[wire.ClientEvent]:
        events: list[wire.ClientEvent] = [
            wire.ConversationItemCreate(item=item_of(entry))
            for entry in handover.entries
            if _key(entry) not in known
        ]
        self.tools.adopt(self._core.tools.runner.running)
        events += [_line(say) for say in handover.says]
        if self.tools.take_owed() or handover.owes:
            events.append(wire.ResponseCreate())
            self._core.dialogue.owes = True
        return events

    def resumed(self) -> None:
        """The server has sent its history, if it has any; give it what it lacks."""
        handover, self._handover = self._handover, None
        if handover is None:
            return
        known, self.replayed = frozenset(self.replayed or ()), None
        for event in self._hand_over(handover, known):
            self._core.lead(event)

    def connected(self) -> None:
        """See `Driver`."""

    def disconnected(self) -> None:
        """See `Driver`."""
        self._handover = None
        self.replayed = None
        self.tools.disconnected()
        if self.resumes:
            self.adapter.conversation_id = self.conversation_id

    def message(self, decoded: wire.Decoded) -> bool:
        """See `Driver`."""
        hidden = self._messages.handle(decoded.event)
        if not isinstance(decoded.event, wire.SessionCreated | wire.Ping):
            self._core.ready.set()
        return hidden

    def close(self, error: Exception) -> None:
        """See `Driver`."""
        self.session.abandon(RequestRefused(str(error), kind="closed"))
        self.tools.close()

    # What users ask for

    def configure(self, wish: Wish) -> PendingUpdate:
        """See `Driver`."""
        session: dict[str, object] = dict(wish.extra or {})
        if wish.instructions is not None:
            session["instructions"] = wish.instructions
        voice, self._voice = wish.voice or self._voice, None
        if voice is not None:
            session["voice"] = voice
        if "turn_detection" not in self.session.config:
            session.setdefault("turn_detection", {"type": "server_vad"})
        transcription: dict[str, object] = {"model": "grok-transcribe"}
        if wish.language is not None:
            transcription["language_hint"] = wish.language
        if wish.keyterms is not None:
            transcription["keyterms"] = list(wish.keyterms)
        audio: dict[str, object] = {"input": {"transcription": transcription}}
        if wish.speed is not None:
            audio["output"] = {"speed": wish.speed}
        session.setdefault("audio", audio)
        if wish.declared is not None:
            session["tools"] = [_declared(tool) for tool in wish.declared]
        return self.update_session(session, None)

    def update_session(self, session: Mapping[str, object], event_id: str | None) -> PendingUpdate:
        """Merge an update into the session and send it, or leave it to the next connection's opening."""
        core = self._core
        old_input = self.session.input_format
        if self.resumes:
            session = {**session, "resumption": {"enabled": True}}
        update = self.session.update(session, event_id=event_id)
        message = wire.SessionUpdate(session=update.session, event_id=update.event_id)
        try:
            if core.client.connected and self.current:
                core.queue(message, bound=True)
        except LocalWireError as error:
            self.session.withdraw(update)
            raise ValueError(str(error)) from None
        if self.current:
            if self.session.input_format != old_input:
                # What waits is in the old format and would come after the update.
                core.outbox.drop_audio()
            core.move_gate()
        return update

    def declared(self, name: str) -> bool:
        """See `Driver`."""
        return name in self.session.function_names()

    def say(self, say: PendingSay) -> None:
        """See `Driver`."""
        # Of this connection only: a line that it has not begun with is given to the next one.
        if self._core.client.connected:
            self._core.queue(_line(say), bound=True)

    def ask(self, text: str) -> None:
        """See `Driver`."""
        core = self._core
        entry = HistoryMessage(id=core.new_id("ask"), role="user", text=text.strip())
        if core.client.connected:
            core.queue(wire.ConversationItemCreate(item=item_of(entry)), bound=True)
            core.queue(wire.ResponseCreate(), bound=True)
        core.dialogue.history.text(entry.id, "user", text)
        core.dialogue.owes = True

    # What becomes of answers

    def tell_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """See `Driver`."""
        if not self.current:
            return
        for item in state.items.values():
            item_heard = min(max(heard - item.start, 0.0), item.received)
            if not item.item_id or (state.done and item.received - item_heard <= NEGLIGIBLE):
                continue
            if state.session == self._core.dialogue.session:
                self._core.tell(
                    wire.ConversationItemTruncate(
                        item_id=item.item_id,
                        content_index=item.content_index,
                        audio_end_ms=int(item_heard * 1000),
                    )
                )
            elif text is not None:
                # This session knows it as text only.
                self._rewrite(item.item_id, text)

    def _rewrite(self, item_id: str, text: str) -> None:
        self._core.tell(wire.ConversationItemDelete(item_id=item_id))
        if text:
            entry = HistoryMessage(id=self._core.new_id("cut"), role="assistant", text=text)
            self._core.tell(wire.ConversationItemCreate(item=item_of(entry)))

    def stop_answer(self, state: ResponseState) -> None:
        """See `Driver`."""
        if self.current and state.session == self._core.dialogue.session:
            self._core.tell(wire.ResponseCancel(response_id=state.id))

    def tool_finished(self, result: ToolResult) -> None:
        """See `Driver`."""
        self.tools.finished(result)

    # Errors

    def server_error(self, event: wire.ErrorEvent) -> bool:
        """An error came; True keeps it from users."""
        core, detail = self._core, event.error
        if wire.is_benign_error(detail):
            # Both sides may lose this race; nothing is wrong.
            core.counters.errors += 1
            _log.debug("%s: %s%s", core.client.id(), detail.type, core.quote(detail.message))
            if wire.is_already_active(detail):
                self.tools.already_active()
            return True
        old_input = self.session.input_format
        update = self.session.refused(detail)
        if update is not None:
            if self.session.input_format != old_input:
                core.outbox.drop_audio()
            if update.opening and update.covers and (again := self.session.restore()) is not None:
                core.tell(again)
            core.move_gate()
        elif (say := self._say_of(detail.event_id)) is not None:
            core.dialogue.says.remove(say)
            say.error = RequestRefused(detail.message, kind=detail.type, param=detail.param)
            say.begun.set()
        core.report_error(detail.type, detail.message, event)
        return False

    def _say_of(self, event_id: str | None) -> PendingSay | None:
        return next((say for say in self._core.dialogue.says if say.id == event_id), None)

    # ToolWire

    def send_answer(self, event: wire.ClientEvent) -> None:
        """See `ToolWire`."""
        # Bound to the connection: the next session gets the answer with its history.
        if self.current:
            self._core.tell(event)

    def response_active(self) -> bool:
        """See `ToolWire`."""
        return self._core.playback.turns.active is not None

    def answered(self, call_id: str, output: str) -> None:
        """See `ToolWire`."""
        self._core.dialogue.history.answered(call_id, output)

    def ask_to_go_on(self) -> bool:
        """See `ToolWire`."""
        if not self.current or not self._core.client.connected or self._core.closed:
            return False
        try:
            self._core.queue(wire.ResponseCreate(), bound=True)
        except MailboxFull:
            _log.exception("%s: cannot ask for an answer", self._core.client.id())
            return False
        self._core.dialogue.owes = True
        return True


def _key(entry: HistoryEntry) -> str:
    match entry:
        case HistoryMessage():
            return entry.id
        case HistoryCall():
            return f"call {entry.call_id}"
        case HistoryResult():
            return f"output {entry.call_id}"


def _line(say: PendingSay) -> wire.ConversationItemCreate:
    item = wire.ForceMessage(
        role="assistant",
        content=(wire.ContentPart.output_text(say.text),),
        interruptible=None if say.interruptible else False,
    )
    return wire.ConversationItemCreate(item=item, event_id=say.id)


def _declared(tool: Mapping[str, object]) -> Mapping[str, object]:
    return tool if "type" in tool else {"type": "function", **tool}
