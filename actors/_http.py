"""One listener for plain HTTP and WebSocket upgrades.

A plain request is answered and the connection closed: health checks,
metrics and webhooks are rare beside media. An upgrade hands the octets read so far to the WebSocket layer,
which sees the stream from its beginning.
"""

import errno
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

import attrs
import trio
from trio_websocket import WebSocketRequest, wrap_server_stream

from ._direct_handshake import DirectProposal
from ._http_messages import (
    JSON_TYPE,
    Head,
    Replay,
    Request as Request,
    Response as Response,
    answer,
    json_response as json_response,
    read_request,
    request_from,
)
from ._message_stream import Handshake, MessageProposal, MessageStream
from ._network import Network, WebSockets, bound_port, websockets_of
from ._nursery import open_plain_nursery
from ._websocket import MAX_MESSAGE, QUEUE, WebSocket
from ._websocket_library import RECEIVE_OCTETS

MAX_BODY = 64 * 1024
HANDSHAKE_TIMEOUT = 5.0
MAX_CONNECTIONS = 2000

# Out of file handles or memory: the connection stays in the queue, and others may end meanwhile.
ACCEPT_LATER = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
ACCEPT_PAUSE = 0.1

_log = logging.getLogger("callboard.http")


@attrs.frozen(kw_only=True)
class Bound:
    """Where a server listens."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port` as it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Upgrade:
    """A WebSocket handshake that waits for a verdict; use `accept` or `reject` once."""

    def __init__(
        self,
        request: Request,
        proposal: WebSocketRequest | MessageProposal | DirectProposal,
        stream: trio.abc.Stream,
    ) -> None:
        self.request = request
        self.subprotocols: tuple[str, ...] = tuple(proposal.proposed_subprotocols)
        self._proposal = proposal
        self._stream = stream
        self.socket: WebSocket | None = None

    async def accept(self, subprotocol: str | None = None) -> WebSocket:
        """Complete the handshake.

        Args:
            subprotocol: One of `subprotocols`, or None.
        """
        connection = await self._proposal.accept(subprotocol=subprotocol)
        self.socket = WebSocket(connection, self._stream, name=str(connection))
        return self.socket

    async def reject(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = JSON_TYPE,
        *,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Refuse the handshake with an HTTP status."""
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if body:
            fields.append((b"Content-Type", content_type.encode()))
        await self._proposal.reject(status, extra_headers=fields, body=body)


OnRequest = Callable[[Request], Awaitable[Response]]
OnUpgrade = Callable[[Upgrade], Awaitable[None]]


async def serve_http(
    network: Network,
    host: str,
    port: int,
    *,
    on_request: OnRequest,
    on_upgrade: OnUpgrade,
    max_body: int = MAX_BODY,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
    max_message: int = MAX_MESSAGE,
    queue: int = QUEUE,
    max_connections: int = MAX_CONNECTIONS,
    ssl_context: ssl.SSLContext | None = None,
    home: Callable[[], Awaitable[trio.Nursery]] | None = None,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Listen and serve until cancelled.

    Args:
        network: Where to listen.
        host: The address to bind.
        port: The port, 0 for any.
        on_request: Answers a plain request.
        on_upgrade: Runs for the life of one WebSocket, which is closed when it returns. An exception from
            either is logged and ends that connection only.
        max_body: Longer request bodies are answered with 413, octets.
        handshake_timeout: A peer that has not sent its request by then is cut off, float seconds.
        max_message: A longer WebSocket message closes that socket with 1009, octets.
        queue: WebSocket messages held for a reader.
        max_connections: Connections beyond this number are closed at once.
        ssl_context: TLS for the listener.
        home: Says where a connection lives, so that it outlives the listener; here if None. A connection that came
            waits for it.
        task_status: Gets `Bound` once connections are accepted.

    Raises:
        OSError: The address cannot be bound.

    A cancelled call closes the listener, and every connection that lives in its own nursery.
    """
    listeners = await network.listen(host, port, ssl_context=ssl_context)
    limiter = trio.CapacityLimiter(max_connections)

    async def handle(stream: trio.abc.Stream) -> None:
        try:
            try:
                limiter.acquire_nowait()
            except trio.WouldBlock:
                return
            try:
                await _handle(stream)
            finally:
                limiter.release()
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            _log.debug("a peer went away before it was answered")
        except Exception:  # noqa: BLE001  (the boundary of one connection: the others must not notice)
            _log.exception("the handler of a connection failed")
        finally:
            await trio.aclose_forcefully(stream)

    async def _handle(stream: trio.abc.Stream) -> None:
        if isinstance(stream, MessageStream):
            await _serve_messages(stream)
            return
        head: Head | Response | None = None
        with trio.move_on_after(handshake_timeout):
            head = await read_request(stream, max_body)
        if head is None:
            return
        if isinstance(head, Response):
            await answer(stream, head)
        elif head.upgrade:
            if websockets_of(network) is WebSockets.DIRECT:
                await _upgrade_directly(stream, head)
            else:
                await _upgrade(Replay(stream, head.octets), head.request)
        else:
            await answer(stream, await on_request(head.request), head_only=head.request.method == "HEAD")

    async def _serve_messages(stream: MessageStream) -> None:
        handshake: Handshake | None = None
        with trio.move_on_after(handshake_timeout):
            handshake = await stream.next_handshake()
        if handshake is not None:
            request = request_from(handshake.resource, "GET", handshake.headers, b"", stream)
            await _run(Upgrade(request, MessageProposal(stream, handshake), stream))

    async def _run(upgrade: Upgrade) -> None:
        try:
            await on_upgrade(upgrade)
        finally:
            if upgrade.socket is not None:
                await upgrade.socket.finish()  # noqa: ASYNC102  (shields itself)

    async def _upgrade(stream: trio.abc.Stream, request: Request) -> None:
        async with open_plain_nursery() as nursery:
            proposal: WebSocketRequest | None = None
            with trio.move_on_after(handshake_timeout):
                proposal = await wrap_server_stream(
                    nursery,
                    stream,
                    message_queue_size=queue,
                    max_message_size=max_message,
                    receive_buffer_size=RECEIVE_OCTETS,
                )
            if proposal is not None:
                await _run(Upgrade(request, proposal, stream))
            nursery.cancel_scope.cancel(reason="the WebSocket's handler returned")

    async def _upgrade_directly(stream: trio.abc.Stream, head: Head) -> None:
        async with open_plain_nursery() as nursery:
            proposal = DirectProposal(nursery, stream, head.octets, queue=queue, max_message=max_message)
            if proposal.flaw is None:
                await _run(Upgrade(head.request, proposal, stream))
            else:
                status, text = proposal.flaw
                await answer(stream, Response(status=status, body=text.encode(), content_type="text/plain"))
            nursery.cancel_scope.cancel(reason="the WebSocket's handler returned")

    async def accept(listener: trio.abc.Listener[trio.abc.Stream]) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in ACCEPT_LATER:
                        raise
                    _log.error("a connection cannot be accepted now: %s", error)
                    await trio.sleep(ACCEPT_PAUSE)
                    continue
                try:
                    where = nursery if home is None else await home()
                except BaseException:
                    await trio.aclose_forcefully(stream)
                    raise
                where.start_soon(handle, stream)

    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(accept, listener)
        # They accept already as far as a client can tell: the operating system, or the network, queues it.
        task_status.started(Bound(host=host, port=bound_port(listeners[0])))
    raise AssertionError("the listeners ended")
