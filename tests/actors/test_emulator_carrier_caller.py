"""Scripted callers: each step, the events they leave, what is measured from them, and scripts as files."""

import json
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock

from callboard.actors.emulators._caller import SILENT_FRAME, Ear, Voice, frame_levels, to_ulaw
from callboard.actors.emulators._caller_script import (
    HangUp,
    InterruptAfter,
    Press,
    Say,
    ScriptError,
    Step,
    Wait,
    WaitForAgent,
    WaitForSilence,
    load_script,
    parse_script,
)
from callboard.actors.emulators._caller_scripted import CallerTimeout, ScriptedCaller, SpeechBank
from callboard.actors.emulators._carrier import CarrierEmulator
from callboard.actors.emulators._carrier_recording import speech_spans
from callboard.actors.emulators._carrier_result import CallEnd, CallResult
from callboard.media import ulaw_decode
from callboard.testing import MemoryNetwork

from .emulator_carrier_kit import Handler, Peer, Server, ToneVoice, listen_only, serving, tone, tone_voice

S = b"\xff"


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


@attrs.define
class FakeLine:
    """A line without a carrier."""

    pressed: list[str] = attrs.Factory(list[str])
    hung_up: bool = False

    def press(self, digit: str) -> None:
        self.pressed.append(digit)

    def hang_up(self) -> None:
        self.hung_up = True


async def drive(
    steps: Sequence[Step], heard: bytes = b"", *, seconds: float = 60.0, stay: bool = False
) -> tuple[ScriptedCaller, FakeLine, bytes]:
    """Run a caller against prepared agent audio until it hangs up; return what it said."""
    caller, line, said = ScriptedCaller(steps, tone_voice(), stay=stay), FakeLine(), b""
    await caller.prepare()
    caller.answered(line)
    for n in range(round(seconds / 0.02)):
        frame = caller.next_frame()
        if line.hung_up:
            break
        said += frame
        caller.hear(heard[n * 160 : (n + 1) * 160].ljust(160, S))
    return caller, line, said


async def make_call(
    steps: Sequence[Step], handler: Handler = listen_only
) -> tuple[ScriptedCaller, CallResult, Server]:
    network = MemoryNetwork()
    async with serving(network, handler) as server:
        caller = ScriptedCaller(steps, tone_voice())
        result = await CarrierEmulator(network, server.url).call(caller).run()
    return caller, result, server


async def test_text_is_said_to_its_end_and_its_audible_part_is_noted() -> None:
    caller, line, said = await drive([Wait(0.1), Say("abcd"), Wait(0.2)])
    # 0.1 s of silence, then 4 letters of 50 ms between 10 ms of silence: 11 frames, then 0.2 s.
    assert len(said) == (5 + 11 + 10) * 160
    (span,) = speech_spans(said)
    wait, say, after = caller.events
    assert (wait.started_at, wait.ended_at, wait.speech_started_at) == pytest.approx((0.0, 0.1, None))
    assert (say.started_at, say.ended_at) == pytest.approx((0.1, 0.32))
    assert (say.speech_started_at, say.speech_ended_at) == pytest.approx((0.11, 0.31))
    assert (span.start, span.end) == pytest.approx((0.11, 0.31))
    assert (after.step, after.number) == (Wait(0.2), 3)
    assert caller.finished
    assert line.hung_up


async def test_caller_waits_until_the_agent_was_heard_long_enough() -> None:
    agent = S * 8000 + tone(0.06) + S * 1600 + tone(2.0)
    caller, _, _ = await drive([WaitForAgent(min_speech=0.2)], agent)
    # 60 ms of the click and 140 ms of what follows within the same turn.
    assert caller.events[0].ended_at == pytest.approx(1.0 + 0.06 + 0.2 + 0.14)


async def test_only_what_the_agent_says_after_the_caller_counts_as_its_answer() -> None:
    agent = tone(1.0) + S * 8000 + tone(1.0)
    caller, _, _ = await drive([WaitForAgent(), Say("xxxxxxxxxxxxxxxxxxxx"), WaitForAgent()], agent)
    assert caller.events[0].ended_at == pytest.approx(0.1)
    assert caller.events[1].ended_at == pytest.approx(0.1 + 1.02)
    assert caller.events[2].ended_at == pytest.approx(2.1)


