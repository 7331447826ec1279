"""The stall watch: who held the loop, for how long, and how long the loop waited."""

import gc
import logging

import pytest
import trio

from callboard.actors._seldom import Seldom
from callboard.actors._stall import KINDS, REMEMBERED, StallWatch, kind_of, place_of

from .loop_kit import WorkClock, run_at_work


class Watched:
    """A watch whose hooks are called by hand."""

    def __init__(self, threshold: float | None = 0.05) -> None:
        self.now = 100.0
        self.watch = StallWatch(threshold, is_actor=lambda name: name.startswith("calls/"), clock=self.time)

    def time(self) -> float:
        return self.now

    def step(self, task: trio.lowlevel.Task, seconds: float) -> None:
        self.watch.before_task_step(task)
        self.now += seconds

    def wait(self, seconds: float) -> None:
        self.watch.before_io_wait(0.0)
        self.now += seconds


async def test_time_between_the_steps_is_waited_and_within_them_is_not() -> None:
    task = trio.lowlevel.current_task()
    seen = Watched()
    seen.wait(1.0)
    seen.step(task, 0.01)
    seen.step(task, 0.02)
    seen.wait(0.5)
    # Nobody could go on: still the same wait.
    seen.wait(0.25)
    seen.step(task, 0.04)
    assert seen.watch.waited == pytest.approx(1.75)
    assert seen.watch.count == 0


async def test_step_longer_than_the_threshold_is_a_stall_of_its_task() -> None:
    task = trio.lowlevel.current_task()
    seen = Watched()
    seen.step(task, 0.06)
    seen.step(task, 0.01)
    assert [(one.task, round(one.duration, 6)) for one in seen.watch.stalls] == [(task.name, 0.06)]
    # Also the last step before the loop waits.
    seen.step(task, 0.2)
    seen.wait(3.0)
    seen.step(task, 0.0)
    assert seen.watch.count == 2
    assert seen.watch.duration == pytest.approx(0.26)


async def test_without_a_threshold_nothing_is_a_stall() -> None:
    seen = Watched(None)
    seen.step(trio.lowlevel.current_task(), 60.0)
    seen.wait(1.0)
    assert seen.watch.count == 0


async def test_stalls_are_counted_and_the_latest_are_kept() -> None:
    seen = Watched()
    for _ in range(REMEMBERED + 8):
        seen.step(trio.lowlevel.current_task(), 0.1)
    seen.wait(0.0)
    assert (seen.watch.count, len(seen.watch.stalls)) == (REMEMBERED + 8, REMEMBERED)
    assert sum(seen.watch.by_kind.values()) == REMEMBERED + 8
    assert seen.watch.stalls[-1].at == pytest.approx(seen.now)


async def test_kinds_are_bounded(nursery: trio.Nursery) -> None:
    seen = Watched()
    tasks: list[trio.lowlevel.Task] = []

    async def one() -> None:
        tasks.append(trio.lowlevel.current_task())
        await trio.sleep_forever()

    for number in range(KINDS + 10):
        nursery.start_soon(one, name=f"kind-{number}")
    await trio.testing.wait_all_tasks_blocked()
    for task in tasks:
        seen.step(task, 0.1)
    seen.wait(0.0)
    nursery.cancel_scope.cancel()
    assert len(seen.watch.by_kind) == KINDS + 1
    assert seen.watch.by_kind["others"] == 10


async def test_stall_names_the_actor_and_the_place(nursery: trio.Nursery) -> None:
    seen = Watched()
    tasks: dict[str, trio.lowlevel.Task] = {}

    async def helper() -> None:
        tasks["helper"] = trio.lowlevel.current_task()
        await trio.sleep_forever()

    async def actor() -> None:
        tasks["actor"] = trio.lowlevel.current_task()
        async with trio.open_nursery() as inner:
            inner.start_soon(helper, name="a helper")

    nursery.start_soon(actor, name="calls/CA7/scenario")
    await trio.testing.wait_all_tasks_blocked()
    seen.step(tasks["actor"], 0.182)
    seen.step(tasks["helper"], 0.1)
    seen.wait(0.0)
    direct, helped = seen.watch.stalls
    nursery.cancel_scope.cancel()
    assert (direct.path, direct.task) == ("calls/CA7/scenario", "calls/CA7/scenario")
    assert (helped.path, helped.task) == ("calls/CA7/scenario", "a helper")
    assert direct.place.startswith("test_stall.py:")
    assert direct.place.endswith(" in actor")
    assert helped.place.endswith(" in helper")
    assert str(direct).startswith("calls/CA7/scenario held the event loop for 182 ms before test_stall.py:")
    assert "calls/CA7/scenario (a helper) held" in str(helped)
    assert seen.watch.by_kind == {"calls/*/scenario": 2}


