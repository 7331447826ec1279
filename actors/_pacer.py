"""One clock for all calls: a timing wheel of 20 slots of a millisecond.

A timer of its own for every call costs a scheduler pass and a wake-up each 20 ms. Here one task wakes for a
slot and calls the plain functions in it, so a tick costs microseconds and the calls of a process are spread
evenly over the frame. Deadlines are absolute, so lateness never adds up; a late tick is run once, not
made up for, because the functions reckon with the time they are given.
"""

import math
from collections.abc import Callable

import attrs
import trio

SLOTS = 20
SLOT = 0.001
FRAME = SLOTS * SLOT
# Trio rounds its waits up to a millisecond and tasks run in between: up to 5 ms is an ordinary tick.
LATE = 0.005

Tick = Callable[[float], None]


@attrs.frozen(kw_only=True)
class PacerStatistics:
    """What the pacer did since it started."""

    ticks: int
    """Slots that were run."""
    late: int
    """Slots run more than 5 ms after their time."""
    worst: float
    """The worst lateness, float seconds."""
    active: int
    """Functions that are being called now."""


class PacerHandle:
    """One function's place on the wheel; off until `start`."""

    def __init__(self, pacer: "Pacer", slot: int, tick: Tick) -> None:
        self._pacer = pacer
        self._slot = slot
        self._tick = tick

    def start(self) -> None:
        """Call the function every 20 ms from now on; harmless when it is being called already."""
        self._pacer.activate(self._slot, self._tick)

    def stop(self) -> None:
        """Stop calling the function; harmless when it is not called."""
        self._pacer.deactivate(self._slot, self._tick)


class Pacer:
    """The wheel; run it as an actor with `run`."""

    def __init__(self) -> None:
        self._wheel: list[dict[Tick, None]] = [{} for _ in range(SLOTS)]
        self._next_slot = 0
        self._active = 0
        self._wake = trio.Event()
        self._ticks = self._late = 0
        self._worst = 0.0

    def register(self, tick: Tick) -> PacerHandle:
        """Give a function a slot, in rotation.

        Args:
            tick: A plain function that gets the trio time; it must not block and not raise.
        """
        slot = self._next_slot
        self._next_slot = (slot + 1) % SLOTS
        return PacerHandle(self, slot, tick)

    def activate(self, slot: int, tick: Tick) -> None:
        """Used by `PacerHandle.start`."""
        if tick not in self._wheel[slot]:
            self._wheel[slot][tick] = None
            self._active += 1
            self._wake.set()

    def deactivate(self, slot: int, tick: Tick) -> None:
        """Used by `PacerHandle.stop`."""
        if self._wheel[slot].pop(tick, self) is None:
            self._active -= 1

    def statistics(self) -> PacerStatistics:
        """Counters since the start."""
        return PacerStatistics(ticks=self._ticks, late=self._late, worst=self._worst, active=self._active)

    async def run(
        self, _context: object = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Turn the wheel until cancelled. A restarted pacer finds its functions still in place."""
        task_status.started()
        while True:
            if not self._active:
                self._wake = trio.Event()
                await self._wake.wait()
            due = self._next_due(trio.current_time())
            if due is None:
                continue
            deadline, slot = due
            await trio.sleep_until(deadline)
            now = trio.current_time()
            self._run_slot(slot, now, now - deadline)

    def _next_due(self, now: float) -> tuple[float, int] | None:
        """The next non-empty slot strictly after now, as (time, slot)."""
        current = math.floor(now / SLOT + 1e-6)
        for ahead in range(1, SLOTS + 1):
            slot = (current + ahead) % SLOTS
            if self._wheel[slot]:
                return (current + ahead) * SLOT, slot
        return None

    def _run_slot(self, slot: int, now: float, lateness: float) -> None:
        self._ticks += 1
        if lateness > LATE:
            self._late += 1
        self._worst = max(self._worst, lateness)
        # A copy: a function may leave the wheel while it is called.
        for tick in tuple(self._wheel[slot]):
            tick(now)
