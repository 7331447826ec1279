"""The arithmetic of a soak: samples in, slopes and complaints out. Nothing here waits or reads anything."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from programs import ProcessFigures

# Of the server's resident memory, kB for 1000 calls, once it is warm.
RSS_LIMIT = 2048.0
# Python takes memory in arenas of 1 MiB and gives one back when nothing is left in it, so that the size of an idle
# process wanders by one or two of them. Less growth than this in the whole run proves nothing.
RSS_ALLOWANCE = 3072.0
# Of what Python's allocator has given out after a collection, blocks for 1000 calls: a leak of one small object
# for each call is 1000 of them.
BLOCKS_LIMIT = 500.0
# Half of it is what an idle server is mostly seen to wander by. Now and then some hundreds of deadlines that trio has
# not thrown away yet make it more, which is what the standard error is for.
BLOCKS_ALLOWANCE = 100.0
# A slope that stands on fewer idle moments than this says nothing.
LEAST_POINTS = 4
# The part of a run, and the fewest rounds, that are left out of the slopes: caches fill, the allocator grows.
WARM_UP = 0.2


@attrs.frozen(kw_only=True)
class Sample:
    """A look at the two programs."""

    at: float
    """Float seconds since the first call could begin."""
    idle: bool
    """No call was up, and garbage had been collected."""
    round: int
    """Which round, from 1; 0 is before the first call."""
    server: ProcessFigures
    provider: ProcessFigures
    metrics: Mapping[str, float]
    """What the server tells at /metrics."""

    @property
    def calls(self) -> float:
        """Calls taken so far."""
        return self.metrics["callboard_calls_taken_total"]


@attrs.frozen(kw_only=True)
class Slope:
    """A straight line through points, by least squares."""

    slope: float
    error: float
    """Its standard error; infinite where two points say nothing about it."""
    n: int
    """How many points."""
    span: float
    """From the first x to the last."""

    @property
    def growth(self) -> float:
        """By how much y grew over the points."""
        return self.slope * self.span

    def beyond(self, limit: float) -> bool:
        """Whether it is steeper than a limit by more than chance explains: twice its standard error."""
        return self.slope - 2 * self.error > limit


def least_squares(points: Iterable[tuple[float, float]]) -> Slope | None:
    """Fit a line.

    Args:
        points: Pairs of x and y.

    Returns:
        Its slope, y per x; None where there are not two different x.
    """
    given = list(points)
    n = len(given)
    if n < 2:
        return None
    mean_x, mean_y = math.fsum(x for x, _ in given) / n, math.fsum(y for _, y in given) / n
    spread = math.fsum((x - mean_x) ** 2 for x, _ in given)
    if spread == 0:
        return None
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in given) / spread
    span = max(x for x, _ in given) - min(x for x, _ in given)
    if n == 2:
        return Slope(slope=slope, error=math.inf, n=n, span=span)
    rest = math.fsum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in given)
    return Slope(slope=slope, error=math.sqrt(rest / (n - 2) / spread), n=n, span=span)


def parse_metrics(text: str) -> dict[str, float]:
    """Read what `/metrics` answers; labels are not expected.

    Raises:
        ValueError: A line is not a name and a number.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, value = line.partition(" ")
        try:
            found[name] = float(value)
        except ValueError:
            raise ValueError(f"metric {line[:80]!r}, expected a name and a number") from None
    return found


@attrs.frozen(kw_only=True)
class Series:
    """One figure through a run."""

    name: str
    of: Callable[[Sample], float]
    must_return: bool = False
    """At every idle moment it is what it was before the first call, or lower."""
    limit: float | None = None
    """The steepest slope for 1000 calls."""
    allowance: float = 0.0
    """Growth over the whole run that is forgiven however steep it is."""


def _metric(name: str) -> Callable[[Sample], float]:
    return lambda sample: sample.metrics[name]


