"""The opening handshake of our own WebSocket connections, both sides, with the protocol of the `websockets` library.

The library sees the octets of the handshake and no more: what came behind them in the same read belongs to frames.
"""

import logging
from collections.abc import Sequence

import trio
from trio_websocket import ConnectionRejected
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidMessage
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from ._direct_connection import DirectConnection
from ._direct_framing import Framing
from ._direct_stream import RECEIVE_OCTETS, DirectStream, StreamWire, Wire
from ._direct_tls import DirectTlsStream

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD = 65536

# At DEBUG the library logs headers and frames, and credentials are in them.
_log = logging.getLogger("callboard.websockets")
_log.setLevel(logging.WARNING)


class HandshakeBroken(Exception):
    """The peer's answer to the upgrade is not one. The text has nothing of what it sent."""


def _wire(stream: trio.abc.Stream) -> Wire:
    return stream if isinstance(stream, DirectStream | DirectTlsStream) else StreamWire(stream)


def _opened(protocol: Protocol, max_message: int) -> Protocol:
    """The protocol of an open connection, without what the handshake leaves in the one it was made with."""
    return Protocol(protocol.side, state=State.OPEN, max_size=max_message, logger=_log)


def _undecided(protocol: ClientProtocol) -> bool:
    return protocol.state is State.CONNECTING and protocol.handshake_exc is None


async def shake_hands(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    uri: WebSocketURI,
    *,
    subprotocols: Sequence[str],
    headers: Sequence[tuple[str, str]],
    queue: int,
    max_message: int,
) -> DirectConnection | None:
    """The client's part; None where the peer ended the stream instead of answering.

    Raises:
        ConnectionRejected: It answered with another status than 101.
        HandshakeBroken: It answered with something else.
    """
    protocol = ClientProtocol(
        uri,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        max_size=max_message,
        logger=_log,
    )
    request = protocol.connect()
    for name, value in headers:
        request.headers[name] = value
    protocol.send_request(request)
    await stream.send_all(b"".join(protocol.data_to_send()))
    head = bytearray()
    behind = b""
    while _undecided(protocol):
        data = await stream.receive_some(RECEIVE_OCTETS)
        if not data:
            protocol.receive_eof()
            break
        if head.endswith(END_OF_HEAD):
            protocol.receive_data(data)  # the body of a refusal
            continue
        head += data
        end = head.find(END_OF_HEAD)
        if end < 0:
            if len(head) > MAX_HEAD:
                raise HandshakeBroken("a head without an end")
            continue
        behind = bytes(head[end + len(END_OF_HEAD) :])
        del head[end + len(END_OF_HEAD) :]
        protocol.receive_data(bytes(head))
        if behind and _undecided(protocol):
            protocol.receive_data(behind)
    for event in protocol.events_received():
        if isinstance(event, Response) and event.status_code != 101:
            fields = tuple(
                (name.encode(), value.encode("latin-1")) for name, value in event.headers.raw_items()
            )
            raise ConnectionRejected(event.status_code, fields, bytes(event.body))
    if protocol.state is State.OPEN:
        framing = Framing(_opened(protocol, max_message), max_message)
        framing.feed(behind)
        return DirectConnection(
            _wire(stream), framing, nursery, subprotocol=protocol.subprotocol, queue=queue, kind="client"
        )
    error = protocol.handshake_exc
    if error is None or (isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError)):
        return None
    raise HandshakeBroken(type(error).__name__)


class DirectProposal:
    """A handshake that waits for a verdict, in the place of trio-websocket's.

    Args:
        nursery: Where the connection lives.
        stream: The stream.
        octets: What was read from it: a whole head, and maybe more.
        queue: See `DirectConnection`.
        max_message: See `Framing`.
    """

    def __init__(
        self, nursery: trio.Nursery, stream: trio.abc.Stream, octets: bytes, *, queue: int, max_message: int
    ) -> None:
        self._nursery = nursery
        self._stream = stream
        self._queue = queue
        self._max_message = max_message
        self.proposed_subprotocols: tuple[str, ...] = ()
        end = octets.find(END_OF_HEAD) + len(END_OF_HEAD)
        self._behind = octets[end:]

        def note(_protocol: ServerProtocol, names: Sequence[Subprotocol]) -> None:
            # The choice is made later, in `accept`.
            self.proposed_subprotocols = tuple(names)

        self._protocol = ServerProtocol(select_subprotocol=note, max_size=max_message, logger=_log)
        self._protocol.receive_data(octets[:end])
        requests = [event for event in self._protocol.events_received() if isinstance(event, Request)]
        self._response: Response | None = self._protocol.accept(requests[0]) if requests else None

    @property
    def flaw(self) -> tuple[int, str] | None:
        """The status and the text to refuse it with, where it is not a handshake."""
        if self._response is None:
            return 400, "malformed WebSocket handshake\n"
        if self._response.status_code != 101:
            return self._response.status_code, bytes(self._response.body).decode()
        return None

    async def accept(self, *, subprotocol: str | None = None) -> DirectConnection:
        """Complete the handshake."""
        protocol, response = self._protocol, self._response
        assert response is not None
        # Whoever waits for the end of the connection holds us.
        del self._protocol
        self._response = None
        if subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        protocol.send_response(response)
        await self._stream.send_all(b"".join(protocol.data_to_send()))
        framing = Framing(_opened(protocol, self._max_message), self._max_message)
        framing.feed(self._behind)
        return DirectConnection(
            _wire(self._stream),
            framing,
            self._nursery,
            subprotocol=subprotocol,
            queue=self._queue,
            kind="server",
        )

    async def reject(
        self, status: int, *, extra_headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> None:
        """Refuse it."""
        response = self._protocol.reject(status, "")
        for name in ("Content-Type", "Content-Length"):
            del response.headers[name]
        response.headers["Content-Length"] = str(len(body))
        for field, value in extra_headers:
            response.headers[field.decode("latin-1")] = value.decode("latin-1")
        response.body = body
        self._protocol.send_response(response)
        await self._stream.send_all(b"".join(self._protocol.data_to_send()))
