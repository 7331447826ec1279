"""What a client injects, and what it changes while a session lasts."""

import pytest
import trio

from callboard.actors.brains import Action
from callboard.actors.emulators import Refusal
from tests.actors.emulator_deepgram_kit import (
    FLUX,
    MODEL,
    fields,
    function,
    functions_of,
    heard,
    running,
    said,
    texts,
    think,
)
from tests.actors.emulator_kit import Message, Rules, call, only, say, types

LONG = "This is a long sentence that takes its time. And this is another one of the same kind."
AURA: Message = {"provider": {"type": "deepgram", "version": "v1", "model": "aura-2-thalia-en"}}


# --- lines of the agent


@pytest.mark.parametrize("behavior", [None, "default", "queue", "interrupt"])
async def test_a_line_is_spoken_while_nobody_speaks(
    autojump_clock: trio.abc.Clock, behavior: str | None
) -> None:
    extra = {} if behavior is None else {"behavior": behavior}
    async with running() as rig, rig.talking() as client:
        await client.send("InjectAgentMessage", message="One moment.", **extra)
        messages = await client.until("AgentAudioDone")
    assert types(messages) == ["ConversationText", "History", "binary", "AgentAudioDone"]
    assert texts(messages, "assistant") == ["One moment."]
    assert heard(bytes(client.audio)) == ["One moment."]


