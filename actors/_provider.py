"""A provider connection: a crash group of two actors that dials, keeps alive, reads at once and writes.

::

    connection        one for all: neither part makes sense without the other
    ├─ socket         dials, reads, pings; hands each decoded message to the client without waiting
    └─ writer         the only one that sends: a cancelled send closes the socket, so it dies with it

A connection that ends is a crash of `socket`, and the supervisor's restart, with its backoff, is the
reconnect. What cannot be cured by trying again ends the group normally, with the reason in `failure`.
"""

import math
from collections.abc import Sequence
from typing import Any, Generic, Never

import trio

from callboard.protocols import RemoteWireError

from ._context import Context
from ._nursery import open_plain_nursery
from ._provider_errors import ConnectionLost, ProviderFailed
from ._provider_line import Line, Renewal, open_line
from ._provider_options import ConnectionOptions
from ._provider_outbox import Outbox
from ._provider_port import Connected, Disconnected, In, Out, ProviderAdapter, ProviderClient
from ._provider_writer import Writer
from ._ref import SupervisorRef
from ._spec import AutoShutdown, ChildSpec, Restart, Strategy
from ._supervisor import supervisor_child
from ._trace import Redactor, Trace
from ._websocket import DialFailed, SocketClosed, WebSocket, WebSocketStatistics

NOT_CONNECTED = 1006
GOING_AWAY = 1001
NORMAL = 1000
# Of a refused handshake's body, octets that are shown.
BODY_CLIP = 2000
# How often the deadline of a translated wire is looked at, float seconds.
DEADLINE_POLL = 0.25


