"""Each fault the carrier emulator can make, and what it makes of a server's mistakes."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import cast

import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock

from callboard.actors.emulators._caller import SilentCaller
from callboard.actors.emulators._carrier import CarrierEmulator
from callboard.actors.emulators._carrier_faults import (
    CarrierFaults,
    Departures,
    double_marks,
    late_marks,
    lose_marks,
)
from callboard.actors.emulators._carrier_playout import PlayoutKind
from callboard.actors.emulators._carrier_result import CallEnd, CallResult
from callboard.actors.emulators._carrier_wire import Echo, Flush, Ignore, Play, TwilioCarrier
from callboard.testing import MemoryNetwork, Transport

from .emulator_carrier_kit import Handler, Message, Peer, Server, listen_only, serving, tone


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


async def make_call(
    faults: CarrierFaults, handler: Handler = listen_only, duration: float | None = 1.0
) -> tuple[CallResult, Server]:
    network = MemoryNetwork()
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(duration), faults=faults).run()
    return result, server


def media_times(server: Server) -> list[float]:
    t0 = server.peer.of("start")[0][0]
    return [at - t0 for at, _ in server.peer.of("media")]


def sequence(server: Server) -> list[int]:
    return [int(str(message.get("sequenceNumber", 0))) for _, message in server.peer.received[1:]]


async def set_three_marks(peer: Peer) -> None:
    await peer.mark("a")
    await trio.sleep(0.2)
    await peer.mark("b")
    await trio.sleep(0.2)
    await peer.mark("c")


async def test_start_can_come_late(clock: MockClock) -> None:
    result, server = await make_call(CarrierFaults(start_delay=3.0))
    assert server.peer.events() == ["connected", "start", "media", "stop"]
    assert server.peer.received[1][0] - server.peer.received[0][0] == pytest.approx(3.0)
    assert result.duration == 1.0


async def test_start_can_be_missing(clock: MockClock) -> None:
    _, server = await make_call(CarrierFaults(no_start=True))
    assert server.peer.events() == ["connected", "media", "stop"]


async def test_start_can_come_twice(clock: MockClock) -> None:
    _, server = await make_call(CarrierFaults(double_start=True))
    assert server.peer.events() == ["connected", "start", "start", "media", "stop"]


async def test_media_can_come_before_start(clock: MockClock) -> None:
    result, server = await make_call(CarrierFaults(media_before_start=3))
    assert server.peer.events() == ["connected", "media", "start", "media", "stop"]
    assert len(server.peer.of("media")) == 53
    assert sequence(server) == list(range(1, 56))
    assert len(result.recording.caller) == 8000


async def test_numbers_can_be_numbers(clock: MockClock) -> None:
    _, server = await make_call(CarrierFaults(numbers=True))
    message = server.peer.of("media")[4][1]
    assert message["sequenceNumber"] == 6
    media = cast("Message", message["media"])
    assert (media["chunk"], media["timestamp"]) == (5, 100)
    assert server.peer.of("start")[0][1]["sequenceNumber"] == 1


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (lose_marks(), []),
        (lose_marks(2), [("b", 0.2)]),
        (double_marks, [("a", 0.0), ("a", 0.0), ("b", 0.2), ("b", 0.2), ("c", 0.4), ("c", 0.4)]),
        (late_marks(0.15), [("a", 0.15), ("b", 0.35), ("c", 0.55)]),
    ],
)
async def test_marks_can_be_lost_doubled_and_late(
    clock: MockClock, plan: Callable[[int, str], Sequence[float]], expected: list[tuple[str, float]]
) -> None:
    _, server = await make_call(CarrierFaults(marks=plan), set_three_marks)
    t0 = server.peer.of("start")[0][0]
    assert server.peer.marks() == [name for name, _ in expected]
    assert [at - t0 for at, _ in server.peer.of("mark")] == pytest.approx([at for _, at in expected])
    assert sequence(server) == list(range(1, len(server.peer.received)))


async def test_frames_can_come_in_bursts(clock: MockClock) -> None:
    _, server = await make_call(CarrierFaults(burst=10))
    times = media_times(server)
    assert len(times) == 50
    assert times == pytest.approx([0.2 * (1 + n // 10) for n in range(50)])
    assert server.peer.events()[-1] == "stop"


async def test_frames_can_jitter_but_keep_their_order_and_are_not_lost(clock: MockClock) -> None:
    result, server = await make_call(CarrierFaults(jitter=0.3, seed=7))
    times = media_times(server)
    assert len(times) == 50
    late = [at - 0.02 * n for n, at in enumerate(times, 1)]
    # What was still under way at the hang-up is sent before `stop`.
    assert min(late[:30]) >= -1e-9
    assert max(late) > 0.15
    chunks = [int(str(cast("Message", message["media"])["chunk"])) for _, message in server.peer.of("media")]
    assert chunks == list(range(1, 51))
    assert sequence(server) == list(range(1, 53))
    assert server.peer.events()[-1] == "stop"
    again, other = await make_call(CarrierFaults(jitter=0.3, seed=7))
    assert media_times(other) == pytest.approx(times)
    assert again.duration == result.duration


async def test_stream_can_be_cut_without_stop(clock: MockClock) -> None:
    result, server = await make_call(CarrierFaults(drop_at=0.5), duration=None)
    assert result.outcome.end is CallEnd.DROPPED
    assert result.duration == pytest.approx(0.5)
    assert server.peer.closed is not None
    assert server.peer.closed.code == 1006
    assert server.peer.events()[-1] == "media"


async def test_stalled_carrier_reads_nothing_until_it_resumes(clock: MockClock) -> None:
    answered: list[float] = []

    async def handler(peer: Peer) -> None:
        await trio.sleep(0.5)
        await peer.mark("m")
        await peer.wait_for("mark")
        answered.append(trio.current_time() - peer.of("start")[0][0])

    result, server = await make_call(CarrierFaults(stall_at=0.3, stall_for=2.0), handler, 4.0)
    assert answered == pytest.approx([2.3])
    assert len(server.peer.of("media")) == 200
    result.check()


async def test_server_feels_that_a_stalled_carrier_does_not_read(clock: MockClock) -> None:
    sent: list[float] = []

    async def handler(peer: Peer) -> None:
        while True:
            await peer.play(tone(0.02))
            sent.append(trio.current_time() - peer.of("start")[0][0])
            await trio.sleep(0.1)

    network = MemoryNetwork(Transport.LOCKSTEP)
    faults = CarrierFaults(stall_at=1.0)
    async with serving(network, handler) as server:
        result = await CarrierEmulator(network, server.url).call(SilentCaller(5.0), faults=faults).run()
    assert result.outcome.end is CallEnd.HUNG_UP
    assert max(sent) < 1.2


async def test_frozen_carrier_says_nothing_and_keeps_the_stream_open(clock: MockClock) -> None:
    still_open: list[bool] = []

    async def handler(peer: Peer) -> None:
        await trio.sleep(20)
        still_open.append(peer.closed is None)
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.aclose_forcefully(peer.socket._stream)

    result, server = await make_call(CarrierFaults(freeze_at=0.5), handler, 22.0)
    assert still_open == [True]
    assert max(media_times(server)) <= 0.5 + 1e-9
    assert "stop" not in server.peer.events()
    assert result.outcome.end is CallEnd.HUNG_UP


async def test_messages_can_be_injected_as_they_are(clock: MockClock) -> None:
    raw: tuple[tuple[float, str | bytes], ...] = (
        (0.1, "{not json"),
        (0.2, b"\x00\xff"),
        (0.3, '{"event":"surprise"}'),
        (0.4, "[1]"),
    )
    result, server = await make_call(CarrierFaults(inject=raw))
    result.check()
    t0 = server.peer.of("start")[0][0]
    odd = [(at - t0, m) for at, m in server.peer.received if m.get("event") in {"raw", "surprise"}]
    assert [at for at, _ in odd] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert odd[0][1]["raw"] == "{not json"
    assert odd[2][1] == {"event": "surprise"}


async def test_server_mistakes_are_logged_and_do_no_harm(clock: MockClock) -> None:
    async def handler(peer: Peer) -> None:
        await peer.send("media", {"payload": base64.b64encode(tone(0.1)).decode()}, stream_sid="MZother")
        await peer.send("media", {"payload": "no base64!"})
        await peer.send("media", {"payload": base64.b64encode(b"RIFF....WAVE").decode()})
        await peer.send("media")
        await peer.send("mark", {})
        await peer.send("dance")
        await peer.socket.send(b"\x01\x02")
        await peer.socket.send("{")
        await peer.socket.send("[]")
        await peer.play(tone(0.1))

    result, _ = await make_call(CarrierFaults(), handler)
    result.check()
    assert result.playout.received == 800
    assert result.playout.violations == 8
    details = [entry.detail for entry in result.log if entry.kind is PlayoutKind.VIOLATION]
    assert "MZother" in details[0]
    assert [detail[:5] for detail in details[-3:]] == ["31950"] * 3
    assert [entry.detail for entry in result.log if entry.kind is PlayoutKind.UNKNOWN] == ["event 'dance'"]


async def test_audio_before_the_stream_began_is_a_violation(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server, trio.open_nursery() as nursery:
        call = CarrierEmulator(network, server.url).call(
            SilentCaller(0.2), faults=CarrierFaults(start_delay=1.0)
        )
        nursery.start_soon(call.run)
        await trio.sleep(0.5)
        server.peer.stream_sid = call.wire.stream_sid
        await server.peer.play(tone(0.1))
    result = call.result()
    assert (result.playout.violations, result.playout.received) == (1, 0)


def test_departures_never_overtake_each_other() -> None:
    departures = Departures(CarrierFaults(jitter=0.3, burst=4, seed=3))
    times = [departures.time_of(n, n * 0.02) for n in range(1, 500)]
    assert times == sorted(times)
    assert all(at >= n * 0.02 for n, at in enumerate(times, 1))


def wire() -> TwilioCarrier:
    return TwilioCarrier(account_sid="AC1", call_sid="CA1", stream_sid="MZ1", custom_parameters={})


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def message(event: str, content: object) -> str:
    return json.dumps({"event": event, "streamSid": "MZ1", event: content})


@given(
    st.text()
    | st.binary()
    | st.builds(message, st.sampled_from(["media", "mark", "clear", "other"]), json_values)
    | json_values.map(json.dumps)
)
def test_wire_takes_anything(message: str | bytes) -> None:
    assert isinstance(wire().command(message), Play | Echo | Flush | Ignore)
