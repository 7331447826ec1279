"""Kill every actor at every checkpoint, one run each."""

import fnmatch
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import attrs

from callboard.actors._exit import as_group

from ._determinism import WATCHDOG, Simulation, simulate
from ._network import Transport
from ._steps import ActorSteps, StepKill, Wait

Run = Callable[[Simulation], Awaitable[object]]


class NothingToKill(Exception):
    """The run without a kill made no step of an actor that could be killed."""


class KillNotReached(AssertionError):
    """A run with a kill did not come to the step that the run without one had: it is not the same each time."""


@attrs.frozen(kw_only=True)
class KillFailure:
    """A run that did not survive a kill."""

    path: str
    step: int
    """After which of its steps."""
    later: float
    """How long after that step, float seconds."""
    seed: int
    transport: Transport
    time: float | None
    """When the actor was killed, float seconds of trio's clock; None if it was not."""
    error: BaseException = attrs.field(eq=False)
    """What the run raised."""

    def __str__(self) -> str:
        later = f" and {self.later:g} s" if self.later else ""
        when = "" if self.time is None else f" ({self.time:.3f} s into the run)"
        return (
            f"killing {self.path} after its step {self.step}{later}{when}, seed {self.seed}, "
            f"{self.transport.value}: {_text(self.error)}"
        )

    @property
    def again(self) -> str:
        """The call that makes this run again."""
        later = f", later={self.later!r}" if self.later else ""
        return (
            f"kill_once(run, {self.path!r}, {self.step}{later}, seed={self.seed}, transport={self.transport})"
        )


@attrs.frozen(kw_only=True)
class KillReport:
    """What came of killing actors."""

    seed: int
    transport: Transport
    checkpoints: Mapping[str, int]
    """By the path of each actor that was chosen: the steps it makes in a run without a kill."""
    kills: Mapping[str, int]
    """By path: in how many runs it was killed, at checkpoints and while it waited at one."""
    failures: tuple[KillFailure, ...]
    planned: int
    """How many runs there were to be; too many failures end it early."""
    sampled: bool
    """Whether checkpoints were left out, by `every` or `limit`."""
    duration: float
    """Of all runs, float seconds of wall time."""

    @property
    def runs(self) -> int:
        """How many runs had a kill."""
        return sum(self.kills.values())

    @property
    def exhaustive(self) -> bool:
        """Whether each chosen actor was killed at each of its checkpoints."""
        return not self.sampled and self.runs == self.planned

    def render(self) -> str:
        """A table of the actors, and below it the failures."""
        failed = Counter(one.path for one in self.failures)
        width = max(len("actor"), *map(len, self.checkpoints))
        rows = [f"{'actor':{width}}  checkpoints  killed  failed"]
        rows += [
            f"{path:{width}}  {steps:11}  {self.kills[path]:6}  {failed[path]:6}"
            for path, steps in self.checkpoints.items()
        ]
        total = sum(self.checkpoints.values())
        rows.append(f"{'all':{width}}  {total:11}  {self.runs:6}  {len(self.failures):6}")
        how = "every checkpoint" if self.exhaustive else "a sample"
        if self.runs < self.planned:
            how = f"ended early ({self.runs} of {self.planned} runs)"
        rows.append(
            f"{how}, seed {self.seed}, {self.transport.value}, {self.duration:.1f} s"
            f" ({self.duration / max(1, self.runs):.3f} s each)"
        )
        return "\n".join((*rows, *map(str, self.failures)))


class ActorKillFailed(AssertionError):
    """A run did not survive the kill of an actor.

    Attributes:
        report: Everything that was tried.
    """

    def __init__(self, report: KillReport) -> None:
        first = report.failures[0]
        again = (
            f"kill_once(run, {first.path!r}, {first.step}, seed={first.seed}, transport={first.transport})"
        )
        super().__init__(f"{first}\nAgain: {again}\n\n{report.render()}")
        self.report = report


def kill_once(
    run: Run,
    path: str,
    step: int,
    *,
    later: float = 0.0,
    seed: int = 0,
    transport: Transport = Transport.MESSAGES,
    watchdog: float = WATCHDOG,
) -> StepKill:
    """One run in which one actor is killed: to look closer at what `kill_every_actor` found.

    Args:
        run: See `kill_every_actor`, as for `seed`, `transport` and `watchdog`.
        path: The actor's.
        step: After which of its steps.
        later: How long after that step, float seconds.

    Returns:
        The kill.

    Raises:
        KillNotReached: The actor did not come to that step.
        BaseException: What the run raised.
    """
    steps, error = _run(run, _Kill(path, step, later), seed, transport, watchdog)
    if error is not None:
        raise error
    if not steps.fired:
        raise KillNotReached(f"{path} had ended {later:g} s after its step {step} (seed {seed})")
    return steps.fired[0]


