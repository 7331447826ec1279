"""A provider goes away, in every way and at every point of a call: the call lives and the conversation goes on."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.lowlevel

from callboard import AgentEvents
from callboard.actors._provider_options import ConnectionOptions
from tests.integration.recovery_kit import FaultyStream, Loss, Talk, open_talk, until

PROVIDERS = ("grok", "deepgram")
LONG = "give me a long answer"


def check(talk: Talk, *, runs: list[str] | None = None) -> None:
    """What holds after every loss."""
    assert not talk.agent.closed
    # I3: what was flushed stays away.
    assert talk.phone.stale == 0
    # I4: each tool ran once, and each call has one result.
    assert sorted(talk.runs) == sorted(runs or [])
    told = [kind for kind, _ in talk.history()]
    assert told.count("call") == told.count("tool")
    # I6: provider and client know the same conversation.
    assert talk.side.history() == talk.history()


async def go_on(talk: Talk) -> None:
    """The conversation goes on."""
    assert await talk.turn("still there") == "You said still there"


async def lost(talk: Talk, loss: Loss) -> None:
    await talk.strike(loss)
    if loss is Loss.SILENT_STALL:
        await until(lambda: not talk.agent.connected, within=30)


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_before_ready(provider: str, loss: Loss, autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        talks: list[Talk] = []

        def strike(number: int, stream: FaultyStream) -> None:
            if number != 1:
                return
            match loss:
                case Loss.SILENT_STALL:
                    stream.stall()
                case Loss.RESET:
                    stream.reset()
                case _:
                    nursery.start_soon(close_soon)

        side: list[Any] = []

        async def close_soon() -> None:
            # The handshake is done, and nothing else.
            while not (sockets := side[0].sockets()):
                await trio.lowlevel.checkpoint()
            if loss is Loss.ERROR_THEN_CLOSE:
                await side[0].fail(sockets[-1])
            elif loss is Loss.CUT_1006:
                await trio.aclose_forcefully(sockets[-1]._stream)
            else:
                await sockets[-1].aclose(int(loss.value))

        async with open_talk([provider], first_fault=strike, on_sides=side.extend) as talk:
            talks.append(talk)
            await go_on(talk)
            assert talk.side.n_sessions() == (1 if loss in {Loss.SILENT_STALL, Loss.RESET} else 2)
            check(talk)


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_while_idle(provider: str, loss: Loss, autojump_clock: object) -> None:
    async with open_talk([provider]) as talk:
        assert await talk.turn("hello") == "You said hello"
        await lost(talk, loss)
        await go_on(talk)
        # However politely the session was ended, somebody may want to know.
        events = [event for event in talk.events if isinstance(event, AgentEvents.ProviderLost)]
        assert [(event.provider, event.will_reconnect) for event in events][:1] == [(provider, True)]
        assert talk.history() == [
            ("user", "hello"),
            ("assistant", "You said hello"),
            ("user", "still there"),
            ("assistant", "You said still there"),
        ]
        check(talk)


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_while_the_caller_speaks(provider: str, loss: Loss, autojump_clock: object) -> None:
    async with open_talk([provider]) as talk:
        assert await talk.turn("hello") == "You said hello"
        text = "this is something that takes a while to say because it is long"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk.phone.say, text)
            await started(talk)
            await talk.strike(loss)
        await talk.answered(1)
        # Not a word is missing, and none is there twice.
        assert talk.lines("caller") == ["hello", text]
        await go_on(talk)
        check(talk)


async def started(talk: Talk) -> None:
    """Wait until the provider has noticed that the caller speaks."""
    kind = AgentEvents.UserStartedSpeaking
    n_known = len([event for event in talk.events if isinstance(event, kind)])
    await until(lambda: len([event for event in talk.events if isinstance(event, kind)]) > n_known, within=5)
    await trio.sleep(0.3)


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_while_the_agent_speaks(provider: str, loss: Loss, autojump_clock: object) -> None:
    async with open_talk([provider]) as talk:
        await talk.phone.say(LONG)
        await until(lambda: talk.agent._core.playback.turns.playing, within=10)
        await trio.sleep(0.6)
        await talk.strike(loss)
        await talk.settled()
        # What was received was heard, whole sentences or parts of them, and the next session was asked for the rest.
        assert talk.phone.sentences()
        await go_on(talk)
        check(talk)


@pytest.mark.parametrize("tools", ["weather", "weather traffic"])
@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_while_tools_run(provider: str, loss: Loss, tools: str, autojump_clock: object) -> None:
    async with open_talk([provider]) as talk:
        await talk.phone.say(f"tell me the {tools} please")
        await until(lambda: len(talk.runs) == len(tools.split()), within=10)
        await talk.strike(loss)
        await talk.answered(0)
        wanted = ["sunny today", "roads are clear"][: len(tools.split())]
        assert talk.lines("agent") == [" and ".join(wanted)]
        await go_on(talk)
        check(talk, runs=tools.split())


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_lost_during_a_planned_renewal(provider: str, loss: Loss, autojump_clock: object) -> None:
    strikes: list[Callable[[], Awaitable[None]]] = []
    options = ConnectionOptions(session_limit=40.0)

    async with trio.open_nursery() as nursery:

        def strike(number: int, stream: FaultyStream) -> None:
            del stream
            if number == 2 and strikes:
                nursery.start_soon(strikes[0])

        async with open_talk([provider], options=options, first_fault=strike) as talk:

            async def hit() -> None:
                # The old session, while the new one is being opened.
                await talk.strike_first(loss)

            strikes.append(hit)
            assert await talk.turn("hello") == "You said hello"
            await trio.sleep(45)
            assert talk.side.n_sessions() >= 2
            await go_on(talk)
            check(talk)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_renewal_waits_for_a_pause_and_is_not_heard(provider: str, autojump_clock: object) -> None:
    async with open_talk([provider], options=ConnectionOptions(session_limit=12.0)) as talk:
        assert await talk.turn("hello") == "You said hello"
        for number in range(30):
            assert await talk.turn(f"number {number}") == f"You said number {number}"
        assert talk.side.n_sessions() >= 3
        assert not [event for event in talk.events if isinstance(event, AgentEvents.ProviderLost)]
        assert talk.lines("caller") == ["hello", *(f"number {number}" for number in range(30))]
        check(talk)
