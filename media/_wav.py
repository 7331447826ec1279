"""WAV files of 16-bit PCM, mono or stereo (RIFF, Multimedia Programming Interface 1.0, chapter 3)."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from ._g711 import Samples

__all__ = ["WavError", "WavWriter", "read_wav", "write_wav"]

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_CHUNK: Final = struct.Struct("<4sI")
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE
# Sizes in the file are 32 bits, and the first counts 36 octets more than the second.
_MAX_DATA: Final = 0xFFFF_FFFF - 36
_MAX_RATE_HZ: Final = 384_000
_MAX_FORMAT_CHUNK: Final = 4096  # octets; real ones have 16 to 40


class WavError(Exception):
    """A file is not a WAV file that we can read, or cannot become one."""


def _header(rate_hz: int, channels: int, n_octets: int) -> bytes:
    width = 2 * channels
    return _HEADER.pack(
        b"RIFF", 36 + n_octets, b"WAVE", b"fmt ", 16,
        _PCM, channels, rate_hz, rate_hz * width, width, 16, b"data", n_octets,
    )  # fmt: skip


def _check_layout(rate_hz: int, channels: int) -> None:
    if channels not in {1, 2}:
        raise WavError(f"wav of {channels!r} channels, expected 1 or 2")
    if not 0 < rate_hz <= _MAX_RATE_HZ:
        raise WavError(f"wav at {rate_hz!r} Hz, expected 1 to {_MAX_RATE_HZ}")


class WavWriter:
    """Writes a WAV file piece by piece, so that it is a valid file at every moment.

    The sizes in the header are rewritten, and the file flushed, on every `append`: after a crash, or if
    nobody ever calls `close`, the file holds all that was appended but for at most the last piece.

    Args:
        file: Binary, writable and seekable; the WAV file begins where it stands. It stays the caller's, who
            closes it.
        rate_hz: Sampling rate.
        channels: 1 or 2.

    Raises:
        WavError: The layout is impossible, or the file cannot seek.
    """

    def __init__(self, file: BinaryIO, rate_hz: int, channels: int = 1) -> None:
        _check_layout(rate_hz, channels)
        if not file.seekable():
            raise WavError("file cannot seek, expected one whose header can be rewritten")
        self._file: Final = file
        self._rate_hz: Final = rate_hz
        self._channels: Final = channels
        self._origin: Final = file.tell()
        self._n_octets = 0
        self._closed = False
        self._write_header()

    @property
    def n_samples(self) -> int:
        """Samples in each channel so far."""
        return self._n_octets // (2 * self._channels)

    def append(self, pcm: bytes) -> None:
        """Write audio at the end and bring the header up to date.

        Args:
            pcm: Signed 16-bit little-endian, the channels interleaved, whole samples of all channels.

        Raises:
            WavError: The piece is cut within a sample, the file would exceed 4 GiB, or the writer is closed.
            OSError: The file cannot be written.
        """
        if self._closed:
            raise WavError("wav writer is closed, cannot append to it")
        if len(pcm) % (2 * self._channels):
            raise WavError(f"piece of {len(pcm)} octets, expected a multiple of {2 * self._channels}")
        if self._n_octets + len(pcm) > _MAX_DATA:
            raise WavError(f"wav of {self._n_octets + len(pcm)} octets, expected at most {_MAX_DATA}")
        if not pcm:
            return
        # The samples come first: a header that promised more than there is would make the file truncated.
        self._file.seek(self._origin + _HEADER.size + self._n_octets)
        self._file.write(pcm)
        self._n_octets += len(pcm)
        self._write_header()

    def close(self) -> None:
        """Refuse further audio and leave the file standing at its end; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._file.seek(self._origin + _HEADER.size + self._n_octets)

    def _write_header(self) -> None:
        self._file.flush()
        self._file.seek(self._origin)
        self._file.write(_header(self._rate_hz, self._channels, self._n_octets))
        self._file.flush()


def write_wav(path: str | os.PathLike[str], samples: Samples, rate_hz: int) -> None:
    """Write a WAV file.

    Args:
        path: Where to; an existing file is replaced.
        samples: int16, (n,) or (n, 1) for mono, (n, 2) for stereo.
        rate_hz: Sampling rate.

    Raises:
        WavError: The array has another shape, or the rate is impossible.
        OSError: The file cannot be written.
    """
    if samples.ndim not in {1, 2} or samples.dtype != np.int16:
        raise WavError(f"samples of {samples.dtype} {samples.shape}, expected int16 (n,), (n, 1) or (n, 2)")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    _check_layout(rate_hz, channels)
    pcm = samples.astype("<i2", copy=False).tobytes()
    if len(pcm) > _MAX_DATA:
        raise WavError(f"wav of {len(pcm)} octets, expected at most {_MAX_DATA}")
    Path(path).write_bytes(_header(rate_hz, channels, len(pcm)) + pcm)


def read_wav(source: str | os.PathLike[str] | BinaryIO) -> tuple[Samples, int]:
    """Read a WAV file.

    Chunks that are not audio are skipped. The extensible form is read as well, if it holds 16-bit PCM.

    Args:
        source: A path, or a binary file object.

    Returns:
        The samples, int16 (n, channels), and the rate in Hz.

    Raises:
        WavError: It is no WAV file, it ends too early, or its audio is not 16-bit PCM, mono or stereo.
        OSError: The file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return _read(file)
    return _read(source)


def _exactly(file: BinaryIO, n: int, what: str) -> bytes:
    data = file.read(n)
    if len(data) < n:
        raise WavError(f"wav file ends after {len(data)} octets of its {what}, expected {n}")
    return data


def _read(file: BinaryIO) -> tuple[Samples, int]:
    riff, _size, wave = struct.unpack("<4sI4s", _exactly(file, 12, "header"))
    if (riff, wave) != (b"RIFF", b"WAVE"):
        raise WavError(f"file begins with {riff!r} ... {wave!r}, expected b'RIFF' ... b'WAVE'")
    layout: tuple[int, int] | None = None
    while True:
        name, size = _CHUNK.unpack(_exactly(file, _CHUNK.size, "next chunk's header"))
        if name == b"fmt ":
            if size > _MAX_FORMAT_CHUNK:
                raise WavError(f"wav format chunk of {size} octets, expected at most {_MAX_FORMAT_CHUNK}")
            layout = _layout(_exactly(file, size + size % 2, "format"))
        elif name == b"data":
            if layout is None:
                raise WavError("wav file has its audio before its format")
            channels, rate_hz = layout
            if size % (2 * channels):
                raise WavError(f"wav audio of {size} octets, expected a multiple of {2 * channels}")
            pcm = _exactly(file, size, "audio")
            return np.frombuffer(pcm, "<i2").astype(np.int16).reshape(-1, channels), rate_hz
        else:
            _skip(file, size + size % 2)  # chunks are padded to an even length


def _skip(file: BinaryIO, n: int) -> None:
    while n:
        part = len(file.read(min(n, io.DEFAULT_BUFFER_SIZE)))
        if not part:
            raise WavError(f"wav file ends {n} octets before the end of a chunk")
        n -= part


def _layout(chunk: bytes) -> tuple[int, int]:
    if len(chunk) < _FORMAT.size:
        raise WavError(f"wav format chunk of {len(chunk)} octets, expected at least {_FORMAT.size}")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")  # the sub-format begins with the tag
    if (tag, bits) != (_PCM, 16):
        raise WavError(f"wav audio of format {tag:#x} with {bits} bits, expected PCM (0x1) with 16")
    _check_layout(rate_hz, channels)
    return channels, rate_hz
