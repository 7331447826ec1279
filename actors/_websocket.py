"""WebSockets as callboard uses them: one small interface over trio-websocket.

What is added to the library: dialling with one typed error and a verdict whether a retry can help,
a deadline for the closing handshake, messages and octets counted, and no exception groups or
library exceptions for callers.

A cancelled `send` may have written half a frame. So the stream is closed then, and only a task that
lives and dies with the socket may send: others hand their messages to that task's mailbox.
"""

import enum
import logging
import math
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import attrs
import trio
import trio_websocket
from trio_websocket import WebSocketConnection, wrap_client_stream
from websockets.uri import WebSocketURI

from ._direct_connection import DirectConnection
from ._direct_handshake import HandshakeBroken, shake_hands
from ._message_stream import Handshake, MessageConnection, MessageStream
from ._network import Network, WebSockets, WrappedStream, websockets_of
from ._nursery import open_plain_nursery

# 4 MiB of one message. The largest legitimate one is a provider's audio delta: 1.3 s of 48 kHz PCM in
# base64 is 170 kB. The limit is there so that a hostile peer cannot make us hold more than this.
MAX_MESSAGE = 4 * 1024 * 1024
# Messages the library may hold for a reader that is not scheduled yet. Our readers never wait for
# anything else, so a handful is enough; at 20 ms frames 64 are 1.3 s.
QUEUE = 64
# A second after its end nothing may be left of a call, and the closing of its sockets is not all that it does.
CLOSE_TIMEOUT = 0.5
# Under cancellation the library's reader is gone as well, so nobody would see the peer's answer: time to send
# the close frame, and no more.
GOODBYE_TIMEOUT = 0.05
RECEIVE_OCTETS = 65536

# At DEBUG the library logs close reasons as they came, and a peer may put our key into one.
logging.getLogger("trio-websocket").setLevel(logging.INFO)

HTTP_CLIENT_ERROR = range(400, 500)
# Client errors that time may cure: request timeout, too early, too many requests.
HTTP_TRANSIENT = frozenset({408, 425, 429})


class DialFailure(enum.Enum):
    """Why a connection could not be opened."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    TLS = "tls"
    PROTOCOL = "protocol"


class DialFailed(Exception):
    """A WebSocket could not be opened.

    Attributes:
        kind: What went wrong.
        status: The HTTP status of a rejected upgrade, else None.
        headers: Of a rejected upgrade, with names in lower case; they may hold cookies and the like.
        body: The body of a rejected upgrade, at most 2 kB of it.
        permanent: True where trying again cannot help (a 4xx other than 408, 425, 429; a bad certificate).
    """

    def __init__(
        self,
        message: str,
        *,
        kind: DialFailure,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.body = body[:2048]
        self.permanent = kind is DialFailure.TLS or (
            status is not None and status in HTTP_CLIENT_ERROR and status not in HTTP_TRANSIENT
        )


class SocketClosed(Exception):
    """The WebSocket is closed.

    Attributes:
        code: The close code of RFC 6455, section 7.4; 1006 where the stream ended without one.
        reason: The text that came with it.
        clean: True after a full closing handshake with 1000 or 1001.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"WebSocket closed with {code}" + (f" ({reason[:80]!r})" if reason else ""))
        self.code = code
        self.reason = reason
        self.clean = code in {1000, 1001}


@attrs.frozen(kw_only=True)
class WebSocketStatistics:
    """Counters of one socket since it was opened."""

    messages_sent: int
    messages_received: int
    octets_sent: int
    """Payload octets (text counted as characters, which is the same for the ASCII our wires use)."""
    octets_received: int

    @staticmethod
    def total(parts: Iterable["WebSocketStatistics"]) -> "WebSocketStatistics":
        """The counters of several sockets together."""
        sent = received = octets_sent = octets_received = 0
        for part in parts:
            sent += part.messages_sent
            received += part.messages_received
            octets_sent += part.octets_sent
            octets_received += part.octets_received
        return WebSocketStatistics(
            messages_sent=sent,
            messages_received=received,
            octets_sent=octets_sent,
            octets_received=octets_received,
        )


