"""A caller that follows a script: listens, waits, speaks, interrupts, presses keys, notes what it did when.

All texts are synthesised before the call is dialled. In the call the script is a generator that runs one step
further each 20 ms, so it costs no task, and its decisions depend on nothing but what was heard.
"""

import math
from collections.abc import Callable, Generator, Sequence

import attrs
import numpy as np
import trio

from callboard.media import ulaw_decode
from callboard.media.speech import SpeechEngines, split_sentences

from ._caller import Ear, Line, Samples, Voice, to_ulaw
from ._caller_script import (
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForSilence,
    check_steps,
)
from ._carrier_playout import FRAME_SAMPLES, FRAME_SECONDS, RATE_HZ

# A key press of a person or a dialler is about 0.1 s long, with as much between.
KEY_SECONDS = 0.2
# Silence between the sentences of one text; people pause about as long.
SENTENCE_GAP = 0.15
# Durations are sums of frames, and sums of 0.02 are not exact.
HALF_FRAME = FRAME_SECONDS / 2
# Samples quieter than this do not count as speech when an utterance's bounds are noted (-48 dBFS, peak).
AUDIBLE = 130
# Of a script that has ended, frames.
FOREVER = 1 << 40
# Texts kept by a bank; a minute of speech is half a megabyte.
BANK_TEXTS = 500


class CallerTimeout(Exception):
    """A step of a script waited in vain.

    Attributes:
        step: The step.
        number: Which one it is, from 1.
    """

    def __init__(self, step: Step, number: int, what: str) -> None:
        super().__init__(f"step {number}, {step!r:.80}: {what}")
        self.step = step
        self.number = number


@attrs.frozen(kw_only=True)
class CallerEvent:
    """What a caller did, in float seconds since the stream began."""

    step: Step
    number: int
    """Which step of the script, from 1."""
    started_at: float
    ended_at: float | None = None
    """None for the step the call ended in."""
    speech_started_at: float | None = None
    """The first audible sample of the caller's words, for steps that speak."""
    speech_ended_at: float | None = None
    """The last one; it may lie after the end of a call."""


@attrs.frozen(kw_only=True)
class Utterance:
    """A text as audio."""

    text: str
    ulaw: bytes = attrs.field(repr=False)
    first: int
    """The first audible sample."""
    last: int
    """The sample after the last audible one."""


class SpeechBank:
    """Makes utterances, each text once; share one among the callers of a test to speak a text only once.

    Args:
        engines: What synthesises. Engines that say so run in a worker thread, one at a time.
        voice: Passed to the synthesiser.
    """

    def __init__(self, engines: SpeechEngines, *, voice: str = "") -> None:
        self._engines = engines
        self._voice = voice
        self._made: dict[str, Utterance] = {}
        self._turn = trio.Lock()
        self._limiter = trio.CapacityLimiter(1)

    async def utterance(self, text: str) -> Utterance:
        """The text as mu-law audio. A cancelled call leaves the bank as it was."""
        async with self._turn:
            made = self._made.get(text)
            if made is None:
                if self._engines.threaded:
                    made = await trio.to_thread.run_sync(self._make, text, limiter=self._limiter)
                else:
                    made = self._make(text)
                while len(self._made) >= BANK_TEXTS:
                    del self._made[next(iter(self._made))]
                self._made[text] = made
            return made

    def _make(self, text: str) -> Utterance:
        synthesiser = self._engines.synthesiser
        gap = np.zeros(round(SENTENCE_GAP * synthesiser.rate_hz), np.int16)
        parts: list[Samples] = []
        for sentence in split_sentences(text) or [text]:
            if parts:
                parts.append(gap)
            parts.append(synthesiser.synthesise(sentence, voice=self._voice))
        ulaw = to_ulaw(np.concatenate(parts), synthesiser.rate_hz)
        audible = np.flatnonzero(np.abs(ulaw_decode(ulaw).astype(np.int32)) >= AUDIBLE)
        bounds = (int(audible[0]), int(audible[-1]) + 1) if len(audible) else (0, len(ulaw))
        return Utterance(text=text, ulaw=ulaw, first=bounds[0], last=bounds[1])


