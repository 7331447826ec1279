"""What users get for their own tests."""

import pytest
import trio

from callboard import Call, deepgram, grok, tool
from callboard.actors import EndReason, open_system, system_scope
from callboard.actors.brains import ScriptedBrain
from callboard.actors.emulators import HangUp, InterruptAfter, Say, Step, WaitForAgent, WaitForSilence
from callboard.testing import (
    MemoryNetwork,
    ScriptedProvider,
    Transport,
    simulate_call,
)

ASKS: tuple[Step, ...] = (
    WaitForAgent(timeout=20.0),
    WaitForSilence(0.8),
    Say("A table for two on Friday please."),
    WaitForAgent(timeout=20.0),
    WaitForSilence(1.5),
    HangUp(),
)


@tool
async def book_table(day: str, people: int) -> str:
    """Book a table for the evening."""
    return f"booked for {people} on {day}"


async def restaurant(call: Call) -> None:
    await call.answer()
    agent = await grok.create_voice_agent_api_client(call)
    await agent.configure(instructions="You take bookings.", tools=[book_table])
    call.send_media_between(agent)
    await agent.say("Good evening.")
    await call.wait_ended()


async def other_restaurant(call: Call) -> None:
    await call.answer()
    agent = await deepgram.create_voice_agent_client(call)
    await agent.configure(instructions="You take bookings.", tools=[book_table])
    call.send_media_between(agent)
    await agent.say("Good evening.")
    await call.wait_ended()


@pytest.mark.parametrize("scenario", [restaurant, other_restaurant])
@pytest.mark.parametrize("transport", [Transport.FRAMES, Transport.MESSAGES])
def test_a_scenario_of_the_users_is_called(scenario: object, transport: Transport) -> None:
    def brain() -> ScriptedBrain:
        return ScriptedBrain(
            [
                {
                    "when": "table",
                    "call": {"name": "book_table", "arguments": {"day": "Friday", "people": 2}},
                },
                {"tool": "book_table", "say": "It is {result}."},
            ]
        )

    call = simulate_call(scenario, ASKS, brain=brain, transport=transport)  # type: ignore[arg-type]
    assert call.said_by("caller") == ["A table for two on Friday please."]
    assert call.said_by("agent") == ["Good evening.", "It is booked for 2 on Friday."]
    (booked,) = call.said_by("tool")
    assert booked.replace(" ", "") == 'book_table({"day":"Friday","people":2})->bookedfor2onFriday'
    assert call.left == ()
    assert call.end is not None
    assert call.end.reason is EndReason.CALLER_HUNG_UP
    assert call.result.measures().replies[0].reply is not None
    again = simulate_call(scenario, ASKS, brain=brain, transport=transport)  # type: ignore[arg-type]
    assert again.digest == call.digest


def test_an_interruption() -> None:
    steps = (*ASKS[:2], Say("Tell me a story."), InterruptAfter(1.0, "Stop it."), *ASKS[3:])
    story = ScriptedBrain([{"say": "Once upon a time there was a phone that rang. " * 5}])
    call = simulate_call(restaurant, steps, brain=lambda: story)
    cut = [line for line in call.lines if line.interrupted]
    assert len(cut) == 1
    assert cut[0].text.startswith("Once upon a time")


def test_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("XAI_API_KEY", "mine")
    monkeypatch.delenv("CALLBOARD_GROK_URL", raising=False)
    simulate_call(restaurant, ASKS)
    assert os.environ["XAI_API_KEY"] == "mine"
    assert "CALLBOARD_GROK_URL" not in os.environ


async def test_a_scripted_provider(autojump_clock: object) -> None:
    network = MemoryNetwork()
    provider = ScriptedProvider(network)
    provider.refusals.append((503, b"busy"))
    async with trio.open_nursery() as nursery, open_system(network=network) as system:
        url: str = await nursery.start(provider.run)
        scope = await system_scope(system)
        made: list[deepgram.VoiceAgentClient] = []

        async def make() -> None:
            made.append(await deepgram.create_voice_agent_client(scope, base_url=url, settings_options={}))

        nursery.start_soon(make)
        session = await provider.session()
        assert (provider.n_refused, provider.n_accepted, session.number) == (1, 1, 1)
        await session.send({"type": "Welcome", "request_id": "r"})
        assert (await session.next("Settings"))["type"] == "Settings"
        await session.send({"type": "SettingsApplied"})
        await trio.testing.wait_all_tasks_blocked()
        assert made[0].request_id == "r"
        await session.send({"type": "Error", "code": "INVALID_SETTINGS", "description": "no"})
        await session.close()
        await made[0].wait_closed()
        assert made[0].failure is not None
        assert made[0].failure.reason is deepgram.ProviderFailure.BAD_SETTINGS
        nursery.cancel_scope.cancel()


def test_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["callboard.testing.fixtures"]')
    pytester.makepyfile(
        """
        import trio
        from callboard.actors.emulators import HangUp, WaitForAgent

        async def scenario(call):
            await call.answer()
            await call.wait_ended()

        def test_simulation(simulation, simulation_seed):
            async def main(given):
                await trio.sleep(3600)
                return given.seed
            assert simulation(main) == simulation_seed == 7

        def test_call(call_factory):
            call = call_factory(scenario, [HangUp()])
            assert call.left == ()
        """
    )
    result = pytester.runpytest_subprocess("--simulation-seed", "7", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