async def test_a_line_is_refused_while_the_agent_speaks(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await client.send("InjectAgentMessage", message="One moment.")
        refused = await client.next("InjectionRefused")
        rest = await client.until("AgentAudioDone")
    assert fields(refused) == {
        "type": "InjectionRefused",
        "message": "The agent is currently speaking",
    }
    assert "One moment." not in texts(rest)


async def test_a_line_is_queued_behind_what_the_agent_says(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await client.send("InjectAgentMessage", message="One moment.", behavior="queue")
        first = await client.until("AgentAudioDone")
        second = await client.until("AgentAudioDone")
    assert texts(first) == [LONG.partition(". ")[2]]
    assert texts(second) == ["One moment."]
    # Behind the playback, not only behind the sending.
    length = len(client.audio) / 16000
    assert float(str(second[-1]["at"])) > length * 0.5


async def test_a_line_takes_the_place_of_what_the_agent_says(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await client.send("InjectAgentMessage", message="Stop.", behavior="interrupt")
        messages = await client.until("AgentAudioDone")
        assert await client.quiet(10.0) == []
    assert texts(messages) == ["Stop."]
    assert "UserStartedSpeaking" not in types(messages)


@pytest.mark.parametrize("behavior", ["default", "queue"])
async def test_a_line_is_refused_while_the_user_speaks(autojump_clock: trio.abc.Clock, behavior: str) -> None:
    async with running() as rig, rig.talking() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, said("I am speaking now"))
        await client.until("UserStartedSpeaking")
        await client.send("InjectAgentMessage", message="One moment.", behavior=behavior)
        refused = await client.next("InjectionRefused")
        assert refused["message"] == "The user is currently speaking"
        assert texts(await client.until("AgentAudioDone"), "assistant") == ["You said I am speaking now."]


async def test_a_line_interrupts_the_user(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, said("I am speaking now and I go on"))
        await client.until("UserStartedSpeaking")
        await client.send("InjectAgentMessage", message="Excuse me.", behavior="interrupt")
        assert texts(await client.until("AgentAudioDone")) == ["Excuse me."]
        assert texts(await client.until("AgentAudioDone"), "user") == ["I am speaking now and I go on"]


@pytest.mark.parametrize("refusal", [Refusal.WARNING, Refusal.BOTH])
async def test_a_refusal_as_older_servers_send_it(autojump_clock: trio.abc.Clock, refusal: Refusal) -> None:
    async with running(refusal=refusal) as rig, rig.talking(greeting=LONG) as client:
        await client.until("binary")
        await client.send("InjectAgentMessage", message="One moment.")
        messages = await client.until("Warning")
    assert messages[-1]["code"] == "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"
    assert len(only(messages, "InjectionRefused")) == (refusal is Refusal.BOTH)


async def test_a_line_while_a_function_runs_does_not_disturb_the_answer(
    autojump_clock: trio.abc.Clock,
) -> None:
    rules: dict[str, list[Action]] = {"go": [call("trains")], "result": [say("At noon.")]}
    async with running(Rules(rules)) as rig, rig.talking(think=think(function("trains"))) as client:
        await client.send("InjectUserMessage", content="go")
        request = await client.next("FunctionCallRequest")
        await client.send("InjectAgentMessage", message="One moment.", behavior="queue")
        assert texts(await client.until("AgentAudioDone")) == ["One moment."]
        (asked,) = functions_of(request)
        await client.answer(asked, "12:00")
        assert texts(await client.until("AgentAudioDone")) == ["At noon."]


async def test_a_line_behind_a_result_is_not_taken_for_its_answer(autojump_clock: trio.abc.Clock) -> None:
    rules: dict[str, list[Action]] = {
        "go": [call("trains"), call("weather")],
        "result": [say("At noon, in the rain.")],
    }
    brain = Rules(rules)
    functions = think(function("trains"), function("weather"))
    async with running(brain) as rig, rig.talking(think=functions) as client:
        await client.send("InjectUserMessage", content="go")
        trains, weather = functions_of(await client.next("FunctionCallRequest"))
        await client.answer(trains, "12:00")
        await client.send("InjectAgentMessage", message="One moment.")
        await client.until("AgentAudioDone")
        await client.answer(weather, "rain")
        await client.until("AgentAudioDone")
        record = rig.emulator.sessions[0]
    # It was said in between; the brain is given the results together, behind it.
    assert [entry.content for entry in record.history][:4] == ["go", None, "One moment.", None]
    assert [turn.text for turn in brain.inputs[1].history] == ["go", "One moment.", "", "12:00", "", "rain"]


async def test_too_many_lines_are_refused(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking(greeting=LONG) as client:
        await client.until("binary")
        for _ in range(40):
            await client.send("InjectAgentMessage", message="And again.", behavior="queue")
        refused = await client.next("InjectionRefused")
    assert "Too many" in str(refused["message"])


async def test_a_line_without_words_needs_early_access(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        await client.send("InjectAgentMessage", is_dynamic=True)
        assert (await client.ended())["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    brain = Rules()
    async with running(brain, early_access=True) as rig, rig.talking() as client:
        await client.send("InjectAgentMessage", is_dynamic=True)
        assert texts(await client.until("AgentAudioDone")) == ["Hello there."]
    assert brain.inputs[0].response_instructions


@pytest.mark.parametrize(
    "message",
    [
        {"type": "InjectAgentMessage", "content": "the old name of the field"},
        {"type": "InjectAgentMessage"},
        {"type": "InjectAgentMessage", "message": "Hi.", "behavior": "shout"},
        {"type": "InjectUserMessage", "message": "the name of another field"},
        {"type": "FunctionCallResponse", "name": "trains", "output": "no content"},
        {"type": "UpdatePrompt"},
        {"type": "Unheard"},
        {"no": "type"},
    ],
)
async def test_messages_of_the_wrong_shape_end_the_session(
    autojump_clock: trio.abc.Clock, message: Message
) -> None:
    async with running() as rig, rig.talking() as client:
        kind = message.pop("type", None)
        if kind is None:
            await client.socket.send("{}")
        else:
            await client.send(str(kind), **message)
            message["type"] = kind
        error = await client.ended()
    assert (error["code"], error["close"]) == ("UNPARSABLE_CLIENT_MESSAGE", 1005)


# --- turns of the user


async def test_a_written_turn_is_told_and_answered(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        messages = await client.ask("hello")
    assert types(messages) == [
        "ConversationText",
        "History",
        "ConversationText",
        "History",
        "binary",
        "LatencyReport",
        "AgentAudioDone",
    ]
    assert [(text["role"], text["content"]) for text in only(messages, "ConversationText")] == [
        ("user", "hello"),
        ("assistant", "You said hello."),
    ]


async def test_a_written_turn_while_the_agent_speaks_is_answered_afterwards(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await client.send("InjectUserMessage", content="and now")
        first = await client.until("AgentAudioDone")
        second = await client.until("AgentAudioDone")
    assert texts(first, "user") == []
    assert texts(second) == ["and now", "You said and now."]


async def test_a_written_turn_while_the_agent_speaks_may_be_refused(autojump_clock: trio.abc.Clock) -> None:
    async with running(refuse_user_messages=True) as rig, rig.talking(greeting=LONG) as client:
        await client.until("binary")
        await client.send("InjectUserMessage", content="and now")
        assert (await client.next("InjectionRefused"))["message"] == "The agent is speaking"


async def test_a_written_turn_while_the_user_speaks_is_left_to_their_own(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, said("spoken words"))
        await client.until("UserStartedSpeaking")
        await client.send("InjectUserMessage", content="written words")
        messages = await client.until("AgentAudioDone")
    assert texts(messages) == ["written words", "spoken words", "You said spoken words."]
    assert len(brain.inputs) == 1


async def test_too_many_written_turns_are_refused(autojump_clock: trio.abc.Clock) -> None:
    async with running(think_delay=5.0) as rig, rig.talking() as client:
        for _ in range(40):
            await client.send("InjectUserMessage", content="and again")
        refused = await client.next("InjectionRefused")
        assert "Too many" in str(refused["message"])
        await client.until("AgentAudioDone")


# --- updates


async def test_a_prompt_grows(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking() as client:
        for text in ("The caller is known.", "It is late."):
            await client.send("UpdatePrompt", prompt=text)
            assert types(await client.until("PromptUpdated")) == ["PromptUpdated"]
        await client.ask("hm")
        await client.send("UpdateThink", think=think(prompt="Be long."))
        assert types(await client.until("ThinkUpdated")) == ["ThinkUpdated"]
        await client.ask("hm")
    assert [given.instructions for given in brain.inputs] == [
        "Be brief.\nThe caller is known.\nIt is late.",
        "Be long.",
    ]


async def test_a_prompt_without_any_before(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking(think={"provider": MODEL}) as client:
        await client.send("UpdatePrompt", prompt="Be kind.")
        await client.until("PromptUpdated")
        await client.ask("hm")
    assert brain.inputs[0].instructions == "Be kind."


async def test_a_prompt_that_is_too_long_is_cut_with_a_warning(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking(think=think(prompt="x" * 24_990)) as client:
        await client.send("UpdatePrompt", prompt="short")
        await client.until("PromptUpdated")
        assert await client.quiet(1.0) == []
        await client.send("UpdatePrompt", prompt="too long")
        assert (await client.next("Warning"))["code"] == "PROMPT_TOO_LONG"
        await client.ask("hm")
    assert len(brain.inputs[0].instructions) == 25_000


async def test_a_prompt_for_a_model_of_ones_own_has_no_limit(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    own = think(prompt="x" * 30_000, endpoint={"url": "https://example.invalid/v1", "headers": {}})
    async with running(brain) as rig, rig.talking(think=own) as client:
        await client.ask("hm")
    assert len(brain.inputs[0].instructions) == 30_000
    assert only(client.received, "Warning") == []


async def test_functions_are_replaced_with_the_model(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking(think=think(function("trains"))) as client:
        await client.send("UpdateThink", think=think(function("weather")))
        await client.until("ThinkUpdated")
        await client.ask("hm")
        await client.send("UpdateThink", think={"provider": MODEL, "prompt": "No functions."})
        await client.until("ThinkUpdated")
        await client.ask("hm")
    assert [[tool.name for tool in given.tools] for given in brain.inputs] == [["weather"], []]


async def test_the_voice_changes_with_the_next_utterance(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.talking(speak=AURA) as client:
        await client.ask("hm")
        await client.send(
            "UpdateSpeak", speak={"provider": {"type": "deepgram", "version": "v2", "model": "flux-kai-en"}}
        )
        assert types(await client.until("SpeakUpdated")) == ["SpeakUpdated"]
        await client.ask("hm")
    assert [given.voice for given in brain.inputs] == ["aura-2-thalia-en", "flux-kai-en"]


async def test_a_voice_that_cannot_be_ends_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        voice = {"type": "deepgram", "version": "v2", "model": "flux-kit-en", "language": "en"}
        await client.send("UpdateSpeak", speak={"provider": voice})
        assert (await client.ended())["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    assert only(client.received, "SpeakUpdated") == []


async def test_a_faster_voice(autojump_clock: trio.abc.Clock) -> None:
    lengths: list[int] = []
    for speed in (1.0, 1.5):
        voice = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en", "speed": speed}}
        async with running() as rig, rig.talking(speak=voice) as client:
            await client.ask("how fast is this")
            lengths.append(len(client.audio))
    assert lengths[0] / lengths[1] == pytest.approx(1.5, abs=0.1)


async def test_speech_recognition_is_changed_in_part(autojump_clock: trio.abc.Clock) -> None:
    provider: Message = {"type": "deepgram", "version": "v2", "model": "flux-general-multi"}
    hinted: Message = {"provider": {**provider, "language_hints": ["fr"], "eot_timeout_ms": 700}}
    async with running() as rig, rig.talking(listen=hinted) as client:
        await client.send("UpdateListen", listen={"provider": {**provider, "eot_threshold": 1.0}})
        assert types(await client.until("ListenUpdated")) == ["ListenUpdated"]
        # The hints are gone, the timeout is not.
        assert only(await client.ask("hm"), "ConversationText")[0]["languages_hinted"] == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, said("oui", after=3.0))
            await client.until("UserStartedSpeaking")
            await client.until("AgentAudioDone", within=3.0)


async def test_another_model_of_speech_recognition(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        await client.send("UpdateListen", listen=FLUX)
        await client.until("ListenUpdated")
        await client.send("ForceEndTurn")
        assert await client.quiet(1.0) == []


async def test_older_servers_keep_the_model_of_speech_recognition(autojump_clock: trio.abc.Clock) -> None:
    async with running(same_listen_model=True) as rig, rig.talking(listen=FLUX) as client:
        other = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-multi"}}
        await client.send("UpdateListen", listen=other)
        warning = await client.next("Warning")
        assert warning["code"] == "UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED"
        provider = {"type": "deepgram", "version": "v2", "model": "flux-general-en", "eot_threshold": 0.9}
        await client.send("UpdateListen", listen={"provider": provider})
        assert types(await client.until("ListenUpdated")) == ["ListenUpdated"]


async def test_think_live_needs_early_access(autojump_clock: trio.abc.Clock) -> None:
    live = {"provider": {"type": "deepgram", "version": "v1", "presence_check_max_count": 2}}
    async with running() as rig, rig.talking() as client:
        await client.send("UpdateThink_Live", think_live=live)
        assert (await client.ended())["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    async with running(early_access=True) as rig, rig.talking(think_live=live) as client:
        await client.send("UpdateThink_Live", think_live=live)
        await client.until("ThinkLiveUpdated")


async def test_messages_for_a_language_model_are_ignored(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        await client.send("__customToThinkProvider", content={"any": ["thing"]})
        assert await client.quiet(1.0) == []
