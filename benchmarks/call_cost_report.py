"""Tables of `call_cost.py`."""

from collections.abc import Mapping, Sequence
from typing import cast

from results import Json, median, numbers, spread, table
from systems import CONFIGS, SYSTEMS

BASE = "relay"


def report(content: Mapping[str, object]) -> str:
    """All tables of a result, in Markdown."""
    if "capacity" in content:
        return capacity_table(content)
    runs = good_runs(content)
    tables = [comparison(runs, config) for config in CONFIGS if any(run["config"] == config for run in runs)]
    missing = {str(run["error"]) for run in cast("list[Json]", content["runs"]) if "error" in run}
    return "\n\n".join([*tables, *sorted(missing)])


def good_runs(content: Mapping[str, object]) -> list[Json]:
    """The runs that have figures."""
    return [run for run in cast("list[Json]", content["runs"]) if "error" not in run]


def base_of(runs: Sequence[Json]) -> str:
    """What others are compared with: the floor, or the first system where that was not measured."""
    names = [str(run["system"]) for run in runs]
    return BASE if BASE in names or not names else names[0]


def ratios(runs: Sequence[Json], system: str, base: str = BASE) -> list[float]:
    """What a system costs as a multiple of another, for each repetition that has both."""
    cost = {(run["repetition"], run["system"]): cast("float", run["cpu_per_call_minute"]) for run in runs}
    return [
        value / cost[repetition, base]
        for (repetition, name), value in cost.items()
        if name == system and (repetition, base) in cost
    ]


def comparison(runs: Sequence[Json], config: str) -> str:
    """The systems side by side, in one configuration."""
    here = [run for run in runs if run["config"] == config]
    names = list(dict.fromkeys(cast("str", run["system"]) for run in here))
    calls = here[0]["calls"]
    rows: list[list[str]] = []
    for name in names:
        mine = [run for run in here if run["system"] == name]
        seen = [cast("dict[str, float]", run["figures"]) for run in mine]
        left = [cast("dict[str, int]", run["left"]) for run in mine]
        rows.append(
            [
                SYSTEMS[name].title,
                spread(ratios(here, name, base_of(here))),
                f"{_middle(mine, 'cpu_per_call_minute'):.3f}",
                f"{_middle(mine, 'rss_per_call') / 1000:.0f}",
                f"{_middle(mine, 'idle_rss') / 1e6:.0f}",
                _pair(seen, "uplink_p50", "uplink_p99"),
                _pair(seen, "first_audio_p50", "first_audio_p99"),
                f"{100 * median(numbers(one['complete'] for one in seen)):.1f} %",
                f"{100 * max(one['silence'] for one in seen):.2f} %",
                _pair(seen, "clear_p50", "clear_p99"),
                f"{sum(one['stale_barge_ins'] for one in seen)} of {sum(one['barge_ins'] for one in seen)}",
                f"{median(numbers(one['teardown_p99'] for one in seen)):.1f}",
                ", ".join(
                    f"{max(one.get(kind, 0) for one in left)} {kind}"
                    for kind in ("handles", "threads", "tasks")
                    if max(one.get(kind, 0) for one in left) > 0
                )
                or "none",
                f"{sum(bool(run['healthy']) for run in mine)} of {len(mine)}",
            ]
        )
    head = ["system", "CPU, ratio", "CPU s / call-min", "kB / call", "idle MB", "uplink p50 / p99 ms"]
    head += ["first audio p50 / p99 ms", "answers complete", "underrun", "clear p50 / p99 ms"]
    head += ["barge-ins with stale audio", "teardown p99 ms", "leaks", "healthy runs"]
    return f"**{config}, {calls} calls**\n\n" + table(head, rows)


def capacity_table(content: Mapping[str, object]) -> str:
    """The largest numbers of good calls."""
    rows: list[list[str]] = []
    runs = good_runs(content)
    found = cast("list[Json]", content["capacity"])
    base = {one["config"]: cast("int", one["good"]) for one in found if one["system"] == BASE}
    for one in found:
        at = [
            run
            for run in runs
            if (run["system"], run["config"], run["calls"]) == (one["system"], one["config"], one["good"])
            and run["healthy"]
        ]
        seen = [cast("dict[str, float]", run["figures"]) for run in at]
        good = cast("int", one["good"])
        rows.append(
            [
                SYSTEMS[str(one["system"])].title,
                str(one["config"]),
                f"{good / base[one['config']]:.2f}" if base.get(one["config"]) else "-",
                f"{good}{' (the load limits)' if one['load_limited'] else ''}",
                str(one["bad"] or "-"),
                f"{_middle(at, 'cores'):.2f}",
                f"{_middle(at, 'load_cores'):.2f}",
                f"{_middle(at, 'cpu_per_call_minute'):.3f}",
                _pair(seen, "uplink_p50", "uplink_p99"),
                _pair(seen, "clear_p50", "clear_p99"),
            ]
        )
    head = ["system", "configuration", "ratio", "largest good number", "not good", "cores", "load, cores"]
    return table([*head, "CPU s / call-min", "uplink p50 / p99 ms", "clear p50 / p99 ms"], rows)


def _middle(runs: Sequence[Json], key: str) -> float:
    return median(numbers(run[key] for run in runs))


def _pair(seen: Sequence[Mapping[str, object]], low: str, high: str) -> str:
    return " / ".join(f"{median(numbers(one[key] for one in seen)):.1f}" for key in (low, high))
