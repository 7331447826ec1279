"""What an actor's body is given."""

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from ._channel import Channel
from ._spec import ChildSpec, M

if TYPE_CHECKING:
    from ._cell import Cell
    from ._ref import ActorRef
    from ._system import System

N = TypeVar("N")

_logger = logging.getLogger("callboard.actors")


class PathLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts an actor's path in front of each message and into the record as `path`."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """Add the path."""
        path = self.extra["path"] if self.extra else ""
        return f"{path}: {msg}", {**kwargs, "extra": {**(kwargs.get("extra") or {}), "path": path}}


def path_logger(path: str) -> PathLogger:
    """A logger for one actor."""
    return PathLogger(_logger, {"path": path})


class Context(Generic[M]):
    """One life of an actor, as its body sees it. Made by the supervisor."""

    __slots__ = ("_cell", "_log", "_stop_requested", "_stop_scope")

    def __init__(self, cell: "Cell") -> None:
        self._cell = cell
        self._log: PathLogger | None = None
        self._stop_requested: trio.Event | None = None
        self._stop_scope: trio.CancelScope | None = None

    @property
    def path(self) -> str:
        """Where the actor is in the tree, such as ``calls/CA12/provider``."""
        return self._cell.path

    @property
    def mailbox(self) -> Channel[M]:
        """The actor's messages. It belongs to the ref: what waits in it survives a restart."""
        return self._cell.mailbox

    @property
    def system(self) -> "System":
        """The system the actor is part of."""
        return self._cell.system

    @property
    def ref(self) -> "ActorRef[M]":
        """What others hold to reach this actor."""
        return self._cell.ref

    @property
    def log(self) -> PathLogger:
        """A logger that names the actor."""
        if self._log is None:
            self._log = path_logger(self.path)
        return self._log

    @property
    def stop_requested(self) -> trio.Event:
        """Set when the actor is asked to finish in its own way, within the grace it was given.

        Whoever has not read this property by then cannot notice the request, so is cancelled at once.
        """
        if self._stop_requested is None:
            self._stop_requested = trio.Event()
        return self._stop_requested

    def stop_scope(self) -> trio.CancelScope:
        """A scope that is cancelled when the actor is asked to stop, for what is not worth finishing then.

        Like `stop_requested`, and without a task that waits for it. The newest scope counts, each is for one use.
        """
        scope = self._stop_scope = trio.CancelScope()
        if self.stop_requested.is_set():
            scope.cancel("the actor was asked to stop")
        return scope

    def request_stop(self) -> bool:
        """Used by the runtime: tell the body to finish. False if it cannot notice."""
        if self._stop_requested is None:
            return False
        self._stop_requested.set()
        if self._stop_scope is not None:
            self._stop_scope.cancel("the actor was asked to stop")
        return True

    @property
    def swept(self) -> bool:
        """Whether this life ends because a sibling failed and the supervisor's strategy takes this actor down too."""
        return self._cell.swept

    async def spawn(self, spec: ChildSpec[N, Any]) -> "ActorRef[N]":
        """Start a child of this actor, supervised one for one.

        When the actor ends, in whatever way, its children are stopped in reverse order before its own
        end is reported. When they fail too often (`RestartIntensity()`), the actor crashes with
        `RestartsExhausted`.

        Returns:
            The child's ref, once it has called `started()`. A cancelled call stops the child again.

        Raises:
            NameTaken: A living child has that name.
            ActorGone: This life of the actor is over, or the child was stopped or killed in its start.
            Exception: What the child raised before `started()`.
        """
        return await self._cell.open_family(self).start_child(spec)
