from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from callboard.media import Samples, WavError, WavWriter, read_wav, write_wav


def ramp(n: int, channels: int) -> Samples:
    return np.arange(n * channels, dtype=np.int16).reshape(n, channels)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def layout(tag: int = 1, channels: int = 1, rate_hz: int = 8000, bits: int = 16, extra: bytes = b"") -> bytes:
    width = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width, width, bits) + extra
    )


@given(n=st.integers(0, 300), channels=st.sampled_from([1, 2]), rate_hz=st.sampled_from([8000, 24000, 44100]))
@settings(max_examples=30)
def test_file_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, n: int, channels: int, rate_hz: int
) -> None:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    write_wav(path, ramp(n, channels), rate_hz)
    samples, rate = read_wav(path)
    assert rate == rate_hz
    assert samples.dtype == np.int16
    assert np.array_equal(samples, ramp(n, channels))


def test_standard_library_reads_what_we_write(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", ramp(100, 2), 16000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 16000, 2)
        assert file.readframes(1000) == ramp(100, 2).tobytes()


def test_we_read_what_the_standard_library_writes(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(ramp(50, 1).tobytes())
    samples, rate = read_wav(tmp_path / "a.wav")
    assert (rate, samples.shape) == (22050, (50, 1))
    assert np.array_equal(samples, ramp(50, 1))


def test_mono_may_be_written_flat(tmp_path: Path) -> None:
    write_wav(str(tmp_path / "a.wav"), ramp(10, 1).ravel(), 8000)
    assert read_wav(str(tmp_path / "a.wav"))[0].shape == (10, 1)


def test_writer_leaves_a_valid_file_after_every_append(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    pcm = ramp(500, 2).tobytes()
    with path.open("w+b") as file:
        writer = WavWriter(file, 8000, channels=2)
        assert read_wav(path)[0].shape == (0, 2)
        for i in range(5):
            writer.append(pcm[i * 400 : (i + 1) * 400])
            # Read through another handle, as after a crash: nothing was closed.
            samples, rate = read_wav(path)
            assert (rate, len(samples), writer.n_samples) == (8000, (i + 1) * 100, (i + 1) * 100)
            assert samples.tobytes() == pcm[: (i + 1) * 400]
        writer.close()
    assert path.stat().st_size == 44 + 2000


def test_crash_between_samples_and_header_loses_the_last_piece_only(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with path.open("w+b") as file:
        writer = WavWriter(file, 8000)
        writer.append(bytes(100))
    with path.open("ab") as file:
        file.write(bytes(37))  # samples that the header does not know of
    assert read_wav(path)[0].shape == (50, 1)


def test_writer_begins_where_the_file_stands() -> None:
    file = io.BytesIO(b"prefix")
    file.seek(6)
    writer = WavWriter(file, 8000)
    writer.append(b"\1\0\2\0")
    writer.append(b"")
    writer.close()
    writer.close()
    assert file.tell() == len(file.getvalue())
    file.seek(6)
    assert read_wav(file)[0].ravel().tolist() == [1, 2]
    assert file.getvalue().startswith(b"prefix")


def test_writer_refuses_what_would_spoil_the_file() -> None:
    writer = WavWriter(io.BytesIO(), 8000, channels=2)
    with pytest.raises(WavError, match="multiple of 4"):
        writer.append(b"ab")
    writer._n_octets = 0xFFFF_FFF0 - 36
    with pytest.raises(WavError, match="at most"):
        writer.append(bytes(64))
    writer.close()
    with pytest.raises(WavError, match="closed"):
        writer.append(bytes(4))


@pytest.mark.parametrize(("rate_hz", "channels"), [(0, 1), (10**9, 1), (8000, 0), (8000, 3)])
def test_impossible_layout_is_an_error(rate_hz: int, channels: int) -> None:
    with pytest.raises(WavError, match="expected 1"):
        WavWriter(io.BytesIO(), rate_hz, channels)


def test_file_that_cannot_seek_is_an_error() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(WavError, match="cannot seek"):
        WavWriter(Pipe(), 8000)


def test_only_int16_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(WavError, match="float64"):
        write_wav(tmp_path / "a.wav", np.zeros(4), 8000)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(WavError, match="expected int16"):
        write_wav(tmp_path / "a.wav", np.zeros((1, 2, 2), np.int16), 8000)


def test_other_chunks_are_skipped() -> None:
    data = riff(chunk(b"LIST", b"odd"), layout(), chunk(b"fact", b"1234"), chunk(b"data", b"\1\0"))
    samples, rate = read_wav(io.BytesIO(data))
    assert (samples.tolist(), rate) == ([[1]], 8000)


def test_extensible_form_is_read() -> None:
    extra = (
        struct.pack("<HHI", 22, 16, 4) + b"\x01\x00" + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x008\x9bq"
    )
    data = riff(layout(tag=0xFFFE, extra=extra), chunk(b"data", b"\1\0"))
    assert read_wav(io.BytesIO(data))[0].tolist() == [[1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends after 0 octets"),
        (b"ID3\x04" + bytes(40), "begins with"),
        (riff(), "ends after 0 octets"),
        (riff(layout()), "next chunk"),
        (riff(chunk(b"data", b"\1\0"), layout()), "before its format"),
        (riff(layout(tag=7, bits=8), chunk(b"data", b"\1\0")), "format 0x7 with 8 bits"),
        (riff(layout(bits=24), chunk(b"data", b"\1\0\0")), "with 24 bits"),
        (riff(layout(channels=6), chunk(b"data", bytes(12))), "6 channels"),
        (riff(layout(rate_hz=0), chunk(b"data", bytes(12))), "0 Hz"),
        (riff(chunk(b"fmt ", b"\1\0")), "format chunk of 2 octets"),
        (riff(chunk(b"fmt ", b"", size=10**6)), "format chunk of 1000000 octets"),
        (riff(layout(), chunk(b"data", b"\1\0", size=100)), "ends after 2 octets"),
        (riff(layout(), chunk(b"data", b"\1\0\2", size=3)), "multiple of 2"),
        (riff(chunk(b"LIST", b"ab", size=2**32 - 1)), "before the end of a chunk"),
    ],
)
def test_bad_file_is_a_clear_error(data: bytes, message: str) -> None:
    with pytest.raises(WavError, match=message):
        read_wav(io.BytesIO(data))


@given(data=st.binary(max_size=200), cut=st.integers(0, 60))
def test_garbage_and_truncation_raise_nothing_else(data: bytes, cut: int) -> None:
    whole = riff(layout(), chunk(b"data", bytes(16)))
    assert len(read_wav(io.BytesIO(whole))[0]) == 8
    for bad in (data, whole[:cut], whole[:cut] + data):
        try:
            samples, rate = read_wav(io.BytesIO(bad))
        except WavError:
            continue
        assert samples.ndim == 2
        assert rate > 0


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")
