"""Timed: codecs and resamplers, for 20 ms each."""

import numpy as np

from callboard.media import (
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    PCM16_48K,
    ULAW_8K,
    AudioFormat,
    Converter,
    Resampler,
    decode,
    encode,
)
from micro_kit import Case, plain

_RNG = np.random.default_rng(1)


def _noise(audio_format: AudioFormat) -> bytes:
    samples = _RNG.integers(-8000, 8000, audio_format.rate_hz // 50, dtype=np.int16)
    return encode(samples, audio_format)


def _resample(from_hz: int, to_hz: int) -> Case:
    resampler = Resampler(from_hz, to_hz)
    samples = _RNG.integers(-8000, 8000, from_hz // 50, dtype=np.int16)
    return Case(
        group="media",
        name=f"resampler: {from_hz // 1000} to {to_hz // 1000} kHz",
        batch=plain(lambda: resampler.process(samples)),
    )


def _convert(source: AudioFormat, target: AudioFormat, name: str) -> Case:
    converter, payload = Converter(source, target), _noise(source)
    return Case(group="media", name=f"converter: {name}", batch=plain(lambda: converter.convert(payload)))


_ULAW = _noise(ULAW_8K)
_SAMPLES = decode(_ULAW, ULAW_8K)
CASES = (
    Case(group="media", name="mu-law: decode", batch=plain(lambda: decode(_ULAW, ULAW_8K))),
    Case(group="media", name="mu-law: encode", batch=plain(lambda: encode(_SAMPLES, ULAW_8K))),
    _resample(8000, 16000),
    _resample(8000, 24000),
    _resample(24000, 8000),
    _resample(48000, 8000),
    _convert(ULAW_8K, PCM16_8K, "mu-law to PCM at 8 kHz"),
    _convert(ULAW_8K, PCM16_16K, "mu-law to PCM at 16 kHz"),
    _convert(ULAW_8K, PCM16_24K, "mu-law to PCM at 24 kHz"),
    _convert(PCM16_24K, ULAW_8K, "PCM at 24 kHz to mu-law"),
    _convert(PCM16_48K, ULAW_8K, "PCM at 48 kHz to mu-law"),
)
