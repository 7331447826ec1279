"""Chaos for a notebook: quick callers, runs put together, the smallest plan that still goes wrong."""

import pytest

from callboard.notebook import ChaosTable, quick_plan, recovery_plot, smallest_plan
from callboard.notebook._chaos_lab import together
from callboard.testing import CallerKind, ChaosOptions, run_chaos


def test_a_quick_plan_has_the_faults_of_its_seed_and_callers_of_some_kinds() -> None:
    options = ChaosOptions(calls=8, minutes=1, seed=3)
    plan = quick_plan(options, [CallerKind.EARLY])
    assert {call.kind for call in plan.calls} == {"early"}
    assert str(plan) == str(quick_plan(options, [CallerKind.EARLY]))


def test_runs_are_put_together() -> None:
    plans = [quick_plan(ChaosOptions(calls=2, minutes=0.5, seed=seed), [CallerKind.EARLY]) for seed in (1, 2)]
    one, two = (run_chaos(plan) for plan in plans)
    calls, checked = one.calls + two.calls, one.checked["I1"] + two.checked["I1"]
    whole = together(iter([one, two]))
    assert (whole.calls, whole.checked["I1"]) == (calls, checked)
    assert "calls" in str(ChaosTable(whole))
    assert "I1" in ChaosTable(whole)._repr_html_()
    whole.recovered("actor", 0.2)
    assert recovery_plot(whole)._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no run"):
        together(iter([]))


def test_a_plan_is_made_small() -> None:
    plan = quick_plan(ChaosOptions(calls=4, minutes=0.5, seed=1), [CallerKind.EARLY])
    small, runs = smallest_plan(plan, lambda report: report.calls > 0, budget=20)
    assert len(small.calls) == 1
    assert len(small.faults) == 0
    assert runs > 1
    with pytest.raises(ValueError, match="not wrong"):
        smallest_plan(plan, lambda report: report.calls > 100)
