"""Slopes, the table and the verdict of a soak, from samples made up here."""

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from programs import ProcessFigures
from soak_callers import WEIGHTS
from soak_figures import (
    BLOCKS_ALLOWANCE,
    BLOCKS_LIMIT,
    LEAST_POINTS,
    RSS_ALLOWANCE,
    RSS_LIMIT,
    SERIES,
    Sample,
    Slope,
    complaints,
    growth,
    least_squares,
    parse_metrics,
    row_of,
    table,
    warm,
)

METRICS = {
    "callboard_calls_taken_total": 0.0,
    "callboard_python_memory_blocks": 290_000.0,
    "callboard_tasks": 11.0,
    "callboard_actors": 5.0,
}


def process(rss_kb: float = 64_000, handles: int = 9) -> ProcessFigures:
    return ProcessFigures(rss=round(rss_kb * 1024), handles=handles, threads=2, cpu=1.0)


def sample(
    round_: int, *, idle: bool = True, rss_kb: float = 64_000, handles: int = 9, **metrics: float
) -> Sample:
    """A sample at the end of a round of a minute with a hundred calls."""
    given = {f"callboard_{name}": value for name, value in metrics.items()}
    return Sample(
        at=round_ * 60.0,
        idle=idle,
        round=round_,
        server=process(rss_kb, handles),
        provider=process(),
        metrics={**METRICS, "callboard_calls_taken_total": round_ * 100.0, **given},
    )


def run(make: Callable[[int], Sample], rounds: int = 10) -> list[Sample]:
    return [make(number) for number in range(rounds + 1)]


def test_least_squares_finds_a_line_exactly() -> None:
    slope = least_squares((x, 3 * x + 7) for x in (0.0, 1.0, 4.0, 9.0))
    assert slope is not None
    assert slope.slope == pytest.approx(3)
    assert slope.error == pytest.approx(0, abs=1e-9)
    assert slope.n == 4


def test_least_squares_agrees_with_a_fit_done_by_hand() -> None:
    # Mean of x 2, of y 8/3; sum of products 4, of squares 8; residuals 1/3, -2/3, 1/3.
    slope = least_squares([(0.0, 2.0), (2.0, 2.0), (4.0, 4.0)])
    assert slope is not None
    assert slope.slope == pytest.approx(0.5)
    assert slope.error == pytest.approx(math.sqrt((6 / 9) / 1 / 8))


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(2.0, 1.0), (2.0, 5.0)]])
def test_least_squares_of_no_two_places_is_nothing(points: list[tuple[float, float]]) -> None:
    assert least_squares(points) is None


def test_two_points_prove_nothing() -> None:
    slope = least_squares([(0.0, 0.0), (1.0, 1e9)])
    assert slope is not None
    assert not slope.beyond(0)


@pytest.mark.parametrize(("error", "beyond"), [(0.0, True), (49.0, True), (51.0, False)])
def test_a_slope_is_beyond_its_limit_by_more_than_twice_its_error(error: float, beyond: bool) -> None:
    assert Slope(slope=200.0, error=error, n=9, span=1.0).beyond(100.0) is beyond


def test_metrics_are_read_and_comments_are_not() -> None:
    assert parse_metrics("# TYPE a gauge\na 1\n\nb_total 2.5e-3\n") == {"a": 1.0, "b_total": 0.0025}


@pytest.mark.parametrize("line", ["a", "a b", 'a{b="c"} x'])
def test_metrics_that_are_none_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected a name and a number"):
        parse_metrics(line)


def test_a_steady_server_is_not_complained_of() -> None:
    assert complaints(run(sample)) == []


def test_noise_alone_is_not_complained_of() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        noisy = run(lambda number, rng=rng: sample(number, rss_kb=64_000 + rng.uniform(-400, 400)))  # type: ignore[misc]
        assert complaints(noisy) == []


def test_memory_that_grows_with_the_calls_is_complained_of() -> None:
    kb_per_call = 2 * RSS_LIMIT / 1000
    leaking = run(lambda number: sample(number, rss_kb=64_000 + number * 100 * kb_per_call), rounds=20)
    (found,) = complaints(leaking)
    assert found.startswith("server: memory, kB: grows by 4,096 ± 0 for 1000 calls")


