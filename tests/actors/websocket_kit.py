"""What the tests of WebSockets share: a server on a network of each kind, and a peer that speaks in octets."""

import enum
import functools
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
import trustme
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._network import Network, TcpNetwork, WebSockets
from callboard.actors._websocket import MAX_MESSAGE, SocketClosed, WebSocket, open_websocket
from callboard.testing import MemoryNetwork, Transport

OnSocket = Callable[[WebSocket], Awaitable[None]]


class DirectMemory(MemoryNetwork):
    """Octets in memory with our own connections on them."""

    websockets = WebSockets.DIRECT


class Kind(enum.Enum):
    """What is below the sockets: of the server, and of the client."""

    LIBRARY = "library over TCP"
    DIRECT = "direct over TCP"
    DIRECT_CLIENT = "direct client, library server"
    DIRECT_SERVER = "library client, direct server"
    DIRECT_TLS = "direct over TLS"
    LIBRARY_TLS = "library over TLS"
    TLS_CLIENT = "direct client, library server, TLS"
    TLS_SERVER = "library client, direct server, TLS"
    MEMORY = "direct over octets in memory"
    LOCKSTEP = "direct over octets in memory that wait for their reader"
    MESSAGES = "messages in memory"

    @property
    def secure(self) -> bool:
        """Whether it is TLS."""
        return self in {Kind.DIRECT_TLS, Kind.LIBRARY_TLS, Kind.TLS_CLIENT, Kind.TLS_SERVER}

    def networks(self) -> tuple[Network, Network]:
        """The server's and the client's."""
        library, direct = TcpNetwork(), TcpNetwork(WebSockets.DIRECT)
        match self:
            case Kind.LIBRARY | Kind.LIBRARY_TLS:
                return library, library
            case Kind.DIRECT | Kind.DIRECT_TLS:
                return direct, direct
            case Kind.DIRECT_CLIENT | Kind.TLS_CLIENT:
                return library, direct
            case Kind.DIRECT_SERVER | Kind.TLS_SERVER:
                return direct, library
            case Kind.MEMORY:
                memory: MemoryNetwork = DirectMemory(Transport.FRAMES)
            case Kind.LOCKSTEP:
                memory = DirectMemory(Transport.LOCKSTEP)
            case Kind.MESSAGES:
                memory = MemoryNetwork(Transport.MESSAGES)
        return memory, memory


@functools.cache
def contexts(tickets: int = 2) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server at 127.0.0.1, and for a client that trusts it.

    Without tickets the client need not read before it closes.
    """
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    with authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.tempfile() as path:
        server.load_cert_chain(path)
    server.num_tickets = tickets
    client.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    return server, client


@attrs.define
class Server:
    """One that runs."""

    bound: Bound
    kind: Kind
    network: Network
    """The client's."""
    sockets: list[WebSocket] = attrs.field(factory=list[WebSocket])
    requests: list[Request] = attrs.field(factory=list[Request])

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'wss' if self.kind.secure else 'ws'}://{self.bound.authority}/a/path?x=1&y=two"

    def dial(
        self,
        *,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        new_id: Callable[[], str] | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> AbstractAsyncContextManager[WebSocket]:
        """A client of it."""
        return open_websocket(
            self.network,
            self.url,
            headers=headers,
            subprotocols=subprotocols,
            new_id=new_id,
            max_message=max_message,
            ssl_context=contexts()[1] if self.kind.secure else None,
        )

    async def raw(self) -> trio.abc.Stream:
        """A stream to it, before any handshake."""
        context = contexts()[1] if self.kind.secure else None
        return await self.network.connect(self.bound.host, self.bound.port, ssl_context=context)

    async def accepted(self) -> WebSocket:
        """The socket of the first client."""
        await until(lambda: bool(self.sockets))
        return self.sockets[0]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks do, on real sockets too."""
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.001)


async def no_page(request: Request) -> Response:
    """Answer a plain request."""
    del request
    return Response(status=404)


@asynccontextmanager
async def serving(
    kind: Kind,
    on_socket: OnSocket,
    *,
    subprotocol: str | None = None,
    max_message: int = MAX_MESSAGE,
    handshake_timeout: float = 5.0,
) -> AsyncGenerator[Server, None]:
    """A server whose sockets are dealt with by a function."""
    network, client_network = kind.networks()
    server: Server | None = None

    async def enter(upgrade: Upgrade) -> None:
        assert server is not None
        server.requests.append(upgrade.request)
        if upgrade.request.header("authorization") == "nobody":
            await upgrade.reject(403, b"no entry", "text/plain")
            return
        socket = await upgrade.accept(subprotocol)
        server.sockets.append(socket)
        await on_socket(socket)

    async with trio.open_nursery() as nursery:
        serve = functools.partial(
            serve_http,
            network,
            "127.0.0.1",
            0,
            on_request=no_page,
            on_upgrade=enter,
            max_message=max_message,
            handshake_timeout=handshake_timeout,
            ssl_context=contexts()[0] if kind.secure else None,
        )
        bound: Bound = await nursery.start(serve)
        server = Server(bound, kind, client_network)
        yield server
        nursery.cancel_scope.cancel()


async def echo(socket: WebSocket) -> None:
    """Send back what comes."""
    try:
        while True:
            await socket.send(await socket.receive())
    except SocketClosed:
        pass


async def deaf(socket: WebSocket) -> None:
    """Read nothing."""
    del socket
    await trio.sleep_forever()


class RawClient:
    """A client that sends octets as it likes, after a proper handshake.

    Args:
        stream: To the server.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._protocol = Protocol(Side.CLIENT)
        self._ahead: list[Frame] = []

    async def shake_hands(self, behind: bytes = b"") -> None:
        """Upgrade, with octets in the same write."""
        await self.stream.send_all(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + behind
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await self.stream.receive_some()
            assert data
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # as in RFC 6455, section 1.3
        if rest:
            self._protocol.receive_data(rest)
            self._ahead += [event for event in self._protocol.events_received() if isinstance(event, Frame)]

    async def send(self, *frames: Frame | bytes, masked: bool = True) -> None:
        """Send frames and octets in one write."""
        await self.stream.send_all(
            b"".join(part if isinstance(part, bytes) else part.serialize(mask=masked) for part in frames)
        )

    async def frames(self, n: int) -> list[tuple[Opcode, bytes]]:
        """The next frames; fewer where the stream ends."""
        frames: list[tuple[Opcode, bytes]] = []
        with trio.fail_after(5):
            while len(frames) < n:
                frame = await self._next()
                if frame is None:
                    break
                frames.append((frame.opcode, bytes(frame.data)))
        return frames

    async def _next(self) -> Frame | None:
        while not self._ahead:
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._protocol.receive_data(data)
            self._ahead += [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        return self._ahead.pop(0)

    async def close_code(self) -> int:
        """The code that the server closes with; 1006 where it closes without one, 1005 where it has none."""
        with trio.fail_after(5):
            while frame := await self._next():
                if frame.opcode is Opcode.CLOSE:
                    return int.from_bytes(bytes(frame.data[:2]), "big") or 1005
        return 1006
