"""Media units and the edges between them: who produces audio, who takes it, and what happens to two sources.

The verbs and their meaning are VoxEngine's: everything a unit produces flows along each of its edges, fan-out
is unlimited, and what an input does with a second source is its policy. What is added: an edge is an object,
the displaced one is told, and every queue is bounded and counted.
"""

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame

from ._channel import Channel, Overflow

if TYPE_CHECKING:
    from ._ref import ActorRef
    from ._scope import Scope

# Frames one edge may hold for its bridge: 5 s of 20 ms frames, or a burst of a provider that sends a long
# answer at once. The bridge only converts, so this fills only when the process is stalled.
EDGE_CAPACITY = 256


class InputPolicy(enum.Enum):
    """What a unit's input does with a second source."""

    REPLACE = "replace"
    """The newest source wins and the displaced edge is told (a phone hears one thing at a time)."""
    MIX = "mix"
    """All sources are heard together."""
    REJECT = "reject"
    """A second source is refused with `InputBusy`."""


class InputBusy(Exception):
    """A unit with the policy `REJECT` has a source already."""


@attrs.frozen(kw_only=True)
class Heard:
    """How far the far side got with the audio of one generation, float seconds of audio."""

    queued: float = 0.0
    sent: float = 0.0
    likely: float = 0.0
    """By the clock: what it has played if the wire is idle."""
    confirmed: float = 0.0
    """By marks that came back."""


@attrs.frozen(kw_only=True)
class EdgeStatistics:
    """Counters of one edge."""

    frames: int
    dropped: int
    """Frames dropped because the bridge did not keep up."""
    stale: int
    """Frames of an interrupted generation, dropped on their way."""
    passthrough: bool
    """True while both ends speak one format and octets pass untouched."""


class Edge:
    """One direction of audio from a source to a sink; made by `MediaUnit.send_media_to`."""

    def __init__(
        self,
        source: "MediaUnit",
        sink: "MediaUnit",
        *,
        tag: str | None,
        custom_parameters: Mapping[str, str] | None,
    ) -> None:
        self.source = source
        self.sink = sink
        self.tag = tag
        self.custom_parameters = dict(custom_parameters or {})
        self.name = f"{source.id()}-to-{sink.id()}"
        self.frames: Channel[AudioFrame] = Channel(EDGE_CAPACITY, Overflow.DROP_OLDEST, name=self.name)
        self.ref: ActorRef[object] | None = None
        self.floor = 0
        """Frames of a smaller generation are dropped."""
        self.open = True
        self.displaced_by: MediaUnit | None = None
        self.carry: Callable[[AudioFrame], None] | None = None
        """Set by the bridge while it has nothing to do: frames are then carried in the source's own step."""
        self.delivered = self.stale = 0
        self.passthrough = False
        self.work = trio.lowlevel.ParkingLot()
        """Where the bridge waits while it has nothing to do."""
        self._empty = trio.Event()

    def offer(self, frame: AudioFrame) -> None:
        """Take a frame: it is carried at once, or queued where the bridge is not there or is behind."""
        if self.carry is not None:
            self.carry(frame)
        else:
            self.frames.send_nowait(frame)

    def waiting(self) -> Iterator[AudioFrame]:
        """Used by the bridge: take out what was queued, in order, and tell once all of it was delivered."""
        while True:
            try:
                yield self.frames.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                self._empty.set()
                return

    async def wait_empty(self) -> None:
        """Wait until everything that was emitted so far has been delivered, or the edge is closed."""
        await trio.lowlevel.checkpoint()
        while self.open and self.frames.statistics().depth:
            self._empty = trio.Event()
            await self._empty.wait()

    def close(self) -> None:
        """Take the edge away; harmless when it is closed."""
        if self.open:
            self.open = False
            self.source.forget_output(self)
            self.sink.forget_input(self)
            self.frames.close()
            self.frames.clear()
            self._empty.set()
            self.work.unpark_all()

    def statistics(self) -> EdgeStatistics:
        """Counters since the edge was made."""
        return EdgeStatistics(
            frames=self.delivered,
            dropped=self.frames.statistics().dropped,
            stale=self.stale,
            passthrough=self.passthrough,
        )


