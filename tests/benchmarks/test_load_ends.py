"""The emulated ends of a call for load see what a system under test does wrong."""

import base64

import attrs
import pytest

from load_figures import figures_of
from load_script import TURN, TURNS, Turn

from .load_kit import BothEnds, open_ends

HEARD = TURNS.index(Turn.HEARD)
PLAYED = TURNS.index(Turn.PLAYED)
SENT = TURNS.index(Turn.SENT)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> BothEnds:
    return open_ends(monkeypatch)


def answer(ends: BothEnds, turn: int, seconds: float) -> list[str]:
    """Begin a turn and let time pass; the audio that the provider sent."""
    ends.provider.begin(ends.loop.now, turn)
    ends.loop.pass_time(seconds)
    return ends.deltas()


def test_each_frame_of_the_caller_is_timed(ends: BothEnds) -> None:
    for _ in range(100):
        ends.carrier.send_frame()
        ends.loop.pass_time(0.005)
        ends.relay_uplink()
        ends.loop.pass_time(0.015)
    assert ends.record.delay == pytest.approx([0.005] * 100)
    assert ends.record.uplink_gaps == 0


def test_frames_that_are_lost_are_missing_and_not_late(ends: BothEnds) -> None:
    for number in range(60):
        ends.carrier.send_frame()
        if 20 <= number < 23:
            ends.to_carrier.take()
        ends.relay_uplink()
        ends.loop.pass_time(0.02)
    assert [number for number, delay in enumerate(ends.record.delay) if delay < 0] == [20, 21, 22]
    # The frame behind the gap is recognised with the one after it.
    assert max(ends.record.delay) == pytest.approx(0.02)
    assert ends.record.uplink_gaps == 1


def test_audio_that_is_sent_in_batches_is_late(ends: BothEnds) -> None:
    for _ in range(10):
        ends.speak(5)
        ends.relay_uplink()
    assert max(ends.record.delay) == pytest.approx(0.1)
    assert min(ends.record.delay) == pytest.approx(0.02)


def test_an_answer_is_whole_when_all_of_it_came(ends: BothEnds) -> None:
    for piece in answer(ends, HEARD, TURN - 1):
        ends.play(piece)
    (found,) = ends.record.answers
    assert found.heard_octets == 3.0 * 8000
    assert (found.gaps, found.underruns, found.stale) == (0, 0, 0)
    assert found.ended


def test_a_piece_that_does_not_come_is_a_gap(ends: BothEnds) -> None:
    pieces = answer(ends, HEARD, TURN - 1)
    for piece in (*pieces[:10], *pieces[11:]):
        ends.play(piece)
    (found,) = ends.record.answers
    assert found.gaps == 1
    assert found.heard_octets == 2.9 * 8000
    figures = figures_of([ends.record], 0.0, ends.loop.now + 5.0)
    assert figures.complete == pytest.approx(2.9 / 3.0)
    assert figures.lost == pytest.approx(100.0)
    assert "3.33% of the answers missing" in figures.faults(attrs.evolve(figures, complete=1.0, lost=0.0))
    # What a system does to a single call as well is not a fault of the level.
    words = "of the answers missing"
    assert not any(words in one for one in figures.faults(attrs.evolve(figures, complete=0.93, lost=90.0)))
    assert any(words in one for one in figures.faults(attrs.evolve(figures, complete=0.99, lost=70.0)))


def test_a_carrier_with_nothing_to_play_counts_the_time(ends: BothEnds) -> None:
    pieces = answer(ends, HEARD, TURN - 1)
    ends.play(pieces[0])
    # 100 ms of audio, played after 40 ms.
    ends.loop.pass_time(0.14 + 0.25)
    ends.play(pieces[1])
    (found,) = ends.record.answers
    assert found.underruns == 1
    assert found.silence == pytest.approx(0.25)


