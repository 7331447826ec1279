"""Tool calls on Grok's wire: each answered once, and one `response.create` after the last of a response.

Source: the function calling section of the Speech to Speech guide. The model goes on only when it is asked to,
and must not be asked before all calls of a response are answered and the response itself is done.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from callboard.protocols import grok as wire

from ._tools import ToolOutcome, ToolResult, ToolRunner, error_output
from ._tools_schema import AnyTool, ToolContext

# Calls kept until the server confirms their answers.
REMEMBERED = 256


class ToolWire(Protocol):
    """What the calls need of their client."""

    def send(self, event: wire.ClientEvent) -> str | bytes | None:
        """Queue an event; returns the message, or None where nothing can be sent any more."""
        ...

    def waits(self, message: str | bytes) -> bool:
        """Whether a message is still in the outbox."""
        ...

    def response_active(self) -> bool:
        """Whether the server is making a response."""
        ...

    def declared_elsewhere(self, name: str) -> bool:
        """Whether a function of this name was declared by the user's own `session_update`."""
        ...

    def tool_context(self, call_id: str, name: str) -> ToolContext:
        """What a tool may know."""
        ...

    def tool_finished(self, result: ToolResult) -> None:
        """A call has ended."""
        ...


@attrs.define(eq=False)
class _Group:
    """The calls of one response."""

    response_id: str
    pending: set[str] = attrs.field(factory=set[str])
    answered: bool = False
    """At least one of them has an answer that the model should go on from."""
    response_done: bool = False


@attrs.define(eq=False)
class _Call:
    """A call whose answer the server may not have."""

    call_id: str
    name: str
    arguments: str
    group: _Group
    output: str | bytes | None = None
    """The queued answer."""


class GrokToolCalls:
    """The tool calls of one client."""

    def __init__(
        self, wire_side: ToolWire, make_runner: Callable[[Callable[[ToolResult], None]], ToolRunner]
    ) -> None:
        self._wire = wire_side
        self.runner = make_runner(self._finished)
        self.tools: dict[str, AnyTool] = {}
        self._groups: dict[str, _Group] = {}
        self._calls: dict[str, _Call] = {}
        self._owed = False
        """The model is to go on, as soon as it may be asked to."""
        self._asked = False
        """It was asked to, and has not begun."""
        self._caller_speaks = False
        self._closed = False

    def register(self, tools: Sequence[AnyTool]) -> None:
        """Set the functions that are run; calls that run go on."""
        self.tools = {tool.name: tool for tool in tools}

    # What the server says

    def called(self, response_id: str, call_id: str, name: str, arguments: str) -> None:
        """The model called a function; the same call may be announced several times."""
        tool = self.tools.get(name)
        if tool is None and (not self.tools or self._wire.declared_elsewhere(name)):
            # Somebody else answers it: a listener, as in VoxEngine.
            return
        if tool is None:
            if self.runner.claim(call_id):
                group = self._enter(response_id, call_id, name, arguments)
                self._answer(call_id, error_output(f"there is no tool {name!r}"))
                group.answered = True
                self._settle(group)
            return
        if call_id in self._calls:
            return
        group = self._enter(response_id, call_id, name, arguments)
        if not self.runner.start(tool, arguments, self._wire.tool_context(call_id, name)):
            self._calls.pop(call_id, None)
            group.pending.discard(call_id)

    def _enter(self, response_id: str, call_id: str, name: str, arguments: str) -> _Group:
        group = self._groups.setdefault(response_id, _Group(response_id))
        group.pending.add(call_id)
        self._calls[call_id] = _Call(call_id, name, arguments, group)
        if len(self._calls) > REMEMBERED:
            # Of a server that never confirms an answer, the oldest.
            for known in [known for known, call in self._calls.items() if call.output is not None][:1]:
                del self._calls[known]
        return group

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
        self._asked = False
        self._caller_speaks = False
        for group in tuple(self._groups.values()):
            self.response_done(group.response_id)

    def opening(self) -> list[wire.ClientEvent]:
        """For a new connection: the calls that its server has not heard of and will get answers to."""
        answered = [
            call_id
            for call_id, call in self._calls.items()
            if call.output is not None and not self._wire.waits(call.output)
        ]
        for call_id in answered:
            del self._calls[call_id]
        return [
            wire.ConversationItemCreate(
                item=wire.FunctionCall(call_id=call.call_id, name=call.name, arguments=call.arguments)
            )
            for call in self._calls.values()
        ]

    # What the tools say

    def _finished(self, result: ToolResult) -> None:
        self._wire.tool_finished(result)
        call = self._calls.get(result.call_id)
        if call is None or self._closed:
            return
        call.group.answered = call.group.answered or not (
            result.stopped and result.outcome is ToolOutcome.CANCELLED
        )
        self._answer(result.call_id, result.output)
        self._settle(call.group)

    def _answer(self, call_id: str, output: str) -> None:
        call = self._calls[call_id]
        call.output = self._wire.send(
            wire.ConversationItemCreate(item=wire.FunctionCallOutput(call_id=call_id, output=output))
        )
        call.group.pending.discard(call_id)

    def confirmed(self, call_id: str) -> None:
        """The server has an answer."""
        call = self._calls.get(call_id)
        if call is not None and call.output is not None:
            del self._calls[call_id]

    def _settle(self, group: _Group) -> None:
        if group.pending or not group.response_done:
            return
        self._groups.pop(group.response_id, None)
        if group.answered:
            self._owed = True
            self._ask()

    def _ask(self) -> None:
        """Ask the model to go on, if nothing is in the way."""
        if (
            not self._owed
            or self._asked
            or self._caller_speaks
            or self._closed
            or self._wire.response_active()
        ):
            return
        self._owed = False
        self._asked = True
        self._wire.send(wire.ResponseCreate())

    def close(self) -> None:
        """The client is over."""
        self._closed = True
        self.runner.cancel_all()
        self._calls.clear()
        self._groups.clear()
