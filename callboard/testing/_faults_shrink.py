"""Makes a failing plan small: what is not needed for the failure is left out."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ._faults import FaultPlan
from ._faults_code import as_code, simpler

T = TypeVar("T")

BUDGET = 200


class Trials:
    """Tries things, each of them once, as long as there are trials left.

    Args:
        fails: Whether something still fails.
        budget: So many trials.
    """

    def __init__(self, fails: Callable[[T], bool], budget: int) -> None:
        self._fails: Callable[..., bool] = fails
        self._known: dict[str, bool] = {}
        self.left = budget

    def fails(self, value: object) -> bool:
        """Whether it fails; False for what cannot be tried any more."""
        code = as_code(value)
        if code not in self._known:
            if self.left <= 0:
                return False
            self.left -= 1
            self._known[code] = self._fails(value)
        return self._known[code]


def shrink(plan: FaultPlan, fails: Callable[[FaultPlan], bool], *, budget: int = BUDGET) -> FaultPlan:
    """Find a smaller plan that still fails, always the same one.

    Args:
        plan: One that fails.
        fails: Runs a plan, and tells whether it fails in the same way. Called with plans that were not tried before.
        budget: At most so often.

    Returns:
        A plan that fails and of which, if the budget was enough, no fault can be left out.
    """
    trials = Trials(fails, budget)
    faults = fewest(plan.faults, lambda fewer: trials.fails(FaultPlan(tuple(fewer))))
    for number in range(len(faults)):
        faults = simplest(faults, number, simpler, lambda those: trials.fails(FaultPlan(tuple(those))))
    return FaultPlan(tuple(faults))


def fewest(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Leave out what can be left out, in large parts first (delta debugging).

    Args:
        items: With all of them it fails.
        fails: Whether it does with only these.
    """
    kept = list(items)
    if kept and fails([]):
        return []
    size = max(1, len(kept) // 2)
    while kept:
        removed = False
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if len(rest) < len(kept) and rest and fails(rest):
                kept, removed = rest, True
            else:
                start += size
        if size == 1 and not removed:
            break
        if size > 1 or not removed:
            size = max(1, size // 2)
    return kept


def simplest(
    items: Sequence[T],
    number: int,
    simpler: Callable[[T], Iterable[T]],
    fails: Callable[[list[T]], bool],
) -> list[T]:
    """Replace one item by one that says less, again and again, as long as it fails.

    Args:
        items: With these it fails.
        number: Which one.
        simpler: What says less than an item.
        fails: Whether it does with other ones.
    """
    kept = list(items)
    found = True
    while found:
        found = False
        for less in simpler(kept[number]):
            tried = [*kept[:number], less, *kept[number + 1 :]]
            if fails(tried):
                kept, found = tried, True
                break
    return kept