class ScriptedCaller:
    """Follows steps.

    Args:
        steps: What to do.
        speech: Engines to speak with, or a bank shared with other callers.
        stay: Stay on the line, silent, after the last step instead of hanging up.
        ear: How the agent's speech is told from silence.

    Raises:
        ScriptError: A step makes no sense.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        speech: SpeechEngines | SpeechBank,
        *,
        stay: bool = False,
        ear: Ear | None = None,
    ) -> None:
        self._steps = check_steps(steps)
        self._bank = speech if isinstance(speech, SpeechBank) else SpeechBank(speech)
        self._stay = stay
        self._ear = ear or Ear()
        self._voice = Voice()
        self._frames = 0
        self._utterances: dict[str, Utterance] = {}
        self._done: list[CallerEvent] = []
        self._current: CallerEvent | None = None
        self._finished = False
        self._script: Generator[None, None, None] | None = None
        # For how many frames the present step does nothing new: whatever is heard, and if nothing is.
        self._steady = self._steady_in_silence = FOREVER
        # How many of them went by without the script.
        self._skipped = 0

    @property
    def events(self) -> tuple[CallerEvent, ...]:
        """The steps so far, the present one last."""
        return (*self._done, self._current) if self._current else tuple(self._done)

    @property
    def finished(self) -> bool:
        """True once the script came to its end."""
        return self._finished

    async def prepare(self) -> None:
        """Synthesise every text of the script."""
        for step in self._steps:
            if isinstance(step, Say | InterruptAfter):
                self._utterances[step.text] = await self._bank.utterance(step.text)

    def answered(self, line: Line) -> None:
        """See `Caller.answered`."""
        self._script = self._play(line)

    def hear(self, frame: bytes) -> None:
        """See `Caller.hear`."""
        self._ear.hear(frame)

    def next_frame(self) -> bytes:
        """See `Caller.next_frame`.

        Raises:
            CallerTimeout: A step waited in vain.
        """
        if self._script is not None:
            self._steady = self._steady_in_silence = FOREVER
            next(self._script, None)
        self._frames += 1
        return self._voice.next_frame()

    def steady(self, *, silence: bool) -> int:
        """See `Foresight.steady`."""
        return (self._steady_in_silence if silence else self._steady) - self._skipped

    def skip(self, heard: bytes) -> bytes:
        """See `Foresight.skip`."""
        n_frames = len(heard) // FRAME_SAMPLES
        self._ear.hear_frames(heard)
        self._skipped += n_frames
        self._frames += n_frames
        return self._voice.next_frames(n_frames)

    @property
    def _now(self) -> float:
        """Where the frame that comes next begins, float seconds since the stream began."""
        return self._frames * FRAME_SECONDS

    def _play(self, line: Line) -> Generator[None, None, None]:
        """One step after the other; each `yield` is a frame. What a finished step leaves goes to the next."""
        hung_up = False
        for number, step in enumerate(self._steps, 1):
            self._current = CallerEvent(step=step, number=number, started_at=self._now)
            yield from self._do(step, line)
            self._done.append(attrs.evolve(self._current, ended_at=self._now))
            self._current = None
            if isinstance(step, HangUp):
                hung_up = True
                break
        self._finished = True
        if hung_up or not self._stay:
            line.hang_up()

    def _do(self, step: Step, line: Line) -> Generator[None, None, None]:
        ear = self._ear
        match step:
            case Say(text):
                yield from self._say(text)
            case Wait(seconds):
                yield from self._pause(round(seconds / FRAME_SECONDS))
            case WaitForAgent(min_speech, timeout):
                what = f"agent was not heard for {min_speech:g} s"
                yield from self._until(lambda: _frames_short(ear.speech, min_speech), FOREVER, timeout, what)
            case WaitForSilence(seconds, timeout):
                what = f"agent was not silent for {seconds:g} s"
                yield from self._until(lambda: _frames_short(ear.silence, seconds), 0, timeout, what)
            case InterruptAfter(seconds, text, timeout):
                what = f"agent did not speak for {seconds:g} s"

                def short() -> int:
                    return max(_frames_short(ear.speech, seconds), 0 if ear.speaking else 1)

                yield from self._until(short, FOREVER, timeout, what)
                yield from self._say(text)
            case Press(digits):
                for place, digit in enumerate(digits):
                    if place:
                        yield from self._pause(round(KEY_SECONDS / FRAME_SECONDS))
                    line.press(digit)
                ear.new_turn()
            case HangUp():
                pass

    def _pause(self, frames: int) -> Generator[None, None, None]:
        while frames > 0:
            self._steady = self._steady_in_silence = frames - 1
            yield
            frames -= self._gone_by()

    def _until(
        self, frames_short: Callable[[], int], in_silence: int, timeout: float, what: str
    ) -> Generator[None, None, None]:
        """Wait for the agent.

        Args:
            frames_short: How many frames are missing at least, if the next ones are as wanted; 0 at the end.
            in_silence: How many are missing beside those while nothing is heard.
            timeout: Float seconds.
            what: Did not happen, for the error.
        """
        frames = math.ceil(timeout / FRAME_SECONDS)
        while short := frames_short():
            if frames <= 0:
                assert self._current is not None
                raise CallerTimeout(self._current.step, self._current.number, f"{what} within {timeout:g} s")
            self._steady = min(frames - 1, short - 1)
            self._steady_in_silence = min(frames - 1, short - 1 + in_silence)
            yield
            frames -= self._gone_by()

    def _gone_by(self) -> int:
        """How many frames went by since the last step of the script."""
        skipped, self._skipped = self._skipped, 0
        return skipped + 1

    def _say(self, text: str) -> Generator[None, None, None]:
        assert self._current is not None
        utterance = self._utterances[text]
        self._voice.say(utterance.ulaw)
        self._current = attrs.evolve(
            self._current,
            speech_started_at=self._now + utterance.first / RATE_HZ,
            speech_ended_at=self._now + utterance.last / RATE_HZ,
        )
        yield from self._pause(math.ceil(len(utterance.ulaw) / FRAME_SAMPLES))
        # What the agent says from here on is its answer.
        self._ear.new_turn()


def _frames_short(seconds: float, wanted: float) -> int:
    """How many frames are missing to a duration; 0 for none."""
    missing = wanted - HALF_FRAME - seconds
    return math.ceil(missing / FRAME_SECONDS - 1e-9) if missing > 0 else 0
