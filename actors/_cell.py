"""The inside of a ref: one child of a supervisor through all its lives.

Everything that changes a cell is a plain function, so nothing can run between a decision and its
effect. `_live` is the only task of an actor; it runs in the nursery of the supervisor, shielded, so
that the supervisor alone decides when and in which order children are cancelled. Stopping needs no
task at all: grace is a deadline on the actor's cancel scope.
"""

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

import trio

from ._channel import Channel
from ._context import Context, path_logger
from ._errors import ActorGone, StartTimeout
from ._exit import Exit, ExitKind, as_group, crashed, is_fatal, without_cancelled
from ._nursery import only_error
from ._ref import ActorRef
from ._spec import ActorFn, ChildSpec
from ._tree import ActorState, ActorStatistics, TreeNode
from ._watch import ActorRestarted, ActorStarted

if TYPE_CHECKING:
    from ._supervisor import Engine, Family
    from ._system import System


class Owner(Protocol):
    """Who decides what follows the end of an actor: a supervisor, or the system for the root."""

    @property
    def nursery(self) -> trio.Nursery:
        """Where the actor's task runs."""
        ...

    def child_ended(self, cell: "Cell", exit: Exit) -> None:
        """A life of the child is over."""
        ...

    def new_family(self, cell: "Cell") -> "Family":
        """Start a supervisor for children of this child."""
        ...


