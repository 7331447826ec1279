"""Outbound audio of a leg, in virtual time, against a wire that plays at real time."""

from typing import cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from callboard.actors._leg_playout import LEAD, LegPlayout
from callboard.actors._pacer import Pacer
from callboard.media import ULAW_8K, AudioFrame


@attrs.define
class Wire:
    """Notes what is sent when, and sends marks back when they are played."""

    log: list[tuple[float, str, object]] = attrs.field(factory=list[tuple[float, str, object]])

    def wire_audio(self, payload: bytes, generation: int) -> None:
        self.log.append((trio.current_time(), "audio", (len(payload), generation)))

    def wire_mark(self, name: str, generation: int) -> None:
        self.log.append((trio.current_time(), "mark", name))

    def wire_clear(self, generation: int) -> None:
        self.log.append((trio.current_time(), "clear", generation))

    def sent(self, generation: int | None = None) -> int:
        return sum(
            size
            for size, of in (cast("tuple[int, int]", what) for _, kind, what in self.log if kind == "audio")
            if generation in {None, of}
        )

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.log]


def frame(seconds: float, generation: int = 1) -> AudioFrame:
    payload = b"\x55" * round(seconds * 8000)
    return AudioFrame(payload=payload, format=ULAW_8K, position=0, generation=generation)


@pytest.fixture
async def playout(autojump_clock: MockClock, nursery: trio.Nursery) -> tuple[LegPlayout, Wire]:
    pacer = Pacer()
    await nursery.start(pacer.run, None)
    wire = Wire()
    leg = LegPlayout(ULAW_8K, pacer, wire)
    leg.start(trio.current_time())
    return leg, wire


async def test_audio_is_sent_at_real_time_never_more_than_the_lead_ahead(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    started = trio.current_time()
    assert leg.put(frame(4.0))
    for _ in range(39):
        await trio.sleep(0.1)
        played = trio.current_time() - started
        assert played <= wire.sent() / 8000 <= played + LEAD + 1e-6
    await leg.wait_played()
    assert trio.current_time() - started == pytest.approx(4.0, abs=0.001)
    assert wire.sent() == 32000
    assert leg.buffer.statistics().underruns == 0


async def test_flush_sends_clear_and_nothing_of_the_old_audio(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    cuts: list[int] = []
    leg.on_cut.append(cuts.append)
    leg.put(frame(4.0, generation=1))
    await trio.sleep(1.0)
    leg.flush(2)
    before = wire.sent(1)
    leg.put(frame(1.0, generation=2))
    await leg.wait_played()
    assert wire.sent(1) == before
    assert wire.sent(2) == 8000
    assert wire.kinds().count("clear") == 1
    assert cuts == [8000]
    heard = leg.heard(1)
    assert heard.likely == pytest.approx(1.0, abs=0.001)
    assert heard.queued == 4.0
    assert heard.sent == before / 8000


async def test_clear_is_sent_although_our_own_buffer_is_empty(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    leg.put(frame(0.1))
    await trio.sleep(0.05)
    assert leg.buffer.empty
    leg.flush(2)
    assert wire.kinds()[-1] == "clear"
    assert leg.heard(1).likely == pytest.approx(0.05, abs=0.001)


async def test_marks_confirm_what_was_heard_and_a_mark_sent_back_by_a_clear_does_not(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    leg.put(frame(2.0))
    await leg.wait_played()
    marks = [str(what) for _, kind, what in wire.log if kind == "mark"]
    assert len(marks) == 2
    leg.mark_returned(marks[0])
    assert 0.9 < leg.heard(1).confirmed < 1.2
    leg.mark_returned("stranger")
    leg.mark_returned(marks[1])
    assert leg.heard(1).confirmed == 2.0
    leg.put(frame(1.0, generation=2))
    await trio.sleep(1.0)
    last = [str(what) for _, kind, what in wire.log if kind == "mark"][-1]
    leg.flush(3)
    leg.mark_returned(last)
    assert leg.heard(2).confirmed < 1.0


async def test_idle_leg_leaves_the_wheel(playout: tuple[LegPlayout, Wire], autojump_clock: MockClock) -> None:
    leg, _ = playout
    leg.put(frame(0.5))
    await leg.wait_played()
    assert leg._handle._pacer.statistics().active == 0


async def test_late_audio_counts_as_an_underrun_and_plays_at_once(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    leg.put(frame(0.2))
    await trio.sleep(0.5)
    leg.put(frame(0.2))
    assert wire.sent() > 1600
    counted = leg.buffer.statistics()
    assert counted.underruns == 1
    assert counted.underrun_duration == pytest.approx(0.3, abs=0.001)


async def test_remembered_generations_are_bounded(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, _ = playout
    for generation in range(1, 300):
        leg.put(frame(0.02, generation))
        await leg.wait_played()
    assert len(leg._marked) <= 65
    assert len(leg.ledger._entries) <= 66


async def test_the_other_partys_frames_drive_the_playout_and_their_end_does_not_stop_it(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    started = trio.current_time()
    for _ in range(3):
        leg.put(frame(1.0))
    # The caller's frames come at a phase of their own; the audio goes with them, and with nothing else.
    await trio.sleep(0.0137)
    for _ in range(50):
        leg.caller_heard(trio.current_time())
        await trio.sleep(0.02)
    phases = {round((at - started - 0.0137) % 0.02, 6) % 0.02 for at, kind, _ in wire.log if kind == "audio"}
    assert len(phases - {round(-0.0137 % 0.02, 6)}) == 1
    # Then no more of them come.
    await leg.wait_played()
    assert wire.sent() == 3 * 8000
    assert leg.buffer.statistics().underruns == 0
    assert trio.current_time() - started == pytest.approx(3.0, abs=0.01)


async def test_a_leg_that_is_gone_takes_nothing_and_is_off_the_wheel(
    playout: tuple[LegPlayout, Wire], autojump_clock: MockClock
) -> None:
    leg, wire = playout
    assert leg.put(frame(1.0))
    assert leg._handle.active
    leg.caller_heard(trio.current_time())
    assert leg._handle.active
    leg.stop()
    sent = wire.sent()
    assert not leg.put(frame(1.0))
    assert not leg._handle.active
    await trio.sleep(1)
    assert wire.sent() == sent
