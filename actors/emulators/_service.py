"""What the emulated providers have in common: a listener, who comes in, who is refused, and what is counted."""

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Generic, NoReturn, Protocol, TypeVar

import attrs
import trio

from callboard.actors._http import Bound, Request, Response, Upgrade, json_response, serve_http
from callboard.actors._network import Network
from callboard.actors._nursery import open_plain_nursery
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Brain, RuleBrain
from callboard.media.speech import SpeechEngines, load_speech

from ._faults import abort
from ._ids import make_ids
from ._speech import Speech

# Speech models use all cores they get; more threads than this only fight over them.
SPEECH_THREADS = 2
# Messages held for a reader that is not scheduled; beyond this the client's socket is no longer read.
QUEUE = 64

READING = frozenset({"GET", "HEAD"})
POSTING = frozenset({"POST"})

Resource = tuple[frozenset[str], Callable[[Request], Response]]
"""The methods that a plain HTTP path takes, and what answers them."""


@attrs.frozen(kw_only=True)
class EmulatorStatistics:
    """Counters since the emulator was made."""

    open: int
    """Sessions open now."""
    accepted: int
    refused: int
    """Handshakes refused, for whatever reason."""


@attrs.frozen
class Entry:
    """A client that may come in."""

    subprotocol: str | None
    """The one to select in the handshake."""


class ServiceOptions(Protocol):
    """What has to be known of the options of any service."""

    @property
    def seed(self) -> int | None:
        """Makes every id repeatable; None takes fresh ones."""
        ...

    @property
    def concurrency(self) -> int | None:
        """Sessions open at once, None for no limit."""
        ...

    @property
    def max_message(self) -> int:
        """The longest WebSocket message, octets."""
        ...


S = TypeVar("S", bound=ServiceOptions)


class EmulatedService(abc.ABC, Generic[S]):
    """A service whose sessions are WebSocket connections, one brain each.

    Args:
        options: How it behaves.
        engines: Speech; None loads the best that is installed.
        brain_factory: Makes the brain of each connection; None is the built-in `RuleBrain`.
    """

    _paths: ClassVar[frozenset[str]]
    """Where sessions are opened."""
    _not_found: ClassVar[str]
    """What the service calls a path that it does not have (HTTP 404)."""
    _not_allowed: ClassVar[str]
    """What it calls a method that a path does not take (HTTP 405)."""
    _too_many: ClassVar[str]
    """What it calls a session too many (HTTP 429)."""

    def __init__(
        self,
        options: S,
        *,
        engines: SpeechEngines | None = None,
        brain_factory: Callable[[], Brain] | None = None,
    ) -> None:
        self.options = options
        self._engines = engines or load_speech("auto")
        self._brain_factory = brain_factory or RuleBrain
        self._ids = make_ids(options.seed)
        self._limiter = trio.CapacityLimiter(SPEECH_THREADS)
        self._sockets: dict[int, WebSocket] = {}
        self._to_refuse: list[int] = []
        self._n_entered = 0
        self._n_accepted = 0
        self._n_refused = 0

    # --- what differs

    @abc.abstractmethod
    def _refusal(self, status: int, code: str, message: str) -> Response:
        """A refusal in the service's shape."""

    @abc.abstractmethod
    def _admit(self, request: Request, subprotocols: Sequence[str]) -> Entry | Response:
        """Check the handshake of a session."""

    @abc.abstractmethod
    def _resources(self) -> Mapping[str, Resource]:
        """What there is besides sessions, by path."""

    @abc.abstractmethod
    async def _converse(self, socket: WebSocket, request: Request, number: int) -> None:
        """Run a session until it ends.

        Args:
            socket: The client's.
            request: Its handshake.
            number: Which connection of the emulator this is, from 1.
        """

    # --- what is the same

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

    def statistics(self) -> EmulatorStatistics:
        """Counters."""
        return EmulatorStatistics(open=self._n_entered, accepted=self._n_accepted, refused=self._n_refused)

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

    def _speech(self) -> Speech:
        """The speech of one connection; all of them share the threads."""
        return Speech(self._engines, self._limiter)

    async def _answer(self, request: Request) -> Response:
        if request.path in self._paths:
            return self._refusal(426, "Upgrade Required", "Expected a WebSocket upgrade")
        resources = {"/healthz": (READING, self._health), **self._resources()}
        if request.path not in resources:
            return self._no_such_path(request)
        methods, answer = resources[request.path]
        if request.method not in methods:
            return self._refusal(405, self._not_allowed, f"{request.method[:16]} is not allowed here")
        return answer(request)

    def _health(self, _: Request) -> Response:
        return json_response(200, {"status": "ok", "sessions": self._n_entered})

    def _no_such_path(self, request: Request) -> Response:
        return self._refusal(404, self._not_found, f"No such path: {request.path[:80]}")

    def _let_in(self, upgrade: Upgrade) -> Entry | Response:
        if upgrade.request.path not in self._paths:
            return self._no_such_path(upgrade.request)
        if self._to_refuse:
            return self._refusal(self._to_refuse.pop(), "Unavailable", "The service is not available")
        entry = self._admit(upgrade.request, upgrade.subprotocols)
        limit = self.options.concurrency
        if isinstance(entry, Entry) and limit is not None and self._n_entered >= limit:
            return self._refusal(429, self._too_many, "Too many concurrent sessions")
        return entry

    async def _enter(self, upgrade: Upgrade) -> None:
        entry = self._let_in(upgrade)
        if isinstance(entry, Response):
            self._n_refused += 1
            await upgrade.reject(entry.status, entry.body, entry.content_type)
            return
        self._n_entered += 1
        try:
            await self._serve(await upgrade.accept(entry.subprotocol), upgrade.request)
        finally:
            self._n_entered -= 1

    async def _serve(self, socket: WebSocket, request: Request) -> None:
        self._n_accepted += 1
        number = self._n_accepted
        self._sockets[number] = socket
        try:
            await self._converse(socket, request, number)
        finally:
            del self._sockets[number]
