"""Function calls on Deepgram's wire: who answers them, and how a later session is told of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callboard.protocols import deepgram as wire

from ._agent_history import HistoryCall, HistoryEntry, HistoryMessage, HistoryResult
from ._tools import ToolResult, error_output

if TYPE_CHECKING:
    from ._agent_core import AgentCore
    from ._deepgram_driver import DeepgramDriver


class DeepgramCalls:
    """The function calls of one driver, through all its sessions.

    Args:
        core: The client's state.
        driver: Deepgram's.
    """

    def __init__(self, core: "AgentCore", driver: "DeepgramDriver") -> None:
        self._core = core
        self._driver = driver
        self._history = core.dialogue.history
        self._announced: dict[str, wire.FunctionCall] = {}
        """Calls as they came, as long as they are in the history."""
        self._open: set[str] = set()
        """Calls of the present session that it waits for: of functions that are run here, and those of listeners."""
        self._orphans: frozenset[str] = frozenset()
        """Calls of earlier sessions that had no answer when this one began."""
        self.late = False
        """One of them was answered since, and nobody has told the model."""

    # Sessions

    def opening(self, entries: Sequence[HistoryEntry]) -> None:
        """A session begins and is given these entries."""
        known = {entry.call_id for entry in entries if isinstance(entry, HistoryCall)}
        answered = {entry.call_id for entry in entries if isinstance(entry, HistoryResult)}
        self._announced = {call_id: call for call_id, call in self._announced.items() if call_id in known}
        self._orphans = frozenset(known - answered)
        self.late = False

    def disconnected(self) -> None:
        """The session that waited for answers is gone; what they bring is told to another when there is a pause."""
        self._open.clear()

    def context_of(self, entries: Sequence[HistoryEntry]) -> list[wire.History]:
        """The history as the messages of `agent.context`. Calls without a result have no place there."""
        results = {entry.call_id: entry.output for entry in entries if isinstance(entry, HistoryResult)}
        messages: list[wire.History] = []
        for entry in entries:
            match entry:
                case HistoryMessage(role=("user" | "assistant") as role, text=text):
                    messages.append(wire.History(role=role, content=text))
                case HistoryCall(call_id=call_id) if call_id in results:
                    # Of another provider's calls it is not known more than that they were made here.
                    announced = self._announced.get(call_id)
                    call = wire.HistoryFunctionCall(
                        id=call_id,
                        name=entry.name,
                        client_side=announced is None or announced.client_side,
                        arguments=entry.arguments,
                        response=results[call_id],
                        thought_signature=None if announced is None else announced.thought_signature,
                    )
                    messages.append(wire.History(function_calls=(call,)))
                case _:
                    pass
        return messages

    # What the server says

    def called(self, call: wire.FunctionCall) -> None:
        """The model called a function."""
        if call.id in self._open:
            # Told again while it runs.
            return
        self._announced[call.id] = call
        if not call.client_side:
            return
        tools = self._core.tools
        tool = tools.tools.get(call.name)
        if tool is None and (not tools.tools or self._driver.declared(call.name)):
            # A listener answers it, as in VoxEngine.
            if not self._answered(call.id):
                self._open.add(call.id)
            return
        if tool is None and not tools.runner.claim(call.id):
            return
        self._open.add(call.id)
        if tool is None:
            output = error_output(f"there is no tool {call.name!r}")
            self._history.answered(call.id, output)
            self._answer(call.id, call.name, output)
        elif not tools.begin(tool, call.id, call.arguments):
            self._open.discard(call.id)

    def _answered(self, call_id: str) -> bool:
        return any(
            isinstance(entry, HistoryResult) and entry.call_id == call_id for entry in self._history.entries
        )

    def cancelled(self, call_ids: Sequence[str]) -> None:
        """The server does not want answers to these calls.

        They run on, for what they do may not be half done; where the model asks for the same again in this turn it gets
        what they bring.
        """
        self._open.difference_update(call_ids)
        self._core.tools.session_lost(call_ids)

    def answered_there(self, event: wire.FunctionCallResponse) -> None:
        """The server called a function itself, and tells what came of it."""
        call_id = event.id
        if call_id is None:
            names = (call.call_id for call in self._history.unanswered if call.name == event.name)
            call_id = next(names, None)
        if call_id is not None:
            self._history.answered(call_id, event.content)

    def reported(self, call: wire.HistoryFunctionCall) -> None:
        """The server reports an answered call; it may be the only word of one that it made itself."""
        if any(known.call_id == call.id for known in self._history.unanswered):
            self._history.answered(call.id, call.response)

    # What is answered

    def finished(self, result: ToolResult) -> None:
        """A function that was run here has ended."""
        if result.call_id in self._open:
            self._answer(result.call_id, result.name, result.output)
        elif result.call_id in self._orphans and not self._core.tools.inherited(result.call_id):
            self._renew()

    def answer(self, response: wire.FunctionCallResponse) -> None:
        """Answer a call as the user says."""
        call_id = response.id
        if call_id is None:
            self._driver.send(response)
            return
        self._core.require_open()
        self._history.answered(call_id, response.content)
        if call_id in self._open:
            self._answer(call_id, response.name, response.content, response.thought_signature)
        elif call_id in self._orphans:
            self._renew()
        else:
            self._driver.send(response)

    def _answer(self, call_id: str, name: str, output: str, signature: str | None = None) -> None:
        self._open.discard(call_id)
        if self._core.is_driver(self._driver):
            if signature is None and (announced := self._announced.get(call_id)) is not None:
                signature = announced.thought_signature
            self._core.tell(
                wire.FunctionCallResponse(id=call_id, name=name, content=output, thought_signature=signature)
            )
            self._core.dialogue.owes = not self._open

    def _renew(self) -> None:
        # No message of this wire could tell the session; the next one gets it with the history.
        self.late = True
        self._core.renew()
