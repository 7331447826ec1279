"""`callboard chaos`: green, the same each time, and what fails is shown small."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence

import attrs
import pytest
import trio

from callboard.actors.emulators import HangUp, Step, Wait, WaitForAgent
from callboard.cli import main
from callboard.testing import (
    ChaosOptions,
    ChaosPlan,
    ChaosReport,
    FaultPlan,
    Kill,
    OnTool,
    PlannedCall,
    ToolAction,
    Transport,
    Violation,
    _chaos_run,
    make_plan,
    run_chaos,
    shrink_chaos,
)
from callboard.testing._chaos import chaos
from callboard.testing._chaos_report import percentile

SHORT: tuple[Step, ...] = (WaitForAgent(), HangUp())


def in_another_process(*arguments: str, hash_seed: int) -> str:
    """What the command prints there."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "callboard.cli", "chaos", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_same_seed_is_the_same_run_in_two_processes() -> None:
    arguments = ("--calls", "6", "--minutes", "0.3", "--seed", "5", "--kills-per-minute", "20")
    first = in_another_process(*arguments, hash_seed=1)
    second = in_another_process(*arguments, hash_seed=2)
    digests = [re.findall(r"digest ([0-9a-f]{32})", text) for text in (first, second)]
    assert len(digests[0]) == 1
    assert digests[0] == digests[1]
    # All but the time it took.
    clock = re.compile(r"\d+ call-seconds in .*")
    assert clock.sub("", first) == clock.sub("", second)


def test_framing_is_survived_as_well() -> None:
    plan = make_plan(ChaosOptions(calls=3, minutes=0.2, seed=8, transport=Transport.FRAMES))
    report = run_chaos(plan, watchdog=300)
    assert report.violations == []
    assert report.calls == 3


@pytest.mark.parametrize("seed", [2, 5])
def test_a_short_run_is_green(seed: int) -> None:
    report = run_chaos(make_plan(ChaosOptions(calls=12, minutes=0.5, seed=seed, kills_per_minute=20)))
    assert report.violations == []
    assert report.calls == 12
    assert report.kills > 0
    assert 0 < report.probes <= report.kills
    for invariant in ("I1", "I2", "I3", "I5", "I8", "I10"):
        assert report.checked[invariant] > 0


def test_a_run_can_be_repeated_in_one_process() -> None:
    plan = make_plan(ChaosOptions(calls=5, minutes=0.3, seed=10))
    first, second = run_chaos(plan), run_chaos(plan)
    assert first.digest == second.digest
    assert attrs.evolve(first, wall=0.0) == attrs.evolve(second, wall=0.0)
    assert run_chaos(attrs.evolve(plan, seed=11)).digest != first.digest


def test_nobody_who_waits_too_long_is_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chaos_run, "LIMIT", 30.0)
    calls = (PlannedCall(number=1, at=0.0, steps=(Wait(100.0),)),)
    (violation,) = run_chaos(ChaosPlan(calls=calls)).violations
    assert violation.invariant == "hang"


def test_what_a_healthy_call_does_not_survive_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a scenario of somebody")

    monkeypatch.setattr(_chaos_run.ChaosRun, "_receive", refuse)
    calls = (PlannedCall(number=7, at=0.0, steps=SHORT),)
    found = run_chaos(ChaosPlan(calls=calls)).violations
    assert [violation.invariant for violation in found] == ["I2"]
    assert "call 7, nothing went wrong on it, ended with remote_closed" in found[0].text


def test_at_most_so_many_calls_at_once() -> None:
    calls = tuple(PlannedCall(number=n, at=0.0, steps=(Wait(1.0),)) for n in range(1, 6))
    report = run_chaos(ChaosPlan(calls=calls, at_once=2))
    assert report.most_at_once == 2
    assert report.calls == 5


def violation(invariant: str = "I1") -> Violation:
    return Violation(invariant=invariant, text="something was left", path="calls/CA1")


def test_a_failing_plan_is_made_small() -> None:
    plan = make_plan(ChaosOptions(calls=25, minutes=1, seed=4))
    culprit = OnTool(action=ToolAction.HANG, nth=2, seconds=7.3, call=23)
    plan = attrs.evolve(plan, faults=FaultPlan((*plan.faults, culprit)))
    runs: list[ChaosPlan] = []

    def runner(smaller: ChaosPlan) -> Sequence[Violation]:
        runs.append(smaller)
        numbers = {call.number for call in smaller.calls}
        hangs = any(
            isinstance(fault, OnTool) and fault.call == 23 and fault.nth == 2 for fault in smaller.faults
        )
        return [violation()] if hangs and 23 in numbers and len(smaller.calls[-1].steps) >= 1 else []

    for call in (23, None):
        runs.clear()
        small = shrink_chaos(plan, violation(), call=call, runner=runner)
        assert [planned.number for planned in small.calls] == [23]
        assert small.calls[0].at == 0.0
        assert len(small.calls[0].steps) == 1
        assert small.faults == FaultPlan((OnTool(action=ToolAction.HANG, nth=2, call=23),))
        assert len(runs) < 60
    assert shrink_chaos(plan, violation("I2"), runner=runner, budget=50) == plan


def test_the_command_fails_with_the_seed_and_a_small_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(_chaos_run.ChaosRun):
        async def run(self) -> ChaosReport:
            report = await super().run()
            kills = [fault for fault in self.plan.faults if isinstance(fault, Kill) and fault.actor == "leg"]
            report.violations += [violation() for _ in kills]
            return report

    monkeypatch.setattr(_chaos_run, "ChaosRun", Broken)
    out, progress = io.StringIO(), io.StringIO()
    options = ChaosOptions(calls=6, minutes=0.3, seed=13, kills_per_minute=60)
    assert chaos(options, out=out, progress=progress) == 1
    text = out.getvalue()
    assert "seed 13" in text
    assert re.search(r"I1 +NO +\d+ +[1-9]", text)
    assert "# What fails, to be run again" in text
    assert text.count("Kill(") == 1
    assert text.count("PlannedCall(") <= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--providers", "nobody"],
        ["--providers", ""],
        ["--providers", "grok,grok"],
        ["--calls", "-1"],
        ["--minutes", "nan"],
        ["--at-once", "0"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chaos", *arguments]) == 2
    assert f"{arguments[0]} is" in capsys.readouterr().err


def test_percentiles() -> None:
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([float(n) for n in range(100)], 0.5) == 50.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0


def test_real_sockets_are_survived_as_well() -> None:
    out, progress = io.StringIO(), io.StringIO()
    options = ChaosOptions(calls=0, minutes=0.02, seed=1, kills_per_minute=0, transport=Transport.FRAMES)
    assert chaos(options, real=True, out=out, progress=progress) == 0
    assert "real sockets" in out.getvalue()
    assert "digest" not in out.getvalue()


def test_a_listener_that_was_killed_is_no_leak() -> None:
    calls = (PlannedCall(number=1, at=1.0, steps=(*SHORT[:-1], Wait(0.1))),)
    plan = ChaosPlan(
        calls=calls, transport=Transport.FRAMES, faults=FaultPlan((Kill(actor="/listener", at=0.01),))
    )
    report = _chaos_run.run_chaos_for_real(plan)
    assert report.violations == []
    assert report.faults == {"kill listener": 1}
    assert report.probes == 1
