from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from callboard.media import (
    TONE_RATE_HZ,
    TONE_SYMBOL_SAMPLES,
    Resampler,
    Samples,
    ToneDecoder,
    ToneEncoder,
    ToneText,
    alaw_decode,
    alaw_encode,
    tone,
    ulaw_decode,
    ulaw_encode,
)

TEXT = "Wie wird das Wetter in Köln? 18 °C, 東京 27 °C."
ENCODER = ToneEncoder()
UTTERANCE = ENCODER.encode(TEXT)


def silence(n: int) -> Samples:
    return np.zeros(n, np.int16)


def decode(samples: Samples, sizes: list[int] | None = None) -> list[ToneText]:
    decoder = ToneDecoder()
    texts: list[ToneText] = []
    at = 0
    for size in itertools.cycle(sizes or [TONE_SYMBOL_SAMPLES]):
        if at >= len(samples):
            break
        texts += decoder.push(samples[at : at + size])
        at += size
    return texts + decoder.flush()


def with_noise(samples: Samples, snr_db: float, seed: int) -> Samples:
    signal = samples.astype(np.float64)
    rms = np.sqrt((UTTERANCE.astype(np.float64) ** 2).mean())
    noise = np.random.default_rng(seed).normal(0, rms / 10 ** (snr_db / 20), len(samples))
    return np.clip(np.rint(signal + noise), -32768, 32767).astype(np.int16)


def like_speech(seconds: float, seed: int) -> Samples:
    """Harmonics of a gliding pitch through moving resonances, in syllables: voiced speech in outline."""
    rng = np.random.default_rng(seed)
    n = round(seconds * TONE_RATE_HZ)
    time = np.arange(n) / TONE_RATE_HZ
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / TONE_RATE_HZ
    first = 500 + 250 * np.sin(2 * np.pi * 1.9 * time)
    second = 1500 + 700 * np.sin(2 * np.pi * 1.3 * time)
    wave = np.zeros(n)
    for harmonic in range(1, 25):
        frequency = harmonic * pitch
        resonance = np.exp(-(((frequency - first) / 150) ** 2))
        resonance += 0.6 * np.exp(-(((frequency - second) / 200) ** 2))
        wave += resonance * np.sin(harmonic * phase)
    wave *= np.clip(np.sin(2 * np.pi * 3.5 * time), 0, None)
    return np.asarray(np.rint(wave / np.abs(wave).max() * 20_000), np.int16)


@given(text=st.text(max_size=40))
@settings(deadline=None)
def test_any_text_comes_back(text: str) -> None:
    assert decode(np.concatenate([ENCODER.encode(text), silence(160)])) == [text]


@given(
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=8),
    offset=st.integers(0, 800),
)
@settings(deadline=None, max_examples=50)
def test_neither_chunks_nor_offset_matter(sizes: list[int], offset: int) -> None:
    texts = decode(np.concatenate([silence(offset), UTTERANCE, silence(7)]), sizes)
    assert [(str(text), text.complete) for text in texts] == [(TEXT, True)]


@given(offset=st.integers(0, 400))
@settings(deadline=None, max_examples=50)
def test_last_sample_ends_the_utterance(offset: int) -> None:
    decoder = ToneDecoder()
    assert decoder.push(np.concatenate([silence(offset), UTTERANCE])) == [TEXT]
    assert not decoder.speaking


@given(
    offset=st.integers(0, 320),
    gain_db=st.floats(-20, 5),
    law=st.sampled_from(["none", "ulaw", "alaw", "both"]),
    middle_hz=st.sampled_from([8000, 16000, 22050, 24000, 48000]),
)
@settings(deadline=None, max_examples=50)
def test_survives_the_telephone(offset: int, gain_db: float, law: str, middle_hz: int) -> None:
    samples = np.concatenate([silence(offset), UTTERANCE, silence(400)])
    samples = np.clip(np.rint(samples * 10 ** (gain_db / 20)), -32768, 32767).astype(np.int16)
    if law in {"ulaw", "both"}:
        samples = ulaw_decode(ulaw_encode(samples))
    samples = Resampler(middle_hz, 8000).process(Resampler(8000, middle_hz).process(samples))
    if law in {"alaw", "both"}:
        samples = alaw_decode(alaw_encode(samples))
    assert decode(samples) == [TEXT]


@pytest.mark.parametrize("seed", range(20))
def test_no_error_at_10_db_of_noise(seed: int) -> None:
    samples = with_noise(np.concatenate([silence(400 + 13 * seed), UTTERANCE, silence(400)]), 10, seed)
    assert decode(samples) == [TEXT]


@given(kept=st.integers(0, len(UTTERANCE) - 1), tail=st.sampled_from(["silence", "end", "noise"]))
@settings(deadline=None, max_examples=80)
def test_utterance_cut_short_gives_what_was_heard(kept: int, tail: str) -> None:
    rest = {"silence": silence(800), "end": silence(0), "noise": like_speech(0.2, 1)}[tail]
    texts = decode(np.concatenate([silence(50), UTTERANCE[:kept], rest]))
    whole_octets = kept // TONE_SYMBOL_SAMPLES - 6
    if len(texts) == 0:
        assert whole_octets <= 0
        return
    (text,) = texts
    assert TEXT.startswith(text)
    # Nothing of what came through whole is lost, and at most the symbol in the middle of the cut is added. A
    # cut in the checksum leaves the text whole, and one in the last few samples leaves nothing to miss.
    heard = TEXT.encode()
    assert len(text.encode()) >= len(heard[: max(whole_octets, 0)].decode("utf-8", "ignore").encode())
    assert len(text.encode()) <= max(whole_octets, 0) + 1
    if text.complete:
        assert text == TEXT


