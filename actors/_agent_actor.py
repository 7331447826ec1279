"""The actor of a voice agent's client: keeps its connection, its listeners and its clock running.

::

    providers
    └─ grok-1             restarted when it is killed; its return is the end of the client
       ├─ listeners       calls the user's functions, in order
       ├─ timer           ends stretches of audio and lines of the transcript
       ├─ filler          plays a sound while a session is being replaced
       └─ connection      the crash group of the socket; with another provider after a failover
"""

import logging
from typing import Any

import attrs
import trio

from ._agent_core import AgentCore
from ._agent_driver import Driver
from ._agent_filler import Filler
from ._agent_statistics import AgentStatistics
from ._context import Context
from ._errors import ActorGone
from ._exit import Exit, ExitKind
from ._provider import ProviderConnection
from ._provider_errors import ConnectionLost, ProviderFailed, ProviderFailure
from ._provider_options import ConnectionOptions
from ._spec import ChildSpec, Restart, RestartIntensity
from ._websocket import WebSocketStatistics

_log = logging.getLogger("callboard.agent")

# Reconnects to a provider in a minute where another one could take over.
PATIENCE = RestartIntensity(restarts=2, period=60.0)
# And how long one attempt may take then, float seconds.
IMPATIENT_DIAL = 4.0


