"""Supervisors: start children in order, restart them, stop them in reverse."""

import math
from collections.abc import Awaitable
from types import CoroutineType
from typing import Any, Never

import trio

from ._backoff import Backoff
from ._cell import Cell
from ._channel import Overflow
from ._context import Context, PathLogger, path_logger
from ._errors import NameTaken, OrdinaryFailure, RestartsExhausted
from ._exit import Exit, ExitKind
from ._ref import ActorRef, SupervisorRef, start_cell
from ._spec import AutoShutdown, ChildSpec, Restart, RestartIntensity, Strategy, SupervisorSpec
from ._tree import ActorState
from ._watch import ActorExited

# The least time, in seconds, that a cancelled child has for its clean-up before it is called stuck.
CLEAN_UP = 1.0


class Engine:
    """The children of one supervisor and the rules between them.

    Decisions are plain functions (`add`, `child_ended`, `finish`), called wherever something happens. The
    one task, `serve`, does what takes time: first starts, restarts of several children, the final stop.
    """

    __slots__ = (
        "_failed",
        "_failure",
        "_nursery",
        "_queue",
        "_restarts",
        "_sleeper",
        "_working",
        "cell",
        "children",
        "closing",
        "spec",
        "system",
    )

    def __init__(self, spec: SupervisorSpec, cell: Cell) -> None:
        self.spec = spec
        self.cell = cell  # the supervisor itself
        self.system = cell.system
        self.children: dict[str, Cell] = {}
        self.closing = False
        self._nursery: trio.Nursery | None = None  # from the first child on
        self._working: trio.CancelScope | None = None  # around what takes time, while it does
        self._sleeper: trio.lowlevel.Task | None = None  # `serve`, while there is nothing to do
        self._failure: RestartsExhausted | None = None
        # Lists, for they are short: an empty deque takes ten times the memory.
        self._queue: list[Cell] = []  # to be started for the first time
        self._failed: list[Cell] = []  # to be restarted together with siblings
        self._restarts: list[float] = []

    @property
    def log(self) -> PathLogger:
        """A logger that names the supervisor."""
        return path_logger(self.cell.path)

    @property
    def nursery(self) -> trio.Nursery:
        """Where the children run."""
        assert self._nursery is not None
        return self._nursery

    # Decisions

    def add(self, spec: ChildSpec[Any, Any], *, awaited: bool = True) -> Cell:
        """Queue a new child.

        Args:
            spec: What it is.
            awaited: Somebody waits for its start and is told of a failure.

        Raises:
            NameTaken: A living child has that name.
        """
        path = self.system.child_path(self.cell.path, spec.name)
        if self.closing:
            return self.system.dead_cell(spec, path)
        if path in self.system.registry:
            raise NameTaken(path)
        cell = Cell(spec, path, self.system, self, ref_type(spec))
        cell.awaited = awaited
        self.system.registry[path] = cell.ref
        self.children[spec.name] = cell
        self._queue.append(cell)
        self._wake()
        return cell

    async def start_child(self, spec: ChildSpec[Any, Any]) -> ActorRef[Any]:
        """Queue a new child and wait until it is ready."""
        return await start_cell(self.add(spec))

    def finish(self) -> None:
        """End the working phase: from now on nothing is started, and the children are stopped."""
        self.closing = True
        if self._working is not None:
            self._working.cancel("the supervisor stops")
        self._wake()

    def new_family(self, cell: Cell) -> "Family":
        """Start a supervisor for the children of a child, beside that child."""
        family = Family(cell)
        self.nursery.start_soon(family.run, name=f"{cell.path} (children)")
        return family

    def child_ended(self, cell: Cell, exit: Exit) -> None:
        """Decide what follows the end of a child's life."""
        cell.last_exit = exit
        spec = cell.spec
        if self.closing or cell.stop_reason is not None:
            again = False
        elif cell.swept:
            again = spec.restart is not Restart.TEMPORARY
        else:
            # A first start that failed is reported to whoever waits for it, and not repeated.
            reported = cell.awaited and not cell.started and cell.lives <= 1
            again = not reported and spec.restart.after(exit)
        alone = self.spec.strategy is Strategy.ONE_FOR_ONE
        if again and not cell.swept and not self._failed:
            # Children that fail while others wait to be restarted with them are one failure.
            again = self._may_restart(cell, exit)
        if self.system.watched:
            self.system.publish(
                ActorExited(path=cell.path, time=trio.current_time(), exit=exit, final=not again)
            )
        if exit.kind is ExitKind.CRASHED:
            self.log.warning(
                "%r %s%s",
                spec.name,
                exit,
                ", will be restarted" if again else "",
                exc_info=None if isinstance(exit.error, OrdinaryFailure) else exit.error,
            )
        if not again:
            self._bury(cell, exit)
            ends_us = spec.significant and self.spec.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
            if ends_us and not self.closing and not cell.swept:
                self.cell.cause = exit
                self.finish()
            return
        cell.set_state(ActorState.WAITING)
        if alone:
            cell.launch(self._next_delay(cell))
        elif not cell.swept:
            self._failed.append(cell)
            self._wake()

    def _bury(self, cell: Cell, exit: Exit) -> None:
        del self.children[cell.spec.name]
        del self.system.registry[cell.path]
        if cell in self._failed:
            self._failed.remove(cell)
        cell.end(exit)

    def _may_restart(self, cell: Cell, exit: Exit) -> bool:
        """Count a restart; one too many is the end of the supervisor."""
        now = trio.current_time()
        limit = self.spec.intensity
        while self._restarts and self._restarts[0] < now - limit.period:
            del self._restarts[0]
        if len(self._restarts) < limit.restarts:
            self._restarts.append(now)
            return True
        self._failure = RestartsExhausted(cell.path, exit, limit.restarts, limit.period)
        self._failure.__cause__ = exit.error
        self.finish()
        return False

    def _next_delay(self, cell: Cell) -> float:
        if cell.started and trio.current_time() - cell.started_at > self.spec.intensity.period:
            cell.attempt = 0
        cell.attempt += 1
        cell.delay = self.spec.backoff.delay(cell.attempt, self.system.rng)
        return cell.delay

    # What takes time

    async def serve(self, task_status: trio.TaskStatus[Any]) -> None:
        """Run the children until the supervisor is stopped, cancelled or fails.

        Args:
            task_status: Told the supervisor's ref when the specified children have started.

        Raises:
            RestartsExhausted: Children failed too often.
            Exception: One of the specified children failed in its start.
        """
        if not self.spec.children:
            # The nursery waits for the first child; many a supervisor of a call never has one.
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
                task_status.started(self.cell.ref)
                while not (self.closing or self._has_work()):
                    await self._sleep()
            except trio.Cancelled:
                self.closing = True
                for cell in reversed(list(self.children.values())):
                    # Added since the cancellation; none has begun.
                    cell.ask_end(0, "the supervisor stopped")
                raise
            if not self.children and self.closing:
                return
        failure: Exception | None = None
        async with trio.open_nursery() as self._nursery:
            try:
                try:
                    if self.spec.children:
                        with trio.CancelScope() as self._working:
                            await self._start_specified()
                            task_status.started(self.cell.ref)
                    while not self.closing:
                        if self._has_work():
                            with trio.CancelScope() as self._working:
                                await self._work()
                        else:
                            self._working = None
                            await self._sleep()
                except Exception as error:  # noqa: BLE001  # raised again below, outside the nursery
                    failure = error
                self.closing = True
                await self._stop_children(polite=True)
            finally:
                self.closing = True
                # Bounded by what each child may take for its clean-up.
                with trio.CancelScope(shield=True):
                    await self._stop_children(polite=False)
        failure = failure or self._failure
        if failure is not None:
            raise failure

    async def _start_specified(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        # All at once, so that they come before children that others add meanwhile.
        cells = [self.add(spec) for spec in self.spec.children]
        for cell in cells:
            self._queue.remove(cell)
        for cell in cells:
            await trio.lowlevel.checkpoint_if_cancelled()
            if cell.exit is None:
                cell.launch(0)
                await cell.wait_started()

    def _has_work(self) -> bool:
        alone = self.spec.strategy is Strategy.ONE_FOR_ONE
        return bool(self._failed or self._queue) or not (alone or self._first_down() is None)

    async def _work(self) -> None:
        alone = self.spec.strategy is Strategy.ONE_FOR_ONE
        while True:
            # What ended a wait below may have ended the working phase, too.
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._failed:
                await self._sweep()
            elif not alone and (cell := self._first_down()) is not None:
                cell.launch(0)
                await cell.wait_settled()
            elif self._queue:
                cell = self._queue.pop(0)
                if cell.exit is None:
                    cell.launch(0)
                    # With one for one only up to its first checkpoint, so that children begin in the
                    # order of the queue, and one that starts slowly does not hold up the others.
                    await (cell.wait_begun() if alone else cell.wait_settled())
            else:
                return

    def _sleep(self) -> Awaitable[object]:
        """Wait for `_wake`. There is no harm in being woken for nothing."""
        # Most supervisors do this nearly all their lives, and an event takes more memory.
        self._sleeper = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(self._abort_sleep)  # noqa: ASYNC105  (the caller does)

    def _abort_sleep(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._sleeper = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is not None:
            trio.lowlevel.reschedule(sleeper)

    def _first_down(self) -> Cell | None:
        for cell in self.children.values():
            if cell.state is ActorState.WAITING:
                return cell
        return None

    async def _sweep(self) -> None:
        """Take down the siblings that a failed child drags along, and wait; `_loop` starts them again."""
        cells = list(self.children.values())
        victim = next(cell for cell in cells if cell in self._failed)
        if self.spec.strategy is Strategy.REST_FOR_ONE:
            cells = cells[cells.index(victim) :]
        # Children still in the queue have not begun: nothing to take down.
        cells = [cell for cell in cells if cell.lives > 0]
        delay = self._next_delay(victim)
        for cell in reversed(cells):
            if cell.alive:
                cell.ask_end(cell.spec.grace, "went down with a sibling", sweep=True)
                while not await self._wait_down(cell):
                    pass
            if cell is not victim:
                cell.delay = delay
        self._failed = [cell for cell in self._failed if cell not in cells]
        await trio.sleep(delay)

    async def _stop_children(self, *, polite: bool) -> None:
        for cell in tuple(self.children.values()):
            if cell.state is ActorState.WAITING:
                # Its time to begin again would come while those behind it are waited for.
                cell.ask_end(0, "the supervisor stopped")
        for cell in reversed(list(self.children.values())):
            cell.ask_end(cell.spec.grace if polite else 0, "the supervisor stopped")
            await self._wait_down(cell, polite=polite)

    async def _wait_down(self, cell: Cell, *, polite: bool = True) -> bool:
        """Wait for the end of a child that was asked to end; False if it is stuck."""
        grace = cell.spec.grace
        if grace == math.inf:
            await cell.wait_for(lambda: not cell.alive)
            return True
        with trio.move_on_after((grace if polite else 0) + max(grace, CLEAN_UP)):
            await cell.wait_for(lambda: not cell.alive)
            return True
        # Trio cannot abandon a task: a child that shields itself for ever holds up the end of the system.
        self.log.error("%r was cancelled and has not ended; is it in a shield without a deadline?", cell.path)
        return False


class Supervisor:
    """The body of an actor that is a supervisor; see `supervisor_child`."""

    __slots__ = ("spec",)

    def __init__(self, spec: SupervisorSpec) -> None:
        self.spec = spec

    def run(
        self, ctx: Context[Never], /, *, task_status: trio.TaskStatus[SupervisorRef]
    ) -> "CoroutineType[Any, Any, None]":
        """Run one life: the specified children are new actors each time."""
        cell = ctx._cell
        cell.engine = Engine(self.spec, cell)
        # Not awaited here: one coroutine less for as long as the supervisor lives.
        return cell.engine.serve(task_status)  # type: ignore[return-value]  # mypy knows it as Coroutine only


def ref_type(spec: ChildSpec[Any, Any]) -> type[ActorRef[Any]]:
    """What a child is held by."""
    return SupervisorRef if isinstance(spec.run, Supervisor) else ActorRef


def supervisor_child(
    name: str,
    *,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: RestartIntensity = RestartIntensity(),  # noqa: B008  # frozen
    backoff: Backoff = Backoff(),  # noqa: B008  # frozen
    children: tuple[ChildSpec[Any, Any], ...] = (),
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    restart: Restart = Restart.TRANSIENT,
    significant: bool = False,
    grace: float = math.inf,
    start_timeout: float = math.inf,
    doc: str = "",
) -> ChildSpec[Never, SupervisorRef]:
    """The specification of a child that is itself a supervisor; its ref is a `SupervisorRef`.

    Args:
        name: See `ChildSpec`, as for `restart`, `significant` and `doc`.
        strategy: Which children go down with a failed one.
        intensity: How often children may be restarted.
        backoff: How long to wait before a restart.
        children: The children to start with.
        auto_shutdown: Whether the end of a significant child ends the supervisor, normally.
        grace: Seconds for a polite stop of the whole subtree; by default each child's own grace counts.
        start_timeout: Seconds until all `children` are ready; by default each child's own limit counts.
    """
    spec = SupervisorSpec(
        strategy=strategy,
        intensity=intensity,
        backoff=backoff,
        children=children,
        auto_shutdown=auto_shutdown,
    )
    return ChildSpec(
        name=name,
        run=Supervisor(spec),
        restart=restart,
        mailbox=1,  # nobody reads it
        overflow=Overflow.FAIL,
        grace=grace,
        start_timeout=start_timeout,
        significant=significant,
        doc=doc,
    )


class Family(Engine):
    """The children that an actor spawned itself."""

    __slots__ = ("_done", "_over", "_scope")

    def __init__(self, cell: Cell) -> None:
        super().__init__(SupervisorSpec(), cell)
        self._scope = trio.CancelScope(shield=True)
        self._done: trio.Event | None = None  # for who waits
        self._over = False

    async def run(self) -> None:
        """Serve, as a task beside that of the actor."""
        try:
            with self._scope:
                await self.serve(trio.TASK_STATUS_IGNORED)
        except Exception as error:  # noqa: BLE001  # it is the actor that crashes
            self.cell.fail(error)
        finally:
            self._over = True
            if self._done is not None:
                self._done.set()

    async def aclose(self) -> None:
        """Stop the children and wait for their end; once cancelled, without grace."""
        self.finish()
        self._done = trio.Event()
        if self._over:
            self._done.set()
        try:
            await self._done.wait()
        finally:
            self._scope.cancel("the parent of these actors ended")
            with trio.CancelScope(shield=True):
                await self._done.wait()
