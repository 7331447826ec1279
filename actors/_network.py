"""The only door to sockets: everything that connects or listens does it through a `Network`.

Production uses `TcpNetwork`. Simulations inject one made of in-memory streams, so that a whole
system runs in one process under a virtual clock.
"""

import enum
import ssl
from typing import Protocol, cast, runtime_checkable

import trio

from ._direct_stream import DirectStream, take_over
from ._direct_tls import DirectTlsStream

# How long one TCP connect may take per attempted address before the next address is tried in
# parallel (RFC 8305, "Happy Eyeballs"; trio's own default).
HAPPY_EYEBALLS_DELAY = 0.25


@runtime_checkable
class Network(Protocol):
    """Opens and accepts byte streams."""

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """Open a stream to a host.

        Args:
            host: A host name or an address.
            port: The port, 1 to 65535.
            ssl_context: When given, the stream is TLS with this context, and `host` is verified.

        Raises:
            OSError: The host could not be reached.
            trio.BrokenResourceError: The TLS handshake failed, from an `ssl.SSLError` that says why.

        A cancelled call leaves no stream open.
        """
        ...

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """Start to listen.

        Args:
            host: The address to bind.
            port: The port; 0 lets the system choose one.
            ssl_context: When given, accepted streams are TLS.

        Raises:
            OSError: The address cannot be bound.
        """
        ...


class WebSockets(enum.Enum):
    """What speaks WebSocket on the streams of a network."""

    LIBRARY = "library"
    """trio-websocket."""
    DIRECT = "direct"
    """Our own connection on the protocol of the `websockets` library: less to wait for, and much cheaper."""


def websockets_of(network: Network) -> WebSockets:
    """What a network wants: its attribute `websockets`, which it need not have."""
    kind: object = getattr(network, "websockets", None)
    return kind if isinstance(kind, WebSockets) else WebSockets.LIBRARY


class TcpNetwork:
    """TCP and TLS sockets of the operating system.

    Args:
        websockets: What speaks WebSocket on them.
    """

    def __init__(self, websockets: WebSockets = WebSockets.LIBRARY) -> None:
        self.websockets = websockets

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """Open a TCP connection with TCP_NODELAY; see `Network.connect`."""
        stream = await trio.open_tcp_stream(host, port, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY)
        direct = self.websockets is WebSockets.DIRECT
        if ssl_context is None:
            return take_over(stream) if direct else stream
        secure = (
            DirectTlsStream(take_over(stream), ssl_context, server_hostname=host)
            if direct
            # https_compatible: peers that close without close_notify end the stream instead of raising;
            # the WebSocket layer has its own closing handshake to tell a cut from an end.
            else trio.SSLStream(stream, ssl_context, server_hostname=host, https_compatible=True)
        )
        try:
            # Here, where its failure has an error of its own.
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(secure)
            raise
        return secure

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """Bind and listen on TCP; see `Network.listen`."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        if self.websockets is WebSockets.DIRECT:
            return [DirectListener(listener, ssl_context) for listener in listeners]
        if ssl_context is None:
            return list(listeners)
        return [trio.SSLListener(listener, ssl_context, https_compatible=True) for listener in listeners]


class DirectListener(trio.abc.Listener[DirectStream | DirectTlsStream]):
    """Accepts TCP connections.

    Args:
        listener: The listener below, of which only `accept` and `aclose` are used.
        context: For TLS.
    """

    def __init__(self, listener: trio.SocketListener, context: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._context = context

    @property
    def port(self) -> int:
        """The port it is bound to."""
        port: int = self._listener.socket.getsockname()[1]
        return port

    async def accept(self) -> DirectStream | DirectTlsStream:
        """The next connection."""
        stream = take_over(await self._listener.accept())
        return stream if self._context is None else DirectTlsStream(stream, self._context, server_side=True)

    async def aclose(self) -> None:
        """Accept no more."""
        await self._listener.aclose()


def bound_port(listener: trio.abc.Listener[trio.abc.Stream]) -> int:
    """The port a listener is bound to, also through TLS and for in-memory listeners with a `port`."""
    inner: object = listener
    while isinstance(inner, trio.SSLListener):
        inner = cast("trio.SSLListener[trio.SocketStream]", inner).transport_listener
    if isinstance(inner, trio.SocketListener):
        port: int = inner.socket.getsockname()[1]
        return port
    own: object = getattr(inner, "port", 0)
    return own if isinstance(own, int) else 0


class WrappedStream(trio.abc.Stream):
    """A stream that passes everything on: the base of those that look at or change what passes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream below."""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """As the stream below."""
        await self._stream.aclose()
