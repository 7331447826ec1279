"""Two channels on one timeline: what the recorder assembles a stereo file from."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from ._g711 import Samples

__all__ = ["StereoTimeline", "TimelineStatistics"]

_Mask: TypeAlias = npt.NDArray[np.bool_]

# How far beyond what was taken a sample may lie. Playout is seconds ahead at most and the recorder takes
# often; a position further off is a carrier's mistake, which must not make us allocate gigabytes.
_MAX_AHEAD: Final = 60 * 48_000  # samples: a minute at the highest rate, 8.6 MB a channel with its mask


@attrs.frozen(kw_only=True)
class TimelineStatistics:
    """Counters of a `StereoTimeline`, in samples of one channel."""

    taken: int
    """Given out so far: where the next `take` begins."""
    held: int
    """Room in use beyond that, the longer of the two channels."""
    dropped_late: int
    """Came after their place had been given out."""
    dropped_overlap: int
    """Came after another sample for the same place."""
    dropped_ahead: int
    """Lay impossibly far ahead."""


class _Channel:
    """One channel from `base` on. What was never filled is silence."""

    def __init__(self) -> None:
        self.samples: Samples = np.zeros(8192, np.int16)
        self.filled: _Mask = np.zeros(8192, np.bool_)
        self.end = 0  # nothing is filled from here on, relative to the base

    def reserve(self, length: int) -> None:
        if length > len(self.samples):
            size = max(length, 2 * len(self.samples))
            samples, filled = np.zeros(size, np.int16), np.zeros(size, np.bool_)
            samples[: self.end] = self.samples[: self.end]
            filled[: self.end] = self.filled[: self.end]
            self.samples, self.filled = samples, filled

    def place(self, start: int, samples: Samples) -> int:
        """Fill what is still free. Returns how many samples found their place."""
        stop = start + len(samples)
        self.reserve(stop)
        if start >= self.end:  # in order, which is the rule
            self.samples[start:stop] = samples
            placed = len(samples)
        else:
            free = ~self.filled[start:stop]
            self.samples[start:stop][free] = samples[free]
            placed = int(np.count_nonzero(free))
        self.filled[start:stop] = True
        self.end = max(self.end, stop)
        return placed

    def cut(self, start: int) -> None:
        if start < self.end:
            self.samples[start : self.end] = 0
            self.filled[start : self.end] = False
            self.end = start

    def take(self, n: int) -> Samples:
        """Remove and return the first `n` samples."""
        taken = np.zeros(n, np.int16)
        have = min(n, self.end)
        taken[:have] = self.samples[:have]
        rest = self.end - have
        self.samples[:rest] = self.samples[have : self.end].copy()
        self.filled[:rest] = self.filled[have : self.end].copy()
        self.samples[rest : self.end] = 0
        self.filled[rest : self.end] = False
        self.end = rest
        return taken


class StereoTimeline:
    """Puts the caller (left) and the agent (right) side by side, by position.

    Positions are samples since the start of the recording, at one rate for both channels. Gaps are silence.
    Where two pieces claim the same place, the first one to come keeps it, until a `cut`. What lies before the
    start, or was given out already, is dropped and counted.
    """

    def __init__(self) -> None:
        self._left = _Channel()
        self._right = _Channel()
        self._base = 0  # everything before was taken
        self._finished = False
        self._late = 0
        self._overlap = 0
        self._ahead = 0

    def left(self, position: int, samples: Samples) -> int:
        """Place audio from the caller.

        Args:
            position: Where its first sample belongs.
            samples: int16 (n,).

        Returns:
            How many samples found their place; the others have been counted.
        """
        return self._place(self._left, position, samples)

    def right(self, start: int, samples: Samples) -> int:
        """Place audio for the caller where the far side plays it; as `left` otherwise."""
        return self._place(self._right, start, samples)

    def cut(self, position: int) -> None:
        """Blank the right channel from a position on: the far side was told to stop there.

        What is blanked may be filled again by what is played next. Audio given out already stays.
        """
        self._right.cut(max(0, position - self._base))

    def take(self, final_until: int) -> bytes:
        """Give out what can no longer change, and free its memory.

        Args:
            final_until: The position up to which nothing more will be placed or cut.

        Returns:
            Interleaved int16 little-endian, left first, from where the last call stopped; empty if the
            position is not beyond that.
        """
        n = final_until - self._base
        if n <= 0 or self._finished:
            return b""
        self._base = final_until
        pairs = np.stack((self._left.take(n), self._right.take(n)), axis=1)
        return pairs.astype("<i2", copy=False).tobytes()

    def finish(self, length: int) -> bytes:
        """Give out the rest, so that the recording is exactly `length` samples long, and take nothing more.

        Args:
            length: Length of the whole recording in samples. Nothing can be taken back: a length shorter than
                what was given out gives nothing.

        Returns:
            As `take`: padded with silence, or cut.
        """
        rest = self.take(length)
        self._finished = True
        self._left = _Channel()
        self._right = _Channel()
        return rest

    def statistics(self) -> TimelineStatistics:
        """Return the counters."""
        return TimelineStatistics(
            taken=self._base,
            held=max(self._left.end, self._right.end),
            dropped_late=self._late,
            dropped_overlap=self._overlap,
            dropped_ahead=self._ahead,
        )

    def _place(self, channel: _Channel, position: int, samples: Samples) -> int:
        start = position - self._base
        if self._finished:
            self._late += len(samples)
            return 0
        if start < 0:
            late = min(-start, len(samples))
            self._late += late
            samples = samples[late:]
            start = 0
        if not len(samples):
            return 0
        if start + len(samples) > _MAX_AHEAD:
            self._ahead += len(samples)
            return 0
        placed = channel.place(start, samples)
        self._overlap += len(samples) - placed
        return placed