class Cell:
    """What the runtime knows about one child."""

    __slots__ = (
        "_closing",
        "_hard",
        "_scope",
        "_waiting",
        "alive",
        "attempt",
        "awaited",
        "begun",
        "cause",
        "context",
        "delay",
        "engine",
        "exit",
        "family",
        "inner_error",
        "kill_reason",
        "last_exit",
        "lives",
        "mailbox",
        "owner",
        "path",
        "ref",
        "restarts",
        "since",
        "spec",
        "started",
        "started_at",
        "state",
        "stop_reason",
        "swept",
        "system",
        "task",
        "value",
        "was_started",
    )

    def __init__(
        self,
        spec: ChildSpec[Any, Any],
        path: str,
        system: "System",
        owner: Owner | None,
        ref: "Callable[[Cell], ActorRef[Any]]",
    ) -> None:
        self.spec = spec
        self.path = path
        self.system = system
        self.owner = owner
        self.mailbox: Channel[Any] = Channel(spec.mailbox, spec.overflow, name=path)
        self.ref = ref(self)
        self.state = ActorState.STARTING
        self.since = trio.current_time()
        self.exit: Exit | None = None  # the final one
        self.last_exit: Exit | None = None
        self.stop_reason: str | None = None  # set = must end for good
        self.value: object = None
        self.cause: Exit | None = None
        self.lives = 0  # with the one that waits for its time to begin
        self.restarts = 0
        self.attempt = 0  # failures in a row, for the backoff
        self.delay = 0.0
        self._waiting: trio.lowlevel.ParkingLot | None = None  # for a change
        # One life:
        self.alive = False  # it has a task
        self.begun = False  # its body was called
        self.started = False
        self.was_started = False  # this life or an earlier one
        self.awaited = True  # somebody waits for the first start and is told if it fails
        self.started_at = 0.0
        self.swept = False  # goes down with a sibling, to be restarted with it
        self.kill_reason: str | None = None
        self.inner_error: Exception | None = None  # its own children failed too often
        self.task: trio.lowlevel.Task | None = None
        self.context: Context[Any] | None = None
        self.engine: Engine | None = None  # of an actor that is a supervisor
        self.family: Family | None = None  # of an actor with children of its own
        self._scope: trio.CancelScope  # around the body
        self._hard = False  # cancelled with all below it
        self._closing: trio.CancelScope | None = None  # around the end of the family, which comes after it

    # Looking

    async def wait_for(self, done: Callable[[], bool]) -> None:
        """Wait until a condition on this cell holds."""
        if done():
            await trio.lowlevel.checkpoint()
        while not done():
            # There only while somebody waits: it takes half a kilobyte.
            if self._waiting is None:
                self._waiting = trio.lowlevel.ParkingLot()
            await self._waiting.park()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.unpark_all()

    async def wait_begun(self) -> None:
        """Wait until the body has run up to its first checkpoint."""
        await self.wait_for(lambda: self.begun or not self.alive)

    async def wait_settled(self) -> None:
        """Wait until the start of this life has succeeded or failed."""
        await self.wait_for(lambda: self.started or not self.alive)

    async def wait_started(self) -> None:
        """Wait until the first life is ready, and raise what it raised if it never is."""
        # The first life may have ended, and another have begun, before we run again.
        await self.wait_for(lambda: self.was_started or self.exit is not None)
        if not self.was_started:
            assert self.exit is not None
            raise self.start_error(self.exit)

    def start_error(self, exit: Exit) -> BaseException:
        """What to raise to whoever waited for a start that ended like this."""
        if exit.error is None:
            return ActorGone(self.path, exit)
        group = as_group(exit.error)
        return exit.error if group is None else only_error(group) or group

    def statistics(self) -> ActorStatistics:
        """A snapshot of this actor alone."""
        return ActorStatistics(
            path=self.path,
            state=self.state,
            time_in_state=trio.current_time() - self.since,
            restarts=self.restarts,
            mailbox=self.mailbox.statistics(),
            last_exit=self.last_exit,
        )

    def tree(self) -> TreeNode:
        """A snapshot of this actor and those below it."""
        engine = self.engine or self.family
        return TreeNode(
            path=self.path,
            name=self.spec.name,
            state=self.state,
            mailbox=self.mailbox.statistics(),
            restarts=self.restarts,
            time_in_state=trio.current_time() - self.since,
            last_exit=self.last_exit,
            children=tuple(child.tree() for child in engine.children.values()) if engine else (),
        )

    # Acting

    def set_state(self, state: ActorState) -> None:
        """Enter a state and wake who waits for it."""
        self.state = state
        self.since = trio.current_time()
        self._wake()

    def launch(self, delay: float) -> None:
        """Begin a life: now, or after a wait of `delay` seconds."""
        assert self.owner is not None
        self.lives += 1
        self.alive = True
        self.begun = self.started = self.swept = False
        self.kill_reason = self.inner_error = self.cause = None
        # The scope exists before the task first runs, so that stop and kill can reach it there too.
        # It has its deadline from the start: each change of one costs as much as a scope.
        timeout = math.inf if delay > 0 else trio.current_time() + self.spec.start_timeout
        self._scope = trio.CancelScope(shield=True, deadline=timeout)
        self._hard = False
        self.owner.nursery.start_soon(self._live, delay, name=self.path)

    def ask_end(self, grace: float, reason: str, *, sweep: bool = False) -> None:
        """Make the actor end, at the latest after `grace` seconds and its own clean-up.

        Args:
            grace: 0 to cancel it, and all below it, at once.
            reason: For its exit.
            sweep: It is to be restarted afterwards; otherwise this is for good.
        """
        if self.exit is not None:
            return
        if sweep:
            self.swept = True
        elif self.stop_reason is None:
            self.stop_reason = reason
        if not self.alive:
            if not sweep:
                assert self.owner is not None
                self.owner.child_ended(self, Exit(kind=ExitKind.STOPPED, reason=reason))
            return
        if not self.begun or grace <= 0:
            self._cancel(reason)
        else:
            if grace < math.inf:
                self._set_deadline(min(self._scope.deadline, trio.current_time() + grace))
            if self.engine is not None:
                self.engine.finish()
            elif self.context is None or not self.context.request_stop():
                # It cannot notice a request. Its body is cancelled at once; its children are asked.
                self._scope.cancel(reason)
        if self.begun and self.state is not ActorState.STOPPING:
            self.set_state(ActorState.STOPPING)

    def kill(self, reason: str) -> None:
        """Cancel this life. Without effect while the actor waits for its restart."""
        if self.exit is not None or self.state is ActorState.WAITING:
            return
        if not self.alive:
            assert self.owner is not None
            self.stop_reason = reason
            self.owner.child_ended(self, Exit(kind=ExitKind.KILLED, reason=reason))
            return
        if self.kill_reason is None:
            self.kill_reason = reason
        self._cancel(reason)

    def fail(self, error: Exception) -> None:
        """Crash the actor because its children did."""
        self.inner_error = error
        self._cancel(str(error))

    def _cancel(self, reason: str) -> None:
        self._hard = True
        self._scope.cancel(reason)
        if self._closing is not None:
            self._closing.cancel(reason)

    def _set_deadline(self, deadline: float) -> None:
        self._scope.deadline = deadline
        if self._closing is not None:
            self._closing.deadline = deadline

    def open_family(self, context: Context[Any]) -> "Family":
        """The supervisor of the actor's own children, started at the first use.

        Raises:
            ActorGone: The life that asks is over.
        """
        if not self.alive or self.context is not context:
            raise ActorGone(self.path, self.last_exit or Exit(kind=ExitKind.NORMAL))
        if self.family is None:
            assert self.owner is not None
            self.family = self.owner.new_family(self)
        return self.family

    async def _live(self, delay: float) -> None:
        """One life, as a task in the supervisor's nursery. The end of it is always reported."""
        self.task = trio.lowlevel.current_task()
        try:
            try:
                with self._scope:
                    if delay > 0:
                        await trio.sleep(delay)
                        self._scope.deadline = trio.current_time() + self.spec.start_timeout
                    if not self._scope.cancel_called:
                        await self._begin()
            finally:
                if self.family is not None:
                    await self._close_family(self.family)  # noqa: ASYNC102  (in a scope of its own)
        except Exception as error:  # noqa: BLE001  # the border that contains the crash of an actor
            self._report(error)
        except BaseException as error:  # noqa: ASYNC103  (the scope around is shielded, so this Cancelled is ours)
            if is_fatal(error):
                self.stop_reason = self.stop_reason or "a fatal error"
                self._report(error)
                raise
            self._report(without_cancelled(error))
        else:
            self._report(None)

    def _begin(self) -> Awaitable[None]:
        """Call the body."""
        now = trio.current_time()
        self.begun = True
        if self.last_exit is not None:
            self.restarts += 1
            if self.system.watched:
                self.system.publish(
                    ActorRestarted(
                        path=self.path, time=now, exit=self.last_exit, attempt=self.attempt, delay=self.delay
                    )
                )
        self.set_state(ActorState.STARTING)
        context: Context[Any] = Context(self)
        self.context = context
        run = cast(ActorFn[Any, Any], getattr(self.spec.run, "run", self.spec.run))
        return run(context, task_status=_Started(self))

    async def _close_family(self, family: "Family") -> None:
        # In a scope of its own: a body that is cancelled at once leaves its children the rest of the grace.
        with trio.CancelScope(shield=True, deadline=self._scope.deadline) as self._closing:
            if self._hard:
                self._closing.cancel("it was cancelled with all below it")
            await family.aclose()

    def _report(self, error: BaseException | None) -> None:
        timed_out = (
            self.begun
            and not self.started
            and self.kill_reason is None
            and self.stop_reason is None
            and self._scope.cancel_called
        )
        if error is None:
            error = self.inner_error
        if error is None and timed_out:
            error = StartTimeout(self.path, self.spec.start_timeout)
        if error is not None:
            exit = crashed(error)
        elif self.kill_reason is not None:
            exit = Exit(kind=ExitKind.KILLED, reason=self.kill_reason)
        elif self.stop_reason is not None:
            exit = Exit(kind=ExitKind.STOPPED, reason=self.stop_reason)
        elif self.swept:
            exit = Exit(kind=ExitKind.STOPPED, reason="went down with a sibling")
        elif not self.started and self.cause is None:
            exit = crashed(RuntimeError("the actor returned before it called task_status.started()"))
        else:
            reason = "returned" if self.cause is None else f"a significant child ended ({self.cause})"
            exit = Exit(kind=ExitKind.NORMAL, reason=reason)
        self.alive = False
        self.task = self.context = self.family = self.engine = self._closing = None
        assert self.owner is not None
        self.owner.child_ended(self, exit)

    def end(self, exit: Exit) -> None:
        """Enter the final state; nobody can send any more."""
        self.exit = self.last_exit = exit
        self.mailbox.close()
        self.mailbox.clear()
        self.set_state(ActorState.ENDED)
        if self.spec.on_end is not None:
            try:
                self.spec.on_end(exit)
            except Exception:  # noqa: BLE001  (the border to whoever asked to be told)
                # Whoever ends actors has others to end.
                path_logger(self.path).exception("on_end failed")


class _Started(trio.TaskStatus[object]):
    """The `task_status` of one life."""

    __slots__ = ("_cell", "_life")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._life = cell.lives

    def started(self, value: object = None) -> None:
        cell = self._cell
        if cell.started or cell.lives != self._life or not cell.alive:
            raise RuntimeError(f"the actor {cell.path!r} called task_status.started() more than once")
        cell.started = cell.was_started = True
        cell.started_at = trio.current_time()
        cell.value = value
        if cell.system.watched:
            cell.system.publish(ActorStarted(path=cell.path, time=cell.started_at))
        if cell.state is ActorState.STARTING:
            if cell._scope.deadline < math.inf:
                cell._set_deadline(math.inf)
            cell.set_state(ActorState.RUNNING)
        else:
            cell._wake()