async def test_caller_waits_until_the_agent_is_silent() -> None:
    agent = tone(1.0) + S * 4000 + tone(0.5)
    caller, _, _ = await drive([WaitForSilence(0.8)], agent)
    assert caller.events[0].ended_at == pytest.approx(2.0 + 0.8)
    caller, _, _ = await drive([WaitForSilence(0.4)], agent)
    assert caller.events[0].ended_at == pytest.approx(1.0 + 0.4)


async def test_caller_interrupts_while_the_agent_speaks() -> None:
    agent = S * 1600 + tone(5.0)
    caller, _, said = await drive([InterruptAfter(1.0, "stop"), Wait(0.1)], agent)
    event = caller.events[0]
    assert event.started_at == 0.0
    assert event.speech_started_at == pytest.approx(0.2 + 1.0 + 0.01)
    assert event.speech_ended_at == pytest.approx(1.21 + 0.2)
    (span,) = speech_spans(said)
    assert span.start == pytest.approx(1.21)


async def test_keys_are_pressed_with_pauses_between() -> None:
    caller, line, _ = await drive([Press("12#"), Wait(1.0)])
    assert line.pressed == ["1", "2", "#"]
    assert caller.events[0].ended_at == pytest.approx(0.4)


async def test_hanging_up_skips_the_rest_and_staying_goes_on() -> None:
    caller, line, _ = await drive([Wait(0.1), HangUp(), Say("never")])
    assert line.hung_up
    assert [event.step for event in caller.events] == [Wait(0.1), HangUp()]
    caller, line, said = await drive([Wait(0.1)], stay=True, seconds=2.0)
    assert not line.hung_up
    assert caller.finished
    assert len(said) == 16000
    _, line, _ = await drive([HangUp()], stay=True)
    assert line.hung_up


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (WaitForAgent(timeout=0.5), "agent was not heard for 0.1 s within 0.5 s"),
        (InterruptAfter(1.0, "x", timeout=0.5), "agent did not speak for 1 s within 0.5 s"),
    ],
)
async def test_step_that_waits_in_vain_names_itself(step: Step, text: str) -> None:
    with pytest.raises(CallerTimeout, match=text) as caught:
        await drive([Wait(0.1), step])
    assert (caught.value.step, caught.value.number) == (step, 2)
    assert str(caught.value).startswith(f"step 2, {type(step).__name__}(")


async def test_endless_agent_times_the_wait_for_silence_out() -> None:
    with pytest.raises(CallerTimeout, match=r"agent was not silent for 0\.8 s within 1 s"):
        await drive([WaitForSilence(timeout=1.0)], tone(5.0))


async def test_timeout_ends_the_call_and_is_its_error(clock: MockClock) -> None:
    caller, result, server = await make_call([Say("hi"), WaitForAgent(timeout=2.0)])
    assert result.outcome.end is CallEnd.CALLER_FAILED
    assert isinstance(result.outcome.error, CallerTimeout)
    assert "step 2, WaitForAgent" in result.outcome.reason
    assert server.peer.events()[-1] == "stop"
    assert result.events == caller.events
    assert (result.events[-1].step, result.events[-1].ended_at) == (WaitForAgent(timeout=2.0), None)
    assert not caller.finished


