"""One clock for all calls: a timing wheel of 20 slots of a millisecond.

A timer of its own for every call costs a scheduler pass and a wake-up each 20 ms. Here one task wakes for a
slot and calls the plain functions in it, so a tick costs microseconds and the calls of a process are spread
evenly over the frame. Deadlines are absolute, so lateness never adds up; a late tick is run once, not
made up for, because the functions reckon with the time they are given.

A call whose other party is heard has a clock of its own: a frame every 20 ms, for which its task wakes anyway. Whoever
calls its function then says so, and the wheel only watches that the frames do not stop.
"""

import math
from collections.abc import Callable

import attrs
import trio

SLOTS = 20
SLOT = 0.001
FRAME = SLOTS * SLOT
# A function that is called by others is looked after again when it was not for so long, float seconds: a frame that
# comes half a frame late is still in time.
OVERDUE = 1.5 * FRAME
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

    @property
    def active(self) -> bool:
        """Whether the function is being called, by the wheel or by others."""
        return self._pacer.calls(self._slot, self._tick)

    def start(self) -> None:
        """Call the function every 20 ms from now on; harmless when it is being called already."""
        self._pacer.activate(self._slot, self._tick)

    def called(self, now: float) -> None:
        """Someone else called the function at `now`, and is to go on so: leave it alone for 30 ms."""
        self._pacer.defer(self._slot, self._tick, now + OVERDUE)

    def stop(self) -> None:
        """Stop calling the function; harmless when it is not called."""
        self._pacer.deactivate(self._slot, self._tick)


class Pacer:
    """The wheel; run it as an actor with `run`."""

    def __init__(self) -> None:
        # Each function with the number of the last slot before it joined.
        self._wheel: list[dict[Tick, int]] = [{} for _ in range(SLOTS)]
        # Functions that others call: their slot, and when they would be overdue.
        self._deferred: dict[Tick, tuple[int, float]] = {}
        self._look_at = math.inf
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

    def calls(self, slot: int, tick: Tick) -> bool:
        """Used by `PacerHandle.active`."""
        return tick in self._wheel[slot] or tick in self._deferred

    def activate(self, slot: int, tick: Tick) -> None:
        """Used by `PacerHandle.start`."""
        if not self.calls(slot, tick):
            self._wheel[slot][tick] = _slot_of(trio.current_time())
            self._active += 1
            # Its turn may come before what the pacer is waiting for.
            self._wake.set()

    def deactivate(self, slot: int, tick: Tick) -> None:
        """Used by `PacerHandle.stop`."""
        if self._wheel[slot].pop(tick, None) is not None or self._deferred.pop(tick, None) is not None:
            self._active -= 1

    def defer(self, slot: int, tick: Tick, until: float) -> None:
        """Used by `PacerHandle.called`; only for a function that is being called."""
        if tick not in self._deferred and self._wheel[slot].pop(tick, None) is None:
            return
        self._deferred[tick] = (slot, until)
        if self._look_at == math.inf:
            self._look_at = until
            self._wake.set()

    def _take_back(self, now: float) -> None:
        """Put the functions that nobody called any more on the wheel again; they are called at once."""
        overdue = [tick for tick, (_, until) in self._deferred.items() if until <= now]
        for tick in overdue:
            place = self._deferred.pop(tick, None)
            if place is not None:  # not stopped by one of the others
                self._wheel[place[0]][tick] = _slot_of(now)
                tick(now)
        first = min((until for _, until in self._deferred.values()), default=math.inf)
        # Two looks a frame are enough for all of them together.
        self._look_at = max(first, now + FRAME / 2)

    def statistics(self) -> PacerStatistics:
        """Counters since the start."""
        return PacerStatistics(ticks=self._ticks, late=self._late, worst=self._worst, active=self._active)

    async def run(
        self, _context: object = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Turn the wheel until cancelled. A restarted pacer finds its functions still in place."""
        task_status.started()
        done = _slot_of(trio.current_time())
        while True:
            now = trio.current_time()
            passed = _slot_of(now)
            # Every slot whose time has come since the last pass, each once: a busy process may have
            # let several go by, and none of them may wait for the next turn of the wheel.
            for number in range(max(done, passed - SLOTS) + 1, passed + 1):
                if not self._wheel[number % SLOTS]:
                    continue
                # Several turns may have been missed; lateness counts from the first of them.
                self._run_slot(number, now, first=number - (number - done - 1) // SLOTS * SLOTS)
            done = passed
            if now >= self._look_at:
                self._take_back(now)
            self._wake = trio.Event()
            with trio.move_on_at(min(self._next_filled(passed), self._look_at)):
                await self._wake.wait()

    def _next_filled(self, after: int) -> float:
        for number in range(after + 1, after + SLOTS + 1):
            if self._wheel[number % SLOTS]:
                return number * SLOT
        return math.inf

    def _run_slot(self, number: int, now: float, first: int) -> None:
        # A copy: a function may leave the wheel while it is called.
        due = [tick for tick, since in self._wheel[number % SLOTS].items() if number > since]
        if not due:
            return
        lateness = now - first * SLOT
        self._ticks += 1
        if lateness > LATE:
            self._late += 1
        self._worst = max(self._worst, lateness)
        for tick in due:
            tick(now)


def _slot_of(now: float) -> int:
    """The last slot whose time has come, counted from the beginning of trio's clock."""
    return math.floor(now / SLOT + 1e-6)
