"""The actor of a Grok client: keeps its connection, its listeners and its clock running.

::

    providers
    └─ grok-1             restarted when it is killed; its return is the end of the client
       ├─ listeners       calls the user's functions, in order
       ├─ timer           ends stretches of audio and lines of the transcript
       └─ connection      the crash group of the socket
"""

import logging
from typing import Any

import attrs
import trio

from callboard.protocols import grok as wire

from ._context import Context
from ._errors import ActorGone
from ._exit import Exit, ExitKind
from ._grok_core import GrokCore
from ._grok_statistics import GrokStatistics
from ._provider import ProviderConnection
from ._provider_errors import ConnectionLost, ProviderFailed, ProviderFailure
from ._spec import ChildSpec, Restart

_log = logging.getLogger("callboard.grok")


class GrokActor:
    """The body of the actor.

    Args:
        core: The client's state.
        connection: Its connection.
        report: Log the statistics when the client ends.
    """

    def __init__(
        self, core: GrokCore, connection: ProviderConnection[wire.ClientEvent, wire.Decoded], *, report: bool
    ) -> None:
        self._core = core
        self._connection = connection
        self._report = report

    def child_spec(self) -> ChildSpec[object, None]:
        """The client as a child of `providers`."""
        return ChildSpec(
            name=self._core.client.id(),
            run=self.run,
            # Killed, it begins again with a new connection. Giving up is a return, which hurts nobody.
            restart=Restart.TRANSIENT,
            mailbox=1,
            grace=3.0,
            doc="one Grok client",
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
                try:
                    connection = await context.spawn(self._connection.child_spec())
                except ActorGone as gone:
                    # Over before it had begun: there is no credential, say.
                    task_status.started()
                    exit = gone.exit
                else:
                    task_status.started()
                    exit = await connection.wait_stopped()
                failure = self._failure(exit)
                over = True
                nursery.cancel_scope.cancel(reason="the connection is over")
        finally:
            core.tools.runner.detach()
            # Restarted after a kill or a crash; in all other cases this is the end.
            if over or core.closed or context.ref._cell.stop_reason is not None:
                self._end(failure)

    def _child(self, name: str, run: Any, doc: str) -> ChildSpec[Any, Any]:
        return ChildSpec(name=name, run=run, restart=Restart.PERMANENT, mailbox=1, grace=1.0, doc=doc)

    def _failure(self, exit: Exit) -> ProviderFailed | None:
        """What the end of the connection means.

        Raises:
            ConnectionLost: Somebody killed the group; the supervisor of this actor starts us again.
        """
        if self._core.closed:
            return None
        if self._connection.failure is not None:
            return self._connection.failure
        if exit.kind is ExitKind.KILLED:
            raise ConnectionLost("the connection was killed")
        if exit.kind is ExitKind.CRASHED:
            tries, why = self._connection.attempts, self._connection.last_error
            return ProviderFailed(
                ProviderFailure.UNREACHABLE,
                f"gave up after {tries} attempts to stay connected; the last: {why}",
            )
        return None

    def _end(self, failure: ProviderFailed | None) -> None:
        core = self._core
        self._connection.begin_close()
        if failure is not None:
            _log.error("%s: %s", core.client.id(), failure)
            core.tell_failure(failure)
        core.finish(failure)
        core.client.close_edges()
        if self._report:
            _log.info("%s: %s", core.client.id(), self.statistics())
        if core.trace is not None:
            core.trace.note("statistics", attrs.asdict(self.statistics()))
            if not self._connection.connected:
                # Otherwise the end of the connection is still to come, and closes it.
                core.close_trace()

    def statistics(self) -> GrokStatistics:
        """The client's counters."""
        counters = self._core.counters
        traffic = self._connection.statistics()
        return GrokStatistics(
            connects=self._connection.connects,
            attempts=self._connection.attempts,
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
