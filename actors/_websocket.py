"""WebSockets as callboard uses them: one small interface over trio-websocket.

What is added to the library: dialling with one typed error and a verdict whether a retry can help,
a deadline for the closing handshake, messages and octets counted, and no exception groups or
library exceptions for callers.

A cancelled `send` may have written half a frame. So the stream is closed then, and only a task that
lives and dies with the socket may send: others hand their messages to that task's mailbox.
"""

import math
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto.frame_protocol import CloseReason

from ._direct_connection import DirectConnection
from ._direct_handshake import HandshakeBroken
from ._message_stream import MessageConnection
from ._network import Network, websockets_of
from ._nursery import open_plain_nursery
from ._websocket_dial import shake_hands, target_of
from ._websocket_errors import (
    DialFailed as DialFailed,
    DialFailure as DialFailure,
    SocketClosed as SocketClosed,
    dial_failed,
    rejected,
)

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
NO_STATUS = CloseReason.NO_STATUS_RCVD


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
        except ConnectionClosed as error:
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
                raise self._closed(ConnectionClosed(None))
            return False
        try:
            accepted = self._prompt.send_nowait(message)
        except ConnectionClosed as error:
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
        except ConnectionClosed as error:
            self._deaf = self._connection.closed is None
            raise self._closed(error) from None
        self._received += 1
        self._octets_received += len(message)
        return message

    async def receive_batch(self) -> Sequence[str | bytes]:
        """The next message, and with it those that were read already: one wake-up serves a burst.

        Returns:
            At least one message, oldest first.

        Raises:
            SocketClosed: The socket is closed and nothing is left to read.
        """
        if self._prompt is None:
            return (await self.receive(),)
        try:
            messages = await self._prompt.get_messages()
        except ConnectionClosed as error:
            self._deaf = self._connection.closed is None
            raise self._closed(error) from None
        self._received += len(messages)
        for message in messages:
            self._octets_received += len(message)
        return messages

    async def ping(self) -> None:
        """Send a ping and wait for its pong.

        Raises:
            SocketClosed: The socket is closed.
        """
        try:
            await self._connection.ping()
        except ConnectionClosed as error:
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
            # wsproto knows the code that stands for none by its identity.
            sent = NO_STATUS if code == NO_STATUS else code
            with trio.move_on_after(timeout):
                await self._connection.aclose(sent, reason or None)
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

    def _closed(self, error: ConnectionClosed) -> SocketClosed:
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
    target = target_of(url, headers, subprotocols)
    context = (ssl_context or ssl.create_default_context()) if target.secure else None
    try:
        async with open_plain_nursery() as nursery:
            try:
                with trio.fail_after(timeout):
                    stream = await network.connect(target.host, target.port, ssl_context=context)
                    connection = await shake_hands(
                        nursery,
                        stream,
                        target,
                        websockets_of(network),
                        queue=queue,
                        max_message=max_message,
                    )
            except (trio.TooSlowError, trio.BrokenResourceError, OSError) as error:
                raise dial_failed(target.name, timeout, error) from error
            except HandshakeBroken as error:
                raise DialFailed(
                    f"{target.name} answered the upgrade with something else: {error}",
                    kind=DialFailure.PROTOCOL,
                ) from None
            if connection is None:
                raise DialFailed(
                    f"{target.name} closed the stream during the upgrade", kind=DialFailure.PROTOCOL
                )
            socket = WebSocket(connection, stream, name=new_id() if new_id else str(connection))
            try:
                yield socket
            finally:
                await socket.finish()  # noqa: ASYNC102  (shields itself, with a deadline)
                nursery.cancel_scope.cancel(reason="the user of the WebSocket is done")
    except ConnectionRejected as rejection:
        # Raised by the library's reader task, so it arrives through the nursery.
        raise rejected(target.name, rejection) from None
