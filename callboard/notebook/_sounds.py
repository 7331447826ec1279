"""What callers say: texts, spoken by the engines, and recordings, by the name of their file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, TypeGuard, get_args

import numpy as np

from callboard.actors.emulators import (
    Caller,
    HangUp,
    Say,
    SpeechBank,
    Step,
    WaitForAgent,
    WaitForSilence,
)
from callboard.actors.emulators._caller import to_ulaw
from callboard.actors.emulators._caller_scripted import AUDIBLE, Utterance
from callboard.media import read_wav, ulaw_decode
from callboard.media.speech import SpeechEngines

# Somebody who calls waits so long for an answer, float seconds.
PATIENCE = 20.0


def conversation(*lines: str | Step, hang_up: bool = True) -> tuple[Step, ...]:
    """The steps of a caller who lets the agent finish.

    Args:
        lines: A text is said once the agent has spoken and is silent; a name that ends in `.wav` is played instead.
            Steps (`InterruptAfter`, `Press`, ...) are done as they are.
        hang_up: Hear the last answer and hang up.
    """
    steps: list[Step] = []
    for line in lines:
        if isinstance(line, str):
            steps += [WaitForAgent(timeout=PATIENCE), WaitForSilence(1.0), Say(line)]
        else:
            steps.append(line)
    if hang_up:
        steps += [WaitForAgent(timeout=PATIENCE), WaitForSilence(1.5), HangUp()]
    return tuple(steps)


def is_recording(text: str) -> bool:
    """Whether a text is the name of a recording."""
    return text.lower().endswith(".wav") and "\n" not in text


class SoundBank(SpeechBank):
    """Speaks texts, and plays files whose name is given as a text.

    Args:
        engines: What synthesises.
    """

    def __init__(self, engines: SpeechEngines) -> None:
        super().__init__(engines)
        self._files: dict[tuple[str, float], Utterance] = {}

    async def utterance(self, text: str) -> Utterance:
        """The text, or the recording, as mu-law audio.

        Raises:
            OSError: The file cannot be read.
            WavError: It is no WAV file of 16-bit samples.
            ValueError: Its rate is not one that is known.
        """
        if not is_recording(text):
            return await super().utterance(text)
        # A file of the notebook's own, before the call: it may have been written anew.
        key = (text, os.stat(text).st_mtime)
        if key not in self._files:
            samples, rate_hz = read_wav(Path(text))
            self._files = {key: bounded(text, to_ulaw(np.ascontiguousarray(samples[:, 0]), rate_hz))}
        return self._files[key]


def bounded(text: str, ulaw: bytes) -> Utterance:
    """Mu-law audio with the place of its first and last audible sample."""
    audible = np.flatnonzero(np.abs(ulaw_decode(ulaw).astype(np.int32)) >= AUDIBLE)
    first, last = (int(audible[0]), int(audible[-1]) + 1) if len(audible) else (0, len(ulaw))
    return Utterance(text=text, ulaw=ulaw, first=first, last=last)


Calls: TypeAlias = str | Path | Step | Sequence[str | Step]
"""What a caller does: a line, a recording, steps, or several of them."""


def is_steps(what: "Calls | Caller") -> TypeGuard[Calls]:
    """Whether it is for `steps_of`."""
    return isinstance(what, (str, Path, Sequence, *get_args(Step)))


def steps_of(what: Calls) -> tuple[Step, ...]:
    """What a caller does, from what was given to `Lab.call`; steps that are all given are left as they are."""
    if isinstance(what, str | Path):
        return conversation(str(what))
    listed = [what] if not isinstance(what, Sequence) else list(what)
    if any(isinstance(each, str) for each in listed):
        return conversation(*listed)
    return tuple(each for each in listed if not isinstance(each, str))
