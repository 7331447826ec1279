"""Whole calls of the carrier emulator, in virtual time over in-memory streams (and one over loopback)."""

import base64
import functools
import hashlib
import hmac
import itertools
import json
import logging
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from callboard.actors._network import TcpNetwork
from callboard.actors._pacer import Pacer
from callboard.actors._websocket import DialFailed
from callboard.actors.emulators._caller import SILENT_FRAME, Line, SilentCaller, WavCaller
from callboard.actors.emulators._carrier import CarrierEmulator
from callboard.actors.emulators._carrier_faults import CarrierFaults
from callboard.actors.emulators._carrier_playout import PlayoutKind
from callboard.actors.emulators._carrier_result import CallEnd, CallFailed, CallResult
from callboard.media import read_wav, ulaw_decode, ulaw_encode
from callboard.testing import MemoryNetwork, Transport

from .emulator_carrier_kit import Message, Peer, serving, tone

S = b"\xff"


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


def noise(n_samples: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    samples = np.random.default_rng(1).integers(-9000, 9000, n_samples).astype(np.int16)
    return cast("np.ndarray[tuple[int], np.dtype[np.int16]]", samples)


async def test_stream_opens_as_the_wire_says_and_frames_keep_their_deadlines(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url, custom_parameters={"tenant": "acme"})
        call = carrier.call(SilentCaller(60.0), custom_parameters={"token": "t1"})
        result = await call.run()
    result.check()
    peer = server.peer
    assert peer.events() == ["connected", "start", "media", "stop"]
    assert peer.received[0][1] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    t0, start = peer.received[1]
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": result.stream_sid,
        "start": {
            "accountSid": "AC00000000000000000000000000000001",
            "streamSid": result.stream_sid,
            "callSid": result.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"tenant": "acme", "token": "t1"},
        },
    }
    media = peer.of("media")
    assert media[0][1] == {
        "event": "media",
        "sequenceNumber": "2",
        "media": {
            "track": "inbound",
            "chunk": "1",
            "timestamp": "20",
            "payload": base64.b64encode(SILENT_FRAME).decode(),
        },
        "streamSid": result.stream_sid,
    }
    assert len(media) == 3000
    # Absolute deadlines: after a minute the error is that of one sum, not of three thousand.
    assert all(abs(at - (t0 + n * 0.020)) < 1e-9 for n, (at, _) in enumerate(media, 1))
    fields = [cast("Message", message["media"]) for _, message in media]
    assert [int(str(field["chunk"])) for field in fields] == list(range(1, 3001))
    assert [int(str(message["sequenceNumber"])) for _, message in peer.received[1:]] == list(range(1, 3003))
    assert peer.closed is not None
    assert peer.closed.code == 1000
    assert result.duration == 60.0
    assert result.started_at == t0
    assert result.carrier.late_ticks == 0


