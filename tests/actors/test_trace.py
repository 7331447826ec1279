"""Trace files: what is in them, what is not, and that they can be read whatever happens."""

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from callboard.actors._trace import BUFFER_OCTETS, Redactor, Trace, trace_directory

SECRET = "xai-abc/123+def="
FIELDS = {"input_audio_buffer.append": "audio", "response.output_audio.delta": "delta"}


def make(directory: Path, **parameters: Any) -> Trace:
    return Trace(directory, Redactor(lambda: [SECRET]), audio_fields=FIELDS, **parameters)


def lines(trace: Trace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trace.path.read_text().split("\n")[:-1]]


async def test_each_message_is_a_line_with_its_time(autojump_clock: object, tmp_path: Path) -> None:
    trace = make(tmp_path)
    trace.sent('{"type":"response.create"}')
    await trio.sleep(1.5)
    trace.received('{"type":"ping","timestamp":1}')
    trace.close()
    first, second = lines(trace)
    assert (first["t"], second["t"]) == (0.0, 1.5)
    assert first["utc"].endswith("+00:00")
    assert (first["direction"], first["kind"], first["octets"]) == ("sent", "response.create", 26)
    assert second["payload"] == {"type": "ping", "timestamp": 1}


async def test_audio_is_replaced_by_its_length(tmp_path: Path) -> None:
    trace = make(tmp_path)
    for n_octets in (0, 1, 2, 3, 160):
        audio = base64.b64encode(bytes(n_octets)).decode()
        trace.sent(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        trace.received(bytes(n_octets))
    trace.close()
    payloads = [line["payload"] for line in lines(trace)]
    assert [payload["audio"]["octets"] for payload in payloads[::2]] == [0, 1, 2, 3, 160]
    assert [payload["octets"] for payload in payloads[1::2]] == [0, 1, 2, 3, 160]


async def test_audio_is_kept_if_asked(tmp_path: Path) -> None:
    trace = make(tmp_path, audio=True)
    audio = base64.b64encode(b"abc").decode()
    trace.sent(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    trace.received(b"abc")
    trace.close()
    assert [line["payload"] for line in lines(trace)] == [
        {"type": "input_audio_buffer.append", "audio": audio},
        audio,
    ]


async def test_envelopes_only(tmp_path: Path) -> None:
    trace = make(tmp_path, envelope_only=True)
    trace.received('{"type":"x","text":"private"}')
    trace.received("private")
    trace.close()
    assert ["payload" in line for line in lines(trace)] == [False, False]
    assert "private" not in trace.path.read_text()


@pytest.mark.parametrize(
    "message",
    [
        json.dumps({"type": "x", "text": f"the key is {SECRET}!"}),
        json.dumps({"type": "x", "deep": [{"er": {SECRET: SECRET}}]}),
        json.dumps({"type": "x", "url": "?k=xai-abc%2F123%2Bdef%3D"}),
        json.dumps({"type": "x", "basic": base64.b64encode(SECRET.encode()).decode()}),
        json.dumps(
            {"type": "x", "headers": {"Authorization": "Bearer other"}, "api_key": "other", "token": "other"}
        ),
        json.dumps({"type": "x", "session": {"tools": [{"type": "mcp", "authorization": "other"}]}}),
        f"rubbish {SECRET}",
        json.dumps([SECRET]),
        json.dumps({"type": SECRET}),
    ],
)
async def test_secrets_are_removed_i10(message: str, tmp_path: Path) -> None:
    trace = make(tmp_path)
    trace.sent(message)
    trace.note("connected", {"endpoint": f"wss://h/?key={SECRET}"})
    trace.close()
    text = trace.path.read_text()
    assert "abc" not in text
    assert "other" not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text


def test_short_secrets_do_not_blank_out_words() -> None:
    assert Redactor(lambda: ["a", ""]).text("a banana") == "a banana"


async def test_the_file_is_ours_alone_and_its_name_too(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first, second = make(folder), make(folder)
    assert first.path != second.path
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first.path.parent == folder
    first.close()
    first.close()
    second.close()


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALLBOARD_TRACE_DIR", raising=False)
    assert trace_directory().name == "callboard"
    monkeypatch.setenv("CALLBOARD_TRACE_DIR", str(tmp_path))
    assert trace_directory() == tmp_path


async def test_a_crash_leaves_whole_lines(autojump_clock: object, tmp_path: Path) -> None:
    trace = make(tmp_path)
    for number in range(5000):
        trace.received(json.dumps({"type": "x", "number": number, "text": "y" * 50}))
    written = trace.path.read_text()
    assert written.endswith("\n")
    numbers = [json.loads(line)["payload"]["number"] for line in written.splitlines()]
    assert numbers == list(range(len(numbers)))
    # No more than one buffer is missing.
    assert (5000 - len(numbers)) * 150 < BUFFER_OCTETS * 2
    await trio.sleep(2)
    trace.received('{"type":"x","number":5000}')
    assert len(lines(trace)) == 5001
    trace.close()


async def test_a_full_disk_ends_the_trace_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = make(tmp_path)
    trace.received('{"type":"x"}')

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    trace.flush()
    trace.received('{"type":"x"}')
    trace.close()
    assert trace.lost == 2


@given(st.one_of(st.text(), st.binary()))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_message_can_be_traced(tmp_path: Path, message: str | bytes) -> None:
    async def run() -> None:
        trace = make(tmp_path)
        trace.received(message)
        trace.close()
        assert len(lines(trace)) == 1

    trio.run(run)


@pytest.mark.parametrize("depth", [10, 300, 900, 5000])
async def test_deep_json_can_be_traced(depth: int, tmp_path: Path) -> None:
    trace = make(tmp_path)
    trace.received('{"type":"x","a":' + "[" * depth + "]" * depth + "}")
    trace.close()
    assert len(lines(trace)) == 1