async def test_conversation_is_measured_from_what_was_heard(clock: MockClock) -> None:
    async def agent(peer: Peer) -> None:
        t0 = peer.of("start")[0][0]
        await trio.sleep_until(t0 + 0.3)
        await peer.play(tone(1.0))
        # The caller waits for the end of the greeting and 0.8 s more, says 0.5 s; then the answer comes.
        await trio.sleep_until(t0 + 1.3 + 0.8 + 0.01 + 0.5 + 0.4)
        await peer.play(tone(10.0))
        # It is interrupted after 1 s and needs 250 ms to notice.
        await trio.sleep(1.0 + 0.01 + 0.25)
        await peer.clear()

    steps: list[Step] = [
        WaitForAgent(),
        WaitForSilence(0.8),
        Say("ten letter"),
        InterruptAfter(1.0, "no no"),
        Wait(1.0),
        HangUp(),
    ]
    _, result, server = await make_call(steps, agent)
    result.check()
    measures = result.measures()
    assert measures.first_audio == pytest.approx(0.3, abs=0.001)
    reply, barge_in = measures.replies
    assert (reply.text, reply.silenced) == ("ten letter", None)
    # The caller listens in frames of 20 ms, so its words may begin up to 20 ms later than planned above.
    assert reply.reply == pytest.approx(0.4, abs=0.021)
    assert (barge_in.text, barge_in.reply) == ("no no", None)
    assert barge_in.silenced == pytest.approx(0.25, abs=0.021)
    assert measures.underruns == ()
    assert server.peer.audio() == result.recording.caller
    events = {type(event.step): event for event in result.events}
    said = speech_spans(result.recording.caller)
    assert [span.start for span in said] == pytest.approx(
        [events[Say].speech_started_at, events[InterruptAfter].speech_started_at], abs=1e-4
    )


async def test_texts_are_made_once_before_the_call_and_sentences_are_parted() -> None:
    voice = ToneVoice()
    bank = SpeechBank(tone_voice(voice))
    for _ in range(2):
        caller = ScriptedCaller([Say("One two. Three four."), Say("One two. Three four.")], bank)
        await caller.prepare()
    assert voice.texts == ["One two.", "Three four."]
    utterance = await bank.utterance("One two. Three four.")
    first, second = speech_spans(utterance.ulaw, gap=0.1)
    assert second.start - first.end == pytest.approx(0.15 + 0.02)
    assert (utterance.first, utterance.last) == (round(first.start * 8000), round(second.end * 8000))


async def test_slow_engines_work_in_a_thread() -> None:
    import threading

    threads: list[int] = []

    class Slow(ToneVoice):
        def synthesise(self, text: str, *, voice: str = "") -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
            threads.append(threading.get_ident())
            return super().synthesise(text, voice=voice)

    await SpeechBank(tone_voice(Slow(), threaded=True)).utterance("a")
    await SpeechBank(tone_voice(Slow())).utterance("a")
    assert threads[0] != threading.get_ident()
    assert threads[1] == threading.get_ident()


