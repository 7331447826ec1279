"""An open WebSocket straight on its stream, in the place of trio-websocket's connection, and at a third of its cost.

There is no task that reads. Whoever waits for something that comes reads the stream himself: `get_message`, and
`ping` and `aclose` where nobody is in `get_message`. So a ping of the peer is answered while somebody waits here, and a
connection whose owner does not ask for messages answers none; nor does it read ahead, which is what back-pressure is
for. The owners of our sockets, the legs and the provider connections and the emulators, ask all the time, and one that
has stopped asking had better look dead to its peer.

What is written goes to the operating system in the call that wants it written, as far as that takes it. The rest is
written by the task that waits in `send_message`, or by one that is started for it; until then `send_nowait` refuses.
"""

import itertools
from contextlib import suppress

import trio
from trio_websocket import CloseReason, ConnectionClosed

from ._direct_framing import Framing
from ._direct_stream import RECEIVE_OCTETS, Wire

ABNORMAL = 1006
# Answers to pings that the peer does not read: it is not read either, while so many octets of them wait.
MAX_BACKLOG = 65536

_numbers = itertools.count()


class DirectConnection:
    """One connection.

    Args:
        wire: The stream.
        framing: The protocol, open.
        nursery: Where rests are written; it lives as long as the connection.
        subprotocol: What was agreed on.
        queue: Messages to hold while somebody waits for a pong and nobody for messages.
        kind: `client` or `server`, for the name.
    """

    def __init__(
        self,
        wire: Wire,
        framing: Framing,
        nursery: trio.Nursery,
        *,
        subprotocol: str | None,
        queue: int,
        kind: str,
    ) -> None:
        self._wire = wire
        self._framing = framing
        self._messages = framing.messages
        self._nursery = nursery
        self.subprotocol = subprotocol
        self._queue = queue
        self._name = f"{kind}-{next(_numbers)}"
        # Reading: one task at a time, the others wait for what it finds.
        self._reading = False
        self._interrupted = False
        self._ended = False
        self._listeners = trio.lowlevel.ParkingLot()
        self._pings: dict[bytes, bool] = {}  # whether it was answered
        self._n_pings = 0
        # Writing.
        self._turn = trio.StrictFIFOLock()
        self._pending = bytearray()
        self._pumping = False
        self._broken = False
        self._last = False  # nothing is written after what is pending
        self._idlers = trio.lowlevel.ParkingLot()

    def __str__(self) -> str:
        return self._name

    @property
    def closed(self) -> CloseReason | None:
        """How it was closed, once either side began to or the stream broke."""
        closed = self._framing.closed
        return CloseReason(ABNORMAL, None) if closed is None and (self._broken or self._ended) else closed

    def _check_open(self) -> None:
        if self._framing.closed is not None or self._broken or self._ended:
            raise ConnectionClosed(self.closed)

    # Reading

    async def get_message(self) -> str | bytes:
        """The next message; those that came before a close are first."""
        await self._have_message()
        return self._take()

    async def get_messages(self) -> list[str | bytes]:
        """The next message, and those that were read with it."""
        await self._have_message()
        messages = list(self._messages)
        self._messages.clear()
        if self._listeners:
            # Somebody waits for room.
            self._listeners.unpark_all()
        return messages

    async def _have_message(self) -> None:
        messages = self._messages
        if messages:
            await trio.lowlevel.checkpoint()
        while not messages:
            if self._framing.closed is not None or self._ended:
                await trio.lowlevel.checkpoint()
                raise ConnectionClosed(self.closed)
            await self._read()

    def _take(self) -> str | bytes:
        if self._listeners:
            # Somebody waits for room.
            self._listeners.unpark_all()
        return self._messages.popleft()

    async def _read(self) -> None:
        """Read once, or wait until the task that reads has."""
        if self._reading:
            await self._listeners.park()
            return
        self._reading = True
        try:
            while len(self._pending) > MAX_BACKLOG:
                await self._idlers.park()
            if self._interrupted:
                return
            data = await self._wire.receive_some(RECEIVE_OCTETS)
        except trio.BrokenResourceError:
            self._ended = True
        except trio.ClosedResourceError:
            self._ended = not self._interrupted
        else:
            if data:
                self._framing.feed(data)
                if self._framing.news:
                    self._react()
            else:
                self._ended = True
        finally:
            self._reading = self._interrupted = False
            if self._listeners:
                self._listeners.unpark_all()

    def _react(self) -> None:
        """Something other than a message came."""
        framing = self._framing
        framing.news = False
        for payload in framing.pongs:
            if payload in self._pings:
                # A pong answers what was sent before its ping, too (RFC 6455, section 5.5.3).
                for ping in self._pings:
                    self._pings[ping] = True
                    if ping == payload:
                        break
        framing.pongs.clear()
        octets, last = framing.replies()
        self._last = self._last or last
        if octets or last:
            self._push(octets)

    # Writing

    async def send_message(self, message: str | bytes) -> None:
        """Send; waits while the peer does not read."""
        self._check_open()
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._pumping or self._turn.locked():
            async with self._turn:
                await self._idle()
                self._check_open()
                await self._write(self._framing.encode(message))
        else:
            await self._write(self._framing.encode(message))

    def send_nowait(self, message: str | bytes) -> bool:
        """Send if that needs no waiting."""
        self._check_open()
        if not self._wire.prompt or self._pumping or self._turn.locked():
            return False
        octets = self._framing.encode(message)
        sent = self._try(octets)
        if self._broken:
            raise ConnectionClosed(self.closed)
        if not sent:
            return False
        if sent < len(octets) or self._wire.clogged:
            self._leave(octets[sent:])
        return True

    async def _write(self, octets: bytes) -> None:
        """Write; nobody else does."""
        sent = self._try(octets)
        if sent == len(octets) and not self._wire.clogged:
            await trio.lowlevel.cancel_shielded_checkpoint()
        elif not self._broken:
            self._pending += octets[sent:]
            self._pumping = True
            await self._pump()
        if self._broken:
            raise ConnectionClosed(self.closed)

    def _push(self, octets: bytes) -> None:
        """Write behind whatever is written now, without waiting."""
        if self._broken:
            return
        if self._pumping:
            self._pending += octets
            return
        sent = self._try(octets)
        if sent < len(octets) or self._wire.clogged:
            self._leave(octets[sent:])
        elif self._last:
            self._wire.end_sending()

    def _try(self, octets: bytes) -> int:
        try:
            return self._wire.send_nowait(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # What the peer said before it went can still be read.
            self._broken = True
            return 0

    def _leave(self, rest: bytes) -> None:
        """Leave a rest to a task."""
        self._pending += rest
        self._pumping = True
        self._nursery.start_soon(self._pump)

    async def _pump(self) -> None:
        """Write what is pending, and what is added meanwhile."""
        done = False
        try:
            while self._pending or self._wire.clogged:
                octets, self._pending = self._pending, bytearray()
                await self._wire.send_all(octets)
            if self._last:
                self._wire.end_sending()
            done = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            # A cancelled one has torn a frame.
            self._broken = not done
            self._pumping = False
            self._idlers.unpark_all()

    async def _idle(self) -> None:
        while self._pumping:
            await self._idlers.park()

    # Control

    async def ping(self) -> None:
        """Send a ping and wait for its pong."""
        self._check_open()
        self._n_pings += 1
        payload = self._n_pings.to_bytes(8, "big")
        self._pings[payload] = False
        try:
            self._push(self._framing.ping(payload))
            while not self._pings[payload]:
                self._check_open()
                if len(self._messages) < self._queue:
                    await self._read()
                else:
                    await self._listeners.park()
        finally:
            del self._pings[payload]

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Close with a handshake; the stream stays open. Waits for the peer as long as it takes."""
        if self._framing.closed is None and not self._ended:
            octets = self._framing.close(code, reason or "")
            if self._pumping:
                self._pending += octets
            else:
                # In this task: the nursery may be cancelled, and this the goodbye.
                with suppress(ConnectionClosed):
                    await self._write(octets)
        await self._idle()
        if self._reading and not self._framing.over:
            # Whoever waits for messages learns that none will come; not before our close frame is out, for that may
            # make him cancel this very task.
            self._interrupted = True
            self._wire.interrupt()
        while not (self._framing.over or self._ended):
            await self._read()
        await trio.lowlevel.checkpoint()
