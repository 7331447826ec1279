"""The bridge: functions run in another thread's Trio, from asyncio, Trio and plain code; nothing is lost or stuck."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from callboard.notebook import LabEnded
from callboard.notebook._bridge import Bridge


class Place:
    """What is open in the bridges of these tests."""

    def __init__(self) -> None:
        self.closed = False
        self.broken = trio.Event()
        self.cancelled = threading.Event()

    async def add(self, one: int, two: int) -> int:
        await trio.lowlevel.checkpoint()
        return one + two

    async def wait(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled.set()

    async def fail(self) -> None:
        raise KeyError("missing")

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Place", None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._break)
            yield self
            nursery.cancel_scope.cancel()
        self.closed = True

    async def _break(self) -> None:
        await self.broken.wait()
        raise OSError("the disk is on fire")


def test_functions_run_on_the_other_side_from_asyncio() -> None:
    async def main() -> None:
        place = Place()
        bridge = Bridge(place.open)
        assert await bridge.start() is place
        assert await bridge.run(place.add, 1, 2) == 3
        assert bridge.call(threading.get_ident) != threading.get_ident()
        await bridge.stop()
        assert place.closed
        assert not bridge.alive

    asyncio.run(main())


async def test_functions_run_on_the_other_side_from_trio() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    assert await bridge.run(place.add, 1, 2) == 3
    assert bridge.call(len, "four") == 4
    await bridge.stop()
    await bridge.stop()
    assert not bridge.alive


async def test_an_error_comes_back_and_the_bridge_goes_on() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    with pytest.raises(KeyError, match="missing"):
        await bridge.run(place.fail)
    with pytest.raises(ZeroDivisionError):
        bridge.call(lambda: 1 / 0)
    assert await bridge.run(place.add, 1, 2) == 3
    await bridge.stop()


def test_a_cancelled_task_of_asyncio_cancels_the_function_and_nothing_else() -> None:
    async def main() -> None:
        place = Place()
        bridge = Bridge(place.open)
        await bridge.start()
        task = asyncio.create_task(bridge.run(place.wait))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert place.cancelled.wait(1.0)
        assert await bridge.run(place.add, 1, 2) == 3
        await bridge.stop()

    asyncio.run(main())


async def test_a_cancelled_scope_of_trio_has_ended_the_function_when_it_is_left() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    with trio.move_on_after(0.05) as scope:
        await bridge.run(place.wait)
    assert scope.cancelled_caught
    assert place.cancelled.is_set()
    await bridge.stop()


async def test_what_ended_the_run_is_the_cause_of_the_next_error() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    bridge.call(place.broken.set)
    with pytest.raises(LabEnded, match="OSError") as caught:
        await bridge.run(place.wait)
    assert "disk is on fire" in repr(caught.value.__cause__)
    with pytest.raises(LabEnded, match="start"):
        bridge.call(len, "")
    # Somebody has been told.
    await bridge.stop()


async def test_a_run_that_ended_unnoticed_is_told_by_stop() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    bridge.call(place.broken.set)
    await trio.to_thread.run_sync(bridge._thread.join, 5.0)
    assert not bridge.alive
    with pytest.raises(LabEnded, match="OSError"):
        await bridge.stop()
    await bridge.stop()


async def test_a_wait_ends_when_the_bridge_is_stopped() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    told: list[str] = []

    async def wait() -> None:
        with pytest.raises(LabEnded) as caught:
            await bridge.run(place.wait)
        told.append(str(caught.value))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(0.05)
        await bridge.stop()
    assert "was stopped" in told[0]
    with pytest.raises(LabEnded, match="was stopped"):
        await bridge.run(place.add, 1, 2)


async def test_what_fails_to_open_leaves_nothing() -> None:
    @asynccontextmanager
    async def fail() -> AsyncGenerator[None, None]:
        await trio.lowlevel.checkpoint()
        raise OSError("no such door")
        yield

    bridge = Bridge(fail)
    with pytest.raises(OSError, match="no such door"):
        await bridge.start()
    assert bridge.stop_now(1.0)


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    @asynccontextmanager
    async def never() -> AsyncGenerator[None, None]:
        await trio.sleep_forever()
        yield

    bridge = Bridge(never)
    with trio.move_on_after(0.05) as scope:
        await bridge.start()
    assert scope.cancelled_caught
    assert bridge.stop_now(1.0)


async def test_the_other_side_may_call_itself() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()

    async def inside() -> int:
        return await bridge.run(place.add, 1, 2) + bridge.call(len, "four")

    assert await bridge.run(inside) == 7
    await bridge.stop()


async def test_many_calls_at_once_come_back_to_whom_they_belong() -> None:
    place = Place()
    bridge = Bridge(place.open)
    await bridge.start()
    found: dict[int, int] = {}

    async def ask(number: int) -> None:
        found[number] = await bridge.run(place.add, number, 1)

    def look() -> None:
        for number in range(200):
            assert bridge.call(int, number) == number

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(ask, number)
        nursery.start_soon(trio.to_thread.run_sync, look)
        nursery.start_soon(trio.to_thread.run_sync, look)
    assert found == {number: number + 1 for number in range(200)}
    assert not bridge._asked
    await bridge.stop()
