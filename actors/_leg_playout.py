"""What a leg plays: the one owner of outbound audio, paced, with the ledger and the barge-in at the last hop.

A carrier that buffers plays what it gets at real time. So audio is sent a little ahead of the far side's
playhead and no further: then a clear finds little to throw away, and "what did the caller hear" is known to
a few milliseconds from the clock alone, and exactly where marks come back.
"""

from collections.abc import Callable
from typing import Protocol

import trio

from callboard.media import AudioFormat, AudioFrame, PlayoutBuffer, PlayoutChunk, PlayoutLedger

from ._pacer import Pacer
from ._ports import Heard

# How far ahead of the far side's playhead audio is sent, float seconds: rides out a stalled process, and is
# the most that a carrier without a clear would play on.
LEAD = 0.12
# Sent at once: three frames in one message cost a third of the messages and delay nothing.
CHUNK = 0.06
# Providers send two to five times faster than real time, so most of a long answer waits here: a minute of it
# holds the rest of a story of a minute and a quarter at five times real time. In mu-law it is 480 kB at most.
LIMIT = 60.0
# One mark a second of one answer, and one at its end: enough to confirm what was heard. More of them
# were seen to upset carriers.
MARK_EVERY = 1.0
# Generations whose ledger entries are kept for questions that come late.
REMEMBERED = 64


class PlayoutWire(Protocol):
    """The far side, as a leg's wire offers it; every method only queues."""

    def wire_audio(self, payload: bytes, generation: int) -> None:
        """Queue audio."""

    def wire_mark(self, name: str, generation: int) -> None:
        """Queue a mark behind the audio so far; comes back through `LegPlayout.mark_returned`."""

    def wire_clear(self, generation: int) -> None:
        """Drop queued audio and marks of older generations and empty the far side's queue."""


class LegPlayout:
    """Outbound audio of one leg.

    Args:
        audio_format: What the wire takes.
        pacer: The wheel that calls us while there is something to play.
        wire: Where audio goes.
    """

    def __init__(self, audio_format: AudioFormat, pacer: Pacer, wire: PlayoutWire) -> None:
        self._format = audio_format
        self._wire = wire
        self._handle = pacer.register(self._tick)
        self.buffer = PlayoutBuffer(audio_format, lead=LEAD, chunk=CHUNK, limit=LIMIT)
        self.ledger = PlayoutLedger(audio_format.rate_hz)
        self.on_chunk: list[Callable[[PlayoutChunk], None]] = []
        """Called with each chunk as it is sent, with its place on the leg's timeline."""
        self.on_cut: list[Callable[[int], None]] = []
        """Called with the sample from which on nothing of what was sent is played."""
        self._marked: dict[int, int] = {}
        self._pending_marks: dict[str, int] = {}
        self._marks = 0
        self._stopped = False
        self._idle = trio.Event()
        self._idle.set()

    def start(self, now: float) -> None:
        """Begin the leg's timeline: sample 0 is played at `now`, trio time."""
        self.buffer.start(now)

    def put(self, frame: AudioFrame) -> bool:
        """Take a frame to play; False where it was refused and counted, or the leg is gone."""
        now = trio.current_time()
        if self._stopped or not self.buffer.put(frame, now):
            return False
        self.ledger.queued(str(frame.generation), frame.n_samples)
        if self._idle.is_set():
            self._idle = trio.Event()
        self._tick(now)
        if not self.buffer.empty:
            self._handle.start()
        return True

    def caller_heard(self, now: float) -> None:
        """A frame of the other party came: while it does, its clock serves for ours, and no timer is needed."""
        if not self.buffer.empty:
            self._tick(now)
            self._handle.called(now)

    def flush(self, generation: int) -> None:
        """Barge-in at the last hop: nothing of an older generation is sent after this, and the far side clears.

        The clear is sent even when our own buffer is empty, because the audio is in the far one by then.
        """
        now = trio.current_time()
        # The floor of the buffer stays where it is: edges refuse what is stale, and a source that takes over
        # from another may be in the middle of an older generation.
        flushed = self.buffer.flush(0, now)
        self.ledger.flush(now)
        self._pending_marks.clear()
        self._wire.wire_clear(generation)
        for cut in self.on_cut:
            cut(flushed.cut_at)
        self._settle()

    def mark_returned(self, name: str) -> None:
        """A mark came back. Unknown ones, and those that a clear sent back, say nothing and are ignored."""
        if self._pending_marks.pop(name, None) is not None:
            self.ledger.confirm(name, trio.current_time())

    def heard(self, generation: int) -> Heard:
        """How far the far side got with a generation."""
        found = self.ledger.heard(str(generation), trio.current_time())
        rate = self._format.rate_hz
        return Heard(
            queued=found.queued / rate,
            sent=found.sent / rate,
            likely=found.likely / rate,
            confirmed=found.confirmed / rate,
        )

    async def wait_played(self) -> None:
        """Wait until everything that was put has been played out by the far side, by its clock."""
        while True:
            await self._idle.wait()
            rest = self.buffer.drained_at(trio.current_time()) - trio.current_time()
            # Less than a sample is rounding, and a sleep that short would spin on a virtual clock.
            if rest < 1e-4:
                return
            await trio.sleep(rest)

    def stop(self) -> None:
        """Leave the wheel: the leg is gone, and takes nothing more."""
        self._stopped = True
        self._handle.stop()
        self._idle.set()

    def _tick(self, now: float) -> None:
        for chunk in self.buffer.due(now):
            key = str(chunk.generation)
            self.ledger.sent(key, self.buffer.time_at(chunk.start), chunk.n_samples)
            self._wire.wire_audio(chunk.payload, chunk.generation)
            for heard in self.on_chunk:
                heard(chunk)
            since = self._marked.get(chunk.generation, 0) + chunk.n_samples
            if since >= MARK_EVERY * self._format.rate_hz or self.buffer.empty:
                self._mark(chunk.generation)
                since = 0
            self._marked[chunk.generation] = since
        self._settle()

    def _settle(self) -> None:
        if self.buffer.empty:
            self._handle.stop()
            self._idle.set()
            while len(self._marked) > REMEMBERED:
                oldest = next(iter(self._marked))
                del self._marked[oldest]
                self.ledger.forget(str(oldest))

    def _mark(self, generation: int) -> None:
        self._marks += 1
        name = f"g{generation}:{self._marks}"
        while len(self._pending_marks) >= REMEMBERED:
            # Marks that never come back must not add up.
            del self._pending_marks[next(iter(self._pending_marks))]
        self._pending_marks[name] = generation
        self.ledger.mark_sent(name, str(generation))
        self._wire.wire_mark(name, generation)