def test_ids_repeat_with_the_seed() -> None:
    def ids(seed: int) -> list[str]:
        carrier = CarrierEmulator(MemoryNetwork(), "ws://x/", seed=seed)
        return [carrier.call(SilentCaller()).wire.call_sid for _ in range(3)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert len(set(ids(1))) == 3
    assert all(sid.startswith("CA") and len(sid) == 34 for sid in ids(1))


async def test_recording_is_exact_to_the_sample(clock: MockClock, tmp_path: Path) -> None:
    spoken = noise(1000)
    answer = ulaw_encode(noise(777))

    async def handler(peer: Peer) -> None:
        t0 = peer.of("start")[0][0]
        await trio.sleep_until(t0 + 0.1005)
        await peer.play(answer)

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        caller = WavCaller(spoken, delay=0.04, hang_up_after=0.2)
        result = await CarrierEmulator(network, server.url).call(caller).run()
    # 2 frames of delay, 1000 samples and 0.2 s, in whole frames.
    n = 2 * 160 + 17 * 160
    left = S * 320 + ulaw_encode(spoken)
    right = S * 804 + answer
    heard = result.heard()
    assert heard.shape == (n, 2)
    assert heard.dtype == np.int16
    assert np.array_equal(heard[:, 0], ulaw_decode(left.ljust(n, S)))
    assert np.array_equal(heard[:, 1], ulaw_decode(right.ljust(n, S)))
    assert server.peer.audio() == left.ljust(n, S)
    result.write_wav(tmp_path / "call.wav")
    samples, rate = read_wav(tmp_path / "call.wav")
    assert rate == 8000
    assert np.array_equal(samples, heard)


async def test_wav_file_is_resampled_and_said(clock: MockClock, tmp_path: Path) -> None:
    from callboard.media import write_wav

    times = np.arange(16000) / 16000
    sine = (8000 * np.sin(2 * np.pi * 500 * times)).astype(np.int16)
    write_wav(tmp_path / "in.wav", np.stack((sine, 0 * sine), axis=1), 16000)
    network = MemoryNetwork()
    async with serving(network) as server:
        caller = WavCaller(tmp_path / "in.wav", hang_up_after=0.0)
        result = await CarrierEmulator(network, server.url).call(caller).run()
    said = result.heard()[:, 0].astype(np.float64)
    assert 8000 <= len(said) <= 8000 + 160
    spectrum = np.abs(np.fft.rfft(said[:8000]))
    assert int(spectrum.argmax()) == 500
    assert abs(float(np.sqrt((said[1000:7000] ** 2).mean())) - 8000 / np.sqrt(2)) < 150


async def test_missing_wav_file_fails_before_anything_is_dialled(clock: MockClock, tmp_path: Path) -> None:
    network = MemoryNetwork()
    call = CarrierEmulator(network, "ws://127.0.0.1:1/").call(WavCaller(tmp_path / "no.wav"))
    with pytest.raises(FileNotFoundError):
        await call.run()
    assert network.connections == 0


async def test_audio_ahead_of_time_is_played_at_real_time_and_marks_follow_it(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await peer.mark("empty")
        await peer.play(tone(0.5))
        await peer.mark("half")
        await peer.play(tone(0.5))
        await peer.mark("whole")

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(2.0)).run()
    t0 = server.peer.of("start")[0][0]
    times = [at - t0 for at, _ in server.peer.of("mark")]
    assert server.peer.marks() == ["empty", "half", "whole"]
    assert times == pytest.approx([0.0, 0.5, 1.0])
    (span,) = result.recording.agent_speech()
    assert (span.start, span.end) == pytest.approx((0.0, 1.0), abs=0.001)
    assert result.playout.underruns == 0


async def test_clear_silences_at_once_and_returns_the_marks(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await peer.play(tone(5.0))
        await peer.mark("a")
        await peer.mark("b")
        await trio.sleep(0.31)
        await peer.clear()
        await trio.sleep(0.5)
        await peer.play(tone(0.1))
        await peer.mark("c")

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(2.0)).run()
    t0 = server.peer.of("start")[0][0]
    assert [at - t0 for at, _ in server.peer.of("mark")] == pytest.approx([0.31, 0.31, 0.92])
    assert server.peer.marks() == ["a", "b", "c"]
    agent = result.recording.agent
    assert agent[: round(0.31 * 8000)] == tone(5.0)[: round(0.31 * 8000)]
    assert agent[round(0.31 * 8000) : round(0.81 * 8000)] == S * 4000
    assert result.playout.flushed == 40000 - 2480
    flushed = [entry.detail for entry in result.log if entry.kind is PlayoutKind.MARK_FLUSHED]
    assert flushed == ["a", "b"]


async def test_late_audio_shows_as_an_underrun(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await peer.play(tone(0.1))
        await trio.sleep(0.15)
        await peer.play(tone(0.1))

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(2.0)).run()
    assert (result.playout.underruns, result.playout.underrun_samples) == (1, 400)
    (gap,) = result.measures().underruns
    assert (gap.start, gap.end) == pytest.approx((0.1, 0.15))


async def test_more_than_ten_minutes_of_audio_are_discarded(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        for _ in range(61):
            await peer.play(S * 80_000)

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(0.1)).run()
    assert result.playout.overflowed == 80_000
    assert [entry.detail[:5] for entry in result.log if entry.kind is PlayoutKind.OVERFLOW] == ["31931"]


async def test_keys_are_sent_in_order_between_the_frames(clock: MockClock) -> None:
    class Presses(SilentCaller):
        def answered(self, line: Line) -> None:
            super().answered(line)
            for digit in "1*#D":
                line.press(digit)
            with pytest.raises(ValueError, match="no such key"):
                line.press("x")

    network = MemoryNetwork()
    async with serving(network) as server:
        result = await CarrierEmulator(network, server.url).call(Presses(0.1)).run()
    result.check()
    messages = [message for _, message in server.peer.of("dtmf")]
    assert [cast("Message", message["dtmf"])["digit"] for message in messages] == list("1*#D")
    assert messages[0]["dtmf"] == {"track": "inbound_track", "digit": "1"}


async def test_server_that_closes_ends_the_call_with_its_code(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await trio.sleep(0.5)
        await peer.socket.aclose(4001, "enough")

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller()).run()
    assert (result.outcome.end, result.outcome.code) == (CallEnd.REMOTE_CLOSED, 4001)
    assert result.outcome.reason == "enough"
    assert result.duration == pytest.approx(0.5)
    assert len(result.recording.agent) == 4000
    with pytest.raises(CallFailed, match=r"remote_closed 4001 \(enough\)"):
        result.check()
    result.check(CallEnd.REMOTE_CLOSED)


async def test_stream_that_breaks_ends_the_call_as_lost(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await trio.sleep(0.25)
        await trio.aclose_forcefully(peer.socket._stream)

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller()).run()
    assert result.outcome.end is CallEnd.REMOTE_LOST


async def test_rejected_upgrade_and_refused_connection_are_outcomes(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network, reject=403) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller()).run()
    assert (result.outcome.end, result.outcome.code) == (CallEnd.NOT_CONNECTED, 403)
    assert isinstance(result.outcome.error, DialFailed)
    assert (result.started_at, result.duration) == (None, 0.0)
    assert result.heard().shape == (0, 2)
    result = await CarrierEmulator(network, "ws://127.0.0.1:1/").call(SilentCaller()).run()
    assert result.outcome.end is CallEnd.NOT_CONNECTED
    with pytest.raises(CallFailed):
        result.check()


