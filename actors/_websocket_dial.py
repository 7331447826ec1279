"""What a client dials, and its opening handshake by whatever speaks WebSocket on the network."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import attrs
import trio
from trio_websocket import WebSocketConnection
from websockets.uri import WebSocketURI

from . import _direct_handshake, _websocket_library
from ._direct_connection import DirectConnection
from ._message_stream import Handshake, MessageConnection, MessageStream
from ._network import WebSockets

TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")  # RFC 9110, section 5.6.2
LAST = "\xff"


@attrs.frozen(kw_only=True)
class Target:
    """The other end of a WebSocket, and what is asked of it."""

    secure: bool
    host: str
    port: int
    authority: str
    """Host and port as they stand in the URL."""
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    subprotocols: tuple[str, ...]

    @property
    def name(self) -> str:
        """As it stands in errors."""
        return f"{self.host}:{self.port}"

    @property
    def resource(self) -> str:
        """As it stands in the request."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")

    @property
    def octet_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as they travel."""
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]


def target_of(url: str, headers: Sequence[tuple[str, str]], subprotocols: Sequence[str]) -> Target:
    """Take a URL apart.

    Raises:
        ValueError: It is not a WebSocket URL, or a header cannot be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError(f"not a WebSocket URL: {url[:80]!r}; expected ws://host[:port]/path or wss://...")
    for name, value in headers:
        if not TOKEN.fullmatch(name):
            raise ValueError(f"not a name of a header: {name[:80]!r}")
        # Without the value: it may be a credential.
        if (
            value != value.strip()
            or not value.replace("\t", " ").isprintable()
            or max(value, default="") > LAST
        ):
            raise ValueError(
                f"the value of the header {name!r} begins or ends with a blank or is not printable Latin-1"
            )
    secure = parts.scheme == "wss"
    return Target(
        secure=secure,
        host=parts.hostname,
        port=parts.port or (443 if secure else 80),
        authority=parts.netloc.rpartition("@")[2],
        path=parts.path,
        query=parts.query,
        headers=tuple(headers),
        subprotocols=tuple(subprotocols),
    )


async def shake_hands(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    target: Target,
    websockets: WebSockets,
    *,
    queue: int,
    max_message: int,
) -> WebSocketConnection | MessageConnection | DirectConnection | None:
    """Shake hands; None where the peer ended the stream instead of answering. The stream is closed on failure.

    Raises:
        ConnectionRejected: The server refused; trio-websocket raises it in a task of its own.
        HandshakeBroken: It answered with something that is no answer.
        trio.BrokenResourceError: It went away.
    """
    connection: WebSocketConnection | MessageConnection | DirectConnection | None = None
    try:
        if isinstance(stream, MessageStream):
            connection = await stream.upgrade(
                Handshake(
                    resource=target.resource,
                    headers=tuple(target.octet_headers),
                    subprotocols=target.subprotocols,
                )
            )
        elif websockets is WebSockets.DIRECT:
            connection = await _direct_handshake.shake_hands(
                nursery,
                stream,
                WebSocketURI(target.secure, target.host, target.port, target.path, target.query),
                subprotocols=target.subprotocols,
                headers=target.headers,
                queue=queue,
                max_message=max_message,
            )
        else:
            connection = await _websocket_library.upgrade(
                nursery,
                stream,
                target.authority,
                target.resource,
                subprotocols=target.subprotocols,
                headers=target.octet_headers,
                queue=queue,
                max_message=max_message,
            )
    finally:
        if connection is None:
            await trio.aclose_forcefully(stream)
    return connection
