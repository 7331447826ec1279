"""From the records of calls to figures, and whether the calls were good ones."""

import math
from collections.abc import Iterable, Sequence

import attrs

from load_marks import FRAME
from load_script import Answer, CallRecord

# What a good level may lose, as a share.
LOSS = 0.001
# What uplink audio may be late beyond what it is with a single call, milliseconds.
LATE = 60.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all lies; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@attrs.frozen(kw_only=True)
class Figures:
    """What a number of calls was like in a window of time. Times are milliseconds, shares 0 to 1."""

    calls: int
    refused: int
    dropped: int
    input_format: str
    """What the system had the provider speak."""
    frames: int
    """Of the callers, sent in the window."""
    missing: float
    """Share of them that the provider never heard."""
    uplink_p50: float
    uplink_p95: float
    uplink_p99: float
    uplink_worst: float
    uplink_messages: float
    """For each frame."""
    downlink_messages: float
    """For each second of audio."""
    first_audio_p50: float
    first_audio_p99: float
    complete: float
    """Share of the audio of answers nobody interrupted that came to the carrier."""
    lost: float
    """Of such an answer, on average, milliseconds."""
    gaps: int
    underruns: int
    silence: float
    """Share of the time of answers in which the carrier had nothing to play."""
    barge_ins: int
    not_cleared: int
    clear_p50: float
    clear_p99: float
    stale_messages: int
    stale_barge_ins: int
    """How many interruptions were followed by stale audio."""
    teardown_p99: float
    odd: tuple[str, ...]

    def faults(self, alone: "Figures") -> list[str]:
        """Why the calls were not all good, for people to read.

        What a system does to a single call as well is one of its properties and no fault of the level.

        Args:
            alone: Of a single call.
        """
        bound = alone.uplink_p95 + LATE
        incomplete = self.complete < 1 - LOSS
        if alone.complete < 1 - LOSS:
            # It loses the end of every answer. How much of it is chance, by about a frame.
            incomplete = self.lost > alone.lost + 1000 * FRAME
        checks = {
            f"{self.dropped} calls dropped": self.dropped > 0,
            f"{self.missing:.2%} of the callers' frames missing": self.missing > LOSS,
            f"{1 - self.complete:.2%} of the answers missing": incomplete,
            f"nothing to play for {self.silence:.2%} of the time": self.silence > LOSS,
            f"{self.not_cleared} interruptions without a clear": self.not_cleared > 0,
            f"uplink p99 {self.uplink_p99:.0f} ms, more than {bound:.0f}": not self.uplink_p99 <= bound,
        }
        return [text for text, wrong in checks.items() if wrong]


def figures_of(records: Iterable[CallRecord], begin: float, end: float) -> Figures:
    """Sum up calls.

    Args:
        records: Of all calls that were tried.
        begin: Where the window begins, a time of the loop's clock.
        end: Where it ends. What happens to a frame or an answer later counts where it began in the window.
    """
    everyone = list(records)
    calls = [one for one in everyone if not one.refused]
    delays: list[float] = []
    missing = uplink_messages = all_frames = 0
    for call in calls:
        uplink_messages += call.uplink_messages
        all_frames += len(call.sent)
        for sent, delay in zip(call.sent, call.delay, strict=True):
            if begin <= sent < end:
                missing += delay < 0
                delays.append(delay)
    n_frames = len(delays)
    heard = [1000 * delay for delay in delays if delay >= 0]
    answers = [answer for call in calls for answer in call.answers if begin <= answer.begun < end]
    # What was still being played when the callers hung up tells nothing about completeness.
    whole = [one for one in answers if one.ended and not one.interrupted and one.plays_until < end]
    expected = sum(one.n_frames * FRAME * 8000 for one in whole)
    got = sum(one.heard_octets for one in whole)
    cut = [one for one in answers if one.interrupted and one.interrupted < end]
    first = [1000 * (one.heard_first - one.sent_first) for one in answers if one.heard_first]
    cleared = [1000 * (one.cleared - one.interrupted) for one in cut if one.cleared]
    played = sum(_played(one) for one in answers)
    octets = sum(one.heard_octets for call in calls for one in call.answers)
    return Figures(
        calls=len(calls),
        refused=len(everyone) - len(calls),
        dropped=sum(bool(one.dropped) for one in calls),
        input_format="/".join(sorted({one.input_format for one in calls})),
        frames=n_frames,
        missing=missing / n_frames if n_frames else 0.0,
        uplink_p50=percentile(heard, 0.5),
        uplink_p95=percentile(heard, 0.95),
        uplink_p99=percentile(heard, 0.99),
        uplink_worst=max(heard, default=math.nan),
        uplink_messages=uplink_messages / max(1, all_frames),
        downlink_messages=sum(one.downlink_messages for one in calls) / max(1.0, octets / 8000),
        first_audio_p50=percentile(first, 0.5),
        first_audio_p99=percentile(first, 0.99),
        complete=min(1.0, got / expected) if expected else 1.0,
        lost=max(0.0, expected - got) / 8 / max(1, len(whole)),
        gaps=sum(one.gaps for one in answers),
        underruns=sum(one.underruns for one in answers),
        silence=sum(one.silence for one in answers) / played if played else 0.0,
        barge_ins=len(cut),
        not_cleared=sum(not one.cleared for one in cut),
        clear_p50=percentile(cleared, 0.5),
        clear_p99=percentile(cleared, 0.99),
        stale_messages=sum(one.stale for one in cut),
        stale_barge_ins=sum(one.stale > 0 for one in cut),
        teardown_p99=percentile(
            [
                1000 * (max(one.provider_closed, one.carrier_closed) - one.hung_up)
                for one in calls
                if one.hung_up and one.provider_closed and one.carrier_closed
            ],
            0.99,
        ),
        odd=tuple(sorted({text for one in calls for text in one.odd})),
    )


def _played(answer: Answer) -> float:
    """Float seconds of an answer that came to the carrier."""
    return answer.heard_octets / 8000
