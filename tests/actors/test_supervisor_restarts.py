"""Which children are restarted, when, and when a supervisor gives up."""

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._backoff import Backoff
from callboard.actors._context import Context
from callboard.actors._errors import ActorGone, RestartsExhausted, StartTimeout
from callboard.actors._exit import ExitKind
from callboard.actors._ref import ActorRef, SupervisorRef
from callboard.actors._spec import (
    AutoShutdown,
    ChildSpec,
    Restart,
    RestartIntensity,
    Strategy,
    SupervisorSpec,
)
from callboard.actors._supervisor import supervisor_child
from callboard.actors._system import open_system
from callboard.actors._tree import ActorState
from callboard.actors._watch import ActorRestarted

from .actor_kit import EXACT, OFTEN, Boom, Events, Probe, do, final, last, must, state

KINDS = {"crash": ExitKind.CRASHED, "kill": ExitKind.KILLED, "return": ExitKind.NORMAL}


@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize("what", ["crash", "kill", "return"])
@pytest.mark.parametrize("victim", ["a", "b", "c"])
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_strategy_decides_who_is_restarted(
    strategy: Strategy, victim: str, what: str, restart: Restart, autojump_clock: MockClock
) -> None:
    probe = Probe()
    order = ["a", "b", "c"]
    children = tuple(probe.child(name, restart) for name in order)
    async with open_system(
        root=SupervisorSpec(strategy=strategy, backoff=EXACT, children=children)
    ) as system:
        assert probe.take() == ["+a", "+b", "+c"]
        refs = {name: must(system, name) for name in order}
        await do(refs[victim], what)
        again = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and what != "return")
        if not again:
            assert probe.take() == [f"-{victim}"]
            assert final(refs[victim]).kind is KINDS[what]
            assert system.lookup(victim) is None
            await trio.sleep(100)
            assert probe.take() == []
            order.remove(victim)
        else:
            match strategy:
                case Strategy.ONE_FOR_ONE:
                    affected = [victim]
                case Strategy.ONE_FOR_ALL:
                    affected = order
                case Strategy.REST_FOR_ONE:
                    affected = order[order.index(victim) :]
            down = [victim, *(name for name in reversed(affected) if name != victim)]
            assert probe.take() == [f"-{name}" for name in down]
            await trio.sleep(0.9)
            assert probe.take() == []
            assert all(state(refs[name]) is ActorState.WAITING for name in affected)
            await trio.sleep(0.2)
            assert probe.take() == [f"+{name}" for name in affected]
            for name in order:
                stats = refs[name].statistics()
                assert stats.state is ActorState.RUNNING
                assert stats.restarts == (1 if name in affected else 0)
            assert last(refs[victim]).kind is KINDS[what]
            if what == "crash":
                assert isinstance(last(refs[victim]).error, Boom)
    assert probe.take() == [f"-{name}" for name in reversed(order)]
    assert system.registry == {}


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_temporary_sibling_that_is_swept_away_does_not_return(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    probe = Probe()
    children = (probe.child("a"), probe.child("b", Restart.TEMPORARY), probe.child("c"))
    async with open_system(
        root=SupervisorSpec(strategy=strategy, backoff=EXACT, children=children)
    ) as system:
        b = must(system, "b")
        await do(must(system, "a"), "crash")
        await trio.sleep(2)
        assert probe.take() == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "+c"]
        assert final(b).kind is ExitKind.STOPPED


async def test_two_failures_at_once_are_one_restart_of_the_group(autojump_clock: MockClock) -> None:
    probe = Probe()
    root = SupervisorSpec(
        strategy=Strategy.REST_FOR_ONE,
        backoff=EXACT,
        children=(probe.child("a"), probe.child("b"), probe.child("c")),
        intensity=RestartIntensity(restarts=1, period=60),
    )
    async with open_system(root=root) as system:
        must(system, "c").kill()
        must(system, "b").kill()
        await trio.sleep(2)
        assert sorted(probe.take()) == sorted(["+a", "+b", "+c", "-b", "-c", "+b", "+c"])
        assert [ref.statistics().restarts for ref in system.root.children()] == [0, 1, 1]


