"""A network of in-memory streams, so that whole systems run in one process under a virtual clock."""

import ssl

import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair

# Connections that wait to be accepted.
BACKLOG = 100
FIRST_FREE_PORT = 40000


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts what `MemoryNetwork.connect` opens."""

    def __init__(self, network: "MemoryNetwork", port: int) -> None:
        self.port = port
        self._network = network
        self._offer, self._accept = trio.open_memory_channel[trio.abc.Stream](BACKLOG)

    async def accept(self) -> trio.abc.Stream:
        try:
            return await self._accept.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError("listener is closed") from None

    async def aclose(self) -> None:
        self._network.forget(self)
        self._offer.close()
        self._accept.close()
        await trio.lowlevel.checkpoint()

    async def offer(self, stream: trio.abc.Stream) -> None:
        await self._offer.send(stream)


class MemoryNetwork:
    """A `Network` without an operating system. Hosts all are the same one; ports tell listeners apart.

    Args:
        lockstep: A send returns only when the peer has read everything, as with full TCP buffers; otherwise
            it returns at once.
    """

    def __init__(self, *, lockstep: bool = False) -> None:
        self._listeners: dict[int, MemoryListener] = {}
        self._next_port = FIRST_FREE_PORT
        self._lockstep = lockstep
        self.connections = 0
        """How many were opened so far."""

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        listener = self._listeners.get(port)
        if listener is None:
            raise ConnectionRefusedError(111, "Connection refused", f"{host}:{port}")
        ours: trio.abc.Stream
        theirs: trio.abc.Stream
        ours, theirs = lockstep_stream_pair() if self._lockstep else memory_stream_pair()
        await listener.offer(theirs)
        self.connections += 1
        return ours

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        await trio.lowlevel.checkpoint()
        if port == 0:
            self._next_port += 1
            port = self._next_port
        if port in self._listeners:
            raise OSError(98, "Address already in use", f"{host}:{port}")
        listener = self._listeners[port] = MemoryListener(self, port)
        return [listener]

    def forget(self, listener: MemoryListener) -> None:
        if self._listeners.get(listener.port) is listener:
            del self._listeners[listener.port]
