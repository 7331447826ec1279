"""How an emulated call ended and what is known about it afterwards."""

import enum
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from ._caller_scripted import CallerEvent
from ._carrier_playout import PlayoutEntry, PlayoutStatistics
from ._carrier_recording import CallMeasures, CallRecording, measure_call


class CallEnd(enum.Enum):
    """Why a call ended."""

    HUNG_UP = "hung_up"
    """The caller hung up."""
    TIME_LIMIT = "time_limit"
    """The carrier ended the call at its time limit, as it would for a caller who hung up."""
    CALLER_FAILED = "caller_failed"
    """The caller raised an exception, a script's `CallerTimeout` for one; then the call was hung up."""
    REMOTE_CLOSED = "remote_closed"
    """The server closed the socket with a close frame."""
    REMOTE_LOST = "remote_lost"
    """The stream ended or broke without a close frame."""
    DROPPED = "dropped"
    """The carrier cut the stream, as a fault."""
    NOT_CONNECTED = "not_connected"
    """The socket could not be opened; the error is a `DialFailed`."""
    CANCELLED = "cancelled"
    """The task that ran the call was cancelled, or the call is not over yet."""


@attrs.frozen(kw_only=True)
class CallOutcome:
    """The end of a call."""

    end: CallEnd
    code: int | None = None
    """The close code from the server, or the HTTP status of a rejected upgrade."""
    reason: str = ""
    error: Exception | None = None


class CallFailed(Exception):
    """A call did not end as it should; the outcome's error, where there is one, is the cause."""

    def __init__(self, message: str, outcome: CallOutcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@attrs.frozen(kw_only=True)
class CarrierStatistics:
    """What the carrier sent and how well it kept time."""

    frames_sent: int
    """Frames of the caller's audio handed to the socket."""
    frames_lost: int
    """Frames discarded because the server did not read (31930)."""
    messages_received: int
    late_ticks: int
    """Frames made more than 5 ms after their time."""
    worst_lateness: float
    """Float seconds."""


@attrs.frozen(kw_only=True)
class CallResult:
    """All that is known about a call."""

    call_sid: str
    stream_sid: str
    outcome: CallOutcome
    started_at: float | None
    """The trio time at which the stream began: position 0 of everything else. None if it never did."""
    duration: float
    """Of the stream, float seconds."""
    recording: CallRecording
    log: tuple[PlayoutEntry, ...]
    playout: PlayoutStatistics
    carrier: CarrierStatistics
    events: tuple[CallerEvent, ...] = ()
    """The steps of a scripted caller."""

    def heard(self) -> npt.NDArray[np.int16]:
        """Both sides: int16 (n, 2) at 8 kHz, caller left, agent right as the caller heard it."""
        return self.recording.heard()

    def write_wav(self, path: str | Path) -> None:
        """Write `heard` as a WAV file.

        Raises:
            OSError: The file cannot be written.
        """
        self.recording.write_wav(path)

    def measures(self) -> CallMeasures:
        """Latencies and gaps, from the recording."""
        return measure_call(self.recording, self.events, self.log)

    def check(self, *expected: CallEnd) -> None:
        """Raise unless the call ended in one of the ways given (without any: the caller hung up).

        Raises:
            CallFailed: It ended otherwise.
        """
        if self.outcome.end in (expected or (CallEnd.HUNG_UP,)):
            return
        outcome = self.outcome
        text = f"call {self.call_sid} ended after {self.duration:.2f} s: {outcome.end.value}"
        if outcome.code is not None:
            text += f" {outcome.code}"
        if outcome.reason:
            text += f" ({outcome.reason[:200]})"
        raise CallFailed(text, outcome) from outcome.error
