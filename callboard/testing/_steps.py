"""Counts the steps of every actor, and kills one right after its n-th.

A step of an actor is one run of one of its tasks from a checkpoint to the next: of the task of its body, of the tasks
in the nurseries of that body at whatever depth, and of the supervisor of the children that it spawned. Those children
are actors themselves, with steps of their own. So after each step an actor stands at checkpoints only, and a kill after
each of its steps is a kill at every moment at which it can end.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self, cast

import attrs
import trio

from callboard.actors._cell import Cell
from callboard.actors._supervisor import Family
from callboard.actors._tree import ActorState

# The two kinds of tasks that the runtime makes for an actor; every other task of an actor is below one of them.
_LIFE = Cell._live.__code__
_FAMILY = Family.run.__code__

# Shorter ones are not noted, float seconds.
LONG_WAIT = 0.1


@attrs.frozen
class Wait:
    """A time in which an actor stood at one checkpoint."""

    step: int
    """The step before it, from 1."""
    duration: float
    """Float seconds."""


@attrs.frozen
class StepKill:
    """An actor that was killed by `ActorSteps`."""

    path: str
    step: int
    """After which step of the actor, from 1."""
    later: float
    """How long after that step, float seconds."""
    time: float
    """On trio's clock, float seconds."""

    def __str__(self) -> str:
        later = f" and {self.later:g} s" if self.later else ""
        return f"{self.path} killed after its step {self.step}{later}, at {self.time:.3f} s"


def actor_of(task: trio.lowlevel.Task) -> Cell | None:
    """What the runtime knows about the actor that a task belongs to.

    None for a task of no actor, and for that of a life which is over.
    """
    above: trio.lowlevel.Task | None = task
    while above is not None:
        code = getattr(above.coro, "cr_code", None)
        if code is _LIFE or code is _FAMILY:
            frame = above.coro.cr_frame
            if frame is None:
                return None
            owner: object = frame.f_locals["self"]
            return owner if isinstance(owner, Cell) else cast(Family, owner).cell
        # A task that is being started in a nursery belongs to it already.
        nursery = above.eventual_parent_nursery or above.parent_nursery
        above = None if nursery is None else nursery.parent_task
    return None


