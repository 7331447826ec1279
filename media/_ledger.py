"""The playout ledger: how much of each response was queued, sent, likely heard and confirmed.

"Sent" is what we handed to the carrier. "Likely" is how much of that the far side has played by the clock:
it plays at real time from the moment each chunk was due. "Confirmed" is what the carrier has acknowledged: a
mark placed behind audio comes back when that audio has been played. A carrier also returns the marks that a
clear swept away, so an echo that may have been caused by a clear confirms nothing.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

__all__ = ["Heard", "LedgerStatistics", "PlayoutLedger"]

# Marks under way at once. A carrier that never returns any must not grow our memory; we place one a sentence.
_MAX_MARKS: Final = 1024

_ROUNDING: Final = 1e-3  # samples; see the playout buffer


@attrs.frozen(kw_only=True)
class Heard:
    """How far one response has come, in samples. `confirmed <= likely <= sent <= queued`, always."""

    queued: int
    """Accepted for playout."""
    sent: int
    """Handed to the carrier."""
    likely: int
    """Played by the far side, by the clock or by confirmation, whichever is more."""
    confirmed: int
    """Played by the far side, acknowledged by a mark."""


@attrs.frozen(kw_only=True)
class LedgerStatistics:
    """Counters of a `PlayoutLedger`."""

    marks_pending: int
    """Marks sent whose echo may still confirm something."""
    marks_confirmed: int
    """Echoes that confirmed audio."""
    marks_ignored: int
    """Echoes that did not: unknown, repeated, overtaken by a later mark, or swept away by a flush."""
    mark_lag: float | None
    """Seconds from the modelled end of the audio to its echo, at the last confirmation: the carrier's own
    delay plus the way back. None before the first."""


class _Entry:
    """One response. A span is `[start, n]`: n samples played from time `start` on."""

    __slots__ = ("confirmed", "likely", "played", "queued", "sent", "spans")

    def __init__(self) -> None:
        self.queued = 0
        self.sent = 0
        self.likely = 0  # the most ever answered, so that the answer never goes down
        self.confirmed = 0
        self.played = 0  # samples of spans that are over, or were cut
        self.spans: list[tuple[float, int]] = []


class _Mark:
    __slots__ = ("due", "key", "position")

    def __init__(self, key: str, position: int, due: float) -> None:
        self.key = key
        self.position = position
        self.due = due


class PlayoutLedger:
    """Keeps the account of one leg, by response.

    Keys are the caller's: response ids. A key is known from its first mention on and is kept until `forget`.

    Args:
        rate_hz: Rate of the leg's audio: all amounts are samples at this rate.

    Raises:
        ValueError: The rate is not positive.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz <= 0:
            raise ValueError(f"ledger at {rate_hz!r} Hz, expected a positive rate")
        self._rate: Final = rate_hz
        self._entries: dict[str, _Entry] = {}
        self._marks: dict[str, _Mark] = {}  # in the order they were sent
        self._marks_confirmed = 0
        self._marks_ignored = 0
        self._mark_lag: float | None = None

    def queued(self, key: str, n: int) -> None:
        """Note that `n` samples of a response were accepted for playout.

        Raises:
            ValueError: The number is negative.
        """
        if n < 0:
            raise ValueError(f"queued {n!r} samples of {key[:80]!r}, expected none or more")
        self._entry(key).queued += n

    def sent(self, key: str, start_time: float, n: int) -> None:
        """Note that `n` samples of a response were sent.

        Args:
            key: The response.
            start_time: When the far side plays the first of them, in seconds: the time of the chunk's start
                on the leg's timeline.
            n: How many.

        Raises:
            ValueError: More was sent than had been queued.
        """
        entry = self._entry(key)
        if n < 0 or entry.sent + n > entry.queued:
            raise ValueError(
                f"sent {n!r} more samples of {key[:80]!r} after {entry.sent},"
                f" expected at most {entry.queued} in all"
            )
        entry.sent += n
        if entry.spans:
            begin, length = entry.spans[-1]
            # Back to back, which is the rule: one span grows, so their number is the number of gaps.
            if abs(begin + length / self._rate - start_time) * self._rate < 0.5:
                entry.spans[-1] = (begin, length + n)
                return
        entry.spans.append((start_time, n))

    def mark_sent(self, name: str, key: str) -> None:
        """Note that a mark was sent behind what has been sent of a response.

        Args:
            name: The mark's name on the wire. A name in use again stands for its latest place.
            key: The response.
        """
        entry = self._entry(key)
        begin, length = entry.spans[-1] if entry.spans else (-math.inf, 0)
        self._marks.pop(name, None)
        self._marks[name] = _Mark(key, entry.sent, begin + length / self._rate)
        if len(self._marks) > _MAX_MARKS:
            del self._marks[next(iter(self._marks))]

    def confirm(self, name: str, now: float) -> bool:
        """Take the echo of a mark.

        The far side plays in order, so the echo also confirms every mark sent before: their own echoes may
        come late or never.

        Args:
            name: The mark's name; unknown names are ignored and counted.
            now: When the echo arrived, in seconds.

        Returns:
            Whether it confirmed anything.
        """
        if name not in self._marks:
            self._marks_ignored += 1
            return False
        for earlier in list(self._marks):
            mark = self._marks.pop(earlier)
            entry = self._entries.get(mark.key)
            if entry is not None:
                entry.confirmed = max(entry.confirmed, mark.position)
            if earlier == name:
                if math.isfinite(mark.due):
                    self._mark_lag = now - mark.due
                break
        self._marks_confirmed += 1
        return True

    def flush(self, now: float) -> None:
        """Note that the far side was told to clear: what it had not played by `now` is never heard.

        Every `likely` stays where it is until more is sent, and the marks under way no longer confirm.

        Args:
            now: When the clear was sent, in seconds.
        """
        for entry in self._entries.values():
            entry.played = self._likely(entry, now)
            entry.spans.clear()
        self._marks.clear()

    def heard(self, key: str, now: float) -> Heard:
        """Return how far a response has come; all zero for an unknown one.

        Args:
            key: The response.
            now: The time, in seconds. `likely` never goes down, even if time does.
        """
        entry = self._entries.get(key)
        if entry is None:
            return Heard(queued=0, sent=0, likely=0, confirmed=0)
        likely = self._likely(entry, now)
        return Heard(queued=entry.queued, sent=entry.sent, likely=likely, confirmed=entry.confirmed)

    def forget(self, key: str) -> None:
        """Drop a response's account; a mark of it that comes back later confirms nothing."""
        self._entries.pop(key, None)

    @property
    def keys(self) -> tuple[str, ...]:
        """The responses with an account, oldest first."""
        return tuple(self._entries)

    def statistics(self) -> LedgerStatistics:
        """Return the counters."""
        return LedgerStatistics(
            marks_pending=len(self._marks),
            marks_confirmed=self._marks_confirmed,
            marks_ignored=self._marks_ignored,
            mark_lag=self._mark_lag,
        )

    def _entry(self, key: str) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        return entry

    def _likely(self, entry: _Entry, now: float) -> int:
        # Fold the spans that are over, except the last: it may still grow.
        while len(entry.spans) > 1 and self._played(entry.spans[0], now) == entry.spans[0][1]:
            entry.played += entry.spans.pop(0)[1]
        model = entry.played + sum(self._played(span, now) for span in entry.spans)
        entry.likely = max(entry.likely, entry.confirmed, model)
        return entry.likely

    def _played(self, span: tuple[float, int], now: float) -> int:
        start, n = span
        return max(0, min(n, math.floor((now - start) * self._rate + _ROUNDING)))
