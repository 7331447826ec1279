"""How actors end: in order, politely or not, and always."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._context import Context
from callboard.actors._exit import ExitKind, as_group
from callboard.actors._ref import ActorRef, SupervisorRef
from callboard.actors._spec import ChildSpec, Restart, Strategy, SupervisorSpec
from callboard.actors._supervisor import supervisor_child
from callboard.actors._system import open_system
from callboard.actors._tree import ActorState
from callboard.actors._watch import ActorExited

from .actor_kit import EXACT, OFTEN, Boom, Events, Probe, at_each_checkpoint, final, last, must, state


def tree_of(probe: Probe) -> tuple[ChildSpec[Any, Any], ...]:
    inner = supervisor_child("inner", children=(probe.child("c"), probe.child("d")))
    outer = supervisor_child("outer", children=(probe.child("b"), inner, probe.child("e")))
    return (probe.child("a"), outer, probe.child("f"))


@pytest.mark.parametrize("how", ["leave", "raise", "cancel", "stop", "stop now"])
async def test_children_start_in_order_and_stop_in_reverse(how: str, autojump_clock: MockClock) -> None:
    probe = Probe()
    tasks = trio.lowlevel.current_statistics().tasks_living
    with trio.CancelScope() as scope:
        try:
            async with open_system(root=SupervisorSpec(children=tree_of(probe))) as system:
                assert probe.take() == [f"+{name}" for name in "abcdef"]
                match how:
                    case "raise":
                        raise Boom
                    case "cancel":
                        scope.cancel()
                        await trio.sleep_forever()
                    case "stop":
                        await system.root.stop()
                    case "stop now":
                        await system.root.stop(0)
                    case _:
                        pass
        except Boom:
            assert how == "raise"
    assert probe.take() == [f"-{name}" for name in "fedcba"]
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_kill_of_a_supervisor_kills_its_subtree_in_reverse(autojump_clock: MockClock) -> None:
    probe = Probe()
    root = SupervisorSpec(children=tree_of(probe), backoff=EXACT)
    async with open_system(root=root) as system:
        outer, c = must(system, "outer"), must(system, "outer/inner/c")
        probe.take()
        system.kill("outer", "test")
        await wait_all_tasks_blocked()
        assert probe.take() == ["-e", "-d", "-c", "-b"]
        assert (last(outer).kind, last(outer).reason) == (ExitKind.KILLED, "test")
        assert final(c).kind is ExitKind.STOPPED
        await trio.sleep(2)
        assert probe.take() == ["+b", "+c", "+d", "+e"]


def polite(log: list[str], seconds: float) -> ChildSpec[None, None]:
    """An actor that takes so long to finish once asked, and one second to clean up."""

    async def run(ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        asked = ctx.stop_requested
        task_status.started()
        try:
            await asked.wait()
            log.append(f"{trio.current_time():g} asked")
            await trio.sleep(seconds)
            log.append(f"{trio.current_time():g} finished")
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append(f"{trio.current_time():g} ended")

    return ChildSpec(name="polite", run=run, grace=5.0)


@pytest.mark.parametrize(
    ("grace", "expected"),
    [
        (None, ["0 asked", "3 finished", "4 ended"]),
        (3.5, ["0 asked", "3 finished", "4 ended"]),
        (2.0, ["0 asked", "3 ended"]),
        (0.0, ["1 ended"]),
    ],
)
async def test_stop_asks_then_cancels_after_the_grace(
    grace: float | None, expected: list[str], autojump_clock: MockClock
) -> None:
    log: list[str] = []
    async with open_system() as system:
        ref = await system.start(polite(log, 3.0))
        exit = await ref.stop(grace, reason="enough")
        assert (exit.kind, exit.reason) == (ExitKind.STOPPED, "enough")
        assert log == expected


async def test_stop_while_stopping_can_only_shorten_the_grace(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with open_system() as system, trio.open_nursery() as nursery:
        ref = await system.start(polite(log, 100.0))
        nursery.start_soon(ref.stop, 50.0)
        await trio.sleep(1)
        assert state(ref) is ActorState.STOPPING
        nursery.start_soon(ref.stop, 2.0)
        await trio.sleep(1)
        nursery.start_soon(ref.stop, 20.0)
    assert log == ["0 asked", "4 ended"]


async def test_kill_while_stopping_ends_it_at_once(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with open_system() as system:
        ref = await system.start(polite(log, 100.0))
        ref.request_stop(50.0)
        await trio.sleep(1)
        ref.kill("now")
        assert (await ref.wait_stopped()).kind is ExitKind.KILLED
    assert log == ["0 asked", "2 ended"]


async def test_cancelled_stop_leaves_the_request_standing(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with open_system() as system:
        ref = await system.start(polite(log, 3.0))
        with trio.move_on_after(1):
            await ref.stop()
        assert (await ref.wait_stopped()).kind is ExitKind.STOPPED
    assert log == ["0 asked", "3 finished", "4 ended"]


async def test_stop_scope_is_cancelled_when_the_actor_is_asked_to_stop_and_the_actor_is_not(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        def note(what: str) -> None:
            log.append(f"{trio.current_time():g} {what}")

        with ctx.stop_scope():
            note("not yet")
        task_status.started()
        with ctx.stop_scope() as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught
        note("asked")
        with ctx.stop_scope() as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught
        note("still asked")
        await trio.sleep(2)
        note("finished")

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        await trio.sleep(1)
        assert (await ref.stop(5)).kind is ExitKind.STOPPED
    assert log == ["0 not yet", "1 asked", "1 still asked", "3 finished"]


async def test_actor_that_never_looked_is_stopped_without_waiting(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(probe.child("a", grace=60))
        before = trio.current_time()
        assert (await ref.stop()).kind is ExitKind.STOPPED
        assert trio.current_time() == before


async def test_leaving_the_system_is_polite_and_cancelling_it_is_not(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with open_system() as system:
        await system.start(polite(log, 3.0))
    assert log == ["0 asked", "3 finished", "4 ended"]
    log.clear()
    with trio.move_on_after(1):
        async with open_system() as system:
            await system.start(polite(log, 3.0))
            await trio.sleep_forever()
    assert log == ["6 ended"]
    log.clear()
    with trio.move_on_after(1):  # cancelled during the polite part
        async with open_system() as system:
            await system.start(polite(log, 3.0))
    assert log == ["6 asked", "8 ended"]


async def test_grace_of_a_supervisor_is_the_total_of_its_subtree(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with open_system() as system:
        sup = await system.start(supervisor_child("s", children=(polite(log, 100.0),)))
        await sup.stop(3.0)
    assert log == ["0 asked", "4 ended"]


@pytest.mark.parametrize("how", ["stop", "kill", "close"])
async def test_actor_that_swallows_cancelled_once_is_ended_all_the_same(
    how: str, autojump_clock: MockClock
) -> None:
    swallowed = 0

    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal swallowed
        task_status.started()
        try:
            await trio.sleep_forever()
        except BaseException:  # noqa: BLE001
            swallowed += 1
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run, restart=Restart.TEMPORARY))
        if how == "kill":
            ref.kill()
        elif how == "stop":
            ref.request_stop()
    assert final(ref).kind is (ExitKind.KILLED if how == "kill" else ExitKind.STOPPED)
    assert swallowed == 1


@pytest.mark.parametrize(("how", "again"), [("stop", False), ("kill", True), ("sweep", True)])
async def test_error_during_clean_up_is_a_crash(how: str, *, again: bool, autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            raise Boom("clean-up")

    probe = Probe()
    root = SupervisorSpec(strategy=Strategy.ONE_FOR_ALL, backoff=EXACT, intensity=OFTEN)
    async with open_system(root=root) as system:
        other = await system.start(probe.child("other"))
        ref = await system.start(ChildSpec(name="a", run=run))
        if how == "kill":
            ref.kill()
        elif how == "stop":
            ref.request_stop()
        else:
            other.kill()
        await wait_all_tasks_blocked()
        assert last(ref).kind is ExitKind.CRASHED
        assert isinstance(last(ref).error, Boom)
        assert (ref.exit is None) == again
        await trio.sleep(2)
        assert state(ref) is (ActorState.RUNNING if again else ActorState.ENDED)


async def test_group_keeps_its_members_and_a_group_of_cancelled_is_no_crash(
    autojump_clock: MockClock,
) -> None:
    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        async def fail(text: str) -> None:
            try:
                await trio.sleep_forever()
            finally:
                if crash:
                    raise Boom(text)

        crash = ctx.path == "crash"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, "one")
            nursery.start_soon(fail, "two")
            task_status.started()

    async with open_system() as system:
        for name in ("crash", "fine"):
            ref = await system.start(ChildSpec(name=name, run=run, restart=Restart.TEMPORARY))
            await wait_all_tasks_blocked()
            ref.kill()
            exit = await ref.wait_stopped()
            if name == "fine":
                assert (exit.kind, exit.error) == (ExitKind.KILLED, None)
            else:
                assert exit.kind is ExitKind.CRASHED
                group = as_group(exit.error)
                assert group is not None
                assert sorted(str(error) for error in group.exceptions) == ["one", "two"]
                assert exit.reason in {"Boom: one + Boom: two", "Boom: two + Boom: one"}


async def test_stray_cancelled_is_a_crash_of_the_actor_alone(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        kept: trio.Cancelled | None = None
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep_forever()
            except trio.Cancelled as exc:
                kept = exc
                raise
        task_status.started()
        assert kept is not None
        raise kept

    probe = Probe()
    async with open_system() as system:
        other = await system.start(probe.child("other"))
        ref = await system.start(ChildSpec(name="a", run=run, restart=Restart.TEMPORARY))
        exit = await ref.wait_stopped()
        assert exit.kind is ExitKind.CRASHED
        assert isinstance(exit.error, RuntimeError)
        assert isinstance(exit.error.__cause__, trio.Cancelled)
        await trio.sleep(1)
        assert state(other) is ActorState.RUNNING


async def test_stuck_child_is_reported_and_does_not_keep_the_others_running(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def run(_ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    ended_at = 0.0

    async def other(_ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal ended_at
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            ended_at = trio.current_time()

    children = (ChildSpec(name="other", run=other), ChildSpec(name="stuck", run=run, grace=2.0))
    with trio.move_on_after(1):
        async with open_system(root=SupervisorSpec(children=children)):
            await trio.sleep_forever()
    assert ended_at == 3.0
    assert trio.current_time() == 100.0
    assert "'stuck' was cancelled and has not ended" in caplog.text


@pytest.mark.parametrize("grace", [None, 0.0, 5.0])
@pytest.mark.parametrize("listens", [False, True])
async def test_actor_can_stop_itself(
    *, listens: bool, grace: float | None, autojump_clock: MockClock
) -> None:
    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        if listens:
            assert not ctx.stop_requested.is_set()
        task_status.started()
        await ctx.ref.stop(grace)
        raise AssertionError("not reached")

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run, restart=Restart.PERMANENT))
        assert (await ref.wait_stopped()).kind is ExitKind.STOPPED
        assert trio.current_time() == 0


async def test_child_can_stop_and_kill_what_is_above_it(autojump_clock: MockClock) -> None:
    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        above = must(ctx.system, ctx.path.rpartition("/")[0])
        if await ctx.mailbox.receive() == "stop":
            await above.stop()
        above.kill()
        await trio.sleep_forever()

    async with open_system() as system:
        for order, kind in (("stop", ExitKind.STOPPED), ("kill", ExitKind.KILLED)):
            sup = await system.start(
                supervisor_child("s", children=(ChildSpec(name="a", run=run),), restart=Restart.TEMPORARY)
            )
            await must(system, "s/a").send(order)
            assert (await sup.wait_stopped()).kind is kind
        assert trio.current_time() == 0


# A kill at every checkpoint


@asynccontextmanager
async def resource(log: list[str]) -> AsyncGenerator[None]:
    """Takes time to open and to close."""
    await trio.sleep(0.1)
    log.append("open")
    try:
        yield
    finally:
        with trio.move_on_after(1, shield=True):
            await trio.sleep(0.1)
        log.append("close")


async def life(ctx: Context[str], log: list[str], task_status: trio.TaskStatus[str]) -> None:
    """Something of everything: resources, children, tasks, messages, waits."""
    probe = Probe()
    lock = trio.Lock()
    async with resource(log), lock:
        await ctx.spawn(probe.child("early"))
        task_status.started("ready")
        await ctx.ref.send("more")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0.5)
            await ctx.spawn(probe.child("late"))
            await ctx.mailbox.receive()
            await ctx.mailbox.receive_batch()
            nursery.start_soon(trio.sleep, 0.1)
        async with resource(log):
            await trio.sleep(0.1)
            with trio.move_on_after(0.1):
                await trio.sleep_forever()


class Outcome:
    """What came of ending the middle one of three at its n-th checkpoint."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.checkpoints = 0
        self.lives = 0
        self.ready = False

    def check(self, how: str, b: ActorRef[Any], sup: SupervisorRef) -> None:
        if how.endswith("supervisor"):
            assert state(sup) is ActorState.ENDED
            assert sup.children() == ()
            return
        assert {ref.name for ref in sup.children()} - {"b"} == {"a", "c"}
        assert all(state(ref) is ActorState.RUNNING for ref in sup.children())
        if how == "kill":
            # Nobody waits for its start, so it is restarted also where it was killed before it was ready.
            assert last(b).kind is ExitKind.KILLED
            assert (b.value, self.lives, b.exit) == ("again", 2, None)
        else:
            assert final(b).kind is ExitKind.STOPPED
            assert self.lives == 1