def kill_every_actor(
    run: Run,
    *,
    seed: int = 0,
    only: Sequence[str] = ("*",),
    skip: Sequence[str] = (),
    every: int = 1,
    limit: int | None = None,
    idle: float | None = 1.0,
    transport: Transport = Transport.MESSAGES,
    watchdog: float = WATCHDOG,
    max_failures: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> KillReport:
    """Kill each actor at each of its checkpoints, in a run of its own, and have the run check what comes of it.

    The run says by `with simulation.steps.installed():` in which part of it actors are killed, and asserts what it
    expects afterwards: that nothing is left, that the next call works. A first run, without a kill, must pass; it
    counts the checkpoints. All runs are the same up to the kill, so none is left out and none tried twice.

    The root of a system is not killed unless `only` names it: its end is the end of the system.

    Args:
        run: An async function of a `Simulation`, called for each run anew.
        seed: Of all runs.
        only: Patterns of the paths of the actors to kill, as of file names; `*` takes slashes too.
        skip: Patterns of those to leave alone.
        every: Kill at every so many checkpoints of an actor only, from its first.
        limit: At most so many kills of each actor, spread over its life; which of them depends on `seed`.
        idle: An actor that stands at one checkpoint for longer is killed there again after each so many seconds, for
            the others have gone on meanwhile; None to kill it only as it gets there.
        transport: What travels on the simulation's network. Messages are several times as fast as frames.
        watchdog: How long one run may take, float seconds of wall time.
        max_failures: End after so many runs that failed.
        progress: Called after each run with the number of runs made and planned.

    Returns:
        What was done, if nothing failed.

    Raises:
        ActorKillFailed: Runs failed.
        NothingToKill: There was no checkpoint of an actor that was chosen.
        ValueError: `every`, `limit`, `idle` or `max_failures` is not positive.
        BaseException: What the run without a kill raised.
    """
    for name, value in {"every": every, "limit": limit, "idle": idle, "max_failures": max_failures}.items():
        if value is not None and value <= 0:
            raise ValueError(f"{name} is positive, not {value!r}")
    began = time.perf_counter()
    counted, error = _run(run, None, seed, transport, watchdog)
    if error is not None:
        error.add_note("in the run without a kill, which has to pass first")
        raise error
    checkpoints = {
        path: steps
        for path, steps in counted.counts.items()
        if _matches(path, only, roots=counted.roots) and not _matches(path, skip)
    }
    if not checkpoints:
        raise NothingToKill(
            "no step of an actor that was chosen: the run needs `with simulation.steps.installed():` around the "
            f"part in which to kill, and {only!r} must match some of {list(counted.counts)!r}"
        )
    rng = random.Random(seed)
    plan: list[_Kill] = []
    sampled = every > 1
    for path, n_steps in checkpoints.items():
        moments = _moments(path, n_steps, every, counted.waits.get(path, ()), idle)
        chosen = _spread(moments, limit, rng)
        sampled = sampled or len(chosen) < len(moments)
        plan += chosen
    kills = dict.fromkeys(checkpoints, 0)
    failures: list[KillFailure] = []
    for done, kill in enumerate(plan, 1):
        steps, error = _run(run, kill, seed, transport, watchdog)
        kills[kill.path] += 1
        if error is not None:
            failures.append(
                KillFailure(
                    path=kill.path,
                    step=kill.step,
                    later=kill.later,
                    seed=seed,
                    transport=transport,
                    time=steps.fired[0].time if steps.fired else None,
                    error=error,
                )
            )
        if progress is not None:
            progress(done, len(plan))
        if len(failures) >= max_failures:
            break
    report = KillReport(
        seed=seed,
        transport=transport,
        checkpoints=checkpoints,
        kills=kills,
        failures=tuple(failures),
        planned=len(plan),
        sampled=sampled,
        duration=time.perf_counter() - began,
    )
    if failures:
        raise ActorKillFailed(report) from failures[0].error
    return report


@attrs.frozen
class _Kill:
    path: str
    step: int
    later: float = 0.0


def _run(
    run: Run, kill: _Kill | None, seed: int, transport: Transport, watchdog: float
) -> tuple[ActorSteps, BaseException | None]:
    """One run: the steps that were counted in it, and what it raised."""
    steps = ActorSteps()

    async def main(simulation: Simulation) -> None:
        nonlocal steps
        steps = simulation.steps
        if kill is not None:
            steps.kill_at(kill.path, kill.step, later=kill.later)
        await run(simulation)

    error: BaseException | None = None
    try:
        simulate(main, seed=seed, transport=transport, watchdog=watchdog)
    except BaseException as caught:  # noqa: ASYNC103  # what a test fails with need not be an Exception
        if _stops_all(caught):
            raise
        error = caught
    # A later one may come too late: where nothing else happened until the actor's next step, and that was its last.
    if kill is not None and kill.later == 0 and error is None and not steps.fired:
        error = KillNotReached(
            f"{kill.path} made {steps.counts.get(kill.path, 0)} steps and was to be killed after its "
            f"step {kill.step} (seed {seed}); does the run depend on something beside its seed?"
        )
    return steps, error


def _stops_all(error: BaseException) -> bool:
    group = as_group(error)
    if group is not None:
        return any(map(_stops_all, group.exceptions))
    return isinstance(error, KeyboardInterrupt | SystemExit)


def _matches(path: str, patterns: Sequence[str], *, roots: Collection[str] = ()) -> bool:
    if path in roots:
        return path in patterns
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _moments(path: str, steps: int, every: int, waits: Sequence[Wait], idle: float | None) -> list[_Kill]:
    """When to kill one actor, in order."""
    found = [_Kill(path, step) for step in range(1, steps + 1, every)]
    if idle is not None:
        for wait in waits:
            # Not at its very end, where the actor goes on.
            found += [_Kill(path, wait.step, n * idle) for n in range(1, math.ceil(wait.duration / idle))]
        found.sort(key=lambda kill: (kill.step, kill.later))
    return found


def _spread(moments: list[_Kill], limit: int | None, rng: random.Random) -> list[_Kill]:
    """At most `limit` of them, one out of each of as many stretches."""
    if limit is None or len(moments) <= limit:
        return moments
    edges = [len(moments) * at // limit for at in range(limit + 1)]
    return [moments[rng.randrange(low, high)] for low, high in itertools.pairwise(edges)]


def _text(error: BaseException) -> str:
    """An error in a few words; of a group, its members."""
    group = as_group(error)
    if group is not None:
        return "; ".join(map(_text, group.exceptions))
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
