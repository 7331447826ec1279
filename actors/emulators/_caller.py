"""The person at the far end of an emulated call: the port, and two simple ones.

A caller is driven by the carrier's clock and has none of its own: every 20 ms it is given what it heard in
the last 20 ms and asked what it says in the next. It acts on the call through a `Line`.
"""

from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from callboard.media import (
    PCM16_8K,
    PCM_RATES_HZ,
    ULAW_8K,
    AudioFormat,
    Converter,
    Encoding,
    read_wav,
    ulaw_decode,
)

from ._carrier_playout import FRAME_SAMPLES, FRAME_SECONDS, SILENCE

Samples = npt.NDArray[np.int16]

SILENT_FRAME = SILENCE * FRAME_SAMPLES
DTMF_DIGITS = frozenset("0123456789*#ABCD")
# Below this level, RMS of 20 ms, agent audio is silence. Agents are digital: their pauses are zero or a
# codec's idle noise (mu-law's is below -70 dBFS), their speech is around -20.
SPEECH_DBFS = -45.0
# A pause up to this long belongs to the agent's turn: sentences are parted by 0.3 to 0.6 s.
TURN_GAP = 0.8


class Line(Protocol):
    """What a caller can do beside speaking."""

    def press(self, digit: str) -> None:
        """Press one key: `0` to `9`, `*`, `#`, `A` to `D`."""
        ...

    def hang_up(self) -> None:
        """End the call; what was said before is still sent."""
        ...


class Caller(Protocol):
    """Who speaks on an emulated call. One object makes one call."""

    async def prepare(self) -> None:
        """Get ready before the call is dialled: load or synthesise what will be said."""
        ...

    def answered(self, line: Line) -> None:
        """The media stream is open; the first `next_frame` follows."""
        ...

    def hear(self, frame: bytes) -> None:
        """Hear the last 20 ms: 160 octets of mu-law."""
        ...

    def next_frame(self) -> bytes:
        """Say the next 20 ms: 160 octets of mu-law.

        An exception ends the call; its carrier reports it as `CallEnd.CALLER_FAILED`.
        """
        ...


class SilentCaller:
    """Says nothing.

    Args:
        duration: Hangs up after so long, float seconds; None stays on the line.
    """

    def __init__(self, duration: float | None = None) -> None:
        self._left = None if duration is None else round(duration / FRAME_SECONDS)
        self._line: Line | None = None

    async def prepare(self) -> None:
        """Nothing to do."""

    def answered(self, line: Line) -> None:
        """See `Caller.answered`."""
        self._line = line

    def hear(self, frame: bytes) -> None:
        """See `Caller.hear`."""

    def next_frame(self) -> bytes:
        """See `Caller.next_frame`."""
        if self._left is not None:
            if not self._left and self._line is not None:
                self._line.hang_up()
            self._left -= 1
        return SILENT_FRAME


class WavCaller:
    """Plays a recording once, then is silent.

    Args:
        source: A WAV file (its first channel is played), or int16 (n,) samples.
        rate_hz: The rate of samples given as an array; a file knows its own.
        delay: Silence before the recording, float seconds.
        hang_up_after: Hangs up so long after the end of the recording, float seconds; None stays on the line.
    """

    def __init__(
        self,
        source: str | Path | Samples,
        *,
        rate_hz: int = 8000,
        delay: float = 0.0,
        hang_up_after: float | None = None,
    ) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._delay = delay
        self._hang_up_after = hang_up_after
        self._voice = Voice()
        self._line: Line | None = None

    async def prepare(self) -> None:
        """Read and convert the recording.

        Raises:
            OSError: The file cannot be read.
            WavError: It is no WAV file of 16-bit samples.
            ValueError: Its rate is not one that `AudioFormat` has.
        """
        if isinstance(self._source, str | Path):
            # A local file of a caller's script, before the call: no clock is running yet.
            samples, rate_hz = read_wav(Path(self._source))
            mono = np.ascontiguousarray(samples[:, 0])
        else:
            mono, rate_hz = self._source, self._rate_hz
        silence = SILENCE * (round(self._delay / FRAME_SECONDS) * FRAME_SAMPLES)
        after = self._hang_up_after or 0.0
        self._voice.say(silence + to_ulaw(mono, rate_hz) + SILENCE * round(after * ULAW_8K.rate_hz))

    def answered(self, line: Line) -> None:
        """See `Caller.answered`."""
        self._line = line

    def hear(self, frame: bytes) -> None:
        """See `Caller.hear`."""

    def next_frame(self) -> bytes:
        """See `Caller.next_frame`."""
        if self._hang_up_after is not None and not self._voice.speaking and self._line is not None:
            self._line.hang_up()
        return self._voice.next_frame()


