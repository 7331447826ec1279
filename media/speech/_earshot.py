"""Voice activity with earshot (a small network on 16 ms frames)."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from ._types import Samples, SpeechUnavailable
from ._weights import INSTALL_HINT

RATE_HZ = 16_000
FRAME_SAMPLES = 256  # 16 ms; the network takes no other length


class _Detector(Protocol):
    def predict_i16(self, frame: Samples) -> float: ...

    def reset(self) -> None: ...


class EarshotDetector:
    """Rates 16 ms frames of one stream as speech; about 10 microseconds each, so it may run inline."""

    rate_hz = RATE_HZ
    frame_samples = FRAME_SAMPLES

    def __init__(self) -> None:
        """Load the network (it is part of the package's code).

        Raises:
            SpeechUnavailable: The package is missing.
        """
        try:
            self._detector = cast("_Detector", importlib.import_module("earshot").Detector())
        except ImportError as error:
            raise SpeechUnavailable(
                f"local speech cannot import earshot ({error}): {INSTALL_HINT}"
            ) from error

    def probability(self, samples: Samples) -> float:
        """Return how likely the next 16 ms are speech, 0 to 1.

        Args:
            samples: int16 (256,) at 16 kHz.

        Raises:
            ValueError: The frame is of another length.
        """
        if len(samples) != FRAME_SAMPLES:
            raise ValueError(f"a frame of {len(samples)} samples, expected {FRAME_SAMPLES}")
        return float(self._detector.predict_i16(samples))

    def reset(self) -> None:
        """Begin another stream."""
        self._detector.reset()