async def test_task_that_has_ended_is_nowhere() -> None:
    tasks: list[trio.lowlevel.Task] = []

    async def one() -> None:
        tasks.append(trio.lowlevel.current_task())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one)
    assert place_of(tasks[0]) == ""


async def test_garbage_collection_within_a_step_is_told_apart() -> None:
    seen = Watched()
    with seen.watch.watching():
        seen.watch._task = None

        def collect(phase: str, info: dict[str, int]) -> None:
            if phase == "start" and info["generation"] == 2:
                seen.now += 0.08

        # Behind the watch's own, so that this time passes within the collection.
        gc.callbacks.append(collect)
        try:
            seen.watch.before_task_step(trio.lowlevel.current_task())
            seen.now += 0.01
            gc.collect()
            seen.watch.before_io_wait(0.0)
        finally:
            gc.callbacks.remove(collect)
    stall = seen.watch.stalls[-1]
    assert (round(stall.duration, 6), round(stall.collecting, 6)) == (0.09, 0.08)
    assert "80 ms of it collecting garbage" in str(stall)


async def test_garbage_that_was_collected_before_is_not_the_steps() -> None:
    seen = Watched()
    seen.watch._on_collection("start", {"generation": 2})
    seen.now += 0.3
    seen.watch._on_collection("stop", {"generation": 2})
    seen.step(trio.lowlevel.current_task(), 0.06)
    seen.watch._on_collection("start", {"generation": 0})
    seen.watch._on_collection("stop", {"generation": 0})
    seen.wait(0.0)
    assert seen.watch.stalls[-1].collecting == 0.0


async def test_watch_leaves_nothing_behind() -> None:
    watch = StallWatch(0.05)
    before = list(gc.callbacks)
    with watch.watching():
        assert len(gc.callbacks) == len(before) + 1
        await trio.lowlevel.checkpoint()
    assert gc.callbacks == before
    with pytest.raises(KeyError):
        trio.lowlevel.remove_instrument(watch)


async def test_log_has_a_line_now_and_then_and_says_how_many_are_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = Watched()
    task = trio.lowlevel.current_task()
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            seen.step(task, 0.1)
        seen.step(task, 10.0)
        seen.wait(0.0)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "held the event loop for 100 ms" in lines[0]
    assert "held the event loop for 10000 ms" in lines[1]
    assert "9 more since the last such line" in lines[1]


def test_seldom_says_what_was_left_out_once() -> None:
    seldom = Seldom(2.0)
    assert seldom.ask(0.0) == ""
    assert seldom.ask(0.5) is None
    assert seldom.ask(1.9) is None
    assert seldom.ask(2.0) == " (and 2 more since the last such line)"
    assert seldom.ask(9.0) == ""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pacer", "pacer"),
        ("connections", "connections"),
        ("calls/CA7", "calls/*"),
        ("calls/CA7/scenario", "calls/*/scenario"),
        ("calls/CA7/providers/grok-1/connection/socket", "calls/*/providers/*"),
        ("emulators/one/two", "emulators/*"),
        ("calls (children)", "calls_(children)"),
    ],
)
def test_kind_has_no_names_of_calls(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_watch_in_a_loop_names_who_held_it() -> None:
    async def main(clock: WorkClock) -> None:
        watch = StallWatch(0.05, clock=lambda: clock.now)

        async def idles() -> None:
            for _ in range(10):
                await trio.sleep(0.1)

        async def holds() -> None:
            await trio.sleep(0.55)
            clock.work(0.2)
            await trio.sleep(0.1)

        with watch.watching():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(idles, name="idles")
                nursery.start_soon(holds, name="holds")
        # The sleep in which it held the loop went on meanwhile.
        assert [one.path for one in watch.stalls] == ["holds"]
        assert watch.stalls[0].place.endswith(" in holds")
        assert watch.waited == pytest.approx(clock.now - 0.2)

    run_at_work(main)
