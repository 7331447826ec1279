"""Work that is done one piece at a time, in the order in which it came."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import trio


class Piece(Protocol):
    """Something to be worked on."""

    @property
    def finished(self) -> trio.Event:
        """Set when the work is over, however it ended."""
        ...


P = TypeVar("P", bound=Piece)


class InTurn(Generic[P]):
    """What waits, and what is being worked on.

    Args:
        capacity: How many may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._wake = trio.Event()
        self.waiting: deque[P] = deque()
        self.active: P | None = None

    @property
    def busy(self) -> bool:
        """True while something is being worked on or waits for that."""
        return self.active is not None or bool(self.waiting)

    @property
    def full(self) -> bool:
        """True while as many wait as may."""
        return len(self.waiting) >= self._capacity

    def put(self, piece: P) -> None:
        """Have it worked on after those before it; it is for the caller to look whether there is room."""
        self.waiting.append(piece)
        self._wake.set()

    async def run(self, work: Callable[[P], Awaitable[None]]) -> None:
        """Work until cancelled.

        Args:
            work: Called with each; what it raises ends the call.

        A cancelled call has set the active piece's `finished`, and leaves those that wait.
        """
        while True:
            while not self.waiting:
                self._wake = trio.Event()
                await self._wake.wait()
            self.active = piece = self.waiting.popleft()
            try:
                await work(piece)
            finally:
                self.active = None
                piece.finished.set()
