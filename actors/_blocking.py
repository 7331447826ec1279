"""Work that would block the loop: in a worker thread under the real clock, inline under a virtual one."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio
from trio.testing import MockClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def virtual_time() -> bool:
    """Whether this run has a mock clock: then threads are forbidden, for the clock jumps while they work."""
    return isinstance(trio.lowlevel.current_clock(), MockClock)


async def run_blocking(fn: Callable[[*Ts], T], *args: *Ts, limiter: trio.CapacityLimiter | None = None) -> T:
    """Run a function that blocks.

    Args:
        fn: The function.
        args: Its arguments.
        limiter: Bounds the threads; trio's own default if None.

    A cancelled call waits for the function, which cannot be interrupted.
    """
    if virtual_time():
        await trio.lowlevel.checkpoint()
        return fn(*args)
    return await trio.to_thread.run_sync(fn, *args, limiter=limiter)
