"""Speech engines without a model: words travel as pairs of tones, exactly and repeatably.

They let the whole path of a call (framing, companding, resampling, barge-in) carry words in tests and under a
virtual clock. A person hears modem noises.
"""

from __future__ import annotations

import numpy as np

from callboard.media import ToneDecoder, ToneEncoder

from ._types import Samples

RATE_HZ = 8_000
FRAME_SAMPLES = 160  # 20 ms, one symbol of the code


class ToneSynthesiser:
    """Encodes text as tones."""

    rate_hz = RATE_HZ

    def synthesise(self, text: str, *, voice: str = "") -> Samples:
        """Return the text as tones: int16 (n,) at 8 kHz, empty for empty text.

        Args:
            text: What to carry; surrounding space is dropped.
            voice: Any name; tones have no voice.
        """
        del voice
        stripped = text.strip()
        return ToneEncoder().encode(stripped) if stripped else np.zeros(0, np.int16)


class ToneRecogniser:
    """Reads utterances made by `ToneSynthesiser`."""

    rate_hz = RATE_HZ

    def transcribe(self, samples: Samples) -> str:
        """Return the text of all utterances in the samples, "" where there is none.

        An utterance whose end was cut off gives what was readable of it.

        Args:
            samples: int16 (n,) at 8 kHz.
        """
        decoder = ToneDecoder()
        texts = [*decoder.push(samples), *decoder.flush()]
        return " ".join(text.strip() for text in texts if text.strip())


class ToneDetector:
    """Says 1 while an utterance of tones is under way and 0 otherwise: noise and voices do not count."""

    rate_hz = RATE_HZ
    frame_samples = FRAME_SAMPLES

    def __init__(self) -> None:
        """Begin a stream."""
        self._decoder = ToneDecoder()

    def probability(self, samples: Samples) -> float:
        """Return 1.0 or 0.0 for the next 20 ms.

        Args:
            samples: int16 (160,) at 8 kHz.

        Raises:
            ValueError: The frame is of another length.
        """
        if len(samples) != FRAME_SAMPLES:
            raise ValueError(f"a frame of {len(samples)} samples, expected {FRAME_SAMPLES}")
        finished = self._decoder.push(samples)
        return 1.0 if self._decoder.speaking or finished else 0.0

    def reset(self) -> None:
        """Begin another stream."""
        self._decoder = ToneDecoder()
