"""The callers of a soak: the same from the same seed, of every manner, and what they do is possible."""

import random
from collections import Counter

import pytest

from callboard.actors import TcpNetwork
from callboard.actors._twilio_leg import READ_TIMEOUT
from callboard.actors.emulators import CallEnd, CarrierEmulator, HangUp, SpeechBank
from callboard.media.speech import load_speech
from soak_callers import CUT, FROZEN_SECONDS, WEIGHTS, Manner, Plan, SoakCaller, plan_call


def plans(seed: int, n: int = 300) -> list[Plan]:
    rng = random.Random(seed)
    return [plan_call(rng) for _ in range(n)]


def test_plans_are_the_same_from_the_same_seed_and_others_from_another() -> None:
    assert plans(1) == plans(1)
    assert plans(1) != plans(2)


def test_every_manner_comes_about_as_often_as_it_should() -> None:
    counted = Counter(plan.manner for plan in plans(3, 2000))
    assert set(counted) == set(Manner) == set(WEIGHTS)
    for manner, weight in WEIGHTS.items():
        share = 2000 * weight / sum(WEIGHTS.values())
        assert share / 2 < counted[manner] < share * 2


def test_every_plan_can_be_carried_out() -> None:
    bank = SpeechBank(load_speech("tones"))
    for plan in plans(4):
        # Steps that make no sense are refused here.
        SoakCaller(plan, bank)
        assert isinstance(plan.steps[-1], HangUp)
        assert 0 <= plan.pause <= 3


def test_a_frozen_stream_stays_open_until_the_server_gives_it_up() -> None:
    frozen = [plan.faults for plan in plans(5) if plan.manner is Manner.FROZEN]
    assert frozen
    for faults in frozen:
        assert faults is not None
        assert faults.freeze_at is not None
        assert faults.drop_at is not None
        assert faults.drop_at - faults.freeze_at == pytest.approx(FROZEN_SECONDS)
    assert FROZEN_SECONDS > READ_TIMEOUT


@pytest.mark.parametrize("manner", list(Manner))
async def test_only_those_who_are_to_cut_the_socket_do(manner: Manner) -> None:
    caller = SoakCaller(Plan(manner=manner, steps=(HangUp(),)), SpeechBank(load_speech("tones")))
    call = CarrierEmulator(TcpNetwork(), "ws://127.0.0.1:1/").call(caller)
    await caller.prepare()
    caller.answered(call)
    caller.next_frame()
    assert call.result().outcome.end is (CallEnd.DROPPED if manner in CUT else CallEnd.HUNG_UP)
