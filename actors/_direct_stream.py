"""TCP as a WebSocket wants it: a message is one `send` of the operating system, and can be tried without waiting.

`trio.SocketStream` can do neither: its `send_all` is for tasks, and its reads ask the socket first whether data are
there, which for a message each 20 ms they never are.
"""

import operator
import socket
from typing import Protocol

import trio

# Our messages are below 2 kB; one that is longer, or a burst, takes several reads.
RECEIVE_OCTETS = 65536


class Wire(Protocol):
    """What a WebSocket connection needs of the stream below it."""

    prompt: bool
    """Whether `send_nowait` ever writes anything."""

    @property
    def clogged(self) -> bool:
        """Whether octets that `send_nowait` accepted are not written yet; `send_all` does it first."""
        ...

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As `trio.abc.ReceiveStream`; `trio.ClosedResourceError` after `interrupt`, too."""
        ...

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As `trio.abc.SendStream`."""
        ...

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Write what can be written without waiting; returns the number of octets."""
        ...

    def interrupt(self) -> None:
        """Have the task that is in `receive_some` come out of it."""
        ...

    def end_sending(self) -> None:
        """Tell the peer that nothing more comes, where the stream can."""
        ...


class DirectStream(trio.abc.HalfCloseableStream):
    """A TCP connection.

    Args:
        connection: A connected socket, which is ours from now on.
    """

    prompt = True
    clogged = False  # nothing is accepted that is not written

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._handle = connection.fileno()
        self._sending = False
        self._ended = False
        # The last read filled its buffer, so there may be more.
        self._more = False

    @property
    def socket(self) -> socket.socket:
        """The socket; closed once the stream is."""
        return self._socket

    @property
    def closed(self) -> bool:
        """Whether it was closed on this side."""
        return self._handle < 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream.receive_some`."""
        limit = RECEIVE_OCTETS if max_bytes is None else operator.index(max_bytes)
        if limit < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes!r}")
        if self._more or self._handle < 0:
            await trio.lowlevel.checkpoint()
        else:
            # Asking first whether data are there would be in vain nearly always.
            await trio.lowlevel.wait_readable(self._handle)
        while True:
            if self._handle < 0:
                raise trio.ClosedResourceError("the stream was closed")
            try:
                data = self._socket.recv(limit)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._handle)
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection broke: {error}") from error
            else:
                self._more = len(data) == limit
                return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            sent = self.send_nowait(data)
            if sent == len(data):
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            with memoryview(data) as view:
                while sent < len(view):
                    await self._wait_writable()
                    with view[sent:] as rest:
                        sent += self.send_nowait(rest)
        finally:
            self._sending = False

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Write what the operating system takes now.

        Returns:
            How many octets that were; 0 where it takes none.

        Raises:
            trio.BrokenResourceError: The connection is broken.
            trio.ClosedResourceError: The stream is closed.
        """
        if self._handle < 0 or self._ended:
            raise trio.ClosedResourceError("the stream was closed")
        if not data:
            return 0
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the connection broke: {error}") from error

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await self._wait_writable()
        finally:
            self._sending = False

    async def _wait_writable(self) -> None:
        while self._handle >= 0:
            try:
                await trio.lowlevel.wait_writable(self._handle)
            except trio.ClosedResourceError:
                # Only the reader was meant, unless the stream is closed.
                continue
            return
        await trio.lowlevel.checkpoint()
        raise trio.ClosedResourceError("the stream was closed")

    def interrupt(self) -> None:
        """Have the task that is in `receive_some` come out of it, with `trio.ClosedResourceError`."""
        if self._handle >= 0:
            trio.lowlevel.notify_closing(self._handle)

    def end_sending(self) -> None:
        """`send_eof` for who cannot wait; does nothing on a broken connection."""
        self._ended = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream.send_eof`."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        if self._handle < 0:
            raise trio.ClosedResourceError("the stream was closed")
        self.end_sending()
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close; who waits gets `trio.ClosedResourceError`."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            trio.lowlevel.notify_closing(handle)
            self._socket.close()
        await trio.lowlevel.checkpoint()


def take_over(stream: trio.SocketStream) -> DirectStream:
    """Go on with a connection that Trio opened, with the options that it set: TCP_NODELAY above all."""
    return DirectStream(socket.socket(fileno=stream.socket.detach()))


class StreamWire:
    """Any other stream, TLS and those in memory among them, where everything is sent by a task that waits.

    Args:
        stream: The stream.
    """

    prompt = False
    clogged = False

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._reading: trio.CancelScope | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream; `trio.ClosedResourceError` after `interrupt`."""
        with trio.CancelScope() as scope:
            self._reading = scope
            try:
                return await self._stream.receive_some(max_bytes)
            finally:
                self._reading = None
        raise trio.ClosedResourceError("reading was interrupted")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream."""
        await self._stream.send_all(data)

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Nothing can be written without waiting."""
        del data
        return 0

    def interrupt(self) -> None:
        """Have the task that is in `receive_some` come out of it."""
        if self._reading is not None:
            self._reading.cancel(reason="reading was interrupted")

    def end_sending(self) -> None:
        """Not possible; the stream is closed soon after."""
