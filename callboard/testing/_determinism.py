"""Runs that are the same each time: a virtual clock, a seeded order of tasks, and a watchdog for runs that hang."""

import contextlib
import random
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

from callboard.actors import System

from ._log import EventLog
from ._network import MemoryNetwork, Transport
from ._steps import ActorSteps

T = TypeVar("T")

WATCHDOG = 60.0


class NotDeterministic(Exception):
    """This version of trio has no way to have its scheduling repeated."""


class SimulationHung(Exception):
    """A simulated run made no end within its wall-clock time; the text shows where it stands."""


class Simulation:
    """What a simulated run is given.

    Args:
        seed: Of everything that is left to chance.
        transport: What travels on the network.
    """

    def __init__(self, seed: int, transport: Transport) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        """For the scenario; systems and emulators have their own, seeded from `seed`."""
        self.network = MemoryNetwork(transport)
        self.log = EventLog()
        self.steps = ActorSteps(ignore=("outside",))
        """Counts the steps of the actors in the part of the run that is inside `steps.installed()`, and kills there."""
        self.systems: list[System] = []
        """Shown where the run hangs; `open_world` adds its own."""


@contextmanager
def seeded_scheduling(seed: int) -> Generator[None]:
    """Have trio run tasks that are ready at once in an order that depends on the seed only, for runs begun inside.

    Raises:
        NotDeterministic: The two private names of trio that this takes are not there.
    """
    run = sys.modules["trio._core._run"]
    names = vars(run)
    if not isinstance(names.get("_ALLOW_DETERMINISTIC_SCHEDULING"), bool) or not isinstance(
        names.get("_r"), random.Random
    ):
        raise NotDeterministic(
            f"trio {trio.__version__} has no trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING and _r any more"
        )
    before, state = names["_ALLOW_DETERMINISTIC_SCHEDULING"], names["_r"].getstate()
    names["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    names["_r"].seed(seed)
    try:
        yield
    finally:
        names["_ALLOW_DETERMINISTIC_SCHEDULING"] = before
        names["_r"].setstate(state)


def simulate(
    main: Callable[[Simulation], Awaitable[T]],
    *,
    seed: int = 0,
    transport: Transport = Transport.FRAMES,
    watchdog: float = WATCHDOG,
    instruments: tuple[trio.abc.Instrument, ...] = (),
) -> T:
    """Run an async function under a virtual clock that jumps wherever everybody waits, the same way for the same seed.

    Threads and subprocesses must not be used inside: the clock does not wait for them.

    Args:
        main: Called with the simulation.
        seed: Of the scheduling and of everything in the simulation.
        transport: What travels on its network.
        watchdog: A run that takes longer is ended, float seconds of wall time. Under a virtual clock a deadlock would
            otherwise wait for ever.
        instruments: As for `trio.run`.

    Returns:
        What the function returns.

    Raises:
        SimulationHung: The watchdog ended it.
        NotDeterministic: See `seeded_scheduling`.
    """
    simulation = Simulation(seed, transport)
    hung: list[str] = []

    async def run() -> T:
        token = trio.lowlevel.current_trio_token()
        root = trio.lowlevel.current_root_task()
        with trio.CancelScope() as scope:

            def give_up() -> None:
                hung.append(_where(simulation, root))
                scope.cancel(reason="the watchdog")

            # A thread, for a run that hangs has no task that could look at a clock; it only wakes the loop.
            timer = threading.Timer(watchdog, _call_soon, (token, give_up))
            timer.daemon = True
            timer.start()
            try:
                return await main(simulation)
            finally:
                timer.cancel()
        raise SimulationHung(
            f"no end after {watchdog:g} s of wall time, seed {seed}\n{hung[0] if hung else ''}"
        )

    with seeded_scheduling(seed):
        return trio.run(run, clock=MockClock(autojump_threshold=0), instruments=instruments)


def _call_soon(token: trio.lowlevel.TrioToken, function: Callable[[], None]) -> None:
    with contextlib.suppress(trio.RunFinishedError):
        token.run_sync_soon(function)


def _where(simulation: Simulation, root: "trio.lowlevel.Task | None") -> str:
    """The trees of the systems, and where each task stands."""
    text = [system.tree().render() for system in simulation.systems]
    waiting: list[Any] = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        frames = [f"{frame.f_code.co_filename}:{line}" for frame, line in task.iter_await_frames()]
        text.append(f"{task.name}: {' < '.join(reversed(frames[-4:]))}")
        for nursery in task.child_nurseries:
            waiting.extend(nursery.child_tasks)
    return "\n".join(text)
