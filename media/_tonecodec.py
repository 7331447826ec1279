"""Text carried as tones: words that travel through telephone audio without any speech model.

One octet is one symbol of 20 ms: two tones at a time, one of 16 for each half of the octet. Tones are 50 Hz
apart, whole periods of a symbol, so that they do not disturb each other, and between 500 and 2500 Hz, so that
they survive G.711, resampling and the telephone band. An utterance is

    preamble (3 symbols) | length (2 octets, big-endian) | CRC-8 of it | UTF-8 text | CRC-16 of it (2 octets)

The preamble's tones occur nowhere else: it gives the decoder the symbol clock at any offset, and it is found
even when it follows an utterance that was cut off in the middle.
"""

from __future__ import annotations

import binascii
import functools
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from ._g711 import Samples

__all__ = ["TONE_RATE_HZ", "TONE_SYMBOL_SAMPLES", "ToneDecoder", "ToneEncoder", "ToneText"]

_Floats: TypeAlias = npt.NDArray[np.float32]

TONE_RATE_HZ: Final = 8000
"""Rate of the audio that carries text."""
TONE_SYMBOL_SAMPLES: Final = 160
"""Samples of one symbol: 20 ms."""

_SYMBOL: Final = TONE_SYMBOL_SAMPLES
# Frequencies as multiples of 50 Hz, one period a symbol.
_LOW: Final = range(12, 28)  # 600 to 1350 Hz: the upper half of an octet
_HIGH: Final = range(31, 47)  # 1550 to 2300 Hz: the lower half
_PREAMBLE_TONES: Final = (10, 29, 48, 50)  # 500, 1450, 2400, 2500 Hz
# Indices into _PREAMBLE_TONES. No two symbols are alike: the preamble matches itself at one offset only.
_PREAMBLE: Final = ((0, 2), (1, 3), (0, 3))

_MAX_OCTETS: Final = 0xFFFF  # what two octets of length can say: 22 minutes of tones
_HEADER: Final = 3
_TRAILER: Final = 2

_HOP: Final = 40  # the search looks every 5 ms, so one look is at most 2.5 ms off
_FINE: Final = 4  # samples; what is found is then placed to half of this
# Samples by which symbols are read early: less than it costs, and the last one never has to wait for the
# sample after the end.
_EARLY: Final = 4
_SPAN: Final = len(_PREAMBLE) * _SYMBOL
_SEARCH_BATCH: Final = 64  # windows scored at once in long input

# Shares of a window's energy. A clean tone pair has all of it, at 10 dB of signal to noise 0.9.
_FOUND: Final = 0.45  # in each preamble symbol, 5 ms off at the worst
_READABLE: Final = 0.5  # in the two tones of a data symbol
_BALANCE: Final = 0.1  # in either of them
_SILENT: Final = 100.0  # mean square (-70 dBFS): not worth looking at. A-law silence is 64


def _basis(tones: range | tuple[int, ...]) -> _Floats:
    """Return an orthonormal (160, 2 n) basis: the cosines of all tones and then their sines."""
    phase = 2 * np.pi / _SYMBOL * np.outer(np.arange(_SYMBOL), np.array(tones))
    return np.asarray(np.hstack([np.cos(phase), np.sin(phase)]) * np.sqrt(2 / _SYMBOL), np.float32)


_PREAMBLE_BASIS: Final = _basis(_PREAMBLE_TONES)
_DATA_BASIS: Final = _basis((*_LOW, *_HIGH))
# Row i of a window's preamble powers times this = the power in symbol i's two tones.
_PAIRS: Final = np.zeros((len(_PREAMBLE_TONES), len(_PREAMBLE)), np.float32)
for _symbol, _tones in enumerate(_PREAMBLE):
    _PAIRS[list(_tones), _symbol] = 1


def _crc8(data: bytes) -> int:
    """Return an 8-bit check of a length: half of its CRC-16 is as good as any, and spares a table."""
    return binascii.crc_hqx(data, 0xFFFF) & 0xFF


def _crc16(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2)  # the CCITT polynomial


@functools.lru_cache(maxsize=4)
def _waveforms(peak: float) -> tuple[Samples, Samples]:
    """Return the preamble, (480,), and the symbols of all octets, (256, 160)."""
    amplitude = peak * 32767 / 2  # two tones at a time
    # All tones are sines of whole periods: every symbol starts and ends at zero, and no edge clicks.
    phase = 2 * np.pi / _SYMBOL * np.arange(_SYMBOL)
    low = np.sin(np.outer(np.array(_LOW), phase))
    high = np.sin(np.outer(np.array(_HIGH), phase))
    symbols = amplitude * (low[:, None, :] + high[None, :, :])
    pilot = np.sin(np.outer(np.array(_PREAMBLE_TONES), phase))
    preamble = np.concatenate([amplitude * (pilot[a] + pilot[b]) for a, b in _PREAMBLE])
    return np.rint(preamble).astype(np.int16), np.rint(symbols).astype(np.int16).reshape(256, _SYMBOL)


