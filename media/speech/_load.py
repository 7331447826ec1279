"""Choosing the speech engines."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from ._earshot import EarshotDetector
from ._hibari import HibariSynthesiser
from ._tones import ToneDetector, ToneRecogniser, ToneSynthesiser
from ._types import SpeechEngines, SpeechUnavailable
from ._weights import check_model_dir, hibari_model, package_folder, whisper_folder
from ._whisper import WhisperRecogniser

SpeechKind = Literal["auto", "tones", "local"]

_log = logging.getLogger(__name__)


def load_speech(
    kind: SpeechKind = "auto", *, model_dir: Path | None = None, cpu_threads: int = 1, workers: int = 1
) -> SpeechEngines:
    """Return the engines of a kind.

    Packages are looked for and weights checked now; models load at the first use or in
    `SpeechEngines.warm_up`.

    Args:
        kind: "tones" carries words as pairs of tones, needs nothing and is exact; "local" speaks and listens
            with the models of the [speech] extra; "auto" is "local" where the extra is installed, otherwise
            "tones" with one line in the log.
        model_dir: A folder with models to use in place of the bundled ones: CTranslate2 Whisper weights in
            it or its subfolder `whisper`, a hibari voice as `voice.onnx`; either may be left out. Where a
            `SHA256SUMS` file lies beside them it must match.
        cpu_threads: Threads one recognition or synthesis uses ("local").
        workers: Recognitions at a time ("local").

    Raises:
        SpeechUnavailable: The extra is missing (not for "auto"), the model folder holds nothing to load, or
            weights are not the expected ones.
        ValueError: Another kind.
    """
    if kind == "tones":
        return tone_engines()
    if kind not in ("auto", "local"):
        raise ValueError(f"unknown kind of speech {str(kind)[:80]!r}, expected 'auto', 'tones' or 'local'")
    try:
        for module, distribution in (
            ("earshot", "earshot"),
            ("faster_whisper", "faster-whisper"),
            ("hibari", "hibari-tts"),
        ):
            package_folder(module, distribution)
        return _local_engines(model_dir, cpu_threads, workers)
    except SpeechUnavailable as error:
        # A folder named by the user is a wish for real speech; tones in its place would only puzzle.
        if kind == "local" or model_dir is not None:
            raise
        _log.warning("speech falls back to tones: %s", error)
        return tone_engines()


def tone_engines() -> SpeechEngines:
    """Return the engines that carry words as tones."""
    return SpeechEngines(
        name="tones",
        threaded=False,
        recogniser=ToneRecogniser(),
        synthesiser=ToneSynthesiser(),
        new_detector=ToneDetector,
    )


def _local_engines(model_dir: Path | None, cpu_threads: int, workers: int) -> SpeechEngines:
    if model_dir is not None:
        check_model_dir(model_dir)
    whisper_folder(model_dir)
    hibari_model(model_dir)
    recogniser = WhisperRecogniser(model_dir=model_dir, cpu_threads=cpu_threads, workers=workers)
    synthesiser = HibariSynthesiser(model_dir=model_dir, cpu_threads=cpu_threads)

    def warm_up() -> None:
        synthesiser.warm_up()
        recogniser.warm_up()

    return SpeechEngines(
        name="local",
        threaded=True,
        recogniser=recogniser,
        synthesiser=synthesiser,
        new_detector=EarshotDetector,
        warm_up=warm_up,
    )
