from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from callboard.media import (
    SILENCE_DBFS,
    EnergyDetector,
    Samples,
    SpeechStarted,
    SpeechStopped,
    ToneEncoder,
    VoiceActivity,
    VoiceState,
    alaw_decode,
    dual_tone,
    noise,
    rms_dbfs,
    tone,
)


def feed(activity: VoiceActivity, pattern: str) -> list[tuple[int, SpeechStarted | SpeechStopped]]:
    """Feed frames of 20 ms, `#` for voice; return the events with the number of their frame."""
    events: list[tuple[int, SpeechStarted | SpeechStopped]] = []
    for i, letter in enumerate(pattern):
        event = activity.feed(1.0 if letter == "#" else 0.0, 0.02)
        if event is not None:
            events.append((i, event))
    return events


def test_turn_starts_at_its_onset_less_the_padding_and_stops_after_silence() -> None:
    activity = VoiceActivity(prefix_padding=0.3, silence_duration=0.2, onset=0.1)
    events = feed(activity, "." * 50 + "#" * 20 + "." * 20)
    assert events == [(54, SpeechStarted(at_ms=700)), (79, SpeechStopped(at_ms=1400))]
    assert activity.received_ms == 1800


def test_padding_does_not_reach_before_the_stream() -> None:
    activity = VoiceActivity(prefix_padding=0.333)
    assert feed(activity, "..#####") == [(6, SpeechStarted(at_ms=0))]


def test_click_is_no_speech() -> None:
    activity = VoiceActivity(onset=0.1)
    assert feed(activity, "..####..####..") == []
    assert activity.state is VoiceState.SILENT


def test_pause_within_speech_does_not_end_it() -> None:
    activity = VoiceActivity(prefix_padding=0, silence_duration=0.1)
    events = feed(activity, "#####....#....#.....")
    assert events == [(4, SpeechStarted(at_ms=0)), (19, SpeechStopped(at_ms=300))]


def test_state_says_what_is_heard() -> None:
    activity = VoiceActivity(silence_duration=0.1)
    states: list[VoiceState] = []
    for letter in ".#####.#.....":
        activity.feed(1.0 if letter == "#" else 0.0, 0.02)
        states.append(activity.state)
    assert states == [
        VoiceState.SILENT,
        *[VoiceState.ONSET] * 4,
        VoiceState.SPEAKING,
        VoiceState.PAUSE,
        VoiceState.SPEAKING,
        *[VoiceState.PAUSE] * 4,
        VoiceState.SILENT,
    ]
    assert not activity.speaking


def test_threshold_is_the_least_probability_of_voice() -> None:
    activity = VoiceActivity(threshold=0.85, onset=0)
    assert activity.feed(0.84, 0.02) is None
    assert activity.feed(0.85, 0.02) == SpeechStarted(at_ms=0)


def test_no_silence_needed_ends_at_once() -> None:
    activity = VoiceActivity(silence_duration=0, onset=0, prefix_padding=0)
    assert feed(activity, ".#.") == [(1, SpeechStarted(at_ms=20)), (2, SpeechStopped(at_ms=40))]


def test_reset_forgets_the_turn_but_not_the_time() -> None:
    activity = VoiceActivity(prefix_padding=0)
    feed(activity, "##########")
    activity.reset()
    assert not activity.speaking
    assert feed(activity, "#####") == [(4, SpeechStarted(at_ms=200))]


@pytest.mark.parametrize(
    "settings", [{"threshold": 1.1}, {"threshold": -0.1}, {"onset": -1.0}, {"silence_duration": -0.1}]
)
def test_impossible_settings_are_errors(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        VoiceActivity(**settings)


@given(
    probabilities=st.lists(st.floats(0, 1), max_size=200),
    duration=st.sampled_from([0.01, 0.016, 0.02, 0.032]),
    silence=st.floats(0, 0.5),
    onset=st.floats(0, 0.3),
    padding=st.floats(0, 1),
)
def test_starts_and_stops_alternate_and_never_lie_ahead(
    probabilities: list[float], duration: float, silence: float, onset: float, padding: float
) -> None:
    activity = VoiceActivity(silence_duration=silence, onset=onset, prefix_padding=padding)
    speaking = False
    for i, probability in enumerate(probabilities):
        event = activity.feed(probability, duration)
        now_ms = (i + 1) * duration * 1000
        if event is not None:
            assert 0 <= event.at_ms <= now_ms + 1
            assert isinstance(event, SpeechStopped) == speaking
            speaking = not speaking
        assert activity.speaking == speaking


def run(detector: EnergyDetector, samples: Samples) -> list[float]:
    n = detector.frame_samples
    return [detector.probability(samples[at : at + n]) for at in range(0, len(samples), n)]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_energy_detector_tells_voice_from_silence(rate_hz: int) -> None:
    detector = EnergyDetector(rate_hz)
    assert max(run(detector, np.zeros(rate_hz, np.int16))) == 0
    assert min(run(detector, tone(300, 1, rate_hz=rate_hz))) == 1
    assert max(run(detector, np.zeros(rate_hz, np.int16))) == 0


def test_energy_detector_hears_a_long_utterance_of_tones_to_its_end() -> None:
    detector = EnergyDetector()
    assert min(run(detector, ToneEncoder().encode("a" * 800))) == 1  # 16 s


def test_energy_detector_gets_used_to_noise() -> None:
    detector = EnergyDetector()
    heard = run(detector, noise(3, level_dbfs=-40))
    assert max(heard[50:]) < 0.5
    assert min(run(detector, tone(300, 0.5, level_dbfs=-15))) > 0.85
    assert -45 < detector.floor_dbfs < -38
    detector.reset()
    assert detector.floor_dbfs == -50


def test_energy_detector_ignores_the_idle_noise_of_a_law() -> None:
    idle = alaw_decode(b"\xd5\x55" * 4000)
    assert max(run(EnergyDetector(), idle)) == 0


def test_level_of_known_signals() -> None:
    assert rms_dbfs(np.full(160, -32768, np.int16)) == pytest.approx(0)
    assert rms_dbfs(tone(1000, 1, level_dbfs=-3.02)) == pytest.approx(-3.02, abs=0.05)
    assert rms_dbfs(dual_tone(697, 1209, 1, level_dbfs=-20)) == pytest.approx(-20, abs=0.05)
    assert rms_dbfs(noise(1, level_dbfs=-30)) == pytest.approx(-30, abs=0.2)
    assert rms_dbfs(np.zeros(160, np.int16)) == SILENCE_DBFS
    assert rms_dbfs(np.zeros(0, np.int16)) == SILENCE_DBFS
    assert rms_dbfs(np.full(100_000, 32767, np.int16)) == pytest.approx(0, abs=0.01)


def test_tone_has_its_frequency_and_noise_its_seed() -> None:
    spectrum = np.abs(np.fft.rfft(tone(440, 1, rate_hz=16000)))
    assert int(spectrum.argmax()) == 440
    assert len(tone(440, 0.02, rate_hz=24000)) == 480
    assert np.array_equal(noise(0.1, seed=3), noise(0.1, seed=3))
    assert not np.array_equal(noise(0.1, seed=3), noise(0.1, seed=4))
    assert tone(440, 0.1, level_dbfs=6).max() == 32767  # limited, not wrapped
