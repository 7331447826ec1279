"""Supervisors: start children in order, restart them, stop them in reverse."""

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Never, cast

import trio

from ._backoff import Backoff
from ._cell import Cell
from ._channel import Overflow
from ._context import Context, path_logger
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

    def __init__(self, spec: SupervisorSpec, cell: Cell) -> None:
        self.spec = spec
        self.cell = cell  # the supervisor itself
        self.system = cell.system
        self.children: dict[str, Cell] = {}
        self.closing = False
        self.log = path_logger(cell.path)
        self._nursery: trio.Nursery | None = None
        self._open = trio.CancelScope()  # around the working phase
        self._failure: RestartsExhausted | None = None
        self._queue: deque[Cell] = deque()  # to be started for the first time
        self._failed: list[Cell] = []  # to be restarted together with siblings
        self._work = trio.Event()
        self._restarts: deque[float] = deque()

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
        self._work.set()
        return cell

    async def start_child(self, spec: ChildSpec[Any, Any]) -> ActorRef[Any]:
        """Queue a new child and wait until it is ready."""
        return await start_cell(self.add(spec))

    def finish(self) -> None:
        """End the working phase: from now on nothing is started, and the children are stopped."""
        self.closing = True
        self._open.cancel("the supervisor stops")

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
            self._work.set()

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
            self._restarts.popleft()
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

    async def serve(self, ready: Callable[[], None]) -> None:
        """Run the children until the supervisor is stopped, cancelled or fails.

        Args:
            ready: Called when the specified children have started.

        Raises:
            RestartsExhausted: Children failed too often.
            Exception: One of the specified children failed in its start.
        """
        failure: Exception | None = None
        async with trio.open_nursery() as self._nursery:
            try:
                try:
                    with self._open:
                        await self._start_specified()
                        ready()
                        await self._loop()
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

    async def _loop(self) -> None:
        alone = self.spec.strategy is Strategy.ONE_FOR_ONE
        while True:
            # What ended a wait below may have ended the working phase, too.
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._failed:
                await self._sweep()
            elif not alone and (cell := self._first_down()) is not None:
                cell.launch(0)
                await cell.wait_settled()
                # This loop may wait for hours, and must not keep a child that has ended since.
                del cell
            elif self._queue:
                cell = self._queue.popleft()
                if cell.exit is None:
                    cell.launch(0)
                    # With one for one only up to its first checkpoint, so that children begin in the
                    # order of the queue, and one that starts slowly does not hold up the others.
                    await (cell.wait_begun() if alone else cell.wait_settled())
                del cell
            else:
                self._work = trio.Event()
                await self._work.wait()

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
        with trio.move_on_after((grace if polite else 0) + max(grace, CLEAN_UP)):
            await cell.wait_for(lambda: not cell.alive)
            return True
        # Trio cannot abandon a task: a child that shields itself for ever holds up the end of the system.
        self.log.error("%r was cancelled and has not ended; is it in a shield without a deadline?", cell.path)
        return False


class Supervisor:
    """The body of an actor that is a supervisor; see `supervisor_child`."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.spec = spec

    async def run(self, ctx: Context[Never], /, *, task_status: trio.TaskStatus[SupervisorRef]) -> None:
        """Run one life: the specified children are new actors each time."""
        cell = ctx._cell
        cell.engine = Engine(self.spec, cell)
        await cell.engine.serve(lambda: task_status.started(cast(SupervisorRef, cell.ref)))


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

    def __init__(self, cell: Cell) -> None:
        super().__init__(SupervisorSpec(), cell)
        self._scope = trio.CancelScope(shield=True)
        self._done = trio.Event()

    async def run(self) -> None:
        """Serve, as a task beside that of the actor."""
        try:
            with self._scope:
                await self.serve(lambda: None)
        except Exception as error:  # noqa: BLE001  # it is the actor that crashes
            self.cell.fail(error)
        finally:
            self._done.set()

    async def aclose(self) -> None:
        """Stop the children and wait for their end; once cancelled, without grace."""
        self.finish()
        try:
            await self._done.wait()
        finally:
            self._scope.cancel("the parent of these actors ended")
            with trio.CancelScope(shield=True):
                await self._done.wait()
