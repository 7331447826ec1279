"""The benchmark of simulated time runs."""

from pathlib import Path

import pytest

import simulation
from callboard.testing import Transport
from results import load


@pytest.mark.parametrize("transport", simulation.TRANSPORTS)
@pytest.mark.parametrize("caller", simulation.CALLERS)
def test_calls_of_each_kind_come_to_their_end(caller: str, transport: Transport) -> None:
    speed = simulation.run(caller, transport, 2, 12.0)
    assert speed.calls == 2
    # Each lasts as long as was asked for, or as one exchange does.
    assert 5.0 < speed.call_seconds / 2 < 90.0
    assert speed.ratio > 0


def test_the_command_leaves_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulation, "TRANSPORTS", (Transport.MESSAGES,))
    monkeypatch.setattr("logging.disable", int)
    assert simulation.main(["--calls", "1", "--minutes", "0.1", "--out", str(tmp_path)]) == 0
    assert "| silent | messages | 1 | 6 |" in capsys.readouterr().out
    assert load(tmp_path / "simulation.json")["runs"]
