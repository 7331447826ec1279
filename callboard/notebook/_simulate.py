"""Hours of calls in seconds: the same stage as a lab's, under a virtual clock."""

import contextlib
import fnmatch
import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from callboard.actors import Scenario
from callboard.actors.brains import Brain, RuleBrain
from callboard.actors.emulators import ScriptedCaller, Step
from callboard.actors.emulators._carrier_stride import WIRE
from callboard.media.speech import load_speech
from callboard.testing import Simulation, SimulationHung, Transport, random_caller, simulate as run_simulation
from callboard.testing._world import STRIDES

from ._errors import LabRunning
from ._happenings import Crash, EventTable, LogTail
from ._lab import running_lab
from ._live_tree import TreeSnapshot, TreeView
from ._sounds import Calls, steps_of
from ._stage import Stage, StageOptions, check_providers, open_stage
from ._traces import TraceLog, read_trace
from ._view import CallView
from ._views import Views, select

# The last call begins so long before the end, part of the whole time.
TAIL = 0.05
# A tree is kept for so many moments.
TREES = 60
WATCHDOG = 600.0
# An interrupted simulation has ended within this, float seconds.
STOP_WAIT = 5.0


@attrs.frozen(kw_only=True)
class Simulated(Views):
    """What a simulation leaves to be looked at. Times are float seconds of virtual time since its beginning."""

    calls: tuple[CallView, ...]
    """In the order in which they were placed."""
    seconds: float
    """How much time went by."""
    wall: float
    """How long that took, float seconds."""
    digest: str
    """Of everything that happened: the same for the same arguments."""
    traces: tuple[TraceLog, ...] = attrs.field(repr=False)
    """What went over the providers' sockets, in the order of the calls, where it was asked for."""
    _log: LogTail = attrs.field(factory=LogTail, repr=False, alias="log")
    _events: EventTable = attrs.field(repr=False, alias="events")
    _errors: tuple[Crash, ...] = attrs.field(repr=False, alias="errors")
    _trees: tuple[TreeSnapshot, ...] = attrs.field(repr=False, alias="trees")

    @property
    def call_seconds(self) -> float:
        """Of all calls together."""
        return sum(call.duration for call in self.calls)

    def view(self, call: int | None = None) -> CallView:
        """See `Views.view`."""
        if not self.calls:
            raise LookupError("there was no call")
        if call is None:
            return self.calls[-1]
        found = next((each for each in self.calls if each.number == call), None)
        if found is None:
            raise LookupError(f"there was no call {call!r}, only 1 to {len(self.calls)}")
        return found

    def events(self, *kinds: str, path: str = "*", last: int | None = None) -> EventTable:
        """See `Views.events`."""
        return select(self._events, kinds, path, last)

    def errors(self) -> tuple[Crash, ...]:
        """See `Views.errors`."""
        return self._errors

    def log(self, last: int = 40) -> str:
        """See `Views.log`."""
        return self._log.text(last)

    def tree(self, at: float | None = None) -> TreeView:
        """The actors at about this time; in the middle of the run if None."""
        wanted = self.seconds / 2 if at is None else at
        nearest = min(self._trees, key=lambda snapshot: abs(snapshot.at - wanted))
        return TreeView(lambda: nearest, None)

    def __str__(self) -> str:
        return (
            f"{len(self.calls)} calls, {self.call_seconds:.0f} call-seconds in {self.seconds / 60:.1f} minutes of "
            f"virtual time: {self.wall:.1f} s of wall time, {self.seconds / max(self.wall, 1e-9):.0f} times as fast"
        )


