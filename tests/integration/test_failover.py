"""One provider dies for good and another takes over; sessions are resumed, bridged by a sound, or outlived."""

import numpy as np
import pytest
import trio

from callboard import AgentEvents, HistoryMessage, ToolContext, create_voice_agent, deepgram, grok
from callboard.actors import open_system, system_scope
from callboard.actors._provider_options import ConnectionOptions
from callboard.media import ULAW_8K, decode
from tests.integration.recovery_kit import FaultyNetwork, Loss, Talk, open_talk, until


async def die(talk: Talk) -> None:
    """The provider goes away and does not come back."""
    talk.network.refused_ports.add(talk.side.port)
    await talk.strike(Loss.CUT_1006)


def now(talk: Talk) -> None:
    """From here on the other provider is looked at."""
    talk.side = next(side for side in talk.sides if side.name == talk.agent.provider)


async def playing(talk: Talk) -> None:
    await until(lambda: talk.agent._core.playback.turns.playing, within=10)


@pytest.mark.parametrize("kinds", [("grok", "deepgram"), ("deepgram", "grok")], ids="-to-".join)
async def test_another_provider_takes_over_in_mid_answer(
    kinds: tuple[str, str], autojump_clock: object
) -> None:
    async with open_talk(kinds) as talk:
        assert await talk.turn("hello") == "You said hello"
        await talk.phone.say("give me a long answer")
        await playing(talk)
        await trio.sleep(0.6)
        await die(talk)
        lost_at = trio.current_time()
        await until(lambda: talk.agent.provider == kinds[1] and talk.agent._core.present, within=3)
        # Two quick attempts at the one that is gone, and the next one.
        assert trio.current_time() - lost_at < 1.5
        now(talk)
        await talk.settled()
        assert await talk.turn("what next") == "You said what next"
        assert talk.side.history() == talk.history()
        # The brain of the second one knew what had been said to the first one.
        words = [turn.text for turn in talk.inputs[-1].history if turn.role == "user"]
        assert [word for word in words if word != "Please go on."] == [
            "hello",
            "give me a long answer",
            "what next",
        ]
        assert talk.phone.stale == 0
        ready = [event.provider for event in talk.events if isinstance(event, AgentEvents.ProviderReady)]
        assert ready == list(kinds)


@pytest.mark.parametrize("kinds", [("grok", "deepgram"), ("deepgram", "grok")], ids="-to-".join)
async def test_a_tool_that_runs_outlives_its_provider_i4(
    kinds: tuple[str, str], autojump_clock: object
) -> None:
    async with open_talk(kinds) as talk:
        await talk.phone.say("tell me the weather please")
        await until(lambda: talk.runs, within=10)
        await die(talk)
        await talk.answered(0)
        now(talk)
        assert talk.lines("agent") == ["sunny today"]
        assert talk.runs == ["weather"]
        assert await talk.turn("thanks") == "You said thanks"
        assert talk.side.history() == talk.history()


async def test_back_to_the_first_when_the_second_dies(autojump_clock: object) -> None:
    async with open_talk(("grok", "deepgram")) as talk:
        assert await talk.turn("one") == "You said one"
        await die(talk)
        assert await talk.turn("two") == "You said two"
        now(talk)
        assert talk.side.name == "deepgram"
        talk.network.refused_ports.clear()
        await die(talk)
        assert await talk.turn("three") == "You said three"
        now(talk)
        assert talk.side.name == "grok"
        assert [text for role, text in talk.side.history() if role == "user"] == ["one", "two", "three"]


async def test_when_all_are_gone_the_client_fails_with_a_reason(autojump_clock: object) -> None:
    async with open_talk(("grok", "deepgram")) as talk:
        for side in talk.sides:
            talk.network.refused_ports.add(side.port)
        await talk.strike(Loss.CUT_1006)
        with trio.fail_after(30):
            await talk.agent.wait_closed()
        assert talk.agent.failure is not None
        assert talk.agent.failure.reason is grok.ProviderFailure.UNREACHABLE


