"""Measures of audio code, against what is known of it."""

from pathlib import Path

import numpy as np
import pytest

from callboard.media import Resampler, read_wav, tone
from callboard.notebook import (
    codec_snr,
    curves,
    gain_by_frequency,
    play,
    play_out,
    playout_figure,
    power_by_time,
)


def test_the_noise_of_g711_is_in_proportion_to_the_signal() -> None:
    loud, medium, quiet = codec_snr([-10.0, -25.0, -60.0])
    # ITU-T G.712 asks for 33 dB or more in the middle of the range.
    assert loud > 35
    assert medium > 35
    assert quiet < 25
    assert codec_snr([-60.0], "alaw")[0] < quiet


def test_a_resampler_keeps_the_voice_and_drops_what_would_be_an_alias() -> None:
    low, high = gain_by_frequency(
        lambda samples: Resampler(24000, 8000).process(samples), 24000, [1000.0, 6000.0]
    )
    assert low == pytest.approx(0.0, abs=0.2)
    assert high < -60


def test_bursts_are_played_without_a_gap_and_late_ones_with_one() -> None:
    run = play_out([(0.1 + 0.1 * k, 0.4) for k in range(5)])
    assert run.statistics.underruns == 0
    assert run.played[-1] == pytest.approx(2.0)
    assert np.all(run.sent - run.played <= 0.12 + 0.06 + 1e-9)
    late = play_out([(0.1, 0.2), (0.3, 0.2), (0.85, 0.2)])
    assert late.statistics.underruns == 1
    assert late.statistics.underrun_duration == pytest.approx(0.35, abs=0.021)
    assert playout_figure(late)._repr_png_().startswith(b"\x89PNG")


def test_a_tone_is_where_it_belongs_in_a_spectrum() -> None:
    at, frequencies, power = power_by_time(tone(1000.0, 0.5), 8000)
    assert len(at) == power.shape[1]
    assert frequencies[power[:, len(at) // 2].argmax()] == pytest.approx(1000.0, abs=32)


def test_curves_have_names_and_units() -> None:
    plot = curves([1, 2], {"one": [1, 2], "two": [2, 3]}, x="seconds", y="dB", marks={"here": 1.5})
    assert plot.axes[0].get_xlabel() == "seconds"
    assert "dB" in repr(plot)


def test_a_sound_is_written_for_everybody(tmp_path: Path) -> None:
    samples = tone(1000.0, 0.1)
    back, rate = read_wav(play(samples).write(tmp_path / "tone.wav"))
    assert rate == 8000
    assert np.abs(back[:, 0].astype(int) - samples).max() < 700
