"""Marked audio is recognised whatever becomes of it."""

import base64
import itertools

import pytest
from hypothesis import given, settings, strategies as st

from callboard.media import PCM16_24K, ULAW_8K, Converter
from load_marks import AGENT_WALKS, CALLER_WALK, NO_LEVEL, ULAW, Encoding, Follower, Probe, audio, walk

PCM = Encoding(ulaw=False, rate_hz=24000)


def spoken(encoding: Encoding, path: tuple[int, ...], numbers: range) -> bytes:
    return base64.b64decode(audio(encoding, tuple(path[number % len(path)] for number in numbers)))


def test_a_walk_takes_each_step_once() -> None:
    for path in (walk(tuple(range(5))), CALLER_WALK, *AGENT_WALKS):
        steps = list(zip(path, path[1:] + path[:1], strict=True))
        assert len(set(steps)) == len(steps) == len(set(path)) * (len(set(path)) - 1)
        assert all(one != other for one, other in steps)


def test_answers_are_told_apart_by_their_levels() -> None:
    assert not set(AGENT_WALKS[0]) & set(AGENT_WALKS[1])


@pytest.mark.parametrize("encoding", [ULAW, PCM, Encoding(ulaw=False, rate_hz=8000)])
@given(cuts=st.lists(st.integers(1, 5000), max_size=20))
@settings(max_examples=30, deadline=None)
def test_all_frames_are_heard_however_the_stream_is_cut(encoding: Encoding, cuts: list[int]) -> None:
    stream = spoken(encoding, CALLER_WALK, range(150))
    width = 1 if encoding.ulaw else 2
    probe, follower = Probe(encoding), Follower(CALLER_WALK)
    heard: list[int] = []
    places = sorted({0, len(stream), *(min(len(stream), cut * 7 * width) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        heard += follower.hear(probe.read(stream[start:end]), 149)
    assert heard == list(range(150))
    assert follower.gaps == 0


def test_frames_survive_a_filter() -> None:
    up, down = Converter(ULAW_8K, PCM16_24K), Converter(PCM16_24K, ULAW_8K)
    stream = spoken(ULAW, CALLER_WALK, range(200))
    there, back = Probe(PCM), Probe(ULAW)
    followers = Follower(CALLER_WALK), Follower(CALLER_WALK)
    for start in range(0, len(stream), 160):
        wide = up.convert(stream[start : start + 160])
        followers[0].hear(there.read(wide), 199)
        followers[1].hear(back.read(down.convert(wide)), 199)
    # The last one may still be in the filter.
    assert all(follower.newest >= 198 for follower in followers)
    assert all(follower.gaps == 0 for follower in followers)


@given(start=st.integers(0, 55), lost=st.integers(1, 54), then=st.integers(5, 60))
@settings(max_examples=60, deadline=None)
def test_a_gap_is_found_and_nothing_else_is_lost(start: int, lost: int, then: int) -> None:
    before, after = range(start + 10), range(start + 10 + lost, start + 10 + lost + then)
    probe, follower = Probe(ULAW), Follower(CALLER_WALK)
    heard = follower.hear(probe.read(spoken(ULAW, CALLER_WALK, before)), after[-1])
    heard += follower.hear(probe.read(spoken(ULAW, CALLER_WALK, after)), after[-1])
    assert follower.gaps == 1
    assert follower.newest == after[-1]
    # A level that happens to be the one before the gap is not seen to begin.
    assert set(before) <= set(heard)
    assert len(set(after) - set(heard)) <= 1
    assert len(heard) == len(set(heard))


def test_who_joins_late_is_taken_to_hear_the_newest() -> None:
    probe, follower = Probe(ULAW), Follower(CALLER_WALK)
    heard = follower.hear(probe.read(spoken(ULAW, CALLER_WALK, range(70, 75))), 74)
    assert heard == [70, 71, 72, 73, 74]


def test_silence_is_no_level() -> None:
    assert set(Probe(ULAW).read(b"\xff" * 800)) == {NO_LEVEL}
    assert set(Probe(PCM).read(bytes(4800))) == {NO_LEVEL}