class MediaUnit:
    """Anything with an audio output, an audio input, or both.

    A subclass calls `emit` with what it produces and overrides `accept` to take what is sent to it. Both are
    plain functions: audio is handed on without waiting, and bounded buffers decide what is dropped.
    """

    input_policy = InputPolicy.REPLACE

    def __init__(self, name: str, scope: "Scope") -> None:
        self._name = name
        self.scope = scope
        self.outputs: list[Edge] = []
        self.inputs: list[Edge] = []

    def id(self) -> str:
        """The unit's id, unique within its call."""
        return self._name

    @property
    def output_format(self) -> AudioFormat:
        """What `emit` produces now."""
        raise NotImplementedError(f"{type(self).__name__} produces no audio")

    @property
    def input_format(self) -> AudioFormat:
        """What `accept` wants now; bridges convert to it."""
        raise NotImplementedError(f"{type(self).__name__} takes no audio")

    def send_media_to(
        self,
        unit: "MediaUnit",
        *,
        tag: str | None = None,
        encoding: str | None = None,
        custom_parameters: Mapping[str, str] | None = None,
    ) -> Edge:
        """Let everything this unit produces flow into another from now on.

        Args:
            unit: The sink. A second call for the same sink returns the edge that is there.
            tag: A name for the stream, where the sink's wire has several.
            encoding: Accepted for VoxEngine's sake; the formats of the two ends decide.
            custom_parameters: Passed to the sink with the start of the stream.

        Raises:
            InputBusy: The sink refuses a second source.
        """
        del encoding
        present = next((edge for edge in self.outputs if edge.sink is unit and edge.tag == tag), None)
        if present is not None:
            return present
        unit.make_room(self)
        edge = Edge(self, unit, tag=tag, custom_parameters=custom_parameters)
        self.outputs.append(edge)
        unit.inputs.append(edge)
        edge.ref = self.scope.start_bridge(edge)
        return edge

    def stop_media_to(self, unit: "MediaUnit", *, tag: str | None = None) -> None:
        """Take the edge to another unit away; harmless where there is none.

        Args:
            unit: The sink.
            tag: Only the stream of this name; None takes all away.
        """
        for edge in [edge for edge in self.outputs if edge.sink is unit and tag in {None, edge.tag}]:
            edge.close()

    def make_room(self, newcomer: "MediaUnit") -> None:
        """Apply the input policy before a new source is joined."""
        if not self.inputs or self.input_policy is InputPolicy.MIX:
            return
        if self.input_policy is InputPolicy.REJECT:
            raise InputBusy(f"{self.id()} takes one source and has {self.inputs[0].source.id()}")
        for edge in tuple(self.inputs):
            edge.displaced_by = newcomer
            edge.close()
            self.displaced(edge)

    def displaced(self, edge: Edge) -> None:
        """Told when a source of this unit was replaced by a newer one."""

    def forget_output(self, edge: Edge) -> None:
        """Used by `Edge.close`."""
        if edge in self.outputs:
            self.outputs.remove(edge)

    def forget_input(self, edge: Edge) -> None:
        """Used by `Edge.close`."""
        if edge in self.inputs:
            self.inputs.remove(edge)

    def emit(self, frame: AudioFrame) -> None:
        """Offer a frame to every edge; where a bridge does not keep up the oldest frame is dropped and counted."""
        # A copy: what a sink does with a frame may take an edge away.
        for edge in tuple(self.outputs):
            edge.offer(frame)

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        """Take a frame in `input_format`; called by the bridge, in order, never concurrently."""
        raise NotImplementedError(f"{type(self).__name__} takes no audio")

    def next_generation(self) -> int:
        """A number that nothing in this system has had: audio that is made later compares greater."""
        return self.scope.system.next_generation()

    def flush_output(self, generation: int) -> None:
        """Drop everything of an older generation that is on its way out of this unit, up to the far side."""
        for edge in self.outputs:
            edge.floor = max(edge.floor, generation)
            edge.sink.flush_input(edge, generation)

    def flush_input(self, edge: Edge, generation: int) -> None:
        """Drop what an edge delivered of older generations and is not played yet; nothing to do by default."""

    def heard(self, edge: Edge, generation: int) -> Heard | None:
        """How far the far side got with a generation, or None where the unit cannot tell."""
        del edge, generation
        return None

    def close_edges(self) -> None:
        """Take every edge of this unit away."""
        for edge in (*self.outputs, *self.inputs):
            edge.close()


def send_media_between(first: MediaUnit, second: MediaUnit) -> None:
    """Join two units in both directions."""
    first.send_media_to(second)
    second.send_media_to(first)


def stop_media_between(first: MediaUnit, second: MediaUnit) -> None:
    """Part two units in both directions."""
    first.stop_media_to(second)
    second.stop_media_to(first)