async def test_a_provider_that_refuses_the_key_is_passed_over(autojump_clock: object) -> None:
    async with open_talk(("grok", "deepgram"), emulators={"grok": {"refused_keys": {"local": 403}}}) as talk:
        assert talk.agent.provider == "deepgram"
        assert await talk.turn("hello") == "You said hello"
        # And not asked again.
        assert talk.sides[0].emulator.statistics().refused == 1


async def test_a_missing_key_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    network = FaultyNetwork()
    async with open_system(network=network, seed=1) as system:
        scope = await system_scope(system)
        with pytest.raises(grok.ProviderFailed) as caught:
            await create_voice_agent(scope, [grok.Provider(base_url="wss://api.example/v1/realtime")])
        assert caught.value.reason is grok.ProviderFailure.MISSING_KEY
        with pytest.raises(ValueError, match="no provider"):
            await create_voice_agent(scope, [])
        local = "ws://127.0.0.1:1"
        with pytest.raises(ValueError, match="given twice"):
            await create_voice_agent(scope, [grok.Provider(base_url=local), grok.Provider(base_url=local)])


# Resumption


async def test_a_server_that_keeps_the_conversation_is_asked_for_it(autojump_clock: object) -> None:
    async with open_talk(resumption=True) as talk:
        assert await talk.turn("hello") == "You said hello"
        await talk.strike(Loss.CUT_1006)
        assert await talk.turn("still there") == "You said still there"
        assert talk.side.history() == talk.history()
        # One conversation of the server's, through two sessions.
        assert talk.side.n_sessions() == 2
        assert len(talk.side.emulator._live) == 1
        (parts,) = talk.side.emulator._live.values()
        assert parts.conversation.id == talk.agent._core.driver.conversation_id  # type: ignore[attr-defined]


async def test_what_the_server_has_not_kept_is_given_to_it(autojump_clock: object) -> None:
    options = {"grok": {"resumption_expiry": 0.5}}
    async with open_talk(resumption=True, emulators=options) as talk:
        assert await talk.turn("hello") == "You said hello"
        talk.network.refused_ports.add(talk.side.port)
        await talk.strike(Loss.CUT_1006)
        await trio.sleep(3)
        talk.network.refused_ports.clear()
        assert await talk.turn("still there") == "You said still there"
        assert talk.side.history() == talk.history()


@pytest.mark.parametrize("tools", ["weather", "weather traffic"])
async def test_a_resumed_conversation_gets_the_results_it_lacks(tools: str, autojump_clock: object) -> None:
    async with open_talk(resumption=True) as talk:
        await talk.phone.say(f"the {tools} please")
        await until(lambda: len(talk.runs) == len(tools.split()), within=10)
        await talk.strike(Loss.CUT_1006)
        await talk.answered(0)
        wanted = ["sunny today", "roads are clear"][: len(tools.split())]
        assert talk.lines("agent") == [" and ".join(wanted)]
        assert talk.side.history() == talk.history()


# A sound for the pause


async def test_the_filler_plays_while_there_is_no_session(autojump_clock: object) -> None:
    rate = 8000
    beep = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
    async with open_talk(filler=(beep, rate)) as talk:
        assert await talk.turn("hello") == "You said hello"
        talk.network.refused_ports.add(talk.side.port)
        at = len(talk.phone.payload)
        await talk.strike(Loss.CUT_1006)
        await trio.sleep(4)
        talk.network.refused_ports.clear()
        await until(lambda: talk.agent._core.present, within=10)
        await trio.sleep(0.2)
        heard = decode(bytes(talk.phone.payload[at:]), ULAW_8K)
        # From half a second after the loss until the session is there, and not a moment longer.
        spectrum = np.abs(np.fft.rfft(heard[:rate].astype(float)))
        assert 430 < np.argmax(spectrum) * rate / rate < 450
        seconds = len(heard) / rate
        assert 3.0 < seconds < 12.0
        assert len(talk.phone.payload) == at + len(heard)
        assert await talk.turn("still there") == "You said still there"
        assert talk.phone.stale == 0


