import logging
import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._context import Context
from callboard.actors._errors import ActorGone, NoSuchActor, RestartsExhausted
from callboard.actors._exit import ExitKind
from callboard.actors._network import TcpNetwork
from callboard.actors._spec import ChildSpec, Restart, RestartIntensity, Strategy, SupervisorSpec
from callboard.actors._supervisor import supervisor_child
from callboard.actors._system import open_system
from callboard.actors._watch import ActorExited, ActorRestarted, ActorStarted, WatchEvent, WatchLagged

from .actor_kit import EXACT, Boom, Probe, do, final, must

FRAGILE = SupervisorSpec(intensity=RestartIntensity(restarts=0))


async def test_registry_holds_the_living_and_nothing_else(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        assert system.lookup("system") is system.root
        await system.start(supervisor_child("s", children=(probe.child("a"),)))
        temporary = await system.start(probe.child("t", Restart.TEMPORARY))
        assert sorted(system.registry) == ["s", "s/a", "system", "t"]
        assert must(system, "s/a").path == "s/a"
        await do(temporary, "crash")
        assert system.lookup("t") is None
        assert sorted(system.registry) == ["s", "s/a", "system"]
        assert [node.path for node in system.tree().walk()] == ["system", "s", "s/a"]
        await must(system, "s").stop()
        assert sorted(system.registry) == ["system"]
    assert system.registry == {}


async def test_tree_renders_what_there_is(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system("demo", root=SupervisorSpec(backoff=EXACT)) as system:
        await system.start(
            supervisor_child(
                "calls",
                strategy=Strategy.ONE_FOR_ALL,
                backoff=EXACT,
                children=(probe.child("leg"), probe.child("unit")),
            )
        )
        other = await system.start(probe.child("other"))
        await trio.sleep(60)
        await do(must(system, "calls/unit"), "crash")
        await do(other, "kill")
        other.send_nowait("wait")
        await trio.sleep(0.25)
        assert system.tree().render().splitlines() == [
            "demo        running      60.2 s  mailbox 0/1",
            "├─ calls    running      60.2 s  mailbox 0/1",
            "│  ├─ leg   waiting       0.2 s  mailbox 0/64  last exit stopped: went down with a sibling",
            "│  └─ unit  waiting       0.2 s  mailbox 0/64  last exit crashed: Boom: unit",
            "└─ other    waiting       0.2 s  mailbox 1/64  last exit killed: test",
        ]
        await trio.sleep(1)
        assert "restarts 1" in system.tree().render()


async def test_kill_by_path(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(probe.child("a", Restart.TEMPORARY))
        system.kill("a", "chaos")
        assert (await ref.wait_stopped()).reason == "chaos"
        with pytest.raises(NoSuchActor, match="'a'"):
            system.kill("a")


async def test_system_carries_network_and_randomness(autojump_clock: MockClock) -> None:
    network = TcpNetwork()
    async with open_system(seed=7, network=network) as system:
        assert system.network is network
        assert system.rng.random() == random.Random(7).random()
    async with open_system() as system:
        assert isinstance(system.network, TcpNetwork)


async def test_logger_names_the_actor(caplog: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    async def run(ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        ctx.log.warning("hello %d", 5)
        task_status.started()

    async with open_system() as system:
        await system.start(supervisor_child("s", children=(ChildSpec(name="a", run=run),)))
    assert "s/a: hello 5" in caplog.messages
    assert caplog.records[0].levelno == logging.WARNING
    assert vars(caplog.records[0])["path"] == "s/a"


# Watching


async def test_watch_tells_the_life_of_an_actor(autojump_clock: MockClock) -> None:
    probe = Probe()
    seen: list[WatchEvent] = []
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system, trio.open_nursery() as nursery:

        async def read() -> None:
            with system.watch() as watch:
                task_ready.set()
                async for event in watch:
                    seen.append(event)
                    if len(seen) == 5:
                        return

        task_ready = trio.Event()
        nursery.start_soon(read)
        await task_ready.wait()
        await trio.sleep(5)
        ref = await system.start(probe.child("a"))
        await do(ref, "crash")
        await trio.sleep(3)
        await ref.stop()
    crash = seen[1]
    assert isinstance(crash, ActorExited)
    assert isinstance(crash.exit.error, Boom)
    assert seen == [
        ActorStarted(path="a", time=5.0),
        ActorExited(path="a", time=5.0, exit=crash.exit, final=False),
        ActorRestarted(path="a", time=6.0, exit=crash.exit, attempt=1, delay=1.0),
        ActorStarted(path="a", time=6.0),
        ActorExited(path="a", time=8.0, exit=final(ref), final=True),
    ]


async def test_lagging_watch_says_how_much_it_missed(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        with system.watch(capacity=2) as watch:
            for name in "abcde":
                await system.start(probe.child(name))
            first = [await anext(watch) for _ in range(3)]
            assert first == [
                ActorStarted(path="a", time=0.0),
                ActorStarted(path="b", time=0.0),
                WatchLagged(missed=3),
            ]
            for name in "fgh":
                await system.start(probe.child(name))
            assert await anext(watch) == ActorStarted(path="f", time=0.0)
            for name in "ij":
                await system.start(probe.child(name))
            assert await anext(watch) == ActorStarted(path="g", time=0.0)
            assert await anext(watch) == WatchLagged(missed=3)
            await system.start(probe.child("k"))
            assert await anext(watch) == ActorStarted(path="k", time=0.0)
        with pytest.raises(ValueError, match="at least 1"), system.watch(capacity=0):
            raise AssertionError


async def test_watch_ends_with_the_system(autojump_clock: MockClock) -> None:
    seen: list[WatchEvent] = []
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with system.watch() as watch:
                seen.extend([event async for event in watch])

        async with open_system() as system:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await system.start(Probe().child("a"))
    assert [type(event) for event in seen] == [ActorStarted, ActorExited, ActorExited]
    assert not system.watched


async def test_cancelled_watch_has_lost_nothing(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        with system.watch() as watch:
            await system.start(Probe().child("a"))
            with trio.CancelScope() as scope:
                scope.cancel()
                await anext(watch)
            assert await anext(watch) == ActorStarted(path="a", time=0.0)


# How a system ends


async def test_failure_of_the_root_cancels_the_body_and_is_raised_bare(autojump_clock: MockClock) -> None:
    reached = False

    async def body() -> None:
        nonlocal reached
        async with open_system(root=FRAGILE) as system:
            await do(await system.start(Probe().child("a")), "crash")
            reached = True
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted) as caught:
        await body()
    assert isinstance(caught.value.__cause__, Boom)
    assert not reached


async def test_kill_of_the_root_raises_actor_gone(autojump_clock: MockClock) -> None:
    probe = Probe()

    async def body() -> None:
        async with open_system() as system:
            await system.start(probe.child("a"))
            system.root.kill("the end")
            await trio.sleep_forever()

    with pytest.raises(ActorGone, match="killed: the end"):
        await body()
    assert probe.take() == ["+a", "-a"]


async def test_stop_of_the_root_lets_the_body_go_on(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        await system.start(Probe().child("a"))
        assert (await system.root.stop()).kind is ExitKind.STOPPED
        await trio.sleep(1)
        with pytest.raises(ActorGone):
            await system.start(Probe().child("b"))
    assert trio.current_time() == 1


async def test_error_of_the_body_comes_before_that_of_the_root(autojump_clock: MockClock) -> None:
    async def body() -> None:
        async with open_system(root=FRAGILE) as system:
            await system.start(Probe().child("a"))
            try:
                await do(must(system, "a"), "crash")
            finally:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await body()


async def test_group_that_the_body_raised_stays_as_it_was(autojump_clock: MockClock) -> None:
    group = ExceptionGroup("mine", [ValueError("one")])
    with pytest.RaisesGroup(ValueError) as caught:
        async with open_system():
            raise group
    assert caught.value is group


async def test_keyboard_interrupt_is_not_contained(autojump_clock: MockClock) -> None:
    probe = Probe()

    async def run(ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await ctx.mailbox.receive()
        raise KeyboardInterrupt

    async def body() -> None:
        async with open_system() as system:
            children = (probe.child("a"), ChildSpec[str, None](name="b", run=run), probe.child("c"))
            await system.start(supervisor_child("s", children=children))
            must(system, "s/b").send_nowait("go")
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await body()
    assert probe.take() == ["+a", "+c", "-c", "-a"]


async def test_cancelled_system_raises_nothing_else(autojump_clock: MockClock) -> None:
    probe = Probe()
    with trio.move_on_after(1) as scope:
        async with open_system() as system:
            await system.start(probe.child("a"))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert probe.take() == ["+a", "-a"]


async def test_error_group_of_a_start_with_several_errors_stays_a_group(autojump_clock: MockClock) -> None:
    async def run(_ctx: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        raise ExceptionGroup("both", [Boom("one"), Boom("two")])

    async with open_system() as system:
        with pytest.RaisesGroup(Boom, Boom):
            await system.start(ChildSpec(name="a", run=run))
