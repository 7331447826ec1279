"""What can be looked at in the same way whether calls were made live or in a simulation."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ._happenings import Crash, EventTable
from ._players import Player, Side
from ._view import CallView, Conversation

if TYPE_CHECKING:
    from ._plot import Plot


class Views(ABC):
    """Calls, events, errors. Where a call can be named, its number is meant, and the latest one if it is left out."""

    @abstractmethod
    def view(self, call: int | None = None) -> CallView:
        """A call as it is now.

        Raises:
            LookupError: There is no such call.
        """

    @abstractmethod
    def events(self, *kinds: str, path: str = "*", last: int | None = None) -> EventTable:
        """What happened, in order.

        Args:
            kinds: Names of events, `ActorExited` or `UserText`; all if none is given.
            path: A pattern for where it happened, as for file names: `calls/*/leg`.
            last: Only so many, the latest.
        """

    @abstractmethod
    def errors(self) -> tuple[Crash, ...]:
        """Actors that raised, in order; `crash.exit.error` is what they raised."""

    @abstractmethod
    def log(self, last: int = 40) -> str:
        """The latest lines of callboard's log, warnings and worse."""

    def transcript(self, call: int | None = None) -> Conversation:
        """Who said what."""
        return self.view(call).lines

    def audio(self, side: Side = "both", *, call: int | None = None) -> Player:
        """A player; see `CallView.audio`."""
        return self.view(call).audio(side)

    def timeline(self, call: int | None = None, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """Who spoke when, and what happened; see `CallView.timeline`."""
        return self.view(call).timeline(start=start, end=end)

    def waveform(self, call: int | None = None, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """The audio of both sides; see `CallView.waveform`."""
        return self.view(call).waveform(start=start, end=end)


def select(events: EventTable, kinds: tuple[str, ...], path: str, last: int | None) -> EventTable:
    """The events that were asked for."""
    chosen = events.where(*kinds, path=path)
    return chosen if last is None else chosen[-last:]
