"""Work that would block the loop: in a worker thread under the real clock, inline under a virtual one."""

import sys
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def virtual_time() -> bool:
    """Whether this run has a mock clock: then threads are forbidden, for the clock jumps while they work."""
    # Not imported here: with it comes pytest where that is installed, 8 MB for a server that tests nothing. Who made a
    # mock clock has imported it.
    testing = sys.modules.get("trio.testing")
    return testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)


async def run_blocking(
    fn: Callable[[*Ts], T],
    *args: *Ts,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """Run a function that blocks.

    Args:
        fn: The function.
        args: Its arguments.
        limiter: Bounds the threads; trio's own default if None.
        abandon_on_cancel: A cancelled call leaves the function to itself, and its result is lost.

    Without that a cancelled call waits for the function, which cannot be interrupted: it has run, or it has not begun.
    """
    if virtual_time():
        await trio.lowlevel.checkpoint()
        return fn(*args)
    return await trio.to_thread.run_sync(fn, *args, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
