from __future__ import annotations

import hashlib
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from callboard.media import (
    ALAW_8K,
    PCM16_8K,
    ULAW_8K,
    AudioFormat,
    alaw_decode,
    alaw_encode,
    alaw_to_ulaw,
    decode,
    encode,
    ulaw_decode,
    ulaw_encode,
    ulaw_to_alaw,
)

CODES = bytes(range(256))
INPUTS = np.arange(-32768, 32768).astype(np.int16)

# SHA-256 of the 256 decoded values, codes in order, and of the 65 536 codes of -32768 to 32767.
ULAW_DECODED = "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"
ALAW_DECODED = "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"
ULAW_ENCODED = "5ee7cf5f273f842d2234121e4cb0c98d6b20a99ac29026f94e05b36955b195be"
ALAW_ENCODED = "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_decoders_are_bit_exact() -> None:
    assert sha256(ulaw_decode(CODES).astype("<i2").tobytes()) == ULAW_DECODED
    assert sha256(alaw_decode(CODES).astype("<i2").tobytes()) == ALAW_DECODED


def test_encoders_are_the_published_formulas() -> None:
    assert sha256(ulaw_encode(INPUTS)) == ULAW_ENCODED
    assert sha256(alaw_encode(INPUTS)) == ALAW_ENCODED


@pytest.mark.parametrize(
    ("value", "ulaw", "alaw"),
    [(0, 0xFF, 0xD5), (-8, 0x7E, 0x55), (1000, 0xCE, 0xFA), (-1000, 0x4E, 0x7A), (-32768, 0x00, 0x2A)],
)
def test_known_values(value: int, ulaw: int, alaw: int) -> None:
    samples = np.array([value], np.int16)
    assert ulaw_encode(samples) == bytes([ulaw])
    assert alaw_encode(samples) == bytes([alaw])


def test_code_survives_decoding_and_encoding_but_for_the_negative_zero() -> None:
    assert alaw_encode(alaw_decode(CODES)) == CODES
    assert ulaw_encode(ulaw_decode(CODES)) == CODES.replace(b"\x7f", b"\xff")


def segment_steps(format: AudioFormat) -> npt.NDArray[np.int64]:
    """The step of every code's segment, by code."""
    segments = ((np.arange(256) ^ (0xFF if format is ULAW_8K else 0x55)) >> 4) & 7
    steps = [8 << e if format is ULAW_8K else 16 << max(e - 1, 0) for e in segments.tolist()]
    return np.array(steps, np.int64)


@pytest.mark.parametrize(("format", "largest"), [(ULAW_8K, 32124), (ALAW_8K, 32256)])
def test_encoding_errs_by_at_most_half_a_step(format: AudioFormat, largest: int) -> None:
    codes = encode(INPUTS, format)
    error = np.abs(decode(codes, format).astype(np.int64) - INPUTS)
    steps = segment_steps(format)[np.frombuffer(codes, np.uint8)]
    inside = np.abs(INPUTS.astype(np.int64)) <= largest
    assert (error <= steps / 2)[inside].all()
    assert (error <= 1024)[~inside].all()  # what lies above the largest value is limited to it


def test_audioop_agrees() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    linear = INPUTS.tobytes()
    assert audioop.ulaw2lin(CODES, 2) == ulaw_decode(CODES).tobytes()
    assert audioop.alaw2lin(CODES, 2) == alaw_decode(CODES).tobytes()
    assert audioop.lin2alaw(linear, 2) == alaw_encode(INPUTS)
    # Its mu-law encoder rounds some negative inputs away from the nearest value: never by more than a step.
    theirs = audioop.lin2ulaw(linear, 2)
    ours = ulaw_encode(INPUTS)
    differing = sum(a != b for a, b in zip(ours, theirs, strict=True))
    assert 0 < differing < 400
    ours_error = np.abs(ulaw_decode(ours).astype(int) - INPUTS)
    theirs_error = np.abs(ulaw_decode(theirs).astype(int) - INPUTS)
    assert (ours_error <= theirs_error).all()


def test_translation_is_decoding_and_encoding() -> None:
    assert ulaw_to_alaw(CODES) == alaw_encode(ulaw_decode(CODES))
    assert alaw_to_ulaw(CODES) == ulaw_encode(alaw_decode(CODES))


@given(payload=st.binary(max_size=600), format=st.sampled_from([ULAW_8K, ALAW_8K]))
def test_decode_and_encode_choose_by_format(payload: bytes, format: AudioFormat) -> None:
    samples = decode(payload, format)
    assert samples.dtype == np.int16
    again = encode(samples, format)
    assert np.array_equal(decode(again, format), samples)


@given(payload=st.binary(max_size=600).map(lambda b: b[: len(b) & ~1]))
def test_pcm16_passes_through_arrays_unchanged(payload: bytes) -> None:
    assert encode(decode(payload, PCM16_8K), PCM16_8K) == payload


def test_encode_takes_a_strided_view() -> None:
    samples = np.arange(-400, 400, dtype=np.int16)
    view = samples[::2]
    for format in (PCM16_8K, ULAW_8K, ALAW_8K):
        assert encode(view, format) == encode(view.copy(), format)


def test_half_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 octets"):
        decode(b"abc", PCM16_8K)
