"""Kill every actor at every checkpoint, one run each."""

import fnmatch
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import attrs

from callboard.actors._exit import as_group

from ._determinism import WATCHDOG, Simulation, simulate
from ._network import Transport
from ._steps import ActorSteps, StepKill

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
    seed: int
    transport: Transport
    time: float | None
    """When the actor was killed, float seconds of trio's clock; None if it was not."""
    error: BaseException = attrs.field(eq=False)
    """What the run raised."""

    def __str__(self) -> str:
        when = "" if self.time is None else f" ({self.time:.3f} s into the run)"
        return (
            f"killing {self.path} after its step {self.step}{when}, seed {self.seed}, "
            f"{self.transport.value}: {_text(self.error)}"
        )


@attrs.frozen(kw_only=True)
class KillReport:
    """What came of killing actors."""

    seed: int
    transport: Transport
    checkpoints: Mapping[str, int]
    """By the path of each actor that was chosen: the steps it makes in a run without a kill."""
    kills: Mapping[str, int]
    """By path: in how many runs it was killed."""
    failures: tuple[KillFailure, ...]
    complete: bool
    """Whether every run that was planned was made; too many failures end it early."""
    duration: float
    """Of all runs, float seconds of wall time."""

    @property
    def runs(self) -> int:
        """How many runs had a kill."""
        return sum(self.kills.values())

    @property
    def exhaustive(self) -> bool:
        """Whether each chosen actor was killed at each of its checkpoints."""
        return dict(self.kills) == dict(self.checkpoints)

    def render(self) -> str:
        """A table of the actors, and below it the failures."""
        failed = {path: sum(one.path == path for one in self.failures) for path in self.checkpoints}
        width = max(len("actor"), *map(len, self.checkpoints))
        rows = [f"{'actor':{width}}  checkpoints  killed  failed"]
        rows += [
            f"{path:{width}}  {steps:11}  {self.kills.get(path, 0):6}  {failed[path]:6}"
            for path, steps in self.checkpoints.items()
        ]
        total = sum(self.checkpoints.values())
        rows.append(f"{'all':{width}}  {total:11}  {self.runs:6}  {len(self.failures):6}")
        how = "every checkpoint" if self.exhaustive else "a sample" if self.complete else "ended early"
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
    seed: int = 0,
    transport: Transport = Transport.MESSAGES,
    watchdog: float = WATCHDOG,
) -> StepKill:
    """One run in which one actor is killed: to look closer at what `kill_every_actor` found.

    Args:
        run: See `kill_every_actor`, as for `seed`, `transport` and `watchdog`.
        path: The actor's.
        step: After which of its steps.

    Returns:
        The kill.

    Raises:
        KillNotReached: The actor did not come to that step.
        BaseException: What the run raised.
    """
    steps, error = _run(run, (path, step), seed, transport, watchdog)
    if error is not None:
        raise error
    return steps.fired[0]


def kill_every_actor(
    run: Run,
    *,
    seed: int = 0,
    only: Sequence[str] = ("*",),
    skip: Sequence[str] = (),
    every: int = 1,
    limit: int | None = None,
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
        limit: At most so many of each actor, spread over its life; which of them depends on `seed`.
        transport: What travels on the simulation's network. Messages are several times as fast as frames.
        watchdog: How long one run may take, float seconds of wall time.
        max_failures: End after so many runs that failed.
        progress: Called after each run with the number of runs made and planned.

    Returns:
        What was done, if nothing failed.

    Raises:
        ActorKillFailed: Runs failed.
        NothingToKill: There was no checkpoint of an actor that was chosen.
        ValueError: A number is not positive.
        BaseException: What the run without a kill raised.
    """
    if every < 1 or max_failures < 1 or (limit is not None and limit < 1):
        raise ValueError(
            f"every, limit and max_failures are at least 1, not {every!r}, {limit!r} and {max_failures!r}"
        )
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
    plan = [(path, step) for path, n in checkpoints.items() for step in _chosen(n, every, limit, rng)]
    kills = dict.fromkeys(checkpoints, 0)
    failures: list[KillFailure] = []
    for done, (path, step) in enumerate(plan, 1):
        steps, error = _run(run, (path, step), seed, transport, watchdog)
        kills[path] += 1
        if error is not None:
            failures.append(
                KillFailure(
                    path=path,
                    step=step,
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
        complete=sum(kills.values()) == len(plan),
        duration=time.perf_counter() - began,
    )
    if failures:
        raise ActorKillFailed(report) from failures[0].error
    return report


def _run(
    run: Run, kill: tuple[str, int] | None, seed: int, transport: Transport, watchdog: float
) -> tuple[ActorSteps, BaseException | None]:
    """One run: the steps that were counted in it, and what it raised."""
    steps = ActorSteps()

    async def main(simulation: Simulation) -> None:
        nonlocal steps
        steps = simulation.steps
        if kill is not None:
            steps.kill_at(*kill)
        await run(simulation)

    error: BaseException | None = None
    try:
        simulate(main, seed=seed, transport=transport, watchdog=watchdog)
    except BaseException as caught:  # noqa: ASYNC103  # what a test fails with need not be an Exception
        if _stops_all(caught):
            raise
        error = caught
    if kill is not None and error is None and not steps.fired:
        path, step = kill
        error = KillNotReached(
            f"{path} made {steps.counts.get(path, 0)} steps and was to be killed after its step {step} (seed {seed}); "
            "does the run depend on something beside its seed?"
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


def _chosen(n: int, every: int, limit: int | None, rng: random.Random) -> Sequence[int]:
    """Which of the steps 1 to n."""
    steps = range(1, n + 1, every)
    if limit is None or len(steps) <= limit:
        return steps
    # One out of each of `limit` stretches.
    edges = [len(steps) * at // limit for at in range(limit + 1)]
    return [steps[rng.randrange(low, high)] for low, high in itertools.pairwise(edges)]


def _text(error: BaseException) -> str:
    """An error in a few words; of a group, its members."""
    group = as_group(error)
    if group is not None:
        return "; ".join(map(_text, group.exceptions))
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
