"""The tools of `kill_every_actor`: steps, kills, what is left behind, reports."""

import contextlib
import os
import re
from pathlib import Path

import pytest
import trio

from callboard.actors import (
    ActorRef,
    ChildSpec,
    Context,
    ExitKind,
    Restart,
    System,
    open_system,
)
from callboard.testing import (
    ActorKillFailed,
    ActorSteps,
    KillNotReached,
    Leaked,
    MemoryNetwork,
    NothingToKill,
    Simulation,
    Transport,
    assert_no_leaks,
    kill_every_actor,
    kill_once,
    simulate,
)


async def sleeper(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
    """Five checkpoints after its start, a second apart."""
    del context
    task_status.started()
    for _ in range(5):
        await trio.sleep(1)


async def start(
    system: System, name: str = "sleeper", restart: Restart = Restart.TEMPORARY
) -> ActorRef[None]:
    return await system.start(ChildSpec[None, None](name=name, run=sleeper, restart=restart))


# Counting


async def test_steps_are_counted_by_the_path_of_the_actor(autojump_clock: object) -> None:
    steps = ActorSteps()
    async with open_system() as system:
        with steps.installed():
            first, second = await start(system, "a"), await start(system, "b")
            await first.wait_stopped()
            await second.wait_stopped()
    # One for each sleep. After the last one there is no checkpoint any more, but the end.
    assert steps.counts["a"] == steps.counts["b"] == 5
    assert set(steps.counts) == {"system", "a", "b"}
    assert steps.roots == {"system"}


async def test_only_the_steps_of_those_that_are_to_be_killed_may_be_counted(autojump_clock: object) -> None:
    steps = ActorSteps(planned_only=True)
    async with open_system() as system:
        with steps.installed():
            first = await start(system, "a")
            steps.kill_at("b", 3)
            second = await start(system, "b")
            await first.wait_stopped()
            assert (await second.wait_stopped()).kind is ExitKind.KILLED
    assert set(steps.counts) == {"b"}
    assert [str(kill) for kill in steps.fired] == ["b killed after its step 3, at 2.000 s"]


async def test_tasks_in_nurseries_of_the_body_are_steps_of_the_actor(autojump_clock: object) -> None:
    async def deep(n: int) -> None:
        if n == 0:
            await trio.sleep(1)
            await trio.sleep(1)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deep, n - 1)

    async def run(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        del context
        task_status.started()
        await deep(3)

    steps = ActorSteps()
    async with open_system() as system:
        with steps.installed():
            ref = await system.start(ChildSpec[None, None](name="a", run=run))
            await ref.wait_stopped()
    # The body and three tasks begin, the innermost sleeps twice and ends with that; then two tasks end, and with the
    # body the actor does, which is not a step.
    assert steps.counts["a"] == 4 + 2 + 2


async def test_children_of_an_actor_have_steps_of_their_own(autojump_clock: object) -> None:
    async def parent(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        child = await context.spawn(
            ChildSpec[None, None](name="child", run=sleeper, restart=Restart.TEMPORARY)
        )
        task_status.started()
        await child.wait_stopped()

    steps = ActorSteps()
    async with open_system() as system:
        with steps.installed():
            ref = await system.start(ChildSpec[None, None](name="parent", run=parent))
            await ref.wait_stopped()
    assert steps.counts["parent/child"] == 5
    # Its own task, and the one that supervises the child.
    assert steps.counts["parent"] > 2


async def test_steps_go_on_counting_in_the_next_life(autojump_clock: object) -> None:
    steps = ActorSteps()
    async with open_system(seed=1) as system:
        with steps.installed():
            ref = await start(system, restart=Restart.PERMANENT)
            await trio.sleep(2.5)
            ref.kill()
            await trio.sleep(2.7)
    assert steps.counts["sleeper"] == 3 + 3


async def test_actors_of_ignored_systems_and_tasks_of_none_are_not_counted(autojump_clock: object) -> None:
    steps = ActorSteps(ignore={"outside"})
    async with open_system("outside") as outside, open_system() as system, trio.open_nursery() as nursery:
        with steps.installed():
            await start(outside, "theirs")
            await start(system, "ours")
            nursery.start_soon(trio.sleep, 3)
            await trio.sleep(10)
    assert set(steps.counts) == {"system", "ours"}


async def test_actors_that_ran_before_the_counting_began_are_found(autojump_clock: object) -> None:
    steps = ActorSteps()
    async with open_system() as system:
        await start(system)
        await trio.sleep(2.5)
        with steps.installed():
            await trio.sleep(1)
        await trio.sleep(5)
    assert steps.counts == {"sleeper": 1}


async def test_long_waits_are_noted_with_the_step_before_them(autojump_clock: object) -> None:
    steps = ActorSteps()
    async with open_system() as system:
        with steps.installed():
            await start(system)
            await trio.sleep(3.5)
    waits = [(wait.step, round(wait.duration, 3)) for wait in steps.waits["sleeper"]]
    assert waits == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5)]


