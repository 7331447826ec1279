"""Python's garbage, collected when a server has time for it."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from .actors import CallServer

# Python's own are (700, 10, 10): the third generation is never collected by itself.
THRESHOLDS = (2_000, 20, 1_000_000)
# It is looked whether enough calls have ended every so often, float seconds; and so many are enough.
PAUSE = 5.0
ENOUGH = 32


@asynccontextmanager
async def tend_garbage(server: CallServer) -> AsyncGenerator[None]:
    """Collect garbage when it is worth it: looking through the objects of 150 calls makes all of them wait for 0.15 s.

    Young objects are collected as ever, if less often. What exists by now stays, and is not looked at again. What calls
    leave behind is collected when there is as much of it as of calls. `callboard serve` does this; a program with a
    server of its own has to decide, because the settings are those of the whole process. At the end, or when it is
    cancelled, they are what they were.

    Args:
        server: Whose calls are counted.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_collect_after_calls, server)
            yield
            nursery.cancel_scope.cancel(reason="draining")
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect_after_calls(server: CallServer) -> None:
    collected_at = 0
    while True:
        await trio.sleep(PAUSE)
        counted = server.switchboard.statistics()
        ended = counted.taken - counted.active
        if ended - collected_at >= max(ENOUGH, counted.active):
            collected_at = ended
            gc.collect()
