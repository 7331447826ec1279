"""Levels, and audio made from numbers: tones, noise."""

from __future__ import annotations

from typing import Final

import numpy as np

from ._g711 import Samples

__all__ = ["SILENCE_DBFS", "dual_tone", "noise", "rms_dbfs", "tone"]

SILENCE_DBFS: Final = -120.0
"""What `rms_dbfs` says of digital silence: below the quantisation of 16 bits."""

_FULL_SCALE: Final = 32768.0


def rms_dbfs(samples: Samples) -> float:
    """Return the level of int16 (n,) samples in dB of full scale: a full-scale sine has -3.

    Nothing at all, and digital silence, are `SILENCE_DBFS`.
    """
    if not len(samples):
        return SILENCE_DBFS
    values = samples.astype(np.float32)
    mean_square = float(np.dot(values, values)) / len(values)
    if mean_square <= 0:
        return SILENCE_DBFS
    return float(10 * np.log10(mean_square / _FULL_SCALE**2))


def _amplitude(level_dbfs: float) -> float:
    """Return the peak of a sine whose RMS is the level."""
    return float(_FULL_SCALE * np.sqrt(2) * 10 ** (level_dbfs / 20))


def _to_int16(values: np.typing.NDArray[np.float64]) -> Samples:
    return np.asarray(np.clip(np.rint(values), -32768, 32767), np.int16)


def tone(
    frequency_hz: float,
    duration: float,
    *,
    rate_hz: int = 8000,
    level_dbfs: float = -20.0,
    phase: float = 0.0,
) -> Samples:
    """Return a sine, int16 (n,).

    Args:
        frequency_hz: Its frequency.
        duration: Its length in seconds, to the nearest sample.
        rate_hz: Sampling rate.
        level_dbfs: Its RMS level; -3 is full scale.
        phase: Where it starts, in radians.
    """
    time = np.arange(round(duration * rate_hz)) / rate_hz
    return _to_int16(_amplitude(level_dbfs) * np.sin(2 * np.pi * frequency_hz * time + phase))


def dual_tone(
    low_hz: float, high_hz: float, duration: float, *, rate_hz: int = 8000, level_dbfs: float = -20.0
) -> Samples:
    """Return the sum of two sines of equal strength, int16 (n,), as DTMF and call progress tones are made.

    Args:
        low_hz: One frequency.
        high_hz: The other.
        duration: Length in seconds, to the nearest sample.
        rate_hz: Sampling rate.
        level_dbfs: RMS level of the sum.
    """
    time = np.arange(round(duration * rate_hz)) / rate_hz
    wave = np.sin(2 * np.pi * low_hz * time) + np.sin(2 * np.pi * high_hz * time)
    return _to_int16(_amplitude(level_dbfs) / np.sqrt(2) * wave)


def noise(duration: float, *, rate_hz: int = 8000, level_dbfs: float = -40.0, seed: int = 0) -> Samples:
    """Return white Gaussian noise, int16 (n,): the same for the same seed.

    Args:
        duration: Length in seconds, to the nearest sample.
        rate_hz: Sampling rate.
        level_dbfs: RMS level.
        seed: Of the random generator.
    """
    n = round(duration * rate_hz)
    return _to_int16(np.random.default_rng(seed).normal(0, _FULL_SCALE * 10 ** (level_dbfs / 20), n))
