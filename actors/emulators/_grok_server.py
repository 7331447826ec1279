"""The emulated Grok Voice service: its paths, its limits, its connections."""

import functools
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

from ._faults import abort
from ._grok_connection import GrokConnection
from ._grok_conversation import Conversation, Item
from ._grok_dialect import DialectConnection, DialectOutlet
from ._grok_door import Door, refusal
from ._grok_frames import Frames
from ._grok_options import GrokEmulatorOptions
from ._grok_outlet import Outlet
from ._grok_parts import Parts
from ._grok_session import VOICES, Session
from ._grok_usage import Meter
from ._grok_vault import Vault
from ._ids import make_ids
from ._speech import Speech

REALTIME_PATH = "/v1/realtime"
# Where clients of the dialect connect; the two are never mixed on one path.
DIALECT_PATH = "/v1/voice/agent"

# Speech models use all cores they get; more threads than this only fight over them.
SPEECH_THREADS = 2
# Messages held for a reader that is not scheduled; beyond this the client's socket is no longer read.
QUEUE = 64


@attrs.frozen(kw_only=True)
class GrokEmulatorStatistics:
    """Counters since the emulator was made."""

    open: int
    """Sessions open now."""
    accepted: int
    refused: int
    """Handshakes refused, for whatever reason."""


class GrokEmulator:
    """A stand-in for the Grok Voice service that a client cannot tell apart from it.

    Args:
        options: How it behaves.
        engines: Speech; None loads the best that is installed.
        brain_factory: Makes the brain of each connection; None is the built-in `RuleBrain`.
    """

    def __init__(
        self,
        options: GrokEmulatorOptions | None = None,
        *,
        engines: SpeechEngines | None = None,
        brain_factory: Callable[[], Brain] | None = None,
    ) -> None:
        self.options = options or GrokEmulatorOptions()
        self._engines = engines or load_speech("auto")
        self._brain_factory = brain_factory or RuleBrain
        self._ids = make_ids(self.options.seed)
        self._vault = Vault(self._ids.fork(), self.options.resumption_expiry)
        self._door = Door(self.options, self._vault)
        self._limiter = trio.CapacityLimiter(SPEECH_THREADS)
        self._sockets: dict[int, WebSocket] = {}
        self._live: dict[str, Parts] = {}
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

    def statistics(self) -> GrokEmulatorStatistics:
        """Counters."""
        return GrokEmulatorStatistics(
            open=self._n_entered, accepted=self._n_accepted, refused=self._n_refused
        )

    async def drop_connections(self) -> int:
        """Cut every open connection without a closing handshake; the clients see 1006.

        Returns:
            How many there were.
        """
        sockets = list(self._sockets.values())
        for socket in sockets:
            await abort(socket)
        return len(sockets)

    def refuse_next(self, count: int, status: int = 503) -> None:
        """Refuse the next `count` handshakes with an HTTP status, whatever their credentials."""
        self._to_refuse = [status] * count

    # --- plain HTTP

    async def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case (("GET" | "HEAD"), "/healthz"):
                return json_response(200, {"status": "ok", "sessions": self._n_entered})
            case "POST", "/v1/realtime/client_secrets":
                return self._door.check(request) or self._door.mint(request)
            case (("GET" | "HEAD"), "/v1/tts/voices"):
                voices = [{"voice_id": voice, "name": voice.capitalize()} for voice in VOICES]
                return self._door.check(request) or json_response(200, {"voices": voices})
            case _, ("/v1/realtime" | "/v1/voice/agent"):
                return refusal(426, "Expected a WebSocket upgrade", "Upgrade Required")
            case _, ("/healthz" | "/v1/realtime/client_secrets" | "/v1/tts/voices"):
                return refusal(405, f"{request.method[:16]} is not allowed here", "Method not allowed")
            case _:
                return refusal(404, f"No such path: {request.path[:80]}", "Not found")

    # --- sessions

    async def _enter(self, upgrade: Upgrade) -> None:
        request = upgrade.request
        if request.path not in {REALTIME_PATH, DIALECT_PATH}:
            await self._refuse(upgrade, refusal(404, f"No such path: {request.path[:80]}", "Not found"))
            return
        if self._to_refuse:
            status = self._to_refuse.pop()
            await self._refuse(upgrade, refusal(status, "The service is not available", "Unavailable"))
            return
        entry = self._door.admit(request, upgrade.subprotocols)
        if isinstance(entry, Response):
            await self._refuse(upgrade, entry)
            return
        if "call_id" in request.query:
            await self._refuse(upgrade, refusal(400, "No such call; this server has no SIP side"))
            return
        limit = self.options.concurrency
        if limit is not None and self._n_entered >= limit:
            await self._refuse(
                upgrade, refusal(429, "Too many concurrent sessions", "Some resource has been exhausted")
            )
            return
        self._n_entered += 1
        try:
            await self._serve(await upgrade.accept(entry.subprotocol), request)
        finally:
            self._n_entered -= 1

    async def _refuse(self, upgrade: Upgrade, response: Response) -> None:
        self._n_refused += 1
        await upgrade.reject(response.status, response.body, response.content_type)

    async def _serve(self, socket: WebSocket, request: Request) -> None:
        self._n_accepted += 1
        number = self._n_accepted
        connection, parts = self._connection(socket, number, request)
        conversation = parts.conversation
        self._sockets[number] = socket
        self._live[conversation.id] = parts
        try:
            await connection.run()
        finally:
            del self._sockets[number]
            if self._live.get(conversation.id) is parts:
                del self._live[conversation.id]
            if parts.session.resumable:
                self._vault.keep(conversation.id, conversation.snapshot())

    def _connection(self, socket: WebSocket, number: int, request: Request) -> tuple[GrokConnection, Parts]:
        if request.path == DIALECT_PATH:
            translating = DialectOutlet(socket, self.options, number)
            parts = self._parts(translating, request, None)
            return DialectConnection(socket, parts, translating), parts
        wanted = request.query.get("conversation_id", "")
        kept = self._find(wanted)
        outlet = Outlet(socket, self.options, number)
        parts = self._parts(outlet, request, wanted if kept is not None else None)
        return GrokConnection(socket, parts, kept or ()), parts

    def _find(self, conversation_id: str) -> tuple[Item, ...] | None:
        """What can be resumed, also of a session whose client is gone without our knowing it yet."""
        live = self._live.get(conversation_id)
        if live is not None and live.session.resumable:
            return live.conversation.snapshot()
        return self._vault.find(conversation_id)

    def _parts(self, outlet: Outlet, request: Request, conversation_id: str | None) -> Parts:
        options = self.options
        # Per connection, so that what happens on one does not change the ids of another.
        ids = self._ids.fork()
        return Parts(
            options=options,
            ids=ids,
            frames=Frames(options, ids),
            outlet=outlet,
            session=Session(options, ids.session(), request.query.get("model")),
            conversation=Conversation(conversation_id or ids.new()),
            speech=Speech(self._engines, self._limiter),
            brain=self._brain_factory(),
            meter=Meter(trio.current_time()),
        )
