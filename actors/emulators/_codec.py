"""How one direction of a provider's audio is written as octets."""

from __future__ import annotations

import attrs

from callboard.media import ALAW_8K, PCM16_8K, ULAW_8K, Encoding, Samples, decode, encode

# How octets become samples; the rates in it play no part.
_LAYOUTS = {Encoding.PCM16: PCM16_8K, Encoding.ULAW: ULAW_8K, Encoding.ALAW: ALAW_8K}


@attrs.frozen
class Codec:
    """An encoding at any sampling rate, mono.

    Wider than `callboard.media.AudioFormat`, which has the rates of a telephone call: providers also name
    G.711 at 16 kHz, or a rate nobody else has heard of.
    """

    encoding: Encoding
    rate_hz: int

    @property
    def sample_width(self) -> int:
        """Octets one sample takes."""
        return _LAYOUTS[self.encoding].sample_width

    def seconds(self, n_octets: int) -> float:
        """How long so many octets last."""
        return n_octets // self.sample_width / self.rate_hz

    def octets(self, seconds: float) -> int:
        """The whole samples nearest to a duration, in octets; at least one sample."""
        return max(1, round(seconds * self.rate_hz)) * self.sample_width

    def decode(self, payload: bytes) -> Samples:
        """The samples of whole ones' octets."""
        return decode(payload, _LAYOUTS[self.encoding])

    def encode(self, samples: Samples) -> bytes:
        """The octets of samples."""
        return encode(samples, _LAYOUTS[self.encoding])
