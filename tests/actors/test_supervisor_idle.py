"""Supervisors that have nothing to do, which most are nearly all the time: what they hold, and how they end."""

import gc
import tracemalloc

import pytest
import trio
import trio.testing

from callboard.actors import ExitKind, Restart, SupervisorRef, call_tree, open_system, supervisor_child
from callboard.actors._tree import ActorState

from .actor_kit import Probe, final


async def test_supervisor_opens_a_nursery_for_its_first_child(autojump_clock: trio.testing.MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(supervisor_child("above"))
        assert isinstance(ref, SupervisorRef)
        engine = ref._cell.engine
        assert engine is not None
        await trio.testing.wait_all_tasks_blocked()
        assert engine._nursery is None
        await ref.start_child(probe.child("one"))
        assert engine._nursery is not None
        assert (await ref.stop_child("one")).kind is ExitKind.STOPPED
        await ref.start_child(probe.child("two"))
        assert probe.take() == ["+one", "-one", "+two"]


async def test_child_that_is_stopped_before_it_begins_does_not_end_its_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(supervisor_child("above"))
        assert isinstance(ref, SupervisorRef)
        await trio.testing.wait_all_tasks_blocked()
        ref.start_child_soon(probe.child("one")).request_stop()
        await trio.testing.wait_all_tasks_blocked()
        assert ref.state is ActorState.RUNNING
        await ref.start_child(probe.child("two"))
        assert probe.take() == ["+two"]


@pytest.mark.parametrize("how", ["stop", "stop now", "kill"])
@pytest.mark.parametrize("first", ["end", "child"])
async def test_first_child_that_comes_with_the_end_of_its_supervisor_ends(
    how: str, first: str, autojump_clock: trio.testing.MockClock
) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(supervisor_child("above", restart=Restart.TEMPORARY))
        assert isinstance(ref, SupervisorRef)
        await trio.testing.wait_all_tasks_blocked()

        def end() -> None:
            if how == "kill":
                ref.kill()
            else:
                ref.request_stop(0 if how == "stop now" else None)

        if first == "end":
            end()
        child = ref.start_child_soon(probe.child("late"))
        if first == "child":
            end()
        await ref.wait_stopped()
        assert final(child).kind is ExitKind.STOPPED
        assert system.lookup("above/late") is None
        assert probe.take() == []


async def test_tree_of_a_call_takes_little_memory(autojump_clock: trio.testing.MockClock) -> None:
    async def idle(_context: object, /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    n_calls = 20
    async with open_system() as system:
        calls = await system.start(supervisor_child("calls"))
        assert isinstance(calls, SupervisorRef)
        await calls.start_child(call_tree("first", idle, idle))
        gc.collect()
        tracemalloc.start()
        for number in range(n_calls):
            await calls.start_child(call_tree(f"call-{number}", idle, idle))
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        octets, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # 27 kB for seven actors, five of which are supervisors; with a nursery and two scopes for each it were twice that.
    assert octets / n_calls < 32_000
