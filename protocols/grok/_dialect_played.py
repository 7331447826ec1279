"""How much of the audio that was sent can have been heard: a clock and an adder. No I/O."""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["Played"]


@attrs.define
class _Item:
    id: str
    starts_at: float
    seconds: float = 0.0

    @property
    def ends_at(self) -> float:
        return self.starts_at + self.seconds


class Played:
    """The audio of answers as a client plays that starts at once and never pauses.

    Times are float seconds of any clock that only goes forward.
    """

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self.until = 0.0
        """When all audio so far will have been played."""

    def sent(self, item_id: str, seconds: float, now: float) -> None:
        """Note audio of an item."""
        # Not the last: it may go on.
        while len(self._items) > 1 and self._items[0].ends_at <= now:
            self._items.popleft()
        last = self._items[-1] if self._items else None
        if last is None or last.id != item_id:
            last = _Item(item_id, max(now, self.until))
            self._items.append(last)
        elif self.until < now:
            # It ran dry, and the rest is heard that much later.
            last.starts_at += now - self.until
        self.until = max(now, self.until) + seconds
        last.seconds += seconds

    def cut(self, now: float) -> tuple[tuple[str, int], ...]:
        """Stop playing.

        Returns:
            The items that were not heard to their end, each with the milliseconds that were.
        """
        items, self._items = self._items, deque()
        self.until = min(self.until, now)
        return tuple(
            (item.id, int(max(0.0, now - item.starts_at) * 1000)) for item in items if now < item.ends_at
        )
