"""Conversion of payloads between formats, and re-cutting of payloads to a frame size."""

from __future__ import annotations

from typing import Final

from ._formats import AudioFormat, Encoding
from ._g711 import alaw_to_ulaw, decode, encode, ulaw_to_alaw
from ._resample import Resampler

__all__ = ["Converter", "Reframer"]


class Converter:
    """Converts a live stream of payloads from one format to another.

    Equal formats pass untouched; mu-law and A-law are translated octet by octet; everything else is decoded,
    resampled where the rates differ, and encoded. Make one for each direction of a stream.

    Args:
        source: Format of what goes in.
        target: Format of what comes out.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source: Final = source
        self.target: Final = target
        self.passthrough: Final = source == target
        """Whether payloads come out as the very object that went in."""
        self._both_g711: Final = Encoding.PCM16 not in (source.encoding, target.encoding)
        self._from_pcm16: Final = source.encoding is Encoding.PCM16
        self._resampler: Final = (
            None if source.rate_hz == target.rate_hz else Resampler(source.rate_hz, target.rate_hz)
        )
        self._carry = b""

    @property
    def delay(self) -> float:
        """Seconds by which the output lags behind the input."""
        return self._resampler.delay if self._resampler is not None else 0.0

    def reset(self) -> None:
        """Forget all history (after a flush: nothing of the old audio may reach the new)."""
        self._carry = b""
        if self._resampler is not None:
            self._resampler.reset()

    def convert(self, payload: bytes) -> bytes:
        """Convert the next payload of the stream.

        Args:
            payload: Any number of octets. Half a sample of PCM16 at the end waits for the next payload.

        Returns:
            The octets due by now; possibly none.
        """
        if self.passthrough:
            return payload
        if self._both_g711:
            return ulaw_to_alaw(payload) if self.source.encoding is Encoding.ULAW else alaw_to_ulaw(payload)
        if self._from_pcm16:
            if self._carry:
                payload = self._carry + payload
                self._carry = b""
            if len(payload) & 1:
                self._carry = payload[-1:]
                payload = payload[:-1]
        if not payload:
            return b""
        samples = decode(payload, self.source)
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        return encode(samples, self.target)


class Reframer:
    """Cuts a stream of chunks of any length into frames of one length.

    Args:
        frame_octets: Length of a frame in octets.

    Raises:
        ValueError: The length is not positive.
    """

    def __init__(self, frame_octets: int) -> None:
        if frame_octets <= 0:
            raise ValueError(f"frames of {frame_octets!r} octets, expected a positive number")
        self.frame_octets: Final = frame_octets
        self._rest = b""

    @property
    def pending(self) -> int:
        """Octets that wait for the rest of their frame; always fewer than a frame."""
        return len(self._rest)

    def push(self, chunk: bytes) -> list[bytes]:
        """Add a chunk and return the frames it completes, in order."""
        size = self.frame_octets
        if not self._rest and len(chunk) == size:
            return [chunk]  # the usual case costs nothing
        data = self._rest + chunk
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[i : i + size] for i in range(0, whole, size)]

    def flush(self, pad: bytes | None = None) -> bytes | None:
        """Return what is pending, at the end of a turn, and forget it.

        Args:
            pad: What to fill the frame up with, repeated and cut to fit: one sample of silence, usually.
                None leaves the frame short.

        Returns:
            The last frame, or None when nothing is pending.
        """
        rest, self._rest = self._rest, b""
        if not rest or not pad:
            return rest or None
        missing = self.frame_octets - len(rest)
        return rest + (pad * (missing // len(pad) + 1))[:missing]

    def reset(self) -> None:
        """Forget what is pending."""
        self._rest = b""