@given(kept=st.integers(1200, 6000), gap=st.integers(0, 300))
@settings(deadline=None, max_examples=50)
def test_utterance_right_behind_one_that_was_cut_is_found(kept: int, gap: int) -> None:
    texts = decode(np.concatenate([UTTERANCE[:kept], silence(gap), ENCODER.encode("new"), silence(10)]))
    assert [text.complete for text in texts] == [False, True]
    assert texts[1] == "new"
    assert TEXT.startswith(texts[0])


def test_utterances_back_to_back_are_all_found() -> None:
    words = ["one", "two", "", "three"]
    assert decode(np.concatenate([ENCODER.encode(word) for word in words])) == words


def test_speaking_and_partial_tell_what_is_under_way() -> None:
    decoder = ToneDecoder()
    assert (decoder.speaking, decoder.partial) == (False, "")
    text = "aé" * 10
    samples = ENCODER.encode(text)
    heard: list[str] = []
    for at in range(0, len(samples) - 160, 160):
        assert decoder.push(samples[at : at + 160]) == []
        heard.append(decoder.partial)
        assert decoder.speaking == (at >= 3 * 160)
    assert heard[5:10] == ["", "a", "a", "aé", "aéa"]
    assert decoder.push(samples[-160:]) == [text]
    assert (decoder.speaking, decoder.partial) == (False, "")


def test_damaged_text_is_reported_without_its_letters() -> None:
    samples = UTTERANCE.copy()
    other = ENCODER.encode("x" * 40)
    samples[10 * 160 : 11 * 160] = other[10 * 160 : 11 * 160]  # a clean symbol, but not the one that was sent
    (text,) = decode(np.concatenate([samples, silence(100)]))
    assert (str(text), text.complete) == ("", False)


def test_damaged_length_is_not_believed() -> None:
    samples = UTTERANCE.copy()
    other = ENCODER.encode("x" * 300)
    samples[3 * 160 : 5 * 160] = other[3 * 160 : 5 * 160]
    assert decode(np.concatenate([samples, silence(100)])) == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_voices_say_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 10 ** rng.uniform(1, 4), 8000 * 5).clip(-32768, 32767).astype(np.int16)
    decoder = ToneDecoder()
    for samples in (noise, like_speech(5, seed), silence(8000)):
        for at in range(0, len(samples), 160):
            assert decoder.push(samples[at : at + 160]) == []
            assert not decoder.speaking


def test_data_without_its_preamble_says_nothing() -> None:
    assert decode(UTTERANCE[200:]) == []


def test_utterance_is_found_after_noise_and_speech() -> None:
    before = np.concatenate([like_speech(1.0, 7), with_noise(silence(1111), 20, 1)])
    assert decode(np.concatenate([before, UTTERANCE, silence(10)])) == [TEXT]


def test_flush_ends_the_stream_and_reset_forgets_it() -> None:
    decoder = ToneDecoder()
    decoder.push(UTTERANCE[:2400])
    (text,) = decoder.flush()
    assert TEXT.startswith(text)
    assert not text.complete
    assert decoder.flush() == []
    decoder.push(UTTERANCE[:2400])
    decoder.reset()
    assert not decoder.speaking
    assert decoder.push(np.concatenate([UTTERANCE, silence(1)])) == [TEXT]


def test_memory_does_not_grow_while_listening() -> None:
    decoder = ToneDecoder()
    noise = np.random.default_rng(5).normal(0, 3000, 160).astype(np.int16)
    for _ in range(200):
        decoder.push(noise)
        assert len(decoder._samples) < 1200


def test_tone_text_is_a_string_with_a_flag() -> None:
    assert ToneText("a") == "a"
    assert ToneText("a").complete
    assert repr(ToneText("a", False)) == "ToneText('a', complete=False)"


def test_peak_is_kept_and_bounds_are_checked() -> None:
    loud = ToneEncoder(peak=1.0).encode(TEXT)
    assert 30_000 < np.abs(loud.astype(int)).max() <= 32767
    assert np.abs(UTTERANCE.astype(int)).max() <= 16384
    assert decode(ToneEncoder(peak=0.05).encode(TEXT)) == [TEXT]
    with pytest.raises(ValueError, match="peak"):
        ToneEncoder(peak=0)
    with pytest.raises(ValueError, match="65536 octets"):
        ENCODER.encode("x" * 65536)


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert decode(np.concatenate([ENCODER.encode("a\ud800b"), silence(10)])) == ["a?b"]


def test_one_tone_alone_is_no_symbol() -> None:
    samples = UTTERANCE.copy()
    samples[10 * 160 :] = tone(1000, 0.02 * (len(samples) / 160 - 10), level_dbfs=-9)[: len(samples) - 1600]
    (text,) = decode(samples)
    assert (str(text), text.complete) == (TEXT.encode()[:4].decode(), False)


@given(
    st.lists(st.integers(0, 3000), max_size=8),
    st.lists(st.integers(0, 3000), max_size=8),
    st.integers(1, 900),
)
def test_silence_of_any_length_before_and_between_texts(
    before: list[int], between: list[int], piece: int
) -> None:
    decoder = ToneDecoder()
    found: list[str] = []
    for lengths, text in ((before, "first"), (between, "second")):
        for length in lengths:
            found += decoder.push(np.zeros(length, np.int16))
        tones = ToneEncoder().encode(text)
        for at in range(0, len(tones), piece):
            found += decoder.push(tones[at : at + piece])
    found += decoder.push(np.zeros(2000, np.int16))
    assert [str(each) for each in found] == ["first", "second"]
