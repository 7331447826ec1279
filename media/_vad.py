"""Voice activity: from a probability per frame to turns, and a detector by energy."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ._g711 import Samples
from ._levels import rms_dbfs

__all__ = ["EnergyDetector", "SpeechStarted", "SpeechStopped", "VoiceActivity", "VoiceState"]

_ROUNDING: Final = 1e-6  # seconds: five frames of 0.02 are 0.1, whatever floats say


class VoiceState(enum.Enum):
    """What a `VoiceActivity` hears."""

    SILENT = "silent"
    ONSET = "onset"
    """Voice, but not for long enough to be speech."""
    SPEAKING = "speaking"
    PAUSE = "pause"
    """Silence within speech, not yet long enough to end it."""


@attrs.frozen(kw_only=True)
class SpeechStarted:
    """Somebody began to speak."""

    at_ms: int
    """Where the turn begins, in milliseconds of audio received: its first voice less the prefix padding."""


@attrs.frozen(kw_only=True)
class SpeechStopped:
    """Somebody stopped speaking."""

    at_ms: int
    """Where the last voice of the turn ended, in milliseconds of audio received."""


class VoiceActivity:
    """Decides when speech starts and stops, as a realtime provider's server-side turn detection does.

    It knows no clock: its time is the audio it was given.

    Args:
        threshold: The least probability that counts as voice.
        prefix_padding: Seconds before the first voice that belong to the turn.
        silence_duration: Seconds of silence that end a turn.
        onset: Seconds of uninterrupted voice that start one.

    Raises:
        ValueError: A duration is negative, or the threshold not from 0 to 1.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        prefix_padding: float = 0.333,
        silence_duration: float = 0.5,
        onset: float = 0.1,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold {threshold!r}, expected 0 to 1")
        if min(prefix_padding, silence_duration, onset) < 0:
            raise ValueError(
                f"padding {prefix_padding!r}, silence {silence_duration!r}, onset {onset!r}, expected seconds"
            )
        self.threshold: Final = threshold
        self.prefix_padding: Final = prefix_padding
        self.silence_duration: Final = silence_duration
        self.onset: Final = onset
        self._received = 0.0
        self._began = 0.0  # of the voice that may become, or is, a turn
        self._voiced_until = 0.0
        self._state = VoiceState.SILENT

    @property
    def state(self) -> VoiceState:
        """What is heard at the moment."""
        return self._state

    @property
    def speaking(self) -> bool:
        """Whether a turn is under way."""
        return self._state in {VoiceState.SPEAKING, VoiceState.PAUSE}

    @property
    def received_ms(self) -> int:
        """Milliseconds of audio received."""
        return _milliseconds(self._received)

    def feed(self, probability: float, duration: float) -> SpeechStarted | SpeechStopped | None:
        """Hear one frame.

        Args:
            probability: How likely it is voice, 0 to 1.
            duration: Its length in seconds.

        Returns:
            What it decided, if anything.
        """
        start = self._received
        self._received += duration
        voiced = probability >= self.threshold
        if voiced:
            self._voiced_until = self._received

        if self.speaking:
            self._state = VoiceState.SPEAKING if voiced else VoiceState.PAUSE
            if not voiced and self._received - self._voiced_until >= self.silence_duration - _ROUNDING:
                self._state = VoiceState.SILENT
                return SpeechStopped(at_ms=_milliseconds(self._voiced_until))
            return None

        if not voiced:
            self._state = VoiceState.SILENT
            return None
        if self._state is VoiceState.SILENT:
            self._state = VoiceState.ONSET
            self._began = start
        if self._received - self._began >= self.onset - _ROUNDING:
            self._state = VoiceState.SPEAKING
            return SpeechStarted(at_ms=_milliseconds(max(0.0, self._began - self.prefix_padding)))
        return None

    def reset(self) -> None:
        """Forget a turn under way. Time goes on: the audio received still counts."""
        self._state = VoiceState.SILENT


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000 + 0.5)


# dB and dB a second. Telephone speech lies around -20 dBFS, a quiet line below -60, a noisy room at -40.
_FLOOR_START: Final = -50.0
_FLOOR_LOWEST: Final = -65.0
_FLOOR_HIGHEST: Final = -30.0
_FALL: Final = 120.0
_RISE: Final = 10.0
_RISE_IN_SPEECH: Final = 0.5  # slow: a long sentence must not become its own noise
_UNLIKELY: Final = 8.0  # above the floor: probability 0 here, 1 at the other, straight in between
_CERTAIN: Final = 20.0


class EnergyDetector:
    """Tells voice from the line's noise by its level alone, against a noise floor that it follows.

    Good enough for clean audio and for tests; a model does better on noisy lines.

    Args:
        rate_hz: Rate of the samples.
    """

    def __init__(self, rate_hz: int = 8000) -> None:
        self.rate_hz: Final = rate_hz
        self.frame_samples: Final = rate_hz // 50
        """Samples it likes to be given at a time: 20 ms."""
        self._floor = _FLOOR_START

    @property
    def floor_dbfs(self) -> float:
        """The noise floor at the moment, in dB of full scale."""
        return self._floor

    def probability(self, samples: Samples) -> float:
        """Return how likely the next int16 (n,) samples are voice, 0 to 1."""
        level = rms_dbfs(samples)
        result = min(1.0, max(0.0, (level - self._floor - _UNLIKELY) / (_CERTAIN - _UNLIKELY)))
        seconds = len(samples) / self.rate_hz
        if level < self._floor:
            floor = max(level, self._floor - _FALL * seconds)
        else:
            rise = _RISE_IN_SPEECH if result > 0.5 else _RISE
            floor = min(level, self._floor + rise * seconds)
        self._floor = min(max(floor, _FLOOR_LOWEST), _FLOOR_HIGHEST)
        return result

    def reset(self) -> None:
        """Begin another stream."""
        self._floor = _FLOOR_START
