"""Text turns, tools, forced lines, and everything that ends an answer early."""

import json

import pytest
import trio

from callboard.actors.brains import BrainInput, Speak, Turn
from callboard.actors.emulators._grok_options import TextModality
from callboard.protocols.grok import Profile
from tests.actors.emulator_grok_kit import Client, heard, running
from tests.actors.emulator_kit import Rules, call, only, pick, say, types

ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_audio.done",
    "response.output_item.done",
]
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]
LONG = "This is a rather long sentence, made to last for several seconds of tones. " * 4


async def test_text_turn_has_the_observed_order_and_fields(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"hi": [say("Short.")]})) as rig, rig.client() as client:
        await client.configure()
        messages = await client.ask("hi", metadata={"why": "test"})
    assert types(messages) == ["conversation.item.added", *ANSWER, "response.done"]
    item, created, added, joined, part, delta, words, _, part_done, _, item_done, done = messages
    assert pick(item, "item.content") == [{"type": "input_text", "text": "hi"}]
    assert pick(created, "response.status_details") == "unimplemented"
    assert pick(created, "response.usage") == {}
    assert pick(created, "response.metadata") == {"why": "test"}
    assert "content" not in pick(added, "item")  # type: ignore[operator]
    assert pick(joined, "item.content") == []
    assert joined["previous_item_id"] == pick(item, "item.id")
    assert part["previous_item_id"] == "0"
    assert delta["latency"] == "0.30"
    assert delta["ts"] == 1_795_226_400_500
    assert words["event_id"] == words["rid"] == delta["rid"]
    assert words["delta"] == "Short."
    assert "part" not in part_done
    assert pick(item_done, "item.status") == "completed"
    assert done["response_id"] == pick(done, "response.id") == pick(created, "response.id")
    assert pick(done, "response.output.0.content") == [{"type": "audio", "transcript": "Short."}]
    assert pick(done, "response.usage") == {}
    assert pick(done, "response.metadata") == {"why": "test"}
    assert all(message["event_id"] for message in messages)
    assert all("previous_item_id" in message for message in messages)


async def test_text_turn_in_the_documented_profile(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"hi": [say("Short."), call("look"), call("see")]})
    async with (
        running(brain, profile=Profile.DOCUMENTED) as rig,
        rig.client(greeted=False) as client,
    ):
        assert types(await client.until("conversation.created")) == [
            "session.created",
            "conversation.created",
        ]
        messages = await client.ask("hi")
    tail = types(messages)[7:11]
    assert tail == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    done = messages[-1]
    assert pick(done, "response.usage.total_tokens") == pick(done, "response.usage.input_tokens") + pick(  # type: ignore[operator]
        done, "response.usage.output_tokens"
    )
    assert "usage" not in done
    assert "status_details" not in pick(done, "response")  # type: ignore[operator]
    assert [message["output_index"] for message in only(messages, "response.output_item.added")] == [0, 1, 2]
    assert pick(only(messages, "response.content_part.done")[0], "part.transcript") == "Short."
    assert "rid" not in only(messages, "response.output_audio.delta")[0]


async def test_the_audio_says_the_text_faster_than_real_time(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]}), output_speed=3.0) as rig, rig.client() as client:
        messages = await client.ask("go")
    deltas = only(messages, "response.output_audio.delta")
    words = only(messages, "response.output_audio_transcript.delta")
    seconds = len(client.audio) / 48000
    assert pick(messages[-1], "usage.output_audio_seconds") == pytest.approx(seconds)
    span = float(str(deltas[-1]["at"])) - float(str(deltas[0]["at"]))
    assert span == pytest.approx(seconds / 3, abs=0.2)
    assert deltas[0]["audio_duration_ms"] == 489
    assert [message.get("latency") for message in deltas[1:]] == [None] * (len(deltas) - 1)
    assert " ".join(heard(bytes(client.audio))) == LONG.strip()
    assert "".join(str(message["delta"]) for message in words) == LONG.strip()
    starts = [float(str(message["start_time"])) for message in words]
    assert starts == sorted(starts)
    assert starts[0] == 0.0
    # Every segment: its first audio, then its words, then the rest of its audio.
    rids = [message["rid"] for message in messages if "rid" in message]
    for word in words:
        mine = [m["type"] for m in messages if m.get("rid") == word["rid"]]
        assert mine[:2] == ["response.output_audio.delta", "response.output_audio_transcript.delta"]
        assert rids.index(word["rid"]) + len(mine) - 1 == len(rids) - 1 - rids[::-1].index(word["rid"])


