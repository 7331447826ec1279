"""Calls of which much goes by at once: the same calls, in fewer messages."""

import base64
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from callboard.actors.emulators import (
    CallResult,
    CarrierEmulator,
    CarrierFaults,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    ScriptedCaller,
    Step,
    Stride,
    Wait,
    WaitForAgent,
    WaitForSilence,
)
from callboard.actors.emulators._carrier_stride import HANGOVER, WIRE, Strider
from callboard.testing import MemoryNetwork

from .emulator_carrier_kit import Message, Peer, serving, tone, tone_voice

LONG = Stride(speaking=5, listening=10, quiet=50, joined=True)
BURSTS = Stride(quiet=10)
STEPS: list[Step] = [
    WaitForAgent(0.1),
    WaitForSilence(0.5),
    Wait(3.0),
    Say("hello"),
    Press("1#"),
    InterruptAfter(0.3, "but"),
    WaitForSilence(2.0),
    Wait(7.0),
    HangUp(),
]


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


async def talk(peer: Peer) -> None:
    """Speaks at times that are no multiple of anything."""
    t0 = peer.of("start")[0][0]
    for at, seconds in ((2.0131, 0.7), (7.777, 2.0)):
        await trio.sleep_until(t0 + at)
        await peer.play(tone(seconds))
        await peer.mark(f"after {at}")
    await trio.sleep_forever()


async def call(stride: Stride, faults: CarrierFaults | None = None) -> tuple[CallResult, Peer]:
    network = MemoryNetwork()
    async with serving(network, talk) as server:
        carrier = CarrierEmulator(network, server.url, stride=stride)
        result = await carrier.call(ScriptedCaller(STEPS, tone_voice()), faults=faults).run()
    result.check()
    return result, server.peer


@pytest.mark.parametrize("stride", [LONG, BURSTS], ids=["long", "bursts"])
async def test_long_strides_change_what_is_heard_and_said_by_less_than_their_length(
    clock: MockClock, stride: Stride
) -> None:
    wanted, peer = await call(WIRE)
    got, strider = await call(stride)
    most = max(stride.speaking, stride.listening) * 0.02
    assert [event.step for event in got.events] == [event.step for event in wanted.events]
    for one, other in zip(got.events, wanted.events, strict=True):
        assert one.started_at == pytest.approx(other.started_at, abs=most + 0.02)
    assert got.duration == pytest.approx(wanted.duration, abs=most + 0.02)
    assert got.recording.agent[: 6 * 8000] == wanted.recording.agent[: 6 * 8000]
    assert strider.audio() == got.recording.caller
    assert peer.audio() == wanted.recording.caller
    assert strider.events() == peer.events()


async def test_a_quiet_caller_sends_a_message_a_second(clock: MockClock) -> None:
    _, wire = await call(WIRE)
    _, long = await call(LONG)
    assert len(long.of("media")) < len(wire.of("media")) / 8
    fields = [cast("Message", message["media"]) for _, message in long.of("media")]
    # Where each message begins is told, so that nothing is taken for lost.
    ends = [
        int(str(field["timestamp"])) + len(base64.b64decode(str(field["payload"]))) // 8 for field in fields
    ]
    assert [int(str(field["timestamp"])) for field in fields] == [20, *ends[:-1]]


async def test_bursts_are_the_messages_of_a_carrier(clock: MockClock) -> None:
    _, peer = await call(BURSTS)
    fields = [cast("Message", message["media"]) for _, message in peer.of("media")]
    assert {len(base64.b64decode(str(field["payload"]))) for field in fields} == {160}
    assert [int(str(field["timestamp"])) for field in fields] == list(range(20, 20 * len(fields) + 1, 20))


async def test_messages_of_many_frames_are_delayed_as_those_of_one(clock: MockClock) -> None:
    _, plain = await call(LONG)
    result, late = await call(LONG, CarrierFaults(jitter=0.3, seed=3))
    assert late.audio() == result.recording.caller
    t0 = late.of("start")[0][0]
    delays = [at - t0 - _end_of(message) for at, message in late.of("media")]
    assert max(delays) > 0.2
    assert 0 <= min(delays) < 0.1
    assert len(late.of("media")) == pytest.approx(len(plain.of("media")), rel=0.2)


def _end_of(message: Message) -> float:
    field = cast("Message", message["media"])
    return (int(str(field["timestamp"])) - 20) / 1000 + len(base64.b64decode(str(field["payload"]))) / 8000


async def test_a_call_that_ends_within_a_stride_has_heard_and_said_all_that_went_by(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with serving(network) as server, trio.open_nursery() as nursery:
        carrier = CarrierEmulator(network, server.url, stride=LONG)
        placed = carrier.call(ScriptedCaller([Wait(60.0)], tone_voice()))
        nursery.start_soon(placed.run)
        await placed.wait_begun()
        await trio.sleep(20.53)
        placed.press("5")
        await trio.sleep(0.1)
        placed.hang_up()
    recording = placed.result().recording
    assert len(recording.caller) == len(recording.agent) // 160 * 160 == 1031 * 160
    assert server.peer.audio() == recording.caller
    assert server.peer.events() == ["connected", "start", "media", "dtmf", "media", "stop"]


def test_only_callers_with_foresight_make_long_strides() -> None:
    strider = Strider(LONG, object())
    strider.said(b"\xff" * 160 * HANGOVER)
    assert strider.next(playing=False) == 5
    assert strider.skip(b"\xff" * 800) is None
