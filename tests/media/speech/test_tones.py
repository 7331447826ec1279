import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from callboard.media import ulaw_decode, ulaw_encode
from callboard.media.speech import load_speech

TEXT = "Are you open on Friday?"


def test_words_survive_the_round_trip_through_a_phone_line() -> None:
    engines = load_speech("tones")
    line = ulaw_decode(ulaw_encode(engines.synthesiser.synthesise(TEXT)))
    assert engines.recogniser.transcribe(line) == TEXT


def test_silence_before_and_after_does_not_matter() -> None:
    engines = load_speech("tones")
    silence = np.zeros(8_000, np.int16)
    speech = engines.synthesiser.synthesise(TEXT)
    assert engines.recogniser.transcribe(np.concatenate([silence, speech, silence])) == TEXT


def test_two_utterances_are_joined() -> None:
    engines = load_speech("tones")
    silence = np.zeros(4_000, np.int16)
    parts = [engines.synthesiser.synthesise("one"), silence, engines.synthesiser.synthesise("two")]
    assert engines.recogniser.transcribe(np.concatenate(parts)) == "one two"


def test_a_clipped_utterance_gives_its_beginning() -> None:
    engines = load_speech("tones")
    speech = engines.synthesiser.synthesise(TEXT)
    heard = engines.recogniser.transcribe(speech[: len(speech) // 2])
    assert heard
    assert TEXT.startswith(heard)


def test_silence_and_noise_give_nothing() -> None:
    recogniser = load_speech("tones").recogniser
    noise = np.random.default_rng(1).normal(0, 3_000, 16_000).astype(np.int16)
    assert recogniser.transcribe(np.zeros(16_000, np.int16)) == ""
    assert recogniser.transcribe(noise) == ""
    assert recogniser.transcribe(np.zeros(0, np.int16)) == ""


def test_empty_text_gives_no_samples() -> None:
    assert len(load_speech("tones").synthesiser.synthesise("  ")) == 0


def test_any_voice_is_accepted_and_changes_nothing() -> None:
    synthesiser = load_speech("tones").synthesiser
    assert np.array_equal(synthesiser.synthesise("hello", voice="ara"), synthesiser.synthesise("hello"))


def test_the_detector_follows_the_utterance() -> None:
    engines = load_speech("tones")
    detector = engines.new_detector()
    frame = detector.frame_samples
    speech = engines.synthesiser.synthesise(TEXT)
    audio = np.concatenate([np.zeros(50 * frame, np.int16), speech, np.zeros(50 * frame, np.int16)])
    rated = [detector.probability(audio[i : i + frame]) for i in range(0, len(audio) - frame + 1, frame)]
    assert not any(rated[:48])
    assert not any(rated[-40:])
    during = rated[55 : 50 + len(speech) // frame - 5]
    assert sum(during) == len(during)


def test_the_detector_can_begin_again() -> None:
    engines = load_speech("tones")
    detector = engines.new_detector()
    speech = engines.synthesiser.synthesise(TEXT)
    for i in range(0, 30 * 160, 160):
        detector.probability(speech[i : i + 160])
    detector.reset()
    assert detector.probability(np.zeros(160, np.int16)) == 0.0


def test_the_detector_refuses_another_frame_length() -> None:
    with pytest.raises(ValueError, match="expected 160"):
        load_speech("tones").new_detector().probability(np.zeros(161, np.int16))


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40))
def test_any_text_survives(text: str) -> None:
    engines = load_speech("tones")
    assert engines.recogniser.transcribe(engines.synthesiser.synthesise(text)) == text.strip()
