"""Speech recognition with Whisper (faster-whisper, CTranslate2), offline."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from ._types import Samples, SpeechUnavailable
from ._weights import INSTALL_HINT, whisper_folder

RATE_HZ = 16_000

# Below this nothing was said, and Whisper, which always answers, would make words up.
_QUIET_RMS = 20.0  # of 32768: about -64 dBFS
_SHORTEST = RATE_HZ // 20  # 50 ms is less than any word
# Measured with tiny.en: silence, noise, clicks and tones give a no-speech probability of 0.84 to 0.96 and a
# mean log probability of -1.1 to -1.6; sentences by telephone 0.01 to 0.2 and -0.1 to -0.5.
_NO_SPEECH = 0.6
_DOUBTFUL = -0.8
_REPETITIVE = 2.4  # compression ratio of "and and and and": the decoder went round in circles
_STOCK_PHRASES = frozenset({"you", "thank you", "thanks for watching", "thank you for watching", "bye", "so"})
_STOCK_NO_SPEECH = 0.4
_NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)|♪+")  # "[BLANK_AUDIO]", "(upbeat music)"


class _Segment(Protocol):
    text: str
    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float


class _Model(Protocol):
    def transcribe(
        self,
        audio: npt.NDArray[np.float32],
        *,
        language: str,
        beam_size: int,
        temperature: float,
        vad_filter: bool,
        without_timestamps: bool,
        condition_on_previous_text: bool,
        no_speech_threshold: float | None,
        log_prob_threshold: float | None,
        max_new_tokens: int,
    ) -> tuple[Iterable[_Segment], object]: ...


class _ModelClass(Protocol):
    def __call__(
        self,
        model_size_or_path: str,
        *,
        device: str,
        compute_type: str,
        cpu_threads: int,
        num_workers: int,
        local_files_only: bool,
    ) -> _Model: ...


class WhisperRecogniser:
    """Transcribes English utterances with Whisper tiny.en, or with the model of a local folder.

    The model loads at the first use or in `warm_up`. Calls from several threads are safe; `workers` of them
    run at a time, the others wait.
    """

    rate_hz = RATE_HZ

    def __init__(
        self, *, model_dir: Path | None = None, cpu_threads: int = 1, workers: int = 1, beam_size: int = 1
    ) -> None:
        """Prepare, without loading anything.

        Args:
            model_dir: A folder with a CTranslate2 Whisper model (see `load_speech`); None: the bundled one.
            cpu_threads: Threads one transcription uses.
            workers: Transcriptions at a time; each costs its own working memory.
            beam_size: 1 is greedy. More is slower and, on short phone utterances, hardly better.
        """
        self._model_dir = model_dir
        self._cpu_threads = cpu_threads
        self._workers = workers
        self._beam_size = beam_size
        self._loading = threading.Lock()
        self._model: _Model | None = None

    def warm_up(self) -> None:
        """Load the model and run it once, so that the first caller does not wait for either.

        Raises:
            SpeechUnavailable: A package is missing, or the weights are wrong.
        """
        self._run(self._loaded(), np.zeros(RATE_HZ, np.float32))

    def transcribe(self, samples: Samples) -> str:
        """Return the words of an utterance, "" for silence and noise.

        Args:
            samples: int16 (n,) at 16 kHz.

        Raises:
            SpeechUnavailable: A package is missing, or the weights are wrong (at the first call only).
        """
        if len(samples) < _SHORTEST:
            return ""
        audio = samples.astype(np.float32)
        if float(np.sqrt(np.mean(np.square(audio)))) < _QUIET_RMS:
            return ""
        return self._run(self._loaded(), audio / np.float32(32768))

    def _run(self, model: _Model, audio: npt.NDArray[np.float32]) -> str:
        segments, _ = model.transcribe(
            audio,
            language="en",
            beam_size=self._beam_size,
            # One pass: the usual retries at higher temperatures take seconds on noise and are not repeatable.
            temperature=0.0,
            vad_filter=False,
            without_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            # Nobody says more than this; it bounds a decoder that repeats itself.
            max_new_tokens=min(200, 16 + 12 * len(audio) // RATE_HZ),
        )
        return " ".join(filter(None, (_words(segment) for segment in segments)))

    def _loaded(self) -> _Model:
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = self._load()
        return self._model

    def _load(self) -> _Model:
        folder = whisper_folder(self._model_dir)
        try:
            model_class = cast("_ModelClass", importlib.import_module("faster_whisper").WhisperModel)
            return model_class(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=self._cpu_threads,
                num_workers=self._workers,
                local_files_only=True,
            )
        except ImportError as error:
            raise SpeechUnavailable(
                f"local speech cannot import faster-whisper ({error}): {INSTALL_HINT}"
            ) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise SpeechUnavailable(f"cannot load the Whisper model of {str(folder)!r}: {error}") from error


def _words(segment: _Segment) -> str:
    text = " ".join(_NOTE.sub(" ", segment.text).split())
    bare = text.strip(" .!?,-…").lower()
    if not any(character.isalnum() for character in bare):
        return ""
    if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _DOUBTFUL:
        return ""
    if bare in _STOCK_PHRASES and segment.no_speech_prob > _STOCK_NO_SPEECH:
        return ""
    if segment.compression_ratio > _REPETITIVE:
        return ""
    return text
