"""Who is let in: by what the loop has to do, and what it will have."""

import attrs
import pytest

from callboard.actors._admission import CLEARANCE, CLOSED, COST, Admission, Refusal
from callboard.actors._loop import BUSY_WINDOW, LoopLoad


@attrs.define
class Source:
    """A loop as the test says it is."""

    lag: float = 0.0
    busy: float = 0.0
    measured: bool = True

    def load(self) -> LoopLoad | None:
        return LoopLoad(lag=self.lag, busy=self.busy) if self.measured else None


def admission(source: Source, *, max_lag: float | None = 0.03, max_busy: float | None = 0.8) -> Admission:
    return Admission(source, max_lag=max_lag, max_busy=max_busy)


def why(door: Admission, now: float, calls: int) -> Refusal | None:
    verdict = door.check(now, calls)
    return None if verdict is None else verdict.refusal


def test_idle_loop_lets_calls_in() -> None:
    assert why(admission(Source()), 0.0, 100) is None


def test_lag_and_business_close_the_door_each_with_its_reason() -> None:
    assert why(admission(Source(lag=0.031)), 0.0, 5) is Refusal.LAG
    assert why(admission(Source(busy=0.81)), 0.0, 5) is Refusal.BUSY


def test_limits_can_be_switched_off() -> None:
    source = Source(lag=9.0, busy=1.0)
    assert why(admission(source, max_lag=None), 0.0, 5) is Refusal.BUSY
    assert why(admission(source, max_busy=None), 0.0, 5) is Refusal.LAG
    assert why(admission(source, max_lag=None, max_busy=None), 0.0, 5) is None


def test_nothing_is_refused_where_nothing_is_measured() -> None:
    assert why(admission(Source(lag=9.0, busy=1.0, measured=False)), 0.0, 5) is None


def test_only_call_spoils_nobody_elses() -> None:
    assert why(admission(Source(lag=9.0, busy=1.0)), 0.0, 0) is None


def test_calls_that_were_just_taken_count_before_they_show() -> None:
    # A hundred calls at 0.7: each costs about 0.007, so some 14 more fit.
    door = admission(Source(busy=0.7))
    taken = 0
    while door.check(0.0, 100 + taken) is None:
        door.took(0.0)
        taken += 1
        assert taken < 100
    assert 12 <= taken <= 16
    verdict = door.check(0.0, 100 + taken)
    assert verdict is not None
    assert verdict.busy == 0.7
    assert verdict.expected > 0.8


def test_they_count_less_as_they_show() -> None:
    source = Source(busy=0.7)
    door = admission(source)
    for _ in range(20):
        door.took(0.0)
    assert why(door, 0.0, 100) is Refusal.BUSY
    # They cost nothing after all.
    assert why(door, BUSY_WINDOW, 120) is None


def test_burst_at_an_idle_server_is_bounded_by_a_guess() -> None:
    door = admission(Source(busy=0.0))
    taken = 0
    while door.check(0.0, taken) is None:
        door.took(0.0)
        taken += 1
        assert taken < 1000
    assert taken == pytest.approx(0.8 / COST, abs=2)


def test_door_stays_closed_for_a_while_and_opens_with_some_room() -> None:
    source = Source(busy=0.81)
    door = admission(source)
    assert why(door, 10.0, 100) is Refusal.BUSY
    source.busy = 0.5
    assert why(door, 10.0 + CLOSED - 0.1, 100) is Refusal.BUSY
    source.busy = 0.8 - CLEARANCE + 0.01
    assert why(door, 10.0 + CLOSED + 0.1, 100) is Refusal.BUSY
    source.busy = 0.8 - CLEARANCE - 0.01
    assert why(door, 10.0 + 2 * CLOSED + 0.2, 100) is None
    # Once it is open, the whole room counts again.
    source.busy = 0.79
    assert why(door, 10.0 + 2 * CLOSED + 0.3, 100) is None


def test_lag_has_to_halve_before_the_door_opens() -> None:
    source = Source(lag=0.04)
    door = admission(source)
    assert why(door, 0.0, 10) is Refusal.LAG
    source.lag = 0.02
    assert why(door, 5.0, 10) is Refusal.LAG
    source.lag = 0.014
    assert why(door, 10.0, 10) is None
    source.lag = 0.02
    assert why(door, 11.0, 10) is None


def test_steady_offer_settles_at_the_limit_and_does_not_flap() -> None:
    """Calls that cost 0.005 each come ten times a second, four minutes long; each shows within the window."""
    source = Source()
    door = admission(source)
    came: list[float] = []
    changes = refused = 0
    last: Refusal | None = None
    for tick in range(2400):
        now = tick * 0.1
        shown = sum(min(1.0, (now - at) / BUSY_WINDOW) for at in came)
        source.busy = min(1.0, 0.005 * shown)
        verdict = why(door, now, len(came))
        changes += verdict is not last
        last = verdict
        if verdict is None:
            door.took(now)
            came.append(now)
        else:
            refused += 1
    assert 0.74 <= 0.005 * len(came) <= 0.8
    assert changes <= 3
    assert refused > 2000


def test_verdicts_are_understandable() -> None:
    door = admission(Source(busy=0.9))
    assert str(door.check(0.0, 50)) == "the event loop is at work 90% of the time"
    door.took(0.0)
    assert (
        str(door.check(0.0, 50)) == "the event loop is at work 90% of the time, 92% with the calls just taken"
    )
    assert str(admission(Source(lag=0.045)).check(0.0, 3)) == "the event loop is 45 ms late"
