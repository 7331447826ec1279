"""WebSocket messages without the framing, for whole systems in one process: nobody learns anything from octets there.

A network whose `connect` and `listen` give streams of this kind saves the masking, the parsing and most of the task
switches of a real WebSocket. `open_websocket` and `serve_http` see what they get, and behave the same: handshakes with
headers, subprotocols and refusals, backpressure, close codes, cut streams.
"""

from collections import deque
from collections.abc import Sequence

import attrs
import trio
from trio_websocket import CloseReason, ConnectionClosed, ConnectionRejected

# Messages that wait for a reader; with as many the sender waits, as behind a full TCP window.
CAPACITY = 64


@attrs.frozen(kw_only=True)
class Handshake:
    """What a client asks for."""

    resource: str
    headers: tuple[tuple[bytes, bytes], ...]
    subprotocols: tuple[str, ...]


class MessageStream(trio.abc.Stream):
    """One end; made by `message_stream_pair`. Octets cannot travel on it."""

    def __init__(self) -> None:
        self._peer: MessageStream
        self._inbox: deque[str | bytes] = deque()
        self._readers = trio.lowlevel.ParkingLot()
        self._writers = trio.lowlevel.ParkingLot()
        self._handshake: Handshake | None = None
        self._verdict: MessageConnection | ConnectionRejected | None = None
        self.reason: CloseReason | None = None
        """How the connection was closed, by whoever was first; None for a cut stream."""
        self.cut = False
        """Nothing travels any more."""
        self.swallow = False
        """Pretend to send: a fault."""
        self._gate = True
        self._waiting = 0  # sends that wait for room
        # A subclass that looks at what passes overrides `put` and `take`; nothing may go past it unseen.
        kind = type(self)
        self.unwatched = kind.put is MessageStream.put and kind.take is MessageStream.take

    @property
    def peer(self) -> "MessageStream":
        """The other end."""
        return self._peer

    # What a stream must have

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Not possible here."""
        raise NotImplementedError("a message stream carries WebSocket messages only")

    async def wait_send_all_might_not_block(self) -> None:
        """Not possible here."""
        raise NotImplementedError("a message stream carries WebSocket messages only")

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Not possible here."""
        raise NotImplementedError("a message stream carries WebSocket messages only")

    async def aclose(self) -> None:
        """Cut the stream: the other side is told nothing but that it is over."""
        self.end()
        await trio.lowlevel.checkpoint()

    def end(self, reason: CloseReason | None = None) -> None:
        """The connection is over, for both sides. What was sent before can still be read."""
        for end in (self, self._peer):
            if not end.cut:
                end.cut = True
                end.reason = reason
            end.wake()

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._readers.unpark_all()
        self._writers.unpark_all()

    # Faults

    def close_gate(self) -> None:
        """Read nothing from now on, as a process that is stopped."""
        self._gate = False

    def open_gate(self) -> None:
        """Read again."""
        self._gate = True
        self.wake()

    async def wait_for_gate(self) -> None:
        """Wait until a gate may have been opened."""
        await self._writers.park()

    @property
    def reads(self) -> bool:
        """Whether this end reads what comes."""
        return self._gate

    # The handshake

    async def upgrade(self, handshake: Handshake) -> "MessageConnection":
        """The client's part.

        Raises:
            ConnectionRejected: The server refused.
            trio.BrokenResourceError: It went away.
        """
        self._peer._handshake = handshake
        self._peer.wake()
        while self._verdict is None:
            if self.cut:
                raise trio.BrokenResourceError("the peer went away during the handshake")
            await self._readers.park()
        await trio.lowlevel.checkpoint()
        if isinstance(self._verdict, ConnectionRejected):
            raise self._verdict
        return self._verdict

    async def next_handshake(self) -> Handshake | None:
        """The server's part: what is asked for, or None where the client went away."""
        while self._handshake is None:
            if self.cut:
                return None
            await self._readers.park()
        await trio.lowlevel.checkpoint()
        return self._handshake

    def decide(self, verdict: "MessageConnection | ConnectionRejected") -> None:
        """Used by the server: answer the client's handshake."""
        self._peer._verdict = verdict
        self._peer.wake()

    # Messages

    async def put(self, message: str | bytes) -> None:
        """Send; waits while the peer does not read."""
        if self.swallow:
            await trio.lowlevel.checkpoint()
            return
        peer = self._peer
        self._waiting += 1
        try:
            while len(peer._inbox) >= CAPACITY and not self.cut:
                await self._writers.park()
        finally:
            self._waiting -= 1
        if self.cut:
            raise ConnectionClosed(self.reason)
        peer._inbox.append(message)
        peer._readers.unpark()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def offer(self, message: str | bytes) -> bool:
        """Send if that needs no waiting, neither for room nor behind another send; tells whether it did."""
        if self.cut:
            raise ConnectionClosed(self.reason)
        if not self.unwatched:
            return False
        if self.swallow:
            return True
        peer = self._peer
        if self._waiting or len(peer._inbox) >= CAPACITY:
            return False
        peer._inbox.append(message)
        peer._readers.unpark()
        return True

    async def take(self) -> str | bytes:
        """The next message; those that were sent before the end come first."""
        while not (self._inbox and self._gate):
            if self.cut and self._gate:
                raise ConnectionClosed(self.reason)
            await self._readers.park()
        message = self._inbox.popleft()
        self._peer._writers.unpark()
        return message

    def take_nowait(self) -> str | bytes:
        """The next message if it is there.

        Raises:
            trio.WouldBlock: It is not.
        """
        if self._gate and self.unwatched:
            if self._inbox:
                message = self._inbox.popleft()
                self._peer._writers.unpark()
                return message
            if self.cut:
                raise ConnectionClosed(self.reason)
        raise trio.WouldBlock


