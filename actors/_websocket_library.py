"""The client's handshake of trio-websocket, which waits for an answer even where the stream has ended."""

import logging
from collections.abc import Sequence

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from ._network import WrappedStream

RECEIVE_OCTETS = 65536

# At DEBUG the library logs close reasons as they came, and a peer may put our key into one.
logging.getLogger("trio-websocket").setLevel(logging.INFO)


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


async def upgrade(
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
    return connections[0] if connections else None
