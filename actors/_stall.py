"""Who held the event loop: a stall watch, and how much of its time the loop was at work."""

import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from types import FrameType

import attrs
import trio

from ._context import path_logger
from ._seldom import Seldom

# How many stalls are remembered, and how many kinds of actors are told apart in counters.
REMEMBERED = 32
KINDS = 64
# Between two lines of the log, float seconds.
LOG_PAUSE = 5.0

_OURS = ("trio", "callboard")


@attrs.frozen(kw_only=True)
class Stall:
    """One step of a task that held the loop for too long."""

    at: float
    """When it ended, by the watch's clock, float seconds."""
    duration: float
    """Float seconds."""
    collecting: float
    """How much of it was Python collecting garbage of its oldest generation, float seconds: nobody's fault."""
    path: str
    """Of the actor; the name of the task where it belongs to none."""
    task: str
    """The name of the task."""
    place: str
    """Where the task waits since then, such as ``clinic.py:34 in reception``: the line that held the loop is before it.
    Empty if the task has ended."""

    def __str__(self) -> str:
        """One line for a log."""
        helper = f" ({self.task})" if self.task != self.path else ""
        place = f" before {self.place}" if self.place else ""
        collecting = f", {self.collecting * 1000:.0f} ms of it collecting garbage" if self.collecting else ""
        return f"{self.path}{helper} held the event loop for {self.duration * 1000:.0f} ms{place}{collecting}"


class StallWatch(trio.abc.Instrument):
    """An instrument that adds up the time the loop waits, and names the task that held it for too long.

    It looks at the clock once for each step of a task and once for each wait, about 0.4 us each.

    Args:
        threshold: A step that takes longer is a stall, float seconds; None for none.
        is_actor: Whether a name is the path of an actor.
        clock: What time it is, float seconds.
    """

    def __init__(
        self,
        threshold: float | None,
        *,
        is_actor: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.threshold = threshold
        self._limit = float("inf") if threshold is None else threshold
        self._is_actor = is_actor
        self._clock = clock
        # The task of the step that runs, and when it began; without a task, when the wait began.
        self._task: trio.lowlevel.Task | None = None
        self._since = clock()
        self._waited = 0.0
        self._collect_begin = 0.0
        self._collected = 0.0
        self._log = Seldom(LOG_PAUSE)
        self.stalls: deque[Stall] = deque(maxlen=REMEMBERED)
        """The latest ones, newest last."""
        self.count = 0
        """All of them since the start."""
        self.duration = 0.0
        """How long all of them were together, float seconds."""
        self.by_kind: Counter[str] = Counter()
        """Stalls by the kind of actor, see `kind_of`."""

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch the loop of the calling task for the time of the body."""
        self._task, self._since = None, self._clock()
        trio.lowlevel.add_instrument(self)
        gc.callbacks.append(self._on_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self._on_collection)
            self._task = None
            # Trio removes an instrument by itself when it fails.
            with suppress(KeyError):
                trio.lowlevel.remove_instrument(self)

    @property
    def waited(self) -> float:
        """How long the loop has waited for something to happen since the start, float seconds."""
        return self._waited

    # The hooks. Between the first step after a wait and the next wait the loop is at work.

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task goes on, so the one before it has ended its step."""
        now = self._clock()
        last = self._task
        if last is None:
            self._waited += now - self._since
        elif now - self._since > self._limit:
            self._stalled(last, now)
        self._since = now
        self._task = task

    def before_io_wait(self, timeout: float) -> None:
        """All tasks that could go on have done so."""
        del timeout
        last = self._task
        if last is not None:
            now = self._clock()
            if now - self._since > self._limit:
                self._stalled(last, now)
            self._since = now
            # Not kept while the loop waits: the task may be over.
            self._task = None

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        # The young generations take less than a millisecond.
        if info["generation"] == 2:
            if phase == "start":
                self._collect_begin = self._clock()
            else:
                self._collected = self._clock() - self._collect_begin

    def _stalled(self, task: trio.lowlevel.Task, now: float) -> None:
        collecting = self._collected if self._collect_begin >= self._since else 0.0
        stall = Stall(
            at=now,
            duration=now - self._since,
            collecting=collecting,
            path=self._path_of(task),
            task=task.name,
            place=place_of(task),
        )
        self.stalls.append(stall)
        self.count += 1
        self.duration += stall.duration
        kind = kind_of(stall.path)
        self.by_kind[kind if kind in self.by_kind or len(self.by_kind) < KINDS else "others"] += 1
        more = self._log.ask(now)
        if more is not None:
            path_logger("loop").warning("%s; all calls waited%s", stall, more)

    def _path_of(self, task: trio.lowlevel.Task) -> str:
        above: trio.lowlevel.Task | None = task
        while above is not None:
            if self._is_actor(above.name):
                return above.name
            above = None if above.parent_nursery is None else above.parent_nursery.parent_task
        return task.name


def kind_of(path: str) -> str:
    """A path without what differs from call to call, for counters.

    `calls/CA7/scenario` is of the kind `calls/*/scenario`, and everything below a call's own children is of theirs:
    `calls/CA7/providers/grok-1/connection` is of the kind `calls/*/providers/*`.
    """
    parts = path.replace(" ", "_").split("/")
    if len(parts) < 2:
        return parts[0]
    if parts[0] != "calls":
        return f"{parts[0]}/*"
    return "/".join(("calls", "*", *parts[2:3], *("*" if len(parts) > 3 else "")))


def place_of(task: trio.lowlevel.Task) -> str:
    """Where a suspended task waits: the innermost line of a program, or of callboard where it is in no program's."""
    places = [(frame, line) for frame, line in task.iter_await_frames() if _package(frame) != "trio"]
    theirs = [(frame, line) for frame, line in places if _package(frame) not in _OURS]
    if not places:
        return ""
    frame, line = (theirs or places)[-1]
    return f"{PurePath(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}"


def _package(frame: FrameType) -> str:
    name: object = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] if isinstance(name, str) else ""
