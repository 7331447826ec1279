"""Turns: order of messages, pacing, interruption, speculation, forced ends."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import trio

from callboard.actors.brains import Action
from callboard.actors.emulators import Latencies
from callboard.media import Samples
from tests.actors.emulator_deepgram_kit import (
    FLUX,
    RATE_HZ,
    Client,
    fields,
    function,
    functions_of,
    heard,
    running,
    said,
    settings,
    texts,
    think,
)
from tests.actors.emulator_kit import Message, Rules, call, only, say, types

FIRST = "This is one of the long sentences that take their time to be spoken."
SECOND = "Another sentence follows it, and it is just as long as the first one was."
THIRD = "The third one is the last, for even long answers come to an end in time."
LONG = f"{FIRST} {SECOND} {THIRD}"


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE_HZ), np.int16)


async def talk(client: Client, samples: Samples, kind: str = "AgentAudioDone") -> list[Message]:
    """Speak, and listen meanwhile until a message of a type."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, samples)
        messages = await client.until(kind)
        nursery.cancel_scope.cancel()
    return messages


def at(messages: Sequence[Message], kind: str) -> list[float]:
    return [float(str(message["at"])) for message in only(messages, kind)]


async def test_a_whole_turn(autojump_clock: trio.abc.Clock) -> None:
    async with running(thinking=True) as rig, rig.talking() as client:
        messages = await talk(client, said("good morning"))
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


async def test_silence_and_noise_are_no_turn(autojump_clock: trio.abc.Clock) -> None:
    noise = np.random.default_rng(1).integers(-300, 300, 2 * RATE_HZ).astype(np.int16)
    async with running() as rig, rig.talking() as client:
        await client.speak(silence(1.0))
        await client.speak(noise)
        assert await client.quiet(1.0) == []


async def test_speech_without_words_is_not_answered(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    # A preamble of tones with nothing behind it.
    empty = said("")
    async with running(brain) as rig, rig.talking() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.speak, empty)
        messages = await client.quiet(5.0)
    assert set(types(messages)) <= {"UserStartedSpeaking"}
    assert brain.inputs == []


async def test_octets_cut_within_a_sample_are_put_together(autojump_clock: trio.abc.Clock) -> None:
    octets = said("odd pieces").astype("<i2").tobytes()
    async with running() as rig, rig.talking() as client:
        for start in range(0, len(octets), 801):
            await client.socket.send(octets[start : start + 801])
            await trio.sleep(0.05)
        assert texts(await client.until("AgentAudioDone"), "user") == ["odd pieces"]


# --- pacing


