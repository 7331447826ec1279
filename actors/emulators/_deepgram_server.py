"""The emulated Deepgram Voice Agent service: its paths, its limits, its connections."""

import functools
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import attrs
import trio

from callboard.actors._http import Bound, Request, Response, Upgrade, json_response, serve_http
from callboard.actors._network import Network
from callboard.actors._nursery import open_plain_nursery
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Brain, RuleBrain
from callboard.media.speech import SpeechEngines, load_speech
from callboard.protocols import deepgram
from callboard.protocols.deepgram import ErrorCode

from ._deepgram_connection import DeepgramConnection
from ._deepgram_door import Door, models
from ._deepgram_options import DeepgramEmulatorOptions
from ._deepgram_outlet import CLOSE_TIMEOUT
from ._deepgram_record import DeepgramSessionRecord
from ._faults import abort
from ._ids import make_ids
from ._speech import Speech

# Speech models use all cores they get; more threads than this only fight over them.
SPEECH_THREADS = 2
# Messages held for a reader that is not scheduled; beyond this the client's socket is no longer read.
QUEUE = 64
# Connections whose record is kept.
MAX_RECORDS = 256


@attrs.frozen(kw_only=True)
class DeepgramEmulatorStatistics:
    """Counters since the emulator was made."""

    open: int
    """Sessions open now."""
    accepted: int
    refused: int
    """Handshakes refused, for whatever reason."""


class DeepgramEmulator:
    """A stand-in for the Deepgram Voice Agent service that a client cannot tell apart from it.

    Args:
        options: How it behaves.
        engines: Speech; None loads the best that is installed.
        brain_factory: Makes the brain of each connection; None is the built-in `RuleBrain`.
    """

    def __init__(
        self,
        options: DeepgramEmulatorOptions | None = None,
        *,
        engines: SpeechEngines | None = None,
        brain_factory: Callable[[], Brain] | None = None,
    ) -> None:
        self.options = options or DeepgramEmulatorOptions()
        self._engines = engines or load_speech("auto")
        self._brain_factory = brain_factory or RuleBrain
        self._ids = make_ids(self.options.seed)
        self._door = Door(self.options, self._ids.fork())
        self._limiter = trio.CapacityLimiter(SPEECH_THREADS)
        self._sockets: dict[int, WebSocket] = {}
        self._live: dict[int, DeepgramConnection] = {}
        self._records: deque[DeepgramSessionRecord] = deque(maxlen=MAX_RECORDS)
        self._to_refuse: list[int] = []
        self._n_entered = 0
        self._n_accepted = 0
        self._n_refused = 0

    async def run(
        self,
        network: Network,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
    ) -> NoReturn:
        """Listen and serve until cancelled.

        Args:
            network: Where to listen.
            host: The address to bind.
            port: The port, 0 for any.
            task_status: Gets `Bound` once connections are accepted.

        Raises:
            OSError: The address cannot be bound.

        A cancelled call closes the listener and every connection.
        """
        serve = functools.partial(
            serve_http,
            network,
            host,
            port,
            on_request=self._answer,
            on_upgrade=self._enter,
            max_message=self.options.max_message,
            queue=QUEUE,
        )
        async with open_plain_nursery() as nursery:
            bound: Bound = await nursery.start(serve)
            task_status.started(bound)
        raise AssertionError("serve_http returned")

    def statistics(self) -> DeepgramEmulatorStatistics:
        """Counters."""
        return DeepgramEmulatorStatistics(
            open=self._n_entered, accepted=self._n_accepted, refused=self._n_refused
        )

    @property
    def sessions(self) -> tuple[DeepgramSessionRecord, ...]:
        """What each connection had, the oldest first; of very many the newest."""
        return tuple(self._records)

    async def drop_connections(self) -> int:
        """Cut every open connection without a closing handshake; the clients see 1006.

        Returns:
            How many there were.
        """
        sockets = list(self._sockets.values())
        for socket in sockets:
            await abort(socket)
        return len(sockets)

    async def go_away(self) -> int:
        """End every session as maintenance does: with the error `SERVER_GOING_AWAY`.

        Returns:
            How many there were.
        """
        connections = list(self._live.values())
        error = deepgram.ErrorMessage(
            description="The server is going away; please connect again", code=ErrorCode.SERVER_GOING_AWAY
        )
        for connection in connections:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await connection.outlet.end(error)
        return len(connections)

    def refuse_next(self, count: int, status: int = 503) -> None:
        """Refuse the next `count` handshakes with an HTTP status, whatever their credentials."""
        self._to_refuse = [status] * count

    # --- plain HTTP

    async def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case (("GET" | "HEAD"), "/healthz"):
                return json_response(200, {"status": "ok", "sessions": self._n_entered})
            case "POST", deepgram.GRANT_PATH:
                return self._door.grant(request)
            case (("GET" | "HEAD"), deepgram.MODELS_PATH):
                return models()
            case _, deepgram.PATH:
                return self._door.refusal(426, "Upgrade Required", "Expected a WebSocket upgrade")
            case _, (deepgram.GRANT_PATH | deepgram.MODELS_PATH | "/healthz"):
                return self._door.refusal(
                    405, "Method Not Allowed", f"{request.method[:16]} is not allowed here"
                )
            case _:
                return self._door.refusal(404, "Not Found", f"No such path: {request.path[:80]}")

    # --- sessions

    async def _enter(self, upgrade: Upgrade) -> None:
        request = upgrade.request
        if request.path != deepgram.PATH:
            refused = self._door.refusal(404, "Not Found", f"No such path: {request.path[:80]}")
            await self._refuse(upgrade, refused)
            return
        if self._to_refuse:
            status = self._to_refuse.pop()
            await self._refuse(
                upgrade, self._door.refusal(status, "Unavailable", "The service is not available")
            )
            return
        entry = self._door.admit(request, upgrade.subprotocols)
        if isinstance(entry, Response):
            await self._refuse(upgrade, entry)
            return
        limit = self.options.concurrency
        if limit is not None and self._n_entered >= limit:
            await self._refuse(
                upgrade, self._door.refusal(429, "Too Many Requests", "Too many concurrent sessions")
            )
            return
        self._n_entered += 1
        try:
            await self._serve(await upgrade.accept(entry.subprotocol))
        finally:
            self._n_entered -= 1

    async def _refuse(self, upgrade: Upgrade, response: Response) -> None:
        self._n_refused += 1
        await upgrade.reject(response.status, response.body, response.content_type)

    async def _serve(self, socket: WebSocket) -> None:
        self._n_accepted += 1
        number = self._n_accepted
        # Per connection, so that what happens on one does not change the ids of another.
        ids = self._ids.fork()
        record = DeepgramSessionRecord(number=number, request_id=ids.new(), opened_at=trio.current_time())
        self._records.append(record)
        connection = DeepgramConnection(
            socket, self.options, ids, Speech(self._engines, self._limiter), self._brain_factory, record
        )
        self._sockets[number] = socket
        self._live[number] = connection
        try:
            await connection.run()
        finally:
            del self._sockets[number]
            del self._live[number]
            record.closed = True
