from __future__ import annotations

import attrs
import numpy as np
import pytest

from callboard.media import (
    ALAW_8K,
    PCM16_8K,
    PCM16_24K,
    PCM_RATES_HZ,
    ULAW_8K,
    AudioFormat,
    AudioFrame,
    Encoding,
    decode,
)


def test_format_counts_samples_octets_and_seconds() -> None:
    assert (PCM16_24K.sample_width, ULAW_8K.sample_width, ALAW_8K.sample_width) == (2, 1, 1)
    assert PCM16_24K.n_octets(480) == 960
    assert PCM16_24K.n_samples(961) == 480
    assert PCM16_24K.duration(960) == pytest.approx(0.02)
    assert ULAW_8K.duration(160) == pytest.approx(0.02)
    assert str(PCM16_24K) == "pcm16/24000"


@pytest.mark.parametrize("format", [PCM16_8K, ULAW_8K, ALAW_8K])
def test_silence_is_the_quietest_there_is(format: AudioFormat) -> None:
    silence = format.silence(160)
    assert format.n_samples(len(silence)) == 160
    assert np.abs(decode(silence, format)).max() <= 8


@pytest.mark.parametrize("rate_hz", PCM_RATES_HZ)
def test_every_rate_of_linear_audio_is_a_format(rate_hz: int) -> None:
    assert AudioFormat(Encoding.PCM16, rate_hz).rate_hz == rate_hz


@pytest.mark.parametrize(
    ("encoding", "rate_hz"), [(Encoding.ULAW, 16000), (Encoding.ALAW, 24000), (Encoding.PCM16, 12345)]
)
def test_impossible_rate_is_an_error(encoding: Encoding, rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"{encoding.value} at {rate_hz} Hz"):
        AudioFormat(encoding, rate_hz)


def test_formats_are_equal_by_value() -> None:
    assert AudioFormat(Encoding.ULAW, 8000) == ULAW_8K
    assert len({AudioFormat(Encoding.ULAW, 8000), ULAW_8K, ALAW_8K}) == 2


def test_frame_knows_its_length_and_cannot_change() -> None:
    frame = AudioFrame(payload=bytes(960), format=PCM16_24K, position=480)
    assert (frame.n_samples, frame.generation) == (480, 0)
    assert frame.duration == pytest.approx(0.02)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        frame.position = 0  # type: ignore[misc]
