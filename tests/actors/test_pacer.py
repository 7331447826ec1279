"""The timing wheel, in virtual time."""

import itertools

import pytest
import trio
from trio.testing import MockClock

from callboard.actors._pacer import FRAME, Pacer


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


async def test_function_is_called_every_20_ms_without_drift(clock: MockClock, nursery: trio.Nursery) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    times: list[float] = []
    handle = pacer.register(times.append)
    handle.start()
    handle.start()
    await trio.sleep(10.001)
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) in {500, 501}
    assert max(abs(step - FRAME) for step in steps) < 1e-6
    assert abs(times[-1] - times[0] - FRAME * (len(times) - 1)) < 1e-6
    assert pacer.statistics().late == 0


async def test_functions_are_spread_over_the_frame(clock: MockClock, nursery: trio.Nursery) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    seen: dict[int, float] = {}

    def tick_of(number: int) -> None:
        pacer.register(lambda now: seen.__setitem__(number, round(now % FRAME, 6))).start()

    for number in range(40):
        tick_of(number)
    await trio.sleep(0.05)
    phases = list(seen.values())
    assert len(seen) == 40
    assert len(set(phases)) == 20


async def test_stopped_function_is_not_called_and_an_idle_wheel_sleeps(
    clock: MockClock, nursery: trio.Nursery
) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    times: list[float] = []
    handle = pacer.register(times.append)
    handle.start()
    await trio.sleep(0.1)
    handle.stop()
    handle.stop()
    await trio.sleep(1)
    called, ticks = len(times), pacer.statistics().ticks
    await trio.sleep(60)
    assert len(times) == called
    assert pacer.statistics().ticks == ticks
    handle.start()
    await trio.sleep(0.1)
    assert len(times) > called


async def test_function_may_stop_itself(clock: MockClock, nursery: trio.Nursery) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    times: list[float] = []

    def once(now: float) -> None:
        times.append(now)
        handle.stop()

    handle = pacer.register(once)
    handle.start()
    await trio.sleep(1)
    assert len(times) == 1


async def test_slots_that_passed_while_the_process_was_busy_are_run_and_not_lost() -> None:
    clock = MockClock()
    counts = dict.fromkeys(range(40), 0)

    async def main() -> None:
        pacer = Pacer()

        def tick_of(number: int) -> None:
            def tick(now: float) -> None:
                counts[number] += 1

            pacer.register(tick).start()

        for number in range(40):
            tick_of(number)
        async with trio.open_nursery() as inner:
            await inner.start(pacer.run, None)
            for _ in range(200):
                await trio.testing.wait_all_tasks_blocked()
                clock.jump(0.0035)
            await trio.testing.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()

    await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
    assert set(counts.values()) == {35}


async def test_late_ticks_are_counted_and_not_made_up_for(nursery: trio.Nursery) -> None:
    clock = MockClock()
    times: list[float] = []

    async def main() -> None:
        pacer = Pacer()
        async with trio.open_nursery() as inner:
            await inner.start(pacer.run, None)
            pacer.register(times.append).start()
            await trio.testing.wait_all_tasks_blocked()
            clock.jump(0.5)
            await trio.testing.wait_all_tasks_blocked()
            assert pacer.statistics().late == 1
            assert pacer.statistics().worst > 0.4
            inner.cancel_scope.cancel()

    await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
    assert len(times) == 1
