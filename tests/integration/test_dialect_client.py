"""Our Grok client by the dialect of the summary page, against the emulator's path for it."""

import pytest
import trio

from callboard import AgentEvents, create_voice_agent, grok
from callboard.actors import open_system, system_scope
from callboard.media import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, ULAW_8K, AudioFormat
from tests.integration.recovery_kit import FaultyNetwork, Loss, open_talk

FORMATS = [ULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K]


@pytest.mark.parametrize("preferred", FORMATS, ids=str)
async def test_a_conversation_in_every_format(preferred: AudioFormat, autojump_clock: object) -> None:
    async with open_talk(dialect="agent", preferred=preferred) as talk:
        assert talk.agent.input_format == talk.agent.output_format == preferred
        assert await talk.turn("hello") == "You said hello"
        assert await talk.turn("and again") == "You said and again"
        assert talk.phone.sentences() == ["You said hello", "You said and again"]
        assert talk.lines("caller") == ["hello", "and again"]


async def test_a_tool_call(autojump_clock: object) -> None:
    async with open_talk(dialect="agent") as talk:
        assert await talk.turn("tell me the weather traffic please") == "sunny today and roads are clear"
        assert sorted(talk.runs) == ["traffic", "weather"]


async def test_an_interruption(autojump_clock: object) -> None:
    async with open_talk(dialect="agent") as talk:
        await talk.phone.say("give me a long answer")
        async for _ in talk.agent.events(AgentEvents.TurnStarted):
            break
        await trio.sleep(1.5)
        assert talk.agent.interrupt()
        await trio.sleep(3)
        assert talk.phone.stale == 0
        (line,) = talk.lines("agent")
        assert line.startswith("Sentence number 0")
        assert "number 6" not in line
        assert await talk.turn("thanks") == "You said thanks"


async def test_a_text_turn_and_a_line_that_cannot_be_said(autojump_clock: object) -> None:
    async with open_talk(dialect="agent") as talk:
        talk.agent.ask("by letter")
        await talk.answered(0)
        assert talk.lines("agent") == ["You said by letter"]
        with pytest.raises(grok.RequestRefused, match="no message"):
            await talk.agent.say("Welcome.")


async def test_a_lost_connection_is_replaced(autojump_clock: object) -> None:
    async with open_talk(dialect="agent") as talk:
        assert await talk.turn("hello") == "You said hello"
        await talk.strike(Loss.CUT_1006)
        assert await talk.turn("still there") == "You said still there"
        # The dialect has no messages for what was said; it travels in the instructions.
        assert "You said hello" in talk.inputs[-1].instructions


async def test_settings_that_the_dialect_has_no_words_for_are_refused(autojump_clock: object) -> None:
    network = FaultyNetwork()
    async with open_system(network=network, seed=1) as system:
        scope = await system_scope(system)
        url = "ws://127.0.0.1:1"
        with pytest.raises(ValueError, match="resumption"):
            await create_voice_agent(scope, [grok.Provider(base_url=url, dialect="agent", resumption=True)])
        with pytest.raises(ValueError, match="dialect is 'other'"):
            await create_voice_agent(scope, [grok.Provider(base_url=url, dialect="other")])  # type: ignore[arg-type]
