import random

import pytest
from hypothesis import given, strategies as st

from callboard.actors._backoff import Backoff


def test_backoff_grows_to_its_maximum() -> None:
    backoff = Backoff(initial=0.1, factor=2.0, maximum=0.5, jitter=0.0)
    rng = random.Random(1)
    assert [backoff.delay(attempt, rng) for attempt in range(6)] == [0.1, 0.1, 0.2, 0.4, 0.5, 0.5]


@given(st.integers(0, 10**6), st.integers())
def test_backoff_stays_within_its_jitter(attempt: int, seed: int) -> None:
    exact = Backoff(jitter=0.0).delay(attempt, random.Random(0))
    delay = Backoff(jitter=0.2).delay(attempt, random.Random(seed))
    assert exact * 0.8 <= delay <= exact * 1.2


def test_backoff_repeats_with_the_same_seed() -> None:
    backoff = Backoff()
    first, second = (
        [backoff.delay(n, rng) for n in range(9)] for rng in (random.Random(3), random.Random(3))
    )
    assert first == second


@pytest.mark.parametrize("wrong", [{"initial": -1.0}, {"factor": 0.5}, {"maximum": -1.0}, {"jitter": 1.5}])
def test_backoff_refuses_what_makes_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a backoff"):
        Backoff(**wrong)
