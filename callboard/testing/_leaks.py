"""Whether something is left behind: tasks, actors, sockets, file handles, places on the clock."""

import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.actors._pacer import Pacer

from ._network import MemoryNetwork
from ._steps import actor_of

if TYPE_CHECKING:
    from callboard.actors import System

# What is on its way out needs a few scheduler passes, not a time of its own; under virtual time looking is free.
LOOK_EVERY = 0.02
# Linux; macOS. Elsewhere file handles are not looked at.
HANDLES = (Path("/proc/self/fd"), Path("/dev/fd"))
FRAMES_SHOWN = 4
TRIO = Path(trio.__file__).parent


class Leaked(AssertionError):
    """Something was left behind.

    Attributes:
        leaks: A line for each thing.
    """

    def __init__(self, leaks: tuple[str, ...], within: float) -> None:
        lines = "".join(f"\n  {line}" for line in leaks)
        super().__init__(f"left behind {within:g} s after the end:{lines}")
        self.leaks = leaks


@attrs.frozen(kw_only=True)
class Holdings:
    """What a process holds at one moment, each kind by what tells two things apart."""

    tasks: Counter[str]
    """By actor and name, so that a restarted actor is the same one."""
    actors: Counter[str]
    """By path, those that wait for a restart too."""
    streams: Counter[str]
    """The open ends of the connections of an in-memory network."""
    files: Counter[str]
    """File handles of the process by what they are open on, sockets of the operating system among them."""
    timers: Counter[str]
    """Functions that a pacer calls."""

    def beyond(self, earlier: "Holdings") -> tuple[str, ...]:
        """What is there and was not earlier, a line for each."""
        return (
            *(f"task {name}" for name in (self.tasks - earlier.tasks).elements()),
            *(f"actor {path}" for path in (self.actors - earlier.actors).elements()),
            *(f"connection {name}" for name in (self.streams - earlier.streams).elements()),
            *(f"file handle on {name}" for name in (self.files - earlier.files).elements()),
            *(f"timer {name}" for name in (self.timers - earlier.timers).elements()),
        )


def holdings(system: "System | None" = None) -> Holdings:
    """What this process, and a system in it, hold now. Called from a task, which itself does not count.

    Args:
        system: None for no system: then only tasks and file handles.
    """
    return Holdings(
        tasks=Counter(_label(task) for task in _living_tasks()),
        actors=Counter(() if system is None else tuple(system.registry)),
        streams=Counter(() if system is None else _streams(system)),
        files=Counter(_files()),
        timers=Counter(() if system is None else _timers(system)),
    )


@asynccontextmanager
async def assert_no_leaks(
    system: "System | None" = None, *, within: float = 1.0
) -> AsyncGenerator[None, None]:
    """Check that what the body began is gone soon after it.

    Args:
        system: Whose actors, connections and timers to look at, beside the tasks and file handles of the process.
        within: How long things may take to go, float seconds.

    Raises:
        Leaked: Something that was not there before is still there. Not raised where the body raised.
    """
    before = holdings(system)
    yield
    deadline = trio.current_time() + within
    while leaks := holdings(system).beyond(before):
        if trio.current_time() >= deadline:
            places = {f"task {_label(task)}": _place(task) for task in _living_tasks()}
            raise Leaked(
                tuple(f"{leak}, at {places[leak]}" if leak in places else leak for leak in leaks), within
            )
        await trio.sleep(LOOK_EVERY)


def _living_tasks() -> list[trio.lowlevel.Task]:
    """All tasks of this run but the calling one, parents before their children."""
    root = trio.lowlevel.current_root_task()
    found = [] if root is None else [root]
    for task in found:
        for nursery in task.child_nurseries:
            found.extend(nursery.child_tasks)
    found.remove(trio.lowlevel.current_task())
    return found


def _label(task: trio.lowlevel.Task) -> str:
    cell = actor_of(task)
    return repr(task.name) if cell is None else f"{task.name!r} of the actor {cell.path}"


def _place(task: trio.lowlevel.Task) -> str:
    """Where a task waits, the innermost place last; of trio's own places only what was called."""
    frames = [
        (Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in task.iter_await_frames()
    ]
    outside = [index for index, (path, _, _) in enumerate(frames) if TRIO not in path.parents]
    last = outside[-1] + 2 if outside else 1
    shown = frames[:last][-FRAMES_SHOWN:]
    return " > ".join(f"{path.name}:{line} {name}" for path, line, name in shown) or "its beginning"


def _streams(system: "System") -> tuple[str, ...]:
    network = system.network
    return network.open_ends if isinstance(network, MemoryNetwork) else ()


def _timers(system: "System") -> list[str]:
    """What is on the wheels of those pacers that are actors."""
    found: list[str] = []
    for ref in system.registry.values():
        pacer = getattr(ref._cell.spec.run, "__self__", None)
        if isinstance(pacer, Pacer):
            found += [getattr(tick, "__qualname__", repr(tick)) for slot in pacer._wheel for tick in slot]
    return found


def _files() -> list[str]:
    folder = next((folder for folder in HANDLES if folder.is_dir()), None)
    found: list[str] = []
    for name in () if folder is None else os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{name}"))
        except OSError:
            # The handle of this very listing, for one; or links cannot be read, and the number has to do.
            if os.path.lexists(f"{folder}/{name}"):
                found.append(f"number {name}")
    return found
