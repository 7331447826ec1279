"""What the client of a voice agent counts."""

import attrs

# Latencies kept, newest last.
MAX_LATENCIES = 200


@attrs.frozen(kw_only=True)
class AgentStatistics:
    """A snapshot of a client's counters since it was made. Durations are float seconds."""

    connects: int
    """Sockets that were opened."""
    attempts: int
    """Sockets that were tried."""
    messages_sent: int
    messages_received: int
    octets_sent: int
    octets_received: int
    malformed: int
    """Messages that could not be decoded."""
    audio_in: float
    """Audio that was given to us for the provider."""
    audio_out: float
    """Audio the provider sent."""
    audio_in_dropped: float
    """Audio for the provider that could not be sent in time."""
    audio_out_dropped: int
    """Octets of interrupted answers that came too late."""
    turns: int
    """Times the caller spoke."""
    responses: int
    interruptions: int
    tool_calls: int
    errors: int
    """Error events of the provider, lost races included."""
    listener_events_lost: int
    connect_time: float | None
    """From the first attempt to the first greeting."""
    first_audio_latencies: tuple[float, ...]
    """For each turn, from the provider's "speech stopped" to the first audio of the answer; the newest 200."""


@attrs.define
class Counters:
    """The counters that the client itself moves."""

    malformed: int = 0
    audio_in: float = 0.0
    audio_out: float = 0.0
    audio_out_dropped: int = 0
    turns: int = 0
    responses: int = 0
    interruptions: int = 0
    tool_calls: int = 0
    errors: int = 0
    connect_time: float | None = None
    began_at: float = 0.0
    speech_stopped_at: float | None = None
    latencies: list[float] = attrs.field(factory=list[float])

    def greeted(self, now: float) -> None:
        """A connection was greeted."""
        if self.connect_time is None:
            self.connect_time = now - self.began_at

    def speech_stopped(self, now: float) -> None:
        """The caller paused."""
        self.speech_stopped_at = now

    def first_audio(self, now: float) -> None:
        """The first audio of a response came."""
        if self.speech_stopped_at is not None:
            self.latencies.append(now - self.speech_stopped_at)
            del self.latencies[:-MAX_LATENCIES]
            self.speech_stopped_at = None
