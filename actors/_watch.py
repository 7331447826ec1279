"""The stream of what happens to actors."""

from collections import deque

import attrs
import trio

from ._exit import Exit


@attrs.frozen(kw_only=True)
class ActorStarted:
    """An actor called `started()`, for the first time or after a restart."""

    path: str
    time: float
    """On trio's clock, seconds."""


@attrs.frozen(kw_only=True)
class ActorExited:
    """A life of an actor is over."""

    path: str
    time: float
    exit: Exit
    final: bool
    """Whether no restart will follow."""


@attrs.frozen(kw_only=True)
class ActorRestarted:
    """A new life begins, after the wait: the body is called next."""

    path: str
    time: float
    exit: Exit
    """How the life before ended."""
    attempt: int
    """How many times in a row it failed soon; 1 is the first. 0 when it went down with a sibling."""
    delay: float
    """Seconds it waited."""


@attrs.frozen(kw_only=True)
class WatchLagged:
    """The watcher was too slow: events are missing here."""

    missed: int
    """How many."""


WatchEvent = ActorStarted | ActorExited | ActorRestarted | WatchLagged


class Watch:
    """An async iterator over the events of a system; ends when the system does.

    Args:
        capacity: How many events may wait; what comes on top is replaced by one `WatchLagged`.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"the capacity of a watch is at least 1, not {capacity!r}")
        self._capacity = capacity
        self._events: deque[WatchEvent] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    def push(self, event: WatchEvent) -> None:
        """Add an event, or count it as missed. Called by the system."""
        if len(self._events) < self._capacity:
            self._events.append(event)
        elif isinstance(last := self._events[-1], WatchLagged):
            self._events[-1] = WatchLagged(missed=last.missed + 1)
        else:
            self._events.append(WatchLagged(missed=1))
        self._lot.unpark()

    def close(self) -> None:
        """Add no more; what is there can still be read."""
        self._closed = True
        self._lot.unpark_all()

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> WatchEvent:
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            await self._lot.park()
        return self._events.popleft()