def simulate(
    calls: int | Sequence[Calls] = 20,
    *,
    minutes: float = 60.0,
    scenario: Scenario | None = None,
    providers: Sequence[str] = ("grok",),
    brain: Callable[[], Brain] = RuleBrain,
    kills: Sequence[tuple[float, str]] = (),
    trace: bool = False,
    exact: bool = False,
    seed: int = 0,
) -> Simulated:
    """Simulate calls under a virtual clock: an hour takes seconds, and the same arguments give the same hour.

    The cell waits meanwhile, and can be interrupted.

    Args:
        calls: How many callers there are, made at random; or what each of them says, see `Lab.call`.
        minutes: They call at random times within so many minutes of virtual time.
        scenario: Takes the calls; by default the receptionist of a clinic, with a voice agent.
        providers: `grok`, `deepgram`, the preferred one first; each is emulated.
        brain: Makes the language model of each session.
        kills: When (float seconds) and what (a path, or a pattern like `calls/*/providers/agent-1`, of which
            the first match is killed).
        trace: Keep what goes over the sockets of the providers, with audio; of the default scenario.
        exact: Have a message each 20 ms, framed as on the wire; several times slower, and times are exact to the frame.
        seed: Of everything that is left to chance.

    Raises:
        LabRunning: A lab runs: what it does would depend on the simulation, and the other way round.
        SimulationHung: It made no end.
    """
    lab = running_lab()
    if lab is not None:
        raise LabRunning(
            "a simulation and a lab share one process's environment and Trio's source of chance: "
            "`await lab.stop()` first; what the lab has seen can still be looked at"
        )
    transport = Transport.FRAMES if exact else Transport.MESSAGES
    options = StageOptions(
        engines=load_speech("tones"),
        providers=check_providers(providers),
        seed=seed,
        brain=brain,
        stride=WIRE if exact else STRIDES[transport],
        ledger_every=0.02 if exact else 0.1,
        max_calls=10_000,
        trace=trace,
    )
    rng = random.Random(seed)
    planned = (
        [tuple(random_caller(rng).steps) for _ in range(calls)]
        if isinstance(calls, int)
        else [steps_of(what) for what in calls]
    )
    last = minutes * 60 * (1 - TAIL)
    times = [0.0] if len(planned) == 1 else sorted(rng.uniform(0, last) for _ in planned)
    plan = _Plan(list(zip(times, planned, strict=True)), sorted(kills), minutes * 60, scenario)
    began_at = time.perf_counter()
    stop = _Stop()
    with LogTail() as tail:
        told = _outside_trio(
            lambda: run_simulation(
                lambda simulation: stop.guard(_run(simulation, options, plan)),
                seed=seed,
                transport=transport,
                watchdog=WATCHDOG,
            ),
            stop,
        )
    return attrs.evolve(told, wall=time.perf_counter() - began_at, log=tail)


@attrs.frozen
class _Plan:
    calls: Sequence[tuple[float, tuple[Step, ...]]]
    kills: Sequence[tuple[float, str]]
    seconds: float
    scenario: Scenario | None


async def _run(simulation: Simulation, options: StageOptions, plan: _Plan) -> Simulated:
    trees: list[TreeSnapshot] = []
    async with open_stage(attrs.evolve(options, network=simulation.network)) as stage:
        simulation.systems.append(stage.system)
        began_at = stage.happenings.began_at
        async with trio.open_nursery() as others:
            others.start_soon(_kill, stage, plan)
            others.start_soon(_look, stage, trees, plan.seconds / TREES)
            async with trio.open_nursery() as callers:
                for at, steps in plan.calls:
                    await trio.sleep_until(began_at + at)
                    callers.start_soon(_call, stage, steps, plan.scenario)
            # What is left of the last call is gone by then.
            await trio.sleep(1.0)
            others.cancel_scope.cancel(reason="all calls are over")
        if not trees:
            trees.append(_snapshot(stage))
        for event in stage.happenings.events:
            simulation.log.add(event.kind, f"{event.at:.6f}", event.path, event.text)
        return Simulated(
            calls=tuple(call.view() for call in stage.calls),
            seconds=trio.current_time() - began_at,
            wall=0.0,
            digest=simulation.log.digest(),
            traces=tuple(
                read_trace(Path(agent.trace_path))
                for call in stage.calls
                for agent in call.agents
                if agent.trace_path is not None
            ),
            events=EventTable(stage.happenings.events),
            errors=tuple(stage.happenings.crashes),
            trees=tuple(trees),
        )


async def _call(stage: Stage, steps: tuple[Step, ...], scenario: Scenario | None) -> None:
    staged = await stage.place(ScriptedCaller(steps, stage.bank), scenario)
    await staged.over.wait()


async def _kill(stage: Stage, plan: _Plan) -> None:
    for at, pattern in plan.kills:
        await trio.sleep_until(stage.happenings.began_at + at)
        paths = [path for path in stage.system.registry if fnmatch.fnmatchcase(path, pattern)]
        stage.kill(paths[0] if paths else pattern)


def _snapshot(stage: Stage) -> TreeSnapshot:
    return TreeSnapshot(
        at=trio.current_time() - stage.happenings.began_at,
        root=stage.system.tree(),
        fell=tuple(stage.happenings.exits),
    )


async def _look(stage: Stage, trees: list[TreeSnapshot], every: float) -> None:
    while True:
        await trio.sleep(every)
        trees.append(_snapshot(stage))


class _Stop:
    """Ends a simulation that runs in another thread."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()

    async def guard(self, running: Coroutine[Any, Any, Simulated]) -> Simulated:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            return await running
        raise SimulationHung("it was interrupted")

    def request(self) -> None:
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)


def _outside_trio(run: Callable[[], Simulated], stop: _Stop) -> Simulated:
    """Run it here, or in a thread where Trio runs here already: there can be one in a thread."""
    if not trio.lowlevel.in_trio_run():
        return run()
    results: list[Simulated] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            results.append(run())
        except BaseException as error:  # noqa: BLE001, ASYNC103  # it is raised again by whoever waits
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="callboard-simulation", daemon=True)
    thread.start()
    try:
        # Not a join: one that was interrupted takes the thread for ended (seen with Python 3.11).
        done.wait()
    except BaseException:
        stop.request()
        done.wait(STOP_WAIT)
        raise
    if errors:
        raise errors[0]
    return results[0]
