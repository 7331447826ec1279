"""Twilio calls end to end in virtual time: the emulated carrier dials our server over in-memory sockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock

from callboard.actors._call import Call, Scenario
from callboard.actors._call_end import EndReason
from callboard.actors._call_events import ToneReceived
from callboard.actors._server import CallServer, ServerOptions, open_server
from callboard.actors._switchboard import Route
from callboard.actors._system import open_system
from callboard.actors._twilio_leg import TwilioLeg
from callboard.actors._websocket import DialFailed, open_websocket
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    CarrierEmulator,
    CarrierFaults,
    SilentCaller,
    WavCaller,
)
from callboard.media import ULAW_8K, AudioFrame, read_wav, ulaw_decode, ulaw_encode
from callboard.testing import MemoryNetwork

from .test_media_ports import Unit


@attrs.define
class Rig:
    server: CallServer
    calls: list[Call]
    carrier: CarrierEmulator


@asynccontextmanager
async def open_rig(
    scenario: Scenario, *, options: ServerOptions | None = None, **parameters: str
) -> AsyncGenerator[Rig, None]:
    calls: list[Call] = []

    async def run(call: Call) -> None:
        calls.append(call)
        await scenario(call)

    before = trio.lowlevel.current_statistics().tasks_living
    async with open_system(network=MemoryNetwork(), seed=1) as system:
        options = options or ServerOptions(port=8080)
        async with open_server(system, (Route(".*", run),), options) as server:
            carrier = CarrierEmulator(system.network, server.media_url, custom_parameters=parameters)
            yield Rig(server, calls, carrier)
            await trio.sleep(1)
            assert [path for path in system.registry if path.startswith("calls/")] == []
    assert trio.lowlevel.current_statistics().tasks_living == before


def leg_of(call: Call) -> TwilioLeg:
    assert isinstance(call.leg, TwilioLeg)
    return call.leg


def ramp(seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """Samples that tell where they belong: each 20 ms have a level of their own."""
    frames = np.arange(round(seconds * 50))
    return np.repeat((frames % 100 + 1) * 200, 160).astype(np.int16)


async def stay(call: Call) -> None:
    await call.answer()
    await trio.sleep_forever()


async def echo(call: Call) -> None:
    unit = Unit("echo", call.scope)
    call.send_media_to(unit)
    unit.send_media_to(call)
    generation = unit.next_generation()
    unit.accept = lambda edge, frame: unit.emit(attrs.evolve(frame, generation=generation))  # type: ignore[method-assign]
    await call.answer()
    await trio.sleep_forever()


async def test_caller_hears_its_own_voice_through_the_whole_stack(autojump_clock: MockClock) -> None:
    async with open_rig(echo, to="+1555", tenant="acme") as rig:
        result = await rig.carrier.call(WavCaller(ramp(3), hang_up_after=0.5)).run()
        result.check()
        (call,) = rig.calls
        end = await call.wait_ended()
        assert end.reason is EndReason.CALLER_HUNG_UP
        assert call.info.to == "+1555"
        assert call.info.custom_parameters == {"to": "+1555", "tenant": "acme"}
        agent = result.heard()[:, 1]
        voiced = np.flatnonzero(agent)
        wanted = ulaw_decode(ulaw_encode(ramp(3)))
        # In order and without a gap, and no later than a pacer's turn.
        assert voiced[0] < 8000 * 0.1
        start = int(voiced[0])
        assert np.array_equal(agent[start : start + len(wanted) - 800], wanted[: len(wanted) - 800])
        assert result.playout.underruns == 0


async def test_recording_is_as_long_as_what_the_carrier_sent_and_equal_on_both_sides(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async def recorded(call: Call) -> None:
        await call.record(tmp_path / "x.wav")
        await echo(call)

    async with open_rig(recorded) as rig:
        result = await rig.carrier.call(WavCaller(ramp(4), hang_up_after=0.5)).run()
        await rig.calls[0].wait_ended()
        ours, _ = read_wav(tmp_path / "x.wav")
        theirs = result.heard()
        assert result.carrier.frames_sent * 160 == len(ours)
        assert np.array_equal(ours[:, 0], theirs[: len(ours), 0])
        # The agent's side: the same audio at the same place, within a message's way.
        first_ours, first_theirs = np.flatnonzero(ours[:, 1])[0], np.flatnonzero(theirs[:, 1])[0]
        assert abs(int(first_ours) - int(first_theirs)) <= 240


async def test_keys_arrive_in_order(autojump_clock: MockClock) -> None:
    tones: list[str] = []

    async def scenario(call: Call) -> None:
        stream = call.events(ToneReceived)
        async for event in stream:
            assert isinstance(event, ToneReceived)
            tones.append(event.tone)

    async with open_rig(scenario) as rig, trio.open_nursery() as nursery:
        call = rig.carrier.call(SilentCaller())
        await nursery.start(call.run)
        await trio.sleep(0.1)
        for digit in "0123456789*#":
            call.press(digit)
        await trio.sleep(1)
        call.hang_up()
    assert "".join(tones) == "0123456789*#"


async def test_scenario_that_hangs_up_closes_the_carriers_socket(autojump_clock: MockClock) -> None:
    async def scenario(call: Call) -> None:
        await call.answer()
        await call.hangup()

    async with open_rig(scenario) as rig:
        result = await rig.carrier.call(SilentCaller(10)).run()
        assert result.outcome.end is CallEnd.REMOTE_CLOSED
        assert (await rig.calls[0].wait_ended()).reason is EndReason.HUNG_UP


async def test_cut_stream_ends_the_call_within_a_second(autojump_clock: MockClock) -> None:
    async with open_rig(stay) as rig:
        result = await rig.carrier.call(SilentCaller(10), faults=CarrierFaults(drop_at=2.0)).run()
        assert result.outcome.end is CallEnd.DROPPED
        with trio.fail_after(1):
            end = await rig.calls[0].wait_ended()
        assert end.reason is EndReason.LEG_LOST


async def test_stream_that_falls_silent_is_dead_after_the_read_timeout(autojump_clock: MockClock) -> None:
    async with open_rig(stay) as rig, trio.open_nursery() as nursery:
        call = rig.carrier.call(SilentCaller(60), faults=CarrierFaults(freeze_at=2.0))
        await nursery.start(call.run)
        await trio.sleep(14)
        end = rig.calls[0].end
        assert end is not None
        assert (end.reason, end.text) == (EndReason.LEG_LOST, "nothing received for 10 s")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "garbage",
    [
        "not json",
        "[]",
        '{"event": 7}',
        '{"event":"media","streamSid":"%s","media":{"payload":"@@@","timestamp":"1"}}',
        '{"event":"media","streamSid":"%s","media":{"payload":"AAAA","timestamp":"soon"}}',
        '{"event":"media","streamSid":"MZother","media":{"payload":"AAAA","timestamp":"1"}}',
        '{"event":"start","streamSid":"%s","start":{"callSid":"CA2","streamSid":"%s"}}',
        '{"event":"dtmf","streamSid":"%s","dtmf":{"digit":"boo"}}',
        '{"event":"mark"}',
        b"\x00\x01binary",
        '{"event":"surprise","streamSid":"%s"}',
    ],
)
async def test_bad_message_is_ignored_and_the_call_goes_on(
    autojump_clock: MockClock, garbage: str | bytes
) -> None:
    async with open_rig(echo) as rig, trio.open_nursery() as nursery:
        call = rig.carrier.call(WavCaller(ramp(2), hang_up_after=0.5))
        message = garbage.replace("%s", call.wire.stream_sid) if isinstance(garbage, str) else garbage
        await nursery.start(call.run)
        await trio.sleep(1)
        call.inject(message)
        await trio.sleep(2.5)
        result: CallResult = call.result()
        result.check()
        assert result.playout.underruns == 0
        assert leg_of(rig.calls[0]).statistics().faults == (0 if "surprise" in str(garbage) else 1)


async def test_peer_that_only_sends_garbage_is_cut_off(autojump_clock: MockClock) -> None:
    async with open_rig(stay) as rig:
        faults = CarrierFaults(inject=tuple((1.0, "junk") for _ in range(100)))
        result = await rig.carrier.call(SilentCaller(10), faults=faults).run()
        assert result.outcome.end is CallEnd.REMOTE_CLOSED
        assert (await rig.calls[0].wait_ended()).reason is EndReason.LEG_FAILED


async def test_message_of_ten_megabytes_ends_that_call_only(autojump_clock: MockClock) -> None:
    async with open_rig(stay) as rig, trio.open_nursery() as nursery:
        other = rig.carrier.call(SilentCaller(8))
        await nursery.start(other.run)
        faults = CarrierFaults(inject=((1.0, '{"event":"' + "x" * 10_000_000 + '"}'),))
        result = await rig.carrier.call(SilentCaller(6), faults=faults).run()
        assert result.outcome.end in {CallEnd.REMOTE_CLOSED, CallEnd.REMOTE_LOST}
        assert rig.calls[0].end is None
        assert (await rig.calls[1].wait_ended()).reason is EndReason.LEG_LOST


@pytest.mark.parametrize(
    "faults",
    [
        CarrierFaults(jitter=0.2),
        CarrierFaults(burst=10),
        CarrierFaults(numbers=True),
        CarrierFaults(start_delay=2.0),
    ],
)
async def test_odd_but_legal_carriers_are_served(autojump_clock: MockClock, faults: CarrierFaults) -> None:
    async with open_rig(echo) as rig:
        result = await rig.carrier.call(WavCaller(ramp(2), hang_up_after=1), faults=faults).run()
        result.check()
        wanted = ulaw_decode(ulaw_encode(ramp(2)))
        agent = result.heard()[:, 1]
        heard = agent[agent != 0]
        assert np.array_equal(heard[:14000], wanted[:14000])


@pytest.mark.parametrize("faults", [CarrierFaults(no_start=True), CarrierFaults(media_before_start=3)])
async def test_stream_that_does_not_begin_as_it_should_is_refused(
    autojump_clock: MockClock, faults: CarrierFaults
) -> None:
    async with open_rig(stay) as rig:
        result = await rig.carrier.call(SilentCaller(20), faults=faults).run()
        assert (result.outcome.end, result.outcome.code) == (CallEnd.REMOTE_CLOSED, 1008)
        assert rig.calls == []


async def test_wrong_token_is_refused_and_the_right_one_is_taken_and_not_shown(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    options = ServerOptions(port=8080, media_token="s3cret")
    async with open_rig(stay, options=options) as rig:
        for token in ("", "wrong"):
            call = rig.carrier.call(SilentCaller(2), custom_parameters={"token": token})
            assert (await call.run()).outcome.code == 1008
        result = await rig.carrier.call(SilentCaller(2), custom_parameters={"token": "s3cret"}).run()
        result.check()
        assert "token" not in rig.calls[0].info.custom_parameters
        assert "s3cret" not in caplog.text + repr(rig.calls[0].info) + repr(options)


async def test_server_that_is_full_answers_503_and_other_paths_404(autojump_clock: MockClock) -> None:
    async with (
        open_rig(stay, options=ServerOptions(port=8080, max_calls=1)) as rig,
        trio.open_nursery() as nursery,
    ):
        first = rig.carrier.call(SilentCaller())
        await nursery.start(first.run)
        result = await rig.carrier.call(SilentCaller(2)).run()
        assert (result.outcome.end, result.outcome.code) == (CallEnd.NOT_CONNECTED, 503)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(
                rig.server.system.network, f"ws://{rig.server.bound.authority}/nowhere"
            ):
                pass
        assert caught.value.status == 404
        first.hang_up()


async def test_killed_listener_comes_back_and_calls_do_not_notice(autojump_clock: MockClock) -> None:
    async with open_rig(echo) as rig, trio.open_nursery() as nursery:
        first = rig.carrier.call(WavCaller(ramp(4), hang_up_after=0.5))
        await nursery.start(first.run)
        await trio.sleep(1)
        rig.server.system.kill("listener")
        await trio.sleep(1)
        second = await rig.carrier.call(SilentCaller(1)).run()
        second.check()
        await trio.sleep(4)
        first.result().check()
        assert first.result().playout.underruns == 0


async def test_server_that_stops_ends_its_calls_and_says_why(autojump_clock: MockClock) -> None:
    calls: list[Call] = []

    async def run(call: Call) -> None:
        calls.append(call)
        await stay(call)

    async with trio.open_nursery() as nursery:
        network = MemoryNetwork()
        async with (
            open_system(network=network) as system,
            open_server(system, (Route(".*", run),), ServerOptions(port=8080)) as server,
        ):
            phone = CarrierEmulator(network, server.media_url).call(SilentCaller())
            await nursery.start(phone.run)
            await trio.sleep(1)
        end = calls[0].end
        assert end is not None
        assert end.reason is EndReason.SHUTDOWN
    assert phone.result().outcome.end in {CallEnd.REMOTE_CLOSED, CallEnd.REMOTE_LOST}


async def test_carrier_that_does_not_read_costs_bounded_memory_and_its_own_call_only(
    autojump_clock: MockClock,
) -> None:
    async def flood(call: Call) -> None:
        await call.answer()
        unit = Unit("u", call.scope)
        unit.send_media_to(call)
        for _ in range(60):
            unit.emit(
                AudioFrame(
                    payload=b"\x10" * 8000, format=ULAW_8K, position=0, generation=unit.next_generation()
                )
            )
            await trio.sleep(1)

    async with open_rig(flood) as rig, trio.open_nursery() as nursery:
        call = rig.carrier.call(SilentCaller(), faults=CarrierFaults(stall_at=1.0, stall_for=30.0))
        await nursery.start(call.run)
        await trio.sleep(20)
        leg = leg_of(rig.calls[0])
        assert len(leg._outbox) <= 256
        call.drop()


async def test_clears_for_a_carrier_that_does_not_read_do_not_add_up(autojump_clock: MockClock) -> None:
    async with open_rig(stay) as rig, trio.open_nursery() as nursery:
        call = rig.carrier.call(SilentCaller())
        await nursery.start(call.run)
        await trio.testing.wait_all_tasks_blocked()
        leg = leg_of(rig.calls[0])
        waiting = [queued for queued in leg._outbox if not queued.is_media]
        for generation in range(1000):
            leg.wire_clear(generation)
        assert len(leg._outbox) - len(waiting) <= 1
        call.drop()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_public_address_needs_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="media token"):
        ServerOptions(host=host)
    assert ServerOptions(host=host, media_token="x").host == host
