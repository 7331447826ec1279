"""Audio inside JSON: strict base64 both ways."""

from __future__ import annotations

import binascii

from .._converter import decode_base64

__all__ = ["decode_audio", "encode_audio", "splits_sample"]


def decode_audio(text: str) -> bytes:
    """Return the octets of a base64 ``audio`` or ``delta`` field.

    Raises:
        RemoteWireError: Not standard padded base64.
    """
    return decode_base64(text)


def encode_audio(payload: bytes | bytearray | memoryview) -> str:
    """Return ``payload`` as standard padded base64."""
    return binascii.b2a_base64(payload, newline=False).decode("ascii")


def splits_sample(payload: bytes, format_type: str) -> bool:
    """Tell whether ``payload`` ends in the middle of a sample.

    Only ``audio/pcm`` can, with an odd number of octets. The wire has no rule about it: a receiver either carries the
    odd octet over to the next chunk or drops it, and has to know.
    """
    return format_type == "audio/pcm" and len(payload) % 2 == 1
