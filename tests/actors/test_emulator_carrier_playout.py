"""The carrier's play queue: exact to the sample, marks in order, clear, gaps and limits."""

import random

from hypothesis import given, strategies as st

from callboard.actors.emulators._carrier_playout import LOG_LIMIT, Playout, PlayoutKind

S = b"\xff"


def kinds(playout: Playout) -> list[tuple[float, PlayoutKind]]:
    return [(entry.at, entry.kind) for entry in playout.log()]


def test_audio_is_heard_from_the_sample_it_arrived_at() -> None:
    playout = Playout()
    playout.media(b"a" * 5, 3)
    playout.media(b"b" * 4, 4)
    playout.advance(20)
    assert playout.take_heard(20) == S * 3 + b"aaaaabbbb" + S * 8
    assert playout.statistics().played == 9


def test_heard_audio_is_handed_out_once_and_only_as_far_as_it_was_played() -> None:
    playout = Playout()
    playout.media(b"abcdef", 0)
    playout.advance(4)
    assert playout.take_heard(3) == b"abc"
    assert playout.take_heard(3) == b"d"
    playout.advance(2)
    assert playout.position == 4
    playout.advance(8)
    assert playout.take_heard(100) == b"ef" + S * 2


def test_mark_is_due_with_the_last_sample_before_it() -> None:
    playout = Playout()
    playout.media(b"x" * 100, 0)
    playout.mark("one", 10)
    playout.media(b"y" * 50, 10)
    playout.mark("two", 10)
    playout.mark("three", 10)
    playout.advance(99)
    assert playout.take_echoes() == []
    playout.advance(100)
    assert playout.take_echoes() == ["one"]
    playout.advance(400)
    assert playout.take_echoes() == ["two", "three"]
    assert playout.take_echoes() == []
    played = [(entry.at * 8000, entry.detail) for entry in playout.log() if "played" in entry.kind.value]
    assert played == [(100, "one"), (150, "two"), (150, "three")]


def test_mark_with_nothing_queued_is_due_at_once() -> None:
    playout = Playout()
    playout.mark("now", 7)
    assert playout.take_echoes() == ["now"]


def test_clear_empties_the_queue_and_returns_its_marks_in_order() -> None:
    playout = Playout()
    playout.media(b"x" * 100, 0)
    playout.mark("one", 0)
    playout.media(b"y" * 100, 0)
    playout.mark("two", 0)
    playout.clear(150)
    assert playout.take_echoes() == ["one", "two"]
    playout.advance(200)
    assert playout.take_heard(200) == b"x" * 100 + b"y" * 50 + S * 50
    stats = playout.statistics()
    assert (stats.flushed, stats.marks_played, stats.marks_flushed, stats.clears) == (50, 1, 1, 1)
    assert (150 / 8000, PlayoutKind.AUDIO_ENDED) in kinds(playout)
    assert [entry.detail for entry in playout.log() if entry.kind is PlayoutKind.CLEAR] == ["50"]


def test_gap_inside_an_utterance_is_an_underrun_with_its_length() -> None:
    playout = Playout(underrun_limit=100)
    playout.media(b"x" * 10, 0)
    playout.media(b"x" * 10, 10)  # just in time
    playout.media(b"x" * 10, 25)  # five samples too late
    playout.finish(500)
    stats = playout.statistics()
    assert (stats.underruns, stats.underrun_samples) == (1, 5)
    assert kinds(playout) == [
        (0, PlayoutKind.AUDIO_STARTED),
        (25 / 8000, PlayoutKind.UNDERRUN),
        (35 / 8000, PlayoutKind.AUDIO_ENDED),
    ]


def test_pause_between_utterances_is_no_underrun() -> None:
    playout = Playout(underrun_limit=100)
    playout.media(b"x" * 10, 0)
    playout.media(b"x" * 10, 111)
    assert playout.statistics().underruns == 0
    assert kinds(playout) == [
        (0, PlayoutKind.AUDIO_STARTED),
        (10 / 8000, PlayoutKind.AUDIO_ENDED),
        (111 / 8000, PlayoutKind.AUDIO_STARTED),
    ]


def test_pause_after_a_clear_is_no_underrun() -> None:
    playout = Playout(underrun_limit=100)
    playout.media(b"x" * 10, 0)
    playout.clear(12)
    playout.media(b"x" * 10, 20)
    assert playout.statistics().underruns == 0


def test_audio_beyond_the_limit_is_discarded_and_counted() -> None:
    playout = Playout(limit=100)
    playout.media(b"x" * 90, 0)
    playout.media(b"y" * 20, 0)
    playout.media(b"z" * 20, 0)
    playout.media(b"w" * 20, 50)
    playout.advance(200)
    assert playout.take_heard(200) == b"x" * 90 + b"y" * 10 + b"w" * 20 + S * 80
    stats = playout.statistics()
    assert (stats.overflowed, stats.high_water) == (30, 100)
    # The carrier logs its error once.
    assert [kind for _, kind in kinds(playout)].count(PlayoutKind.OVERFLOW) == 1


def test_log_is_bounded_and_counts_what_it_lost() -> None:
    playout = Playout()
    for number in range(LOG_LIMIT):
        playout.mark("m", number)
    assert len(playout.log()) == LOG_LIMIT
    assert playout.statistics().log_lost == LOG_LIMIT


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_every_sample_is_played_flushed_or_queued_and_every_mark_comes_back_in_order(
    seed: int, n_steps: int
) -> None:
    rng = random.Random(seed)
    playout = Playout(limit=500)
    position, heard, marks, echoes = 0, b"", 0, list[str]()
    for _ in range(n_steps):
        position += rng.randrange(0, 120)
        match rng.randrange(4):
            case 0:
                playout.media(b"x" * rng.randrange(0, 300), position)
            case 1:
                playout.mark(str(marks), position)
                marks += 1
            case 2:
                playout.clear(position)
            case _:
                playout.advance(position)
        heard += playout.take_heard(rng.randrange(0, 400))
        echoes += playout.take_echoes()
    playout.clear(position)
    echoes += playout.take_echoes()
    heard += playout.take_heard(10**6)
    stats = playout.statistics()
    assert len(heard) == position
    assert heard.count(b"x") == stats.played
    assert stats.received == stats.played + stats.flushed + stats.overflowed
    assert echoes == [str(number) for number in range(marks)]
