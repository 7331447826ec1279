"""Plain HTTP/1.1 on a stream: the request that comes first, and an answer (RFC 9112), with h11."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11
import trio

from ._direct_stream import DirectStream
from ._direct_tls import DirectTlsStream
from ._network import WrappedStream

MAX_HEAD = 16 * 1024
RECEIVE_OCTETS = 65536

JSON_TYPE = "application/json"


@attrs.frozen(kw_only=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    """The last value of each query parameter."""
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    """Names in lower case. Not in the repr: credentials travel here."""
    body: bytes = attrs.field(default=b"", repr=False)
    peer: str = ""
    """The address of the other side, without its port."""

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)


@attrs.frozen(kw_only=True)
class Response:
    """What to answer to a plain request."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


def json_response(status: int, value: object) -> Response:
    """A response with a JSON body."""
    return Response(status=status, body=json.dumps(value).encode())


@attrs.frozen
class Head:
    """A request that came, and for an upgrade all octets read so far."""

    request: Request
    octets: bytes
    upgrade: bool


async def read_request(stream: trio.abc.Stream, max_body: int) -> Head | Response | None:
    """The first request on a stream, or how to answer what is none; None where the peer went away."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    octets = bytearray()
    head: h11.Request | None = None
    body = bytearray()
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return Response(
                status=error.error_status_hint, body=b"malformed HTTP request\n", content_type="text/plain"
            )
        if event is h11.NEED_DATA:
            if parser.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(parser.send(go_on) or b"")
            data = await stream.receive_some(RECEIVE_OCTETS)
            if head is None:
                octets += data
                if len(octets) > MAX_HEAD and b"\r\n\r\n" not in octets[:MAX_HEAD]:
                    # h11 limits a head only while it is incomplete.
                    return Response(status=431, body=b"request head too large\n", content_type="text/plain")
            parser.receive_data(bytes(data))
        elif isinstance(event, h11.Request):
            head = event
            if _wants_websocket(event):
                return Head(_request_of(event, b"", stream), bytes(octets), upgrade=True)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > max_body:
                return Response(status=413, body=b"request body too large\n", content_type="text/plain")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Head(_request_of(head, bytes(body), stream), b"", upgrade=False)
        else:
            return None


def _wants_websocket(event: h11.Request) -> bool:
    return event.method == b"GET" and any(
        name == b"upgrade" and value.lower() == b"websocket" for name, value in event.headers
    )


def request_from(
    resource: str,
    method: str,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    stream: trio.abc.Stream,
) -> Request:
    """A request from its parts."""
    target = urlsplit(resource)
    return Request(
        method=method,
        path=target.path or "/",
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers),
        body=body,
        peer=_peer(stream),
    )


def _request_of(event: h11.Request, body: bytes, stream: trio.abc.Stream) -> Request:
    return request_from(
        event.target.decode("latin-1"), event.method.decode("ascii"), event.headers, body, stream
    )


def _peer(stream: trio.abc.Stream) -> str:
    inner: object = stream
    while isinstance(inner, trio.SSLStream):
        inner = cast("trio.SSLStream[trio.SocketStream]", inner).transport_stream
    if isinstance(inner, DirectTlsStream):
        inner = inner.transport
    if isinstance(inner, (trio.SocketStream, DirectStream)):
        try:
            return str(inner.socket.getpeername()[0])
        except OSError:
            return ""
    return ""


async def answer(stream: trio.abc.Stream, response: Response, *, head_only: bool = False) -> None:
    """Answer, and end the stream."""
    writer = h11.Connection(h11.SERVER)
    headers: Sequence[tuple[str, str]] = (
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("Connection", "close"),
        *response.headers,
    )
    # A writer of its own: after a malformed request the reading parser refuses to send.
    octets = writer.send(h11.Response(status_code=response.status, headers=list(headers))) or b""
    if not head_only:
        octets += response.body
    await stream.send_all(octets)
    if isinstance(stream, trio.abc.HalfCloseableStream):
        await stream.send_eof()


class Replay(WrappedStream):
    """A stream that first gives back octets that were already read from it."""

    def __init__(self, stream: trio.abc.Stream, octets: bytes) -> None:
        super().__init__(stream)
        self._octets = octets

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._octets:
            await trio.lowlevel.checkpoint()
            take = len(self._octets) if max_bytes is None else max_bytes
            octets, self._octets = self._octets[:take], self._octets[take:]
            return octets
        return await super().receive_some(max_bytes)
