"""`callboard emulate deepgram` as a user meets it."""

import json
import signal
from pathlib import Path

import pytest
import trio

from callboard.actors._network import TcpNetwork
from callboard.actors._websocket import open_websocket
from callboard.cli import main
from tests.actors.emulator_deepgram_kit import AUTH, Client, texts
from tests.facade.test_cli import program, usage


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["emulate", "deepgram", "--help"])
    assert caught.value.code == 0
    assert "--script" in capsys.readouterr().out


def test_a_script_that_is_wrong_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.json").write_text("{")
    error = usage(capsys, "emulate", "deepgram", "--speech", "tones", "--script", str(tmp_path / "s.json"))
    assert "s.json" in error
    assert error.count("\n") == 1


def test_the_program_plays_a_script_and_stops_on_a_signal(tmp_path: Path) -> None:
    script = tmp_path / "s.json"
    script.write_text(json.dumps([{"say": "Welcome aboard."}]))

    async def talk(url: str) -> list[str]:
        with trio.fail_after(20):
            async with open_websocket(TcpNetwork(), url, headers=AUTH) as socket:
                client = Client(socket)
                await client.begin()
                return texts(await client.ask("hello"), "assistant")

    arguments = ["--port", "0", "--speech", "tones", "--seed", "1", "--script", str(script)]
    with program("emulate", "deepgram", *arguments) as (url, process):
        assert url.endswith("/v1/agent/converse")
        assert trio.run(talk, url) == ["Welcome aboard."]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
