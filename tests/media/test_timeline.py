from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from callboard.media import Samples, StereoTimeline


def samples(*values: int) -> Samples:
    return np.array(values, np.int16)


def channels(octets: bytes) -> tuple[list[int], list[int]]:
    pairs = np.frombuffer(octets, "<i2").reshape(-1, 2)
    return pairs[:, 0].tolist(), pairs[:, 1].tolist()


def test_both_channels_lie_where_they_belong() -> None:
    timeline = StereoTimeline()
    assert timeline.left(0, samples(1, 2, 3)) == 3
    assert timeline.right(2, samples(7, 8)) == 2
    assert channels(timeline.finish(6)) == ([1, 2, 3, 0, 0, 0], [0, 0, 7, 8, 0, 0])


def test_gaps_are_silence_and_order_of_arrival_does_not_matter() -> None:
    timeline = StereoTimeline()
    timeline.left(6, samples(5, 6))
    timeline.left(1, samples(1, 2))
    assert channels(timeline.finish(9))[0] == [0, 1, 2, 0, 0, 0, 5, 6, 0]


def test_first_sample_for_a_place_wins() -> None:
    timeline = StereoTimeline()
    timeline.left(2, samples(1, 1))
    assert timeline.left(1, samples(9, 9, 9, 9)) == 2
    assert channels(timeline.finish(6))[0] == [0, 9, 1, 1, 9, 0]
    assert timeline.statistics().dropped_overlap == 2


def test_silence_that_was_sent_holds_its_place() -> None:
    timeline = StereoTimeline()
    timeline.left(0, samples(0, 0))
    timeline.left(0, samples(9, 9))
    assert channels(timeline.finish(2))[0] == [0, 0]


def test_cut_blanks_the_agent_from_there_on() -> None:
    timeline = StereoTimeline()
    timeline.left(0, samples(1, 1, 1, 1))
    timeline.right(0, samples(7, 7, 7, 7))
    timeline.cut(2)
    assert channels(timeline.finish(4)) == ([1, 1, 1, 1], [7, 7, 0, 0])


def test_place_that_was_cut_can_be_filled_again() -> None:
    timeline = StereoTimeline()
    timeline.right(0, samples(7, 7, 7, 7))
    timeline.cut(2)
    assert timeline.right(3, samples(8, 8)) == 2
    timeline.cut(9)  # beyond everything: nothing to do
    assert channels(timeline.finish(6))[1] == [7, 7, 0, 8, 8, 0]


def test_take_gives_each_sample_once() -> None:
    timeline = StereoTimeline()
    timeline.left(0, samples(1, 2, 3, 4))
    timeline.right(3, samples(7, 8))
    assert channels(timeline.take(2)) == ([1, 2], [0, 0])
    assert timeline.take(2) == b""
    assert timeline.take(-5) == b""
    assert channels(timeline.take(4)) == ([3, 4], [0, 7])
    assert channels(timeline.finish(6)) == ([0, 0], [8, 0])


def test_what_comes_too_late_is_dropped_and_counted() -> None:
    timeline = StereoTimeline()
    timeline.take(3)
    assert timeline.left(1, samples(1, 2, 3, 4)) == 2
    timeline.cut(0)  # what was given out stays
    assert channels(timeline.finish(5))[0] == [3, 4]
    statistics = timeline.statistics()
    assert (statistics.taken, statistics.dropped_late) == (5, 2)


def test_audio_from_before_the_recording_is_dropped() -> None:
    timeline = StereoTimeline()
    timeline.left(-2, samples(1, 2, 3))
    timeline.right(-9, samples(1, 2))
    assert channels(timeline.finish(2)) == ([3, 0], [0, 0])


def test_impossible_position_does_not_allocate() -> None:
    timeline = StereoTimeline()
    assert timeline.left(2**40, samples(1)) == 0
    assert timeline.statistics().dropped_ahead == 1
    assert timeline.statistics().held == 0


def test_finish_pads_cuts_and_ends() -> None:
    timeline = StereoTimeline()
    timeline.left(0, samples(1, 2, 3))
    assert channels(timeline.finish(2))[0] == [1, 2]
    assert timeline.left(2, samples(1)) == 0
    assert timeline.finish(9) == b""
    assert timeline.take(9) == b""


def test_finish_shorter_than_what_was_taken_gives_nothing() -> None:
    timeline = StereoTimeline()
    timeline.take(5)
    assert timeline.finish(3) == b""


def test_memory_stays_bounded_over_a_long_call() -> None:
    timeline = StereoTimeline()
    frame = np.ones(160, np.int16)
    for i in range(2000):
        timeline.left(i * 160, frame)
        timeline.right(i * 160 + 960, frame)
        if i % 25 == 0:
            timeline.take(i * 160)
    assert timeline.statistics().held < 160 * 40
    assert len(timeline._left.samples) <= 16384
    assert len(timeline._right.samples) <= 16384


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("left"), st.integers(-20, 200), st.integers(0, 60)),
            st.tuples(st.just("right"), st.integers(-20, 200), st.integers(0, 60)),
            st.tuples(st.just("cut"), st.integers(-20, 250), st.just(0)),
            st.tuples(st.just("take"), st.integers(-20, 250), st.just(0)),
        ),
        max_size=25,
    ),
    length=st.integers(0, 300),
)
def test_any_history_gives_what_plain_dictionaries_give(
    steps: list[tuple[str, int, int]], length: int
) -> None:
    timeline = StereoTimeline()
    model: dict[str, dict[int, int]] = {"left": {}, "right": {}}
    taken = 0
    out = b""
    value = 0
    for name, position, n in steps:
        if name == "take":
            out += timeline.take(position)
            taken = max(taken, position)
        elif name == "cut":
            timeline.cut(position)
            keep = max(position, taken)
            model["right"] = {at: v for at, v in model["right"].items() if at < keep}
        else:
            value += 1
            put = timeline.left if name == "left" else timeline.right
            placed = put(position, np.full(n, value, np.int16))
            free = [
                at for at in range(position, position + n) if at >= max(taken, 0) and at not in model[name]
            ]
            model[name].update(dict.fromkeys(free, value))
            assert placed == len(free)
    out += timeline.finish(length)
    expected = range(max(taken, length))
    assert channels(out) == (
        [model["left"].get(at, 0) for at in expected],
        [model["right"].get(at, 0) for at in expected],
    )


def test_room_grows_and_keeps_what_is_there() -> None:
    timeline = StereoTimeline()
    timeline.left(5, samples(1, 2))
    timeline.left(30_000, samples(3))
    left, right = channels(timeline.finish(30_002))
    assert {at: value for at, value in enumerate(left) if value} == {5: 1, 6: 2, 30_000: 3}
    assert not any(right)
