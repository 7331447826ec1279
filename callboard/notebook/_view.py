"""What there is to see of a call: a copy that does not change, to be looked at, heard and drawn."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

import attrs
import numpy as np
import numpy.typing as npt

from callboard.actors import CallEnd, EndReason
from callboard.actors.emulators import CallEnd as CarrierEnd, CallResult, Span
from callboard.actors.emulators._carrier_recording import speech_spans

from ._errors import ScenarioFailed
from ._happenings import EventTable
from ._html import table
from ._players import Player, Side, player

if TYPE_CHECKING:
    from ._barge_in import BargeIn
    from ._plot import Plot

RATE_HZ = 8000


@attrs.frozen(kw_only=True)
class SpokenLine:
    """A line of the transcript."""

    at: float
    """When it began to be said or heard, float seconds since the call's audio began."""
    who: str
    """`caller`, `agent` or `tool`."""
    text: str
    interrupted: bool = False
    """It was cut: `text` is what was heard of it."""


class Conversation(Sequence[SpokenLine]):
    """The transcript of a call, shown as a table in a notebook and as lines elsewhere."""

    def __init__(self, lines: Sequence[SpokenLine]) -> None:
        self._lines = tuple(lines)

    @overload
    def __getitem__(self, index: int) -> SpokenLine: ...
    @overload
    def __getitem__(self, index: slice) -> "Conversation": ...
    def __getitem__(self, index: int | slice) -> "SpokenLine | Conversation":
        return Conversation(self._lines[index]) if isinstance(index, slice) else self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[SpokenLine]:
        return iter(self._lines)

    def said_by(self, who: str) -> list[str]:
        """The texts of one party."""
        return [line.text for line in self._lines if line.who == who]

    def _repr_html_(self) -> str:
        rows = [
            (f"{line.at:.2f}", line.who, line.text + (" -- interrupted" if line.interrupted else ""))
            for line in self._lines
        ]
        return table(("s", "who", "said"), rows)

    def __str__(self) -> str:
        return "\n".join(
            f"{line.at:7.2f}  {line.who:>6}: {line.text}{' -- interrupted' if line.interrupted else ''}"
            for line in self._lines
        )

    __repr__ = __str__


@attrs.frozen(kw_only=True)
class LedgerSample:
    """How far an answer was at one moment; all in float seconds of its audio but `at`."""

    at: float
    """Since the call's audio began, float seconds."""
    generation: int
    """Which answer."""
    queued: float
    """Received from the provider and accepted for playout."""
    sent: float
    """Handed to the carrier."""
    likely: float
    """Heard by the caller, by the clock."""
    confirmed: float
    """Heard by the caller, by marks that came back."""


