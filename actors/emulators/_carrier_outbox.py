"""What an emulated carrier still has to send: in order, or at a time of its own, and no more than it would keep."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import trio

from .._websocket import SocketClosed, WebSocket

# Echoes and the like that wait as well; a server that sets more marks than this without reading loses them.
OUTBOX_LIMIT = 5000

Message: TypeAlias = Callable[[], str | bytes]


class CarrierOutbox:
    """The messages of one call that wait for its socket. They are encoded when they leave, for that is when they get
    their sequence numbers.

    Args:
        overflowed: Called with each message that is lost.
    """

    def __init__(self, overflowed: Callable[[], None]) -> None:
        self._overflowed = overflowed
        # With each message the number of audio frames in it.
        self._queue: deque[tuple[Message, int]] = deque()
        self._later: list[tuple[float, int, Message, int]] = []
        self._order = itertools.count()
        self._wake = trio.Event()
        self._closing = False
        self._drained = trio.Event()
        self.media_waiting = 0
        """Audio frames that wait."""
        self.media_sent = 0
        """Audio frames that were sent."""

    def put(self, message: Message, *, at: float | None = None, media: int = 0) -> None:
        """Queue a message.

        Args:
            message: Makes it.
            at: When it is to leave, on trio's clock; None behind what waits.
            media: How many frames of audio it has.
        """
        if len(self._queue) + len(self._later) >= OUTBOX_LIMIT:
            self._overflowed()
            return
        self.media_waiting += media
        if at is None:
            self._queue.append((message, media))
        else:
            heapq.heappush(self._later, (at, next(self._order), message, media))
        self._wake.set()

    async def close(self, last: Message | None) -> None:
        """Let everything go now, and wait until it has left. A cancelled call leaves the rest waiting.

        Args:
            last: Goes out behind all of it; there is always room for it.
        """
        if last is not None:
            self._queue.append((last, 0))
        self._closing = True
        self._wake.set()
        await self._drained.wait()

    async def run(self, socket: WebSocket) -> None:
        """Send until closed, or until the socket is."""
        try:
            while True:
                if self._later:
                    self._release(math.inf if self._closing else trio.current_time())
                if self._queue:
                    message, media = self._queue.popleft()
                    self.media_waiting -= media
                    await socket.send(message())
                    self.media_sent += media
                elif self._closing:
                    break
                else:
                    self._wake = trio.Event()
                    if self._later:
                        with trio.move_on_at(self._later[0][0]):
                            await self._wake.wait()
                    else:
                        # Many times a second.
                        await self._wake.wait()
        except SocketClosed:
            # The reader finds the same and knows what came before it.
            pass
        self._drained.set()

    def _release(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, message, media = heapq.heappop(self._later)
            # `stop` was appended before what was held back is let go; it stays the last.
            place = len(self._queue) - (1 if self._closing and self._queue else 0)
            self._queue.insert(place, (message, media))
