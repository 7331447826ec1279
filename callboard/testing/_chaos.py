"""`callboard chaos`: simulates phone calls by the hundred while everything goes wrong, and checks the invariants."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import TextIO

from ._chaos_plan import ChaosOptions, ChaosPlan, make_plan
from ._chaos_report import ChaosReport, report_lines
from ._chaos_run import ChaosRun, run_chaos, run_chaos_for_real
from ._chaos_shrink import shrink_chaos

BAR = 24
# Without a terminal, a line for so many seconds of the run.
EVERY = 60.0
SHOWN = 10
_CALL = re.compile(r"\bcall (\d+)\b")


class Progress:
    """Shows how far a run is: a line that changes on a terminal, else a line a minute.

    Args:
        seconds: How long the run takes by its own clock.
        out: Where to.
    """

    def __init__(self, seconds: float, out: TextIO) -> None:
        self._seconds = seconds
        self._out = out
        self._live = out.isatty()
        self._next = EVERY

    def tick(self, run: ChaosRun) -> None:
        """A second of the run went by."""
        if not self._live and run.elapsed < self._next:
            return
        self._next += EVERY
        report = run.report
        part = min(1.0, run.elapsed / self._seconds) if self._seconds else 1.0
        bar = "#" * round(BAR * part) + "." * (BAR - round(BAR * part))
        minutes, seconds = divmod(int(run.elapsed), 60)
        text = (
            f"[{bar}] {minutes:3d}:{seconds:02d}  calls {run.up:3d} up, {report.calls} over  faults {run.n_struck}"
            f"  violations {run.n_violations}"
        )
        self._out.write(f"\r{text}\x1b[K" if self._live else text + "\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            self._out.write("\r\x1b[K")
            self._out.flush()


def chaos(
    options: ChaosOptions, *, real: bool = False, out: TextIO | None = None, progress: TextIO | None = None
) -> int:
    """Run, and print what came of it.

    Args:
        options: Of the plan.
        real: On loopback sockets and by the clock on the wall.
        out: Where the report goes, standard output if None.
        progress: Where the progress is shown, standard error if None.

    Returns:
        0 if all invariants held, else 1.
    """
    out = sys.stdout if out is None else out
    plan = make_plan(options)
    shown = Progress(options.minutes * 60, progress or sys.stderr)

    def show(*lines: str) -> None:
        print(*lines, sep="\n", file=out, flush=True)

    # What goes wrong here is meant to: it is looked through for secrets, and shown to nobody.
    log = logging.getLogger("callboard")
    handler = logging.NullHandler()
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        report = (run_chaos_for_real if real else run_chaos)(plan, on_tick=shown.tick)
        shown.end()
        show(_head(options, real), *report_lines(report), *_speed(report), "")
        if not real:
            show(f"event log: {report.n_lines} lines, digest {report.digest}")
        if not report.violations:
            return 0
        show("", "violations", *(f"  {violation}" for violation in report.violations[:SHOWN]))
        if len(report.violations) > SHOWN:
            show(f"  and {len(report.violations) - SHOWN} more")
        if not real:
            show("", f"making the plan of seed {plan.seed} smaller ...")
            show(*_repeat(_smaller(plan, report)))
        return 1
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


def _smaller(plan: ChaosPlan, report: ChaosReport) -> ChaosPlan:
    violation = report.violations[0]
    named = _CALL.search(violation.text)
    number = int(named[1]) if named is not None else None
    if number is None:
        parts = violation.path.split("/")
        number = report.numbers.get(parts[1]) if len(parts) > 1 else None
    return shrink_chaos(plan, violation, call=number)


def _repeat(plan: ChaosPlan) -> Sequence[str]:
    return (
        "",
        "# What fails, to be run again:",
        "import math",
        "from callboard.actors.emulators import *",
        "from callboard.testing import *",
        f"plan = {plan}",
        'print("\\n".join(map(str, run_chaos(plan).violations)))',
    )


def _head(options: ChaosOptions, real: bool) -> str:
    how = "real sockets" if real else f"virtual time, {options.transport.value}"
    return (
        f"chaos: {options.calls} calls in {options.minutes:g} minutes, seed {options.seed}, "
        f"{options.kills_per_minute:g} kills a minute, {' then '.join(options.providers)}, {how}\n"
    )


def _speed(report: ChaosReport) -> Sequence[str]:
    return (
        f"{report.call_seconds:.0f} call-seconds in {report.wall:.1f} s: {report.speed:.0f} a second of wall time, "
        f"{report.seconds / report.wall:.0f} times real time",
    )