async def test_last_wait_of_a_life_ends_with_it(autojump_clock: object) -> None:
    steps = ActorSteps()
    async with open_system() as system:
        with steps.installed():
            await start(system)
            await trio.sleep(100)
    assert steps.waits["sleeper"][-1].step == 5
    assert sum(wait.duration for wait in steps.waits["sleeper"]) == pytest.approx(5)


# Killing


@pytest.mark.parametrize("step", [1, 3, 5])
async def test_kill_comes_right_after_the_step(autojump_clock: object, step: int) -> None:
    steps = ActorSteps()
    steps.kill_at("sleeper", step)
    async with open_system() as system:
        with steps.installed():
            exit = await (await start(system)).wait_stopped()
        assert trio.current_time() == pytest.approx(step - 1)
    assert exit.kind is ExitKind.KILLED
    assert exit.reason == f"killed after its step {step}"
    (kill,) = steps.fired
    assert (kill.path, kill.step) == ("sleeper", step)
    assert kill.time == pytest.approx(step - 1)
    assert steps.pending == ()


async def test_kill_later_comes_while_the_actor_stands_there(autojump_clock: object) -> None:
    steps = ActorSteps()
    steps.kill_at("sleeper", 2, later=0.5)
    async with open_system() as system:
        with steps.installed():
            ref = await start(system)
            # Something has to happen then for the clock to stop there.
            await trio.sleep(1.5)
            exit = await ref.wait_stopped()
        assert trio.current_time() == pytest.approx(1.5)
    assert exit.kind is ExitKind.KILLED
    assert str(steps.fired[0]) == "sleeper killed after its step 2 and 0.5 s, at 1.500 s"


async def test_kill_that_is_never_reached_is_pending(autojump_clock: object) -> None:
    steps = ActorSteps()
    steps.kill_at("sleeper", 6)
    steps.kill_at("nobody", 1)
    async with open_system() as system:
        with steps.installed():
            exit = await (await start(system)).wait_stopped()
    assert exit.kind is ExitKind.NORMAL
    assert steps.fired == []
    assert steps.pending == (("sleeper", 6), ("nobody", 1))


async def test_two_lives_can_be_killed(autojump_clock: object) -> None:
    steps = ActorSteps()
    steps.kill_at("sleeper", 2)
    steps.kill_at("sleeper", 4)
    async with open_system() as system:
        with steps.installed():
            ref = await start(system, restart=Restart.PERMANENT)
            await trio.sleep(4)
            assert ref.statistics().restarts == 2
    assert [kill.step for kill in steps.fired] == [2, 4]


async def test_what_on_kill_raises_comes_out_at_the_end(autojump_clock: object) -> None:
    def refuse(kill: object) -> None:
        raise LookupError(str(kill))

    steps = ActorSteps(on_kill=refuse)
    steps.kill_at("sleeper", 1)
    async with open_system() as system:
        ref = await start(system)
        with pytest.raises(LookupError, match="sleeper killed"), steps.installed():
            await ref.wait_stopped()
        assert ref.exit is not None
        assert ref.exit.kind is ExitKind.KILLED


def test_step_0_and_a_negative_time_are_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        ActorSteps().kill_at("a", 0)
    with pytest.raises(ValueError, match="not negative"):
        ActorSteps().kill_at("a", 1, later=-1)


# What is left behind


async def test_nothing_left_is_no_error(autojump_clock: object) -> None:
    async with open_system(network=MemoryNetwork()) as system, assert_no_leaks(system):
        await (await start(system)).wait_stopped()


async def test_what_goes_within_the_time_is_no_leak(autojump_clock: object) -> None:
    async with open_system() as system:
        async with assert_no_leaks(system, within=6):
            await start(system)
        assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_restarted_actor_is_no_leak(autojump_clock: object) -> None:
    async with open_system() as system:
        ref = await start(system, restart=Restart.PERMANENT)
        async with assert_no_leaks(system):
            ref.kill()
            await trio.sleep(1)