def test_steep_growth_that_is_short_is_forgiven() -> None:
    # Over the eight rounds after the warm-up.
    for growth_kb, n_complaints in ((RSS_ALLOWANCE * 0.99, 0), (RSS_ALLOWANCE * 1.01, 1)):
        per_round = growth_kb / 8
        grown = run(lambda number, kb=per_round: sample(number, rss_kb=64_000 + kb * number))  # type: ignore[misc]
        assert len(complaints(grown)) == n_complaints


def test_one_block_for_each_call_is_complained_of() -> None:
    (found,) = complaints(run(lambda number: sample(number, python_memory_blocks=290_000 + number * 100.0)))
    assert found.startswith("server: Python's memory blocks: grows by 1,000")
    assert BLOCKS_LIMIT < 1000


def test_what_grows_while_it_gets_warm_is_forgiven() -> None:
    assert complaints(run(lambda number: sample(number, rss_kb=64_000 + 9000 * min(number, 2)))) == []


def test_growth_is_not_judged_from_too_few_idle_moments() -> None:
    rounds = LEAST_POINTS
    grown = run(lambda number: sample(number, rss_kb=64_000 + number * 5000.0), rounds=rounds)
    assert len(warm(grown)) == LEAST_POINTS - 1
    assert complaints(grown) == []
    grown = run(lambda number: sample(number, rss_kb=64_000 + number * 5000.0), rounds=rounds + 1)
    assert len(complaints(grown)) == 1


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        ({"handles": 10}, "server: handles"),
        ({"tasks": 12.0}, "server: tasks"),
        ({"actors": 6.0}, "server: actors"),
    ],
)
def test_what_does_not_come_back_is_complained_of_even_once(leak: dict[str, float], name: str) -> None:
    samples = run(sample, rounds=3)
    samples[2] = sample(2, **leak)  # type: ignore[arg-type]
    (found,) = complaints(samples)
    assert found.startswith(f"{name}: ")
    assert "after round 2" in found


def test_what_is_up_while_calls_are_is_not_complained_of() -> None:
    samples = run(sample, rounds=3)
    samples.insert(2, sample(1, idle=False, handles=90, tasks=300.0, actors=99.0))
    assert complaints(samples) == []
    handles = next(series for series in SERIES if series.name == "server: handles")
    row = row_of(handles, samples)
    assert (row.before, row.first, row.last, row.highest) == (9, 9, 9, 90)


def test_slopes_are_for_an_hour_and_for_a_thousand_calls() -> None:
    memory = SERIES[0]
    row = row_of(memory, run(lambda number: sample(number, rss_kb=64_000 + number * 10.0)))
    assert row.per_hour is not None
    assert row.per_1000_calls is not None
    assert row.per_hour.slope == pytest.approx(600, rel=1e-3)
    assert row.per_1000_calls.slope == pytest.approx(100, rel=1e-3)
    # Ten rounds, the first two of them warm-up.
    assert row.per_hour.n == 9


def test_the_table_has_a_row_for_each_figure_and_no_slope_from_too_few_points() -> None:
    lines = table(run(sample))
    assert len(lines) == 2 + len(SERIES)
    assert len({line.count("|") for line in lines}) == 1
    assert "+0 ± 0" in lines[2]
    assert table(run(sample, rounds=2))[2].endswith("| - | - |")


def test_types_that_grow_are_named_and_those_that_wobble_are_not() -> None:
    before = {"a.Call": 1, "builtins.dict": 100, "gone": 5}
    after = {"a.Call": 31, "builtins.dict": 102, "new": 9}
    assert growth(before, after, rounds=5) == ["a.Call: +30", "new: +9"]
    assert growth(before, after, rounds=5, limit=1) == ["a.Call: +30"]


def test_the_page_on_the_soak_states_the_limits_and_the_manners_that_are() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "soak.md").read_text(encoding="utf-8")
    assert f"{RSS_LIMIT:,.0f} kB for 1000 calls, and by more than {RSS_ALLOWANCE:,.0f} kB" in page
    assert f"{BLOCKS_LIMIT:,.0f} for 1000 calls, and by more than {BLOCKS_ALLOWANCE:,.0f} in" in page
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|$", page, re.MULTILINE)
    assert f"parts of {sum(WEIGHTS.values())} |" in page
    assert sorted(int(weight) for _, weight in rows) == sorted(WEIGHTS.values())
    for text, weight in rows:
        (manner,) = [manner for manner in WEIGHTS if text.startswith(manner.value)]
        assert WEIGHTS[manner] == int(weight)
