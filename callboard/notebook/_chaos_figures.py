# pyright: reportUnknownMemberType=false
"""What came of a run of chaos, drawn and listed."""

from collections.abc import Mapping, Sequence

import numpy as np

from callboard.testing import INVARIANTS, ChaosReport
from callboard.testing._chaos_report import percentile

from ._html import table
from ._plot import BLUE, GREEN, ORANGE, PURPLE, RED, Plot, new_plot

INKS = (BLUE, ORANGE, GREEN, PURPLE, RED)


def distribution(values: Mapping[str, Sequence[float]], *, x: str, title: str = "", log: bool = True) -> Plot:
    """Which part of the values is no greater than this.

    Args:
        values: Several sets, by their names.
        x: What they are, with the unit.
        title: Of the drawing.
        log: Have a logarithmic axis, with values of 0 at its left edge.
    """
    plot, (axes,) = new_plot(height=3.4)
    for (name, some), ink in zip(values.items(), INKS * len(values), strict=False):
        if not some:
            continue
        ordered = np.sort(np.maximum(np.array(some), 1e-3) if log else np.array(some))
        part = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, part, where="post", color=ink, linewidth=1.8, label=f"{name} ({len(ordered)})")
    if log:
        axes.set_xscale("log")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel(x)
    axes.set_ylabel("part of all")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8, loc="best", framealpha=0.85)
    return plot


def recovery_plot(report: ChaosReport) -> Plot:
    """How long what fell was down, as distributions."""
    names = {
        "actor": "an actor, until its next life is ready",
        "session": "a session, until the next one is ready",
    }
    return distribution(
        {names.get(what, what): values for what, values in sorted(report.recoveries.items())},
        x="seconds until it stood again",
        log=False,
    )


class ChaosTable:
    """The invariants and the figures of a run, shown as tables in a notebook.

    Args:
        report: Of the run.
    """

    def __init__(self, report: ChaosReport) -> None:
        self.report = report

    def _repr_html_(self) -> str:
        report = self.report
        violated = {violation.invariant for violation in report.violations}
        held = [
            (name, "NO" if name in violated else "yes", str(report.checked[name]), text)
            for name, text in INVARIANTS.items()
            if report.checked[name] or name in violated
        ]
        recovered = [
            (
                what,
                str(len(values)),
                *(f"{percentile(values, part):.3f}" for part in (0.5, 0.9, 0.99)),
                f"{max(values):.3f}",
            )
            for what, values in sorted(report.recoveries.items())
        ]
        faults = [(kind, str(n)) for kind, n in report.faults.most_common(12)]
        return "\n".join(
            (
                table(("", "held", "looked at", ""), held, title=str(self)),
                table(
                    ("what fell", "times", "p50 s", "p90 s", "p99 s", "most s"), recovered, title="recovery"
                ),
                table(("fault", "times"), faults, title="the most frequent faults"),
            )
        )

    def __str__(self) -> str:
        report = self.report
        return (
            f"{report.calls} calls, {sum(report.faults.values())} faults, {report.kills} of them kills, "
            f"{report.failovers} failovers, {len(report.violations)} violations; {report.call_seconds:.0f} "
            f"call-seconds in {report.wall:.1f} s of wall time"
        )

    __repr__ = __str__
