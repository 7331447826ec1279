from __future__ import annotations

import pytest

from callboard.media import Heard, PlayoutLedger

T0 = 1000.0


def ledger_with(key: str, *, queued: int, sent: int) -> PlayoutLedger:
    ledger = PlayoutLedger(8000)
    ledger.queued(key, queued)
    ledger.sent(key, T0, sent)
    return ledger


def test_likely_follows_the_clock_and_stops_at_sent() -> None:
    ledger = ledger_with("r", queued=8000, sent=1600)
    assert ledger.heard("r", T0 - 1) == Heard(queued=8000, sent=1600, likely=0, confirmed=0)
    assert ledger.heard("r", T0 + 0.1).likely == 800
    assert ledger.heard("r", T0 + 9).likely == 1600


def test_likely_waits_in_a_gap() -> None:
    ledger = ledger_with("r", queued=8000, sent=800)
    ledger.sent("r", T0 + 0.5, 800)
    assert [ledger.heard("r", T0 + t).likely for t in (0.1, 0.3, 0.5, 0.55, 0.6)] == [
        800,
        800,
        800,
        1200,
        1600,
    ]


def test_flush_freezes_likely() -> None:
    ledger = ledger_with("r", queued=8000, sent=1600)
    ledger.flush(T0 + 0.05)
    assert ledger.heard("r", T0 + 5) == Heard(queued=8000, sent=1600, likely=400, confirmed=0)


def test_response_that_goes_on_after_a_flush_counts_from_there() -> None:
    ledger = ledger_with("r", queued=8000, sent=1600)
    ledger.flush(T0 + 0.05)
    ledger.sent("r", T0 + 1, 800)
    assert ledger.heard("r", T0 + 0.9).likely == 400
    assert ledger.heard("r", T0 + 1.05).likely == 800


def test_mark_confirms_what_was_sent_before_it() -> None:
    ledger = ledger_with("r", queued=8000, sent=800)
    ledger.mark_sent("m", "r")
    ledger.sent("r", T0 + 0.1, 800)
    assert ledger.confirm("m", T0 + 0.15)
    assert ledger.heard("r", T0 + 0.15) == Heard(queued=8000, sent=1600, likely=1200, confirmed=800)
    assert ledger.statistics().mark_lag == pytest.approx(0.05)


def test_echo_that_beats_the_clock_is_believed() -> None:
    ledger = ledger_with("r", queued=1600, sent=1600)
    ledger.mark_sent("m", "r")
    ledger.confirm("m", T0 + 0.1)
    heard = ledger.heard("r", T0 + 0.1)
    assert (heard.likely, heard.confirmed) == (1600, 1600)


def test_echo_caused_by_a_clear_confirms_nothing() -> None:
    ledger = ledger_with("r", queued=1600, sent=1600)
    ledger.mark_sent("m", "r")
    ledger.flush(T0 + 0.05)
    assert not ledger.confirm("m", T0 + 0.06)
    heard = ledger.heard("r", T0 + 9)
    assert (heard.likely, heard.confirmed) == (400, 0)
    assert ledger.statistics().marks_ignored == 1


def test_later_mark_stands_in_for_a_lost_one() -> None:
    ledger = ledger_with("a", queued=800, sent=800)
    ledger.mark_sent("a-end", "a")
    ledger.queued("b", 800)
    ledger.sent("b", T0 + 0.1, 800)
    ledger.mark_sent("b-end", "b")
    assert ledger.confirm("b-end", T0 + 0.2)
    assert ledger.heard("a", T0 + 0.2).confirmed == 800
    assert not ledger.confirm("a-end", T0 + 0.3)  # overtaken: changes nothing
    assert ledger.heard("b", T0 + 0.3).confirmed == 800


def test_duplicate_and_unknown_marks_are_ignored_and_counted() -> None:
    ledger = ledger_with("r", queued=800, sent=800)
    ledger.mark_sent("m", "r")
    assert ledger.confirm("m", T0 + 0.1)
    assert not ledger.confirm("m", T0 + 0.1)
    assert not ledger.confirm("who", T0 + 0.1)
    statistics = ledger.statistics()
    assert (statistics.marks_confirmed, statistics.marks_ignored, statistics.marks_pending) == (1, 2, 0)


def test_marks_that_never_come_back_do_not_pile_up() -> None:
    ledger = ledger_with("r", queued=800, sent=800)
    for i in range(5000):
        ledger.mark_sent(f"m{i}", "r")
    assert ledger.statistics().marks_pending == 1024
    assert ledger.confirm("m4999", T0)


def test_mark_before_any_audio_confirms_zero() -> None:
    ledger = PlayoutLedger(8000)
    ledger.mark_sent("m", "r")
    assert ledger.confirm("m", T0)
    assert ledger.heard("r", T0).confirmed == 0
    assert ledger.statistics().mark_lag is None


def test_forgotten_and_unknown_responses_are_all_zero() -> None:
    ledger = ledger_with("r", queued=800, sent=800)
    ledger.mark_sent("m", "r")
    ledger.forget("r")
    ledger.forget("r")
    assert ledger.confirm("m", T0)
    assert ledger.heard("r", T0) == Heard(queued=0, sent=0, likely=0, confirmed=0)
    assert ledger.keys == ()


def test_impossible_amounts_are_errors() -> None:
    ledger = ledger_with("r", queued=800, sent=800)
    with pytest.raises(ValueError, match="expected at most 800"):
        ledger.sent("r", T0, 1)
    with pytest.raises(ValueError, match="queued -1"):
        ledger.queued("r", -1)
    with pytest.raises(ValueError, match="positive rate"):
        PlayoutLedger(0)
