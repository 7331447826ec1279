"""A scenario made into a run for `kill_every_actor`."""

import pytest
import trio

from callboard import Call, grok, tool
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    HangUp,
    Say,
    Step,
    WaitForAgent,
    WaitForSilence,
)
from callboard.testing import ActorKillFailed, Transport, World, kill_every_actor, simulate, two_calls


@tool
async def opening_hours(day: str) -> str:
    """When the clinic is open."""
    return "9 to 5"


async def clinic(call: Call) -> None:
    await call.answer()
    agent = await grok.create_voice_agent_api_client(call)
    await agent.configure(instructions="You are a receptionist.", tools=[opening_hours])
    call.send_media_between(agent)
    await agent.say("Hello.")
    await call.wait_ended()


CALLER: list[Step] = [WaitForAgent(), WaitForSilence(0.3), Say("Bye"), WaitForAgent(), HangUp()]


def test_a_scenario_of_the_users_survives_kills() -> None:
    kill_every_actor(two_calls(clinic, CALLER), only=["calls/*"], limit=1)


def test_check_sees_both_calls() -> None:
    seen: list[CallResult] = []

    def check(world: World, first: CallResult, second: CallResult) -> None:
        assert [call.id() for call in world.calls] == [first.call_sid, second.call_sid]
        seen.extend((first, second))

    simulate(two_calls(clinic, CALLER, providers=["grok"], check=check))
    assert [result.outcome.end for result in seen] == [CallEnd.HUNG_UP, CallEnd.HUNG_UP]


def test_scenario_that_leaves_something_behind_is_caught() -> None:
    async def forgetful(call: Call) -> None:
        await call.answer()
        trio.lowlevel.spawn_system_task(trio.sleep_forever)
        await call.wait_ended()

    with pytest.raises(ExceptionGroup) as caught:
        simulate(two_calls(forgetful, [WaitForSilence(1.0), HangUp()]))
    assert "task 'trio.sleep_forever'" in repr(caught.value.exceptions)


def test_scenario_that_does_not_work_after_a_kill_is_caught() -> None:
    busy: list[str] = []

    async def brittle(call: Call) -> None:
        if busy:
            raise RuntimeError("still busy with the call before")
        busy.append(call.id())
        await call.answer()
        busy.clear()
        await call.wait_ended()

    run = two_calls(brittle, [WaitForSilence(1.0), HangUp()], providers=["grok"])
    with pytest.raises(ActorKillFailed) as caught:
        kill_every_actor(run, only=["calls/*/scenario"], transport=Transport.FRAMES)
    failure = caught.value.report.failures[0]
    assert failure.path.endswith("/scenario")
    assert "CallFailed" in str(failure)