class WebSocket:
    """An open WebSocket, client or server side. Made by `open_websocket` and `serve_http` only."""

    def __init__(
        self,
        connection: WebSocketConnection | MessageConnection | DirectConnection,
        stream: trio.abc.Stream,
        *,
        name: str,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self.id = name
        self._sent = self._received = self._octets_sent = self._octets_received = 0
        # The library's reader was cancelled, so nobody would see the peer's answer to a close.
        self._deaf = False
        # trio-websocket has a queue and a lock that only a task can wait for.
        self._prompt = None if isinstance(connection, WebSocketConnection) else connection

    @property
    def subprotocol(self) -> str | None:
        """The negotiated subprotocol."""
        return self._connection.subprotocol

    @property
    def closed(self) -> bool:
        """True once either side began to close."""
        return self._connection.closed is not None

    async def send(self, message: str | bytes) -> None:
        """Send one text or binary message; waits while the peer does not read.

        Raises:
            SocketClosed: The socket is closed or was closed meanwhile.

        A cancelled call closes the stream under the socket, for a torn frame cannot be repaired.
        """
        try:
            await self._connection.send_message(message)
        except trio_websocket.ConnectionClosed as error:
            raise self._closed(error) from None
        except BaseException:
            # Only Cancelled comes here. close_forcefully does not wait for anything.
            with trio.CancelScope() as scope:
                scope.cancel()
                await trio.aclose_forcefully(self._stream)
            raise
        self._sent += 1
        self._octets_sent += len(message)

    def send_nowait(self, message: str | bytes) -> bool:
        """Send one message if that needs no waiting.

        Returns:
            True where the whole message was taken, and goes out in its turn without the caller. False where it would
            have to wait for the peer or behind another send, or where the transport cannot do this: use `send` then.

        Raises:
            SocketClosed: The socket is closed.
        """
        if self._prompt is None:
            if self._connection.closed is not None:
                raise self._closed(trio_websocket.ConnectionClosed(None))
            return False
        try:
            accepted = self._prompt.send_nowait(message)
        except trio_websocket.ConnectionClosed as error:
            raise self._closed(error) from None
        if accepted:
            self._sent += 1
            self._octets_sent += len(message)
        return accepted

    async def receive(self) -> str | bytes:
        """The next message; messages that came before a close are delivered first.

        Raises:
            SocketClosed: The socket is closed and nothing is left to read.
        """
        try:
            message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            self._deaf = self._connection.closed is None
            raise self._closed(error) from None
        self._received += 1
        self._octets_received += len(message)
        return message

    def receive_nowait(self) -> str | bytes:
        """The next message if it has been read already: so that one wake-up serves a burst.

        Nothing is read from the network here, so a reader needs `receive` as well.

        Raises:
            trio.WouldBlock: No message is at hand.
            SocketClosed: The socket is closed and nothing is left to read.
        """
        if self._prompt is None:
            raise trio.WouldBlock
        try:
            message = self._prompt.receive_nowait()
        except trio_websocket.ConnectionClosed as error:
            raise self._closed(error) from None
        self._received += 1
        self._octets_received += len(message)
        return message

    async def ping(self) -> None:
        """Send a ping and wait for its pong.

        Raises:
            SocketClosed: The socket is closed.
        """
        try:
            await self._connection.ping()
        except trio_websocket.ConnectionClosed as error:
            raise self._closed(error) from None

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close with a handshake, at most 0.5 s, then close the stream whatever the peer does.

        May be called twice. A cancelled call closes the stream without the handshake.
        """
        await self._close(CLOSE_TIMEOUT, code, reason)

    async def finish(self) -> None:
        """Close whatever happened: the last thing its owner does, also while it is being cancelled."""
        cancelled = trio.current_effective_deadline() == -math.inf
        timeout = GOODBYE_TIMEOUT if cancelled or self._deaf else CLOSE_TIMEOUT
        with trio.move_on_after(timeout, shield=True):
            await self._close(timeout, 1001 if cancelled else 1000, "")

    async def _close(self, timeout: float, code: int, reason: str) -> None:  # noqa: ASYNC109
        try:
            with trio.move_on_after(timeout):
                await self._connection.aclose(code, reason or None)
        finally:
            await trio.aclose_forcefully(self._stream)

    def statistics(self) -> WebSocketStatistics:
        """Counters of this socket."""
        return WebSocketStatistics(
            messages_sent=self._sent,
            messages_received=self._received,
            octets_sent=self._octets_sent,
            octets_received=self._octets_received,
        )

    def _closed(self, error: trio_websocket.ConnectionClosed) -> SocketClosed:
        reason = error.reason or self._connection.closed
        if reason is None:
            return SocketClosed(1006, "")
        return SocketClosed(reason.code, reason.reason or "")


@asynccontextmanager
async def open_websocket(
    network: Network,
    url: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    timeout: float = 10.0,  # noqa: ASYNC109  (dialling covers four steps; callers think of one deadline)
    max_message: int = MAX_MESSAGE,
    queue: int = QUEUE,
    ssl_context: ssl.SSLContext | None = None,
    new_id: Callable[[], str] | None = None,
) -> AsyncGenerator[WebSocket, None]:
    """Open a client WebSocket for the time of the `async with` body, and close it after.

    Args:
        network: Where to connect.
        url: `ws://` or `wss://`, without user information.
        headers: Sent with the upgrade. Their values never appear in an error.
        subprotocols: Offered in this order.
        timeout: For name lookup, connect, TLS and upgrade together, float seconds.
        max_message: A longer incoming message closes the socket with 1009, octets.
        queue: Messages held for the reader before the stream is no longer read.
        ssl_context: For `wss`; default is `ssl.create_default_context()`.
        new_id: Makes the socket's id.

    Raises:
        DialFailed: The socket could not be opened.
        ValueError: The URL is not a WebSocket URL, or a header cannot be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError(f"not a WebSocket URL: {url[:80]!r}; expected ws://host[:port]/path or wss://...")
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    context = (ssl_context or ssl.create_default_context()) if secure else None
    target = f"{parts.hostname}:{port}"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    for name, value in headers:
        # What h11 would refuse, but by its name only: the value may be a credential.
        if value != value.strip() or not value.replace("\t", " ").isprintable():
            raise ValueError(
                f"the value of the header {name!r} begins or ends with a blank or is not printable"
            )
    request_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    try:
        async with open_plain_nursery() as nursery:
            try:
                with trio.fail_after(timeout):
                    stream = await network.connect(parts.hostname, port, ssl_context=context)
                    connection = await _shake_hands(
                        nursery,
                        stream,
                        WebSocketURI(secure, parts.hostname, port, parts.path, parts.query)
                        if websockets_of(network) is WebSockets.DIRECT
                        else None,
                        parts.netloc.rpartition("@")[2],
                        resource,
                        subprotocols=subprotocols,
                        headers=request_headers,
                        queue=queue,
                        max_message=max_message,
                    )
            except (trio.TooSlowError, trio.BrokenResourceError, OSError) as error:
                raise _dial_failed(target, timeout, error) from error
            except HandshakeBroken as error:
                raise DialFailed(
                    f"{target} answered the upgrade with something else: {error}", kind=DialFailure.PROTOCOL
                ) from None
            if connection is None:
                raise DialFailed(f"{target} closed the stream during the upgrade", kind=DialFailure.PROTOCOL)
            socket = WebSocket(connection, stream, name=new_id() if new_id else str(connection))
            try:
                yield socket
            finally:
                await socket.finish()  # noqa: ASYNC102  (shields itself, with a deadline)
                nursery.cancel_scope.cancel(reason="the user of the WebSocket is done")
    except trio_websocket.ConnectionRejected as rejection:
        # Raised by the library's reader task, so it arrives through the nursery.
        raise _rejected(target, rejection) from None


class _Watched(WrappedStream):
    """A stream that tells when it ended: the library waits for an answer to the upgrade for ever."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self.ended = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await super().receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()
            raise
        if not data:
            self.ended.set()
        return data


async def _shake_hands(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    direct: WebSocketURI | None,
    host: str,
    resource: str,
    *,
    subprotocols: Sequence[str],
    headers: list[tuple[bytes, bytes]],
    queue: int,
    max_message: int,
) -> WebSocketConnection | MessageConnection | DirectConnection | None:
    """Shake hands; None where the peer ended the stream instead of answering."""
    if direct is not None and not isinstance(stream, MessageStream):
        connection = None
        try:
            connection = await shake_hands(
                nursery,
                stream,
                direct,
                subprotocols=subprotocols,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
                queue=queue,
                max_message=max_message,
            )
        finally:
            if connection is None:
                await trio.aclose_forcefully(stream)
        return connection
    if isinstance(stream, MessageStream):
        handshake = Handshake(resource=resource, headers=tuple(headers), subprotocols=tuple(subprotocols))
        try:
            return await stream.upgrade(handshake)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
    return await _upgrade(
        nursery,
        stream,
        host,
        resource,
        subprotocols=subprotocols,
        headers=headers,
        queue=queue,
        max_message=max_message,
    )


async def _upgrade(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    host: str,
    resource: str,
    *,
    subprotocols: Sequence[str],
    headers: list[tuple[bytes, bytes]],
    queue: int,
    max_message: int,
) -> WebSocketConnection | None:
    """Shake hands; None where the peer ended the stream instead of answering."""
    watched = _Watched(stream)
    # A list, for the nursery may end without the assignment in its body.
    connections: list[WebSocketConnection] = []
    try:
        async with trio.open_nursery() as race:

            async def give_up_at_end() -> None:
                await watched.ended.wait()
                # An answer may have come with the last octets; let the library's task see it first.
                await trio.sleep(0.02)
                race.cancel_scope.cancel(reason="the stream ended during the upgrade")

            race.start_soon(give_up_at_end)
            connection = await wrap_client_stream(
                nursery,
                watched,  # type: ignore[arg-type]  # annotated too narrowly: any stream will do
                host,
                resource,
                subprotocols=list(subprotocols),
                extra_headers=headers,
                message_queue_size=queue,
                max_message_size=max_message,
                receive_buffer_size=RECEIVE_OCTETS,
            )
            connections.append(connection)
            race.cancel_scope.cancel(reason="the upgrade is done")
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    if not connections:
        await trio.aclose_forcefully(stream)
        return None
    return connections[0]


def _dial_failed(target: str, timeout: float, error: Exception) -> DialFailed:
    if isinstance(error, trio.TooSlowError):
        return DialFailed(f"{target} did not answer within {timeout:g} s", kind=DialFailure.TIMEOUT)
    tls = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(tls, ssl.SSLError):
        return DialFailed(
            f"TLS with {target} failed: {tls.reason or 'handshake error'}", kind=DialFailure.TLS
        )
    if isinstance(error, trio.BrokenResourceError):
        return DialFailed(f"{target} broke the connection", kind=DialFailure.PROTOCOL)
    # trio reports a failed connect as OSError from a group with one error per address.
    causes = _causes(error)
    if all(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return DialFailed(f"{target} refused the connection", kind=DialFailure.REFUSED)
    text = getattr(causes[0], "strerror", None) or str(causes[0])
    return DialFailed(f"{target} cannot be reached: {text}", kind=DialFailure.UNREACHABLE)


def _causes(error: Exception) -> Sequence[BaseException]:
    cause: BaseException | None = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", cause).exceptions
    return (cause or error,)


def _rejected(target: str, rejection: trio_websocket.ConnectionRejected) -> DialFailed:
    body = rejection.body or b""
    text = body[:200].decode("utf-8", "replace")
    return DialFailed(
        f"{target} rejected the upgrade with HTTP {rejection.status_code}" + (f": {text}" if text else ""),
        kind=DialFailure.REJECTED,
        status=rejection.status_code,
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in rejection.headers or ()
        },
        body=body,
    )
