"""Whole calls: a caller in tones, the emulated service, and a scenario with tools and barge-in between them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trio

from callboard import grok
from callboard.actors._call import Call
from callboard.actors._network import Network
from callboard.actors._switchboard import Route, Switchboard
from callboard.actors._system import open_system
from callboard.actors._tools_schema import ToolContext, tool
from callboard.actors._transcript import Speaker
from callboard.media import Samples, ToneDecoder, ToneEncoder, ulaw_decode, ulaw_encode
from callboard.testing import MemoryLeg
from tests.actors.emulator_grok_kit import running
from tests.actors.emulator_kit import Rules, call as call_tool, say

LONG = " ".join(["one two three four five six seven eight nine ten eleven twelve"] * 5)


def utterance(text: str) -> Samples:
    silence = np.zeros(4000, np.int16)
    return np.concatenate((silence, ToneEncoder().encode(text), np.zeros(8000, np.int16)))


async def speak(leg: MemoryLeg, text: str) -> None:
    octets = ulaw_encode(utterance(text))
    for at in range(0, len(octets), 160):
        await trio.sleep(0.02)
        leg.speak(octets[at : at + 160].ljust(160, b"\xff"))


def words(leg: MemoryLeg) -> list[str]:
    samples = ulaw_decode(leg.heard())
    return [str(text) for text in ToneDecoder().push(np.concatenate((samples, np.zeros(800, np.int16))))]


async def run_call(
    scenario: Callable[[Call], Any],
    caller: Callable[[MemoryLeg], Any],
    network: Network,
    *,
    within: float = 300.0,
) -> Call:
    """One call, to its end; nothing of it is left afterwards (I1)."""
    with trio.fail_after(within):
        async with open_system(network=network, seed=1) as system, trio.open_nursery() as nursery:
            switchboard = Switchboard(system, (Route(".*", scenario),), max_calls=2)
            await switchboard.start()
            before = {node.path for node in system.tree().walk()}
            leg = MemoryLeg(switchboard.pacer)
            nursery.start_soon(switchboard.run_call, leg)
            while not switchboard.calls:
                await trio.lowlevel.checkpoint()
            (the_call,) = switchboard.calls
            await trio.sleep(0.05)
            leg.begin()
            await caller(leg)
            leg.hang_up()
            await the_call.wait_ended()
            await trio.sleep(1.0)
            assert {node.path for node in system.tree().walk()} == before
            nursery.cancel_scope.cancel()
    return the_call


async def test_a_spoken_call_with_a_tool(autojump_clock: object) -> None:
    brain = Rules(
        {"hours on monday": [call_tool("opening_hours", day="monday")], "result": [say("Nine to five.")]}
    )
    asked: list[tuple[str, object]] = []
    done: list[grok.GrokEvent] = []

    @tool
    async def opening_hours(day: str, call: Call, context: ToolContext) -> str:
        """When the clinic is open.

        Args:
            day: The day of the week.
        """
        asked.append((day, call))
        assert context.call is call
        await trio.sleep(0.5)
        return "9 to 5"

    async with running(brain) as rig:

        async def scenario(call: Call) -> None:
            await call.answer()
            agent = await grok.create_voice_agent_api_client(call, base_url=f"ws://{rig.authority}")
            agent.add_event_listener(grok.VoiceAgentAPIEvents.ResponseDone, done.append)
            await agent.configure(instructions="Reception.", voice="eve", tools=[opening_hours])
            call.send_media_between(agent)
            await agent.say("Hello.", wait=True)
            await call.wait_ended()

        async def caller(leg: MemoryLeg) -> None:
            await trio.sleep(3)
            await speak(leg, "hours on monday")
            await trio.sleep(6)
            assert words(leg) == ["Hello.", "Nine to five."]

        the_call = await run_call(scenario, caller, rig.network)
    assert [day for day, _ in asked] == ["monday"]
    assert asked[0][1] is the_call
    lines = [(line.speaker, line.text) for line in the_call.transcript.lines]
    assert lines == [
        (Speaker.AGENT, "Hello."),
        (Speaker.CALLER, "hours on monday"),
        (Speaker.TOOL, 'opening_hours({"day": "monday"}) -> 9 to 5'),
        (Speaker.AGENT, "Nine to five."),
    ]
    assert len(done) == 3


async def test_barge_in_cuts_the_answer_and_the_caller_is_answered_i3(autojump_clock: object) -> None:
    brain = Rules({"count": [say(LONG)], "stop": [say("I stopped.")]})
    agents: list[grok.VoiceAgentAPIClient] = []
    async with running(brain) as rig:

        async def scenario(call: Call) -> None:
            await call.answer()
            agent = await grok.create_voice_agent_api_client(call, base_url=f"ws://{rig.authority}")
            agents.append(agent)
            await agent.configure(voice="eve")
            call.send_media_between(agent)
            await call.wait_ended()

        async def caller(leg: MemoryLeg) -> None:
            await speak(leg, "count")
            # The answer has been playing for a second when the caller speaks again.
            while not leg.heard():
                await trio.sleep(0.02)
                leg.speak(b"\xff" * 160)
            await trio.sleep(1.0)
            await speak(leg, "stop")
            await trio.sleep(5)
            clears = [index for index, sent in enumerate(leg.sent) if sent.kind == "clear"]
            assert clears
            for index in clears:
                floor = leg.sent[index].generation
                assert all(sent.generation >= floor for sent in leg.sent[index:] if sent.kind == "audio")
            assert words(leg)[-1] == "I stopped."

        the_call = await run_call(scenario, caller, rig.network)
    assert agents[0].statistics().interruptions == 1
    agent_lines = [line for line in the_call.transcript.lines if line.speaker is Speaker.AGENT]
    assert [line.interrupted for line in agent_lines] == [True, False]
    assert LONG.startswith(agent_lines[0].text)
    assert 0 < len(agent_lines[0].text) < len(LONG) / 2
    assert [line.text for line in the_call.transcript.lines if line.speaker is Speaker.CALLER] == [
        "count",
        "stop",
    ]


async def test_the_provider_comes_back_in_the_middle_of_a_call(autojump_clock: object) -> None:
    async with running(Rules({"two": [say("You said two.")]})) as rig:

        async def scenario(call: Call) -> None:
            await call.answer()
            agent = await grok.create_voice_agent_api_client(call, base_url=f"ws://{rig.authority}")
            await agent.configure(voice="eve")
            call.send_media_between(agent)
            await agent.say("Hello.")
            await call.wait_ended()

        async def caller(leg: MemoryLeg) -> None:
            await trio.sleep(3)
            assert await rig.emulator.drop_connections() == 1
            await trio.sleep(1)
            await speak(leg, "two")
            await trio.sleep(5)
            assert words(leg) == ["Hello.", "You said two."]

        await run_call(scenario, caller, rig.network)


async def test_hang_up_in_every_state_leaves_nothing_i1(autojump_clock: object) -> None:
    brain = Rules({"tool": [call_tool("slow")], "count": [say(LONG)]})

    @tool
    async def slow() -> str:
        """Take long."""
        await trio.sleep(100)
        return ""

    async with running(brain) as rig:

        async def scenario(call: Call) -> None:
            agent = await grok.create_voice_agent_api_client(call, base_url=f"ws://{rig.authority}")
            await agent.configure(tools=[slow])
            call.send_media_between(agent)
            async for _ in agent.events():
                pass

        for text in ("", "tool", "count"):

            async def caller(leg: MemoryLeg, text: str = text) -> None:
                if text:
                    await speak(leg, text)
                    await trio.sleep(1.0)

            await run_call(scenario, caller, rig.network)
        assert rig.emulator.statistics().open == 0


@pytest.mark.parametrize("seed", range(5))
async def test_random_kills_below_the_call_leave_it_talking_i2(seed: int, autojump_clock: object) -> None:
    import random

    rng = random.Random(seed)
    brain = Rules({"two": [say("You said two.")]})
    async with running(brain) as rig:
        agents: list[grok.VoiceAgentAPIClient] = []

        async def scenario(call: Call) -> None:
            await call.answer()
            agent = await grok.create_voice_agent_api_client(call, base_url=f"ws://{rig.authority}")
            agents.append(agent)
            await agent.configure(voice="eve")
            call.send_media_between(agent)
            await call.wait_ended()

        async def caller(leg: MemoryLeg) -> None:
            await trio.sleep(1)
            system = agents[0].scope.system
            prefix = agents[0].scope.path
            for _ in range(4):
                paths = [
                    node.path
                    for node in system.tree().walk()
                    if node.path.startswith((f"{prefix}/providers/", f"{prefix}/bridges/"))
                ]
                system.kill(rng.choice(paths))
                await trio.sleep(rng.uniform(0.5, 3))
            await trio.sleep(5)
            await speak(leg, "two")
            await trio.sleep(5)
            assert words(leg)[-1:] == ["You said two."]
            assert not agents[0].closed

        await run_call(scenario, caller, rig.network)
