"""What a server tells of itself at `/metrics`: counts of calls and actors, what its bounded buffers lost, its loop."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import trio

from ._admission import Refusal
from ._twilio_leg import TwilioLeg

if TYPE_CHECKING:
    from ._call import Call
    from ._loop import LoopWatch
    from ._switchboard import Switchboard


@attrs.define(kw_only=True)
class MediaCounters:
    """What happened to the audio of calls: sums, and the fullest any buffer ever was."""

    playout_underruns: int = 0
    """How often the other party heard a gap in the middle of a turn, by our clock."""
    playout_underrun_duration: float = 0.0
    """How long those gaps were, float seconds."""
    playout_dropped: int = 0
    """Frames refused because too much waited to be played."""
    playout_high_water: float = 0.0
    """The most audio that ever waited to be played in one call, float seconds."""
    edge_dropped: int = 0
    """Frames dropped between two media units because the bridge did not keep up."""
    edge_high_water: int = 0
    """The most frames that ever waited for one bridge."""
    provider_dropped_duration: float = 0.0
    """Audio for providers that could not be sent in time, float seconds; of clients that have ended."""
    events_lost: int = 0
    """Events that did not fit into the queues of clients' listeners; of clients that have ended."""
    leg_dropped: int = 0
    """Media messages dropped because the carrier did not read."""
    leg_missing: int = 0
    """Frames that the carrier's clock says we should have had."""

    def add(self, other: "MediaCounters") -> None:
        """Count another call's in."""
        self.playout_underruns += other.playout_underruns
        self.playout_underrun_duration += other.playout_underrun_duration
        self.playout_dropped += other.playout_dropped
        self.playout_high_water = max(self.playout_high_water, other.playout_high_water)
        self.edge_dropped += other.edge_dropped
        self.edge_high_water = max(self.edge_high_water, other.edge_high_water)
        self.provider_dropped_duration += other.provider_dropped_duration
        self.events_lost += other.events_lost
        self.leg_dropped += other.leg_dropped
        self.leg_missing += other.leg_missing


def media_counters(call: "Call") -> MediaCounters:
    """The counters of one call by now."""
    playout = call.leg.playout.buffer.statistics()
    edges = call.scope.edge_counters()
    counters = MediaCounters(
        playout_underruns=playout.underruns,
        playout_underrun_duration=playout.underrun_duration,
        playout_dropped=playout.dropped_overflow,
        playout_high_water=playout.high_water / call.leg.format.rate_hz,
        edge_dropped=edges.dropped,
        edge_high_water=edges.high_water,
        provider_dropped_duration=call.scope.audio_in_dropped,
        events_lost=call.scope.listener_events_lost,
    )
    # Only this wire has a queue of its own and a clock of the carrier's.
    if isinstance(call.leg, TwilioLeg):
        leg = call.leg.statistics()
        counters.leg_dropped, counters.leg_missing = leg.media_dropped, leg.frames_missing
    return counters


def render_metrics(switchboard: "Switchboard", loop: "LoopWatch | None" = None) -> str:
    """The metrics of a server in the text format of Prometheus, version 0.0.4.

    Args:
        switchboard: With the calls.
        loop: Of a server.
    """
    calls, pacer, media = switchboard.statistics(), switchboard.pacer.statistics(), switchboard.media()
    actors = switchboard.system.registry
    mailboxes = [ref.statistics().mailbox for ref in tuple(actors.values())]
    fullest = max((mailbox.high_water / mailbox.capacity for mailbox in mailboxes), default=0.0)
    refused = {why.value: calls.refused_by.get(why, 0) for why in Refusal}
    rows: list[tuple[str, str, float]] = [
        ("callboard_calls_active", "gauge", calls.active),
        ("callboard_calls_taken_total", "counter", calls.taken),
        *(
            ("callboard_calls_refused_total" + _label("reason", why), "counter", n)
            for why, n in refused.items()
        ),
        ("callboard_calls_most_at_once", "gauge", calls.most_at_once),
        ("callboard_pacer_ticks_total", "counter", pacer.ticks),
        ("callboard_pacer_late_ticks_total", "counter", pacer.late),
        ("callboard_pacer_worst_lateness_seconds", "gauge", pacer.worst),
        ("callboard_playout_underruns_total", "counter", media.playout_underruns),
        ("callboard_playout_underrun_seconds_total", "counter", media.playout_underrun_duration),
        ("callboard_playout_dropped_frames_total", "counter", media.playout_dropped),
        ("callboard_playout_high_water_seconds", "gauge", media.playout_high_water),
        ("callboard_edge_dropped_frames_total", "counter", media.edge_dropped),
        ("callboard_edge_high_water_frames", "gauge", media.edge_high_water),
        ("callboard_provider_dropped_seconds_total", "counter", media.provider_dropped_duration),
        ("callboard_listener_events_lost_total", "counter", media.events_lost),
        ("callboard_leg_dropped_messages_total", "counter", media.leg_dropped),
        ("callboard_leg_missing_frames_total", "counter", media.leg_missing),
        # Of the actors that live now.
        ("callboard_actors", "gauge", len(actors)),
        ("callboard_mailbox_dropped_messages", "gauge", sum(mailbox.dropped for mailbox in mailboxes)),
        ("callboard_mailbox_high_water_ratio", "gauge", fullest),
        # All tasks of the process, the system's own ones of trio included.
        ("callboard_tasks", "gauge", trio.lowlevel.current_statistics().tasks_living),
        # What Python's allocator has given out: says more about a leak than the size of the process.
        ("callboard_python_memory_blocks", "gauge", sys.getallocatedblocks()),
    ]
    if loop is not None:
        rows += _loop_rows(loop)
    return "".join(_lines(rows))


def _loop_rows(loop: "LoopWatch") -> list[tuple[str, str, float]]:
    now, stalls = loop.statistics(), loop.stalls
    kinds = sorted(stalls.by_kind.items())
    return [
        # Of the last 10 s.
        ("callboard_loop_lag_p50_seconds", "gauge", now.lag_p50),
        ("callboard_loop_lag_p99_seconds", "gauge", now.lag_p99),
        ("callboard_loop_lag_max_seconds", "gauge", now.lag_max),
        ("callboard_loop_idle_ratio", "gauge", now.idle),
        # A total of its own, as the counter by actor has no sample before the first stall.
        ("callboard_loop_stall_seconds_total", "counter", stalls.duration),
        *(("callboard_loop_stalls_total" + _label("actor", kind), "counter", n) for kind, n in kinds),
    ]


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{{{name}="{escaped}"}}'


def _lines(rows: list[tuple[str, str, float]]) -> Iterator[str]:
    """A line with the type for each metric, before the first of its samples, which are next to each other."""
    last = ""
    for sample, kind, value in rows:
        name = sample.partition("{")[0]
        if name != last:
            yield f"# TYPE {name} {kind}\n"
        last = name
        yield f"{sample} {value}\n"
