"""The conversation that Deepgram's client has with the emulator, held by ours: over loopback TCP, in real time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from callboard import deepgram, tool
from callboard.actors import TcpNetwork, open_system, system_scope
from callboard.actors.brains import Action
from tests.actors.emulator_deepgram_kit import running
from tests.actors.emulator_kit import Rules, call, say
from tests.integration.recovery_kit import Phone, until

Events = deepgram.VoiceAgentEvents

RULES: dict[str, list[Action]] = {
    "Is the pool open?": [say("I will ask."), call("pool_hours", day="Monday")],
    "result": [say("It opens at seven.")],
    "go": [say("One long sentence after another. " * 12)],
}


@attrs.define
class Line:
    agent: deepgram.VoiceAgentClient
    phone: Phone
    brain: Rules


@asynccontextmanager
async def open_line() -> AsyncGenerator[Line, None]:
    brain = Rules(RULES)
    network = TcpNetwork()
    async with (
        running(brain, network=network) as rig,
        open_system(network=network) as system,
        trio.open_nursery() as nursery,
    ):
        scope = await system_scope(system)
        with trio.fail_after(30):
            agent = await deepgram.create_voice_agent_client(
                scope, api_key="any-key", base_url=f"ws://{rig.authority}"
            )
            phone = Phone(scope)
            phone.send_media_to(agent)
            agent.send_media_to(phone)
            nursery.start_soon(phone.run)
            yield Line(agent, phone, brain)
            agent.close()
            await agent.wait_closed()
        nursery.cancel_scope.cancel()


async def test_a_whole_conversation() -> None:
    asked: list[str] = []

    @tool
    async def pool_hours(day: str) -> str:
        """When the pool opens."""
        asked.append(day)
        return "07:00"

    async with open_line() as line:
        agent = line.agent
        history = agent.events(Events.History)
        updated = agent.events(Events.PromptUpdated)
        done = agent.events(Events.AgentAudioDone)
        # Settings, and audio from the agent.
        await agent.configure(instructions="Be brief.", tools=[pool_hours], voice="flux-kit-en")
        assert await agent.say("Welcome to the pool.", wait=True)
        assert line.phone.sentences() == ["Welcome to the pool."]
        # Audio to the agent, and a function call.
        await line.phone.say("Is the pool open?")
        for _ in range(3):
            await done.receive()
        assert asked == ["Monday"]
        # A prompt update.
        agent.send_update_prompt({"prompt": "The caller is a member."})
        await updated.receive()
        # An injection, and one that is refused because the agent is speaking.
        agent.send_inject_user_message({"content": "go"})
        await until(lambda: line.phone.sentences()[-1:] == ["One long sentence after another."], step=0.2)
        assert "The caller is a member." in line.brain.inputs[-1].instructions
        refused = agent.events(Events.InjectionRefused)
        agent.send_inject_agent_message({"message": "By the way.", "behavior": "default"})
        await refused.receive()
        assert agent.interrupt()
        # The history has all of it.
        told: list[str | list[str]] = []
        while history.pending:
            entry = (await history.receive()).data
            told.append(entry.content or [call.name for call in entry.function_calls or ()])
        assert told[:5] == [
            "Welcome to the pool.",
            "Is the pool open?",
            "I will ask.",
            ["pool_hours"],
            "It opens at seven.",
        ]
    assert agent.closed


async def test_a_line_is_refused_while_the_caller_speaks() -> None:
    async with open_line() as line:
        await line.agent.configure()
        started = line.agent.events(Events.UserStartedSpeaking)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.phone.say, "this is something rather long to say")
            await started.receive()
            with pytest.raises(deepgram.RequestRefused):
                await line.agent.say("Excuse me.")