class ToneText(str):
    """A text that was heard, with whether it was heard to the end.

    Attributes:
        complete: False if the utterance was cut off: the text is what was read until then, without the octets
            of a character that did not arrive whole. Also False, with no text, if it came to its end but the
            checksum says that it was damaged.
    """

    __slots__ = ("complete",)

    complete: bool

    def __new__(cls, text: str, complete: bool = True) -> ToneText:
        """Make a text; see the class."""
        self = super().__new__(cls, text)
        self.complete = complete
        return self

    def __repr__(self) -> str:
        return f"ToneText({str(self)!r}, complete={self.complete})"


class ToneEncoder:
    """Turns text into tones.

    Args:
        peak: Largest sample, as a share of full scale.

    Raises:
        ValueError: The peak is not above 0 and at most 1.
    """

    def __init__(self, *, peak: float = 0.5) -> None:
        if not 0 < peak <= 1:
            raise ValueError(f"tones with a peak of {peak!r}, expected more than 0 and at most 1")
        self._preamble, self._symbols = _waveforms(peak)

    def encode(self, text: str) -> Samples:
        """Return the utterance of a text, int16 (n,) at 8 kHz: 20 ms an octet and 160 ms around it.

        Args:
            text: Any text. What UTF-8 cannot carry (half a surrogate pair) becomes a question mark.

        Raises:
            ValueError: The text takes more than 65535 octets.
        """
        octets = text.encode("utf-8", "replace")
        if len(octets) > _MAX_OCTETS:
            raise ValueError(f"text of {len(octets)} octets, expected at most {_MAX_OCTETS}")
        length = len(octets).to_bytes(2)
        message = length + bytes([_crc8(length)]) + octets + _crc16(octets)
        symbols = self._symbols[np.frombuffer(message, np.uint8)].ravel()
        return np.concatenate([self._preamble, symbols])


