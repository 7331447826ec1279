from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from callboard.media import (
    ALAW_8K,
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    PCM16_48K,
    ULAW_8K,
    AudioFormat,
    Converter,
    Reframer,
    decode,
    encode,
    ulaw_to_alaw,
)

FORMATS = [ULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K]


def speech(format: AudioFormat, duration: float = 0.2) -> bytes:
    time = np.arange(round(duration * format.rate_hz)) / format.rate_hz
    wave = 6000 * np.sin(2 * np.pi * 440 * time) + 4000 * np.sin(2 * np.pi * 1330 * time)
    return encode(np.rint(wave).astype(np.int16), format)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMATS, FORMATS)))
def test_any_format_becomes_any_other_frame_by_frame(source: AudioFormat, target: AudioFormat) -> None:
    converter = Converter(source, target)
    payload = speech(source)
    step = source.n_octets(source.rate_hz // 50)
    frames = [converter.convert(payload[i : i + step]) for i in range(0, len(payload), step)]
    assert {len(frame) for frame in frames} == {target.n_octets(target.rate_hz // 50)}
    result = decode(b"".join(frames), target).astype(np.float64)
    expected = decode(speech(target), target).astype(np.float64)
    lag = round(converter.delay * target.rate_hz)
    tail = slice(target.rate_hz // 50, len(result) - lag)
    similar = np.corrcoef(result[lag:][tail], expected[: len(result) - lag][tail])[0, 1]
    assert similar > 0.98
    assert converter.passthrough == (source == target)


def test_equal_formats_return_the_very_object() -> None:
    converter = Converter(PCM16_24K, PCM16_24K)
    payload = b"odd"
    assert converter.convert(payload) is payload
    assert converter.delay == 0


def test_g711_to_g711_is_translated() -> None:
    payload = bytes(range(256))
    assert Converter(ULAW_8K, ALAW_8K).convert(payload) == ulaw_to_alaw(payload)
    assert Converter(ALAW_8K, ULAW_8K).convert(ulaw_to_alaw(payload[128:])) is not None


@given(cuts=st.lists(st.integers(0, 1000), max_size=10), target=st.sampled_from([ULAW_8K, ALAW_8K]))
def test_odd_octets_are_carried(cuts: list[int], target: AudioFormat) -> None:
    payload = speech(PCM16_8K)
    edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    converter = Converter(PCM16_8K, target)
    result = b"".join(converter.convert(payload[a:b]) for a, b in itertools.pairwise(edges))
    assert result == Converter(PCM16_8K, target).convert(payload)


def test_reset_forgets_the_odd_octet_and_the_filter() -> None:
    converter = Converter(PCM16_24K, ULAW_8K)
    converter.convert(speech(PCM16_24K) + b"\x7f")
    converter.reset()
    assert converter.convert(bytes(960)) == ULAW_8K.silence(160)


@given(
    frame_octets=st.integers(1, 400),
    chunks=st.lists(st.binary(max_size=900), max_size=12),
)
def test_reframer_keeps_every_octet_in_order(frame_octets: int, chunks: list[bytes]) -> None:
    reframer = Reframer(frame_octets)
    frames: list[bytes] = []
    for chunk in chunks:
        frames += reframer.push(chunk)
        assert reframer.pending < frame_octets
    assert all(len(frame) == frame_octets for frame in frames)
    rest = reframer.flush() or b""
    assert b"".join(frames) + rest == b"".join(chunks)
    assert reframer.pending == 0
    assert reframer.flush() is None


@given(octets=st.integers(1, 319), pad=st.sampled_from([b"\xff", b"\x00\x00", b"abc"]))
def test_reframer_pads_the_last_frame(octets: int, pad: bytes) -> None:
    reframer = Reframer(320)
    assert reframer.push(b"x" * octets) == []
    frame = reframer.flush(pad)
    assert frame is not None
    assert len(frame) == 320
    assert frame.startswith(b"x" * octets)
    assert (pad * 320).startswith(frame[octets:])


def test_reframer_passes_a_whole_frame_uncopied() -> None:
    chunk = bytes(160)
    assert Reframer(160).push(chunk)[0] is chunk


def test_reframer_reset_drops_what_is_pending() -> None:
    reframer = Reframer(160)
    reframer.push(b"old")
    reframer.reset()
    assert reframer.push(bytes(160)) == [bytes(160)]


def test_reframer_needs_a_positive_length() -> None:
    with pytest.raises(ValueError, match="positive"):
        Reframer(0)