async def test_tool_round_trip(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"tide?": [say("Let me look."), call("tide", port="Derby")], "result": [say("At noon.")]})
    tools = [{"type": "function", "name": "tide", "description": "Trains", "parameters": {"type": "object"}}]
    async with running(brain) as rig, rig.client() as client:
        await client.configure(tools=[*tools, {"type": "web_search"}])
        messages = await client.ask("tide?")
        assert types(messages) == ["conversation.item.added", *ANSWER, *CALL, "response.done"]
        finished = only(messages, "response.function_call_arguments.done")[0]
        assert json.loads(str(finished["arguments"])) == {"port": "Derby"}
        assert finished["name"] == "tide"
        added = only(messages, "conversation.item.added")[-1]
        assert (pick(added, "item.role"), pick(added, "item.arguments")) == ("tool", "")
        assert added["previous_item_id"] is None
        outside = only(messages, "response.output_item.done")[-1]
        assert (pick(outside, "item.role"), pick(outside, "item.arguments")) == (
            "user",
            finished["arguments"],
        )
        assert "output_index" not in only(messages, "response.function_call_arguments.delta")[0]
        assert {message["output_index"] for message in only(messages, "response.output_item.added")} == {0}
        assert str(finished["call_id"]).startswith("call-")
        assert str(finished["call_id"]).endswith("-0")
        output = {"type": "function_call_output", "call_id": finished["call_id"], "output": "noon"}
        await client.send("conversation.item.create", item=output)
        echo = await client.next("conversation.item.added")
        assert (pick(echo, "item.role"), pick(echo, "item.output")) == ("tool", "noon")
        # No answer without being asked.
        assert await client.quiet(5.0) == []
        await client.send("response.create")
        done = await client.next("response.done")
    assert pick(done, "response.output.0.content.0.transcript") == "At noon."
    assert pick(done, "usage.input_tokens") == 0
    assert [tool.name for tool in brain.inputs[0].tools] == ["tide"]
    assert brain.inputs[1].history[-1] == Turn(
        role="tool", text="noon", name="tide", call_id=str(finished["call_id"])
    )


async def test_parallel_calls_come_in_one_response(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"both": [call("a"), call("b", x=1)]})
    async with running(brain) as rig, rig.client() as client:
        messages = await client.ask("both")
    assert types(messages) == ["conversation.item.added", "response.created", *CALL, *CALL, "response.done"]
    ids = [str(message["call_id"]) for message in only(messages, "response.function_call_arguments.done")]
    assert [text.rpartition("-")[2] for text in ids] == ["0", "1"]
    assert len(pick(messages[-1], "response.output")) == 2  # type: ignore[arg-type]


async def test_a_brain_with_nothing_to_say_gives_an_empty_response(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"hm": []})) as rig, rig.client() as client:
        messages = await client.ask("hm")
    assert types(messages) == ["conversation.item.added", "response.created", "response.done"]
    assert pick(messages[-1], "response.status") == "completed"


async def test_a_failing_brain_fails_the_response_and_keeps_the_session(
    autojump_clock: trio.abc.Clock,
) -> None:
    class Broken(Rules):
        def respond(self, given: BrainInput) -> list[Speak]:
            raise RuntimeError("no idea")

    async with running(Broken()) as rig, rig.client() as client:
        messages = await client.ask("hm")
        assert types(messages)[1:] == ["response.created", "error", "response.done"]
        assert pick(messages[-2], "error.type") == "internal_error"
        assert "no idea" not in json.dumps(messages)
        assert pick(messages[-1], "response.status") == "failed"
        await client.configure(instructions="still here")


async def test_cancel_ends_the_deltas_and_is_announced(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)], "and now": [say("Next.")]})
    async with running(brain) as rig, rig.client() as client:
        await client.write("go")
        await client.send("response.create", response={"metadata": {"n": "1"}})
        await client.until("response.output_audio_transcript.delta")
        await client.send("response.cancel")
        messages = await client.until("response.done")
        assert pick(messages[-1], "response.status") == "cancelled"
        assert pick(messages[-1], "response.metadata") == {"n": "1"}
        assert pick(messages[-1], "response.output.0.status") == "incomplete"
        assert await client.quiet(10.0) == []
        assert types(await client.ask("and now"))[-1] == "response.done"
    # What was generated is remembered.
    assert brain.inputs[-1].history[1].text


