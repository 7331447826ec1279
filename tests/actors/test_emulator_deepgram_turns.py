"""Turns: order of messages, pacing, interruption, speculation, forced ends."""

import trio

from tests.actors.emulator_deepgram_kit import heard, only, running, said, texts, types


async def test_a_whole_turn(autojump_clock: trio.abc.Clock) -> None:
    async with running(thinking=True) as rig, rig.talking() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, said("good morning"))
        messages = await client.until("AgentAudioDone")
    assert types(messages) == [
        "UserStartedSpeaking",
        "ConversationText",
        "History",
        "AgentThinking",
        "ConversationText",
        "History",
        "binary",
        "LatencyReport",
        "AgentAudioDone",
    ]
    assert texts(messages, "user") == ["good morning"]
    assert texts(messages, "assistant") == ["You said good morning."]
    assert [entry["content"] for entry in only(messages, "History")] == texts(messages)
    assert heard(bytes(client.audio)) == ["You said good morning."]
