"""What owns clients, bridges and tools: a call, or a whole system where there is no call."""

import weakref
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import PCM16_24K, AudioFormat

from ._bridge import Bridge
from ._spec import ChildSpec, Restart, RestartIntensity, Strategy
from ._supervisor import supervisor_child
from ._transcript import Transcript

if TYPE_CHECKING:
    from callboard.media import AudioFrame

    from ._channel import Channel
    from ._ports import Edge
    from ._ref import ActorRef, SupervisorRef
    from ._system import System

# The supervisors of a scope, in start order, with what they hold.
UNITS = supervisor_child(
    "units",
    strategy=Strategy.ONE_FOR_ONE,
    restart=Restart.PERMANENT,
    doc="players and recorders",
)
PROVIDERS = supervisor_child(
    "providers",
    strategy=Strategy.ONE_FOR_ONE,
    intensity=RestartIntensity(restarts=20, period=5.0),
    restart=Restart.PERMANENT,
    doc="one crash group for each provider client; losing one only pauses the conversation",
)
BRIDGES = supervisor_child(
    "bridges",
    strategy=Strategy.ONE_FOR_ONE,
    intensity=RestartIntensity(restarts=20, period=5.0),
    restart=Restart.PERMANENT,
    doc="one bridge for each directed media edge",
)
TOOLS = supervisor_child(
    "tools",
    strategy=Strategy.ONE_FOR_ONE,
    restart=Restart.PERMANENT,
    doc="one child for each tool call; outlives a provider's restart",
)
SCOPE_CHILDREN = (UNITS, PROVIDERS, BRIDGES, TOOLS)


@attrs.frozen(kw_only=True)
class EdgeCounters:
    """What the edges of a scope have counted together, in frames."""

    dropped: int = 0
    """Lost because a bridge did not keep up."""
    high_water: int = 0
    """The most that ever waited for one bridge."""

    def plus(self, frames: "Channel[AudioFrame]") -> "EdgeCounters":
        """With those of one more edge."""
        counted = frames.statistics()
        return EdgeCounters(
            dropped=self.dropped + counted.dropped, high_water=max(self.high_water, counted.high_water)
        )


class Scope:
    """The owner of clients; `Call` has one, `system_scope` makes one for a system."""

    def __init__(
        self,
        system: "System",
        path: str,
        *,
        preferred_format: AudioFormat = PCM16_24K,
        transcript: Transcript | None = None,
    ) -> None:
        self.system = system
        self.path = path
        self.preferred_format = preferred_format
        """What a client should ask its provider for, so that audio passes unconverted."""
        self.transcript = transcript
        self.audio_in_dropped = 0.0
        """Audio that clients, ended by now, could not send to their providers in time, float seconds."""
        self.listener_events_lost = 0
        """Events that did not fit into the queues of clients' listeners; clients that have ended."""
        self._edges = 0
        # The queue outlives its edge here until it has been counted; the edge must not, it holds its source.
        self._open: list[tuple[weakref.ref[Edge], Channel[AudioFrame]]] = []
        self._closed = EdgeCounters()

    def new_id(self, kind: str) -> str:
        """An id for something of ours, the same in every run of one seed."""
        return f"{kind}-{self.system.rng.getrandbits(64):016x}"

    def _supervisor(self, name: str) -> "SupervisorRef":
        path = f"{self.path}/{name}" if self.path else name
        ref = self.system.lookup(path)
        if ref is None:
            raise RuntimeError(f"{path!r} is not running: its call has ended")
        return ref  # type: ignore[return-value]

    @property
    def units(self) -> "SupervisorRef":
        """The supervisor of players and recorders."""
        return self._supervisor("units")

    @property
    def providers(self) -> "SupervisorRef":
        """The supervisor of provider connections."""
        return self._supervisor("providers")

    @property
    def bridges(self) -> "SupervisorRef":
        """The supervisor of media edges."""
        return self._supervisor("bridges")

    @property
    def tools(self) -> "SupervisorRef":
        """The supervisor of tool calls."""
        return self._supervisor("tools")

    def edge_counters(self) -> EdgeCounters:
        """What all edges of this scope have counted until now."""
        self._count_closed()
        counters = self._closed
        for _, frames in self._open:
            counters = counters.plus(frames)
        return counters

    def _count_closed(self) -> None:
        """Keep the sums of closed edges and nothing else of them."""
        still: list[tuple[weakref.ref[Edge], Channel[AudioFrame]]] = []
        for ref, frames in self._open:
            edge = ref()
            if edge is not None and edge.open:
                still.append((ref, frames))
            else:
                self._closed = self._closed.plus(frames)
        self._open = still

    def start_bridge(self, edge: "Edge") -> "ActorRef[object]":
        """Start the actor of an edge; used by `MediaUnit.send_media_to`."""
        bridges = self.bridges
        self._count_closed()
        self._open.append((weakref.ref(edge), edge.frames))
        self._edges += 1
        # Several scopes may stand for one system, each with a count of its own.
        while self.system.lookup(f"{bridges.path}/{edge.name}-{self._edges}") is not None:
            self._edges += 1
        return bridges.start_child_soon(
            ChildSpec(
                name=f"{edge.name}-{self._edges}",
                run=Bridge(edge).run,
                restart=Restart.TRANSIENT,
                mailbox=1,
                grace=0.5,
            )
        )


async def system_scope(system: "System", name: str = "clients") -> Scope:
    """Make a scope directly below a system, for clients that belong to no call.

    Args:
        system: The system that owns it; everything in the scope ends with the system.
        name: Its name in the tree.

    Raises:
        NameTaken: The system has a child of that name.
    """
    if system.lookup(name) is None:
        await system.start(
            supervisor_child(
                name, strategy=Strategy.ONE_FOR_ONE, children=SCOPE_CHILDREN, doc="clients without a call"
            )
        )
    await trio.lowlevel.checkpoint()
    return Scope(system, name)
