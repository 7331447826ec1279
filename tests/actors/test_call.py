"""Calls: how they begin, what they carry, how they end, and that nothing of them is left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors import _recorder
from callboard.actors._call import Call, NotSupportedByLeg
from callboard.actors._call_end import CallEnd, EndReason, Party
from callboard.actors._call_events import CallEvent, Connected, Disconnected, MediaDisplaced, ToneReceived
from callboard.actors._switchboard import Refused, Route
from callboard.media import ULAW_8K, AudioFrame, WavError, read_wav, ulaw_decode, write_wav
from callboard.testing import MemoryLeg, open_board

from .test_media_ports import Unit


async def stay(call: Call) -> None:
    await trio.sleep_forever()


def left_of(call: Call) -> list[str]:
    """What the registry still holds of a call."""
    return [path for path in call.scope.system.registry if path.startswith(call.scope.path)]


async def ended(call: Call) -> CallEnd:
    """The end, which must come within a second with nothing left (I1)."""
    with trio.fail_after(1):
        end = await call.wait_ended()
    assert left_of(call) == []
    assert call.inputs == call.outputs == []
    return end


async def test_hangup_by_the_caller_cancels_the_scenario(autojump_clock: MockClock) -> None:
    cancelled = trio.Event()

    async def scenario(call: Call) -> None:
        await call.answer()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with open_board(scenario) as board:
        leg, call = await board.call()
        await leg.talk(1)
        leg.hang_up()
        end = await ended(call)
        assert (end.reason, end.by) == (EndReason.CALLER_HUNG_UP, Party.CALLER)
        assert end.duration == pytest.approx(1.0)
        assert cancelled.is_set()
        assert not leg.running


async def test_scenario_that_returns_ends_the_call(autojump_clock: MockClock) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()

    async with open_board(scenario) as board:
        _, call = await board.call()
        end = await ended(call)
        assert (end.reason, end.by) == (EndReason.SCENARIO_DONE, Party.SCENARIO)


async def test_scenario_that_raises_ends_its_call_only_and_the_error_is_kept(
    autojump_clock: MockClock,
) -> None:
    async def scenario(call: Call) -> None:
        if call.id() == "bad":
            raise KeyError("mine")
        await trio.sleep_forever()

    async with open_board(scenario) as board:
        _, good = await board.call(call_id="good")
        leg = MemoryLeg(board.switchboard.pacer, call_id="bad")
        end = await board.switchboard.run_call(leg)
        assert end.reason is EndReason.SCENARIO_FAILED
        assert isinstance(end.error, KeyError)
        assert good.end is None


async def test_hangup_by_the_scenario_does_not_return_into_it(autojump_clock: MockClock) -> None:
    after = False

    async def scenario(call: Call) -> None:
        nonlocal after
        await call.answer()
        await call.hangup("done talking")
        after = True

    async with open_board(scenario) as board:
        _, call = await board.call()
        end = await ended(call)
        assert (end.reason, end.text) == (EndReason.HUNG_UP, "done talking")
        assert not after


async def test_hangup_after_playout_lets_the_other_party_hear_all(autojump_clock: MockClock) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()
        unit = Unit("u", call.scope)
        unit.send_media_to(call)
        unit.emit(
            AudioFrame(payload=b"\x10" * 16000, format=ULAW_8K, position=0, generation=unit.next_generation())
        )
        await wait_all_tasks_blocked()
        await call.hangup(after_playout=True)

    async with open_board(scenario) as board:
        leg, call = await board.call()
        with trio.fail_after(3):
            end = await call.wait_ended()
        assert end.duration == pytest.approx(2.0, abs=0.05)
        assert leg.heard() == b"\x10" * 16000


async def test_answer_without_audio_is_too_slow(autojump_clock: MockClock) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()

    async with open_board(scenario) as board:
        _, call = await board.call(begin=False)
        end = await call.wait_ended()
        assert isinstance(end.error, trio.TooSlowError)


async def test_events_come_in_order_and_end_with_disconnected(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        leg, call = await board.call(begin=False)
        stream = call.events()
        tones = call.events(ToneReceived)
        leg.begin()
        for digit in "12#":
            leg.press(digit)
        leg.hang_up()
        seen: list[CallEvent] = [event async for event in stream]
        assert [type(event) for event in seen] == [
            Connected, ToneReceived, ToneReceived, ToneReceived, Disconnected,
        ]  # fmt: skip
        assert [event.tone async for event in tones if isinstance(event, ToneReceived)] == ["1", "2", "#"]
        assert "12#"[1] not in repr(seen[2])


async def test_caller_is_heard_by_every_sink_in_order(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        leg, call = await board.call()
        sinks = [Unit(f"s{number}", call.scope) for number in range(2)]
        for sink in sinks:
            call.send_media_to(sink)
        for number in range(20):
            leg.speak(bytes([number]) * 160)
        await wait_all_tasks_blocked()
        assert [sink.numbers for sink in sinks] == [list(range(20))] * 2
        assert sinks[0].got[3].position == 480


async def test_newest_source_takes_the_ear_and_the_loser_is_told(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        leg, call = await board.call()
        displaced = call.events(MediaDisplaced)
        first, second = Unit("a", call.scope), Unit("b", call.scope)
        edge = first.send_media_to(call)
        first.emit(
            AudioFrame(payload=b"\x01" * 8000, format=ULAW_8K, position=0, generation=first.next_generation())
        )
        await trio.sleep(0.1)
        second.send_media_to(call)
        second.emit(
            AudioFrame(payload=b"\x02" * 800, format=ULAW_8K, position=0, generation=second.next_generation())
        )
        await trio.sleep(1)
        event = await displaced.receive()
        assert isinstance(event, MediaDisplaced)
        assert event.edge is edge
        kinds = [sent.kind for sent in leg.sent]
        clear = kinds.index("clear")
        assert all(sent.payload[:1] == b"\x01" for sent in leg.sent[:clear] if sent.kind == "audio")
        assert b"".join(sent.payload for sent in leg.sent[clear:]) == b"\x02" * 800


async def test_interrupt_lets_no_older_frame_through_at_any_moment(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        leg, call = await board.call()
        source = Unit("a", call.scope)
        source.send_media_to(call)
        for step in range(25):
            old = source.next_generation()
            for number in range(10):
                source.emit(
                    AudioFrame(payload=b"\x01" * 800, format=ULAW_8K, position=number * 800, generation=old)
                )
            await trio.sleep(step * 0.017)
            call.interrupt()
            mark = len(leg.sent)
            # Frames that were already made, and frames made after.
            source.emit(AudioFrame(payload=b"\x01" * 800, format=ULAW_8K, position=0, generation=old))
            await trio.sleep(0.5)
            assert [sent for sent in leg.sent[mark:] if sent.kind == "audio"] == []
            assert leg.sent[mark - 1].kind == "clear"


async def test_recording_is_as_long_as_the_call_to_the_sample_with_both_sides_in_place(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "calls" / "one.wav"

    async def scenario(call: Call) -> None:
        await call.answer()
        await call.record(path)
        unit = Unit("u", call.scope)
        unit.send_media_to(call)
        await trio.sleep(1.0)
        unit.emit(
            AudioFrame(payload=b"\x20" * 16000, format=ULAW_8K, position=0, generation=unit.next_generation())
        )
        await trio.sleep(0.5)
        call.interrupt()
        await trio.sleep_forever()

    async with open_board(scenario) as board:
        leg, call = await board.call()
        await leg.talk(3.14)
        leg.hang_up()
        await ended(call)
    samples, rate = read_wav(path)
    assert rate == 8000
    assert samples.shape == (round(3.14 * 8000), 2)
    voice = int(ulaw_decode(b"\x20")[0])
    agent = np.flatnonzero(samples[:, 1] == voice)
    assert agent[0] == pytest.approx(8000, abs=200)
    assert agent[-1] == pytest.approx(12000, abs=200)
    assert len(agent) == agent[-1] - agent[0] + 1
    caller = int(ulaw_decode(b"\x40")[0])
    assert (samples[:, 0] == caller).mean() > 0.99
    assert path.stat().st_mode & 0o777 == 0o600


async def test_recording_is_readable_while_the_call_lasts(autojump_clock: MockClock, tmp_path: Path) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()
        await call.record(tmp_path / "x.wav")
        await trio.sleep_forever()

    async with open_board(scenario) as board:
        leg, call = await board.call()
        await leg.talk(5)
        samples, _ = read_wav(tmp_path / "x.wav")
        assert 4.0 * 8000 < len(samples) <= 5 * 8000
        assert call.recorder is not None
        assert call.recorder.recording().n_samples == len(samples)


async def test_killed_recorder_goes_on_in_a_second_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()
        await call.record(tmp_path / "x.wav")
        await trio.sleep_forever()

    async with open_board(scenario) as board:
        leg, call = await board.call()
        await leg.talk(2)
        board.system.kill(f"{call.scope.path}/units/recorder-1")
        await leg.talk(2)
        leg.hang_up()
        await ended(call)
    first, second = read_wav(tmp_path / "x.wav")[0], read_wav(tmp_path / "x-2.wav")[0]
    assert len(first) == 16000
    assert 1.5 * 8000 < len(second) <= 16000


async def test_recorder_killed_between_taking_and_writing_loses_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "calls/CA1/units/recorder-1"
    struck: list[float] = []

    async def scenario(call: Call) -> None:
        await call.record(tmp_path / "x.wav")
        await trio.sleep_forever()

    async with open_board(scenario) as board:

        async def strike(fn: Callable[..., object], *args: object) -> object:
            if trio.current_time() > board_time + 1.4 and not struck:
                struck.append(trio.current_time())
                board.system.kill(path)
            await trio.lowlevel.checkpoint()
            return fn(*args)

        board_time = trio.current_time()
        monkeypatch.setattr(_recorder, "run_blocking", strike)
        leg, call = await board.call()
        await leg.talk(2)
        leg.hang_up()
        await ended(call)
        first = read_wav(tmp_path / "x.wav")[0]
        assert len(struck) == 1
        # All that had been heard by then; the frame of that very instant may be on either side.
        assert len(first) == pytest.approx((struck[0] - board_time) * 8000, abs=160)


async def test_prompt_is_played_whole_and_cancelling_it_silences_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    tone = (8000 * np.sin(np.arange(24000 * 4) * 2 * np.pi * 440 / 24000)).astype(np.int16)
    write_wav(tmp_path / "prompt.wav", tone, 24000)
    times: list[float] = []

    async def scenario(call: Call) -> None:
        await call.answer()
        times.append(trio.current_time())
        await call.play(tmp_path / "prompt.wav")
        times.append(trio.current_time())
        with trio.move_on_after(1):
            await call.play(tmp_path / "prompt.wav")
        times.append(trio.current_time())
        await trio.sleep(5)

    async with open_board(scenario) as board:
        leg, call = await board.call()
        await call.wait_ended()
        assert times[1] - times[0] == pytest.approx(4.0, abs=0.1)
        assert times[2] - times[1] == pytest.approx(1.0, abs=0.01)
        before = sum(len(sent.payload) for sent in leg.sent if sent.at < times[1])
        after = sum(len(sent.payload) for sent in leg.sent if sent.at >= times[1])
        assert before == pytest.approx(32000, abs=160)
        assert 8000 <= after <= 8000 * 1.2
        assert leg.sent[-1].kind == "clear"


async def test_prompt_that_is_no_wav_is_a_clear_error(autojump_clock: MockClock, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF nonsense")
    caught: list[Exception] = []

    async def scenario(call: Call) -> None:
        for name in ("x.wav", "missing.wav"):
            try:
                await call.play(tmp_path / name)
            except (WavError, OSError) as error:
                caught.append(error)

    async with open_board(scenario) as board:
        await board.switchboard.run_call(MemoryLeg(board.switchboard.pacer))
    assert [type(error) for error in caught] == [WavError, FileNotFoundError]


@pytest.mark.parametrize("victim", ["", "leg", "scenario"])
async def test_killing_leg_scenario_or_call_ends_this_call_cleanly(
    autojump_clock: MockClock, victim: str
) -> None:
    async with open_board(stay) as board:
        _, other = await board.call(call_id="other")
        _, call = await board.call(call_id="mine")
        board.system.kill(f"calls/mine/{victim}".rstrip("/"))
        end = await ended(call)
        assert end.reason is EndReason.KILLED
        await trio.sleep(10)
        assert other.end is None


@pytest.mark.parametrize("victim", ["units", "providers", "bridges", "tools"])
async def test_killing_a_supervisor_of_a_call_heals_or_ends_it_cleanly(
    autojump_clock: MockClock, victim: str
) -> None:
    async with open_board(stay) as board:
        _, other = await board.call(call_id="other")
        _, call = await board.call(call_id="mine")
        board.system.kill(f"calls/mine/{victim}")
        await trio.sleep(10)
        if call.end is None:
            assert board.system.lookup(f"calls/mine/{victim}") is not None
        else:
            assert left_of(call) == []
        assert other.end is None


async def test_destination_finds_the_first_route_that_matches(autojump_clock: MockClock) -> None:
    taken: list[str] = []

    def scenario(name: str) -> Route:
        async def run(call: Call) -> None:
            taken.append(f"{name} {call.info.to}")

        return Route({"sales": r"\+1555.*", "rest": r"\+1.*"}[name], run)

    async with open_board(stay, routes=(scenario("sales"), scenario("rest"))) as board:
        for to in ("+15551", "+1666", "+44"):
            leg = MemoryLeg(board.switchboard.pacer, to=to)
            try:
                await board.switchboard.run_call(leg)
            except Refused as refused:
                taken.append(str(refused))
        assert taken == ["sales +15551", "rest +1666", "no route for destination '+44'"]


async def test_call_beyond_the_limit_is_refused_and_room_is_made_by_an_end(autojump_clock: MockClock) -> None:
    async with open_board(stay, max_calls=2) as board:
        first, _ = await board.call(call_id="a")
        await board.call(call_id="b")
        with pytest.raises(Refused, match="2 calls are up"):
            await board.switchboard.run_call(MemoryLeg(board.switchboard.pacer))
        first.hang_up()
        await trio.sleep(1)
        await board.call(call_id="c")
        counted = board.switchboard.statistics()
        assert (counted.active, counted.taken, counted.refused, counted.most_at_once) == (2, 3, 1, 2)


async def test_names_come_from_the_carrier_only_where_they_are_safe(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        names = [
            (await board.call(call_id=call_id))[1].id()
            for call_id in ("CA7", "CA7", "../../etc", "", "x" * 65)
        ]
        assert names == ["CA7", "call-1", "call-2", "call-3", "call-4"]


async def test_drain_waits_for_running_calls_and_takes_no_new_one(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        legs = [(await board.call(call_id=f"c{number}"))[0] for number in range(3)]
        drained: list[bool] = []

        async def drain() -> None:
            drained.append(await board.switchboard.drain(60))

        board.nursery.start_soon(drain)
        await wait_all_tasks_blocked()
        with pytest.raises(Refused, match="draining"):
            await board.switchboard.run_call(MemoryLeg(board.switchboard.pacer))
        for leg in legs:
            await trio.sleep(5)
            assert drained == []
            leg.hang_up()
        await trio.sleep(1)
        assert drained == [True]


async def test_drain_ends_what_still_runs_at_its_deadline(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        _, call = await board.call()
        started = trio.current_time()
        assert not await board.switchboard.drain(7)
        assert trio.current_time() - started == pytest.approx(7, abs=1)
        assert call.end is not None
        assert call.end.reason is EndReason.SHUTDOWN


async def test_a_stopping_system_ends_its_calls(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with open_board(stay) as board:
        calls = [(await board.call(call_id=f"c{number}"))[1] for number in range(3)]
    assert [call.end.reason for call in calls if call.end] == [EndReason.SHUTDOWN] * 3
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_what_a_media_socket_cannot_do_says_so(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        _, call = await board.call()
        for attempt, text in (
            (call.ring(), "cannot ring"),
            (call.send_digits("12"), "cannot send 2 key tones"),
            (call.transfer_to("+1"), "cannot transfer to"),
            (call.hold(), "cannot hold"),
            (call.resume(), "cannot resume"),
        ):
            with pytest.raises(NotSupportedByLeg, match=f"the memory media wire {text}"):
                await attempt


async def test_switchboard_needs_a_pattern_that_is_a_regular_expression() -> None:
    async def scenario(call: Call) -> None: ...

    with pytest.raises(ValueError, match="pattern"):
        Route("(", scenario)
