"""The tools of a client: which functions there are, which calls run, and what becomes of a call that is made twice.

A tool call belongs to the conversation, not to a session: it runs on when the connection breaks. The model of the next
session may then ask for the same thing again, under another id; it gets the outcome of the call that was made, for a
table that is booked must not be booked again.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from ._tools import ToolResult, ToolRunner
from ._tools_schema import AnyTool, ToolContext

if TYPE_CHECKING:
    from ._scope import Scope

# Calls of an earlier session that are remembered for the present turn.
REMEMBERED = 32


@attrs.define(eq=False)
class _Earlier:
    """A call that an earlier session made in the turn that is still without an answer."""

    result: ToolResult | None = None
    heirs: list[str] = attrs.field(factory=list[str])
    """Ids under which it was asked for again while it ran."""


class AgentTools:
    """The functions that are run here.

    Args:
        scope: Owns the calls.
        owner: The client's name.
        context: What a tool may know, by call id and name.
        finished: Called once with the outcome of each call id.
    """

    def __init__(
        self,
        scope: "Scope",
        owner: str,
        context: Callable[[str, str], ToolContext],
        finished: Callable[[ToolResult], None],
    ) -> None:
        self.runner = ToolRunner(scope, owner, self._finished)
        self._context = context
        self._report = finished
        self._tools: dict[str, AnyTool] = {}
        self._open: dict[str, tuple[str, str]] = {}
        self._results: OrderedDict[str, ToolResult] = OrderedDict()
        self._earlier: dict[tuple[str, str], _Earlier] = {}
        self._heirs: dict[str, _Earlier] = {}

    @property
    def tools(self) -> dict[str, AnyTool]:
        """By name."""
        return self._tools

    def register(self, tools: Sequence[AnyTool]) -> None:
        """Set the functions that are run; calls that run go on."""
        self._tools = {tool.name: tool for tool in tools}

    def begin(self, tool: AnyTool, call_id: str, arguments: str) -> bool:
        """Begin a call, or take over the one of an earlier session; False for an id that was seen before."""
        earlier = self._earlier.get(_key(tool.name, arguments))
        if earlier is None:
            self._open[call_id] = _key(tool.name, arguments)
            return self.runner.start(tool, arguments, self._context(call_id, tool.name))
        if not self.runner.claim(call_id):
            return False
        if earlier.result is None:
            earlier.heirs.append(call_id)
        else:
            self._report(attrs.evolve(earlier.result, call_id=call_id))
        return True

    def _finished(self, result: ToolResult) -> None:
        self._open.pop(result.call_id, None)
        self._results[result.call_id] = result
        while len(self._results) > REMEMBERED:
            self._results.popitem(last=False)
        self._report(result)
        earlier = self._heirs.pop(result.call_id, None)
        if earlier is not None:
            earlier.result = result
            for call_id in earlier.heirs:
                self._report(attrs.evolve(result, call_id=call_id))
            earlier.heirs.clear()

    def inherited(self, call_id: str) -> bool:
        """Whether a call of an earlier session was asked for again, under an id of the present one."""
        earlier = self._heirs.get(call_id)
        return earlier is not None and bool(earlier.heirs)

    # Sessions

    def session_lost(self, call_ids: Sequence[str]) -> None:
        """A session ended; what it had called in the turn that has no answer yet may be called again.

        Args:
            call_ids: The calls of that turn.
        """
        for call_id in call_ids:
            result = self._results.get(call_id)
            if result is not None:
                self._earlier[_key(result.name, result.arguments)] = _Earlier(result)
            elif call_id in self._open:
                earlier = self._earlier.setdefault(self._open[call_id], _Earlier())
                self._heirs[call_id] = earlier

    def turn_over(self) -> None:
        """The caller went on: what is called from now on is meant anew."""
        self._earlier.clear()
        # Whoever waits for the outcome of an earlier call still gets it.
        self._heirs = {call_id: earlier for call_id, earlier in self._heirs.items() if earlier.heirs}

    def close(self) -> None:
        """The client is over."""
        self.runner.cancel_all()


def _key(name: str, arguments: str) -> tuple[str, str]:
    try:
        return name, json.dumps(json.loads(arguments), sort_keys=True)
    except ValueError:
        return name, arguments