async def test_cancel_reaches_a_response_that_has_not_begun(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.send("response.create")
        await client.send("response.cancel")
        messages = await client.until("response.done")
    assert types(messages) == ["response.created", "response.done"]
    assert pick(messages[-1], "response.status") == "cancelled"


async def test_cancel_of_nothing_or_of_another_response_is_a_benign_error(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.client() as client:
        await client.send("response.cancel", event_id="c-9")
        error = await client.next("error")
        assert pick(error, "error.message") == "Cancellation failed: no active response found"
        assert pick(error, "error.event_id") == "c-9"
        await client.write("go")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.cancel", response_id="another")
        await client.until("error")
        assert pick(await client.next("response.done"), "response.status") == "completed"


async def test_second_response_while_one_runs_is_refused(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.client() as client:
        await client.write("go")
        await client.send("response.create")
        await client.send("response.create", event_id="e2")
        messages = await client.until("response.done")
    (error,) = only(messages, "error")
    assert "already has an active response" in str(pick(error, "error.message"))
    assert pick(error, "error.event_id") == "e2"


async def _spoken_item(client: Client, text: str) -> str:
    messages = await client.ask(text)
    return str(pick(messages[-1], "response.output.0.id"))


async def test_truncate_keeps_the_heard_share_cut_at_a_word(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say("one two three four five six seven eight nine ten")]})
    async with running(brain) as rig, rig.client() as client:
        item_id = await _spoken_item(client, "go")
        total = round(len(client.audio) / 48)
        await client.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=total // 2
        )
        truncated = await client.next("conversation.item.truncated")
        assert truncated["transcript"] == "one two three four five"
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (item_id, total // 2)
        await client.ask("and?")
    assert [turn.text for turn in brain.inputs[-1].history] == ["go", "one two three four five", "and?"]


async def test_truncate_beyond_the_audio_or_of_something_else_is_an_error(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with running() as rig, rig.client() as client:
        messages = await client.ask("go")
        item_id = pick(messages[-1], "response.output.0.id")
        user_id = pick(messages[0], "item.id")
        for wrong, end in ((item_id, 10_000_000), (user_id, 0), ("nobody", 0)):
            await client.send("conversation.item.truncate", item_id=wrong, content_index=0, audio_end_ms=end)
            error = await client.next("error")
            assert pick(error, "error.type") == "invalid_request_error"
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
        assert (await client.next("conversation.item.truncated"))["transcript"] == ""


async def test_truncate_during_an_answer_holds_for_the_rest_of_it(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say("First sentence. Second sentence. Third sentence.")]})
    async with running(brain, output_speed=1.0) as rig, rig.client() as client:
        await client.write("go")
        await client.send("response.create")
        item_id = (await client.next("response.output_audio_transcript.delta"))["item_id"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
        await client.until("response.done")
        await client.ask("and?")
    assert [turn.text for turn in brain.inputs[-1].history] == ["go", "and?"]


async def test_delete_removes_an_item_from_the_history(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        await client.write("forget me")
        item_id = pick(await client.next("conversation.item.added"), "item.id")
        await client.send("conversation.item.delete", item_id=item_id)
        assert (await client.next("conversation.item.deleted"))["item_id"] == item_id
        await client.send("conversation.item.delete", item_id=item_id)
        assert "not found" in str(pick(await client.next("error"), "error.message"))
        await client.ask("hi")
    assert [turn.text for turn in brain.inputs[-1].history] == ["hi"]


async def test_force_message_is_spoken_verbatim_as_a_response_of_its_own(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules()
    line = {
        "type": "force_message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Recorded."}],
    }
    async with running(brain) as rig, rig.client() as client:
        for _ in range(2):
            await client.send("conversation.item.create", item=line)
        first = await client.until("response.done")
        second = await client.until("response.done")
        assert types(first) == types(second) == [*ANSWER, "response.done"]
        assert heard(bytes(client.audio)) == ["Recorded."] * 2
        await client.ask("hi")
    assert [turn.role for turn in brain.inputs[-1].history] == ["assistant", "assistant", "user"]


async def test_response_instructions_hold_for_one_response(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        await client.configure(instructions="Be kind.", voice="eve")
        await client.ask("hi", instructions="One word.")
        await client.ask("hi")
    assert [given.response_instructions for given in brain.inputs] == ["One word.", None]
    assert {given.instructions for given in brain.inputs} == {"Be kind."}
    assert {given.voice for given in brain.inputs} == {"eve"}


async def test_text_only_is_ignored_or_honoured(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        assert only(await client.ask("hi", modalities=["text"]), "response.output_audio.delta")
    async with running(text_modality=TextModality.HONOURED) as rig, rig.client() as client:
        messages = await client.ask("hi", modalities=["text"])
    assert not only(messages, "response.output_audio.delta")
    assert "".join(str(m["delta"]) for m in only(messages, "response.output_text.delta")) == "You said hi."
    assert pick(messages[-1], "response.output.0.content") == [{"type": "text", "text": "You said hi."}]


async def test_usage_counts_what_is_new(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"12345678": [say("abcd efgh")]})) as rig, rig.client() as client:
        first = (await client.ask("12345678"))[-1]
        await client.send("response.create")
        second = await client.next("response.done")
    assert pick(first, "usage.input_token_details.text_tokens") == 2
    assert pick(first, "usage.output_token_details.text_tokens") == 3
    seconds = float(str(pick(first, "usage.output_audio_seconds")))
    assert pick(first, "usage.output_token_details.audio_tokens") == round(seconds * 50)
    assert isinstance(pick(first, "usage.billable_audio_seconds"), int)
    assert pick(second, "usage.input_tokens") == 0


async def test_speed_changes_the_duration(autojump_clock: trio.abc.Clock) -> None:
    lengths: list[int] = []
    for speed in (1.0, 1.5, 0.75):
        async with running(Rules({"go": [say("A few words to be said.")]})) as rig, rig.client() as client:
            await client.configure(audio={"output": {"speed": speed}})
            await client.ask("go")
            lengths.append(len(client.audio))
    assert lengths[1] == pytest.approx(lengths[0] / 1.5, rel=0.02)
    assert lengths[2] == pytest.approx(lengths[0] / 0.75, rel=0.02)


async def test_replace_is_spoken_and_not_written(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say("Ask SQL and xAI, not xAIs.")]})
    async with running(brain) as rig, rig.client() as client:
        await client.configure(replace={"xai": "ex A I", "SQL": "sequel"})
        messages = await client.ask("go")
    assert heard(bytes(client.audio)) == ["Ask sequel and ex A I, not xAIs."]
    assert (
        only(messages, "response.output_audio_transcript.done")[0]["transcript"]
        == "Ask SQL and xAI, not xAIs."
    )


