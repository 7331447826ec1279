"""The server: carriers' media sockets in, calls out, health beside them."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from ._context import Context
from ._http import Bound, Request, Response, Upgrade, json_response, serve_http
from ._metrics import render_metrics
from ._spec import ChildSpec, Restart
from ._switchboard import MAX_CALLS, Refused, Route, Switchboard
from ._system import System
from ._twilio_accept import accept_twilio_stream
from ._twilio_leg import HandshakeFailed

_log = logging.getLogger("callboard.server")

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# A media message is about 400 octets; a start with long custom parameters a few thousand.
MAX_MEDIA_MESSAGE = 64 * 1024


@attrs.frozen(kw_only=True)
class ServerOptions:
    """How a server listens and what it takes."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 for any free one."""
    max_calls: int = MAX_CALLS
    media_token: str | None = attrs.field(default=None, repr=False)
    """What each media stream must carry in its custom parameter `token`. Needed on a public address."""
    drain: float = 30.0
    """How long running calls may go on after a stop was asked for, float seconds."""

    def __attrs_post_init__(self) -> None:
        if self.host not in LOOPBACK and self.media_token is None:
            raise ValueError(
                f"listening on {self.host!r} without a media token would let anybody place calls: "
                "set media_token, or bind to 127.0.0.1"
            )


class CallServer:
    """Listens for carriers and runs their calls; made by `open_server`."""

    def __init__(self, system: System, switchboard: Switchboard, options: ServerOptions) -> None:
        self.system = system
        self.switchboard = switchboard
        self.options = options
        self.bound = Bound(host=options.host, port=options.port)
        self._connections: trio.Nursery | None = None
        self._held = trio.Event()

    @property
    def media_url(self) -> str:
        """Where a Twilio media stream connects."""
        return f"ws://{self.bound.authority}/twilio/media"

    async def listen(self) -> None:
        """Start everything under the system's root: sockets, calls and the listener.

        Raises:
            OSError: The address cannot be bound.
        """
        # In this order, so that in the end nobody comes in, then calls are ended, then their sockets.
        await self.system.start(
            ChildSpec(
                name="connections",
                run=self._hold_connections,
                restart=Restart.PERMANENT,
                grace=5.0,
                mailbox=1,
                doc="one task for each carrier's socket; they outlive the listener",
            )
        )
        await self.switchboard.start()
        ref = await self.system.start(
            ChildSpec(
                name="listener",
                run=self._run,
                restart=Restart.PERMANENT,
                grace=1.0,
                mailbox=1,
                doc="accepts carriers' sockets and health checks",
            )
        )
        assert isinstance(ref.value, Bound)
        self.bound = ref.value

    async def drain(self) -> bool:
        """Take no new call, wait for the running ones, end the rest; see `Switchboard.drain`."""
        return await self.switchboard.drain(self.options.drain)

    async def _hold_connections(
        self, context: Context[object], /, *, task_status: trio.TaskStatus[trio.Nursery]
    ) -> None:
        async with trio.open_nursery() as nursery:
            self._connections = nursery
            self._held.set()
            task_status.started(nursery)
            try:
                await trio.sleep_forever()
            finally:
                # Until the next life; what comes meanwhile waits for it.
                self._held = trio.Event()

    async def _home(self) -> trio.Nursery:
        # No checkpoint between the look and the use.
        while not self._held.is_set():
            await self._held.wait()
        assert self._connections is not None
        return self._connections

    async def _run(self, context: Context[object], /, *, task_status: trio.TaskStatus[Bound]) -> None:
        del context
        await serve_http(
            self.system.network,
            self.options.host,
            # After a crash of the listener the same port again: carriers know it.
            self.bound.port,
            on_request=self._on_request,
            on_upgrade=self._on_upgrade,
            max_message=MAX_MEDIA_MESSAGE,
            max_connections=self.options.max_calls + 64,
            home=self._home,
            task_status=task_status,
        )

    async def _on_upgrade(self, upgrade: Upgrade) -> None:
        request = upgrade.request
        if request.path != "/twilio/media":
            await upgrade.reject(404, b'{"error": "no media socket here"}')
            return
        try:
            self.switchboard.admit()
        except Refused as refused:
            _log.warning("refused a call: %s", refused)
            await upgrade.reject(503, b'{"error": "busy"}')
            return
        socket = await upgrade.accept()
        try:
            leg = await accept_twilio_stream(
                socket, self.switchboard.pacer, peer=request.peer, token=self.options.media_token
            )
            await self.switchboard.run_call(leg)
        except (HandshakeFailed, Refused) as error:
            _log.warning("refused a stream from %s: %s", request.peer or "an unknown address", error)
            # 1008, policy violation (RFC 6455, section 7.4.1); the text must not help a stranger.
            await socket.aclose(1008, "refused")

    async def _on_request(self, request: Request) -> Response:
        counted = self.switchboard.statistics()
        match request.path:
            case "/healthz":
                return json_response(200, {"status": "ok", "calls": counted.active})
            case "/readyz":
                ready = not self.switchboard.draining and counted.active < self.switchboard.max_calls
                return json_response(200 if ready else 503, {"ready": ready, "calls": counted.active})
            case "/metrics":
                return Response(
                    body=render_metrics(self.switchboard).encode(), content_type="text/plain; version=0.0.4"
                )
            case _:
                return json_response(404, {"error": "not found"})


@asynccontextmanager
async def open_server(
    system: System, routes: tuple[Route, ...], options: ServerOptions | None = None
) -> AsyncGenerator[CallServer, None]:
    """Listen and take calls for the time of the body; then end the calls that still run.

    Args:
        system: Where everything lives.
        routes: Which scenario takes which destination.
        options: How to listen.

    Raises:
        OSError: The address cannot be bound.
    """
    options = options or ServerOptions()
    switchboard = Switchboard(system, routes, max_calls=options.max_calls)
    server = CallServer(system, switchboard, options)
    await server.listen()
    yield server
