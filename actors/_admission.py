"""Whether another call can be taken without spoiling those that are up: decided by what the loop has to do."""

import enum
from collections import deque

import attrs

from ._loop import BUSY_WINDOW, LoadSource

# What a call is taken to cost before it can be seen, as a share of the loop, and how many calls that guess is worth.
COST, WORTH = 0.01, 10
# A door that was closed opens again when there is so much more room, and after so many seconds.
CLEARANCE = 0.05
CLOSED = 1.0


class Refusal(enum.Enum):
    """Why a call was not taken."""

    DRAINING = "draining"
    """The switchboard takes no more."""
    FULL = "max_calls"
    """As many calls are up as may be."""
    LAG = "lag"
    """Tasks are woken too late."""
    BUSY = "busy"
    """The loop has hardly time left, or will have when the calls that were just taken have begun to cost."""
    NO_ROUTE = "no_route"
    """No scenario takes the destination."""
    HANDSHAKE = "handshake"
    """The stream did not begin as it must, or without the token."""


@attrs.frozen(kw_only=True)
class Verdict:
    """What `Admission.check` found."""

    refusal: Refusal
    lag: float
    """Float seconds."""
    busy: float
    expected: float
    """The share of the loop's time that is taken with the calls that do not show yet."""

    def __str__(self) -> str:
        """One line for a log."""
        if self.refusal is Refusal.LAG:
            return f"the event loop is {self.lag * 1000:.0f} ms late"
        coming = (
            f", {self.expected:.0%} with the calls just taken" if self.expected > self.busy + 0.005 else ""
        )
        return f"the event loop is at work {self.busy:.0%} of the time{coming}"


class Admission:
    """Lets calls in as long as the loop keeps up.

    A loop that is at work all the time spoils calls long before tasks are woken late: they are woken in turn, but
    what they have to read piles up in their sockets. So the share of time that is left decides. It is seen late, since
    a call costs nothing before it is set up; so each call that was taken within the window of measurement counts with
    what a call costs on average, less and less as it begins to show in the measurement itself. Lag decides where
    somebody else takes the processor away.

    Args:
        source: What the loop has to do.
        max_lag: The median lag, float seconds; None not to care.
        max_busy: The share of time the loop may be at work, 0 to 1; None not to care.
    """

    def __init__(self, source: LoadSource, *, max_lag: float | None, max_busy: float | None) -> None:
        self.source = source
        self.max_lag = max_lag
        self.max_busy = max_busy
        self._taken: deque[float] = deque()
        self._closed: Refusal | None = None
        self._closed_until = 0.0

    def check(self, now: float, calls: int) -> Verdict | None:
        """Whether another call may come; None if so.

        Args:
            now: Trio time.
            calls: How many are up.
        """
        load = self.source.load()
        unseen = self._unseen(now)
        if load is None or calls + unseen < 1.0:
            # The first one can spoil nobody else's.
            return None
        seen = max(0.0, calls - unseen)
        expected = load.busy + unseen * (load.busy + COST * WORTH) / (seen + WORTH)
        refusal = self._judge(load.lag, expected)
        if refusal is not None:
            self._closed, self._closed_until = refusal, now + CLOSED
        elif now < self._closed_until:
            refusal = self._closed
        else:
            self._closed = None
        if refusal is None:
            return None
        return Verdict(refusal=refusal, lag=load.lag, busy=load.busy, expected=expected)

    def took(self, now: float) -> None:
        """A call was let in: it will show in the measurement within the next seconds."""
        self._taken.append(now)

    def _judge(self, lag: float, expected: float) -> Refusal | None:
        if self.max_lag is not None and lag > self.max_lag * (0.5 if self._closed is Refusal.LAG else 1.0):
            return Refusal.LAG
        room = CLEARANCE if self._closed is Refusal.BUSY else 0.0
        if self.max_busy is not None and expected > self.max_busy - room:
            return Refusal.BUSY
        return None

    def _unseen(self, now: float) -> float:
        """How many calls were taken lately; one that was taken half a window ago is half of one."""
        taken = self._taken
        while taken and taken[0] <= now - BUSY_WINDOW:
            taken.popleft()
        return sum(1.0 - (now - at) / BUSY_WINDOW for at in taken)
