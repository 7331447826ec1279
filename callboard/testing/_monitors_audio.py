"""I3: after a barge-in nothing older reaches the carrier. I7: recording and transcript tell what was."""

import os
import struct
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from callboard.actors import ActorExited, CallRecorder, Edge, Speaker
from callboard.actors._watch import WatchEvent
from callboard.media import AudioFrame

from ._monitors_base import Desk, Monitor, WatchedCall

# Generations of one call whose sources are known, and messages that wait for the carrier's socket.
REMEMBERED = 512
WAV_HEADER = 44
OCTETS_PER_SAMPLE = 4  # two channels of 16 bits


@attrs.define(eq=False)
class _Wire:
    """What one leg plays."""

    watched: WatchedCall
    sources: dict[int, tuple[int, str]] = attrs.field(factory=dict[int, "tuple[int, str]"])
    """By generation: who makes it."""
    floors: dict[int, int] = attrs.field(factory=dict[int, int])
    """By source: generations below are not to be heard any more."""
    muted: set[int] = attrs.field(factory=set[int])
    """Sources that were displaced by others."""
    waiting: dict[int, tuple[str | bytes, int]] = attrs.field(factory=dict[int, "tuple[str | bytes, int]"])
    """Messages that wait for the socket, by identity, with their generation."""
    told: set[tuple[int, str]] = attrs.field(factory=set["tuple[int, str]"])
    """What was reported: an answer is fifty frames a second."""
    clears: int = 0
    """How often the carrier was told to drop what it has."""
    clears_before: int = 0
    """The same when the present interruption began."""


class GenerationMonitor(Monitor):
    """The generation of each piece of audio, where it is queued for the carrier and where it goes out."""

    invariant = "I3"

    def call_seen(self, watched: WatchedCall) -> None:
        """Look at the last hop of a call."""
        wire = _Wire(watched)
        call, spies = watched.call, self.desk.spies
        leg: Any = call.leg
        spies.before(call, "accept", partial(self._accepted, wire))
        spies.before(call, "displaced", partial(self._displaced, wire))
        # Around: the floor is there before the flush, and the clear must be there after it.
        spies.before(call, "flush_input", partial(self._floor, wire))
        spies.after(call, "flush_input", partial(self._cleared, wire))
        spies.after(leg, "wire_clear", partial(self._clear, wire))
        spies.before(leg, "wire_audio", partial(self._queueing, wire))
        socket: Any = getattr(leg, "_socket", None)
        if socket is not None and hasattr(leg, "_outbox"):
            spies.after(leg, "wire_audio", partial(self._queued, wire, leg))
            spies.before(socket, "send", partial(self._sent, wire))

    def _accepted(self, wire: _Wire, edge: Edge, frame: AudioFrame) -> None:
        source = id(edge.source)
        wire.muted.discard(source)
        if frame.generation not in wire.sources:
            wire.sources[frame.generation] = (source, edge.source.id())
            while len(wire.sources) > REMEMBERED:
                del wire.sources[next(iter(wire.sources))]

    def _displaced(self, wire: _Wire, edge: Edge) -> None:
        wire.muted.add(id(edge.source))

    def _floor(self, wire: _Wire, edge: Edge, generation: int) -> None:
        source = id(edge.source)
        wire.floors[source] = max(wire.floors.get(source, 0), generation)
        wire.clears_before = wire.clears

    def _cleared(self, wire: _Wire, _result: None, edge: Edge, _generation: int) -> None:
        self.count()
        if wire.clears == wire.clears_before:
            self.report(
                f"{edge.source.id()} was interrupted, and the carrier was not told to clear its buffer",
                wire.watched.path,
            )

    def _clear(self, wire: _Wire, _result: None, _generation: int) -> None:
        wire.clears += 1

    def _check(self, wire: _Wire, generation: int, what: str) -> None:
        self.count()
        known = wire.sources.get(generation)
        if known is None:
            return
        source, name = known
        if (generation, what) in wire.told:
            return
        if generation < wire.floors.get(source, 0):
            wire.told.add((generation, what))
            self.report(
                f"audio of generation {generation} of {name} {what} after everything below "
                f"{wire.floors[source]} had been interrupted",
                wire.watched.path,
            )
        elif source in wire.muted:
            wire.told.add((generation, what))
            self.report(f"audio of {name} {what} after another source had taken its place", wire.watched.path)

    def _queueing(self, wire: _Wire, _payload: bytes, generation: int) -> None:
        self._check(wire, generation, "was queued")

    def _queued(self, wire: _Wire, leg: Any, _result: None, _payload: bytes, generation: int) -> None:
        if leg._outbox:
            message: str | bytes = leg._outbox[-1].message
            wire.waiting[id(message)] = (message, generation)
            while len(wire.waiting) > REMEMBERED:
                del wire.waiting[next(iter(wire.waiting))]

    def _sent(self, wire: _Wire, message: str | bytes) -> None:
        waited = wire.waiting.pop(id(message), None)
        if waited is not None:
            self._check(wire, waited[1], "was sent")