async def test_time_limit_ends_the_call_as_a_caller_would(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url, time_limit=1.0)
        result = await carrier.call(SilentCaller()).run()
    assert result.outcome.end is CallEnd.TIME_LIMIT
    assert result.duration == 1.0
    assert server.peer.events()[-1] == "stop"


async def test_caller_that_fails_ends_its_call_politely(clock: MockClock) -> None:
    class Fails(SilentCaller):
        def next_frame(self) -> bytes:
            raise RuntimeError("out of words")

    class Short(SilentCaller):
        def next_frame(self) -> bytes:
            return b"x"

    network = MemoryNetwork()
    for caller, text in ((Fails(), "out of words"), (Short(), "1 octets")):
        async with serving(network) as server:
            result = await CarrierEmulator(network, server.url).call(caller).run()
        assert result.outcome.end is CallEnd.CALLER_FAILED
        assert text in result.outcome.reason
        assert server.peer.events() == ["connected", "start", "stop"]


async def test_server_that_never_reads_does_not_keep_the_carrier(clock: MockClock) -> None:
    network = MemoryNetwork(Transport.LOCKSTEP)
    async with serving(network, read=False) as server:
        started = trio.current_time()
        result = await CarrierEmulator(network, server.url).call(SilentCaller(20.0)).run()
        took = trio.current_time() - started
    assert result.outcome.end is CallEnd.HUNG_UP
    assert 20.0 <= took < 25.0
    # 1000 frames: what the peer's library holds, 5 s that wait, and the rest is lost.
    assert result.carrier.frames_lost > 600
    assert result.carrier.frames_lost + result.carrier.frames_sent >= 740
    assert any("31930" in entry.detail for entry in result.log)
    assert len(result.recording.caller) == 160_000


async def test_upgrade_is_signed_and_the_token_stays_secret(
    clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url, auth_token="s3cret-token", headers=[("X-Extra", "1")])
        result = await carrier.call(SilentCaller(0.1)).run()
    request = server.peer.upgrade.request
    url = server.url.replace("ws://", "wss://")
    expected = base64.b64encode(hmac.new(b"s3cret-token", url.encode(), hashlib.sha1).digest()).decode()
    assert request.header("x-twilio-signature") == expected
    assert request.header("x-extra") == "1"
    assert "s3cret" not in repr(result) + repr(carrier) + caplog.text