def test_a_barge_in_is_timed_until_the_clear(ends: BothEnds) -> None:
    for piece in answer(ends, PLAYED, 0.45 + 1.2):
        ends.play(piece)
    (found,) = ends.record.answers
    assert found.interrupted
    assert not found.in_flight
    ends.loop.pass_time(0.007)
    ends.tell_carrier({"event": "clear"})
    assert found.cleared - found.interrupted == pytest.approx(0.007)
    figures = figures_of([ends.record], 0.0, ends.loop.now + 1)
    assert (figures.barge_ins, figures.not_cleared, figures.stale_messages) == (1, 0, 0)


def test_audio_after_the_clear_is_stale(ends: BothEnds) -> None:
    for piece in answer(ends, SENT, 0.45 + 0.3):
        ends.play(piece)
    (found,) = ends.record.answers
    assert found.in_flight
    ends.tell_carrier({"event": "clear"})
    ends.loop.pass_time(0.06)
    late = ends.deltas()
    # The provider goes on for a moment.
    assert late
    for piece in late:
        ends.play(piece)
    assert found.stale == len(late)
    assert figures_of([ends.record], 0.0, ends.loop.now + 1).stale_barge_ins == 1


def test_what_comes_after_a_barge_in_is_not_stale(ends: BothEnds) -> None:
    for piece in answer(ends, SENT, 0.45 + 0.3):
        ends.play(piece)
    ends.tell_carrier({"event": "clear"})
    ends.loop.pass_time(0.1)
    ends.deltas()
    ends.loop.pass_time(1.0)
    pieces = ends.deltas()
    # What a resampler held back of the old answer may stand before the new one.
    held_back = b"\x80" * 10
    ends.play(base64.b64encode(held_back + base64.b64decode(pieces[0])).decode())
    for piece in pieces[1:]:
        ends.play(piece)
    cut, new = ends.record.answers
    assert cut.stale == 0
    assert new.heard_octets == 1.5 * 8000 + 10


def test_an_interruption_that_nobody_clears_is_a_fault(ends: BothEnds) -> None:
    for piece in answer(ends, PLAYED, 3.0):
        ends.play(piece)
    ends.loop.pass_time(1.0)
    figures = figures_of([ends.record], 0.0, ends.loop.now)
    assert figures.not_cleared == 1
    assert "1 interruptions without a clear" in figures.faults(figures)


def test_marks_come_back_when_they_are_reached_or_cleared(ends: BothEnds) -> None:
    pieces = answer(ends, HEARD, TURN - 1)
    ends.play(pieces[0])
    ends.tell_carrier({"event": "mark", "mark": {"name": "first"}})
    ends.loop.pass_time(0.13)
    assert not ends.to_carrier.take()
    ends.loop.pass_time(0.02)
    assert [one["mark"]["name"] for one in ends.to_carrier.take()] == ["first"]
    ends.play(pieces[1])
    ends.tell_carrier({"event": "mark", "mark": {"name": "second"}})
    ends.tell_carrier({"event": "clear"})
    assert [one["mark"]["name"] for one in ends.to_carrier.take()] == ["second"]
    ends.loop.pass_time(1.0)
    assert not ends.to_carrier.take()


def test_sockets_that_close_by_themselves_are_dropped_calls(ends: BothEnds) -> None:
    ends.provider.on_closed("end of stream")
    assert ends.record.dropped == "provider's socket: end of stream"
    assert figures_of([ends.record], 0.0, 1.0).dropped == 1


def test_after_a_hang_up_closed_sockets_are_in_order(ends: BothEnds) -> None:
    ends.carrier.hang_up()
    ends.loop.pass_time(0.003)
    ends.provider.on_closed("closed by the peer")
    ends.carrier.on_closed("closed by the peer")
    figures = figures_of([ends.record], 0.0, ends.loop.now)
    assert figures.dropped == 0
    assert figures.teardown_p99 == pytest.approx(3.0)


def test_messages_that_do_not_belong_there_are_told(ends: BothEnds) -> None:
    ends.tell_carrier({"event": "sing"})
    ends.tell_provider({"type": "dance"})
    assert figures_of([ends.record], 0.0, 1.0).odd == ("carrier got 'sing'", "provider got 'dance'")
