"""The playout buffer: the one owner of the audio on its way to a far side that plays in real time.

Providers speak faster than real time. A carrier takes all of it and plays it later, so that "sent" says
little about "heard", and a barge-in has to clear minutes of speech from a queue that we do not see. Here
audio is released a little ahead of the moment it is played, and what the far side has played is known by
arithmetic: it plays each chunk when the one before it has ended, or at once if it is idle.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from ._formats import AudioFormat, AudioFrame

__all__ = ["Flushed", "PlayoutBuffer", "PlayoutChunk", "PlayoutStatistics"]

# Times are floats: a position computed from one may be short of a whole sample by far less than this.
_ROUNDING: Final = 1e-3  # samples


@attrs.frozen(kw_only=True)
class PlayoutChunk:
    """Audio to be sent now."""

    payload: bytes
    """The audio, in the buffer's format."""
    generation: int
    """The turn it belongs to; a chunk never spans two."""
    start: int
    """When the far side plays its first sample: a position on the leg's timeline, in samples."""
    n_samples: int
    """Its length in samples."""


@attrs.frozen(kw_only=True)
class Flushed:
    """What a flush took away."""

    n_samples_unsent: int
    """Samples that had not been sent and never will be."""
    n_samples_cut: int
    """Samples that had been sent and, by the model, not yet played: what the far side is told to drop."""
    cut_at: int
    """Position on the leg's timeline, in samples, from which nothing of the old audio is played."""


@attrs.frozen(kw_only=True)
class PlayoutStatistics:
    """Counters of a `PlayoutBuffer` since it was made. Audio is counted in samples."""

    buffered: int
    """Samples that wait to be sent."""
    high_water: int
    """The most samples that ever waited."""
    accepted: int
    """Samples taken by `put`."""
    sent: int
    """Samples handed out by `due`."""
    flushed: int
    """Samples dropped unsent by `flush`."""
    dropped_overflow: int
    """Frames refused because the buffer would have held more than its limit."""
    dropped_overflow_samples: int
    """Samples in those frames."""
    dropped_stale: int
    """Frames refused because their turn had been flushed."""
    underruns: int
    """How often the far side ran dry in the middle of a turn."""
    underrun_duration: float
    """Seconds of silence the far side played because of that."""


class _Queued:
    """A frame in the queue, of which the first `offset` octets have gone."""

    __slots__ = ("generation", "offset", "payload")

    def __init__(self, payload: bytes, generation: int) -> None:
        self.payload = payload
        self.generation = generation
        self.offset = 0