async def test_exit_during_the_restart_of_later_siblings_is_handled_after_it(
    autojump_clock: MockClock,
) -> None:
    probe = Probe()
    children = (probe.child("a"), probe.child("b"), probe.child("c"))
    root = SupervisorSpec(strategy=Strategy.REST_FOR_ONE, backoff=EXACT, children=children, intensity=OFTEN)
    async with open_system(root=root) as system:
        await do(must(system, "b"), "crash")
        await do(must(system, "a"), "crash")
        assert probe.take() == ["+a", "+b", "+c", "-b", "-c", "-a"]
        await trio.sleep(3)
        # `b` and `c` are not started only to be stopped again: they wait for `a`.
        assert probe.take() == ["+a", "+b", "+c"]


async def test_backoff_grows_and_is_forgotten_after_a_long_life(autojump_clock: MockClock) -> None:
    probe = Probe()
    root = SupervisorSpec(backoff=EXACT, intensity=RestartIntensity(restarts=3, period=5.0))
    async with open_system(root=root) as system:
        events = Events(system)
        ref = await system.start(probe.child("a"))
        for _ in range(3):
            await do(ref, "kill")
            await trio.sleep(4.5)
        await trio.sleep(10)
        await do(ref, "kill")
        await trio.sleep(10)
        restarts = [event for event in events.take() if isinstance(event, ActorRestarted)]
    assert [(event.attempt, event.delay) for event in restarts] == [(1, 1.0), (2, 2.0), (3, 4.0), (1, 1.0)]
    assert all(event.exit.kind is ExitKind.KILLED for event in restarts)


async def test_one_child_in_backoff_holds_up_nobody(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        await do(await system.start(probe.child("a")), "crash")
        before = trio.current_time()
        b = await system.start(probe.child("b"))
        await do(b, "crash")
        assert trio.current_time() == before
        assert probe.take() == ["+a", "-a", "+b", "-b"]
        await trio.sleep(1.1)
        assert sorted(probe.take()) == ["+a", "+b"]


async def test_too_many_restarts_escalate_through_two_levels(autojump_clock: MockClock) -> None:
    probe = Probe()
    limit = RestartIntensity(restarts=1, period=60)
    inner = supervisor_child("inner", intensity=limit, backoff=EXACT, children=(probe.child("x"),))
    outer = supervisor_child("outer", intensity=limit, backoff=EXACT, children=(inner, probe.child("y")))
    crashes = 0

    async def crash_it_again_and_again() -> None:
        nonlocal crashes
        async with open_system(root=SupervisorSpec(intensity=RestartIntensity(restarts=0))) as system:
            await system.start(outer)
            for crashes in range(1, 4):
                await do(must(system, "outer/inner/x"), "crash")
                if crashes == 2:
                    error = last(must(system, "outer/inner")).error
                    assert isinstance(error, RestartsExhausted)
                    assert error.path == "outer/inner/x"
                    assert isinstance(error.__cause__, Boom)
                await trio.sleep(3)
            must(system, "outer/inner/x").send_nowait("crash")
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted) as caught:
        await crash_it_again_and_again()
    assert crashes == 3
    error: BaseException | None = caught.value
    chain: list[str] = []
    while isinstance(error, RestartsExhausted):
        chain.append(error.path)
        error = error.__cause__
    assert chain == ["outer", "outer/inner", "outer/inner/x"]
    assert isinstance(error, Boom)
    assert probe.take()[-2:] == ["-x", "-y"]


async def test_supervisor_that_gives_up_stops_its_children_in_reverse(autojump_clock: MockClock) -> None:
    probe = Probe()
    limit = RestartIntensity(restarts=0)
    children = tuple(probe.child(name) for name in "abcd")
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        sup = await system.start(
            supervisor_child("s", intensity=limit, children=children, restart=Restart.TEMPORARY)
        )
        probe.take()
        await do(must(system, "s/b"), "crash")
        exit = await sup.wait_stopped()
        assert exit.kind is ExitKind.CRASHED
        assert isinstance(exit.error, RestartsExhausted)
        assert probe.take() == ["-b", "-d", "-c", "-a"]
        assert system.lookup("s") is None


