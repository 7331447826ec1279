"""Children that are added while everything runs, and children of actors."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._context import Context
from callboard.actors._errors import ActorGone, NameTaken, NoSuchActor, RestartsExhausted
from callboard.actors._exit import ExitKind
from callboard.actors._ref import ActorRef, SupervisorRef
from callboard.actors._spec import ChildSpec, Restart, RestartIntensity, Strategy, SupervisorSpec
from callboard.actors._supervisor import supervisor_child
from callboard.actors._system import open_system
from callboard.actors._tree import ActorState

from .actor_kit import EXACT, Boom, Events, Probe, do, final, last, must, state


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_start_child_soon_works_in_plain_functions_and_keeps_the_order(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    probe = Probe()

    def start_many(sup: SupervisorRef) -> list[ActorRef[str]]:
        refs = [sup.start_child_soon(probe.child(name)) for name in "abcdef"]
        for ref in refs:
            ref.send_nowait("early")
        assert all(state(ref) is ActorState.STARTING for ref in refs)
        assert probe.log == []
        return refs

    async with open_system(root=SupervisorSpec(strategy=strategy)) as system:
        refs = start_many(system.root)
        await system.start(probe.child("g"))
        began = [entry for entry in probe.log if entry.startswith("+")]
        assert began == ["+a", "+b", "+c", "+d", "+e", "+f", "+g"]
        await wait_all_tasks_blocked()
        assert {entry for entry in probe.take() if ":" in entry} == {f"{name}:early" for name in "abcdef"}
        assert [ref.value for ref in refs] == list("abcdef")
    assert probe.take() == [f"-{name}" for name in "gfedcba"]


async def test_start_child_soon_while_stopping_gives_a_stopped_child(autojump_clock: MockClock) -> None:
    probe = Probe()
    late: list[ActorRef[str]] = []

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            sup = must(ctx.system, "s")
            assert isinstance(sup, SupervisorRef)
            late.append(sup.start_child_soon(probe.child("late")))
            assert final(late[0]).kind is ExitKind.STOPPED

    async with open_system() as system:
        sup = await system.start(supervisor_child("s", children=(ChildSpec(name="a", run=run),)))
        await sup.stop()
        assert isinstance(sup, SupervisorRef)
        with pytest.raises(ActorGone) as caught:
            await sup.start_child(probe.child("later"))
        assert caught.value.path == "s/later"
        with pytest.raises(ActorGone):
            late[0].send_nowait("hello")
    assert probe.log == []
    assert len(late) == 1


async def test_queued_child_can_be_stopped_and_killed_before_it_begins(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        stopped = system.root.start_child_soon(probe.child("a"))
        killed = system.root.start_child_soon(probe.child("b", Restart.PERMANENT))
        kept = system.root.start_child_soon(probe.child("c"))
        stopped.request_stop()
        killed.kill("no")
        assert final(stopped).kind is ExitKind.STOPPED
        assert (final(killed).kind, final(killed).reason) == (ExitKind.KILLED, "no")
        await wait_all_tasks_blocked()
        assert state(kept) is ActorState.RUNNING
        assert probe.take() == ["+c"]


async def test_name_belongs_to_one_living_child(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(probe.child("a"))
        with pytest.raises(NameTaken, match="'a'"):
            await system.start(probe.child("a"))
        with pytest.raises(NameTaken):
            system.root.start_child_soon(probe.child("a"))
        with pytest.raises(NameTaken):
            await system.start(probe.child("system"))
        await ref.stop()
        again = await system.start(probe.child("a"))
        assert again is not ref
        assert must(system, "a") is again


async def test_supervisor_knows_its_children(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        sup = await system.start(supervisor_child("s", children=(probe.child("a"), probe.child("b"))))
        assert isinstance(sup, SupervisorRef)
        assert sup.value is sup
        assert [ref.path for ref in sup.children()] == ["s/a", "s/b"]
        a = sup.child("a")
        assert a is must(system, "s/a")
        assert (await sup.stop_child("a")).kind is ExitKind.STOPPED
        assert sup.child("a") is None
        with pytest.raises(NoSuchActor, match="'s/a'"):
            await sup.stop_child("a")
        await sup.stop()
        assert sup.children() == ()
        assert sup.child("b") is None


@pytest.mark.parametrize("name", ["", "a/b", "/"])
def test_name_without_sense_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Probe().child(name)


def test_specification_without_sense_is_refused() -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="mailbox"):
        ChildSpec(name="a", run=run, mailbox=0)
    with pytest.raises(ValueError, match="grace"):
        ChildSpec(name="a", run=run, grace=-1)
    with pytest.raises(ValueError, match="start_timeout"):
        ChildSpec(name="a", run=run, start_timeout=0)
    with pytest.raises(ValueError, match="unique"):
        SupervisorSpec(children=(ChildSpec(name="a", run=run), ChildSpec(name="a", run=run)))


async def test_object_with_run_is_an_actor(autojump_clock: MockClock) -> None:
    class Counter:
        def __init__(self) -> None:
            self.total = 0

        async def run(self, ctx: Context[int], /, *, task_status: trio.TaskStatus["Counter"]) -> None:
            task_status.started(self)
            async for number in ctx.mailbox:
                self.total += number

    async with open_system() as system:
        counter = Counter()
        ref = await system.start(ChildSpec(name="counter", run=counter))
        assert ref.value is counter
        await ref.send(3)
        await ref.send(4)
        await wait_all_tasks_blocked()
        assert counter.total == 7


# Children of actors


def parent(probe: Probe, *, listens: bool = False) -> ChildSpec[str, None]:
    """An actor with two children, that obeys like those of a probe."""

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        if listens:
            assert not ctx.stop_requested.is_set()
        for name in "xy":
            await ctx.spawn(probe.child(name))
        task_status.started()
        try:
            order = await ctx.mailbox.receive()
            if order == "crash":
                raise Boom
        finally:
            probe.log.append("-parent")

    return ChildSpec(name="parent", run=run)


@pytest.mark.parametrize("how", ["return", "crash", "kill", "stop", "stop now"])
async def test_spawned_children_stop_in_reverse_before_the_exit_is_reported(
    how: str, autojump_clock: MockClock
) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        events = Events(system)
        ref = await system.start(parent(probe))
        assert [node.path for node in system.tree().walk()] == ["system", "parent", "parent/x", "parent/y"]
        if how.startswith("stop"):
            await ref.stop(0 if how == "stop now" else None)
        else:
            await do(ref, how)
        assert probe.take() == ["+x", "+y", "-parent", "-y", "-x"]
        assert events.names()[3:] == ["Exited parent/y", "Exited parent/x", "Exited parent"]
        assert system.lookup("parent/x") is None
        await trio.sleep(2)
        assert probe.take() == (["+x", "+y"] if how in {"crash", "kill"} else [])


async def test_children_of_an_actor_that_does_not_listen_are_asked_politely(
    autojump_clock: MockClock,
) -> None:
    asked_at = ended_at = -1.0

    async def child(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal asked_at, ended_at
        asked = ctx.stop_requested
        task_status.started()
        await asked.wait()
        asked_at = trio.current_time()
        await trio.sleep(2)
        ended_at = trio.current_time()

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        await ctx.spawn(ChildSpec(name="child", run=child))
        task_status.started()
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        assert (await ref.stop(5)).kind is ExitKind.STOPPED
    assert (asked_at, ended_at) == (0, 2)


@pytest.mark.parametrize(
    ("later", "ended_at", "kind"),
    [
        ("", 5, ExitKind.STOPPED),
        ("stop", 3, ExitKind.STOPPED),
        ("stop now", 1, ExitKind.STOPPED),
        ("kill", 1, ExitKind.KILLED),
    ],
)
async def test_children_that_outlast_the_body_have_the_grace_that_is_left(
    later: str, ended_at: float, kind: ExitKind, autojump_clock: MockClock
) -> None:
    async def child(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        asked = ctx.stop_requested
        task_status.started()
        await asked.wait()
        await trio.sleep_forever()

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        await ctx.spawn(ChildSpec(name="child", run=child, grace=60))
        task_status.started()
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        ref.request_stop(5)
        await trio.sleep(1)
        assert system.lookup("a/child") is not None
        if later == "kill":
            ref.kill()
        elif later:
            ref.request_stop(0 if later == "stop now" else 2)
        assert (await ref.wait_stopped()).kind is kind
        assert trio.current_time() == ended_at


async def test_spawned_child_is_restarted_on_its_own(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(parent(probe))
        await do(must(system, "parent/x"), "crash")
        await trio.sleep(1)
        assert probe.take() == ["+x", "+y", "-x", "+x"]
        assert state(ref) is ActorState.RUNNING


async def test_spawned_children_that_fail_too_often_crash_their_parent(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        ref = await system.start(parent(probe))
        while state(ref) is ActorState.RUNNING:
            await do(must(system, "parent/x"), "crash")
            await trio.sleep(0.9)
        assert isinstance(last(ref).error, RestartsExhausted)
        assert probe.take() == [*["+x", "+y"], *["-x", "+x"] * 3, "-x", "-y", "-parent"]
        await trio.sleep(1)
        assert state(ref) is ActorState.RUNNING


async def test_spawn_raises_what_the_child_raised(autojump_clock: MockClock) -> None:
    async def fail(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        raise Boom("child")

    async def run(ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(Boom, match="child"):
            await ctx.spawn(ChildSpec(name="child", run=fail))
        task_status.started()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        assert (await ref.wait_stopped()).kind is ExitKind.NORMAL


async def test_spawn_is_for_the_living(autojump_clock: MockClock) -> None:
    contexts: list[Context[str]] = []

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        contexts.append(ctx)
        task_status.started()

    probe = Probe()
    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        await ref.wait_stopped()
        with pytest.raises(ActorGone):
            await contexts[0].spawn(probe.child("x"))


async def test_a_start_that_succeeded_is_told_though_the_actor_crashed_at_once(
    autojump_clock: MockClock,
) -> None:
    async def crash(_ctx: Context[None], /, *, task_status: trio.TaskStatus[int]) -> None:
        task_status.started(7)
        raise Boom("at once")

    async with open_system(
        root=SupervisorSpec(backoff=EXACT, intensity=RestartIntensity(restarts=100, period=1.0))
    ) as system:
        with trio.fail_after(1):
            ref = await system.start(ChildSpec(name="a", run=crash))
        assert ref.value == 7
        ref.kill()