SERIES = (
    Series(
        name="server: memory, kB",
        of=lambda sample: sample.server.rss / 1024,
        limit=RSS_LIMIT,
        allowance=RSS_ALLOWANCE,
    ),
    Series(
        name="server: Python's memory blocks",
        of=_metric("callboard_python_memory_blocks"),
        limit=BLOCKS_LIMIT,
        allowance=BLOCKS_ALLOWANCE,
    ),
    Series(name="server: handles", of=lambda sample: sample.server.handles, must_return=True),
    Series(name="server: tasks", of=_metric("callboard_tasks"), must_return=True),
    Series(name="server: actors", of=_metric("callboard_actors"), must_return=True),
    Series(name="server: threads", of=lambda sample: sample.server.threads),
    Series(name="provider: memory, kB", of=lambda sample: sample.provider.rss / 1024),
    Series(name="provider: handles", of=lambda sample: sample.provider.handles, must_return=True),
)


def warm(samples: Sequence[Sample]) -> list[Sample]:
    """The idle samples that slopes are made of: the warm-up is left out."""
    idle = [sample for sample in samples if sample.idle and sample.round > 0]
    end = samples[-1].at * WARM_UP if samples else 0.0
    # The first round loads what is loaded on first use.
    return [sample for sample in idle if sample.round > 1 and sample.at >= end]


@attrs.frozen(kw_only=True)
class Row:
    """One figure of a run in the table; a slope is None where there are too few idle moments."""

    name: str
    before: float
    """Idle, before the first call."""
    first: float
    """At the first idle moment after the warm-up."""
    last: float
    """At the last one."""
    highest: float
    """Of all samples."""
    per_hour: Slope | None
    per_1000_calls: Slope | None


def row_of(series: Series, samples: Sequence[Sample]) -> Row:
    """Sum a series up.

    Args:
        series: Which figure.
        samples: In order; the first is the idle moment before the first call.
    """
    points = warm(samples)
    idle = [sample for sample in samples if sample.idle]
    steady = points or idle
    value = series.of
    return Row(
        name=series.name,
        before=value(samples[0]),
        first=value(steady[0]),
        last=value(steady[-1]),
        highest=max(value(sample) for sample in samples),
        per_hour=least_squares((sample.at / 3600, value(sample)) for sample in points),
        per_1000_calls=least_squares((sample.calls / 1000, value(sample)) for sample in points),
    )


def complaints(samples: Sequence[Sample], series: Sequence[Series] = SERIES) -> list[str]:
    """What is wrong with a run; nothing, if it is empty.

    Args:
        samples: In order; the first is the idle moment before the first call.
        series: The figures to judge.
    """
    found: list[str] = []
    for one in series:
        if one.must_return:
            before = one.of(samples[0])
            above = [sample for sample in samples if sample.idle and one.of(sample) > before]
            if above:
                worst = max(above, key=one.of)
                found.append(
                    f"{one.name}: {one.of(worst):g} after round {worst.round}, {before:g} before the first call, "
                    f"more than that after {len(above)} rounds"
                )
        slope = row_of(one, samples).per_1000_calls
        if one.limit is None or slope is None or slope.n < LEAST_POINTS:
            continue
        if slope.beyond(one.limit) and slope.growth > one.allowance:
            found.append(
                f"{one.name}: grows by {slope.slope:,.0f} ± {2 * slope.error:,.0f} for 1000 calls, "
                f"at most {one.limit:,.0f} are allowed"
            )
    return found


def table(samples: Sequence[Sample], series: Sequence[Series] = SERIES) -> list[str]:
    """The figures of a run as lines of text, the table in Markdown."""
    lines = [
        "| | before | warm | end | highest | per hour | per 1000 calls |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in series:
        row = row_of(one, samples)
        cells = [f"{number:,.0f}" for number in (row.before, row.first, row.last, row.highest)]
        cells += [_slope(slope) for slope in (row.per_hour, row.per_1000_calls)]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return lines


def _slope(slope: Slope | None) -> str:
    if slope is None or slope.n < LEAST_POINTS:
        return "-"
    return f"{slope.slope:+,.0f} ± {2 * slope.error:,.0f}"


def growth(before: Mapping[str, int], after: Mapping[str, int], rounds: int, limit: int = 12) -> list[str]:
    """Which types of objects became more, the fastest first.

    Args:
        before: Objects by type, at an idle moment.
        after: The same, later.
        rounds: How many rounds lie between: what grew by less than one for each is left out.
        limit: The most lines.
    """
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    found = sorted((item for item in grown.items() if item[1] >= max(1, rounds)), key=lambda item: -item[1])
    return [f"{name}: {count:+,}" for name, count in found[:limit]]
