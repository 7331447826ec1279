"""The demo in virtual time, with words as tones."""

import json
from pathlib import Path

import numpy as np
import pytest
from trio.testing import MockClock

from callboard._demo import make_call, report, write_files
from callboard._demo_plan import DemoPlan
from callboard._demo_view import PlainView
from callboard.media import read_wav
from callboard.media.speech import load_speech
from callboard.testing import MemoryNetwork


async def test_demo_leaves_a_recording_a_transcript_and_a_trace(
    autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await make_call(tmp_path, PlainView(), load_speech("tones"), network=MemoryNetwork())
    write_files(run)
    assert run.faults == []
    assert report(run) == 0
    assert run.result is not None

    lines = [json.loads(line) for line in (tmp_path / "transcript.jsonl").read_text().splitlines()]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    spoken = [(line["who"], line["interrupted"]) for line in lines if line["who"] != "tool"]
    assert spoken[:3] == [("agent", False), ("caller", False), ("agent", False)]
    assert spoken.count(("agent", True)) == 1
    cut = next(line["text"] for line in lines if line["interrupted"])
    assert cut.startswith("Open from 10 to 2")
    assert not cut.endswith("close.")

    samples, rate = read_wav(tmp_path / "recording.wav")
    assert (rate, samples.shape[1]) == (8000, 2)
    assert len(samples) == run.result.carrier.frames_sent * 160
    # After the interruption the agent is silent within 100 ms, counted from when the provider heard it.
    started_at = run.result.started_at
    assert started_at is not None
    heard_at = round((run.speech_started[1] - started_at) * rate)
    after = samples[heard_at + rate // 10 : heard_at + rate // 2, 1]
    assert np.abs(samples[heard_at - rate // 10 : heard_at, 1]).max() > 1000
    assert np.abs(after).max() < 50

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    trace = (tmp_path / "trace.jsonl").read_text()
    assert all(json.loads(line) for line in trace.splitlines())
    assert "response.function_call_arguments.done" in trace
    shown = capsys.readouterr().out
    for name in ("connect", "first audio", "turn", "barge-in", "clear", "teardown"):
        assert f"  {name} " in shown


@pytest.mark.parametrize("provider", ["grok", "deepgram"])
async def test_demo_of_either_provider(
    provider: str, autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = DemoPlan(providers=(provider,))
    run = await make_call(tmp_path, PlainView(), load_speech("tones"), plan, network=MemoryNetwork())
    write_files(run)
    assert run.faults == []
    assert report(run) == 0
    assert run.agent is not None
    assert run.agent.provider == provider
    shown = capsys.readouterr().out
    for name in ("connect", "first audio", "turn", "barge-in", "clear", "teardown"):
        assert f"  {name} " in shown


@pytest.mark.parametrize("providers", [("grok", "deepgram"), ("deepgram", "grok")], ids="-to-".join)
async def test_demo_of_a_failover(
    providers: tuple[str, ...], autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = DemoPlan(providers=providers)
    run = await make_call(tmp_path, PlainView(), load_speech("tones"), plan, network=MemoryNetwork())
    write_files(run)
    assert run.faults == []
    assert report(run) == 0
    shown = capsys.readouterr().out
    assert f"[{providers[0]} dies]" in shown
    assert f"[{providers[1]} takes over]" in shown
    assert "  failover " in shown
    # The whole answer was heard, from one provider or from both.
    assert "half an hour before we close." in shown
    assert "9 to 7" in shown


async def test_demo_notices_what_has_not_happened(
    autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await make_call(tmp_path, PlainView(), load_speech("tones"), network=MemoryNetwork())
    assert run.agent is not None
    assert DemoPlan(providers=("grok", "deepgram")).faults(run.agent) == ["grok was not replaced"]
