"""When a stretch of played audio begins and ends: the rule of one second of silence."""

import math

import attrs

from ._agent_events import WebSocketMediaInfo

# VoxEngine's rule for the end of a stretch, float seconds without audio.
SILENCE = 1.0


@attrs.define
class MediaStretch:
    """The audio that plays, by the clock. Times are float seconds of trio's clock."""

    until: float = -math.inf
    """When what was received will have been played."""
    running: bool = False
    _duration: float = 0.0
    _octets: int = 0

    def audio(self, seconds: float, n_octets: int, now: float) -> bool:
        """Audio came; tells whether a stretch begins with it."""
        begins = not self.running
        if begins:
            self.running = True
            self._duration = 0.0
            self._octets = 0
        self.until = max(self.until, now) + seconds
        self._duration += seconds
        self._octets += n_octets
        return begins

    def cut(self, now: float) -> None:
        """What has not been played yet was thrown away: silence begins now."""
        if self.until > now:
            self._duration -= self.until - now
            self.until = now

    @property
    def deadline(self) -> float:
        """When the stretch will be over if nothing else comes."""
        return self.until + SILENCE if self.running else math.inf

    def ended(self, now: float) -> WebSocketMediaInfo | None:
        """The account of the stretch, once it is over."""
        if not self.running or now < self.deadline:
            return None
        self.running = False
        return WebSocketMediaInfo(duration=max(self._duration, 0.0), bytes_sent=self._octets)
