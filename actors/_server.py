"""The server: carriers' media sockets in, calls out, health beside them."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from ._admission import Admission, Refusal
from ._context import Context
from ._http import Bound, Request, Response, Upgrade, json_response, serve_http
from ._loop import LoopWatch
from ._metrics import render_metrics
from ._seldom import Seldom
from ._spec import ChildSpec, Restart
from ._stall import StallWatch
from ._switchboard import MAX_CALLS, Refused, Route, Switchboard
from ._system import System
from ._twilio_accept import accept_twilio_stream
from ._twilio_leg import HandshakeFailed

_log = logging.getLogger("callboard.server")

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# A media message is about 400 octets; a start with long custom parameters a few thousand.
MAX_MEDIA_MESSAGE = 64 * 1024
# When a carrier that is refused may try again, whole seconds; and how often refusals are logged, float seconds.
RETRY_AFTER = 5
LOG_PAUSE = 1.0

MAX_LAG = 0.03
# Measured: with the loop at work for 80 % of the time, trio's own share of 5 % not included, one uplink frame in a
# hundred is 5 to 12 ms late; from 95 % on it is 80 ms and more, while tasks are still woken within 5 ms.
MAX_BUSY = 0.8
STALL_THRESHOLD = 0.05


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
    max_lag: float | None = MAX_LAG
    """A call is refused while half of all tasks are woken later than this, float seconds; None to take it anyway."""
    max_busy: float | None = MAX_BUSY
    """A call is refused while the event loop is at work for more than this share of the time, 0 to 1, the calls that
    were just taken included; None to take it anyway."""
    stall_threshold: float | None = STALL_THRESHOLD
    """A task that holds the event loop longer is named in the log, float seconds; None to watch no steps."""

    def __attrs_post_init__(self) -> None:
        if self.host not in LOOPBACK and self.media_token is None:
            raise ValueError(
                f"listening on {self.host!r} without a media token would let anybody place calls: "
                "set media_token, or bind to 127.0.0.1"
            )
        for name in ("max_lag", "max_busy", "stall_threshold"):
            limit: float | None = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"{name} is {limit!r}, expected more than 0, or None to switch it off")


class CallServer:
    """Listens for carriers and runs their calls; made by `open_server`."""

    def __init__(self, system: System, routes: tuple[Route, ...], options: ServerOptions) -> None:
        self.system = system
        self.options = options
        self.loop = LoopWatch(StallWatch(options.stall_threshold, is_actor=system.registry.__contains__))
        admission = Admission(self.loop, max_lag=options.max_lag, max_busy=options.max_busy)
        self.switchboard = Switchboard(system, routes, max_calls=options.max_calls, admission=admission)
        self.bound = Bound(host=options.host, port=options.port)
        self._connections: trio.Nursery | None = None
        self._held = trio.Event()
        self._refusals = Seldom(LOG_PAUSE)

    @property
    def media_url(self) -> str:
        """Where a Twilio media stream connects."""
        return f"ws://{self.bound.authority}/twilio/media"

    async def listen(self) -> None:
        """Start everything under the system's root: sockets, calls and the listener.

        Raises:
            OSError: The address cannot be bound.
        """
        await self.system.start(
            ChildSpec(
                name="loop",
                run=self.loop.run,
                restart=Restart.PERMANENT,
                mailbox=1,
                doc="how late and how busy the event loop is, and who held it",
            )
        )
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
            self._log_refusal("refused a call", refused)
            await upgrade.reject(503, b'{"error": "busy"}', headers=(("Retry-After", str(RETRY_AFTER)),))
            return
        socket = await upgrade.accept()
        try:
            leg = await accept_twilio_stream(
                socket, self.switchboard.pacer, peer=request.peer, token=self.options.media_token
            )
            await self.switchboard.run_call(leg)
        except (HandshakeFailed, Refused) as error:
            if isinstance(error, HandshakeFailed):
                self.switchboard.refuse(Refused(str(error), Refusal.HANDSHAKE))
            self._log_refusal(f"refused a stream from {request.peer or 'an unknown address'}", error)
            # 1008, policy violation (RFC 6455, section 7.4.1); the text must not help a stranger.
            await socket.aclose(1008, "refused")

    def _log_refusal(self, what: str, why: Exception) -> None:
        more = self._refusals.ask(trio.current_time())
        if more is not None:
            _log.warning("%s: %s%s", what, why, more)

    async def _on_request(self, request: Request) -> Response:
        match request.path:
            case "/healthz":
                return json_response(200, self._health())
            case "/readyz":
                refused = self.switchboard.unready()
                answer: dict[str, object] = {
                    "ready": refused is None,
                    "calls": self.switchboard.statistics().active,
                }
                if refused is not None:
                    answer["reason"] = refused.why.value
                return json_response(503 if refused else 200, answer)
            case "/metrics":
                return Response(
                    body=render_metrics(self.switchboard, self.loop).encode(),
                    content_type="text/plain; version=0.0.4",
                )
            case _:
                return json_response(404, {"error": "not found"})

    def _health(self) -> dict[str, object]:
        loop = self.loop.statistics()
        return {
            "status": "ok",
            "calls": self.switchboard.statistics().active,
            "lag_ms": {
                "p50": round(loop.lag_p50 * 1000, 1),
                "p99": round(loop.lag_p99 * 1000, 1),
                "max": round(loop.lag_max * 1000, 1),
            },
            "idle": round(loop.idle, 3),
            "stalls": self.loop.stalls.count,
        }


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
    server = CallServer(system, routes, options or ServerOptions())
    await server.listen()
    yield server