def test_script_in_every_form(tmp_path: Path) -> None:
    expected = (
        Wait(1.5),
        WaitForAgent(min_speech=0.3, timeout=5),
        WaitForAgent(),
        WaitForSilence(1),
        Say("Hello"),
        InterruptAfter(1.0, "Wait"),
        Press("12"),
        HangUp(),
    )
    (tmp_path / "a.yaml").write_text(
        """
steps:
  - wait: 1.5
  - wait_for_agent: {min_speech: 0.3, timeout: 5}
  - wait_for_agent
  - wait_for_silence: 1
  - say: Hello
  - interrupt_after: {seconds: 1.0, text: Wait}
  - press: 12
  - hang_up
"""
    )
    (tmp_path / "a.json").write_text(
        json.dumps(
            [
                {"wait": 1.5},
                {"wait_for_agent": {"min_speech": 0.3, "timeout": 5}},
                "wait_for_agent",
                {"wait_for_silence": 1},
                {"say": {"text": "Hello"}},
                {"interrupt_after": {"seconds": 1.0, "text": "Wait"}},
                {"press": "12"},
                {"hang_up": None},
            ]
        )
    )
    assert load_script(tmp_path / "a.yaml") == expected
    assert load_script(tmp_path / "a.json") == expected


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (3, "expected a list of steps"),
        ({"other": []}, "expected a list of steps"),
        (["dance"], "step 1 is 'dance', expected one of say, wait"),
        ([["say"]], "step 1 is ['say'], expected one of say, wait"),
        (["hang_up", {"say": "a", "wait": 1}], "step 2 is"),
        ([{"say": None}], "step 1, say: missing 1 required positional argument: 'text'"),
        ([{"say": {"txt": "a"}}], "step 1, say: got an unexpected keyword argument 'txt'"),
        ([{"say": "  "}], "step 1, Say: text is '  ', expected text"),
        ([{"say": 5}], "step 1, Say: text is 5, expected text"),
        ([{"wait": "long"}], "step 1, Wait: seconds is 'long', expected seconds"),
        ([{"wait": -1}], "expected seconds"),
        ([{"wait": float("nan")}], "expected seconds"),
        ([{"wait_for_silence": {"timeout": True}}], "timeout is True, expected seconds"),
        ([{"interrupt_after": 1.0}], "step 1, interrupt_after: 1.0, expected its arguments by name"),
        ([{"press": "1x"}], "step 1, Press: no such keys: 'x'"),
        ([{"hang_up": 1}], "step 1, hang_up"),
    ],
)
def test_script_that_makes_no_sense_is_refused_with_the_step(script: object, text: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(script)
    assert text in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.yaml", "a: [")])
def test_broken_script_file_is_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ScriptError) as caught:
        load_script(tmp_path / name)
    assert str(caught.value).startswith(f"{name} is not ")
    assert "\n" not in str(caught.value)


def test_script_given_in_python_is_checked_as_well() -> None:
    with pytest.raises(ScriptError, match="step 2, Press"):
        ScriptedCaller([Wait(1.0), Press("z")], tone_voice())


@given(st.lists(st.integers(0, 700), max_size=6))
def test_voice_says_every_sample_in_order(lengths: list[int]) -> None:
    voice, parts = Voice(), [bytes([n % 200]) * length for n, length in enumerate(lengths)]
    for part in parts:
        voice.say(part)
    said = b""
    while voice.speaking:
        said += voice.next_frame()
    whole = b"".join(parts)
    assert said == whole.ljust(-(-len(whole) // 160) * 160, S)
    assert voice.next_frame() == SILENT_FRAME


def test_ear_counts_speech_in_turns_and_ignores_what_is_faint() -> None:
    ear = Ear(turn_gap=0.1)
    loud, faint = tone(0.02), tone(0.02, amplitude=60.0)
    for frame in (loud, loud, faint, SILENT_FRAME, loud):
        ear.hear(frame)
    assert ear.speech == pytest.approx(0.06)
    assert ear.speaking
    for _ in range(6):
        ear.hear(SILENT_FRAME)
    assert ear.silence == pytest.approx(0.12)
    assert not ear.speaking
    ear.hear(loud)
    assert ear.speech == pytest.approx(0.02)


def test_levels_and_spans_of_speech() -> None:
    levels = frame_levels(tone(0.02, amplitude=8000.0) + S * 80)
    assert levels[0] == pytest.approx(20 * np.log10(8000 / np.sqrt(2) / 32768), abs=0.2)
    assert levels[1] < -80
    assert speech_spans(S * 1000) == ()
    assert speech_spans(b"") == ()
    spans = speech_spans(S * 500 + tone(0.5) + S * 2000 + tone(0.2) + S * 5000 + tone(0.1))
    assert [(span.start, span.end) for span in spans] == [
        pytest.approx((0.0625, 1.0125), abs=0.002),
        pytest.approx((1.6375, 1.7375), abs=0.002),
    ]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 48000])
def test_audio_of_any_rate_is_converted_to_its_last_sample(rate_hz: int) -> None:
    n = rate_hz // 2
    samples = (8000 * np.sin(2 * np.pi * 400 * np.arange(n) / rate_hz)).astype(np.int16)
    decoded = ulaw_decode(to_ulaw(samples, rate_hz)).astype(np.float64)
    assert 4000 <= len(decoded) <= 4000 + 100
    end = int(np.flatnonzero(np.abs(decoded) > 1000)[-1])
    assert 3950 <= end <= 4000 + 60


def test_audio_at_an_odd_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="audio at 12345 Hz"):
        to_ulaw(np.zeros(10, np.int16), 12345)