async def test_leaked_actor_and_its_task_are_named(autojump_clock: object) -> None:
    async with open_system() as system:
        with pytest.raises(Leaked) as caught:
            async with assert_no_leaks(system):
                await start(system, "forgotten")
    assert "actor forgotten" in caught.value.leaks
    assert re.search(
        r"task 'forgotten' of the actor forgotten, at .*test_steps\.py:\d+ sleeper", str(caught.value)
    )


async def test_leaked_task_of_no_actor_is_named(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(Leaked, match=r"task 'trio\.sleep_forever', at .*sleep_forever"):
            async with assert_no_leaks():
                nursery.start_soon(trio.sleep_forever)
        nursery.cancel_scope.cancel()


async def test_leaked_file_handle_is_named(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "left-open"
    handle = -1
    with pytest.raises(Leaked, match=r"file handle on .*left-open"):
        async with assert_no_leaks():
            handle = os.open(path, os.O_CREAT | os.O_RDWR)
    os.close(handle)


async def connect(
    network: MemoryNetwork, listener: trio.abc.Listener[trio.abc.Stream]
) -> tuple[trio.abc.Stream, trio.abc.Stream]:
    return await network.connect("127.0.0.1", 80), await listener.accept()


@pytest.mark.parametrize("transport", list(Transport))
async def test_leaked_connection_is_named(autojump_clock: object, transport: Transport) -> None:
    network = MemoryNetwork(transport)
    async with open_system(network=network) as system:
        (listener,) = await network.listen("127.0.0.1", 80)
        with pytest.raises(Leaked) as caught:
            async with assert_no_leaks(system):
                await connect(network, listener)
        assert caught.value.leaks == ("connection dialled to port 80", "connection accepted on port 80")
        async with assert_no_leaks(system):
            for _ in range(3):
                for end in await connect(network, listener):
                    await trio.aclose_forcefully(end)


async def test_error_of_the_body_comes_before_leaks(autojump_clock: object) -> None:
    async def fail() -> None:
        await start(system, "forgotten")
        raise LookupError

    async with open_system() as system:
        with pytest.raises(LookupError):
            async with assert_no_leaks(system):
                await fail()


# Every kill


class Till:
    """An actor that loses money if it is killed between taking it and writing it down."""

    def __init__(self) -> None:
        self.money = self.book = 0

    async def run(self, context: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        async for amount in context.mailbox:
            self.money += amount
            await trio.sleep(0.5)
            self.book += amount


async def shop(simulation: Simulation) -> None:
    """Fails if the till is killed at a bad moment."""
    till = Till()
    async with open_system(network=simulation.network, seed=simulation.seed) as system:
        ref = await system.start(ChildSpec[int, None](name="till", run=till.run, restart=Restart.PERMANENT))
        await start(system)
        with simulation.steps.installed():
            for amount in (1, 2):
                await ref.send(amount)
                await trio.sleep(3)
        await trio.sleep(10)
    assert till.money == till.book


async def honest(simulation: Simulation) -> None:
    async with open_system(network=simulation.network, seed=simulation.seed) as system:
        await start(system)
        with simulation.steps.installed():
            await trio.sleep(10)


def test_every_checkpoint_is_tried_once() -> None:
    tried: list[int] = []
    report = kill_every_actor(honest, idle=None, progress=lambda done, planned: tried.append(planned - done))
    # It was started before; the sleeps after the first.
    assert report.checkpoints == {"sleeper": 4}
    assert report.kills == {"sleeper": 4}
    assert report.exhaustive
    assert tried == [3, 2, 1, 0]


def test_actor_that_waits_is_killed_in_between() -> None:
    report = kill_every_actor(honest, idle=0.3)
    assert report.kills == {"sleeper": 4 + 4 * 3}
    assert report.exhaustive


def test_failure_names_the_actor_the_step_and_the_seed() -> None:
    with pytest.raises(ActorKillFailed) as caught:
        kill_every_actor(shop, seed=7, idle=None)
    report = caught.value.report
    (failure,) = report.failures
    assert (failure.path, failure.step, failure.seed) == ("till", 1, 7)
    assert isinstance(failure.error, AssertionError)
    assert caught.value.__cause__ is failure.error
    text = str(caught.value)
    assert text.startswith(
        "killing till after its step 1 (0.000 s into the run), seed 7, messages: AssertionError"
    )
    assert "Again: kill_once(run, 'till', 1, seed=7, transport=Transport.MESSAGES)" in text
    assert "ended early (1 of" in text
    with pytest.raises(AssertionError):
        kill_once(shop, "till", 1, seed=7)


def test_more_failures_can_be_collected() -> None:
    with pytest.raises(ActorKillFailed) as caught:
        kill_every_actor(shop, max_failures=100, idle=None)
    report = caught.value.report
    # Taken and not written down, twice; in between it waits for a message and can be killed.
    assert [(failure.path, failure.step) for failure in report.failures] == [("till", 1), ("till", 3)]
    assert report.runs == report.planned
    assert re.search(r"^till +4 +4 +2$", report.render(), re.M)
    assert re.search(r"^all +8 +8 +2$", report.render(), re.M)


@pytest.mark.parametrize(
    ("options", "kills"),
    [
        ({"only": ["slee*"]}, {"sleeper": 4}),
        ({"skip": ["slee*"]}, {"till": 4}),
        ({"every": 2}, {"till": 2, "sleeper": 2}),
        ({"limit": 3}, {"till": 3, "sleeper": 3}),
    ],
)
def test_kills_can_be_chosen(options: dict[str, object], kills: dict[str, int]) -> None:
    async def harmless(simulation: Simulation) -> None:
        with contextlib.suppress(AssertionError):
            await shop(simulation)

    report = kill_every_actor(harmless, idle=None, **options)  # type: ignore[arg-type]
    assert report.kills == kills
    assert report.exhaustive == ("every" not in options and "limit" not in options)


def test_sample_depends_on_the_seed_only() -> None:
    async def note(simulation: Simulation) -> None:
        await honest(simulation)
        fired.extend(kill.step for kill in simulation.steps.fired)

    samples: list[list[int]] = []
    for seed in (0, 0, 1, 2, 3):
        fired: list[int] = []
        kill_every_actor(note, limit=2, seed=seed)
        samples.append(fired)
    assert samples[0] == samples[1]
    assert len({tuple(sample) for sample in samples}) > 1


def test_root_is_killed_only_if_it_is_named() -> None:
    with pytest.raises(ActorKillFailed, match=r"killing system after its step 1 .*ActorGone"):
        kill_every_actor(shop, only=["system"])


def test_run_without_a_kill_must_pass() -> None:
    async def broken(simulation: Simulation) -> None:
        await honest(simulation)
        raise LookupError("broken anyway")

    with pytest.raises(LookupError, match="broken anyway") as caught:
        kill_every_actor(broken)
    assert caught.value.__notes__ == ["in the run without a kill, which has to pass first"]


def test_run_that_counts_nothing_is_an_error() -> None:
    async def uncounted(simulation: Simulation) -> None:
        async with open_system(network=simulation.network) as system:
            await start(system)

    with pytest.raises(NothingToKill, match=r"simulation\.steps\.installed"):
        kill_every_actor(uncounted)
    with pytest.raises(NothingToKill, match="'nobody'"):
        kill_every_actor(honest, only=["nobody"])


def test_run_that_depends_on_more_than_the_seed_is_found_out() -> None:
    runs: list[None] = []

    async def unsteady(simulation: Simulation) -> None:
        runs.append(None)
        async with open_system(network=simulation.network) as system:
            with simulation.steps.installed():
                await start(system, f"sleeper-{len(runs)}")
                await trio.sleep(1)

    with pytest.raises(ActorKillFailed, match="KillNotReached: sleeper-1 made 0 steps"):
        kill_every_actor(unsteady)
    with pytest.raises(KillNotReached, match="nobody made 0 steps"):
        kill_once(honest, "nobody", 1)


def test_failure_in_a_nursery_is_told_without_the_group() -> None:
    async def grouped(simulation: Simulation) -> None:
        async with trio.open_nursery():
            await shop(simulation)

    with pytest.raises(ActorKillFailed, match=r"messages: AssertionError"):
        kill_every_actor(grouped)


@pytest.mark.parametrize("name", ["every", "limit", "idle", "max_failures"])
def test_numbers_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is positive, not 0"):
        kill_every_actor(honest, **{name: 0})  # type: ignore[arg-type]


def test_kill_once_returns_the_kill() -> None:
    kill = kill_once(honest, "sleeper", 2, later=0.2)
    assert (kill.path, kill.step, kill.later) == ("sleeper", 2, 0.2)


def test_same_seed_makes_the_same_steps() -> None:
    async def count(simulation: Simulation) -> dict[str, int]:
        await shop(simulation)
        return dict(simulation.steps.counts)

    assert simulate(count, seed=3) == simulate(count, seed=3)