async def test_items_can_be_seeded_and_inserted(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        await client.send(
            "conversation.item.create",
            item={
                "type": "message",
                "role": "assistant",
                "id": "a1",
                "content": [{"type": "output_text", "text": "Hello."}],
            },
        )
        await client.send(
            "conversation.item.create",
            item={"type": "function_call", "name": "f", "arguments": "{}", "call_id": "k", "id": "f1"},
        )
        await client.send(
            "conversation.item.create",
            item={"type": "function_call_output", "call_id": "k", "output": "ok", "id": "o1"},
        )
        await client.send(
            "conversation.item.create",
            previous_item_id="a1",
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "early"}]},
        )
        added = [await client.next("conversation.item.added") for _ in range(4)]
        assert added[-1]["previous_item_id"] == "a1"
        for bad in (
            {"previous_item_id": "nobody", "item": {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "x"}]}},
            {"item": {"type": "function_call_output", "call_id": "k", "output": "ok", "id": "o1"}},
        ):  # fmt: skip
            await client.send("conversation.item.create", **bad)
            await client.until("error")
        await client.send("response.create")
        await client.until("response.done")
    assert [(turn.role, turn.text or turn.arguments) for turn in brain.inputs[0].history] == [
        ("assistant", "Hello."),
        ("user", "early"),
        ("assistant", "{}"),
        ("tool", "ok"),
    ]