async def test_sentences_come_about_as_fast_as_they_are_spoken(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    async with running(brain, think_delay=0.0, lead=0.2) as rig, rig.talking() as client:
        begun = trio.current_time()
        messages = await client.ask("go")
        ended = trio.current_time()
    sentences = [message for message in only(messages, "ConversationText") if message["role"] == "assistant"]
    assert [message["content"] for message in sentences] == [FIRST, SECOND, THIRD]
    # The audio of a sentence comes at once, behind its text.
    for first, then in itertools.pairwise(messages):
        if then["type"] == "binary":
            assert then["at"] == first["at"]
    total = len(client.audio) / 2 / RATE_HZ
    starts = [float(str(message["at"])) - begun for message in sentences]
    assert starts[0] == pytest.approx(0.0, abs=0.01)
    durations = np.diff([*starts, total - 0.2])
    assert all(duration > 1.0 for duration in durations)
    # The end is announced seconds before it can be heard.
    assert ended - begun == pytest.approx(starts[-1], abs=0.01)
    assert ended - begun < total - 1.0


async def test_unpaced_answers_come_at_once(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    async with running(brain, think_delay=0.0, paced=False) as rig, rig.talking() as client:
        begun = trio.current_time()
        messages = await client.ask("go")
        assert trio.current_time() == pytest.approx(begun, abs=0.01)
    assert len(texts(messages, "assistant")) == 3
    assert heard(bytes(client.audio)) == texts(messages, "assistant")


async def test_a_second_answer_waits_for_the_playback_of_the_first(autojump_clock: trio.abc.Clock) -> None:
    async with running(think_delay=0.0, lead=0.0) as rig, rig.talking() as client:
        first = await client.ask("one and two and three")
        length = len(client.audio) / 2 / RATE_HZ
        second = await client.ask("four")
    assert at(second, "binary")[0] - at(first, "binary")[0] == pytest.approx(length, abs=0.01)


async def test_think_delay(autojump_clock: trio.abc.Clock) -> None:
    async with running(think_delay=1.25) as rig, rig.talking() as client:
        messages = await client.ask("hm")
    user, agent = only(messages, "ConversationText")
    assert float(str(agent["at"])) - float(str(user["at"])) == pytest.approx(1.25, abs=0.01)


async def test_a_slow_language_model_is_reported_again_and_again(autojump_clock: trio.abc.Clock) -> None:
    async with running(think_delay=12.0) as rig, rig.talking() as client:
        messages = await client.ask("hm")
    assert [message["code"] for message in only(messages, "Warning")] == ["SLOW_THINK_REQUEST"] * 2


# --- what is told of an answer


@pytest.mark.parametrize("experimental", [True, False, None])
async def test_start_of_speech_is_announced_only_if_asked_for(
    autojump_clock: trio.abc.Clock, experimental: bool | None
) -> None:
    message = settings()
    if experimental is not None:
        message["experimental"] = experimental
    async with running(think_delay=0.4) as rig, rig.talking(message) as client:
        messages = await client.ask("hm")
    started = only(messages, "AgentStartedSpeaking")
    assert len(started) == (1 if experimental else 0)
    if started:
        kinds = types(messages)
        assert kinds.index("AgentStartedSpeaking") == kinds.index("binary") - 1
        assert started[0]["ttt_latency"] == 0.4
        assert started[0]["total_latency"] == 0.4


async def test_latencies_in_one_report(autojump_clock: trio.abc.Clock) -> None:
    async with running(think_delay=0.4) as rig, rig.talking() as client:
        spoken = await talk(client, said("hm"))
        written = await client.ask("hm")
    (report,) = only(spoken, "LatencyReport")
    assert report["ttt_token_latency"] == report["ttt_text_latency"] == report["total_latency"] == 0.4
    assert report["stt_latency"] == pytest.approx(0.5, abs=0.1)
    # Nobody spoke.
    assert "stt_latency" not in only(written, "LatencyReport")[0]


async def test_latencies_one_by_one(autojump_clock: trio.abc.Clock) -> None:
    async with running(latencies=Latencies.SPLIT) as rig, rig.talking() as client:
        messages = await client.ask("hm")
    reports = [fields(report) for report in only(messages, "LatencyReport")]
    assert all(len(report) == 2 for report in reports)
    assert {name for report in reports for name in report} == {
        "type",
        "ttt_token_latency",
        "ttt_text_latency",
        "tts_latency",
        "total_latency",
    }


async def test_no_latencies(autojump_clock: trio.abc.Clock) -> None:
    async with running(latencies=Latencies.NONE) as rig, rig.talking() as client:
        assert only(await client.ask("hm"), "LatencyReport") == []


async def test_no_history_where_it_is_switched_off(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking(settings() | {"flags": {"history": False}}) as client:
        messages = await client.ask("hm")
    assert only(messages, "History") == []
    # It is kept all the same.
    assert [entry.content for entry in rig.emulator.sessions[0].history] == ["hm", "You said hm."]


async def test_languages_are_told_by_the_model_that_knows_them(autojump_clock: trio.abc.Clock) -> None:
    provider = {"type": "deepgram", "version": "v2", "model": "flux-general-multi", "language_hints": ["fr"]}
    async with running() as rig, rig.talking(listen={"provider": provider}) as client:
        user, agent = only(await client.ask("oui"), "ConversationText")
    assert (user["languages_hinted"], user["languages"]) == (["fr"], ["fr"])
    assert "languages" not in agent


# --- interruption


async def test_barge_in_stops_the_answer(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    async with running(brain) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        messages = await talk(client, said("stop that"))
    assert texts(messages) == ["stop that", "You said stop that."]
    kinds = types(messages)
    # The utterance that was cut has no end, and nothing of it follows.
    assert kinds[: kinds.index("UserStartedSpeaking")] in ([], ["binary"])
    assert kinds.count("AgentAudioDone") == 1
    # Only what was begun is remembered.
    assert [turn.text for turn in brain.inputs[-1].history] == ["go", FIRST, "stop that"]


async def test_a_cut_answer_may_linger(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    async with (
        running(brain, stray_chunks=3, audio_done_after_interruption=True) as rig,
        rig.talking() as client,
    ):
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await talk(client, said("stop that"), "UserStartedSpeaking")
        assert types(await client.until("AgentAudioDone"), squeeze=False) == ["binary"] * 3 + [
            "AgentAudioDone"
        ]


async def test_every_utterance_of_the_user_is_announced(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        assert types(await talk(client, said("one")))[0] == "UserStartedSpeaking"
        assert "UserStartedSpeaking" in types(await talk(client, said("two")))


async def test_a_turn_that_follows_at_once_keeps_the_words_of_the_first(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules()
    samples = np.concatenate((said("first", after=0.6), said("second", before=0.0)))
    async with running(brain) as rig, rig.talking() as client:
        # All in one message, so that the second begins before anything was said about the first.
        await client.socket.send(samples.astype("<i2").tobytes())
        messages = await client.until("AgentAudioDone")
    assert texts(messages) == ["first", "second", "You said second."]
    assert [turn.text for turn in brain.inputs[-1].history] == ["first", "second"]


async def test_the_greeting_can_be_interrupted(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking(greeting=LONG) as client:
        messages = await talk(client, said("hello"))
    assert texts(messages) == ["hello", "You said hello."]


# --- speculation

TRAIN: Mapping[str, Sequence[Action]] = {
    "When goes the train?": [call("trains", town="Derby")],
    "result": [say("At noon.")],
}
TRAINS = think(function("trains"))


async def test_a_function_is_called_before_the_turn_is_certain(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(Rules(TRAIN), speculate_after=0.2, silence_duration=1.5, think_delay=0.1) as rig,
        rig.talking(think=TRAINS) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.speak, said("When goes the train?", after=3.0))
        early = await client.until("FunctionCallRequest")
        (asked,) = functions_of(early[-1])
        await client.answer(asked, "12:00")
        messages = await client.until("AgentAudioDone")
    assert types(early) == ["UserStartedSpeaking", "FunctionCallRequest"]
    # Neither words nor results are told before.
    assert types(messages) == [
        "ConversationText",
        "History",
        "ConversationText",
        "History",
        "binary",
        "LatencyReport",
        "AgentAudioDone",
    ]
    assert [entry.get("role") for entry in only(messages, "History")] == ["user", None, "assistant"]
    assert float(str(messages[0]["at"])) - float(str(early[-1]["at"])) > 1.0
    assert texts(messages) == ["When goes the train?", "At noon."]


async def test_a_user_who_goes_on_takes_the_call_back(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules(TRAIN)
    samples = np.concatenate(
        (said("When goes the train?", after=0.7), said("I mean the bus.", before=0.0, after=3.0))
    )
    async with (
        running(brain, speculate_after=0.2, silence_duration=1.5, think_delay=0.1) as rig,
        rig.talking(think=TRAINS) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.speak, samples)
        request = await client.next("FunctionCallRequest")
        messages = await client.until("FunctionCallCancelled")
        (asked,) = functions_of(request)
        # Too late: dropped without a word.
        await client.answer(asked, "12:00")
        rest = await client.until("AgentAudioDone")
    assert types(messages) == ["UserStartedSpeaking", "FunctionCallCancelled"]
    assert messages[-1]["functions"] == [{"id": asked["id"], "name": "trains"}]
    # One turn, with both its parts.
    assert texts(rest, "user") == ["When goes the train? I mean the bus."]
    assert all("function_calls" not in entry for entry in only(rest, "History"))


async def test_a_deferred_function_waits_for_the_turn(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(Rules(TRAIN), speculate_after=0.2, silence_duration=1.5, think_delay=0.1) as rig,
        rig.talking(think=think(function("trains", defer_until_eot=True))) as client,
    ):
        messages = await talk(client, said("When goes the train?", after=3.0), "FunctionCallRequest")
    assert types(messages) == ["UserStartedSpeaking", "ConversationText", "History", "FunctionCallRequest"]


async def test_an_answer_without_calls_waits_for_the_turn(autojump_clock: trio.abc.Clock) -> None:
    samples = np.concatenate((said("hold on", after=0.7), said("here I am", before=0.0, after=3.0)))
    async with (
        running(speculate_after=0.2, silence_duration=1.5, think_delay=0.1) as rig,
        rig.talking() as client,
    ):
        messages = await talk(client, samples)
    assert texts(messages) == ["hold on here I am", "You said hold on here I am."]
    assert len(only(messages, "UserStartedSpeaking")) == 2


# --- turns the client ends


async def test_a_turn_is_ended_by_the_client(autojump_clock: trio.abc.Clock) -> None:
    async with running(silence_duration=30.0) as rig, rig.talking(listen=FLUX) as client:
        await client.speak(said("enough now", after=0.3))
        before = await client.quiet(3.0)
        await client.send("ForceEndTurn")
        await client.send("ForceEndTurn")
        messages = await client.until("AgentAudioDone")
        assert await client.quiet(3.0) == []
    assert types(before) == ["UserStartedSpeaking"]
    assert texts(messages) == ["enough now", "You said enough now."]


async def test_a_tentative_turn_is_confirmed_by_the_client(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(silence_duration=4.0, speculate_after=0.2) as rig,
        rig.talking(listen=FLUX) as client,
    ):
        await client.speak(said("that was it", after=0.6))
        assert types(await client.quiet(0.5)) == ["UserStartedSpeaking"]
        await client.send("ForceEndTurn")
        assert texts(await client.until("AgentAudioDone"), "user") == ["that was it"]


async def test_forcing_an_end_needs_flux(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        await client.send("ForceEndTurn")
        assert (await client.next("Warning"))["code"] == "FORCE_END_TURN_UNSUPPORTED"


async def test_without_confidence_only_time_ends_a_turn(autojump_clock: trio.abc.Clock) -> None:
    provider = {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-general-en",
        "eot_threshold": 1.0,
        "eot_timeout_ms": 2000,
    }
    async with running() as rig, rig.talking(listen={"provider": provider}) as client:
        begun = trio.current_time()
        messages = await talk(client, said("slowly", after=4.0), "ConversationText")
        spoken = len(said("slowly", before=0.5, after=0.0)) / RATE_HZ
    assert float(str(messages[-1]["at"])) - begun - spoken == pytest.approx(2.0, abs=0.3)