class ActorSteps(trio.abc.Instrument):
    """Counts the steps of actors by their paths, and kills those it is asked to.

    Steps go on counting through restarts. A step after which the actor has ended, or waits for its restart, is not
    counted: there is nothing left to kill.

    Args:
        ignore: Names of systems whose actors are not counted; two systems may have actors of the same path.
        on_kill: Called with each kill, just before it.
        planned_only: Count only the steps of actors that are to be killed, which makes a long run shorter. A kill must
            be asked for before the first step of its actor then.
    """

    def __init__(
        self,
        *,
        ignore: Collection[str] = (),
        on_kill: Callable[[StepKill], None] | None = None,
        planned_only: bool = False,
    ) -> None:
        self.fired: list[StepKill] = []
        """The actors killed so far, in order."""
        self.roots: set[str] = set()
        """The paths of those actors that are the root of a system."""
        self._ignore = frozenset(ignore)
        self._planned_only = planned_only
        self._on_kill = on_kill
        self._counts: dict[str, int] = {}
        self._kills: dict[str, dict[int, float]] = {}
        # Kills whose step has come, with the time at which they are due.
        self._due: list[tuple[float, Cell, StepKill]] = []
        # By path, who made the latest step, and when that was; not beyond the end of a life.
        self._latest: dict[str, tuple[Cell, float]] = {}
        self._waits: dict[str, list[Wait]] = {}
        # None for the tasks of no actor, and of actors that are not ours.
        self._actors: dict[trio.lowlevel.Task, Cell | None] = {}
        self._exited: trio.lowlevel.Task | None = None
        self._error: Exception | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """How many steps each actor has made, by path, in the order of their first steps."""
        return self._counts

    @property
    def waits(self) -> Mapping[str, Sequence[Wait]]:
        """Where each actor stood for longer than `LONG_WAIT`, by path, the last of them until `installed` ended."""
        return self._waits

    @property
    def pending(self) -> tuple[tuple[str, int], ...]:
        """The kills that were asked for and did not happen: path and step."""
        asked = [(path, step) for path, steps in self._kills.items() for step in steps]
        return (*((kill.path, kill.step) for _, _, kill in self._due), *asked)

    def kill_at(self, path: str, step: int, *, later: float = 0.0) -> None:
        """Kill an actor right after its `step`-th step, before anything else runs.

        Args:
            path: Of the actor, which need not exist yet.
            step: From 1. One that is past never comes.
            later: Wait for so long after the step, float seconds, and then until any task makes a step. An actor that
                has ended meanwhile is not killed.

        Raises:
            ValueError: The step is not positive, or `later` is negative.
        """
        if step < 1 or later < 0:
            raise ValueError(
                f"steps are counted from 1, and later is not negative, not {step!r} and {later!r}"
            )
        self._kills.setdefault(path, {})[step] = later
        if self._planned_only:
            # Tasks that were none of ours may be now.
            self._actors.clear()

    @contextmanager
    def installed(self) -> Generator[Self]:
        """Count for the time of the body, inside a run.

        Raises:
            Exception: What `on_kill` raised.
        """
        trio.lowlevel.add_instrument(self)
        try:
            yield self
        finally:
            trio.lowlevel.remove_instrument(self)
            self._actors.clear()
            for cell, _ in self._latest.values():
                self._waited(cell)
            self._latest.clear()
        if self._error is not None:
            raise self._error

    # What trio calls

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step, and kill if it is the one."""
        try:
            cell = self._actors[task]
        except KeyError:
            cell = self._actors[task] = self._ours(actor_of(task))
        if task is self._exited:
            self._exited = None
            del self._actors[task]
        if cell is not None:
            if cell.alive and cell.state is not ActorState.WAITING:
                self._count(cell)
            elif cell.path in self._latest:
                # Its life is over with this step; until then it stood where it was.
                self._waited(cell)
                del self._latest[cell.path]
        if self._due:
            self._kill_due(trio.current_time())

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Note whose last step this is. It is counted all the same, for it ends after this."""
        self._exited = task

    def _count(self, cell: Cell) -> None:
        path, now = cell.path, trio.current_time()
        step = self._counts.get(path, 0) + 1
        if step == 1 and path == cell.system.name:
            self.roots.add(path)
        self._waited(cell)
        self._counts[path] = step
        self._latest[path] = (cell, now)
        if path in self._kills and step in self._kills[path]:
            later = self._kills[path].pop(step)
            if not self._kills[path]:
                del self._kills[path]
            self._due.append((now + later, cell, StepKill(path, step, later, now + later)))

    def _waited(self, cell: Cell) -> None:
        """Note for how long an actor stood at its latest checkpoint, until now."""
        path = cell.path
        latest, since = self._latest.get(path, (None, 0.0))
        duration = trio.current_time() - since
        if latest is cell and duration > LONG_WAIT:
            self._waits.setdefault(path, []).append(Wait(self._counts[path], duration))

    def _kill_due(self, now: float) -> None:
        due = [kill for kill in self._due if kill[0] <= now]
        self._due = [kill for kill in self._due if kill[0] > now]
        for _, cell, kill in due:
            if not cell.alive or cell.state is ActorState.WAITING:
                continue
            fired = attrs.evolve(kill, time=now)
            self.fired.append(fired)
            try:
                if self._on_kill is not None:
                    self._on_kill(fired)
            except Exception as error:  # noqa: BLE001  # trio would log it and go on without us
                self._error = error
            cell.kill(f"killed after its step {kill.step}")

    def _ours(self, cell: Cell | None) -> Cell | None:
        if cell is None or cell.system.name in self._ignore:
            return None
        return None if self._planned_only and cell.path not in self._kills else cell