class MessageConnection:
    """An open connection, in the place of trio-websocket's.

    Args:
        stream: The end it belongs to.
        subprotocol: What was agreed on.
    """

    def __init__(self, stream: MessageStream, subprotocol: str | None) -> None:
        self._stream = stream
        self.subprotocol = subprotocol

    @property
    def closed(self) -> CloseReason | None:
        """How it was closed, once it is."""
        return self._stream.reason

    async def send_message(self, message: str | bytes) -> None:
        """Send."""
        await self._stream.put(message)

    async def get_message(self) -> str | bytes:
        """Receive."""
        return await self._stream.take()

    def send_nowait(self, message: str | bytes) -> bool:
        """Send if that needs no waiting."""
        return self._stream.offer(message)

    async def get_messages(self) -> list[str | bytes]:
        """The next message, and those behind it."""
        messages = [await self._stream.take()]
        try:
            while True:
                messages.append(self._stream.take_nowait())
        except (trio.WouldBlock, ConnectionClosed):
            return messages

    async def ping(self) -> None:
        """A peer that can be reached, and reads, answers at once."""
        stream = self._stream
        while not stream.cut and (stream.swallow or not stream.peer.reads or not stream.reads):
            await stream.peer.wait_for_gate()
        if stream.cut:
            raise ConnectionClosed(stream.reason)
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Close with a code."""
        self._stream.end(CloseReason(code, reason))
        await trio.lowlevel.checkpoint()


class MessageProposal:
    """A handshake that waits for a verdict, in the place of trio-websocket's.

    Args:
        stream: The server's end.
        handshake: What is asked for.
    """

    def __init__(self, stream: MessageStream, handshake: Handshake) -> None:
        self._stream = stream
        self.proposed_subprotocols: Sequence[str] = handshake.subprotocols

    async def accept(self, *, subprotocol: str | None = None) -> MessageConnection:
        """Complete the handshake."""
        self._stream.decide(MessageConnection(self._stream.peer, subprotocol))
        await trio.lowlevel.checkpoint()
        return MessageConnection(self._stream, subprotocol)

    async def reject(
        self, status: int, *, extra_headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> None:
        """Refuse it."""
        self._stream.decide(ConnectionRejected(status, tuple(extra_headers), body))
        await trio.lowlevel.checkpoint()


def message_stream_pair() -> tuple[MessageStream, MessageStream]:
    """Two ends of one connection."""
    first, second = MessageStream(), MessageStream()
    first._peer, second._peer = second, first
    return first, second
