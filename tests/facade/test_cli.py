"""The command line as a user meets it: processes, exit codes, one clear line for each mistake."""

import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callboard import ServerOptions, WebSockets
from callboard._app import load_settings
from callboard.cli import main

ROOT = Path(__file__).resolve().parents[2]


def usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The error text of a wrong command line."""
    assert main(arguments) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], ["demo"], ["serve"], ["emulate"], ["emulate", "grok"], ["emulate", "twilio"]]
)
def test_help_is_everywhere(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: callboard" in capsys.readouterr().out


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "place", "text"),
    [
        (None, "app.py", "there is no file"),
        ("x = 1", "app.py", "has 0 scenarios"),
        ("async def a(call): ...\nasync def b(call): ...", "app.py", "say which: app.py:NAME"),
        ("async def a(call): ...", "app.py:b", "has no scenario 'b'; it has ['a']"),
        ("1/0", "app.py", "ZeroDivisionError"),
        ("def broken(:", "app.py", "SyntaxError"),
        ("async def a(call, more): ...", "app.py", "has 0 scenarios"),
    ],
)
def test_scenario_that_cannot_be_found_is_one_clear_line(
    content: str | None, place: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "app.py").write_text(content)
    error = usage(capsys, "serve", str(tmp_path / place))
    assert text in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("port = ", "is not TOML"),
        ("prot = 1", "unknown settings ['prot']"),
        ('port = "x"', "port is 'x', expected a whole number"),
        ('max_lag = "x"', "max_lag is 'x', expected a number"),
        ("max_busy = -1", "max_busy is -1, expected a number, 0 to switch it off"),
        ('websockets = "fast"', "websockets is 'fast', expected library or direct"),
        ("[routes]", "[routes] is empty"),
        ("[routes]\n'.*' = 7", "route '.*' is 7"),
        ("[routes]\n'(' = 'app.py'", "not a regular expression"),
        ("host = '0.0.0.0'", "media token"),
    ],
)
def test_settings_that_are_wrong_are_one_clear_line(
    content: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text("async def scenario(call): ...")
    (tmp_path / "c.toml").write_text(content)
    assert text in usage(capsys, "serve", "--config", str(tmp_path / "c.toml"))


def test_limits_are_milliseconds_and_percent_and_0_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("max_lag = 40\nmax_busy = 70\n")

    def load(
        config: Path | None, *, max_busy: float | None = None, stall_threshold: float | None = None
    ) -> ServerOptions:
        return load_settings(
            app=None,
            config=config,
            host=None,
            port=None,
            max_calls=None,
            record=None,
            max_busy=max_busy,
            stall_threshold=stall_threshold,
        ).options

    default, file = load(None), load(tmp_path / "c.toml", max_busy=0)
    assert default == ServerOptions()
    assert None not in {default.max_lag, default.max_busy, default.stall_threshold}
    assert (file.max_lag, file.max_busy) == (0.04, None)
    assert load(None, stall_threshold=200).stall_threshold == 0.2


def test_websockets_are_the_librarys_unless_one_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('websockets = "direct"')

    def load(config: Path | None, websockets: str | None = None) -> WebSockets:
        return load_settings(
            app=None,
            config=config,
            host=None,
            port=None,
            max_calls=None,
            record=None,
            websockets=websockets,
        ).websockets

    assert load(None) is WebSockets.LIBRARY
    assert load(None, "direct") is load(tmp_path / "c.toml") is WebSockets.DIRECT
    assert load(tmp_path / "c.toml", "library") is WebSockets.LIBRARY


def test_emulator_script_that_is_wrong_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text("{")
    assert "s.json" in usage(
        capsys, "emulate", "grok", "--speech", "tones", "--script", str(tmp_path / "s.json")
    )
    assert "s.json" in usage(capsys, "emulate", "twilio", "ws://x/", "--script", str(tmp_path / "s.json"))
    assert "--provider-url" in usage(capsys, "serve", "--provider-url", "http://x/")
    assert "--calls" in usage(capsys, "emulate", "twilio", "ws://x/", "--calls", "0")
    assert "not a WebSocket URL" in usage(capsys, "emulate", "twilio", "http://x/", "--speech", "tones")


def test_port_that_is_taken_is_a_failure_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with program("emulate", "grok", "--port", "0", "--speech", "tones") as (url, _):
        port = re.search(r":(\d+)/", url)
        assert port is not None
        assert main(["emulate", "grok", "--port", port[1], "--speech", "tones"]) == 1
    assert "ddress already in use" in capsys.readouterr().err


@contextmanager
def program(*arguments: str) -> Generator[tuple[str, subprocess.Popen[str]], None, None]:
    """A callboard process that listens; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "callboard.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ws://127.0.0.1:"), line
        yield line.split()[-1], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("websockets", ["library", "direct"])
def test_three_programs_make_a_call_and_stop_on_a_signal(websockets: str, tmp_path: Path) -> None:
    (tmp_path / "caller.json").write_text(
        '["wait_for_agent", {"wait_for_silence": 0.8}, {"say": "Please book a table for 4 people on Friday."},'
        ' {"wait_for_agent": 0.4}, {"wait_for_silence": 1.0}, "hang_up"]'
    )
    with (
        program("emulate", "grok", "--port", "0", "--speech", "tones", "--seed", "1") as (provider, emulator),
        program(
            "serve", str(ROOT / "examples" / "restaurant.py"), "--port", "0", "--provider-url", provider,
            "--record", str(tmp_path / "rec"), "--websockets", websockets,
        ) as (media, server),
    ):  # fmt: skip
        placed = subprocess.run(
            [
                sys.executable, "-m", "callboard.cli", "emulate", "twilio", media, "--speech", "tones",
                "--script", str(tmp_path / "caller.json"), "--out", str(tmp_path / "heard"),
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert placed.returncode == 0, placed.stderr
        assert "hung_up" in placed.stdout
        for process in (server, emulator):
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert server.stderr is not None
        log = server.stderr.read()
    assert "caller hung up" in log
    assert "Traceback" not in log
    assert len(list((tmp_path / "rec").glob("CA*.wav"))) == 1
    assert (tmp_path / "heard" / "caller-1.wav").exists()
