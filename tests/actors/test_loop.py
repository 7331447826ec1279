"""How late and how busy the loop is."""

import pytest
import trio
from trio.testing import MockClock

from callboard.actors._loop import BEAT, BUSY_WINDOW, MEMORY, LoopWatch, is_virtual
from callboard.actors._stall import StallWatch

from .loop_kit import WorkClock, run_at_work


def watch_of(clock: WorkClock) -> LoopWatch:
    return LoopWatch(StallWatch(0.05, clock=lambda: clock.now))


def fed(*beats: tuple[int, float, float]) -> LoopWatch:
    """A watch that had so many beats, so late, of which the loop waited such a share."""
    watch = LoopWatch(StallWatch(None))
    watch._measured = True
    now = 0.0
    for n, late, idle in beats:
        for _ in range(n):
            now += BEAT
            watch.feed(now, late, BEAT, BEAT * idle)
    return watch


def test_idle_loop_is_neither_late_nor_busy() -> None:
    async def main(clock: WorkClock) -> None:
        watch = watch_of(clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(5)
            load, seen = watch.load(), watch.statistics()
            nursery.cancel_scope.cancel()
        assert load is not None
        assert load.lag == 0.0
        assert load.busy == pytest.approx(0.0, abs=1e-6)
        assert seen.lag_max == pytest.approx(0.0, abs=1e-6)
        assert seen.idle == pytest.approx(1.0)

    run_at_work(main)


def test_pause_of_a_third_of_a_second_is_seen_and_is_no_lag() -> None:
    async def main(clock: WorkClock) -> None:
        watch = watch_of(clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(5)
            clock.work(0.3)
            await trio.sleep(0.1)
            load, seen = watch.load(), watch.statistics()
            nursery.cancel_scope.cancel()
        assert load is not None
        assert load.lag < 0.001
        assert load.busy == pytest.approx(0.3 / BUSY_WINDOW, rel=0.05)
        assert seen.lag_max == pytest.approx(0.3, abs=BEAT)
        # Who would have been woken in the pause was late, too: about 12 beats of 210.
        assert seen.lag_p99 > 0.2
        assert seen.lag_p50 < 0.001
        assert watch.stalls.count == 1

    run_at_work(main)


def test_loop_without_pause_is_busy_and_late() -> None:
    async def main(clock: WorkClock) -> None:
        watch = watch_of(clock)

        async def works() -> None:
            while True:
                clock.work(0.09)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            nursery.start_soon(works)
            await trio.sleep(1.5 * MEMORY)
            load, seen = watch.load(), watch.statistics()
            nursery.cancel_scope.cancel()
        assert load is not None
        assert load.busy > 0.99
        assert load.lag > 0.04
        assert seen.idle < 0.01
        assert seen.lag_average > 0.03

    run_at_work(main)


async def test_nothing_is_measured_in_virtual_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    watch = LoopWatch(StallWatch(1e-9))
    await nursery.start(watch.run)
    await trio.sleep(3600)
    assert watch.load() is None
    assert (watch.stalls.count, watch.stalls.waited) == (0, 0.0)
    seen = watch.statistics()
    assert (seen.lag_max, seen.idle) == (0.0, 1.0)


async def test_real_clock_is_not_virtual_and_one_that_stands_still_is() -> None:
    assert not is_virtual(trio.lowlevel.current_clock())
    assert is_virtual(MockClock())
    assert not is_virtual(MockClock(rate=10.0))


def test_lag_is_what_half_of_the_last_second_had() -> None:
    late = 0.04

    def lag_of(watch: LoopWatch) -> float:
        load = watch.load()
        assert load is not None
        return load.lag

    assert lag_of(fed((200, 0.0, 1.0), (19, late / 2, 1.0))) == 0.0
    assert lag_of(fed((200, 0.0, 1.0), (21, late / 2, 1.0))) == late / 2
    # What is over is forgotten.
    assert lag_of(fed((200, late / 2, 1.0), (21, 0.0, 1.0))) == 0.0


def test_beats_that_were_left_out_were_late_as_well() -> None:
    seen = fed((100, 0.0, 1.0), (1, 10.5 * BEAT, 1.0)).statistics()
    # Ten more than the hundred and one.
    assert seen.lag_p99 == pytest.approx(9.5 * BEAT)
    assert seen.lag_max == pytest.approx(10.5 * BEAT)


def test_watch_that_has_just_begun_is_not_busy() -> None:
    load = fed((4, 0.0, 0.0)).load()
    assert load is not None
    assert load.busy == pytest.approx(4 * BEAT / BUSY_WINDOW)
    assert load.lag == 0.0


def test_memory_is_bounded() -> None:
    watch = fed((2000, 0.0, 1.0))
    assert len(watch._beats) <= MEMORY / BEAT + 1


def test_watch_that_was_killed_knows_nothing_and_goes_on_in_its_next_life() -> None:
    async def main(clock: WorkClock) -> None:
        watch = watch_of(clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert watch.load() is None
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(1)
            assert watch.load() is not None
            nursery.cancel_scope.cancel()

    run_at_work(main)
