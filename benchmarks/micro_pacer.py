"""How punctual the pacer is with more and more calls, beside a timer for each call."""

import time
from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from callboard.actors import Pacer
from callboard.actors._pacer import FRAME, SLOT
from load_figures import percentile

CALLS = (1, 100, 500, 1000)


@attrs.frozen(kw_only=True)
class Lateness:
    """Of the ticks of a number of calls, milliseconds."""

    way: str
    calls: int
    p50: float
    p99: float
    worst: float
    cores: float
    """Processor time of everything, for each second."""


Ticks = Callable[[int, float, list[float]], Awaitable[None]]


async def wheel(calls: int, seconds: float, late: list[float]) -> None:
    """One task that calls a plain function for each call."""
    pacer = Pacer()
    async with trio.open_nursery() as nursery:
        await nursery.start(pacer.run, None)
        for _ in range(calls):
            _join(pacer, late)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


def _join(pacer: Pacer, late: list[float]) -> None:
    def tick(now: float) -> None:
        del now
        # Behind the functions that were called before it, and behind the slot whose turn it was.
        late.append((trio.current_time() - place) % FRAME)

    handle = pacer.register(tick)
    place = handle._slot * SLOT
    handle.start()


async def timers(calls: int, seconds: float, late: list[float]) -> None:
    """A task with a timer for each call."""
    begin = trio.current_time() + FRAME

    async def run(number: int) -> None:
        due = begin + number * FRAME / calls
        while True:
            await trio.sleep_until(due)
            now = trio.current_time()
            late.append(now - due)
            # A tick that was missed is not made up for.
            due += FRAME * max(1, int((now - due) / FRAME) + 1)

    async with trio.open_nursery() as nursery:
        for number in range(calls):
            nursery.start_soon(run, number)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


WAYS: tuple[tuple[str, Ticks], ...] = (("wheel", wheel), ("a timer each", timers))


def measure_lateness(calls: Sequence[int], seconds: float) -> list[Lateness]:
    """Run each number of calls for so long, with both ways in turn."""
    found: list[Lateness] = []
    for number in calls:
        for way, ticks in WAYS:
            late: list[float] = []
            begin, cpu = time.monotonic(), time.process_time()
            trio.run(ticks, number, seconds, late)
            passed, used = time.monotonic() - begin, time.process_time() - cpu
            found.append(
                Lateness(
                    way=way,
                    calls=number,
                    p50=1000 * percentile(late, 0.5),
                    p99=1000 * percentile(late, 0.99),
                    worst=1000 * max(late),
                    cores=used / passed,
                )
            )
    return found