async def test_without_a_loss_no_filler_plays(autojump_clock: object) -> None:
    beep = np.full(800, 1000, np.int16)
    async with open_talk(filler=(beep, 8000)) as talk:
        await trio.sleep(5)
        assert not talk.phone.payload


def test_an_empty_filler_is_refused() -> None:
    from callboard.actors._agent_filler import Filler

    with pytest.raises(ValueError, match="filler"):
        Filler(np.empty(0, np.int16), 8000)


# Long calls


@pytest.mark.parametrize("kind", ["grok", "deepgram"])
async def test_a_call_of_three_hours_passes_the_session_cap(kind: str, autojump_clock: object) -> None:
    # Silence in large pieces: it is the caps that are of interest here.
    async with open_talk([kind], silence=0.5) as talk:
        n_turns = 0
        said: list[str] = []
        while trio.current_time() < 3 * 3600:
            # Talkative around the caps, where turns could be lost.
            near_cap = 6800 < trio.current_time() % 7200 < 7200
            text = f"turn {n_turns}"
            said.append(text)
            assert await talk.turn(text) == f"You said {text}"
            n_turns += 1
            await trio.sleep(5 if near_cap else 240)
        assert talk.side.n_sessions() == 2
        assert talk.lines("caller") == said
        assert not [event for event in talk.events if isinstance(event, AgentEvents.ProviderLost)]
        assert talk.side.history() == talk.history()


async def test_a_provider_that_says_nothing_when_it_is_its_turn_is_left(autojump_clock: object) -> None:
    options = ConnectionOptions(stall_timeout=8.0)
    async with open_talk(options=options) as talk:
        assert await talk.turn("hello") == "You said hello"
        # Pings are answered, and that is all.
        (parts,) = talk.side.emulator._live.values()
        before = len(talk.lines("agent"))
        await talk.phone.say("anybody there")
        async for event in talk.agent.events(AgentEvents.UserStoppedSpeaking):
            assert event.client is talk.agent
            break
        parts.outlet._socket.send = _nothing
        await talk.answered(before)
        assert talk.lines("agent")[-1] == "You said anybody there"
        assert talk.side.n_sessions() == 2


async def _nothing(message: object) -> None:
    del message
    await trio.lowlevel.checkpoint()


async def test_the_client_of_a_tool_is_the_agent(autojump_clock: object) -> None:
    async with open_talk() as talk:
        seen: list[ToolContext] = []

        async def who(what: str, context: ToolContext) -> str:
            """Who asks."""
            assert what == "who"
            seen.append(context)
            return "you"

        await talk.agent.configure(tools=[who])
        await talk.turn("who is it")
        assert seen[0].client is talk.agent
        assert isinstance(talk.agent.history[0], HistoryMessage)
        assert deepgram.ProviderFailed is grok.ProviderFailed


@pytest.mark.parametrize(
    "kinds", [("grok", "deepgram"), ("deepgram", "grok"), ("grok",), ("deepgram",)], ids="-to-".join
)
@pytest.mark.parametrize("tools", ["weather", "weather traffic"])
async def test_a_tool_that_ends_while_nobody_is_there_is_told_to_the_next(
    kinds: tuple[str, ...], tools: str, autojump_clock: object
) -> None:
    async with open_talk(kinds, seconds=0.3) as talk:
        await talk.phone.say(f"tell me the {tools} please")
        await until(lambda: len(talk.runs) == len(tools.split()))
        await die(talk)
        await trio.sleep(0.5)
        talk.network.refused_ports.clear()
        await talk.answered(0)
        now(talk)
        wanted = ["sunny today", "roads are clear"][: len(tools.split())]
        assert talk.lines("agent") == [" and ".join(wanted)]
        assert sorted(talk.runs) == sorted(tools.split())
        assert await talk.turn("thanks") == "You said thanks"
        assert talk.side.history() == talk.history()
