"""A resampler for live audio: a short polyphase FIR with state, whose output never comes in bursts.

Library stream resamplers work on FFT blocks: at 20 ms frames they return nothing for some frames and up to
140 ms at once later. For a conversation that is delay, so the live path has its own filter. Files and test
material may use anything.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from ._g711 import Samples

__all__ = ["Resampler"]

_Floats: TypeAlias = npt.NDArray[np.float32]

# Taps in one period of the lower rate. 48 give a transition of about 850 Hz at 8 kHz with 80 dB of rejection,
# at 3 ms of delay: telephone speech (up to 3400 Hz) passes, its images (from 4600 Hz) do not.
_TAPS: Final = 48
_KAISER_BETA: Final = 8.0
_CUTOFF: Final = 0.46  # of the lower rate; the -6 dB point

# Output is computed in blocks of about this many samples of the lower rate, each one row of a matrix product.
# Larger blocks waste work on zeros in the matrix, smaller ones on copying overlapping windows.
_BLOCK: Final = 16
_MAX_MATRIX: Final = 65536  # elements; ratios such as 160:441 would need far more and go the other way

_MAX_CHUNK: Final = 9600  # input samples handled at once; longer input is cut, so that buffers stay small

_LOW: Final = np.float32(-32768)
_HIGH: Final = np.float32(32767)


class _Design:
    """The filter of one ratio, shared by every resampler of that ratio.

    Output `j` is placed on the grid of `up` times the input rate at `(j + 1) * down - 1`, so that after `n`
    inputs exactly `n * up // down` outputs are due, and none of them has to wait for the next input.
    """

    def __init__(self, up: int, down: int, lower_over_input: float) -> None:
        self.up = up
        self.down = down
        self.taps = math.ceil(_TAPS / lower_over_input)
        n = self.taps * up
        time = np.arange(n) - (n - 1) / 2
        cutoff = _CUTOFF * lower_over_input / up  # cycles per sample of the grid
        prototype = 2 * cutoff * np.sinc(2 * cutoff * time) * np.kaiser(n, _KAISER_BETA)
        phases = prototype.reshape(self.taps, up).T
        # Every phase passes a constant unchanged: otherwise a DC offset comes out with a ripple on it.
        phases = phases / phases.sum(axis=1, keepdims=True)
        # Windows run from the oldest sample to the newest, an impulse response the other way round.
        self.phases: _Floats = np.ascontiguousarray(phases[:, ::-1], dtype=np.float32)
        self.delay_grid = (n - 1) / 2 - (down - 1)

        cycles = max(1, _BLOCK // min(up, down))
        self.block_in = cycles * down
        self.block_out = cycles * up
        self.window = self.taps - 1 + self.block_in
        self.matrix: _Floats | None = None
        if self.window * self.block_out <= _MAX_MATRIX:
            matrix = np.zeros((self.window, self.block_out), np.float32)
            for j in range(self.block_out):
                newest, phase = divmod((j + 1) * down - 1, up)
                matrix[newest : newest + self.taps, j] = self.phases[phase]
            self.matrix = matrix


@functools.lru_cache(maxsize=64)  # eight rates make 56 pairs
def _design(up: int, down: int) -> _Design:
    return _Design(up, down, min(up, down) / down)


class _Scratch(threading.local):
    """Room for what is between input and result; of a thread, not of each of hundreds of streams."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], tuple[_Floats, _Floats]] = {}

    def room(self, design: _Design, blocks: int) -> tuple[_Floats, _Floats]:
        """Room for the windows and the output of so many blocks, with anything in it."""
        kept = self._kept.get((design.up, design.down))
        if kept is None or len(kept[0]) < blocks:
            rows = np.empty((blocks, design.window), np.float32)
            output = np.empty((blocks, design.block_out), np.float32)
            kept = self._kept[design.up, design.down] = rows, output
        return kept[0][:blocks], kept[1][:blocks]


_scratch = _Scratch()


