"""A loop whose time goes on while tasks work, exactly as much as they say."""

import math
from collections.abc import Awaitable, Callable

import trio


class WorkClock(trio.abc.Clock):
    """Jumps to the next deadline when the loop waits, and is moved by `work`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._next = 0.0

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        """Called by the loop after each wait: then the wait is over."""
        self.now, self._next = max(self.now, self._next), 0.0
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Called by the loop before each wait; nobody really waits."""
        if math.isfinite(deadline):
            self._next = deadline
        return 0.0

    def work(self, seconds: float) -> None:
        """Hold the loop."""
        self.now += seconds


def run_at_work(main: Callable[[WorkClock], Awaitable[None]]) -> None:
    """Run a test with such a clock."""
    clock = WorkClock()

    async def run() -> None:
        await main(clock)

    trio.run(run, clock=clock)
