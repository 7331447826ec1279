"""G.711 mu-law and A-law by table, and int16 arrays from and to payloads.

The tables are computed once, on import, from the arithmetic of ITU-T G.711 on the 16-bit scale. Decoding is
exact; encoding errs by at most half the step of the segment it lands in.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ._formats import AudioFormat, Encoding

__all__ = [
    "Samples",
    "alaw_decode",
    "alaw_encode",
    "alaw_to_ulaw",
    "decode",
    "encode",
    "ulaw_decode",
    "ulaw_encode",
    "ulaw_to_alaw",
]

Samples: TypeAlias = npt.NDArray[np.int16]
"""Audio as an array: int16 (n,), mono."""

_CODES: Final = np.arange(256, dtype=np.int64)
# Every int16 in the order of its bit pattern, so that a table made from it is indexed by `view(uint16)`.
_INPUTS: Final = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _bit_length(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return `int.bit_length` of every element: frexp's exponent is exactly that for integers."""
    return np.frexp(values)[1].astype(np.int64)


def _ulaw_decoded() -> Samples:
    code = _CODES ^ 0xFF  # the line carries the complement
    magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _ulaw_encoded() -> npt.NDArray[np.uint8]:
    sign: npt.NDArray[np.int64] = np.where(_INPUTS < 0, 0x80, 0)
    # The bias of 132 makes every segment start at a power of two; above 32635 the sum would need a ninth one.
    magnitude = np.minimum(np.abs(_INPUTS), 32635) + 132
    segment = _bit_length(magnitude) - 8
    step = (magnitude >> (segment + 3)) & 15
    return ((sign | (segment << 4) | step) ^ 0xFF).astype(np.uint8)


def _alaw_decoded() -> Samples:
    code = _CODES ^ 0x55  # the line carries every other bit inverted
    segment = (code >> 4) & 7
    linear = ((code & 15) << 4) + 8
    # Segments 0 and 1 have the same step; the shift is kept from going negative in the branch not taken.
    magnitude = np.where(segment == 0, linear, (linear + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _alaw_encoded() -> npt.NDArray[np.uint8]:
    sign: npt.NDArray[np.int64] = np.where(_INPUTS < 0, 0, 0x80)
    magnitude = np.where(_INPUTS < 0, ~_INPUTS, _INPUTS) >> 4
    segment = np.maximum(_bit_length(magnitude) - 4, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 15
    code: npt.NDArray[np.int64] = np.where(magnitude < 16, magnitude, (segment << 4) | step)
    return ((sign | code) ^ 0x55).astype(np.uint8)


_ULAW_DECODED: Final = _ulaw_decoded()
_ULAW_ENCODED: Final = _ulaw_encoded()
_ALAW_DECODED: Final = _alaw_decoded()
_ALAW_ENCODED: Final = _alaw_encoded()
_ULAW_TO_ALAW: Final = _ALAW_ENCODED[_ULAW_DECODED.view(np.uint16)].tobytes()
_ALAW_TO_ULAW: Final = _ULAW_ENCODED[_ALAW_DECODED.view(np.uint16)].tobytes()


def ulaw_decode(payload: bytes) -> Samples:
    """Return the samples, int16 (n,), of a mu-law payload (ITU-T G.711, table 2)."""
    return _ULAW_DECODED.take(np.frombuffer(payload, np.uint8))


def ulaw_encode(samples: Samples) -> bytes:
    """Return the mu-law payload of int16 (n,) samples, each within half a step."""
    return _ULAW_ENCODED.take(samples.view(np.uint16)).tobytes()


def alaw_decode(payload: bytes) -> Samples:
    """Return the samples, int16 (n,), of an A-law payload (ITU-T G.711, table 1)."""
    return _ALAW_DECODED.take(np.frombuffer(payload, np.uint8))


def alaw_encode(samples: Samples) -> bytes:
    """Return the A-law payload of int16 (n,) samples, each within half a step."""
    return _ALAW_ENCODED.take(samples.view(np.uint16)).tobytes()


def ulaw_to_alaw(payload: bytes) -> bytes:
    """Return the A-law payload for a mu-law one, without going through arrays."""
    return payload.translate(_ULAW_TO_ALAW)


def alaw_to_ulaw(payload: bytes) -> bytes:
    """Return the mu-law payload for an A-law one, without going through arrays."""
    return payload.translate(_ALAW_TO_ULAW)


def decode(payload: bytes, format: AudioFormat) -> Samples:
    """Return the samples of a payload.

    Args:
        payload: Octets written as `format` says.
        format: The payload's format; its rate plays no part.

    Returns:
        int16 (n,). For PCM16 it is a read-only view of `payload`.

    Raises:
        ValueError: A PCM16 payload has an odd number of octets.
    """
    if format.encoding is Encoding.PCM16:
        if len(payload) & 1:
            raise ValueError(f"pcm16 payload of {len(payload)} octets, expected an even number")
        return np.frombuffer(payload, "<i2").astype(np.int16, copy=False)
    return ulaw_decode(payload) if format.encoding is Encoding.ULAW else alaw_decode(payload)


def encode(samples: Samples, format: AudioFormat) -> bytes:
    """Return int16 (n,) samples as a payload of `format`; the rate plays no part."""
    if format.encoding is Encoding.PCM16:
        return samples.astype("<i2", copy=False).tobytes()
    return ulaw_encode(samples) if format.encoding is Encoding.ULAW else alaw_encode(samples)
