"""Drawings of what benchmarks found, for whoever has matplotlib (extra `bench`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from call_cost_report import base_of, good_runs, ratios
from results import Json, median, numbers
from systems import CONFIGS, SYSTEMS

_COLOURS = ("#4c72b0", "#dd8452")


def draw_call_cost(content: Mapping[str, object], path: Path) -> bool:
    """Draw costs and delays of the systems side by side.

    Args:
        content: A result of `call_cost.py`.
        path: The file; its suffix says what it is, such as `.svg`.

    Returns:
        False where there is no matplotlib, or nothing to draw.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    runs = good_runs(content)
    if not runs:
        return False
    mpl.use("agg")
    # The same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "callboard"
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(cast("str", run["system"]) for run in runs))
    configs = [config for config in CONFIGS if any(run["config"] == config for run in runs)]
    figure, axes = plt.subplots(1, 3, figsize=(12, 0.6 * len(names) + 1.6), sharey=True, layout="constrained")
    panels: tuple[tuple[str, Any], ...] = (
        ("processor time, ratio", _ratio),
        ("uplink delay p99, ms", _uplink),
        ("memory of a call, kB", _memory),
    )
    height = 0.8 / len(configs)
    for ax, (title, value) in zip(axes, panels, strict=True):
        for index, config in enumerate(configs):
            here = [run for run in runs if run["config"] == config]
            values = [value(here, name) for name in names]
            places = [row + (index - (len(configs) - 1) / 2) * height for row in range(len(names))]
            bars = ax.barh(places, values, height=0.9 * height, color=_COLOURS[index], label=config)
            ax.bar_label(bars, fmt="%.2f" if value is _ratio else "%.0f", padding=3, fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.margins(x=0.15)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), [SYSTEMS[name].title for name in names])
    axes[0].invert_yaxis()
    axes[-1].legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its annotations leave out a type.
    cast("Any", figure).savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return True


def _ratio(runs: Sequence[Json], name: str) -> float:
    return median(ratios(runs, name, base_of(runs)))


def _uplink(runs: Sequence[Json], name: str) -> float:
    mine = [cast("Json", run["figures"]) for run in runs if run["system"] == name]
    return median(numbers(one["uplink_p99"] for one in mine))


def _memory(runs: Sequence[Json], name: str) -> float:
    return median(numbers(run["rss_per_call"] for run in runs if run["system"] == name)) / 1000
