"""What others hold of an actor."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from ._errors import ActorGone, NoSuchActor
from ._exit import Exit, ExitKind
from ._spec import ChildSpec, M
from ._tree import ActorState, ActorStatistics

if TYPE_CHECKING:
    from ._cell import Cell

N = TypeVar("N")


class ActorRef(Generic[M]):
    """A handle on an actor, valid through its restarts and after its end.

    It survives restarts of the actor, with its mailbox. When a supervisor is restarted, its children are
    new actors: look them up again by their path. All methods may be called from any task of the system.
    """

    __slots__ = ("__weakref__", "_cell")

    def __init__(self, cell: "Cell") -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """Where the actor is in the tree, such as ``calls/CA12/provider``."""
        return self._cell.path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._cell.spec.name

    @property
    def state(self) -> ActorState:
        """Where the actor is in its life."""
        return self._cell.state

    @property
    def exit(self) -> Exit | None:
        """The final exit, or None while the actor lives or is to be restarted."""
        return self._cell.exit

    @property
    def value(self) -> object:
        """What the latest `started(value)` reported; None before the first."""
        return self._cell.value

    async def send(self, message: M) -> None:
        """Put a message into the mailbox; with the `BLOCK` policy, wait until there is room.

        A cancelled call has not sent the message. A message in the mailbox of an actor that ends for good
        is lost; the mailbox survives restarts.

        Raises:
            ActorGone: The actor has ended, perhaps while this call waited.
            MailboxFull: The mailbox is full and its policy is `FAIL`.
        """
        try:
            await self._cell.mailbox.send(message)
        except trio.ClosedResourceError:
            raise self._gone() from None

    def send_nowait(self, message: M) -> None:
        """Put a message into the mailbox without waiting.

        Raises:
            ActorGone: The actor has ended.
            trio.WouldBlock: The mailbox is full and its policy is `BLOCK`.
            MailboxFull: The mailbox is full and its policy is `FAIL`.
        """
        try:
            self._cell.mailbox.send_nowait(message)
        except trio.ClosedResourceError:
            raise self._gone() from None

    def _gone(self) -> ActorGone:
        # The mailbox of a living actor is closed only if the actor closed it itself.
        exit = self._cell.exit or Exit(kind=ExitKind.NORMAL, reason="it closed its mailbox")
        return ActorGone(self.path, exit)

    def request_stop(self, grace: float | None = None, *, reason: str = "stopped") -> None:
        """Ask the actor to end for good, without waiting for it; see `stop`."""
        cell = self._cell
        if cell.task is not None and cell.task is trio.lowlevel.current_task():
            grace = 0
        cell.ask_end(cell.spec.grace if grace is None else grace, reason)

    async def stop(self, grace: float | None = None, *, reason: str = "stopped") -> Exit:
        """End the actor for good and wait until it has ended.

        The actor may finish in its own way (`Context.stop_requested`) for `grace` seconds, then it is
        cancelled; its children are stopped before it. An actor can stop itself: then the request stands,
        and the call ends in `trio.Cancelled` like the rest of the actor.

        Args:
            grace: Seconds for the polite part, for the whole subtree; None for what the child
                specification says, 0 to cancel at once.
            reason: For the exit.

        Returns:
            The final exit. A cancelled call leaves the request standing.
        """
        self.request_stop(grace, reason=reason)
        return await self.wait_stopped()

    def kill(self, reason: str = "killed") -> None:
        """Cancel the actor and all below it at once: an abnormal exit, which its supervisor acts upon.

        Without effect on an actor that waits for its restart or has ended.
        """
        self._cell.kill(reason)

    async def wait_stopped(self) -> Exit:
        """Wait until the actor has ended and will not be restarted.

        Returns:
            The final exit.
        """
        cell = self._cell
        await cell.wait_for(lambda: cell.exit is not None)
        assert cell.exit is not None
        return cell.exit

    def statistics(self) -> ActorStatistics:
        """A snapshot of the actor."""
        return self._cell.statistics()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path!r} {self.state.value}>"


class SupervisorRef(ActorRef[Any]):
    """A handle on a supervisor."""

    __slots__ = ()

    @property
    def cause(self) -> Exit | None:
        """The exit of the significant child that ended this supervisor, if one did."""
        return self._cell.cause

    def start_child_soon(self, spec: ChildSpec[N, Any]) -> ActorRef[N]:
        """Have the supervisor start a child, without waiting for it.

        Children begin in the order of the calls, `start_child` included. A one-for-one supervisor does not
        wait for a child to be ready before it begins the next; with the other strategies it does.

        Returns:
            The child's ref; messages can be sent to it already. If the child fails before `started()`,
            it is restarted as after any other failure, for nobody waits to be told. If the supervisor is
            not running (any more), the exit is `STOPPED`.

        Raises:
            NameTaken: A living child has that name.
        """
        return self._add(spec, awaited=False).ref

    async def start_child(self, spec: ChildSpec[N, Any]) -> ActorRef[N]:
        """Start a child and wait until it is ready.

        A child that fails before `started()` is not restarted. To call this from the start of another
        child of the same supervisor is safe only where the strategy is one for one.

        Returns:
            The child's ref. A cancelled call stops the child again.

        Raises:
            NameTaken: A living child has that name.
            StartTimeout: The child was not ready in time.
            ActorGone: The supervisor is not running, or the child was stopped or killed in its start.
            Exception: What the child raised before `started()`.
        """
        return await start_cell(self._add(spec))

    def _add(self, spec: ChildSpec[Any, Any], *, awaited: bool = True) -> "Cell":
        cell = self._cell
        if cell.engine is not None:
            return cell.engine.add(spec, awaited=awaited)
        return cell.system.dead_cell(spec, cell.system.child_path(cell.path, spec.name))

    async def stop_child(self, name: str, grace: float | None = None) -> Exit:
        """Stop a child; see `ActorRef.stop`.

        Raises:
            NoSuchActor: There is no such child.
        """
        child = self.child(name)
        if child is None:
            raise NoSuchActor(self._cell.system.child_path(self.path, name))
        return await child.stop(grace)

    # The message type of a child cannot be known from its name, hence Any.

    def children(self) -> tuple[ActorRef[Any], ...]:
        """The children that have not ended for good, in the order of their start."""
        engine = self._cell.engine
        return tuple(cell.ref for cell in engine.children.values()) if engine else ()

    def child(self, name: str) -> ActorRef[Any] | None:
        """The child of that name, or None."""
        engine = self._cell.engine
        cell = engine.children.get(name) if engine else None
        return cell.ref if cell else None


async def start_cell(cell: "Cell") -> ActorRef[Any]:
    """Wait for a child that is being started; a cancelled call stops it again."""
    try:
        await cell.wait_started()
    except trio.Cancelled:
        cell.ask_end(0, "the call that started it was cancelled")
        raise
    return cell.ref
