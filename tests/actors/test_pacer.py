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


async def test_function_that_others_call_is_left_alone_until_they_stop(
    clock: MockClock, nursery: trio.Nursery
) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    times: list[float] = []
    handle = pacer.register(times.append)
    handle.called(0.0)  # it is not to be called at all yet
    handle.start()
    await trio.sleep(0.019)
    times.clear()
    for _ in range(500):
        handle.called(trio.current_time())
        handle.start()
        await trio.sleep(0.02)
    assert times == []
    ticks = pacer.statistics().ticks
    stopped_at = trio.current_time() - 0.02
    await trio.sleep(0.1)
    # At most 40 ms late, and then as ever.
    assert 0.03 - 1e-6 <= times[0] - stopped_at <= 0.04 + 1e-6
    assert times[-1] - times[-2] == pytest.approx(FRAME)
    assert pacer.statistics().ticks > ticks
    handle.called(trio.current_time())
    handle.stop()
    assert pacer.statistics().active == 0
    await trio.sleep(1)
    assert len(times) < 10


async def test_calls_with_a_clock_of_their_own_cost_two_wakes_a_frame_together(
    clock: MockClock, nursery: trio.Nursery
) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    handles = [pacer.register(lambda now: None) for _ in range(200)]
    for handle in handles:
        handle.start()
    looks = 0
    inner = pacer._take_back

    def counted(now: float) -> None:
        nonlocal looks
        looks += 1
        inner(now)

    pacer._take_back = counted  # type: ignore[method-assign]
    for number in range(2000):
        handles[number % 200].called(trio.current_time())
        await trio.sleep(FRAME / 200)
    assert 10 <= looks <= 21
    assert pacer.statistics().active == 200


async def test_a_deferred_function_may_stop_another_one(clock: MockClock, nursery: trio.Nursery) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    times: list[float] = []

    def first(now: float) -> None:
        times.append(now)
        other.stop()
        handle.stop()

    handle, other = pacer.register(first), pacer.register(times.append)
    for each in (handle, other):
        each.start()
        each.called(trio.current_time())
    await trio.sleep(1)
    assert len(times) == 1
    assert pacer.statistics().active == 0
