"""The interfaces of speech engines: hear, speak, notice speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
"""int16 (n,), mono."""


class SpeechUnavailable(Exception):
    """Local speech cannot be used here; the message is one line and says what to install or put right."""


class Recogniser(Protocol):
    """Turns one utterance into text. Safe to call from several threads."""

    @property
    def rate_hz(self) -> int:
        """The sample rate `transcribe` expects."""
        ...

    def transcribe(self, samples: Samples) -> str:
        """Return the words of one utterance, or "" where there is no speech.

        Args:
            samples: int16 (n,) at `rate_hz`; any length, also none.

        Raises:
            SpeechUnavailable: The model cannot be loaded (at the first call only).
        """
        ...


class Synthesiser(Protocol):
    """Turns text into speech. Safe to call from several threads."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of what `synthesise` returns."""
        ...

    def synthesise(self, text: str, *, voice: str = "") -> Samples:
        """Return the text as speech: int16 (n,) at `rate_hz`; empty for text without anything to say.

        Args:
            text: One sentence or a short segment (see `split_sentences`).
            voice: The name of a voice; engines with one voice accept any name.

        Raises:
            SpeechUnavailable: The model cannot be loaded (at the first call only).
        """
        ...


class VoiceDetector(Protocol):
    """Rates frames of one stream as speech. Keeps state: one per stream, one thread at a time."""

    @property
    def rate_hz(self) -> int:
        """The sample rate `probability` expects."""
        ...

    @property
    def frame_samples(self) -> int:
        """The exact length of a frame."""
        ...

    def probability(self, samples: Samples) -> float:
        """Return how likely the next frame of the stream is speech, 0 to 1.

        Args:
            samples: int16 (frame_samples,) at `rate_hz`.

        Raises:
            ValueError: The frame is of another length.
        """
        ...

    def reset(self) -> None:
        """Forget what was heard: the next frame begins another stream."""
        ...


def _nothing_to_load() -> None:
    pass


@attrs.frozen(kw_only=True)
class SpeechEngines:
    """A set of engines that fit together."""

    name: str
    """"tones" or "local"."""

    threaded: bool
    """Whether calls are slow enough for a worker thread; False: call inline, also under a virtual clock."""

    recogniser: Recogniser
    synthesiser: Synthesiser
    new_detector: Callable[[], VoiceDetector]
    """Makes a detector for one stream."""

    warm_up: Callable[[], None] = _nothing_to_load
    """Loads the models now rather than at the first utterance; blocks about two seconds for "local".

    Raises `SpeechUnavailable` as the first use would.
    """
