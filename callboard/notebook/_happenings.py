"""What happened in a lab, as one list in the order in which it happened."""

import fnmatch
import importlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import attrs

from callboard.actors import (
    ActorExited,
    ActorRestarted,
    ActorStarted,
    AgentEvent,
    Exit,
    ExitKind,
    WatchLagged,
)

from ._html import table

# An hour of one talkative call is about ten thousand.
MAX_EVENTS = 50_000
MAX_LOG = 2000
SHOWN = 40

# What of an agent's event is worth a line.
_TOLD = ("text", "provider", "reason", "name", "arguments", "message", "interrupted")


@attrs.frozen(kw_only=True)
class LabEvent:
    """One thing that happened."""

    at: float
    """Since the lab began, float seconds; in the view of a call, since its audio began."""
    kind: str
    """The name of the event's class, or `placed`, `says`, `clear`, `ended` and the like for what the lab itself saw."""
    path: str = ""
    """The actor it happened to, or the call, or the provider."""
    text: str = ""
    """The rest, in words."""
    call: int | None = None
    """The number of the call it belongs to."""


@attrs.frozen(kw_only=True)
class Crash:
    """An actor that raised."""

    at: float
    """Since the lab began, float seconds."""
    path: str
    exit: Exit
    final: bool
    """Whether it was not restarted."""


class EventTable(Sequence[LabEvent]):
    """Events, shown as a table in a notebook and as lines elsewhere.

    Args:
        events: In order.
        title: Above the table.
    """

    def __init__(self, events: Iterable[LabEvent], *, title: str = "") -> None:
        self._events = tuple(events)
        self.title = title

    @overload
    def __getitem__(self, index: int) -> LabEvent: ...
    @overload
    def __getitem__(self, index: slice) -> "EventTable": ...
    def __getitem__(self, index: int | slice) -> "LabEvent | EventTable":
        if isinstance(index, slice):
            return EventTable(self._events[index], title=self.title)
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[LabEvent]:
        return iter(self._events)

    def where(
        self, *kinds: str, path: str = "*", after: float | None = None, before: float | None = None
    ) -> "EventTable":
        """Some of the events.

        Args:
            kinds: Names of events; all if none is given.
            path: A pattern as for file names: `calls/*`, `*grok*`.
            after: Not those before this time, float seconds.
            before: Not those from this time on.
        """
        return EventTable(
            (
                event
                for event in self._events
                if (not kinds or event.kind in kinds)
                and fnmatch.fnmatchcase(event.path, path)
                and (after is None or event.at >= after)
                and (before is None or event.at < before)
            ),
            title=self.title,
        )

    def to_pandas(self) -> Any:
        """The events as a `pandas.DataFrame`.

        Raises:
            ImportError: pandas is not installed; nothing else needs it.
        """
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame([attrs.asdict(event) for event in self._events])

    def _repr_html_(self) -> str:
        shown = self._events[-SHOWN:]
        left = len(self._events) - len(shown)
        note = f"the last {len(shown)} of {len(self._events)}" if left else ""
        rows = [(f"{event.at:.3f}", event.kind, event.path, event.text) for event in shown]
        return table(("s", "event", "where", ""), rows, title=self.title, note=note)

    def __str__(self) -> str:
        return "\n".join(
            f"{event.at:9.3f}  {event.kind:<20} {event.path}  {event.text}".rstrip() for event in self._events
        )

    def __repr__(self) -> str:
        return str(self) if len(self._events) <= SHOWN else f"<EventTable of {len(self._events)} events>"


class Happenings:
    """Collects what happens; lives where the system does.

    Args:
        began_at: Trio time of second 0.
    """

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.events: deque[LabEvent] = deque(maxlen=MAX_EVENTS)
        self.crashes: deque[Crash] = deque(maxlen=200)
        self.exits: deque[Crash] = deque(maxlen=200)
        """Abnormal ones, kills included."""
        self.changes = 0
        """Grows with each change of the tree."""

    def add(self, kind: str, now: float, path: str = "", text: str = "", call: int | None = None) -> None:
        """Something happened at `now`, trio time."""
        at = round(now - self.began_at, 6)
        self.events.append(LabEvent(at=at, kind=kind, path=path, text=text, call=call))

    def actor(
        self,
        event: ActorStarted | ActorExited | ActorRestarted | WatchLagged,
        now: float,
        call: int | None,
    ) -> None:
        """Something happened to an actor."""
        self.changes += 1
        kind = type(event).__name__
        match event:
            case ActorStarted(path=path, time=at):
                self.add(kind, at, path, call=call)
            case ActorExited(path=path, time=at, exit=exit, final=final):
                self.add(kind, at, path, f"{exit}" + ("" if final else "; will be restarted"), call=call)
                if exit.abnormal:
                    crash = Crash(at=at - self.began_at, path=path, exit=exit, final=final)
                    self.exits.append(crash)
                    if exit.kind is ExitKind.CRASHED:
                        self.crashes.append(crash)
            case ActorRestarted(path=path, time=at, attempt=attempt, delay=delay):
                self.add(kind, at, path, f"attempt {attempt} after {delay:.2f} s", call=call)
            case WatchLagged(missed=missed):
                self.add(kind, now, "", f"{missed} events are missing here", call=call)

    def agent(self, event: AgentEvent, now: float, path: str, call: int | None) -> None:
        """A voice agent told something."""
        told = [
            f"{value}" if name == "text" else f"{name}={value}"
            for name in _TOLD
            if (value := getattr(event, name, "")) not in {"", False, None}
        ]
        result = getattr(event, "result", None)
        if result is not None:
            told.append(str(result)[:200])
        self.add(type(event).__name__, now, path, " ".join(told), call)


class LogTail(logging.Handler):
    """Keeps the latest lines of the log. Printed, they would appear under whichever cell runs at that moment."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: deque[str] = deque(maxlen=MAX_LOG)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def __enter__(self) -> "LogTail":
        logging.getLogger("callboard").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("callboard").removeHandler(self)

    def text(self, last: int) -> str:
        """The latest lines."""
        return "\n".join(list(self.lines)[-last:])

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`; called in any thread."""
        try:
            self.lines.append(self.format(record))
        except Exception:  # noqa: BLE001  # as the library does
            self.handleError(record)
