"""The same seed gives the same run; a run that hangs is ended and says where."""

import os
import subprocess
import sys
from typing import Any

import pytest
import trio

from callboard import tool
from callboard.actors import ChildSpec, Context, open_system
from callboard.actors.emulators import HangUp, Say, Step, WaitForAgent, WaitForSilence
from callboard.testing import (
    NotDeterministic,
    Simulation,
    SimulationHung,
    Transport,
    open_world,
    seeded_scheduling,
    simulate,
)

STEPS: tuple[Step, ...] = (
    WaitForAgent(timeout=20.0),
    WaitForSilence(0.8),
    Say("Are you open on Saturday?"),
    WaitForAgent(timeout=20.0),
    WaitForSilence(1.0),
    HangUp(),
)


@tool
async def opening_hours(day: str) -> str:
    """When the clinic is open on a weekday."""
    return f"from 9 to 5 on {day}"


async def three_calls(simulation: Simulation) -> str:
    async with open_world(simulation, providers=("grok", "deepgram"), tools=[opening_hours]) as world:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(world.phone, STEPS)
                await trio.sleep(0.7 * number)
                if number == 1:
                    world.system.kill(f"{world.calls[0].scope.path}/providers/agent-1")
        await trio.sleep(1.0)
        assert world.left() == []
        assert [len(call.transcript.lines) >= 3 for call in world.calls] == [True] * 3
    return simulation.log.digest()


@pytest.mark.parametrize("transport", [Transport.FRAMES, Transport.MESSAGES])
def test_the_same_seed_gives_the_same_log(transport: Transport) -> None:
    first, again = (simulate(three_calls, seed=11, transport=transport) for _ in range(2))
    assert first == again
    assert simulate(three_calls, seed=12, transport=transport) != first


def test_the_same_log_in_another_process() -> None:
    here = simulate(three_calls, seed=11, transport=Transport.MESSAGES)
    code = (
        "from callboard.testing import *; from tests.chaos.test_simulate import three_calls;"
        "print(simulate(three_calls, seed=11, transport=Transport.MESSAGES))"
    )
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == here


def test_virtual_hours_take_no_time_and_results_come_back() -> None:
    async def main(simulation: Simulation) -> tuple[float, float]:
        started = trio.current_time()
        await trio.sleep(7200)
        return trio.current_time() - started, simulation.rng.random()

    assert simulate(main, seed=1) == simulate(main, seed=1)
    assert simulate(main, seed=1)[0] == 7200


def test_an_error_comes_out_as_it_is() -> None:
    async def main(simulation: Simulation) -> None:
        del simulation
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        simulate(main)


def test_a_run_that_hangs_is_ended_and_says_where() -> None:
    async def sits(context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        del context
        task_status.started()
        await trio.sleep_forever()

    async def main(simulation: Simulation) -> None:
        async with open_system("stuck", network=simulation.network) as system:
            simulation.systems.append(system)
            await system.start(ChildSpec[Any, None](name="sitter", run=sits))
            # Nobody has a deadline, so the clock has nowhere to jump to.
            await trio.sleep_forever()

    with pytest.raises(SimulationHung) as caught:
        simulate(main, seed=3, watchdog=0.3)
    text = str(caught.value)
    assert "seed 3" in text
    assert "sitter" in text
    assert "test_simulate.py" in text


def test_a_trio_without_the_switches_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = sys.modules["trio._core._run"]
    monkeypatch.delattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING")
    with pytest.raises(NotDeterministic, match="trio"):
        simulate(three_calls)


def test_scheduling_is_as_before_afterwards() -> None:
    run: Any = sys.modules["trio._core._run"]
    before = run._ALLOW_DETERMINISTIC_SCHEDULING
    with seeded_scheduling(5):
        assert run._ALLOW_DETERMINISTIC_SCHEDULING is True
        first = run._r.random()
    assert run._ALLOW_DETERMINISTIC_SCHEDULING is before
    with seeded_scheduling(5):
        assert run._r.random() == first