@attrs.frozen(kw_only=True)
class CallView:
    """A call as it was at one moment. Times are float seconds since its audio began."""

    number: int
    """In the lab, from 1."""
    call_id: str
    """The carrier's; the call's actors are at `calls/<call_id>`."""
    began_at: float
    """Since the lab began."""
    now: float
    """When this was taken."""
    up: bool
    """Whether the call was still up."""
    end: CallEnd | None
    """How it ended, for the server."""
    result: CallResult = attrs.field(repr=False)
    """What the carrier and the caller know of it."""
    lines: Conversation = attrs.field(repr=False)
    """The transcript."""
    events: EventTable = attrs.field(repr=False)
    """What happened to its actors, and what its voice agents told."""
    ledger: tuple[LedgerSample, ...] = attrs.field(repr=False)
    """The playout ledger over time."""

    @property
    def duration(self) -> float:
        """Float seconds."""
        return self.result.duration

    @property
    def path(self) -> str:
        """Of its actors."""
        return f"calls/{self.call_id}"

    def samples(self) -> npt.NDArray[np.int16]:
        """Both sides at 8 kHz: int16 (n, 2), caller left, agent right as the caller heard it."""
        return self.result.heard()

    def speech(self, side: Side) -> tuple[Span, ...]:
        """When somebody was heard, by level.

        Args:
            side: `caller` or `agent`.
        """
        recording = self.result.recording
        return speech_spans(recording.caller if side == "caller" else recording.agent)

    def check(self) -> None:
        """Raise where the call did not end well.

        Raises:
            ScenarioFailed: Its scenario raised.
            CallFailed: It could not be placed, or the caller's script or file could not be used.
        """
        if self.end is not None and self.end.reason is EndReason.SCENARIO_FAILED:
            raise ScenarioFailed(
                f"the scenario of call {self.number} raised: {self.end.text}"
            ) from self.end.error
        if self.result.outcome.end in {CarrierEnd.NOT_CONNECTED, CarrierEnd.CALLER_FAILED}:
            self.result.check()

    # To be heard and seen

    def audio(self, side: Side = "both", *, start: float = 0.0, end: float | None = None) -> Player:
        """A player for what was said and heard: caller left, agent right, or one of them.

        Args:
            side: `both`, `caller` or `agent`.
            start: From here on, float seconds.
            end: Up to here; to the end if None.
        """
        recording = self.result.recording
        return player(recording.caller, recording.agent, side, start=start, end=end)

    def timeline(self, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """Who spoke when, tool calls, sessions, kills and restarts, on one axis."""
        from ._figures import timeline

        return timeline(self, start=start, end=end)

    def waveform(self, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """The audio of both sides, with what happened to actors."""
        from ._figures import waveform

        return waveform(self, start=start, end=end)

    def spectrogram(self, side: Side = "agent", *, start: float = 0.0, end: float | None = None) -> "Plot":
        """The spectrum of one side over time."""
        from ._audio_figures import spectrogram

        samples = self.samples()[:, 0 if side == "caller" else 1]
        last = None if end is None else round(end * RATE_HZ)
        return spectrogram(samples[round(start * RATE_HZ) : last], RATE_HZ, start=start, title=side)

    def ledger_plot(self, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """How much of each answer was queued, sent, likely heard and confirmed, over time."""
        from ._figures import ledger

        return ledger(self, start=start, end=end)

    def barge_ins(self) -> "tuple[BargeIn, ...]":
        """The interruptions of the agent by the caller, step by step."""
        from ._barge_in import barge_ins

        return barge_ins(self)

    def latencies(self) -> "Latencies":
        """What the caller had to wait for, as a table."""
        return Latencies(self)

    def _repr_html_(self) -> str:
        state = "up" if self.up else f"ended: {self.end or self.result.outcome.end.value}"
        note = f"call {self.number}, {self.duration:.1f} s, {state}"
        rows = [
            (f"{line.at:.2f}", line.who, line.text + (" -- interrupted" if line.interrupted else ""))
            for line in self.lines
        ]
        return table(("s", "who", "said"), rows, title=note)


class Latencies:
    """Latencies and gaps of a call, measured on what was heard."""

    def __init__(self, view: CallView) -> None:
        measures = view.result.measures()
        self.first_audio = measures.first_audio
        """From the beginning of the call to the agent's first sound, float seconds; None without one."""
        self.replies = measures.replies
        self.underruns = measures.underruns

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, milliseconds, what it is."""
        rows: list[tuple[str, str, str]] = []
        if self.first_audio is not None:
            rows.append(
                ("first audio", f"{self.first_audio * 1000:.0f}", "call begins -> agent's first sound")
            )
        for reply in self.replies:
            if reply.reply is not None:
                rows.append(
                    ("turn", f"{reply.reply * 1000:.0f}", f"caller stops {reply.text[:50]!r} -> agent heard")
                )
            if reply.silenced is not None:
                rows.append(
                    ("barge-in", f"{reply.silenced * 1000:.0f}", "caller begins to interrupt -> agent silent")
                )
        for gap in self.underruns:
            rows.append(
                ("gap", f"{(gap.end - gap.start) * 1000:.0f}", f"audio came too late at {gap.end:.2f} s")
            )
        return rows

    def _repr_html_(self) -> str:
        return table(("", "ms", ""), self.rows())

    def __repr__(self) -> str:
        return "\n".join(f"{name:<12} {value:>6} ms  {text}" for name, value, text in self.rows())
