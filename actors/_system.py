"""A system: the root supervisor, the registry of paths, and the view on all of it."""

import itertools
import math
import random
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

from ._cell import Cell
from ._context import path_logger
from ._errors import NoSuchActor
from ._exit import Exit, ExitKind, only_cancelled
from ._network import Network, TcpNetwork
from ._nursery import only_error
from ._ref import ActorRef, SupervisorRef
from ._spec import ChildSpec, SupervisorSpec
from ._supervisor import Supervisor, ref_type
from ._tree import TreeNode
from ._watch import ActorExited, Watch, WatchEvent

if TYPE_CHECKING:
    from ._supervisor import Family

N = TypeVar("N")


class System:
    """What `open_system` gives: a tree of actors under one root supervisor."""

    def __init__(self, name: str, network: Network, rng: random.Random) -> None:
        self.name = name
        self.network = network
        """The only door to sockets for the actors of this system."""
        self.rng = rng
        """The source of all randomness of this system."""
        self.registry: dict[str, ActorRef[Any]] = {}
        """Every actor that has not ended for good, by its path. For reading."""
        self.watched = False
        self._watches: list[Watch] = []
        self._generations = itertools.count(1)
        self._nursery: trio.Nursery | None = None
        self._body = trio.CancelScope()
        self._root: Cell

    @property
    def root(self) -> SupervisorRef:
        """The root supervisor."""
        return cast(SupervisorRef, self._root.ref)

    async def start(self, spec: ChildSpec[N, Any]) -> ActorRef[N]:
        """Start an actor under the root; see `SupervisorRef.start_child`."""
        return await self.root.start_child(spec)

    # The message type cannot be known from a path, hence Any.
    def lookup(self, path: str) -> ActorRef[Any] | None:
        """The actor at a path, or None. Children of the root have their bare name as path."""
        return self.registry.get(path)

    def kill(self, path: str, reason: str = "killed") -> None:
        """Kill the actor at a path; see `ActorRef.kill`.

        Raises:
            NoSuchActor: There is none.
        """
        ref = self.registry.get(path)
        if ref is None:
            raise NoSuchActor(path)
        ref.kill(reason)

    def tree(self) -> TreeNode:
        """A snapshot of all actors."""
        return self._root.tree()

    @contextmanager
    def watch(self, capacity: int = 1024) -> Generator[Watch]:
        """See what happens to actors, from now on.

        Args:
            capacity: How many events may wait for the reader. When more come, the reader gets one
                `WatchLagged` in their place.
        """
        watch = Watch(capacity)
        self._watches.append(watch)
        self.watched = True
        try:
            yield watch
        finally:
            watch.close()
            self._watches.remove(watch)
            self.watched = bool(self._watches)

    def next_generation(self) -> int:
        """A number that nothing in this system has had; see `MediaUnit.next_generation`."""
        return next(self._generations)

    # For the runtime

    def publish(self, event: WatchEvent) -> None:
        """Tell the watchers."""
        for watch in self._watches:
            watch.push(event)

    def child_path(self, parent: str, name: str) -> str:
        """The path of a child; the root's name is not part of it."""
        return name if parent == self.name else f"{parent}/{name}"

    def dead_cell(self, spec: ChildSpec[Any, Any], path: str) -> Cell:
        """A child that came too late."""
        cell = Cell(spec, path, self, None, ref_type(spec))
        cell.end(Exit(kind=ExitKind.STOPPED, reason="its supervisor is not running"))
        return cell

    @property
    def nursery(self) -> trio.Nursery:
        """Where the root runs."""
        assert self._nursery is not None
        return self._nursery

    def new_family(self, cell: Cell) -> "Family":
        """The root is a supervisor and has no other children."""
        raise AssertionError(cell)

    def child_ended(self, cell: Cell, exit: Exit) -> None:
        """The root has ended; if that was not wanted, so does the body of `open_system`."""
        if self.watched:
            self.publish(ActorExited(path=cell.path, time=trio.current_time(), exit=exit, final=True))
        del self.registry[cell.path]
        cell.end(exit)
        if exit.abnormal:
            path_logger(cell.path).error("the system ends: %s", exit)
            self._body.cancel("the root supervisor failed")


@asynccontextmanager
async def open_system(
    name: str = "system",
    *,
    network: Network | None = None,
    seed: int | None = None,
    root: SupervisorSpec = SupervisorSpec(),  # noqa: B008  # frozen
) -> AsyncGenerator[System]:
    """Run a tree of actors for as long as the body lasts.

    When the body ends, all actors are stopped in reverse order: each in its own way within its grace, or
    at once if the body raised or was cancelled.

    Args:
        name: For the root of the tree.
        network: Where sockets come from; None for TCP.
        seed: Of `System.rng`; None for a random one.
        root: What the root supervisor does.

    Raises:
        RestartsExhausted: The root gave up, and the body was cancelled for it.
        ActorGone: The root was killed, and the body was cancelled for it.
        Exception: A child that `root` specifies failed in its start; or what the body raised, which comes
            before all else.
    """
    system = System(name, TcpNetwork() if network is None else network, random.Random(seed))
    spec = ChildSpec[Any, SupervisorRef](
        name=name, run=Supervisor(root), mailbox=1, grace=math.inf, start_timeout=math.inf
    )
    cell = system._root = Cell(spec, name, system, system, ref_type(spec))
    system.registry[name] = cell.ref
    body_error: BaseException | None = None
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as system._nursery:
            try:
                cell.launch(0)
                await cell.wait_started()
                with system._body:
                    yield system
                cell.ask_end(math.inf, "the system closed")
                await cell.wait_for(lambda: not cell.alive)
            except BaseException as exc:
                body_error = exc
                cell.ask_end(0, "the system was cancelled")
                raise
    except BaseExceptionGroup as group:
        # What the body raised leaves as it was. Otherwise the body was cancelled, from outside or for an
        # error that no supervisor may contain, such as KeyboardInterrupt.
        error = body_error if body_error and not only_cancelled(body_error) else only_error(group)
        if error is None:
            raise
    finally:
        for watch in system._watches:
            watch.close()
    if error is None and cell.exit is not None and cell.exit.abnormal:
        error = cell.start_error(cell.exit)
    if error is not None:
        raise error