class ProviderConnection(Generic[Out, In]):
    """One client's connection, through all the sockets it needs.

    Args:
        adapter: The provider's wire.
        client: Who is told.
        outbox: What is to be sent.
        redactor: Takes credentials out of texts.
        options: Deadlines and retries.
        trace: Where messages are written down, if anywhere.
    """

    def __init__(
        self,
        adapter: ProviderAdapter[Out, In],
        client: ProviderClient[In],
        outbox: Outbox,
        *,
        redactor: Redactor,
        options: ConnectionOptions,
        trace: Trace | None,
    ) -> None:
        self._adapter = adapter
        self._client = client
        self._outbox = outbox
        self._redactor = redactor
        self._options = options
        self._trace = trace
        self._writer = Writer(adapter, outbox, trace)
        self._heard = trio.Event()
        self._heard_at = self._spoken_at = 0.0
        self._renewal: Renewal | None = None
        self._malformed = 0
        self._silent_since: float | None = None
        self._closing = False
        self.attempts = 0
        self.connects = 0
        self.web_socket_id = ""
        """Of the latest socket."""
        self.failure: ProviderFailed | None = None
        """Why no further connection is tried."""
        self.last_error = ""
        """Why the latest connection ended, without credentials."""
        self.greeted = False
        """Whether the provider has said anything since this was last set to False."""
        self._past = WebSocketStatistics.total(())

    @property
    def connected(self) -> bool:
        """Whether a socket is open."""
        return self._writer.socket is not None

    def begin_close(self) -> None:
        """From now on nothing reconnects."""
        self._closing = True

    def renew(self) -> None:
        """Replace the session at the next pause."""
        if self._renewal is not None:
            self._renewal.want()

    def child_spec(self) -> ChildSpec[Never, SupervisorRef]:
        """The crash group."""
        return supervisor_child(
            "connection",
            strategy=Strategy.ONE_FOR_ALL,
            intensity=self._options.intensity,
            backoff=self._options.backoff,
            auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
            restart=Restart.TEMPORARY,
            children=(
                ChildSpec(
                    name="socket",
                    run=self._run_socket,
                    restart=Restart.TRANSIENT,
                    significant=True,
                    mailbox=1,
                    grace=2.0,
                    doc="dials, reads and pings; a lost connection is its crash, the restart the reconnect",
                ),
                ChildSpec(
                    name="writer",
                    run=self._writer.run,
                    restart=Restart.PERMANENT,
                    mailbox=1,
                    grace=2.0,
                    doc="the only sender; commands wait in its outbox while there is no connection",
                ),
            ),
            doc="one provider connection",
        )

    def statistics(self) -> WebSocketStatistics:
        """The traffic of all sockets together."""
        socket = self._writer.socket
        if socket is None:
            return self._past
        return WebSocketStatistics.total((self._past, socket.statistics()))

    # The socket actor

    async def _run_socket(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        # At once: dialling is retried with backoff like everything else, and whoever waits for the first
        # connection asks the client.
        task_status.started()
        if self._closing or self.failure is not None:
            return
        try:
            async with open_plain_nursery() as nursery:
                line: Line | None = await self._dial(context, nursery)
                while line is not None:
                    line = await self._serve(context, nursery, line)
                nursery.cancel_scope.cancel(reason="the connection is over")
        except ProviderFailed as failed:
            self.failure = failed

    async def _dial(self, context: Context[Any], nursery: trio.Nursery) -> Line | None:
        """Open a socket; None where no further one is wanted.

        Raises:
            ConnectionLost: It could not be opened, this time.
        """
        self.attempts += 1
        try:
            return await self._open_line(context, nursery)
        except DialFailed as error:
            text = self._redactor.text(str(error))
            reason = self._adapter.is_permanent(error)
            if reason is not None:
                self.failure = ProviderFailed(reason, text)
            again = reason is None and not self._closing
            self._not_open(text, will_reconnect=again, error=error)
            if again:
                # A new error, for the texts of this one and of its cause are not ours.
                raise ConnectionLost(text) from None
            return None

    async def _open_line(self, context: Context[Any], nursery: trio.Nursery) -> Line:
        try:
            request = await self._adapter.connect_request()
        except ProviderFailed:
            raise
        except Exception as error:  # noqa: BLE001
            # From the user's function. Fetching a credential may fail for a while, like any request; its error is
            # not ours to show, for it may quote one.
            text = f"the function for the key failed ({type(error).__name__})"
            context.log.warning(text)
            self._not_open(text, will_reconnect=not self._closing)
            raise ConnectionLost(text) from None
        return await open_line(
            nursery,
            context.system.network,
            request,
            dial_timeout=self._options.dial_timeout,
            max_message=self._adapter.max_message,
            new_id=lambda: f"{context.system.rng.getrandbits(64):016x}",
        )

    async def _serve(self, context: Context[Any], nursery: trio.Nursery, line: Line) -> Line | None:
        """Read until the socket is closed, or replaced by another.

        Returns:
            The line to go on with, or None at the end.

        Raises:
            ConnectionLost: It was closed without our doing.
            ProviderFailed: The session ended in a way that no other would be spared.
        """
        socket = line.socket
        self._begin(line)
        code, reason, clean = NORMAL if self._closing else GOING_AWAY, "", False
        successor: Line | None = None
        failed = False
        try:
            async with open_plain_nursery() as parts:
                renewal = self._renewal = self._new_renewal(context, nursery, parts)
                parts.start_soon(self._keep_alive, socket, renewal)
                try:
                    await self._read(socket)
                except SocketClosed as closed:
                    code, reason, clean = closed.code, self._redactor.text(closed.reason), closed.clean
                parts.cancel_scope.cancel(reason="the socket closed")
            successor = renewal.line
        except ConnectionLost as lost:
            code, reason = NOT_CONNECTED, str(lost)
        except ProviderFailed as error:
            code, reason, failed = NORMAL, str(error), True
            raise
        finally:
            self._writer.end(socket)
            self._renewal = None
            self._outbox.close_gate()
            self._past = WebSocketStatistics.total((self._past, socket.statistics()))
            wanted = self._closing or successor is not None
            if wanted:
                code, reason, clean = NORMAL, "" if successor is None else "renewed", True
            line.released.set()
            self._lost(
                Disconnected(
                    code=code,
                    reason=reason,
                    was_clean=clean,
                    was_open=True,
                    web_socket_id=socket.id,
                    will_reconnect=not self._closing and not failed,
                    wanted=wanted,
                )
            )
        if self._closing:
            if successor is not None:
                successor.released.set()
            return None
        if successor is None:
            raise ConnectionLost(f"the connection ended with {code}" + (f": {reason[:80]}" if reason else ""))
        return successor

    def _new_renewal(self, context: Context[Any], nursery: trio.Nursery, parts: trio.Nursery) -> Renewal:
        return Renewal(
            self._client,
            parts,
            opened_at=trio.current_time(),
            limit=self._options.session_limit or self._adapter.session_limit,
            lead=self._options.renew_before,
            dial=lambda: self._open_line(context, nursery),
            warn=lambda error: context.log.warning(
                "a session cannot be renewed yet: %s", self._redactor.text(str(error))
            ),
        )

    def _begin(self, line: Line) -> None:
        socket = line.socket
        self.connects += 1
        self.web_socket_id = socket.id
        self._heard = trio.Event()
        self._heard_at = trio.current_time()
        self._outbox.close_gate()
        self._adapter.begin()
        self._writer.begin(socket, self._client.provider_opening())
        endpoint = self._redactor.text(line.url)
        if self._trace is not None:
            self._trace.note(
                "connected", {"endpoint": endpoint, "attempt": self.attempts, "web_socket_id": socket.id}
            )
        self._client.provider_connected(
            Connected(attempt=self.attempts, web_socket_id=socket.id, endpoint=endpoint)
        )

    def _not_open(self, text: str, *, will_reconnect: bool, error: DialFailed | None = None) -> None:
        self._lost(
            Disconnected(
                code=NOT_CONNECTED,
                reason=text,
                was_clean=False,
                was_open=False,
                web_socket_id="",
                will_reconnect=will_reconnect,
                status=None if error is None else error.status,
                headers={}
                if error is None
                else {name: self._redactor.text(value) for name, value in error.headers.items()},
                body=""
                if error is None
                else self._redactor.text(error.body[:BODY_CLIP].decode(errors="replace")),
            )
        )

    def _lost(self, event: Disconnected) -> None:
        self.last_error = event.reason or f"closed with {event.code}"
        if self._trace is not None:
            self._trace.note("disconnected", {"code": event.code, "reason": event.reason})
        self._client.provider_disconnected(event)

    async def _read(self, socket: WebSocket) -> None:
        self._malformed = 0
        while True:
            # Not held while the next ones are awaited.
            self._take_all(await self._next(socket))

    def _take_all(self, messages: Sequence[str | bytes] | None) -> None:
        if messages is None:
            for event in self._adapter.handle_timer(trio.current_time()):
                self._client.provider_message(event)
            return
        self._heard_at = self._spoken_at = trio.current_time()
        self._heard.set()
        self.greeted = True
        for message in messages:
            self._take(message)

    def _take(self, message: str | bytes) -> None:
        if self._trace is not None:
            self._trace.received(message)
        try:
            decoded = self._adapter.receive(message)
        except RemoteWireError as error:
            self._malformed += 1
            self._client.provider_malformed(RemoteWireError(self._redactor.text(str(error))))
            if self._malformed >= self._options.max_malformed:
                raise ConnectionLost(f"{self._malformed} messages in a row could not be decoded") from None
        else:
            self._malformed = 0
            for event in decoded:
                self._client.provider_message(event)

    async def _next(self, socket: WebSocket) -> Sequence[str | bytes] | None:
        """The next messages, or None where the adapter's deadline passes first."""
        deadline = self._adapter.deadline
        if self._adapter.capabilities.translated:
            # What we send moves the deadline too, while we wait here.
            deadline = min(deadline, trio.current_time() + DEADLINE_POLL)
        if deadline == math.inf:
            return await socket.receive_batch()
        with trio.move_on_at(deadline):
            return await socket.receive_batch()
        return None

    async def _keep_alive(self, socket: WebSocket, renewal: Renewal) -> None:
        """Notice a peer that is gone though the stream does not say so, and when the session is to be renewed."""
        options = self._options
        with trio.move_on_after(options.greet_timeout):
            await self._heard.wait()
        if not self._heard.is_set():
            raise ConnectionLost(f"no greeting within {options.greet_timeout:g} s")
        while True:
            heard_at = self._heard_at
            ping_at = heard_at + options.ping_interval
            await trio.sleep_until(min(ping_at, renewal.due_at))
            if trio.current_time() >= renewal.due_at:
                renewal.want()
                continue
            if self._trace is not None:
                self._trace.flush()
            # Compared with itself: the time that has passed may be short of the interval by a rounding.
            if self._heard_at > heard_at:
                continue
            with trio.move_on_after(options.pong_timeout) as deadline:
                await socket.ping()
            if deadline.cancelled_caught:
                raise ConnectionLost(f"no answer to a ping within {options.pong_timeout:g} s")
            self._silent(trio.current_time())
            self._heard_at = max(self._heard_at, trio.current_time())

    def _silent(self, now: float) -> None:
        """The peer answers pings and says nothing; not for ever, where it is its turn."""
        if not self._client.awaits:
            self._silent_since = None
        elif self._silent_since is None or self._spoken_at > self._silent_since:
            self._silent_since = now
        elif now - self._silent_since >= self._options.stall_timeout:
            raise ConnectionLost(f"nothing came for {self._options.stall_timeout:g} s though it was due")
