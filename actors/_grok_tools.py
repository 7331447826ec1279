"""Tool calls on Grok's wire: each answered once, and one `response.create` after the last of a response.

Source: the function calling section of the Speech to Speech guide. The model goes on only when it is asked to,
and must not be asked before all calls of a response are answered and the response itself is done.
"""

from collections.abc import Iterable
from typing import Protocol

import attrs

from callboard.protocols import grok as wire

from ._agent_tools import AgentTools
from ._tools import ToolOutcome, ToolResult, error_output


class ToolWire(Protocol):
    """What the calls need of their driver."""

    def send_answer(self, event: wire.ClientEvent) -> None:
        """Send an answer on the present connection; the next one gets it with the history."""
        ...

    def answered(self, call_id: str, output: str) -> None:
        """A call that nothing was run for has an answer."""
        ...

    def ask_to_go_on(self) -> bool:
        """Ask for a response; False where there is no connection to ask on."""
        ...

    def response_active(self) -> bool:
        """Whether the server is making a response."""
        ...

    def declared(self, name: str) -> bool:
        """Whether the session has a function of this name."""
        ...


@attrs.define(eq=False)
class _Group:
    """The calls of one response."""

    response_id: str
    pending: set[str] = attrs.field(factory=set[str])
    answered: bool = False
    """At least one of them has an answer that the model should go on from."""
    response_done: bool = False


class GrokToolCalls:
    """The tool calls of one client.

    Args:
        wire_side: Sends.
        tools: Runs.
    """

    def __init__(self, wire_side: ToolWire, tools: AgentTools) -> None:
        self._wire = wire_side
        self._tools = tools
        self._groups: dict[str, _Group] = {}
        self._calls: dict[str, _Group] = {}
        self._owed = False
        """The model is to go on, as soon as it may be asked to."""
        self._asked = False
        """It was asked to, and has not begun."""
        self._caller_speaks = False

    # What the server says

    def called(self, response_id: str, call_id: str, name: str, arguments: str) -> None:
        """The model called a function; the same call may be announced several times."""
        tool = self._tools.tools.get(name)
        if call_id in self._calls or (tool is None and (not self._tools.tools or self._wire.declared(name))):
            # Known, or somebody else answers it: a listener, as in VoxEngine.
            return
        if tool is None and not self._tools.runner.claim(call_id):
            return
        group = self._groups.setdefault(response_id, _Group(response_id))
        group.pending.add(call_id)
        self._calls[call_id] = group
        if tool is not None:
            if not self._tools.begin(tool, call_id, arguments):
                del self._calls[call_id]
                group.pending.discard(call_id)
        else:
            output = error_output(f"there is no tool {name!r}")
            self._wire.answered(call_id, output)
            group.answered = True
            self._answer(call_id, output)
            self._settle(group)

    def response_created(self) -> None:
        """A response begins. Whatever was answered before it, it takes into account."""
        # The one before is over, also where the server dropped it without a word.
        for group in tuple(self._groups.values()):
            self.response_done(group.response_id)
        self._owed = self._asked = self._caller_speaks = False

    def response_done(self, response_id: str) -> None:
        """A response is complete: no more calls will come in it."""
        group = self._groups.get(response_id)
        if group is not None:
            group.response_done = True
            self._settle(group)
        self._ask()

    def caller_speaks(self, speaks: bool) -> None:
        """The caller began to speak, or stopped without a response to follow by itself."""
        self._caller_speaks = speaks
        if not speaks:
            self._ask()

    def already_active(self) -> None:
        """The server says that a response was under way when it was asked for one."""
        if self._asked:
            self._asked = False
            self._owed = True

    def disconnected(self) -> None:
        """The connection is gone, with all its responses."""
        self._owed = self._owed or self._asked
        self._asked = False
        self._caller_speaks = False
        for group in tuple(self._groups.values()):
            self.response_done(group.response_id)

    def take_owed(self) -> bool:
        """Whether a session that begins now is to be asked to go on; tells it once."""
        owed = self._owed
        self._owed = False
        self._asked = owed
        return owed

    def adopt(self, call_ids: Iterable[str]) -> None:
        """Calls that another provider's model made are to be answered here."""
        group = _Group("handed over", response_done=True)
        for call_id in call_ids:
            if call_id not in self._calls:
                self._calls[call_id] = group
                group.pending.add(call_id)

    # What the tools say

    def finished(self, result: ToolResult) -> None:
        """A call has ended."""
        group = self._calls.get(result.call_id)
        if group is None:
            return
        group.answered = group.answered or not (result.stopped and result.outcome is ToolOutcome.CANCELLED)
        self._answer(result.call_id, result.output)
        self._settle(group)

    def _answer(self, call_id: str, output: str) -> None:
        self._wire.send_answer(
            wire.ConversationItemCreate(item=wire.FunctionCallOutput(call_id=call_id, output=output))
        )
        self._calls.pop(call_id).pending.discard(call_id)

    def _settle(self, group: _Group) -> None:
        if group.pending or not group.response_done:
            return
        self._groups.pop(group.response_id, None)
        if group.answered:
            self._owed = True
            self._ask()

    def _ask(self) -> None:
        """Ask the model to go on, if nothing is in the way."""
        if not self._owed or self._asked or self._caller_speaks or self._wire.response_active():
            return
        if self._wire.ask_to_go_on():
            self._owed = False
            self._asked = True

    def close(self) -> None:
        """Nobody waits for answers any more."""
        self._calls.clear()
        self._groups.clear()
        self._owed = self._asked = False
