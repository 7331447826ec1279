"""One scenario against what all providers have in common: only the line that makes the client differs."""

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from callboard import AgentEvent, AgentEvents, VoiceAgent, create_voice_agent, deepgram, grok, tool
from callboard.actors import Scope, open_system, system_scope
from tests.integration.recovery_kit import DeepgramSide, FaultyNetwork, GrokSide, Phone, until

Make = Callable[[Scope, int], Awaitable[VoiceAgent]]


async def with_grok(scope: Scope, port: int) -> VoiceAgent:
    return await grok.create_voice_agent_api_client(scope, base_url=f"ws://127.0.0.1:{port}")


async def with_deepgram(scope: Scope, port: int) -> VoiceAgent:
    return await deepgram.create_voice_agent_client(scope, base_url=f"ws://127.0.0.1:{port}")


async def with_either(scope: Scope, port: int) -> VoiceAgent:
    return await create_voice_agent(scope, [deepgram.Provider(base_url=f"ws://127.0.0.1:{port}")])


@attrs.define
class Told:
    """What a scenario saw."""

    events: list[AgentEvent] = attrs.field(factory=list[AgentEvent])
    asked: list[str] = attrs.field(factory=list[str])
    tool_lines: list[str] = attrs.field(factory=list[str])
    caller_lines: list[str] = attrs.field(factory=list[str])
    agent_lines: list[tuple[str, bool]] = attrs.field(factory=list[tuple[str, bool]])

    def names(self) -> list[str]:
        """The kinds of events; texts that are not final, and how an answer is cut into pieces, are the providers'."""
        names: list[str] = []
        for event in self.events:
            if isinstance(event, AgentEvents.UserText) and not event.final:
                continue
            name = type(event).__name__
            if name == "AgentText" and names and names[-1] == name:
                continue
            names.append(name)
        return names


async def scenario(agent: VoiceAgent, phone: Phone, told: Told) -> None:
    @tool
    async def weather(what: str) -> str:
        """The weather."""
        told.asked.append(what)
        await trio.sleep(0.5)
        return "sunny today"

    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            async for event in agent.events(AgentEvent):
                told.events.append(event)

        nursery.start_soon(watch)
        nursery.start_soon(phone.run)
        await agent.configure(instructions="Echo.", tools=[weather], language="en")
        phone.send_media_to(agent)
        agent.send_media_to(phone)
        assert await agent.say("Welcome to the weather line.", wait=True)
        await phone.say("tell me the weather")
        await lines(agent, 2)
        await phone.say("give me a long answer")
        await until(lambda: bool(agent._core.playback.turns.playing))
        await trio.sleep(1.5)
        assert agent.interrupt()
        flushed_at = len(phone.payload)
        await trio.sleep(3.0)
        # I3: silence, also where the provider goes on sending.
        assert len(phone.payload) == flushed_at
        agent.ask("one more")
        await lines(agent, 4)
        nursery.cancel_scope.cancel()
    for line in agent.transcript.lines:
        match line.speaker.value:
            case "caller":
                told.caller_lines.append(line.text)
            case "tool":
                told.tool_lines.append(line.text)
            case _:
                told.agent_lines.append((line.text, line.interrupted))


async def lines(agent: VoiceAgent, n_lines: int) -> None:
    await until(lambda: len([x for x in agent.transcript.lines if x.speaker.value == "agent"]) >= n_lines)


@pytest.mark.parametrize("make", [with_grok, with_deepgram, with_either])
async def test_a_scenario_runs_with_either(make: Make, autojump_clock: object) -> None:
    told = Told()
    network = FaultyNetwork()
    async with trio.open_nursery() as nursery:
        side = GrokSide([]) if make is with_grok else DeepgramSide([])
        await side.start(network, nursery)
        async with open_system(network=network, seed=5) as system:
            scope = await system_scope(system)
            agent = await make(scope, side.port)
            phone = Phone(scope)
            await scenario(agent, phone, told)
            agent.close()
        nursery.cancel_scope.cancel()

    assert told.asked == ["weather"]
    assert told.tool_lines == ['weather({"what": "weather"}) -> sunny today']
    assert told.caller_lines[:2] == ["tell me the weather", "give me a long answer"]
    said = [text for text, _ in told.agent_lines]
    assert said[:2] == ["Welcome to the weather line.", "sunny today"]
    assert said[2].startswith("Sentence number 0 of a")
    assert said[3] == "You said one more"
    assert [cut for _, cut in told.agent_lines] == [False, False, True, False]
    assert phone.stale == 0

    calls = [event for event in told.events if isinstance(event, AgentEvents.ToolCalled)]
    assert [(call.name, call.client is agent) for call in calls] == [("weather", True)]
    assert all(event.native is not None for event in told.events if not _is_ours(event))
    names = told.names()
    say, ask, tell = names[1:4], names[4:7], names[-3:]
    assert names[0] == "ProviderReady"
    assert say == ["TurnStarted", "AgentText", "TurnDone"]
    assert sorted(ask) == sorted(["UserStartedSpeaking", "UserStoppedSpeaking", "UserText"])
    assert tell == ["TurnStarted", "AgentText", "TurnDone"]
    done = [event.interrupted for event in told.events if isinstance(event, AgentEvents.TurnDone)]
    assert done.count(True) == 1


def _is_ours(event: AgentEvent) -> bool:
    """Whether an event tells of what was done here, for which there is no message."""
    return isinstance(event, AgentEvents.ToolFinished) or (
        isinstance(event, AgentEvents.TurnDone) and event.interrupted
    )
