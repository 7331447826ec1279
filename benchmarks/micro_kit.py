"""How small things are timed: in processor time, in batches of many, and again some times."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import attrs
import trio

from results import median

Batch = Callable[[int], float]
"""Does a thing so many times; returns the processor time that took, float seconds."""


@attrs.frozen(kw_only=True)
class Case:
    """Something small that is timed."""

    group: str
    name: str
    batch: Batch


@attrs.frozen(kw_only=True)
class Timing:
    """What a case costs, microseconds of processor time for each time."""

    group: str
    name: str
    best: float
    median: float
    times: int
    """In a batch."""

    @staticmethod
    def read(raw: Mapping[str, object]) -> "Timing":
        """From a result that was saved."""
        return Timing(
            group=str(raw["group"]),
            name=str(raw["name"]),
            best=cast("float", raw["best"]),
            median=cast("float", raw["median"]),
            times=cast("int", raw["times"]),
        )


def plain(function: Callable[[], object]) -> Batch:
    """A batch of calls of a function."""

    def run(times: int) -> float:
        numbers = range(times)
        begin = time.process_time()
        for _ in numbers:
            function()
        return time.process_time() - begin

    return run


def in_trio(function: Callable[[int], Awaitable[float]]) -> Batch:
    """A batch that is an async function, in a run of trio of its own."""

    def run(times: int) -> float:
        return trio.run(function, times)

    return run


def measure(case: Case, *, seconds: float, batches: int) -> Timing:
    """Time a case.

    Args:
        case: What to time.
        seconds: About how long a batch should take.
        batches: How many.
    """
    times = 1
    while (taken := case.batch(times)) < seconds / 5:
        # A batch that is too short for the clock tells nothing.
        times = max(times * 2, min(times * 20, int(times * seconds / max(taken, 1e-6))))
    costs = [1e6 * case.batch(times) / times for _ in range(batches)]
    return Timing(group=case.group, name=case.name, best=min(costs), median=median(costs), times=times)
