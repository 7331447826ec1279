"""Runs of chaos for a notebook: quick callers by the thousand, and the smallest plan that still goes wrong."""

import hashlib
import logging
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import attrs

from callboard.testing import (
    CallerKind,
    ChaosOptions,
    ChaosPlan,
    ChaosReport,
    Violation,
    make_plan,
    random_caller,
    run_chaos,
    shrink_chaos,
)

QUICK = (CallerKind.SHORT, CallerKind.EARLY, CallerKind.HASTY, CallerKind.RUDE)


def quick_plan(options: ChaosOptions, kinds: Sequence[CallerKind] = QUICK) -> ChaosPlan:
    """A plan of chaos in which only some kinds of callers phone, so that many calls take little time.

    Args:
        options: As for `make_plan`, which makes the faults.
        kinds: The kinds of callers; those whose calls are short if left out.
    """
    plan = make_plan(options)
    rng = random.Random(options.seed)
    calls = [
        attrs.evolve(call, steps=caller.steps, kind=caller.kind.value)
        for call in plan.calls
        for caller in (random_caller(rng, kinds),)
    ]
    return attrs.evolve(plan, calls=tuple(calls))


def run_plans(plans: Sequence[ChaosPlan], *, workers: int | None = None) -> ChaosReport:
    """Run plans of chaos side by side, each in a process, and put what came of them together.

    Args:
        plans: Several, each with a seed of its own: the same plans are the same runs.
        workers: How many at a time; as many as there are processors if None.

    Returns:
        One report; its `seconds` are those of all runs, its `wall` is the time this took.
    """
    # Spawned, for a process with threads must not be forked.
    context = multiprocessing.get_context("spawn")
    n_workers = max(1, min(len(plans), workers or os.cpu_count() or 1))
    with ProcessPoolExecutor(n_workers, mp_context=context) as pool:
        return together(pool.map(_run_quietly, plans))


def _run_quietly(plan: ChaosPlan) -> ChaosReport:
    # What goes wrong here is meant to.
    logging.getLogger("callboard").addHandler(logging.NullHandler())
    return run_chaos(plan)


def together(reports: Iterable[ChaosReport]) -> ChaosReport:
    """One report of several runs."""
    began_at = time.perf_counter()
    whole: ChaosReport | None = None
    digest = hashlib.blake2b(digest_size=16)
    for report in reports:
        digest.update(report.digest.encode())
        if whole is None:
            whole = report
            continue
        for name in ("calls", "call_seconds", "seconds", "kills", "probes", "failovers", "n_lines"):
            setattr(whole, name, getattr(whole, name) + getattr(report, name))
        for name in ("ends", "callers", "faults", "checked"):
            getattr(whole, name).update(getattr(report, name))
        whole.most_at_once = max(whole.most_at_once, report.most_at_once)
        whole.violations += report.violations
        for what, values in report.recoveries.items():
            whole.recoveries.setdefault(what, []).extend(values)
    if whole is None:
        raise ValueError("there was no run")
    whole.wall = time.perf_counter() - began_at
    whole.digest = digest.hexdigest()
    return whole


def smallest_plan(
    plan: ChaosPlan, wrong: Callable[[ChaosReport], bool], *, budget: int = 60
) -> tuple[ChaosPlan, int]:
    """Make a plan in which something is wrong as small as it gets: calls, faults and steps that do not matter go.

    Args:
        plan: One in which it is wrong.
        wrong: Says so, of the report of a run.
        budget: At most so many runs.

    Returns:
        The plan, and how many runs it took.

    Raises:
        ValueError: In this plan it is not wrong.
    """
    runs = 0
    found = Violation(invariant="yours", text="what you said is wrong")

    def run(smaller: ChaosPlan) -> Sequence[Violation]:
        nonlocal runs
        runs += 1
        return [found] if wrong(run_chaos(smaller)) else []

    if not run(plan):
        raise ValueError("in this plan it is not wrong: there is nothing to make smaller")
    return shrink_chaos(plan, found, runner=run, budget=budget), runs
