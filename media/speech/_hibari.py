"""Speech synthesis with hibari-tts, offline."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from ._types import Samples, SpeechUnavailable
from ._weights import INSTALL_HINT, hibari_model

RATE_HZ = 24_000

# The one voice whose weights are in the package. Asking hibari for another would download it.
_BUNDLED_VOICE = "heart"


# The voice begins and ends with 0.3 to 0.45 s of silence. Between two sentences that would be a pause long enough to
# end a turn, and at the beginning of an answer the caller waits for it; so much of it is kept, in seconds.
_LEAD_IN = 0.03
_LEAD_OUT = 0.15
# Quieter is silence: -48 dBFS, peak.
_AUDIBLE = 130


class _Engine(Protocol):
    def __call__(self, text: str, *, speed: float, seed: int) -> npt.NDArray[np.float32]: ...


class _EngineClass(Protocol):
    def __call__(self, *, voice: str, model: str, threads: int) -> _Engine: ...


class HibariSynthesiser:
    """Speaks English text in the bundled voice, or in that of a local file.

    The same text gives the same samples. The model loads at the first use or in `warm_up`. Calls from several
    threads are safe and run one at a time: a sentence takes some 20 ms.
    """

    rate_hz = RATE_HZ

    def __init__(self, *, model_dir: Path | None = None, cpu_threads: int = 1, speed: float = 1.0) -> None:
        """Prepare, without loading anything.

        Args:
            model_dir: A folder with `voice.onnx` or `hibari.onnx`; None for the bundled voice.
            cpu_threads: Threads one synthesis uses.
            speed: 0.5 (slow) to 2.0 (fast).
        """
        self._model_dir = model_dir
        self._cpu_threads = cpu_threads
        self._speed = speed
        # The text front end keeps caches that are not written for threads, so one sentence at a time.
        self._lock = threading.Lock()
        self._engine: _Engine | None = None

    def warm_up(self) -> None:
        """Load the model and speak a word, so that the first caller does not wait.

        Raises:
            SpeechUnavailable: The package is missing, or the weights are wrong.
        """
        self.synthesise("Hello.")

    def synthesise(self, text: str, *, voice: str = "") -> Samples:
        """Return the text as speech: int16 (n,) at 24 kHz, empty where there is nothing to say.

        Args:
            text: A sentence or a short segment.
            voice: Any name; there is one voice.

        Raises:
            SpeechUnavailable: The package is missing, or the weights are wrong (at the first call only).
        """
        del voice
        if not any(character.isalnum() for character in text):
            return np.zeros(0, np.int16)
        with self._lock:
            if self._engine is None:
                self._engine = self._load()
            audio = self._engine(text, speed=self._speed, seed=0)
        return _trimmed((np.clip(audio, -1.0, 1.0) * np.float32(32767)).astype(np.int16))

    def _load(self) -> _Engine:
        model = hibari_model(self._model_dir)
        try:
            engine_class = cast("_EngineClass", importlib.import_module("hibari").Hibari)
            return engine_class(voice=_BUNDLED_VOICE, model=str(model), threads=self._cpu_threads)
        except ImportError as error:
            raise SpeechUnavailable(
                f"local speech cannot import hibari-tts ({error}): {INSTALL_HINT}"
            ) from error
        except Exception as error:  # onnxruntime's errors derive from Exception alone
            raise SpeechUnavailable(f"cannot load the voice {str(model)!r}: {_one_line(error)}") from error


def _trimmed(samples: Samples) -> Samples:
    audible = np.flatnonzero(np.abs(samples.astype(np.int32)) >= _AUDIBLE)
    if not len(audible):
        return samples[:0]
    start = max(0, int(audible[0]) - round(_LEAD_IN * RATE_HZ))
    return samples[start : int(audible[-1]) + round(_LEAD_OUT * RATE_HZ)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
