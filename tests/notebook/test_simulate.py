"""Simulated calls: the same each time, and the same things to look at as those of a lab."""

import importlib.util

import attrs
import pytest
import trio

from callboard.actors import Call
from callboard.actors.emulators import InterruptAfter
from callboard.notebook import LabRunning, Simulated, replay, simulate, start, state_table


@pytest.fixture(scope="module")
def hour() -> Simulated:
    return simulate(
        ["Are you open on Saturday?", ["Are you open on Monday?", InterruptAfter(0.5, "Wait, on Friday?")]],
        minutes=10,
        exact=True,
        trace=True,
        kills=[(10.0, "pacer")],
    )


def test_calls_can_be_looked_at(hour: Simulated) -> None:
    assert [call.number for call in hour.calls] == [1, 2]
    assert not hour.calls[0].up
    assert any(
        "open from 10 to 2" in text
        for text in hour.transcript(1).said_by("tool") + hour.transcript(1).said_by("agent")
    )
    assert hour.events("kill")[0].path == "pacer"
    assert hour.errors() == ()
    assert "emulated-grok" in hour.tree().paths()
    assert len(hour.tree(at=0.0).paths()) > 5
    assert hour.wall < hour.seconds
    assert "call-seconds" in str(hour)
    with pytest.raises(LookupError):
        hour.view(3)


def test_the_same_arguments_give_the_same_hour() -> None:
    one, two = (simulate(2, minutes=5, seed=5) for _ in range(2))
    assert one.digest == two.digest
    assert [call.duration for call in one.calls] == [call.duration for call in two.calls]
    assert simulate(2, minutes=5, seed=6).digest != one.digest


def test_an_interruption_is_taken_to_pieces(hour: Simulated) -> None:
    (cut,) = hour.view(2).barge_ins()
    times = [cut.spoke_at, cut.noticed_at, cut.cleared_at, cut.emptied_at, cut.silent_at]
    assert None not in times
    assert cut.spoke_at < cut.silent_at
    assert 0 < cut.silenced < 1.0
    assert cut.ledger is not None
    assert cut.ledger.confirmed <= cut.ledger.likely <= cut.ledger.sent <= cut.ledger.queued
    assert cut.heard
    assert "carrier" in cut._repr_html_()


def test_a_trace_is_decoded_and_replayed(hour: Simulated) -> None:
    trace = hour.traces[0]
    assert trace.wire == "grok"
    assert trace.counts().messages["received", "session.updated"] == 1
    steps = trace.replay()
    assert [str(step.after.value) for step in steps.moves] == ["greeted", "configuring", "ready"]
    assert len(steps.refused) == 0
    # Out of order, it is refused.
    audio = trace.where("input_audio_buffer.append")[0]
    assert "cannot send" in replay([audio], "grok").refused[0].error
    with pytest.raises(ValueError, match="trace_audio"):
        attrs.evolve(audio, kind="binary", payload={"octets": 160}).message()


def test_deepgram_is_replayed_as_well() -> None:
    told = simulate(["Are you open on Saturday?"], providers=["deepgram"], trace=True, exact=True)
    steps = told.traces[0].replay()
    assert len(steps.refused) == 0
    table = state_table("deepgram")
    assert steps.passed().keys() <= {(move.before, move.after) for move in table.moves}
    assert steps.passed()["user turn", "thinking"] == 1


def test_a_scenario_of_yours_is_called() -> None:
    async def busy(call: Call) -> None:
        await call.answer()
        await trio.sleep(1.0)
        await call.hangup("busy")

    told = simulate(["Hello?"], scenario=busy, minutes=1)
    end = told.view().end
    assert end is not None
    assert end.text == "busy"


async def test_a_simulation_runs_inside_trio_but_not_beside_a_lab() -> None:
    assert len(simulate(1, minutes=1).calls) == 1
    async with await start(speech="tones"):
        with pytest.raises(LabRunning, match="stop"):
            simulate(1)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_drawings_have_axes_with_units(hour: Simulated) -> None:
    view = hour.view(2)
    plots = [
        view.timeline(),
        view.waveform(start=1.0, end=3.0),
        view.ledger_plot(),
        view.spectrogram(),
        view.barge_ins()[0].plot(),
    ]
    for plot in plots:
        assert plot._repr_png_().startswith(b"\x89PNG")
        assert "second" in plot.axes[-1].get_xlabel() or "second" in plot.axes[0].get_xlabel()
    assert state_table("grok", "server").draw(closing=True)._repr_png_()
    assert state_table("deepgram", "server").moves


def test_a_player_has_the_octets_of_the_wire(hour: Simulated) -> None:
    view = hour.view(1)
    both = view.audio()
    assert both.channels == 2
    assert both.duration == pytest.approx(view.duration, abs=0.05)
    assert both.wav()[20:22] == b"\x07\x00"
    assert view.audio("agent", start=1.0, end=2.0).duration == 1.0
    assert view.audio("agent").ulaw[:8000] == view.result.recording.agent[:8000]
    assert "data:audio/wav;base64," in both._repr_html_()


def test_a_data_frame_needs_pandas_only_when_asked_for(hour: Simulated) -> None:
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(ImportError):
            hour.events().to_pandas()
    else:
        assert hour.events().to_pandas()["at"][0] == hour.events()[0].at
