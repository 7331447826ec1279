"""Plain functions as tools, in real threads under the real clock."""

import threading
import time

import pytest
import trio

from callboard.actors._scope import system_scope
from callboard.actors._system import open_system
from callboard.actors._tools import ToolOutcome, ToolResult, ToolRunner, to_output
from callboard.actors._tools_schema import AnyTool, ToolContext, tool
from tests.actors.peer_kit import Ear


async def run(*tools: AnyTool, arguments: str = "{}") -> list[ToolResult]:
    """Run each tool once, together."""
    results: list[ToolResult] = []
    done = trio.Event()

    def report(result: ToolResult) -> None:
        results.append(result)
        if len(results) == len(tools):
            done.set()

    async with open_system() as system:
        scope = await system_scope(system)
        runner = ToolRunner(scope, "client", report)
        async with trio.open_nursery() as nursery:
            runner.attach(nursery)
            for number, each in enumerate(tools):
                context = ToolContext(call=None, client=Ear(scope), call_id=f"call-{number}", name=each.name)
                assert runner.start(each, arguments, context)
                assert not runner.start(each, arguments, context)
            with trio.fail_after(10):
                await done.wait()
            assert runner.running == ()
    return results


async def test_plain_functions_run_in_threads_together() -> None:
    barrier = threading.Barrier(3, timeout=5)
    main = threading.get_ident()
    threads: list[int] = []

    @tool
    def wait() -> str:
        """Wait for the others."""
        threads.append(threading.get_ident())
        barrier.wait()
        return "done"

    results = await run(wait, wait, wait)
    assert [(result.outcome, result.output) for result in results] == [(ToolOutcome.RESULT, "done")] * 3
    assert main not in threads


async def test_a_plain_function_that_takes_too_long_is_given_up() -> None:
    release = threading.Event()

    @tool(timeout=0.05)
    def hang() -> str:
        """Take long."""
        release.wait(5)
        return "too late"

    start = time.monotonic()
    (result,) = await run(hang)
    release.set()
    assert result.outcome is ToolOutcome.TIMEOUT
    assert time.monotonic() - start < 2


async def test_a_plain_function_that_fails_is_an_error() -> None:
    @tool
    def fail() -> str:
        """Fail."""
        raise RuntimeError("detail")

    (result,) = await run(fail)
    assert result.outcome is ToolOutcome.ERROR
    assert "detail" not in result.output


async def test_a_scope_that_has_ended_cancels_at_once() -> None:
    results: list[ToolResult] = []

    @tool
    def never() -> str:
        """Not run."""
        raise AssertionError

    async with open_system() as system:
        scope = await system_scope(system)
        ref = system.lookup("clients")
        assert ref is not None
        await ref.stop()
        runner = ToolRunner(scope, "client", results.append)
        context = ToolContext(call=None, client=Ear(scope), call_id="call-1", name="never")
        assert runner.start(never, "{}", context)
    assert [(result.outcome, result.stopped) for result in results] == [(ToolOutcome.CANCELLED, True)]


@pytest.mark.parametrize(
    ("value", "output"),
    [
        ("text", "text"),
        ("", ""),
        ({"a": 1}, '{"a":1}'),
        (None, "null"),
        (3.5, "3.5"),
        ({1: {2}}, '{"1":[2]}'),
    ],
)
def test_results_become_text(value: object, output: str) -> None:
    assert to_output(value) == output
