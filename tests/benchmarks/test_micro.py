"""Each of the small things that are timed works, and the tables are made."""

from pathlib import Path

import attrs
import pytest

import micro
from micro_kit import Case, Timing, measure, plain
from micro_pacer import measure_lateness
from results import load


@pytest.mark.parametrize("case", micro.CASES, ids=lambda case: f"{case.group}: {case.name}")
def test_a_case_can_be_timed(case: Case) -> None:
    assert case.batch(2) >= 0


def test_a_batch_is_long_enough_for_the_clock() -> None:
    timing = measure(Case(group="g", name="n", batch=plain(lambda: sum(range(50)))), seconds=0.002, batches=2)
    assert timing.times > 10
    assert 0 < timing.best <= timing.median
    assert Timing.read(attrs.asdict(timing)) == timing


def test_names_are_told_apart() -> None:
    names = [(case.group, case.name) for case in micro.CASES]
    assert len(set(names)) == len(names)


def test_both_ways_of_pacing_tick() -> None:
    found = measure_lateness((1, 3), 0.2)
    assert [(one.way, one.calls) for one in found] == [
        ("wheel", 1),
        ("a timer each", 1),
        ("wheel", 3),
        ("a timer each", 3),
    ]
    assert all(0 <= one.p50 <= one.p99 <= one.worst for one in found)


def test_the_command_leaves_tables_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert micro.main(["--quick", "--only", "Twilio", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "| Twilio: decode media |" in shown
    content = load(tmp_path / "micro.json")
    assert micro.report(content) in shown
    assert content["machine"]
    with pytest.raises(SystemExit):
        micro.main(["--only", "nothing"])