class Voice:
    """Cuts an utterance into frames; silence when there is nothing to say."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def speaking(self) -> bool:
        """True while samples are left."""
        return bool(self._rest)

    def say(self, utterance: bytes) -> None:
        """Say mu-law samples from the next frame on, after what is still being said."""
        self._rest += utterance

    def next_frame(self) -> bytes:
        """The next 160 octets; the last frame of an utterance is filled up with silence."""
        if not self._rest:
            return SILENT_FRAME
        frame, self._rest = self._rest[:FRAME_SAMPLES], self._rest[FRAME_SAMPLES:]
        return frame + SILENCE * (FRAME_SAMPLES - len(frame)) if len(frame) < FRAME_SAMPLES else frame

    def next_frames(self, n_frames: int) -> bytes:
        """The next 160 octets so many times."""
        size = n_frames * FRAME_SAMPLES
        if not self._rest:
            return SILENCE * size
        frames, self._rest = self._rest[:size], self._rest[size:]
        return frames + SILENCE * (size - len(frames))


_ENERGY = ulaw_decode(bytes(range(256))).astype(np.float64) ** 2


def frame_levels(ulaw: bytes) -> npt.NDArray[np.float64]:
    """The level of each 20 ms of mu-law, RMS in dBFS, float64 (n,); a short last frame counts as one."""
    octets = np.frombuffer(ulaw, np.uint8)
    n_frames = -(-len(octets) // FRAME_SAMPLES)
    energy = np.zeros(n_frames * FRAME_SAMPLES)
    energy[: len(octets)] = _ENERGY[octets]
    mean = energy.reshape(n_frames, FRAME_SAMPLES).mean(axis=1)
    return cast("npt.NDArray[np.float64]", 10 * np.log10(np.maximum(mean, 1e-3) / 32768.0**2))


class Ear:
    """Tells an agent's speech from silence, frame by frame.

    Args:
        threshold_dbfs: Frames below are silent, RMS.
        turn_gap: Pauses up to this long do not end a turn, float seconds.
    """

    def __init__(self, threshold_dbfs: float = SPEECH_DBFS, turn_gap: float = TURN_GAP) -> None:
        self._energy = 32768.0**2 * 10 ** (threshold_dbfs / 10)
        self._turn_gap = turn_gap
        self.speaking = False
        """Whether the last frame was speech."""
        self.speech = 0.0
        """Speech heard in the present turn, float seconds, pauses not counted."""
        self.silence = 0.0
        """Since when nothing was heard, float seconds."""

    def hear(self, frame: bytes) -> None:
        """Take in 20 ms of mu-law."""
        # Most frames of most calls are digital silence, and comparing octets is fifty times as fast.
        self.speaking = frame != SILENT_FRAME and (
            float(_ENERGY[np.frombuffer(frame, np.uint8)].mean()) >= self._energy
        )
        if not self.speaking:
            self.silence += FRAME_SECONDS
            return
        if self.silence > self._turn_gap:
            self.speech = 0.0
        self.silence = 0.0
        self.speech += FRAME_SECONDS

    def hear_frames(self, frames: bytes) -> None:
        """Take in some times 20 ms of mu-law."""
        if frames == SILENCE * len(frames):
            if frames:
                self.speaking = False
                self.silence += len(frames) // FRAME_SAMPLES * FRAME_SECONDS
            return
        for at in range(0, len(frames), FRAME_SAMPLES):
            self.hear(frames[at : at + FRAME_SAMPLES])

    def new_turn(self) -> None:
        """What is heard from now on is a turn of its own."""
        self.speech = 0.0


def to_ulaw(samples: Samples, rate_hz: int) -> bytes:
    """Convert int16 (n,) samples to mu-law at 8 kHz, to the last sample (the resampler's tail is flushed).

    Raises:
        ValueError: The rate is not one that `AudioFormat` has.
    """
    if rate_hz not in PCM_RATES_HZ:
        raise ValueError(f"audio at {rate_hz!r} Hz, expected one of {PCM_RATES_HZ}")
    source = PCM16_8K if rate_hz == PCM16_8K.rate_hz else AudioFormat(Encoding.PCM16, rate_hz)
    converter = Converter(source, ULAW_8K)
    payload = samples.astype("<i2", copy=False).tobytes()
    tail = source.silence(round(converter.delay * rate_hz))
    return converter.convert(payload + tail)
