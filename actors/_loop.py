"""How late the event loop is, and how busy: an actor that wakes often and sees when it does."""

import math
from collections import deque
from typing import Protocol

import attrs
import trio

from ._context import Context
from ._stall import StallWatch

# How often it wakes, float seconds.
BEAT = 0.025
# What is remembered, float seconds; and what of it says whether the loop is late, and whether it is busy, now.
MEMORY = 10.0
LAG_WINDOW = 1.0
BUSY_WINDOW = 4.0
# A clock that takes as long for a second, in seconds, is not one that goes by itself.
STANDS_STILL = 1000.0
# Of the newest beat in the moving average.
WEIGHT = 0.1


@attrs.frozen(kw_only=True)
class LoopLoad:
    """What the loop has to do now, as far as it matters for taking more."""

    lag: float
    """How late tasks were woken: the median over the last second, so a pause of half a second does not show."""
    busy: float
    """The share of the last 4 s in which the loop was at work, 0 to 1."""


class LoadSource(Protocol):
    """Who knows what the loop has to do."""

    def load(self) -> LoopLoad | None:
        """The load now; None where it is not measured, as in virtual time."""
        ...


@attrs.frozen(kw_only=True)
class LoopStatistics:
    """The loop in the last 10 s. Times are float seconds."""

    lag_p50: float
    lag_p99: float
    lag_max: float
    lag_average: float
    """Moving, over about ten beats."""
    idle: float
    """The share of time in which the loop waited for something to happen, 0 to 1."""


@attrs.frozen
class _Beat:
    at: float
    late: float
    lasted: float
    waited: float


class LoopWatch:
    """Knows how late and how busy the loop is; run it as an actor with `run`.

    In virtual time nothing is late and nothing takes time, so nothing is measured there.

    Args:
        stalls: Watches the loop meanwhile.
    """

    def __init__(self, stalls: StallWatch) -> None:
        self.stalls = stalls
        self._beats: deque[_Beat] = deque()
        self._average = 0.0
        self._measured = False

    async def run(
        self,
        _context: Context[object] | None = None,
        /,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Watch the loop until cancelled."""
        task_status.started()
        if is_virtual(trio.lowlevel.current_clock()):
            await trio.sleep_forever()
        with self.stalls.watching():
            self._measured = True
            try:
                await self._beat()
            finally:
                self._measured = False

    async def _beat(self) -> None:
        last = trio.current_time()
        waited = self.stalls.waited
        due = last + BEAT
        while True:
            await trio.sleep_until(due)
            now = trio.current_time()
            waited_before, waited = waited, self.stalls.waited
            self.feed(now, now - due, now - last, waited - waited_before)
            last = now
            due += BEAT * (math.floor((now - due) / BEAT) + 1)

    def feed(self, now: float, late: float, lasted: float, waited: float) -> None:
        """Take a beat.

        Args:
            now: When it was, trio time.
            late: How late, float seconds.
            lasted: How long it was since the one before, float seconds.
            waited: How long of it the loop waited, float seconds.
        """
        beats = self._beats
        beats.append(_Beat(now, late, lasted, waited))
        self._average += WEIGHT * (late - self._average)
        while beats[0].at <= now - MEMORY:
            beats.popleft()

    def load(self) -> LoopLoad | None:
        """See `LoadSource`. What was before the first beat counts as idle."""
        if not self._measured or not self._beats:
            return None
        now = self._beats[-1].at
        lags = self._lags(now - LAG_WINDOW)
        middle = len(lags) - round(LAG_WINDOW / BEAT) // 2
        lasted, waited = self._times(now - BUSY_WINDOW)
        return LoopLoad(
            lag=lags[middle] if middle >= 0 else 0.0,
            busy=max(0.0, lasted - waited) / max(lasted, BUSY_WINDOW),
        )

    def statistics(self) -> LoopStatistics:
        """The last 10 s; all is well where nothing was measured."""
        lags = self._lags(-math.inf)
        lasted, waited = self._times(-math.inf)
        if not lags:
            return LoopStatistics(lag_p50=0.0, lag_p99=0.0, lag_max=0.0, lag_average=0.0, idle=1.0)
        return LoopStatistics(
            lag_p50=lags[len(lags) // 2],
            lag_p99=lags[int(0.99 * len(lags))],
            lag_max=lags[-1],
            lag_average=self._average,
            idle=min(1.0, waited / lasted) if lasted else 1.0,
        )

    def _lags(self, since: float) -> list[float]:
        """How late the beats were, ascending; those that were left out because one was late count as late too."""
        lags: list[float] = []
        for beat in self._beats:
            if beat.at > since:
                lags.append(beat.late)
                lags += [beat.late - n * BEAT for n in range(1, math.floor(beat.late / BEAT) + 1)]
        lags.sort()
        return lags

    def _times(self, since: float) -> tuple[float, float]:
        """How much time went by, and how much of it the loop waited, float seconds."""
        beats = [beat for beat in self._beats if beat.at > since]
        return sum(beat.lasted for beat in beats), sum(beat.waited for beat in beats)


def is_virtual(clock: trio.abc.Clock) -> bool:
    """Whether time only goes on when somebody moves it: one that is waited for takes practically for ever."""
    return clock.deadline_to_sleep_time(clock.current_time() + 1.0) > STANDS_STILL
