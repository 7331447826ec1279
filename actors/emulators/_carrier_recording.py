"""Both directions of an emulated call on one timeline, and what can be measured on it."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from callboard.media import ulaw_decode, write_wav

from ._caller import SPEECH_DBFS, Samples, frame_levels
from ._caller_script import InterruptAfter
from ._caller_scripted import CallerEvent
from ._carrier_playout import FRAME_SAMPLES, FRAME_SECONDS, RATE_HZ, SILENCE, PlayoutEntry, PlayoutKind

# Pauses of an agent up to this long do not part two stretches of speech, float seconds.
SPAN_GAP = 0.3
# A detector may notice a word by its soft beginning, before the first sample that counts as audible here.
SOFT_ONSET = 0.1


@attrs.frozen(kw_only=True)
class CallRecording:
    """What was said on a call and what was heard, sample by sample, on the caller's clock."""

    caller: bytes = attrs.field(repr=False)
    """What the caller said, mu-law at 8 kHz, from the beginning of the stream."""
    agent: bytes = attrs.field(repr=False)
    """What the caller heard; silence where nothing was queued."""

    @property
    def duration(self) -> float:
        """Float seconds."""
        return max(len(self.caller), len(self.agent)) / RATE_HZ

    def heard(self) -> npt.NDArray[np.int16]:
        """Both sides: int16 (n, 2) at 8 kHz, caller left, agent right."""
        length = max(len(self.caller), len(self.agent))
        sides = [ulaw_decode(side + SILENCE * (length - len(side))) for side in (self.caller, self.agent)]
        return np.stack(sides, axis=1)

    def write_wav(self, path: str | Path) -> None:
        """Write a stereo WAV file at 8 kHz, caller left, agent right.

        Raises:
            OSError: The file cannot be written.
        """
        write_wav(Path(path), self.heard(), RATE_HZ)

    def agent_speech(self, *, gap: float = SPAN_GAP) -> tuple["Span", ...]:
        """When the caller heard the agent."""
        return speech_spans(self.agent, gap=gap)


@attrs.frozen
class Span:
    """A stretch of speech, float seconds since the stream began."""

    start: float
    end: float


def speech_spans(
    ulaw: bytes, *, threshold_dbfs: float = SPEECH_DBFS, gap: float = SPAN_GAP
) -> tuple[Span, ...]:
    """Find speech by level.

    Args:
        ulaw: Mu-law samples at 8 kHz.
        threshold_dbfs: 20 ms below it are silent, RMS.
        gap: Pauses up to this long are part of a span, float seconds.

    Returns:
        Spans whose ends are exact to the first and last sample that is not almost zero.
    """
    loud = np.flatnonzero(frame_levels(ulaw) >= threshold_dbfs)
    if not len(loud):
        return ()
    breaks = np.flatnonzero(np.diff(loud) - 1 > gap / FRAME_SECONDS + 1e-9)
    firsts = loud[np.concatenate(([0], breaks + 1))]
    lasts = loud[np.concatenate((breaks, [len(loud) - 1]))]
    return tuple(
        Span(_first_audible(ulaw, int(first)), _last_audible(ulaw, int(last)))
        for first, last in zip(firsts, lasts, strict=True)
    )


# Less than this is not heard as the beginning or the end of speech (-60 dBFS, peak).
_AUDIBLE = 33


def _audible(ulaw: bytes, frame: int) -> Samples:
    samples = ulaw_decode(ulaw[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES])
    return np.flatnonzero(np.abs(samples.astype(np.int32)) >= _AUDIBLE).astype(np.int16)


def _first_audible(ulaw: bytes, frame: int) -> float:
    return (frame * FRAME_SAMPLES + int(_audible(ulaw, frame)[0])) / RATE_HZ


def _last_audible(ulaw: bytes, frame: int) -> float:
    return (frame * FRAME_SAMPLES + int(_audible(ulaw, frame)[-1]) + 1) / RATE_HZ


@attrs.frozen(kw_only=True)
class ReplyLatency:
    """How the agent took what the caller said. Float seconds; None where it did not happen."""

    text: str
    spoken_at: float
    """When the caller's words began."""
    reply: float | None
    """From the caller's last audible sample to the agent's first one."""
    silenced: float | None
    """For words that interrupted: from their first audible sample to the agent's last one."""


@attrs.frozen(kw_only=True)
class CallMeasures:
    """What the caller had to bear. Float seconds."""

    first_audio: float | None
    """From the beginning of the stream to the agent's first sound."""
    replies: tuple[ReplyLatency, ...]
    """One for each time the caller spoke."""
    underruns: tuple[Span, ...]
    """Gaps inside the agent's utterances because audio came too late."""


def measure_call(
    recording: CallRecording, events: Sequence[CallerEvent], log: Sequence[PlayoutEntry]
) -> CallMeasures:
    """Compute latencies from the recording: not what was sent, but what was heard.

    Args:
        recording: The call's.
        events: The caller's steps.
        log: The playout log.
    """
    spans = recording.agent_speech()
    spoken = [event for event in events if event.speech_started_at is not None]
    replies: list[ReplyLatency] = []
    for place, event in enumerate(spoken):
        started, ended = event.speech_started_at or 0.0, event.speech_ended_at or 0.0
        following = spoken[place + 1].speech_started_at if place + 1 < len(spoken) else None
        starts = [span.start for span in spans if span.start >= ended]
        reply = starts[0] if starts and (following is None or starts[0] < following) else None
        cut = [span.end for span in spans if span.start <= started < span.end + SOFT_ONSET]
        interrupts = isinstance(event.step, InterruptAfter)
        replies.append(
            ReplyLatency(
                text=getattr(event.step, "text", ""),
                spoken_at=started,
                reply=None if reply is None else reply - ended,
                silenced=max(cut[0] - started, 0.0) if cut and interrupts else None,
            )
        )
    underruns = [
        Span(entry.at - int(entry.detail) / RATE_HZ, entry.at)
        for entry in log
        if entry.kind is PlayoutKind.UNDERRUN
    ]
    return CallMeasures(
        first_audio=spans[0].start if spans else None, replies=tuple(replies), underruns=tuple(underruns)
    )