async def test_restarted_supervisor_starts_its_specified_children_anew(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        ref = await system.start(supervisor_child("s", children=(probe.child("a"), probe.child("b"))))
        assert isinstance(ref, SupervisorRef)
        old = must(system, "s/a")
        await ref.start_child(probe.child("extra"))
        probe.take()
        ref.kill("test")
        await trio.sleep(0.5)
        late = ref.start_child_soon(probe.child("late"))
        assert final(late).kind is ExitKind.STOPPED
        await trio.sleep(1)
        assert probe.take() == ["-extra", "-b", "-a", "+a", "+b"]
        assert final(old).kind is ExitKind.STOPPED
        assert must(system, "s/a") is not old
        assert [child.name for child in ref.children()] == ["a", "b"]


@pytest.mark.parametrize("ended_by", ["crash", "kill", "return", "stop"])
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_end_of_a_significant_child_ends_its_supervisor_normally(
    strategy: Strategy, ended_by: str, autojump_clock: MockClock
) -> None:
    probe = Probe()
    children = (
        probe.child("a"),
        probe.child("leg", Restart.TEMPORARY, significant=True),
        probe.child("c"),
    )
    spec = supervisor_child(
        "call", strategy=strategy, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, children=children
    )
    async with open_system() as system:
        call = await system.start(spec)
        assert isinstance(call, SupervisorRef)
        leg = must(system, "call/leg")
        if ended_by == "stop":
            await leg.stop()
        else:
            await do(leg, ended_by)
        exit = await call.wait_stopped()
        assert exit.kind is ExitKind.NORMAL
        assert call.cause is not None
        assert call.cause == leg.exit
        assert call.cause.kind is {**KINDS, "stop": ExitKind.STOPPED}[ended_by]
        assert probe.take() == ["+a", "+leg", "+c", "-leg", "-c", "-a"]
        assert [child.name for child in system.root.children()] == []


async def test_significant_child_that_is_restarted_ends_nothing(autojump_clock: MockClock) -> None:
    probe = Probe()
    spec = supervisor_child(
        "call",
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        backoff=EXACT,
        children=(probe.child("leg", significant=True), probe.child("other", Restart.TEMPORARY)),
    )
    async with open_system() as system:
        call = await system.start(spec)
        await do(must(system, "call/leg"), "crash")
        await do(must(system, "call/other"), "crash")
        await trio.sleep(2)
        assert state(call) is ActorState.RUNNING
        assert state(must(system, "call/leg")) is ActorState.RUNNING


async def test_significant_child_that_is_swept_away_ends_nothing(autojump_clock: MockClock) -> None:
    probe = Probe()
    spec = supervisor_child(
        "call",
        strategy=Strategy.ONE_FOR_ALL,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        backoff=EXACT,
        children=(probe.child("a"), probe.child("leg", Restart.TEMPORARY, significant=True)),
    )
    async with open_system() as system:
        call = await system.start(spec)
        await do(must(system, "call/a"), "crash")
        await trio.sleep(2)
        assert probe.take() == ["+a", "+leg", "-a", "-leg", "+a"]
        assert state(call) is ActorState.RUNNING


# Starts that fail


@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_failure_before_started_is_raised_bare_and_not_repeated(
    strategy: Strategy, restart: Restart, autojump_clock: MockClock
) -> None:
    lives = 0

    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal lives
        lives += 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
            raise Boom("no")

    async with open_system(root=SupervisorSpec(strategy=strategy)) as system:
        with pytest.raises(Boom, match="no"):
            await system.start(ChildSpec(name="a", run=run, restart=restart))
        assert system.lookup("a") is None
        ref = system.root.start_child_soon(ChildSpec(name="a", run=run, restart=Restart.TEMPORARY))
        exit = await ref.wait_stopped()
        assert exit.kind is ExitKind.CRASHED
        assert isinstance(exit.error, ExceptionGroup)
        assert exit.reason == "Boom: no"
        await trio.sleep(100)
        assert lives == 2
        assert state(system.root) is ActorState.RUNNING


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
async def test_child_that_nobody_waits_for_is_restarted_also_after_its_first_start(
    strategy: Strategy, restart: Restart, autojump_clock: MockClock
) -> None:
    lives = 0

    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal lives
        lives += 1
        await trio.sleep(1)
        if lives == 2:
            raise Boom("again")
        task_status.started()
        await trio.sleep_forever()

    async with open_system(root=SupervisorSpec(strategy=strategy)) as system:
        ref = system.root.start_child_soon(ChildSpec(name="a", run=run, restart=restart))
        await trio.sleep(0.5)
        ref.kill("in its start")
        await trio.sleep(20)
        assert lives == 3
        assert ref.state is ActorState.RUNNING


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_failure_before_started_of_a_restart_counts_as_another_crash(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    began: list[float] = []

    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        began.append(trio.current_time())
        if len(began) == 1:
            task_status.started()
            await trio.sleep(1)
        raise Boom

    probe = Probe()
    root = SupervisorSpec(
        strategy=strategy,
        backoff=EXACT,
        intensity=RestartIntensity(restarts=3, period=60),
        children=(ChildSpec(name="a", run=run), probe.child("b")),
    )
    with pytest.raises(RestartsExhausted) as caught:
        async with open_system(root=root):
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, Boom)
    assert [round(moment - began[0], 6) for moment in began] == [0, 2, 4, 8]
    # The sibling that builds on `a` never got to start again.
    assert probe.take() == ["+b", "-b"]


async def test_start_timeout_is_a_crash_with_a_clear_error(autojump_clock: MockClock) -> None:
    lives = 0

    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal lives
        lives += 1
        if lives == 2:
            task_status.started()
        await trio.sleep_forever()

    spec = ChildSpec(name="slow", run=run, start_timeout=3.0)
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        before = trio.current_time()
        with pytest.raises(StartTimeout, match=r"'slow' did not call task_status.started\(\) within 3 s"):
            await system.start(spec)
        assert trio.current_time() - before == 3
        ref = await system.start(spec)
        await trio.sleep(100)  # once started, the limit no longer counts
        assert state(ref) is ActorState.RUNNING
        ref.kill()
        await trio.sleep(4.5)
        assert isinstance(last(ref).error, StartTimeout)
        assert state(ref) is ActorState.WAITING


async def test_return_before_started_is_a_crash(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)

    async with open_system() as system:
        with pytest.raises(RuntimeError, match="returned before"):
            await system.start(ChildSpec(name="a", run=run))


async def test_started_twice_is_a_crash(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        task_status.started()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run, restart=Restart.TEMPORARY))
        exit = await ref.wait_stopped()
        assert isinstance(exit.error, RuntimeError)
        assert "more than once" in exit.reason


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_child_that_is_ended_in_its_start_raises_actor_gone(
    how: str, autojump_clock: MockClock
) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    async with open_system() as system, trio.open_nursery() as nursery:

        async def end() -> None:
            await trio.sleep(1)
            if how == "kill":
                system.kill("a", "enough")
            else:
                await must(system, "a").stop()

        nursery.start_soon(end)
        with pytest.raises(ActorGone) as caught:
            await system.start(ChildSpec(name="a", run=run))
        assert caught.value.exit.kind is (ExitKind.KILLED if how == "kill" else ExitKind.STOPPED)


