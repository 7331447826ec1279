from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
import soxr  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given, settings, strategies as st

from callboard.media import PCM_RATES_HZ, Resampler, Samples

LIVE_RATES = (8000, 16000, 24000, 48000)
LIVE_PAIRS = list(itertools.permutations(LIVE_RATES, 2))
AMPLITUDE = 10_000.0


def sine(frequency_hz: float, rate_hz: int, duration: float = 0.5) -> Samples:
    time = np.arange(round(duration * rate_hz)) / rate_hz
    return np.rint(AMPLITUDE * np.sin(2 * np.pi * frequency_hz * time)).astype(np.int16)


def noise(n: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).integers(-12_000, 12_000, n).astype(np.int16)


def speech_band(rate_hz: int, seed: int = 1) -> npt.NDArray[np.float64]:
    """A second of noise from 300 to 3400 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=rate_hz))
    frequencies = np.fft.rfftfreq(rate_hz, 1 / rate_hz)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    signal = np.fft.irfft(spectrum, rate_hz)
    return np.asarray(signal / np.abs(signal).max() * 20_000, np.float64)


def level_db(samples: Samples, frequency_hz: float, rate_hz: int) -> float:
    """Level of one frequency against a sine of `AMPLITUDE`, without the first 50 ms."""
    steady = samples[rate_hz // 20 :].astype(np.float64)
    window = np.blackman(len(steady))
    carrier = np.exp(-2j * np.pi * frequency_hz * np.arange(len(steady)) / rate_hz)
    amplitude = 2 * abs((steady * window * carrier).sum()) / window.sum()
    return float(20 * np.log10(amplitude / AMPLITUDE + 1e-9))


def in_chunks(resampler: Resampler, samples: Samples, sizes: list[int]) -> Samples:
    parts: list[Samples] = []
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(samples):
            break
        parts.append(resampler.process(samples[at : at + size]))
        at += size
    return np.concatenate(parts)


@pytest.mark.parametrize(("from_hz", "to_hz"), LIVE_PAIRS)
def test_every_frame_in_is_a_frame_out_from_the_first_on(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    frame = noise(from_hz // 50)
    assert [len(resampler.process(frame)) for _ in range(20)] == [to_hz // 50] * 20


@pytest.mark.parametrize(("from_hz", "to_hz"), LIVE_PAIRS)
def test_delay_is_what_it_says_and_at_most_5_ms(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    assert 0 < resampler.delay <= 0.005
    # Cross-correlate with the undelayed signal, made at the output rate from the same spectrum.
    common = 48_000
    original = speech_band(common)
    source = np.rint(original[:: common // from_hz]).astype(np.int16)
    output = in_chunks(resampler, source, [from_hz // 50]).astype(np.float64)
    reference = original[:: common // to_hz]
    lags = np.arange(round(0.006 * to_hz))
    n = len(output) - len(lags)
    correlation = np.array([output[lag : lag + n] @ reference[:n] for lag in lags])
    peak = int(correlation.argmax())
    before, top, after = correlation[peak - 1 : peak + 2]
    measured = (peak + (before - after) / (2 * (before - 2 * top + after))) / to_hz
    assert measured == pytest.approx(resampler.delay, abs=0.1e-3)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 24000), (24000, 8000), (8000, 16000), (16000, 8000)])
def test_telephone_band_passes_within_half_a_decibel(from_hz: int, to_hz: int) -> None:
    for frequency in (300, 1000, 2000, 2900, 3200, 3400):
        output = Resampler(from_hz, to_hz).process(sine(frequency, from_hz))
        assert abs(level_db(output, frequency, to_hz)) < 0.5


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (8000, 24000), (8000, 48000)])
def test_images_are_gone(from_hz: int, to_hz: int) -> None:
    for frequency in (300, 1000, 3000, 3400):
        output = Resampler(from_hz, to_hz).process(sine(frequency, from_hz))
        for image in (from_hz - frequency, from_hz + frequency):
            if image < to_hz / 2:
                assert level_db(output, image, to_hz) < -75


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16000, 8000), (24000, 8000), (48000, 8000)])
def test_aliases_are_gone(from_hz: int, to_hz: int) -> None:
    for frequency in (4200, 4600, 5000, 6000, 7000):
        output = Resampler(from_hz, to_hz).process(sine(frequency, from_hz))
        assert level_db(output, to_hz - frequency, to_hz) < -75


@pytest.mark.parametrize(("from_hz", "to_hz"), [*LIVE_PAIRS, (22050, 8000), (8000, 22050), (44100, 48000)])
def test_soxr_agrees(from_hz: int, to_hz: int) -> None:
    original = np.rint(speech_band(from_hz)).astype(np.int16)
    resampler = Resampler(from_hz, to_hz)
    ours = in_chunks(resampler, original, [from_hz // 50]).astype(np.float64)
    theirs = soxr.resample(original.astype(np.float64), from_hz, to_hz, quality="HQ")
    # Shift theirs by our delay, a fraction of a sample, in the frequency domain.
    n = min(len(ours), len(theirs))
    frequencies = np.fft.rfftfreq(n, 1 / to_hz)
    shifted = np.fft.irfft(np.fft.rfft(theirs[:n]) * np.exp(-2j * np.pi * frequencies * resampler.delay), n)
    middle = slice(n // 10, n - n // 10)
    difference = ours[middle] - shifted[middle]
    snr = 10 * np.log10((shifted[middle] ** 2).sum() / (difference**2).sum())
    assert snr > 40  # what differs is our slightly softer edge at 3400 Hz


def test_whole_second_of_speech_band_keeps_its_level() -> None:
    original = np.rint(speech_band(8000)).astype(np.int16)
    there = Resampler(8000, 24000)
    back = Resampler(24000, 8000)
    result = in_chunks(back, in_chunks(there, original, [160]), [480]).astype(np.float64)
    ratio = np.sqrt((result[400:] ** 2).mean() / (original[400:].astype(np.float64) ** 2).mean())
    assert 20 * np.log10(ratio) == pytest.approx(0, abs=0.2)


@given(
    from_hz=st.sampled_from(PCM_RATES_HZ),
    to_hz=st.sampled_from(PCM_RATES_HZ),
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=12).filter(any),
)
@settings(max_examples=60, deadline=None)
def test_counts_are_exact_and_chunking_does_not_matter(from_hz: int, to_hz: int, sizes: list[int]) -> None:
    samples = noise(3000)
    whole = Resampler(from_hz, to_hz).process(samples)
    assert len(whole) == 3000 * to_hz // from_hz
    resampler = Resampler(from_hz, to_hz)
    given_in = given_out = 0
    parts: list[Samples] = []
    for size in itertools.cycle(sizes):
        if given_in >= len(samples):
            break
        chunk = samples[given_in : given_in + size]
        part = resampler.process(chunk)
        given_in += len(chunk)
        given_out += len(part)
        assert given_out == given_in * to_hz // from_hz
        parts.append(part)
    pieces = np.concatenate(parts)
    assert np.abs(pieces.astype(int) - whole.astype(int)).max(initial=0) <= 1  # rounding


def test_long_input_is_no_different() -> None:
    samples = noise(50_000)
    whole = Resampler(8000, 24000).process(samples)
    pieces = in_chunks(Resampler(8000, 24000), samples, [160])
    assert np.abs(whole.astype(int) - pieces.astype(int)).max() <= 1


def test_constant_comes_out_constant() -> None:
    for from_hz, to_hz in LIVE_PAIRS:
        output = Resampler(from_hz, to_hz).process(np.full(from_hz // 10, 1000, np.int16))
        assert set(output[to_hz // 50 :].tolist()) == {1000}


def test_full_scale_is_limited_not_wrapped() -> None:
    square = np.where(np.arange(800) // 8 % 2, 32767, -32768).astype(np.int16)
    output = Resampler(8000, 24000).process(square).astype(int)
    assert output.max() == 32767
    assert output.min() == -32768
    assert np.abs(np.diff(output)).max() < 40_000  # a wrapped sample would jump by 65 536


def test_reset_forgets_everything() -> None:
    resampler = Resampler(24000, 16000)
    fresh = Resampler(24000, 16000).process(noise(480, seed=2))
    resampler.process(noise(481))  # in the middle of a cycle
    resampler.reset()
    assert np.array_equal(resampler.process(noise(480, seed=2)), fresh)
    resampler.process(noise(480))
    resampler.reset()
    assert not resampler.process(np.zeros(480, np.int16)).any()


def test_equal_rates_pass_untouched() -> None:
    samples = noise(160)
    resampler = Resampler(8000, 8000)
    assert resampler.process(samples) is samples
    assert resampler.delay == 0


def test_streams_do_not_mix() -> None:
    one, other = Resampler(8000, 24000), Resampler(8000, 24000)
    first = [one.process(noise(160, seed=3)), other.process(noise(160, seed=4))]
    again = Resampler(8000, 24000).process(noise(160, seed=3))
    assert np.array_equal(first[0], again)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8000), (8000, -1)])
def test_impossible_rate_is_an_error(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="positive rates"):
        Resampler(from_hz, to_hz)


def test_streams_do_not_hear_each_other() -> None:
    streams = [noise(4800, seed) for seed in range(4)]
    alone = [Resampler(8000, 24000).process(stream) for stream in streams]

    def convert(stream: Samples, resampler: Resampler) -> Samples:
        return np.concatenate([resampler.process(stream[at : at + 160]) for at in range(0, 4800, 160)])

    # In turn, with frames of different lengths in between.
    together = [Resampler(8000, 24000) for _ in streams]
    pieces: list[list[Samples]] = [[] for _ in streams]
    for at in range(0, 4800, 480):
        for number, size in enumerate((480, 160, 32, 240)):
            for part in range(at, at + 480, size):
                pieces[number].append(together[number].process(streams[number][part : part + size]))
    for whole, parts in zip(alone, pieces, strict=True):
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convert, streams, [Resampler(8000, 24000) for _ in streams]))
    for whole, result in zip(alone, results, strict=True):
        np.testing.assert_allclose(result, whole, rtol=0, atol=1)
