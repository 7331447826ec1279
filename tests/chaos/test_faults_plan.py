"""Plans of faults: what they print, what is simpler, what is left of them when they are shrunk."""

import itertools
import math
import random

import attrs
import pytest
from hypothesis import given, strategies as st

import callboard.actors.emulators
import callboard.testing
from callboard.actors.emulators import CarrierFaults, FaultAction, GrokFault, Say, WaitForAgent, lose_marks
from callboard.testing import (
    ChaosOptions,
    ChaosPlan,
    FaultPlan,
    Kill,
    Marks,
    MessageAction,
    OnCarrier,
    OnMessage,
    OnProvider,
    OnTool,
    Outage,
    Peer,
    PlannedCall,
    ToolAction,
    make_plan,
    shrink,
)
from callboard.testing._faults import call_of, kind_of
from callboard.testing._faults_code import as_code, simpler
from callboard.testing._faults_shrink import fewest

NAMES = {"math": math, **vars(callboard.actors.emulators), **vars(callboard.testing)}


def made_again(text: str) -> object:
    made: object = eval(text, dict(NAMES))
    return made


@given(st.integers(0, 10_000))
def test_a_plan_prints_itself_as_the_code_that_makes_it(seed: int) -> None:
    plan = make_plan(ChaosOptions(calls=12, minutes=1, seed=seed, kills_per_minute=20))
    assert made_again(str(plan)) == plan
    assert made_again(str(plan.faults)) == plan.faults


def test_what_is_as_by_default_is_not_printed() -> None:
    assert as_code(Kill(actor="leg", at=2.5)) == "Kill(actor='leg', at=2.5)"
    assert as_code(Say("Hello")) == "Say('Hello')"
    assert as_code(WaitForAgent(timeout=math.inf)) == "WaitForAgent(timeout=math.inf)"
    assert as_code(OnCarrier(faults=CarrierFaults(marks=Marks(late=1.0)), call=3)) == (
        "OnCarrier(faults=CarrierFaults(marks=Marks(late=1.0)), call=3)"
    )


def test_a_function_cannot_be_printed() -> None:
    with pytest.raises(TypeError, match="no code for"):
        as_code(OnCarrier(faults=CarrierFaults(marks=lose_marks(2))))


def test_a_kill_is_at_a_step_or_at_a_time() -> None:
    with pytest.raises(ValueError, match="expected one of the two"):
        Kill(actor="leg")
    with pytest.raises(ValueError, match="expected one of the two"):
        Kill(actor="leg", at=1.0, step=1)


@pytest.mark.parametrize(
    ("fault", "kind", "call"),
    [
        (Kill(actor="", at=1.0, call=2), "kill call", 2),
        (Kill(actor="/pacer", at=1.0), "kill pacer", None),
        (Kill(actor="providers/agent-1/connection/socket", step=3), "kill socket", 1),
        (Kill(actor="bridges/{call}-to-agent-1-1", step=3), "kill bridge", 1),
        (Kill(actor="tools/*", at=3.0), "kill tool", 1),
        (OnMessage(action=MessageAction.HALF_CLOSE, peer=Peer.CARRIER), "carrier half close", 1),
        (OnTool(action=ToolAction.HANG), "tool hang", 1),
        (Outage(provider="grok", at=0.0, seconds=1.0), "outage of grok", None),
        (OnCarrier(faults=CarrierFaults(drop_at=1.0)), "carrier drop", 1),
        (OnCarrier(faults=CarrierFaults(marks=Marks(lose_every=2))), "marks lost", 1),
        (OnProvider(fault=GrokFault(action=FaultAction.ABORT)), "grok abort", None),
    ],
)
def test_faults_have_names_and_calls(fault: callboard.testing.Fault, kind: str, call: int | None) -> None:
    assert kind_of(fault) == kind
    assert call_of(fault) == call


def test_simpler_faults_say_less_and_come_to_an_end() -> None:
    fault: callboard.testing.Fault = OnMessage(
        action=MessageAction.DELAY, peer=Peer.PROVIDER, nth=77, seconds=3.37, call=4
    )
    steps = 0
    while (less := next(iter(simpler(fault)), None)) is not None:
        assert call_of(less) == 4
        fault, steps = less, steps + 1
        assert steps < 50
    assert fault == OnMessage(action=MessageAction.DELAY, peer=Peer.PROVIDER, call=4)


@given(st.sets(st.integers(0, 40)), st.integers(1, 41))
def test_only_what_is_needed_is_left(needed: set[int], n: int) -> None:
    needed = {item for item in needed if item < n}
    assert fewest(range(n), lambda items: needed <= set(items)) == sorted(needed)


def test_shrinking_finds_the_one_fault_and_makes_it_plain() -> None:
    rng = random.Random(1)
    plan = FaultPlan(
        tuple(
            Kill(actor=rng.choice(("leg", "scenario")), at=round(rng.uniform(0, 9), 2), call=call, passes=5)
            for call in range(1, 30)
        )
    )
    tried: list[FaultPlan] = []

    def fails(smaller: FaultPlan) -> bool:
        tried.append(smaller)
        return any(
            isinstance(fault, Kill) and fault.call == 17 and (fault.at or 0) > 1.2 for fault in smaller
        )

    plan = attrs.evolve(plan, faults=(*plan.faults, Kill(actor="leg", at=7.77, call=17)))
    found = shrink(plan, fails)
    assert len(found) == 1
    (kill,) = found
    assert isinstance(kill, Kill)
    assert (kill.call, kill.passes) == (17, 0)
    assert len(tried) == len({str(smaller) for smaller in tried})
    again = shrink(plan, fails)
    assert again == found


def test_shrinking_stops_at_its_budget() -> None:
    plan = FaultPlan(tuple(Kill(actor="leg", at=1.0, call=call) for call in range(1, 100)))
    tried: list[FaultPlan] = []

    def fails(smaller: FaultPlan) -> bool:
        tried.append(smaller)
        return len(smaller) > 50

    assert len(shrink(plan, fails, budget=3)) > 50
    assert len(tried) == 3


def test_a_plan_of_some_calls_keeps_their_faults_and_those_of_all() -> None:
    calls = tuple(PlannedCall(number=number, at=0.0, steps=()) for number in (1, 2, 3))
    outage = Outage(provider="grok", at=1.0, seconds=1.0)
    faults = (Kill(actor="leg", at=1.0, call=1), Kill(actor="leg", at=1.0, call=2), outage)
    plan = ChaosPlan(calls=calls, faults=FaultPlan(faults))
    assert plan.only(calls[1:2]).faults == FaultPlan((faults[1], outage))


def test_plans_of_different_seeds_differ_and_of_the_same_do_not() -> None:
    assert make_plan(ChaosOptions(seed=1)) == make_plan(ChaosOptions(seed=1))
    assert make_plan(ChaosOptions(seed=1)) != make_plan(ChaosOptions(seed=2))


def test_shared_parts_are_killed_no_more_often_than_they_may_be_restarted() -> None:
    plan = make_plan(ChaosOptions(calls=10, minutes=20, seed=3, kills_per_minute=100))
    times = [
        fault.at or 0.0 for fault in plan.faults if isinstance(fault, Kill) and fault.actor.startswith("/")
    ]
    assert len(times) > 20
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 10
