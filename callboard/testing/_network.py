"""A network inside the process: for whole systems under a virtual clock."""

import enum
import ssl
from typing import Any

import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair

from callboard.actors._message_stream import MessageStream, message_stream_pair

# Connections that wait to be accepted.
BACKLOG = 100
FIRST_FREE_PORT = 40000


class Transport(enum.Enum):
    """What travels between the two ends of a connection."""

    FRAMES = "frames"
    """Octets: real HTTP, real WebSocket framing and masking."""
    LOCKSTEP = "lockstep"
    """The same, and a send returns only when the peer has read everything, as with full TCP buffers."""
    MESSAGES = "messages"
    """WebSocket messages as they are: true to the conversation, not to the wire, and ten times as fast."""


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts what `MemoryNetwork.connect` opens."""

    def __init__(self, network: "MemoryNetwork", port: int) -> None:
        self.port = port
        self._network = network
        self._offer, self._accept = trio.open_memory_channel[trio.abc.Stream](BACKLOG)

    async def accept(self) -> trio.abc.Stream:
        """The next connection."""
        try:
            return await self._accept.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError("listener is closed") from None

    async def aclose(self) -> None:
        """Accept no more."""
        self._network.forget(self)
        self._offer.close()
        self._accept.close()
        await trio.lowlevel.checkpoint()

    async def offer(self, stream: trio.abc.Stream) -> None:
        """Used by the network."""
        await self._offer.send(stream)


class MemoryNetwork:
    """A `Network` without an operating system. Hosts all are the same one; ports tell listeners apart.

    Args:
        transport: What travels.
    """

    def __init__(self, transport: Transport = Transport.FRAMES) -> None:
        self.transport = transport
        self._listeners: dict[int, MemoryListener] = {}
        self._next_port = FIRST_FREE_PORT
        self._ends: list[tuple[str, trio.abc.Stream]] = []
        self.connections = 0
        """How many were opened so far."""

    @property
    def open_ends(self) -> tuple[str, ...]:
        """The ends of connections that nobody has closed, by the port that was dialled; two of each connection."""
        self._forget_closed()
        return tuple(name for name, _ in self._ends)

    def _forget_closed(self) -> None:
        self._ends = [(name, end) for name, end in self._ends if not _closed(end)]

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """Open a connection; see `Network.connect`."""
        del ssl_context
        await trio.lowlevel.checkpoint()
        listener = self._listeners.get(port)
        if listener is None:
            raise ConnectionRefusedError(111, "Connection refused", f"{host}:{port}")
        ours, theirs = self._pair()
        await listener.offer(theirs)
        self.connections += 1
        self._forget_closed()
        self._ends += [(f"dialled to port {port}", ours), (f"accepted on port {port}", theirs)]
        return ours

    def _pair(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        match self.transport:
            case Transport.FRAMES:
                return memory_stream_pair()
            case Transport.LOCKSTEP:
                return lockstep_stream_pair()
            case Transport.MESSAGES:
                return message_stream_pair()

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """Listen; see `Network.listen`."""
        del ssl_context
        await trio.lowlevel.checkpoint()
        if port == 0:
            self._next_port += 1
            port = self._next_port
        if port in self._listeners:
            raise OSError(98, "Address already in use", f"{host}:{port}")
        listener = self._listeners[port] = MemoryListener(self, port)
        return [listener]

    def forget(self, listener: MemoryListener) -> None:
        """Used by a listener that is closed."""
        if self._listeners.get(listener.port) is listener:
            del self._listeners[listener.port]


# Any, for what trio's memory streams are made of has no names.
def _closed(end: Any) -> bool:
    if isinstance(end, MessageStream):
        return end.cut
    # The octets that come in have nobody who could read them any more.
    inner = end.receive_stream
    return bool(inner._closed if hasattr(inner, "_closed") else inner._lbq._receiver_closed)
