"""Speech engines as tasks use them: in a worker thread where they are slow, inline where they are not."""

import math
import re
from collections.abc import Mapping

import numpy as np
import trio

from callboard.media import Resampler, Samples
from callboard.media.speech import SpeechEngines

from ._codec import Codec


class Speech:
    """Hears and speaks.

    Args:
        engines: The engines.
        limiter: How many threads all connections of an emulator may use at once.
    """

    def __init__(self, engines: SpeechEngines, limiter: trio.CapacityLimiter) -> None:
        self.engines = engines
        self._limiter = limiter

    async def transcribe(self, samples: Samples) -> str:
        """The words of an utterance at the recogniser's rate. A cancelled call waits for its thread."""
        recogniser = self.engines.recogniser
        if self.engines.threaded:
            return await trio.to_thread.run_sync(recogniser.transcribe, samples, limiter=self._limiter)
        await trio.lowlevel.checkpoint()
        return recogniser.transcribe(samples)

    async def synthesise(self, text: str, voice: str) -> Samples:
        """A segment as speech at the synthesiser's rate. A cancelled call waits for its thread."""
        synthesiser = self.engines.synthesiser

        def work() -> Samples:
            return synthesiser.synthesise(text, voice=voice)

        if self.engines.threaded:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        await trio.lowlevel.checkpoint()
        return work()


class Mouth:
    """Turns synthesised segments of one response into octets of the output codec.

    Args:
        engines: Whose rate the segments have.
        codec: How they are written.
        speed: 0.7 to 1.5; a segment lasts 1 / speed of its time. Done by resampling, so the pitch goes with
            it, and tones at another speed than 1 can no longer be read.
    """

    def __init__(self, engines: SpeechEngines, codec: Codec, speed: float = 1.0) -> None:
        self._codec = codec
        self._from_hz = engines.synthesiser.rate_hz
        self._speed = speed
        self._resampler = Resampler(self._from_hz, codec.rate_hz)

    def utter(self, samples: Samples) -> bytes:
        """The octets of the next segment."""
        if self._speed != 1.0 and len(samples):
            at = np.arange(0, len(samples), self._speed)
            samples = np.interp(at, np.arange(len(samples)), samples).astype(np.int16)
        if len(samples):
            # The filter holds back its delay; without this the end of the segment would come with the next.
            tail = np.zeros(math.ceil(self._resampler.delay * self._from_hz), np.int16)
            samples = np.concatenate((samples, tail))
        return self._codec.encode(self._resampler.process(samples))

    def seconds(self, n_octets: int) -> float:
        """How long so many octets last."""
        return self._codec.seconds(n_octets)

    def octets(self, seconds: float) -> int:
        """The whole samples nearest to a duration, in octets; at least one sample."""
        return self._codec.octets(seconds)


def substitute(text: str, replace: Mapping[str, str]) -> str:
    """Put spoken forms in place of written ones: whole words, any case, the longest first."""
    if not replace:
        return text
    spoken = {written.lower(): form for written, form in replace.items() if written}
    if not spoken:
        return text
    longest_first = sorted(spoken, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: spoken[match.group().lower()], text)
