"""The commands that compare and overload, with runs that are made up."""

from pathlib import Path
from typing import cast

import pytest

import call_cost
import overload
from call_cost import Level
from results import Json, load
from systems import SYSTEMS, SystemUnderTest, Unavailable

from .result_kit import made_up


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """What was run, in order; nothing really is."""
    done: list[Json] = []

    def pretend(system: SystemUnderTest, config: str, calls: int, level: Level) -> Json:
        cost = 1.0 if system.name == "relay" else 0.5
        done.append({"system": system.name, "config": config, "calls": calls, "level": level})
        done[-1]["arguments"] = system.arguments
        return {**made_up(system.name, cost, config=config), "calls": calls}

    monkeypatch.setattr(call_cost, "run_level", pretend)
    monkeypatch.setattr(call_cost, "draw_call_cost", lambda *_: False)  # pyright: ignore
    return done


def test_repetitions_are_interleaved(
    runs: list[Json], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--systems", "relay,callboard", "--repetitions", "2", "--calls", "7", "--out", str(tmp_path)]
    assert call_cost.main(arguments) == 0
    order = [(run["config"], run["system"]) for run in runs]
    once = [(config, system) for config in ("passthrough", "transcode") for system in ("relay", "callboard")]
    assert order == once * 2
    assert {run["calls"] for run in runs} == {7}
    shown = capsys.readouterr().out
    assert "| callboard, direct WebSockets | 0.50 (0.50 to 0.50) |" in shown
    assert "not drawn" in shown
    assert len(cast("list[Json]", load(tmp_path / "call_cost.json")["runs"])) == 8


def test_a_disturbed_run_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [[0.9, 0.0], [0.0, 0.3], [0.1, 0.0], [0.0, 0.0]]

    def pretend(system: SystemUnderTest, config: str, calls: int, level: Level) -> Json:
        return {**made_up(system.name, 1.0), "others": others.pop(0)}

    monkeypatch.setattr(call_cost, "run_level", pretend)
    run = call_cost.measured(SYSTEMS["relay"], "passthrough", 5, Level(retries=5))
    assert not run["disturbed"]
    assert len(others) == 1


def test_a_system_that_cannot_be_had_is_left_out(
    runs: list[Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(system: SystemUnderTest) -> str:
        if system.requirements:
            raise Unavailable(f"{system.name} is left out: no network")
        return "python"

    monkeypatch.setattr(SystemUnderTest, "python", refuse)
    arguments = ["--systems", "relay,pipecat", "--configs", "passthrough", "--repetitions", "1"]
    assert call_cost.main([*arguments, "--out", str(tmp_path)]) == 0
    assert [run["system"] for run in runs] == ["relay"]
    assert "pipecat is left out: no network" in capsys.readouterr().err


def test_names_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_cost.main(["--systems", "asterisk"])
    assert "'asterisk' is none of relay, callboard" in capsys.readouterr().err


def test_the_capacity_of_all_is_searched(
    runs: list[Json], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--capacity", "--systems", "relay", "--configs", "passthrough", "--start", "300"]
    assert call_cost.main([*arguments, "--out", str(tmp_path)]) == 0
    (found,) = cast("list[Json]", load(tmp_path / "capacity.json")["capacity"])
    # All is well as far as it goes.
    assert (found["good"], found["bad"]) == (600, None)
    assert [run["calls"] for run in runs] == [300, 450, 600]
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("|")]
    assert "| not good | cores | load, cores | CPU s / call-min |" in rows[0]
    assert "| 1.00 | 600 | - | 0.20 | 0.10 | 1.000 |" in rows[2]


def test_twice_as_many_calls_come_at_an_even_pace(
    runs: list[Json], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        overload.main(["--out", str(tmp_path)])
    assert overload.main(["--healthy", "50", "--ramp", "20", "--out", str(tmp_path)]) == 0
    assert [(run["calls"], run["arguments"]) for run in runs] == [(100, ("--refuse",)), (100, ())]
    assert {cast("Level", run["level"]).pace for run in runs} == {0.2}
    assert "| admission control | 100 | 20 | 0 |" in capsys.readouterr().out
