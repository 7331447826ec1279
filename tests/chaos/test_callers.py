"""Random callers: the same ones for a seed, and each sort gets to its end on a healthy line."""

import random

import pytest

from callboard.actors.emulators import CallEnd, CallResult, HangUp, Press, Say
from callboard.testing import CallerKind, Simulation, Transport, open_world, random_caller, simulate


def test_the_same_seed_makes_the_same_callers() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [random_caller(first) for _ in range(50)] == [random_caller(second) for _ in range(50)]
    assert {random_caller(first).kind for _ in range(200)} == set(CallerKind)


@pytest.mark.parametrize("kind", CallerKind)
def test_a_caller_gets_to_the_end_on_a_healthy_line(kind: CallerKind) -> None:
    rng = random.Random(kind.value)
    callers = [random_caller(rng, [kind]) for _ in range(2)]

    async def main(simulation: Simulation) -> list[CallResult]:
        async with open_world(simulation) as world:
            return [await world.phone(caller.steps) for caller in callers]

    results = simulate(main, transport=Transport.MESSAGES, watchdog=30)
    assert [result.outcome.end for result in results] == [CallEnd.HUNG_UP] * 2
    assert all(caller.kind is kind for caller in callers)


def test_sorts_of_callers_do_what_they_are_named_for() -> None:
    rng = random.Random(1)
    assert not any(isinstance(step, Say) for step in random_caller(rng, [CallerKind.SILENT]).steps)
    assert any(isinstance(step, Press) for step in random_caller(rng, [CallerKind.MASHER]).steps)
    talker = random_caller(rng, [CallerKind.TALKER]).steps
    assert all(isinstance(step, Say) for step in talker[:5])
    assert isinstance(random_caller(rng, [CallerKind.HASTY]).steps[-1], HangUp)