async def end_at(n: int, strategy: Strategy, how: str) -> Outcome:
    outcome, probe, leave = Outcome(), Probe(), trio.Event()

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[str]) -> None:
        outcome.lives += 1
        if outcome.lives > 1:
            task_status.started("again")
            await trio.sleep_forever()

        def step() -> None:
            outcome.checkpoints += 1
            if outcome.checkpoints != n:
                return
            outcome.ready = ctx.ref.value is not None
            match how:
                case "kill":
                    ctx.ref.kill("now")
                case "stop":
                    ctx.ref.request_stop()
                case "stop supervisor":
                    must(ctx.system, "s").request_stop()
                case "kill supervisor":
                    must(ctx.system, "s").kill()
                case _:
                    leave.set()

        await at_each_checkpoint(life(ctx, outcome.log, task_status), step)

    async with open_system() as system:
        events = Events(system)
        sup = await system.start(
            supervisor_child("s", strategy=strategy, backoff=EXACT, restart=Restart.TEMPORARY)
        )
        assert isinstance(sup, SupervisorRef)
        other = await system.start(probe.child("other"))
        children = (probe.child("a"), ChildSpec[str, str](name="b", run=run), probe.child("c"))
        _, b, _ = [sup.start_child_soon(child) for child in children]
        b.send_nowait("go")
        with trio.move_on_after(30):
            await leave.wait()
        if n == 0:
            assert final(b).kind is ExitKind.NORMAL
        elif not leave.is_set():
            outcome.check(how, b, sup)
            assert sum(isinstance(event, ActorExited) and event.path == "s/b" for event in events.take()) == 1
        assert state(other) is ActorState.RUNNING
    assert outcome.log.count("open") == outcome.log.count("close")
    assert system.registry == {}
    return outcome


@pytest.mark.parametrize("how", ["kill", "stop", "stop supervisor", "kill supervisor", "close"])
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_end_at_every_checkpoint_leaves_nothing_behind(
    strategy: Strategy, how: str, autojump_clock: MockClock
) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    n_checkpoints = (await end_at(0, strategy, how)).checkpoints
    assert n_checkpoints > 12
    ready: list[bool] = []
    for n in range(1, n_checkpoints + 1):
        ready.append((await end_at(n, strategy, how)).ready)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert 2 < ready.count(False) < len(ready) - 9  # before and after `started`
