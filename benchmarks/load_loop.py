"""An event loop for load: sockets and timers in one thread, as little else as possible.

What generates load has to be much cheaper than what it measures, so this is epoll and a heap, and whoever is ready is
called. It is no framework: an error in a callback ends the run.
"""

import heapq
import select
import socket
import time
from collections.abc import Callable

clock = time.monotonic

# Longest sleep, float seconds; a stop from within a callback is seen at once anyway.
_IDLE = 0.1


class Loop:
    """Calls whoever is ready, until stopped. For Linux."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0
        self.lateness: list[float] | None = None
        """How late timers were, float seconds; collected while it is a list."""

    def at(self, when: float, function: Callable[..., None], *arguments: object) -> None:
        """Call a function at a time of `clock`."""
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, function, arguments))

    def watch(self, sock: socket.socket, ready: Callable[[int], None], *, write: bool = False) -> None:
        """Call a function with the epoll mask whenever a socket can be read, or also written."""
        self._ready[sock.fileno()] = ready
        self._poll.register(sock, select.EPOLLIN | (select.EPOLLOUT if write else 0))

    def want_write(self, sock: socket.socket, *, wanted: bool) -> None:
        """Say whether a watched socket waits for room to write."""
        self._poll.modify(sock, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        if self._ready.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock)

    def run_until(self, deadline: float, done: Callable[[], bool] | None = None) -> bool:
        """Run until a time of `clock`, or until a condition holds.

        Returns:
            Whether it holds; False where none was given.
        """
        timers, ready, poll = self._timers, self._ready, self._poll.poll
        while True:
            if done is not None and done():
                return True
            now = clock()
            if now >= deadline:
                return False
            wait = deadline - now
            if timers and timers[0][0] - now < wait:
                wait = timers[0][0] - now
            for number, mask in poll(min(max(wait, 0.0), _IDLE)):
                callback = ready.get(number)
                # An earlier callback of this round may have closed it.
                if callback is not None:
                    callback(mask)
            now = clock()
            while timers and timers[0][0] <= now:
                when, _, function, arguments = heapq.heappop(timers)
                if self.lateness is not None:
                    self.lateness.append(now - when)
                function(*arguments)

    def close(self) -> None:
        """Free the poll object; sockets belong to those who opened them."""
        self._poll.close()
