"""Makes a failing plan of chaos small enough to be read."""

from collections.abc import Callable, Iterator, Sequence

import attrs

from ._chaos_plan import ChaosPlan, PlannedCall
from ._chaos_run import run_chaos
from ._faults import Fault, FaultPlan, call_of
from ._faults_code import simpler
from ._faults_shrink import Trials, fewest, simplest
from ._monitors_report import Violation

BUDGET = 300
# A smaller plan takes less time than the whole one; one that hangs is not waited for as long.
WATCHDOG = 120.0

Runner = Callable[[ChaosPlan], Sequence[Violation]]


def violations_of(plan: ChaosPlan) -> Sequence[Violation]:
    """Run a plan; what was found."""
    return run_chaos(plan, watchdog=WATCHDOG).violations


def shrink_chaos(
    plan: ChaosPlan,
    violation: Violation,
    *,
    call: int | None = None,
    runner: Runner = violations_of,
    budget: int = BUDGET,
) -> ChaosPlan:
    """Find a smaller plan in which the same invariant is violated, always the same one.

    Args:
        plan: One in which it is.
        violation: The first one that was found.
        call: The number of the call that it was found on, where that is known.
        runner: Runs a plan; what was found.
        budget: At most so many runs.
    """

    def fails(smaller: ChaosPlan) -> bool:
        return any(found.invariant == violation.invariant for found in runner(smaller))

    trials = Trials(fails, budget)
    best = plan.only(tuple(planned for planned in plan.calls if planned.number == call))
    if not best.calls or not trials.fails(best):
        best = plan
    kept_calls = fewest(best.calls, lambda calls: trials.fails(best.only(tuple(calls))))
    best = best.only(tuple(kept_calls))
    some = best.faults.faults
    faults: list[Fault] = fewest(
        some, lambda fewer: trials.fails(attrs.evolve(best, faults=FaultPlan(tuple(fewer))))
    )
    for number in range(len(faults)):
        faults = simplest(
            faults,
            number,
            _simpler,
            lambda those: trials.fails(attrs.evolve(best, faults=FaultPlan(tuple(those)))),
        )
    best = attrs.evolve(best, faults=FaultPlan(tuple(faults)))
    for number in range(len(best.calls)):
        best = _fewer_steps(best, number, trials)
    return best


def _simpler(fault: Fault) -> Iterator[Fault]:
    return simpler(fault)


def _fewer_steps(plan: ChaosPlan, number: int, trials: Trials) -> ChaosPlan:
    call = plan.calls[number]

    def with_call(changed: PlannedCall) -> ChaosPlan:
        return attrs.evolve(plan, calls=(*plan.calls[:number], changed, *plan.calls[number + 1 :]))

    steps = fewest(call.steps, lambda fewer: trials.fails(with_call(attrs.evolve(call, steps=tuple(fewer)))))
    call = attrs.evolve(call, steps=tuple(steps))
    # Earlier, if nothing has to come before it; what goes wrong on all calls has times of its own.
    shared = any(call_of(fault) is None for fault in plan.faults)
    if call.at and len(plan.calls) == 1 and not shared:
        at_once = attrs.evolve(call, at=0.0)
        call = at_once if trials.fails(with_call(at_once)) else call
    return with_call(call)
