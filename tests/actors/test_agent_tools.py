"""Tool calls that are made twice: who gets the outcome."""

from typing import cast

import trio

from callboard import tool
from callboard.actors import MediaUnit, open_system, system_scope
from callboard.actors._agent_tools import AgentTools
from callboard.actors._tools import ToolResult
from callboard.actors._tools_schema import ToolContext


async def test_a_call_that_waits_for_an_earlier_one_has_its_outcome_though_the_turn_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    booked: list[str] = []
    results: list[ToolResult] = []

    @tool
    async def book(day: str) -> str:
        """Book a table."""
        await trio.sleep(5)
        booked.append(day)
        return "booked"

    async with open_system() as system:
        scope = await system_scope(system)

        def context(call_id: str, name: str) -> ToolContext:
            return ToolContext(call=None, client=cast("MediaUnit", None), call_id=call_id, name=name)

        tools = AgentTools(scope, "agent-1", context, results.append)
        tools.register([book])
        assert tools.begin(book, "first", '{"day": "Monday"}')
        tools.session_lost(["first"])
        assert tools.begin(book, "again", '{"day": "Monday"}')
        tools.turn_over()
        # What is called in the next turn is meant anew.
        assert tools.begin(book, "another", '{"day": "Monday"}')
        await trio.sleep(6)
    assert booked == ["Monday", "Monday"]
    assert sorted(result.call_id for result in results) == ["again", "another", "first"]
    assert {result.output for result in results} == {"booked"}