async def test_cancelled_call_leaves_nothing_and_keeps_what_it_knew(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        call = CarrierEmulator(network, server.url).call(SilentCaller())
        with trio.move_on_after(1.01):
            await call.run()
        await trio.testing.wait_all_tasks_blocked()
        assert server.peer.closed is not None
    result = call.result()
    assert result.outcome.end is CallEnd.CANCELLED
    assert len(result.recording.agent) == 50 * 160


async def test_recording_stops_at_its_limit(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url, record_limit=0.5)
        result = await carrier.call(SilentCaller(2.0)).run()
    assert result.duration == 2.0
    assert len(result.recording.caller) == len(result.recording.agent) == 4000


async def test_calls_are_placed_side_by_side_on_spread_phases(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url)
        started = trio.current_time()
        results = await carrier.place_calls(SilentCaller(1.0) for _ in range(20))
        took = trio.current_time() - started
    assert len(results) == len(server.peers) == 20
    assert took < 1.1
    assert len({result.call_sid for result in results}) == 20
    phases = sorted((result.started_at or 0) % 0.02 for result in results)
    gaps = [later - earlier for earlier, later in itertools.pairwise(phases)]
    assert min(gaps) > 0.0003
    assert max(gaps) < 0.002
    for peer in server.peers:
        assert len(peer.of("media")) == 50


async def test_calls_beyond_the_limit_wait_and_results_are_handed_out(clock: MockClock) -> None:
    network = MemoryNetwork()
    seen: list[CallResult] = []
    up: list[int] = []

    async def handler(peer: Peer) -> None:
        up.append(sum(peer.closed is None for peer in server.peers))

    async with serving(network, handler) as server:
        carrier = CarrierEmulator(network, server.url)
        results = await carrier.place_calls(
            (SilentCaller(1.0) for _ in range(6)), at_once=2, interval=0.1, on_result=seen.append
        )
    assert results == ()
    assert len(seen) == 6
    assert max(up) == 2


async def test_shared_pacer_clocks_the_calls(clock: MockClock, nursery: trio.Nursery) -> None:
    pacer = Pacer()
    await nursery.start(pacer.run)

    async def handler(peer: Peer) -> None:
        await peer.play(tone(0.2))
        await peer.mark("played")

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        carrier = CarrierEmulator(network, server.url, pacer=pacer)
        results = await carrier.place_calls(SilentCaller(1.0) for _ in range(5))
    assert pacer.statistics().active == 0
    assert [result.duration for result in results] == [1.0] * 5
    for peer in server.peers:
        t0 = peer.of("start")[0][0]
        times = [at - t0 for at, _ in peer.of("media")]
        assert times == pytest.approx([n * 0.02 for n in range(1, 51)], abs=1e-6)
        assert peer.marks() == ["played"]


async def test_late_process_makes_up_for_its_frames(clock: MockClock) -> None:
    # A clock that jumps is what a process sees that was stalled.
    async def handler(peer: Peer) -> None:
        await trio.sleep(0.105)
        clock.jump(1.0)
        await peer.play(tone(0.1))

    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(2.0)).run()
    t0 = server.peer.of("start")[0][0]
    times = [at - t0 for at, _ in server.peer.of("media")]
    assert len(times) == 100
    # 50 frames come at once, later ones keep the old grid.
    assert sum(abs(at - 1.105) < 1e-6 for at in times) == 50
    assert times[-1] == pytest.approx(2.0)
    assert result.carrier.late_ticks == 49  # the last of them is 5 ms late, which is nothing
    assert result.carrier.worst_lateness == pytest.approx(0.985)
    assert result.recording.agent.index(tone(0.1)) == round(1.105 * 8000)


async def test_call_over_loopback() -> None:
    network = TcpNetwork()

    async def handler(peer: Peer) -> None:
        await peer.play(tone(0.1))
        await peer.mark("m")

    with trio.fail_after(5):
        async with serving(network, handler) as server:
            result = await CarrierEmulator(network, server.url).call(SilentCaller(0.3)).run()
    result.check()
    assert server.peer.marks() == ["m"]
    assert len(server.peer.of("media")) == 15
    assert result.playout.played == 800
    assert json.dumps(server.peer.events()) == '["connected", "start", "media", "mark", "media", "stop"]'


async def test_starting_a_call_returns_once_the_stream_has_begun(
    clock: MockClock, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        call = CarrierEmulator(network, server.url).call(SilentCaller())
        await nursery.start(functools.partial(call.run))
        assert call.result().started_at == trio.current_time()
        await trio.sleep(0.5)
        call.hang_up()
        await server.peer.wait_for("stop")
        await trio.sleep(0.1)
        assert call.result().outcome.end is CallEnd.HUNG_UP


async def test_call_that_ends_before_the_stream_began_sends_no_stop(
    clock: MockClock, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        call = CarrierEmulator(network, server.url).call(
            SilentCaller(), faults=CarrierFaults(start_delay=5.0)
        )
        nursery.start_soon(call.run)
        await trio.sleep(1.0)
        call.hang_up()
        await trio.sleep(0.1)
    assert server.peer.events() == ["connected"]
    assert call.result().outcome.end is CallEnd.HUNG_UP
    assert call.result().started_at is None


async def test_server_that_closes_before_the_stream_began_ends_the_call(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server, trio.open_nursery() as nursery:
        call = CarrierEmulator(network, server.url).call(
            SilentCaller(), faults=CarrierFaults(start_delay=5.0)
        )
        nursery.start_soon(call.run)
        await trio.sleep(1.0)
        await server.peer.socket.aclose(1011)
        with trio.fail_after(1.0):
            await call.wait_begun()
    assert (call.result().outcome.end, call.result().outcome.code) == (CallEnd.REMOTE_CLOSED, 1011)


async def test_caller_that_cannot_prepare_fails_the_placing_with_its_own_error(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server:
        carrier = CarrierEmulator(network, server.url)
        with pytest.raises(FileNotFoundError):
            await carrier.place_calls([SilentCaller(), WavCaller("/nowhere/x.wav")])
