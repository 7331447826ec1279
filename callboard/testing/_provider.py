"""A provider whose every message a test chooses, for either wire: JSON in text messages, audio in either kind."""

import functools
import json
from collections.abc import Mapping
from typing import cast

import attrs
import trio

from callboard.actors import Bound, Network
from callboard.actors._http import Request, Response, Upgrade, serve_http
from callboard.actors._websocket import WebSocket

Message = Mapping[str, object] | str | bytes
"""What goes over the wire: an object, sent as JSON; a text as it is; octets."""


@attrs.define(eq=False)
class ScriptedSession:
    """The provider's side of one connection."""

    socket: WebSocket
    request: Request
    """The handshake."""
    number: int
    """1 for the provider's first connection."""
    received: list[dict[str, object]] = attrs.field(factory=list[dict[str, object]])
    """All JSON messages so far."""
    audio: bytearray = attrs.field(factory=bytearray)
    """All binary messages so far."""
    done: trio.Event = attrs.field(factory=trio.Event)

    async def send(self, message: Message) -> None:
        """Send a message."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await self.socket.send(text)

    async def receive(self) -> dict[str, object] | bytes:
        """The next message of the client.

        Raises:
            SocketClosed: There will be none.
        """
        raw = await self.socket.receive()
        if isinstance(raw, bytes):
            self.audio += raw
            return raw
        message = cast("dict[str, object]", json.loads(raw))
        self.received.append(message)
        return message

    async def next(self, kind: str, *, within: float = 30.0) -> dict[str, object]:
        """The next message of a type, whatever comes before it.

        Raises:
            trio.TooSlowError: It does not come in time.
        """
        with trio.fail_after(within):
            while True:
                message = await self.receive()
                if isinstance(message, dict) and message.get("type") == kind:
                    return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection with a code."""
        await self.socket.aclose(code, reason)
        self.done.set()

    async def cut(self) -> None:
        """Break the stream without a closing handshake; the client sees 1006."""
        await trio.aclose_forcefully(self.socket._stream)
        self.done.set()


class ScriptedProvider:
    """Listens, and hands each connection to the test.

    Args:
        network: Where to listen.
        port: The port, 0 for any.
    """

    def __init__(self, network: Network, port: int = 0) -> None:
        self._network = network
        self._port = port
        self.url = ""
        """`ws://host:port`, once it listens: the `base_url` of a client."""
        self.refusals: list[tuple[int, bytes]] = []
        """Status and body for the next handshakes, before any is accepted."""
        self.n_accepted = 0
        self.n_refused = 0
        self._offer, self._taken = trio.open_memory_channel[ScriptedSession](16)

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled.

        Args:
            task_status: Gets the URL.
        """
        async with trio.open_nursery() as nursery:
            serve = functools.partial(
                serve_http,
                self._network,
                "127.0.0.1",
                self._port,
                on_request=_no_page,
                on_upgrade=self._enter,
                max_message=64 * 2**20,
            )
            bound: Bound = await nursery.start(serve)
            self.url = f"ws://{bound.authority}"
            task_status.started(self.url)

    async def _enter(self, upgrade: Upgrade) -> None:
        if self.refusals:
            self.n_refused += 1
            await upgrade.reject(*self.refusals.pop(0))
            return
        self.n_accepted += 1
        session = ScriptedSession(await upgrade.accept(), upgrade.request, self.n_accepted)
        await self._offer.send(session)
        await session.done.wait()

    async def session(self, *, within: float = 60.0) -> ScriptedSession:
        """The next connection.

        Raises:
            trio.TooSlowError: It does not come in time.
        """
        with trio.fail_after(within):
            return await self._taken.receive()


async def _no_page(request: Request) -> Response:
    del request
    return Response(status=404)
