"""Whole runs of the load, short ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from call_cost import Level, Search, line, places, run_level
from call_cost_report import report
from load import Load, Plan, measure
from load_process import ask_counts, children_of, read_tree
from results import Json
from systems import SYSTEMS, Place, SystemUnderTest, Unavailable, free_port, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc and epoll"),
]


@pytest.mark.parametrize(
    ("name", "config"), [("relay", "transcode"), ("callboard", "passthrough"), ("callboard", "transcode")]
)
def test_a_system_carries_two_calls(name: str, config: str) -> None:
    port = free_port()
    with running(SYSTEMS[name], config, port, Place()) as target:
        load = Load(target.media_url, port)
        try:
            plan = Plan(calls=2, window=1.0, warm_up=1.0, settle=0.3, afterwards=0.3)
            result = measure(load, plan, pid=target.pid, counts_file=target.counts_file)
        finally:
            load.close()
    figures = result.figures
    assert figures.calls == 2
    assert figures.input_format == {"passthrough": "pcmu", "transcode": "pcm24000"}[config]
    assert (figures.dropped, figures.refused, figures.missing, figures.odd) == (0, 0, 0.0, ())
    assert result.cpu >= 0
    assert result.left["tasks"] == result.left["handles"] == 0
    assert load.strangers == 0


def test_a_system_that_does_not_start_is_left_out(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no licence')")
    broken = SystemUnderTest(name="broken", title="broken", script=script)
    run = run_level(broken, "passthrough", 1, Level(seconds=1.0))
    assert "broken does not listen: no licence" in str(run["error"])
    assert "no licence" in line(run)
    with pytest.raises(Unavailable), running(broken, "passthrough", free_port(), Place()):
        pass


def test_a_system_that_takes_no_calls_is_told(tmp_path: Path) -> None:
    script = tmp_path / "deaf.py"
    script.write_text(
        "import socket, sys\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[sys.argv.index('--port') + 1])))\n"
        "while True:\n"
        "    server.accept()[0].close()\n"
    )
    run = run_level(
        SystemUnderTest(name="deaf", title="deaf", script=script), "passthrough", 1, Level(seconds=1.0)
    )
    assert "the first call does not work" in str(run["error"])


def test_an_environment_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systems.ENVIRONMENTS", tmp_path / "file" / "below")
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="pipecat is left out"):
        SYSTEMS["pipecat"].python()


def test_processes_are_added_up_with_what_they_started() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children_of(os.getpid())
        assert read_tree(os.getpid()).rss > read_tree(child.pid).rss > 0
        child.communicate(b"\n")
    assert ask_counts(os.getpid(), None) == {}


def test_two_processors_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = {3, 5, 7}
    monkeypatch.setattr("call_cost.usable_processors", lambda: usable)
    assert places(-5) == (Place(processor=3, nice=-5), Place(processor=5, nice=-5))
    usable -= {5, 7}
    assert places() == (Place(), Place())


@pytest.mark.parametrize("limit", [1, 7, 30, 44, 200])
def test_the_search_ends_beside_the_limit(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(system: SystemUnderTest, config: str, calls: int, level: Level) -> Json:
        del level
        figures = {"refused": 0, **dict.fromkeys(("uplink_p50", "uplink_p99", "clear_p50", "clear_p99"), 1.0)}
        figures["stale_messages"] = 0
        head: Json = {"system": system.name, "config": config, "calls": calls, "figures": figures}
        usual: Json = {"cpu_per_call_minute": 0.5, "cores": 0.5, "load_cores": 0.1, "faults": []}
        return {**head, **usual, "healthy": calls <= limit}

    monkeypatch.setattr("call_cost.run_level", pretend)
    search = Search(SYSTEMS["relay"], "passthrough", Level())
    found = search.find(30)
    good, bad = found["good"], found["bad"]
    assert isinstance(good, int)
    assert isinstance(bad, int)
    assert good <= limit < bad
    assert bad - good <= max(1, 0.06 * bad)
    assert "bare trio-websocket relay" in report({"capacity": [found], "runs": search.runs})