class Resampler:
    """Converts a live stream of samples from one rate to another.

    Whatever the input is cut into, after `n` input samples exactly `n * to_hz // from_hz` output samples have
    been returned: a 20 ms frame in is a 20 ms frame out, from the first one on. How the input is cut makes no
    difference but for rounding (one unit at most). It serves one stream: make one for each direction.

    Args:
        from_hz: Rate of the input.
        to_hz: Rate of the output.

    Raises:
        ValueError: A rate is not positive.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"resampling from {from_hz!r} to {to_hz!r} Hz, expected positive rates")
        self.from_hz: Final = from_hz
        self.to_hz: Final = to_hz
        common = math.gcd(from_hz, to_hz)
        self._design: Final = _design(to_hz // common, from_hz // common)
        self._history: Final = self._design.taps - 1
        # History and then the new samples, so that every window is a slice of one array.
        self._buffer: _Floats = np.zeros(self._history + from_hz // 50, np.float32)
        self._consumed = 0  # inputs since the ratio's cycle last began, below `down`
        # For the frame length in use: its windows as a view of the buffer.
        self._planned = -1
        self._view: _Floats = self._buffer

    @property
    def delay(self) -> float:
        """Seconds by which the output lags behind the input (the filter's group delay)."""
        if self.from_hz == self.to_hz:
            return 0.0
        return self._design.delay_grid / (self.from_hz * self._design.up)

    def reset(self) -> None:
        """Forget all history: the next sample is the first of a new stream."""
        self._buffer[: self._history] = 0
        self._consumed = 0

    def process(self, samples: Samples) -> Samples:
        """Convert the next samples of the stream.

        Args:
            samples: int16 (n,), any length.

        Returns:
            int16 (m,), all the output due by now. Rounded and limited once, after the filter.
        """
        if self.from_hz == self.to_hz:
            return samples
        n = len(samples)
        if n > _MAX_CHUNK:
            parts = [self._process(samples[i : i + _MAX_CHUNK]) for i in range(0, n, _MAX_CHUNK)]
            return np.concatenate(parts)
        return self._process(samples)

    def _process(self, samples: Samples) -> Samples:
        n = len(samples)
        history = self._history
        end = history + n
        if len(self._buffer) < end:
            grown = np.zeros(end, np.float32)
            grown[:history] = self._buffer[:history]
            self._buffer = grown
            self._planned = -1
        buffer = self._buffer
        buffer[history:end] = samples

        design = self._design
        matrix = design.matrix
        if matrix is not None and self._consumed == 0 and n and n % design.block_in == 0:
            if n != self._planned:
                self._plan(n)
            rows, output = _scratch.room(design, n // design.block_in)
            np.copyto(rows, self._view)
            np.dot(rows, matrix, out=output)
            result = output.ravel()
        else:
            result = self._gather(n)
            self._consumed = (self._consumed + n) % design.down

        np.rint(result, out=result)
        np.maximum(result, _LOW, out=result)
        np.minimum(result, _HIGH, out=result)
        # The source of the move lies after its target; numpy handles the overlap of short input.
        buffer[:history] = buffer[n:end]
        return result.astype(np.int16)

    def _plan(self, n: int) -> None:
        """Prepare for frames of `n` samples, a whole number of blocks."""
        design = self._design
        rows = n // design.block_in
        step = self._buffer.itemsize
        self._view = as_strided(
            self._buffer, (rows, design.window), (design.block_in * step, step), writeable=False
        )
        self._planned = n

    def _gather(self, n: int) -> _Floats:
        """Compute the outputs due after `n` more inputs one window each, at any point of the cycle."""
        design = self._design
        up, down = design.up, design.down
        first = self._consumed * up // down
        last = (self._consumed + n) * up // down
        if first == last:
            return np.empty(0, np.float32)
        newest, phase = np.divmod((np.arange(first, last) + 1) * down - 1, up)
        step = self._buffer.itemsize
        windows = as_strided(self._buffer, (n, design.taps), (step, step), writeable=False)
        return np.asarray(
            np.einsum("ij,ij->i", windows[newest - self._consumed], design.phases[phase]), np.float32
        )