async def test_failed_start_of_a_specified_child_fails_the_supervisor(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        raise Boom("b")

    probe = Probe()
    children = (probe.child("a"), ChildSpec(name="b", run=run), probe.child("c"))
    async with open_system() as system:
        with pytest.raises(Boom, match="b"):
            await system.start(supervisor_child("s", children=children))
        assert probe.take() == ["+a", "-a"]
    with pytest.raises(Boom, match="b"):
        async with open_system(root=SupervisorSpec(children=children)):
            raise AssertionError("not reached")
    assert probe.take() == ["+a", "-a"]


async def test_cancelled_start_child_leaves_no_child(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    async with open_system() as system:
        with trio.move_on_after(1):
            await system.start(ChildSpec(name="a", run=run, start_timeout=math.inf))
        await wait_all_tasks_blocked()
        assert system.lookup("a") is None


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_slow_starter_holds_up_others_only_where_order_matters(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    async def slow(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(3)
        task_status.started()
        await trio.sleep_forever()

    probe = Probe()
    async with open_system(root=SupervisorSpec(strategy=strategy)) as system:
        system.root.start_child_soon(ChildSpec(name="slow", run=slow))
        before = trio.current_time()
        await system.start(probe.child("a"))
        assert trio.current_time() - before == (0 if strategy is Strategy.ONE_FOR_ONE else 3)
        assert [ref.name for ref in system.root.children()] == ["slow", "a"]


# Restarts that do not happen


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("how", ["close", "stop child", "cancel", "stop supervisor", "kill supervisor"])
async def test_backoff_ends_at_once_and_no_restart_follows(
    strategy: Strategy, how: str, autojump_clock: MockClock
) -> None:
    probe = Probe()
    late = Backoff(initial=60, maximum=60, jitter=0)
    spec = supervisor_child(
        "s",
        strategy=strategy,
        backoff=late,
        children=(probe.child("a"), probe.child("b")),
        restart=Restart.TEMPORARY,
    )
    before = trio.current_time()
    a: ActorRef[str] | None = None
    with trio.CancelScope() as scope:
        async with open_system() as system:
            events = Events(system)
            sup = await system.start(spec)
            a = must(system, "s/a")
            await do(a, "crash")
            assert state(a) is ActorState.WAITING
            a.kill("there is nothing to kill")
            match how:
                case "stop child":
                    assert (await a.stop()).kind is ExitKind.STOPPED
                    assert system.lookup("s/a") is None
                case "stop supervisor":
                    assert (await sup.stop()).kind is ExitKind.STOPPED
                case "kill supervisor":
                    sup.kill()
                    assert (await sup.wait_stopped()).kind is ExitKind.KILLED
                case "cancel":
                    scope.cancel()
                case _:
                    pass
            assert not any(isinstance(event, ActorRestarted) for event in events.take())
    assert trio.current_time() == before
    assert a is not None
    assert final(a).kind is ExitKind.STOPPED
    assert probe.take().count("+a") == 1


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_crash_while_the_supervisor_stops_is_not_followed_by_a_restart(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    async def slow_to_stop(ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        asked = ctx.stop_requested
        task_status.started()
        await asked.wait()
        await trio.sleep(4)

    probe = Probe()
    children = (probe.child("a"), ChildSpec(name="slow", run=slow_to_stop))
    async with open_system() as system:
        sup = await system.start(supervisor_child("s", strategy=strategy, backoff=EXACT, children=children))
        a = must(system, "s/a")
        sup.request_stop()
        await trio.sleep(1)
        await do(a, "crash")
        assert final(a).kind is ExitKind.CRASHED
        assert (await sup.wait_stopped()).kind is ExitKind.STOPPED
        assert trio.current_time() == 4
    assert probe.take() == ["+a", "-a"]


async def test_stop_of_a_failed_child_that_waits_for_its_group_is_final(autojump_clock: MockClock) -> None:
    probe = Probe()
    children = (probe.child("a"), probe.child("b"), probe.child("c"))
    root = SupervisorSpec(strategy=Strategy.REST_FOR_ONE, backoff=EXACT, children=children)
    async with open_system(root=root) as system:
        a = must(system, "a")
        await do(must(system, "b"), "crash")
        await do(a, "crash")  # to be handled after the restart of `b` and `c`
        await a.stop()
        await trio.sleep(3)
        assert probe.take() == ["+a", "+b", "+c", "-b", "-c", "-a", "+b", "+c"]
        assert [ref.name for ref in system.root.children()] == ["b", "c"]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_child_that_is_ended_before_its_first_step_does_not_run(
    how: str, autojump_clock: MockClock
) -> None:
    class EndAtOnce(trio.abc.Instrument):
        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            if task.name == "a":
                ref = must(system, "a")
                ref.kill() if how == "kill" else ref.request_stop()

    probe = Probe()
    async with open_system() as system:
        instrument = EndAtOnce()
        trio.lowlevel.add_instrument(instrument)
        ref = system.root.start_child_soon(probe.child("a", Restart.TEMPORARY))
        exit = await ref.wait_stopped()
        trio.lowlevel.remove_instrument(instrument)
    assert exit.kind is (ExitKind.KILLED if how == "kill" else ExitKind.STOPPED)
    assert probe.log == []