class AgentActor:
    """The body of the actor.

    Args:
        core: The client's state.
        options: Deadlines and retries of its connections.
        report: Log the statistics when the client ends.
        filler: Plays while a session is being replaced, if anything is to.
    """

    def __init__(
        self, core: AgentCore, options: ConnectionOptions, *, report: bool, filler: Filler | None
    ) -> None:
        self._core = core
        self._report = report
        self._filler = filler
        self._given_up: dict[str, ProviderFailed] = {}
        several = len(core.drivers) > 1
        if several:
            dial = min(options.dial_timeout, IMPATIENT_DIAL)
            options = attrs.evolve(options, intensity=PATIENCE, dial_timeout=dial)
        self._connections = {
            driver.name: ProviderConnection[Any, Any](
                driver.adapter, core, core.outbox, redactor=core.redactor, options=options, trace=core.trace
            )
            for driver in core.drivers
        }

        core.on_renew = lambda: self.connection.renew()  # noqa: PLW0108  (another one after a failover)

    @property
    def connection(self) -> ProviderConnection[Any, Any]:
        """The one to the present provider."""
        return self._connections[self._core.driver.name]

    def begin_close(self) -> None:
        """From now on nothing reconnects."""
        for connection in self._connections.values():
            connection.begin_close()

    def child_spec(self) -> ChildSpec[object, None]:
        """The client as a child of `providers`."""
        return ChildSpec(
            name=self._core.client.id(),
            run=self.run,
            # Killed, it begins again with a new connection. Giving up is a return, which hurts nobody.
            restart=Restart.TRANSIENT,
            mailbox=1,
            grace=3.0,
            doc="one client of a voice agent",
            on_end=self._over,
        )

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """Run the client until it is closed or fails for good."""
        core = self._core
        failure: ProviderFailed | None = None
        over = False
        try:
            async with trio.open_nursery() as nursery:
                core.tools.runner.attach(nursery)
                # In this order, so that the connection ends first and its end can still be told.
                await context.spawn(
                    self._child("listeners", core.client.listeners.run, "calls the user's functions")
                )
                await context.spawn(self._child("timer", core.playback.run_timer, "ends stretches of audio"))
                if self._filler is not None:
                    await context.spawn(
                        self._child("filler", self._filler.run, "plays while a session is replaced")
                    )
                task_status.started()
                failure = await self._connect_to_any(context)
                over = True
                nursery.cancel_scope.cancel(reason="the connection is over")
        finally:
            core.tools.runner.detach()
            # Restarted after a kill or a crash; in all other cases this is the end.
            if over or core.closed or context.ref._cell.stop_reason is not None:
                self._end(failure)

    async def _connect_to_any(self, context: Context[Any]) -> ProviderFailed | None:
        """Stay connected, to one provider after the other; returns why the last one failed."""
        core = self._core
        while (failure := await self._connect(context)) is not None:
            driver = self._next(failure)
            if driver is None:
                break
            _log.warning("%s: %s; going on with %s", core.client.id(), failure, driver.name)
            core.use(driver)
        return failure

    async def _connect(self, context: Context[Any]) -> ProviderFailed | None:
        """Stay connected to the present provider until that is over; returns why it failed."""
        self.connection.greeted = False
        try:
            connection = await context.spawn(self.connection.child_spec())
        except ActorGone as gone:
            # Over before it had begun: there is no credential, say.
            return self._failure(gone.exit)
        return self._failure(await connection.wait_stopped())

    def _next(self, failure: ProviderFailed) -> Driver | None:
        """The provider to go on with, if there is one that was not given up since a session could be talked to."""
        core = self._core
        if core.closed:
            return None
        if self.connection.greeted:
            # What failed before it may work by now; what it was refused for will not.
            for name, connection in self._connections.items():
                if connection.failure is None:
                    self._given_up.pop(name, None)
        self._given_up[core.driver.name] = failure
        return next((driver for driver in core.drivers if driver.name not in self._given_up), None)

    def _child(self, name: str, run: Any, doc: str) -> ChildSpec[Any, Any]:
        return ChildSpec(name=name, run=run, restart=Restart.PERMANENT, mailbox=1, grace=1.0, doc=doc)

    def _failure(self, exit: Exit) -> ProviderFailed | None:
        """What the end of the connection means.

        Raises:
            ConnectionLost: Somebody killed the group; the supervisor of this actor starts us again.
        """
        if self._core.closed:
            return None
        connection = self.connection
        if connection.failure is not None:
            return connection.failure
        if exit.kind is ExitKind.KILLED:
            raise ConnectionLost("the connection was killed")
        if exit.kind is ExitKind.CRASHED:
            return ProviderFailed(
                ProviderFailure.UNREACHABLE,
                f"gave up after {connection.attempts} attempts to stay connected; the last: "
                f"{connection.last_error}",
            )
        return None

    def _end(self, failure: ProviderFailed | None) -> None:
        core = self._core
        self.begin_close()
        if failure is not None:
            _log.error("%s: %s", core.client.id(), failure)
            core.tell_failure(failure)
        core.finish(failure)
        core.client.close_edges()
        core.client.scope.audio_in_dropped += core.outbox.statistics().audio_dropped
        core.client.scope.listener_events_lost += core.client.listeners.lost
        if self._report:
            _log.info("%s: %s", core.client.id(), self.statistics())
        if core.trace is not None:
            core.trace.note("statistics", attrs.asdict(self.statistics()))
            if not self.connection.connected:
                # Otherwise the end of the connection is still to come, and closes it.
                core.close_trace()

    def _over(self, _: Exit) -> None:
        """There will be no other life: do what none has done, because it waited for its restart or never began."""
        if not self._core.ended.is_set():
            self._end(None)
        self._core.close_trace()

    def statistics(self) -> AgentStatistics:
        """The client's counters."""
        counters = self._core.counters
        connections = self._connections.values()
        traffic = WebSocketStatistics.total(connection.statistics() for connection in connections)
        return AgentStatistics(
            connects=sum(connection.connects for connection in connections),
            attempts=sum(connection.attempts for connection in connections),
            messages_sent=traffic.messages_sent,
            messages_received=traffic.messages_received,
            octets_sent=traffic.octets_sent,
            octets_received=traffic.octets_received,
            malformed=counters.malformed,
            audio_in=counters.audio_in,
            audio_out=counters.audio_out,
            audio_in_dropped=self._core.outbox.statistics().audio_dropped,
            audio_out_dropped=counters.audio_out_dropped,
            turns=counters.turns,
            responses=counters.responses,
            interruptions=counters.interruptions,
            tool_calls=counters.tool_calls,
            errors=counters.errors,
            listener_events_lost=self._core.client.listeners.lost,
            connect_time=counters.connect_time,
            first_audio_latencies=tuple(counters.latencies),
        )
