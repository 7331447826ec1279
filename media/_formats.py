"""Audio formats and frames: what a payload is, how long it lasts and where it belongs."""

from __future__ import annotations

import enum
from typing import Final

import attrs

__all__ = [
    "ALAW_8K",
    "G711_RATE_HZ",
    "PCM16_8K",
    "PCM16_16K",
    "PCM16_24K",
    "PCM16_48K",
    "PCM_RATES_HZ",
    "ULAW_8K",
    "AudioFormat",
    "AudioFrame",
    "Encoding",
]

PCM_RATES_HZ: Final = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
"""The sampling rates that linear audio may have: the ones realtime providers and carriers name."""

G711_RATE_HZ: Final = 8000
"""The only rate of G.711 (ITU-T G.711, clause 2)."""


class Encoding(enum.Enum):
    """How samples are written as octets. All encodings are mono."""

    PCM16 = "pcm16"
    """Signed 16-bit little-endian."""
    ULAW = "ulaw"
    """G.711 mu-law, one octet a sample."""
    ALAW = "alaw"
    """G.711 A-law, one octet a sample."""


# What one sample of digital silence looks like. A-law has no zero: 0xD5 is +8, the code nearest to it.
_SILENCE: Final = {Encoding.PCM16: b"\x00\x00", Encoding.ULAW: b"\xff", Encoding.ALAW: b"\xd5"}


def _width_of(audio_format: AudioFormat) -> int:
    return 2 if audio_format.encoding is Encoding.PCM16 else 1


@attrs.frozen
class AudioFormat:
    """An encoding at a sampling rate, mono.

    Args:
        encoding: How samples are written.
        rate_hz: Samples a second: one of `PCM_RATES_HZ`, and 8000 for G.711.

    Raises:
        ValueError: The rate is not one the encoding can have.
    """

    encoding: Encoding
    rate_hz: int
    sample_width: int = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_width_of, takes_self=True)
    )
    """Octets one sample takes."""

    def __attrs_post_init__(self) -> None:
        allowed = PCM_RATES_HZ if self.encoding is Encoding.PCM16 else (G711_RATE_HZ,)
        if self.rate_hz not in allowed:
            raise ValueError(f"{self.encoding.value} at {self.rate_hz!r} Hz, expected one of {allowed}")

    def __str__(self) -> str:
        return f"{self.encoding.value}/{self.rate_hz}"

    def n_samples(self, n_octets: int) -> int:
        """Return how many whole samples `n_octets` octets hold; an odd octet of PCM16 does not count."""
        return n_octets // self.sample_width

    def n_octets(self, n_samples: int) -> int:
        """Return how many octets `n_samples` samples take."""
        return n_samples * self.sample_width

    def duration(self, n_octets: int) -> float:
        """Return how long `n_octets` octets last, in seconds."""
        return n_octets // self.sample_width / self.rate_hz

    def silence(self, n_samples: int) -> bytes:
        """Return `n_samples` samples of digital silence (for A-law +8, the nearest it has to zero)."""
        return _SILENCE[self.encoding] * n_samples


ULAW_8K: Final = AudioFormat(Encoding.ULAW, 8000)
ALAW_8K: Final = AudioFormat(Encoding.ALAW, 8000)
PCM16_8K: Final = AudioFormat(Encoding.PCM16, 8000)
PCM16_16K: Final = AudioFormat(Encoding.PCM16, 16000)
PCM16_24K: Final = AudioFormat(Encoding.PCM16, 24000)
PCM16_48K: Final = AudioFormat(Encoding.PCM16, 48000)


@attrs.frozen(kw_only=True)
class AudioFrame:
    """A piece of audio on its way from one unit to another."""

    payload: bytes
    """The samples, written as `format` says. Usually 20 ms, but any whole number of samples is legal."""
    format: AudioFormat
    """How to read `payload`."""
    position: int
    """Where the frame starts, in samples at the format's rate since its stream began."""
    generation: int = 0
    """Which turn of the agent the frame belongs to. A barge-in raises the number, and whatever is still
    under way with a smaller one is dropped."""

    @property
    def n_samples(self) -> int:
        """Whole samples in the payload."""
        return self.format.n_samples(len(self.payload))

    @property
    def duration(self) -> float:
        """Seconds the payload lasts."""
        return self.format.duration(len(self.payload))
