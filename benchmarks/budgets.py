"""What callboard is to cost and how prompt it is to be, and what of it was measured."""

from collections.abc import Callable, Mapping
from typing import cast

import attrs

from call_cost_report import good_runs, ratios
from results import Json, median, number, numbers, table
from systems import CONFIGS

Results = Mapping[str, Json]
"""By the name of the benchmark."""


@attrs.frozen(kw_only=True)
class Budget:
    """One promise."""

    what: str
    limit: float
    measured: Callable[[Results], float | None]
    """None where nothing was measured."""
    unit: str = ""
    digits: int = 2
    at_least: bool = False
    """The measured value is to be at least the limit, not at most."""

    def row(self, results: Results) -> list[str]:
        """For a table."""
        word = "at least" if self.at_least else "at most"
        value = self.measured(results)
        if value is None:
            shown, verdict = "-", "not measured"
        else:
            shown = f"{value:.{self.digits}f} {self.unit}".strip()
            met = value >= self.limit if self.at_least else value <= self.limit
            verdict = "met" if met else "missed"
        return [self.what, f"{word} {self.limit:g} {self.unit}".strip(), shown, verdict]


def _runs(results: Results, name: str, config: str) -> list[Json]:
    return [run for run in good_runs(results[name]) if run["config"] == config] if name in results else []


def _ratio(system: str, base: str, config: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        found = ratios(_runs(results, "call_cost", config), system, base)
        return median(found) if found else None

    return measured


def _figure(key: str, name: str, config: str, *, above: str = "") -> Callable[[Results], float | None]:
    """A figure of callboard; less that of another system of the same run, where one is named."""

    def of(runs: list[Json], system: str) -> float | None:
        values = numbers(cast("Json", run["figures"])[key] for run in runs if run["system"] == system)
        return median(values) if values else None

    def measured(results: Results) -> float | None:
        runs = _runs(results, name, config)
        value, other = of(runs, "callboard"), of(runs, above) if above else 0.0
        return None if value is None or other is None else value - other

    return measured


def _stale(results: Results) -> float | None:
    runs = [run for config in CONFIGS for run in _runs(results, "call_cost", config)]
    mine = [cast("Json", run["figures"]) for run in runs if run["system"] == "callboard"]
    return sum(number(one["stale_messages"]) for one in mine) if mine else None


def _own(key: str, scale: float) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        mine = [run for run in _runs(results, "call_cost", "passthrough") if run["system"] == "callboard"]
        return median(numbers(run[key] for run in mine)) / scale if mine else None

    return measured


def _capacity(results: Results) -> float | None:
    for one in cast("list[Json]", results.get("capacity", {}).get("capacity", [])):
        if (one["system"], one["config"]) == ("callboard", "passthrough"):
            return number(one["good"])
    return None


def _speed(transport: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        speeds = [
            number(run["call_seconds"]) / number(run["cpu"])
            for run in cast("list[Json]", results.get("simulation", {}).get("runs", []))
            if run["transport"] == transport and run["caller"] == "a question each minute"
        ]
        return median(speeds) if speeds else None

    return measured


BUDGETS = (
    Budget(
        what="CPU of a call, pass-through, against the bare relay",
        limit=1.0,
        measured=_ratio("callboard", "relay", "passthrough"),
    ),
    Budget(
        what="CPU of a call, pass-through, against Pipecat",
        limit=0.35,
        measured=_ratio("callboard", "pipecat", "passthrough"),
    ),
    Budget(
        what="uplink delay p50 above the relay's, 20 calls",
        limit=1.0,
        unit="ms",
        measured=_figure("uplink_p50", "call_cost", "passthrough", above="relay"),
    ),
    Budget(
        what="uplink delay p99 above the relay's, 20 calls",
        limit=5.0,
        unit="ms",
        measured=_figure("uplink_p99", "call_cost", "passthrough", above="relay"),
    ),
    Budget(
        what="uplink delay p99, 100 calls on one core",
        limit=20.0,
        unit="ms",
        measured=_figure("uplink_p99", "call_cost_100", "passthrough"),
    ),
    Budget(
        what="barge-in until the carrier is told, p99, 20 calls",
        limit=2.0,
        unit="ms",
        measured=_figure("clear_p99", "call_cost", "passthrough"),
    ),
    Budget(
        what="messages with stale audio after it, all runs",
        limit=0,
        digits=0,
        measured=_stale,
    ),
    Budget(
        what="largest good number of calls on one core, pass-through",
        limit=150,
        digits=0,
        at_least=True,
        measured=_capacity,
    ),
    Budget(what="memory of a call", limit=150, unit="kB", digits=0, measured=_own("rss_per_call", 1000)),
    Budget(what="memory of an idle server", limit=60, unit="MB", digits=0, measured=_own("idle_rss", 1e6)),
    Budget(
        what="simulated call-seconds a second, over messages",
        limit=1000,
        digits=0,
        at_least=True,
        measured=_speed("messages"),
    ),
    Budget(
        what="simulated call-seconds a second, over WebSocket framing",
        limit=80,
        digits=0,
        at_least=True,
        measured=_speed("frames"),
    ),
)


def budget_table(results: Results) -> str:
    """All budgets, in Markdown."""
    return table(["what", "budget", "measured", ""], [budget.row(results) for budget in BUDGETS])
