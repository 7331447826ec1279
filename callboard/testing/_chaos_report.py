"""What came of a run of chaos."""

from collections import Counter
from collections.abc import Sequence

import attrs

from ._monitors_report import INVARIANTS, Violation


@attrs.define(kw_only=True)
class ChaosReport:
    """Figures of a run. All times are float seconds of the clock of the run, but for `wall`."""

    seed: int
    calls: int = 0
    call_seconds: float = 0.0
    seconds: float = 0.0
    wall: float = 0.0
    most_at_once: int = 0
    ends: Counter[str] = attrs.field(factory=Counter[str])
    """How calls ended, as the carrier saw it."""
    callers: Counter[str] = attrs.field(factory=Counter[str])
    faults: Counter[str] = attrs.field(factory=Counter[str])
    """What struck, by kind."""
    kills: int = 0
    probes: int = 0
    checked: Counter[str] = attrs.field(factory=Counter[str])
    """How many things were looked at, by invariant."""
    violations: list[Violation] = attrs.field(factory=list[Violation])
    recoveries: dict[str, list[float]] = attrs.field(factory=dict[str, list[float]])
    """How long what fell was down, by what it was."""
    failovers: int = 0
    numbers: dict[str, int] = attrs.field(factory=dict[str, int])
    """The numbers of calls by their ids."""
    digest: str = ""
    """Of everything that happened: the same for the same plan."""
    n_lines: int = 0

    @property
    def speed(self) -> float:
        """Call-seconds in a wall second."""
        return self.call_seconds / self.wall if self.wall else 0.0

    def recovered(self, what: str, seconds: float) -> None:
        """Something stands again."""
        self.recoveries.setdefault(what, []).append(seconds)


def percentile(values: Sequence[float], part: float) -> float:
    """The least value that so large a part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def report_lines(report: ChaosReport) -> list[str]:
    """The report as a text, without the digest and what depends on the machine."""
    lines = ["invariant  held  checked  violations"]
    found = Counter(violation.invariant for violation in report.violations)
    for name, text in INVARIANTS.items():
        checked = report.checked[name]
        if checked or found[name]:
            lines.append(
                f"{name:<9}  {'NO  ' if found[name] else 'yes '}  {checked:7d}  {found[name]:10d}  {text}"
            )
    for name in sorted(found.keys() - INVARIANTS.keys()):
        lines.append(f"{name:<9}  NO    {report.checked[name]:7d}  {found[name]:10d}")
    lines += ["", "faults survived" if not report.violations else "faults"]
    width = max((len(kind) for kind in report.faults), default=0)
    lines += [f"  {kind:<{width}}  {n:5d}" for kind, n in sorted(report.faults.items())]
    lines += ["", "recovery          times     p50     p99    most"]
    for what, values in sorted(report.recoveries.items()):
        lines.append(
            f"  {what:<14}  {len(values):5d}  {percentile(values, 0.5):6.2f}  {percentile(values, 0.99):6.2f}"
            f"  {max(values):6.2f} s"
        )
    ends = ", ".join(f"{n} {end.replace('_', ' ')}" for end, n in report.ends.most_common())
    callers = ", ".join(f"{n} {kind}" for kind, n in report.callers.most_common())
    return [
        *lines,
        "",
        f"{report.calls} calls ({callers}), at most {report.most_at_once} at once, {report.probes} after kills",
        f"ended: {ends}",
        f"{sum(report.faults.values())} faults, {report.kills} of them kills; {report.failovers} failovers",
    ]