@attrs.define(eq=False)
class _Life:
    """One life of a recorder, which is one file."""

    recorder: CallRecorder
    watched: WatchedCall


class RecordMonitor(Monitor):
    """The length of recordings, and the order of transcripts."""

    invariant = "I7"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._heard_until: dict[str, int] = {}
        self._lives: dict[str, _Life] = {}

    def call_seen(self, watched: WatchedCall) -> None:
        """Follow the call's timeline."""
        call = watched.call
        path = watched.path
        self._heard_until[path] = call.position if watched.joined else 0

        def heard(payload: bytes, position: int) -> None:
            end = position + call.leg.format.n_samples(len(payload))
            if end > self._heard_until.get(path, 0):
                self._heard_until[path] = end

        # Before its own receivers: a recorder that ends has had what was heard by then.
        self.desk.spies.before(call, "leg_audio", heard)

    def recorder_seen(self, path: str, recorder: CallRecorder, watched: WatchedCall | None) -> None:
        """A file is being written."""
        if watched is not None:
            if watched.joined:
                self._heard_until[watched.path] = max(
                    self._heard_until.get(watched.path, 0), recorder._heard_until
                )
            self._lives[path] = _Life(recorder, watched)

    def actor_event(self, event: WatchEvent) -> None:
        """A recorder that ends has closed its file."""
        if isinstance(event, ActorExited) and (life := self._lives.pop(event.path, None)) is not None:
            self._look_at_file(life, event.path)

    def _look_at_file(self, life: _Life, path: str) -> None:
        self.count()
        recorder = life.recorder
        expected = max(0, self._heard_until.get(life.watched.path, 0) - recorder._origin)
        promised, there = _wav_samples(recorder.path)
        if promised != there:
            self.report(f"{recorder.path.name} promises {promised} samples and has {there}", path)
        elif there != expected:
            self.report(
                f"{recorder.path.name} has {there} samples, and {expected} of the call were heard", path
            )

    def call_over(self, watched: WatchedCall) -> None:
        """The transcript is complete."""
        self._heard_until.pop(watched.path, None)
        self.count()
        last = -1.0
        for line in watched.call.transcript.lines:
            # A tool's line stands where its result came, perhaps in the middle of what is being said.
            if line.speaker is Speaker.TOOL:
                continue
            if line.at < last - 1e-6:
                self.report(
                    f"the transcript has {line.text[:60]!r}, begun at {line.at:.3f} s, after a line begun at "
                    f"{last:.3f} s",
                    watched.path,
                )
                return
            last = line.at
        numbers = [line.number for line in watched.call.transcript.lines]
        if len(set(numbers)) < len(numbers):
            self.report("the transcript has a line twice", watched.path)


def _wav_samples(path: Path) -> tuple[int, int]:
    """What a recording's header promises, and what is in the file; samples of each channel."""
    with path.open("rb") as file:
        header = file.read(WAV_HEADER)
        size = os.fstat(file.fileno()).st_size
    if len(header) < WAV_HEADER:
        return 0, 0
    (n_octets,) = struct.unpack_from("<I", header, WAV_HEADER - 4)
    return n_octets // OCTETS_PER_SAMPLE, (size - WAV_HEADER) // OCTETS_PER_SAMPLE