class ToneDecoder:
    """Finds texts in a stream of audio at 8 kHz, whatever it is cut into and wherever they begin.

    Anything else (silence, noise, speech) gives nothing. Only the last few symbols are kept, and the text of
    the utterance under way.
    """

    def __init__(self) -> None:
        self._samples: _Floats = np.empty(0, np.float32)
        self._base = 0  # position in the stream of the first sample kept
        self._n_zero = 0  # samples of perfect silence at the end of the stream
        # Searching: where the next window starts, and the scores of the windows before it, one a hop.
        self._next = 0
        self._scores: _Floats = np.zeros((0, len(_PREAMBLE)), np.float32)
        # Reading: where the next symbol starts (None while searching), and what was read.
        self._at: int | None = None
        self._octets = bytearray()
        self._length: int | None = None

    @property
    def speaking(self) -> bool:
        """Whether an utterance is under way: its preamble was found and its end has not come."""
        return self._at is not None

    @property
    def partial(self) -> str:
        """The text of the utterance under way, as far as it was read."""
        if self._length is None:
            return ""
        octets = bytes(self._octets[_HEADER : _HEADER + self._length])
        return octets.decode("utf-8", "ignore")  # the last character may be incomplete

    def push(self, samples: Samples) -> list[ToneText]:
        """Take the next samples of the stream.

        Args:
            samples: int16 (n,) at 8 kHz, any length.

        Returns:
            The utterances that ended in them, whole ones and ones that were cut off, in order.
        """
        if self._at is None and not samples.any():
            if self._n_zero >= len(self._samples) + len(self._scores) * _HOP:
                # Silence behind nothing but silence: as if it had been searched, which is most of a call.
                self._base += len(samples)
                self._next += len(samples)
                return []
            self._n_zero += len(samples)
        else:
            self._n_zero = 0
        self._samples = np.concatenate([self._samples, samples], dtype=np.float32)
        found: list[ToneText] = []
        while self._search() if self._at is None else self._read(found):
            pass
        return found

    def flush(self) -> list[ToneText]:
        """End the stream: return an utterance that was under way as cut off, and start again."""
        cut = [] if self._length is None else [ToneText(self.partial, False)]
        self.reset()
        return cut

    def reset(self) -> None:
        """Forget everything: the next sample is the first of a new stream."""
        self._samples = np.empty(0, np.float32)
        self._base = 0
        self._search_from(0)

    def _search_from(self, position: int) -> None:
        self._at = None
        self._octets.clear()
        self._length = None
        self._next = position
        self._scores = np.zeros((0, len(_PREAMBLE)), np.float32)

    def _keep_from(self, position: int) -> None:
        if position > self._base:
            self._samples = self._samples[position - self._base :]
            self._base = position

    def _windows(self, position: int, count: int, step: int) -> _Floats:
        """Return `count` symbol-long windows from `position` on, every `step` samples, as a view."""
        first = self._samples[position - self._base :]
        width = first.itemsize
        return as_strided(first, (count, _SYMBOL), (step * width, width), writeable=False)

    def _preamble_scores(self, windows: _Floats) -> _Floats:
        """Return, for each window and preamble symbol, the share of energy in the symbol's tones."""
        projected = np.square(windows @ _PREAMBLE_BASIS)
        n = len(_PREAMBLE_TONES)
        power = (projected[:, :n] + projected[:, n:]) @ _PAIRS
        energy = np.einsum("ij,ij->i", windows, windows)
        return np.asarray(power / np.maximum(energy, 1.0)[:, None], np.float32)

    def _search(self) -> bool:
        """Look for a preamble in the windows that are there. Returns whether to go on with what is left."""
        end = self._base + len(self._samples)
        count = min((end - self._next - _SYMBOL) // _HOP + 1, _SEARCH_BATCH)
        if count <= 0:
            return False
        span = self._samples[self._next - self._base : self._next - self._base + (count - 1) * _HOP + _SYMBOL]
        if np.dot(span, span) < _SILENT * len(span):
            scores = np.zeros((count, len(_PREAMBLE)), np.float32)
        else:
            scores = self._preamble_scores(self._windows(self._next, count, _HOP))
        scores = np.concatenate([self._scores, scores])
        # A preamble that starts at window i shows in window i, one symbol later and two symbols later.
        lag = _SYMBOL // _HOP
        starts = len(scores) - 2 * lag
        if starts > 0:
            match = np.minimum(scores[:starts, 0], scores[lag : lag + starts, 1])
            np.minimum(match, scores[2 * lag :, 2], out=match)
            hits = np.flatnonzero(match > _FOUND)
            if len(hits):
                window = self._next + (int(hits[0]) - len(self._scores)) * _HOP
                if end < window + 2 * _HOP + _SPAN:
                    return False  # what it takes to place it exactly has not come yet
                self._found(window)
                return True
        self._next += count * _HOP
        self._scores = scores[-2 * lag :]
        # The preamble may have begun with the oldest score that is kept, and a hop earlier in truth.
        self._keep_from(self._next - len(self._scores) * _HOP - _HOP)
        return True

    def _found(self, window: int) -> None:
        """Place the preamble that begins about at `window` to a few samples, and start to read."""
        begin = max(window - _HOP, self._base)
        count = (window + 2 * _HOP - begin) // _FINE + 1
        total = np.zeros(count, np.float32)
        for symbol in range(len(_PREAMBLE)):
            windows = self._windows(begin + symbol * _SYMBOL, count, _FINE)
            total += self._preamble_scores(windows)[:, symbol]
        self._at = begin + int(total.argmax()) * _FINE + _SPAN - _EARLY
        self._keep_from(self._at - _SYMBOL)

    def _read(self, found: list[ToneText]) -> bool:
        """Read one symbol. Returns whether there may be more to do."""
        at = self._at
        assert at is not None
        window = self._samples[at - self._base : at - self._base + _SYMBOL]
        if len(window) < _SYMBOL:
            return False
        octet = _read_symbol(window)
        if octet is None:
            if self._length is not None:
                found.append(ToneText(self.partial, False))
            # Whatever cut it off may be the next preamble, begun within the symbol just before.
            self._search_from(at - _SYMBOL)
            return True
        octets = self._octets
        octets.append(octet)
        self._at = at + _SYMBOL
        if self._length is None:
            if len(octets) == _HEADER:
                if octets[2] != _crc8(bytes(octets[:2])):
                    self._search_from(at)
                    return True
                self._length = int.from_bytes(octets[:2])
        elif len(octets) == _HEADER + self._length + _TRAILER:
            text = bytes(octets[_HEADER:-_TRAILER])
            intact = bytes(octets[-_TRAILER:]) == _crc16(text)
            found.append(ToneText(text.decode("utf-8", "replace") if intact else "", intact))
            self._search_from(at + _SYMBOL)
            return True
        self._keep_from(at)  # one symbol back, for the search after a cut
        return True


def _read_symbol(window: _Floats) -> int | None:
    """Return the octet of a symbol, or None if it is not two of the data tones."""
    projected = np.square(window @ _DATA_BASIS)
    power = projected[:32] + projected[32:]
    low = int(power[:16].argmax())
    high = int(power[16:].argmax())
    energy = float(np.dot(window, window))
    power_low, power_high = float(power[low]), float(power[16 + high])
    if energy < _SILENT * _SYMBOL or power_low + power_high < _READABLE * energy:
        return None
    if min(power_low, power_high) < _BALANCE * energy:
        return None
    return low << 4 | high