class PlayoutBuffer:
    """Holds the outbound audio of one leg and says what to send when.

    Positions on the leg's timeline are samples since its start. The timeline starts at `started_at`, or with
    `start`, or else with the first call that names a time. Times must not run backwards; one that does is
    taken for the latest one seen.

    Args:
        format: Format of every frame in and every chunk out.
        lead: Seconds of audio that the far side may hold unplayed. It rides out our own scheduling, and it is
            all that a barge-in has to clear.
        chunk: The longest chunk to send, in seconds.
        limit: Seconds of audio that may wait to be sent. A frame that would exceed it is refused whole: half
            a frame would only add a click to the gap.
        started_at: When the leg's timeline starts, in seconds on the caller's clock.

    Raises:
        ValueError: A duration is not positive, or shorter than one sample.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        lead: float = 0.12,
        chunk: float = 0.02,
        limit: float = 10.0,
        started_at: float | None = None,
    ) -> None:
        rate = format.rate_hz
        self.format: Final = format
        self._rate: Final = rate
        self._lead: Final = round(lead * rate)
        self._chunk: Final = round(chunk * rate)
        self._limit: Final = round(limit * rate)
        if min(self._lead, self._chunk, self._limit) < 1:
            raise ValueError(
                f"lead {lead!r}, chunk {chunk!r}, limit {limit!r}, expected seconds of at least one sample"
            )
        self._width: Final = format.sample_width
        self._started_at = started_at
        self._latest = 0  # the latest position seen: time does not run backwards
        self._queue: list[_Queued] = []
        self._buffered = 0
        self._floor: int | None = None
        # Where on the timeline the audio sent so far ends: the far side is busy until then.
        self._edge = 0
        self._last_generation: int | None = None
        self._high_water = 0
        self._accepted = 0
        self._sent = 0
        self._flushed = 0
        self._dropped_overflow = 0
        self._dropped_overflow_samples = 0
        self._dropped_stale = 0
        self._underruns = 0
        self._underrun_samples = 0

    def start(self, now: float) -> None:
        """Start the leg's timeline at `now`, in seconds.

        Raises:
            RuntimeError: It has been started already.
        """
        if self._started_at is not None:
            raise RuntimeError(f"playout timeline started at {self._started_at!r}, cannot start it again")
        self._started_at = now

    def position_at(self, now: float) -> int:
        """Return the position of `now` on the leg's timeline, in samples; negative before its start."""
        if self._started_at is None:
            self._started_at = now
        return math.floor((now - self._started_at) * self._rate + _ROUNDING)

    def time_at(self, position: int) -> float:
        """Return when the timeline reaches `position`, in seconds on the caller's clock.

        Raises:
            RuntimeError: The timeline has not been started.
        """
        if self._started_at is None:
            raise RuntimeError("playout timeline has not been started, it has no times yet")
        return self._started_at + position / self._rate

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be sent. The far side may still be playing: see `drained_at`."""
        return not self._queue

    @property
    def buffered(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._buffered / self._rate

    def ahead(self, now: float) -> float:
        """Return how many seconds of audio the far side holds unplayed, by the model."""
        return max(0, self._edge - self._position(now)) / self._rate

    def drained_at(self, now: float) -> float:
        """Return when the far side has played, or will have played, everything put in so far.

        With nothing under way the answer lies in the past: when the last audio ended, or the timeline began.
        """
        position = self._position(now)
        if not self._buffered:
            return self.time_at(self._edge)
        return self.time_at(max(position, self._edge) + self._buffered)

    def put(self, frame: AudioFrame, now: float) -> bool:
        """Add a frame behind everything that waits.

        Args:
            frame: Audio in the buffer's format. Its position plays no part: order of arrival counts.
            now: The time, in seconds.

        Returns:
            Whether it was taken. A refused frame has been counted: its turn was flushed, or it does not fit.

        Raises:
            ValueError: The frame has another format, or half a sample.
        """
        if frame.format != self.format:
            raise ValueError(f"frame in {frame.format}, expected {self.format}")
        n, odd = divmod(len(frame.payload), self._width)
        if odd:
            raise ValueError(f"frame of {len(frame.payload)} octets, expected whole samples of {self._width}")
        self._position(now)
        if self._floor is not None and frame.generation < self._floor:
            self._dropped_stale += 1
            return False
        if self._buffered + n > self._limit:
            self._dropped_overflow += 1
            self._dropped_overflow_samples += n
            return False
        if n:
            self._queue.append(_Queued(frame.payload, frame.generation))
            self._buffered += n
            self._accepted += n
            self._high_water = max(self._high_water, self._buffered)
        return True

    def due(self, now: float) -> list[PlayoutChunk]:
        """Take out what is to be sent now, in order.

        Chunks are as long as the queue and `chunk` allow, and go out while the far side, with them, holds no
        more than the lead. (A chunk longer than the lead goes out when the far side holds nothing.)
        """
        if not self._queue:
            return []
        position = self._position(now)
        chunks: list[PlayoutChunk] = []
        while self._queue:
            n = self._next_length()
            if not self._may_send(n, position):
                break
            generation = self._queue[0].generation
            start = max(position, self._edge)
            gap = start - self._edge
            if gap and generation == self._last_generation:
                self._underruns += 1
                self._underrun_samples += gap
            chunks.append(PlayoutChunk(payload=self._pop(n), generation=generation, start=start, n_samples=n))
            self._edge = start + n
            self._last_generation = generation
            self._buffered -= n
            self._sent += n
        return chunks

    def next_due(self, now: float) -> float | None:
        """Return when to call `due` again: `now` if something is to be sent, None when nothing waits."""
        if not self._queue:
            return None
        position = self._position(now)
        n = self._next_length()
        if self._may_send(n, position):
            return now
        return self.time_at(self._edge - max(0, self._lead - n))

    def flush(self, floor_generation: int, now: float) -> Flushed:
        """Drop everything that waits, and model a far side that is told to clear what it holds.

        Args:
            floor_generation: The lowest generation that is taken from now on. It never goes down.
            now: The time, in seconds: where the far side stops.

        Returns:
            What was lost. Calling it twice loses nothing the second time.
        """
        position = self._position(now)
        self._floor = floor_generation if self._floor is None else max(self._floor, floor_generation)
        unsent = self._buffered
        self._queue.clear()
        self._buffered = 0
        self._flushed += unsent
        cut = max(0, self._edge - position)
        if cut:
            self._edge = position
        # The silence that follows is wanted: it is no underrun even if the generation goes on.
        self._last_generation = None
        return Flushed(n_samples_unsent=unsent, n_samples_cut=cut, cut_at=position)

    def statistics(self) -> PlayoutStatistics:
        """Return the counters."""
        return PlayoutStatistics(
            buffered=self._buffered,
            high_water=self._high_water,
            accepted=self._accepted,
            sent=self._sent,
            flushed=self._flushed,
            dropped_overflow=self._dropped_overflow,
            dropped_overflow_samples=self._dropped_overflow_samples,
            dropped_stale=self._dropped_stale,
            underruns=self._underruns,
            underrun_duration=self._underrun_samples / self._rate,
        )

    def _position(self, now: float) -> int:
        self._latest = max(self._latest, self.position_at(now))
        return self._latest

    def _may_send(self, n: int, position: int) -> bool:
        ahead = self._edge - position
        return ahead <= 0 or ahead + n <= self._lead

    def _next_length(self) -> int:
        """Return the length in samples of the chunk that can be made next."""
        first = self._queue[0]
        octets = -first.offset
        wanted = self._chunk * self._width
        for queued in self._queue:
            if queued.generation != first.generation:
                break
            octets += len(queued.payload)
            if octets >= wanted:
                return self._chunk
        return octets // self._width

    def _pop(self, n: int) -> bytes:
        """Take `n` samples, which are there, from the front of the queue."""
        missing = n * self._width
        parts: list[bytes] = []
        while missing:
            first = self._queue[0]
            left = len(first.payload) - first.offset
            if left <= missing:
                # The usual case, a frame of just the right length, copies nothing.
                parts.append(first.payload[first.offset :] if first.offset else first.payload)
                self._queue.pop(0)
                missing -= left
            else:
                parts.append(first.payload[first.offset : first.offset + missing])
                first.offset += missing
                missing = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)
