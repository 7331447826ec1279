"""Functions: run by the client, by the server, by both; failures of everything an answer is made with."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

import attrs
import pytest
import trio

from callboard.actors.brains import Action, BrainInput
from callboard.media import Samples
from tests.actors.emulator_deepgram_kit import (
    MODEL,
    fields,
    function,
    functions_of,
    running,
    said,
    texts,
    think,
)
from tests.actors.emulator_kit import TONES, Message, Rules, call, only, say, types

RULES: Mapping[str, Sequence[Action]] = {
    "trains": [call("trains", town="Derby")],
    "look": [say("Let me look."), call("trains", town="Derby")],
    "both": [call("trains", town="Derby"), call("weather", town="Derby")],
    "nonsense": [call("no_such_function")],
    "result": [say("Here you are.")],
}
ENDPOINT = {"url": "https://example.invalid/weather", "method": "post", "headers": {"x": "y"}}
THINK = think(function("trains"), function("weather"))
SERVER_SIDE = think(function("trains"), function("weather", endpoint=ENDPOINT))


def calls_of(messages: Sequence[Message]) -> list[Message]:
    """The function calls that history tells of."""
    entries = [entry for entry in only(messages, "History") if "function_calls" in entry]
    return [each for entry in entries for each in cast("list[Message]", entry["function_calls"])]


async def test_the_client_runs_a_function(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules(RULES)
    async with running(brain) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="trains")
        request = await client.next("FunctionCallRequest")
        (asked,) = functions_of(request)
        assert set(asked) == {"id", "name", "arguments", "client_side"}
        assert str(asked["id"]).startswith("call_")
        assert (asked["name"], asked["client_side"]) == ("trains", True)
        assert json.loads(str(asked["arguments"])) == {"town": "Derby"}
        # There is no limit to how long a client may take.
        assert await client.quiet(60.0) == []
        await client.answer(asked, "12:00")
        messages = await client.until("AgentAudioDone")
        record = rig.emulator.sessions[0]
    (told,) = calls_of(messages)
    assert told["id"] == asked["id"]
    assert (told["client_side"], told["response"]) == (True, "12:00")
    # Written with other spaces than in the request, as the service does.
    assert told["arguments"] == '{"town":"Derby"}' != asked["arguments"]
    assert types(messages)[:2] == ["History", "ConversationText"]
    assert texts(messages) == ["Here you are."]
    assert [(turn.role, turn.name, turn.text) for turn in brain.inputs[1].history] == [
        ("user", "", "trains"),
        ("assistant", "trains", ""),
        ("tool", "trains", "12:00"),
    ]
    assert [tool.name for tool in brain.inputs[0].tools] == ["trains", "weather"]
    assert [response.content for response in record.responses] == ["12:00"]
    assert [entry.role for entry in record.history] == ["user", None, "assistant"]


async def test_words_before_a_function(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules(RULES)) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="look")
        messages = await client.until("FunctionCallRequest")
        await client.answer(functions_of(messages[-1])[0], "12:00")
        rest = await client.until("AgentAudioDone")
    assert texts(messages) == ["look", "Let me look."]
    # The report comes once for an answer, with the time of the function in it.
    assert only(messages, "LatencyReport") == []
    (report,) = only(rest, "LatencyReport")
    assert "ttt_tool_latency" in report


async def test_two_functions_in_one_request_are_both_waited_for(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules(RULES)) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="both")
        first, second = functions_of(await client.next("FunctionCallRequest"))
        assert first["id"] != second["id"]
        await client.answer(second, "rain")
        early = await client.quiet(5.0)
        assert types(early) == ["History"]
        # The second answer to one call is dropped, and so is one to a call nobody made.
        await client.answer(second, "sun")
        await client.answer({"id": "call_0", "name": "trains"}, "never")
        assert await client.quiet(5.0) == []
        await client.answer(first, "12:00")
        messages = await client.until("AgentAudioDone")
    assert [told["response"] for told in calls_of([*early, *messages])] == ["rain", "12:00"]


async def test_an_answer_without_an_id_goes_by_its_name(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules(RULES)) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="both")
        await client.next("FunctionCallRequest")
        for name, content in (
            ("weather", "rain"),
            ("weather", "sun"),
            ("buses", "none"),
            ("trains", "12:00"),
        ):
            await client.send("FunctionCallResponse", name=name, content=content)
        await client.until("AgentAudioDone")
    assert [(told["name"], told["response"]) for told in calls_of(client.received)] == [
        ("weather", "rain"),
        ("trains", "12:00"),
    ]


async def test_the_server_runs_a_function(autojump_clock: trio.abc.Clock) -> None:
    seen: list[tuple[str, Mapping[str, object], str]] = []

    def serve(name: str, arguments: Mapping[str, object], url: str) -> str:
        seen.append((name, arguments, url))
        return "rain"

    async with (
        running(Rules(RULES), call_endpoint=serve) as rig,
        rig.talking(think=SERVER_SIDE) as client,
    ):
        await client.send("InjectUserMessage", content="both")
        request = await client.next("FunctionCallRequest")
        first, second = functions_of(request)
        assert (first["client_side"], second["client_side"]) == (True, False)
        response = await client.next("FunctionCallResponse")
        # Not for the client to answer.
        await client.answer(second, "sun")
        await client.answer(first, "12:00")
        messages = await client.until("AgentAudioDone")
    assert fields(response) == {
        "type": "FunctionCallResponse",
        "id": second["id"],
        "name": "weather",
        "content": "rain",
    }
    told = [*calls_of(client.received)]
    assert [(each["client_side"], each["response"]) for each in told] == [(False, "rain"), (True, "12:00")]
    assert texts(messages) == ["Here you are."]
    assert seen == [("weather", {"town": "Derby"}, "https://example.invalid/weather")]


async def test_a_function_of_the_server_fails(autojump_clock: trio.abc.Clock) -> None:
    def serve(name: str, arguments: Mapping[str, object], url: str) -> str:
        raise OSError("no route")

    rules = {**RULES, "rain?": [call("weather", town="Derby")]}
    async with (
        running(Rules(rules), call_endpoint=serve) as rig,
        rig.talking(think=SERVER_SIDE) as client,
    ):
        messages = await client.ask("rain?")
    assert [warning["code"] for warning in only(messages, "Warning")] == ["FUNCTION_CALL_FAILED"]
    assert "error" in json.loads(str(only(messages, "FunctionCallResponse")[0]["content"]))
    assert texts(messages, "assistant") == ["Here you are."]


async def test_a_function_of_the_server_works_by_itself(autojump_clock: trio.abc.Clock) -> None:
    rules = {**RULES, "rain?": [call("weather", town="Derby")]}
    async with running(Rules(rules)) as rig, rig.talking(think=SERVER_SIDE) as client:
        messages = await client.ask("rain?")
    assert json.loads(str(only(messages, "FunctionCallResponse")[0]["content"]))["status"] == "done"


async def test_speech_cancels_a_function(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules(RULES)
    async with running(brain) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="both")
        first, second = functions_of(await client.next("FunctionCallRequest"))
        await client.answer(first, "12:00")
        await client.until("History")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, said("never mind"))
            messages = await client.until("FunctionCallCancelled")
            await client.answer(second, "rain")
            rest = await client.until("AgentAudioDone")
    assert types(messages) == ["UserStartedSpeaking", "FunctionCallCancelled"]
    # Only what the client still works on is taken back, and what was answered is remembered.
    assert messages[-1]["functions"] == [{"id": second["id"], "name": "weather"}]
    assert texts(rest) == ["never mind", "You said never mind."]
    assert [turn.text for turn in brain.inputs[-1].history] == ["both", "", "12:00", "never mind"]


async def test_functions_one_behind_the_other(autojump_clock: trio.abc.Clock) -> None:
    class Chain(Rules):
        def respond(self, given: BrainInput) -> Sequence[Action]:
            results = sum(turn.role == "tool" for turn in given.history)
            return [say("Done.")] if results == 3 else [call("trains", town=str(results))]

    async with running(Chain()) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="go")
        for number in range(3):
            (asked,) = functions_of(await client.next("FunctionCallRequest"))
            assert json.loads(str(asked["arguments"])) == {"town": str(number)}
            await client.answer(asked, "ok")
        assert texts(await client.until("AgentAudioDone"), "assistant") == ["Done."]


async def test_functions_without_end_end_the_session(autojump_clock: trio.abc.Clock) -> None:
    rules = {"go": [call("weather")], "result": [call("weather")]}
    async with (
        running(Rules(rules), max_rounds=3) as rig,
        rig.talking(think=SERVER_SIDE) as client,
    ):
        await client.send("InjectUserMessage", content="go")
        assert (await client.ended())["code"] == "FAILED_TO_THINK"
        assert len(only(client.received, "FunctionCallRequest")) == 3


async def test_a_function_that_does_not_exist_ends_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules(RULES)) as rig, rig.talking(think=THINK) as client:
        await client.send("InjectUserMessage", content="nonsense")
        error = await client.ended()
    assert (error["code"], error["close"]) == ("NON_EXISTENT_FUNCTION_CALLED", 1005)
    assert "no_such_function" in str(error["description"])
    assert only(client.received, "FunctionCallRequest") == []


# --- what an answer is made with fails


async def test_another_language_model_steps_in(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    chain = [
        think(prompt="first"),
        {"provider": {"type": "anthropic", "model": "claude-haiku-4-5"}, "prompt": "second"},
    ]
    async with (
        running(brain, failing_models=frozenset({"gpt-4o-mini"})) as rig,
        rig.talking(think=chain) as client,
    ):
        for _ in range(2):
            # Each turn begins with the first again.
            messages = await client.ask("hm")
            assert [each["code"] for each in only(messages, "Warning")] == ["THINK_REQUEST_FAILED"]
    assert [given.instructions for given in brain.inputs] == ["second", "second"]


async def test_no_language_model_answers(autojump_clock: trio.abc.Clock) -> None:
    async with running(failing_models=frozenset({"gpt-4o-mini"})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        assert (await client.ended())["code"] == "FAILED_TO_THINK"


async def test_another_voice_steps_in(autojump_clock: trio.abc.Clock) -> None:
    voices = [
        {"provider": {"type": "deepgram", "version": "v2", "model": name}}
        for name in ("flux-kit-en", "flux-bree-en")
    ]
    async with (
        running(failing_models=frozenset({"flux-kit-en"})) as rig,
        rig.talking(speak=voices) as client,
    ):
        messages = await client.ask("hm")
    assert [each["code"] for each in only(messages, "Warning")] == ["SPEAK_REQUEST_FAILED"]
    assert texts(messages, "assistant") == ["You said hm."]


async def test_no_voice_speaks(autojump_clock: trio.abc.Clock) -> None:
    async with running(failing_models=frozenset({"flux-kit-en"})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        error = await client.ended()
    assert error["code"] == "FAILED_TO_SPEAK"


class BrokenBrain:
    def respond(self, given: BrainInput) -> Sequence[Action]:
        raise LookupError("out of words")


class BrokenVoice:
    rate_hz = 8000

    def synthesise(self, text: str, *, voice: str = "") -> Samples:
        raise LookupError("out of breath")


class BrokenRecogniser:
    rate_hz = 8000

    def transcribe(self, samples: Samples) -> str:
        raise LookupError("out of hearing")


async def test_a_broken_brain_ends_the_session(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(BrokenBrain()) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        assert (await client.ended())["code"] == "FAILED_TO_THINK"
    assert "a brain failed" in caplog.text


async def test_a_broken_voice_ends_the_session(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    engines = attrs.evolve(TONES, synthesiser=BrokenVoice())
    async with running(engines=engines) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        assert (await client.ended())["code"] == "FAILED_TO_SPEAK"
    assert "a synthesis failed" in caplog.text


async def test_a_broken_recogniser_makes_a_turn_without_words(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    engines = attrs.evolve(TONES, recogniser=BrokenRecogniser())
    async with running(engines=engines) as rig, rig.talking() as client:
        await client.speak(said("hello"))
        assert types(await client.quiet(2.0)) == ["UserStartedSpeaking"]
    assert "a transcription failed" in caplog.text


async def test_threaded_engines() -> None:
    # Real time: threads do not wait for a virtual clock.
    engines = attrs.evolve(TONES, threaded=True)
    async with running(engines=engines, think_delay=0.0) as rig, rig.talking() as client:
        await client.socket.send(said("in a thread").astype("<i2").tobytes())
        assert texts(await client.until("AgentAudioDone")) == ["in a thread", "You said in a thread."]


async def test_an_answer_without_words(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"shh": []})) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="shh")
        assert types(await client.quiet(3.0)) == ["ConversationText", "History"]
        # And the next turn is answered as ever.
        assert texts(await client.ask("hm"), "assistant") == ["You said hm."]


async def test_the_model_named_in_thoughts(autojump_clock: trio.abc.Clock) -> None:
    async with running(thinking=True) as rig, rig.talking(think={"provider": MODEL}) as client:
        messages = await client.ask("hm")
    assert fields(only(messages, "AgentThinking")[0]) == {
        "type": "AgentThinking",
        "content": "gpt-4o-mini: hm",
    }
