"""Which tasks and sockets belong to which call, kept up to date as they come and go."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import attrs
import trio
from trio.lowlevel import Task

from ._monitors_base import Desk
from ._steps import actor_of

CALL_ROOT = re.compile(r"calls/[^/]+")
LISTENER = "listener"
HANDLES = Path("/proc/self/fd")
FRAMES_SHOWN = 2


class TaskOwners(trio.abc.Instrument):
    """Knows the call of each task: by its place in the tree of tasks, else by who started it.

    The second catches what a call leaves in somebody else's nursery. Costs nothing while no task starts or ends.
    """

    def __init__(self) -> None:
        self._owners: dict[Task, str] = {}
        self._by_call: dict[str, set[Task]] = {}

    def join(self) -> None:
        """Look at the tasks that run already."""
        root = trio.lowlevel.current_root_task()
        waiting = [] if root is None else [root]
        while waiting:
            task = waiting.pop()
            self._place(task, None)
            for nursery in task.child_nurseries:
                waiting.extend(nursery.child_tasks)

    def task_spawned(self, task: Task) -> None:
        """A task begins."""
        try:
            starter: Task | None = trio.lowlevel.current_task()
        except RuntimeError:
            starter = None
        self._place(task, starter)

    def task_exited(self, task: Task) -> None:
        """A task is over."""
        owner = self._owners.pop(task, None)
        if owner is not None:
            tasks = self._by_call[owner]
            tasks.discard(task)
            if not tasks:
                del self._by_call[owner]

    def _place(self, task: Task, starter: Task | None) -> None:
        owner = task.name if CALL_ROOT.fullmatch(task.name) else None
        nursery = task.eventual_parent_nursery or task.parent_nursery
        if owner is None and nursery is not None:
            owner = self._owners.get(nursery.parent_task)
        if owner is None and starter is not None:
            owner = self._owners.get(starter)
        if owner is not None:
            self._owners[task] = owner
            self._by_call.setdefault(owner, set()).add(task)

    def owner(self, task: Task) -> str | None:
        """The path of the task's call."""
        return self._owners.get(task)

    def of_call(self, path: str) -> list[tuple[str, str]]:
        """The tasks of a call: their names, and the places where they wait."""
        return sorted((task.name, _place(task)) for task in self._by_call.get(path, ()))

    def n_tasks(self, path: str) -> int:
        """How many tasks a call has."""
        return len(self._by_call.get(path, ()))


def _place(task: Task) -> str:
    """Where a task waits, by the last places that are not trio's own."""
    frames = [(Path(frame.f_code.co_filename), line, frame) for frame, line in task.iter_await_frames()]
    ours = [
        f"{file.name}:{line} {frame.f_code.co_name}"
        for file, line, frame in frames
        if "trio" not in file.parts
    ]
    # A task may be of trio alone, such as a forgotten sleep.
    all_frames = [f"{file.name}:{line} {frame.f_code.co_name}" for file, line, frame in frames]
    return " > ".join(ours[-FRAMES_SHOWN:] or all_frames[:1]) or "its beginning"


@attrs.define(eq=False)
class Socket:
    """A stream of a call."""

    owner: str
    name: str
    closed: bool = False

    def close(self, *_: object) -> None:
        """It is being closed."""
        self.closed = True


class SocketOwners:
    """Knows the streams that calls have opened, and the streams of their legs.

    Args:
        desk: For its spies.
        tasks: Tells who connects.
    """

    def __init__(self, desk: Desk, tasks: TaskOwners) -> None:
        self._desk = desk
        self._tasks = tasks
        self._sockets: dict[str, list[Socket]] = {}
        self.accepted: list[Callable[[trio.abc.Stream], None]] = []
        """Called with each stream that the server accepts."""

    def attach(self) -> None:
        """Look at what goes through the system's network from now on."""
        network: Any = self._desk.system.network
        spies = self._desk.spies
        spies.after_async(network, "connect", self._connected)
        spies.after_async(network, "listen", self._listened)
        # A network in memory knows who listens already.
        known = getattr(network, "_listeners", None)
        if isinstance(known, dict):
            self._listening(cast("dict[int, Any]", known).values())

    def _listened(self, listeners: Iterable[Any], _host: str, _port: int, **_: object) -> None:
        self._listening(listeners)

    def _listening(self, listeners: Iterable[Any]) -> None:
        for listener in listeners:
            self._desk.spies.after_async(listener, "accept", self._accepted)

    def _accepted(self, stream: trio.abc.Stream) -> None:
        # Emulated services may listen on the same network, and are somebody else's.
        cell = actor_of(trio.lowlevel.current_task())
        if cell is not None and cell.system is self._desk.system and cell.path == LISTENER:
            for tell in self.accepted:
                tell(stream)

    def _connected(self, stream: trio.abc.Stream, host: str, port: int, **_: object) -> None:
        owner = self._tasks.owner(trio.lowlevel.current_task())
        if owner is not None:
            self.own(owner, f"connection to {host}:{port}", stream)

    def own(self, path: str, name: str, stream: Any) -> None:
        """A stream belongs to a call."""
        socket = Socket(path, name)
        try:
            self._desk.spies.before(stream, "aclose", socket.close)
        except (AttributeError, TypeError):
            # A stream of a kind that cannot be watched.
            return
        sockets = self._sockets.setdefault(path, [])
        sockets[:] = [known for known in sockets if not known.closed]
        sockets.append(socket)

    def of_call(self, path: str) -> list[str]:
        """The open streams of a call."""
        return [socket.name for socket in self._sockets.get(path, ()) if not socket.closed]

    def forget(self, path: str) -> None:
        """The call is over."""
        self._sockets.pop(path, None)


def inner_stream(stream: object) -> object:
    """What is below wrappers."""
    while (below := getattr(stream, "_stream", None)) is not None:
        stream = below
    return stream


def open_files() -> Iterator[str]:
    """What the file handles of this process are open on; nothing where the platform does not tell."""
    for name in os.listdir(HANDLES) if HANDLES.is_dir() else ():
        try:
            yield os.readlink(HANDLES / name)
        except OSError:
            # The handle of this very listing.
            continue
