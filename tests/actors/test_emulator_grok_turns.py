"""Spoken turns: turn detection, transcripts, barge-in, push to talk, codecs and transports."""

import base64
import itertools

import numpy as np
import pytest
import trio

from callboard.actors.emulators._grok_options import Transcripts, UserItem
from callboard.media import ALAW_8K, PCM16_24K, ULAW_8K, Samples, encode
from callboard.media.speech import SpeechEngines
from callboard.protocols.grok import Profile
from tests.actors.emulator_grok_kit import TRANSCRIBED, VAD, Client, heard, running
from tests.actors.emulator_kit import TONES, Rules, call, only, pick, say, speech, types

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
ADDED = "conversation.item.added"
UPDATED = "conversation.item.input_audio_transcription.updated"
COMPLETED = "conversation.item.input_audio_transcription.completed"
LONG = "This is a rather long sentence, made to last for several seconds of tones. " * 4


async def test_spoken_turn_has_the_observed_order(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(Rules({"when is last train at Derby": [say("At noon.")]})) as rig,
        rig.client() as client,
    ):
        await client.configure(**VAD, audio=TRANSCRIBED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, speech("when is last train at Derby"))
            messages = await client.until("response.done")
    kinds = types(messages, squeeze=False)
    n_partials = kinds.count(UPDATED)
    assert n_partials >= 2
    assert kinds[: 2 + 2 * n_partials] == [STARTED, ADDED, *[UPDATED, COMPLETED] * n_partials]
    assert kinds[2 + 2 * n_partials :][:4] == [STOPPED, COMMITTED, COMPLETED, "response.created"]
    started, added = messages[:2]
    user = started["item_id"]
    assert pick(added, "item.id") == user
    assert pick(added, "item.status") == "in_progress"
    assert pick(added, "item.content") == [{"type": "input_audio", "transcript": ""}]
    transcripts = only(messages, COMPLETED)
    assert [message["status"] for message in transcripts] == ["in_progress"] * n_partials + ["completed"]
    texts = [str(message["transcript"]) for message in transcripts]
    assert texts[-1] == "when is last train at Derby"
    # Cumulative: each is the beginning of the next.
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert {m["item_id"] for m in messages if m["type"] in {STOPPED, COMMITTED, UPDATED, COMPLETED}} == {user}
    assert only(messages, ADDED)[1]["previous_item_id"] == user
    assert pick(messages[-1], "response.output.0.content.0.transcript") == "At noon."


async def test_offsets_count_received_audio_not_time(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(
            turn_detection={"type": "server_vad", "prefix_padding_ms": 200, "silence_duration_ms": 400}
        )
        await client.append(bytes(48000))  # a second of silence
        await trio.sleep(30)
        samples = speech("hello", before=0.5, after=1.0)
        await client.append(encode(samples, PCM16_24K))  # in one go
        messages = await client.until("response.done")
    started, stopped = only(messages, STARTED)[0], only(messages, STOPPED)[0]
    spoken_ms = len(samples) / 24 - 1500
    # The detector needs the tones' preamble of 60 ms to notice them.
    assert int(str(started["audio_start_ms"])) == pytest.approx(1500 - 200, abs=100)
    assert int(str(stopped["audio_end_ms"])) == pytest.approx(1500 + spoken_ms, abs=60)


async def test_spoken_turn_in_the_documented_profile(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(profile=Profile.DOCUMENTED) as rig,
        rig.client(greeted=False) as client,
    ):
        await client.configure(**VAD, audio=TRANSCRIBED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, speech("hello there"))
            messages = await client.until("response.done")
    assert types(messages)[:6] == [STARTED, STOPPED, COMMITTED, ADDED, COMPLETED, "response.created"]
    added = only(messages, ADDED)[0]
    assert pick(added, "item.status") == "completed"
    assert pick(added, "item.content.0.transcript") == "hello there"
    assert "status" not in only(messages, COMPLETED)[0]


async def test_without_a_transcription_model_only_the_final_text_is_sent(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(**VAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, speech("hello there"))
            messages = await client.until("response.done")
    assert types(messages)[:5] == [STARTED, ADDED, STOPPED, COMMITTED, COMPLETED]


async def test_single_transcripts_on_request(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(transcripts=Transcripts.SINGLE, user_item=UserItem.AT_START) as rig,
        rig.client() as client,
    ):
        await client.configure(**VAD, audio=TRANSCRIBED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, speech("hello there"))
            messages = await client.until("response.done")
    assert len(only(messages, COMPLETED)) == 1
    assert not only(messages, UPDATED)


async def test_no_response_where_the_client_does_not_want_one(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(turn_detection={"type": "server_vad", "create_response": False})
        await client.speak(speech("hello there"))
        await client.until(COMPLETED)
        assert await client.quiet(3.0) == []
        await client.send("response.create")
        await client.until("response.done")
    async with running(create_response_default=False) as rig, rig.client() as client:
        await client.configure(turn_detection={"type": "server_vad"})
        await client.speak(speech("hello there"))
        await client.until(COMPLETED)
        assert await client.quiet(3.0) == []


async def _while_speaking(client: Client, text: str, first: str) -> None:
    """Ask for a long answer and speak into it."""
    await client.write(first)
    await client.send("response.create")
    await client.until("response.output_audio.delta")
    await client.speak(speech(text, before=0.1))


async def test_barge_in_cancels_the_answer(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)], "stop": [say("Yes?")]})
    async with running(brain, output_speed=1.0) as rig, rig.client() as client:
        await client.configure(**VAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_while_speaking, client, "stop", "go")
            messages = await client.until("response.done")
            assert types(messages)[-3:] == [STARTED, ADDED, "response.done"]
            assert pick(messages[-1], "response.status") == "cancelled"
            cancelled = pick(messages[-1], "response.id")
            messages = await client.until("response.done")
    # No delta of the cancelled response comes after its end.
    assert all(message.get("response_id") != cancelled for message in messages)
    assert pick(messages[-1], "response.output.0.content.0.transcript") == "Yes?"
    assert [turn.role for turn in brain.inputs[-1].history] == ["user", "assistant", "user"]


async def test_speech_does_not_interrupt_where_the_client_forbids_it(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    async with running(brain, output_speed=1.0) as rig, rig.client() as client:
        await client.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_while_speaking, client, "more", "go")
            first = await client.until("response.done")
            second = await client.until("response.done")
    assert STARTED in types(first)
    assert pick(first[-1], "response.status") == pick(second[-1], "response.status") == "completed"
    # One after the other.
    assert types(second)[0] == "response.created"


@pytest.mark.parametrize("drop", [True, False])
async def test_response_talked_over_before_its_first_audio(
    autojump_clock: trio.abc.Clock, drop: bool
) -> None:
    brain = Rules()
    async with (
        running(brain, drop_talked_over_responses=drop, first_audio_delay=2.0) as rig,
        rig.client() as client,
    ):
        await client.configure(**VAD)
        async with trio.open_nursery() as nursery:

            async def two_turns() -> None:
                await client.speak(speech("first", after=0.8))
                await client.speak(speech("second", before=0.2, after=1.0))

            nursery.start_soon(two_turns)
            messages = await client.until("response.output_audio.delta")
    created = [pick(message, "response.id") for message in only(messages, "response.created")]
    done = [(pick(m, "response.id"), pick(m, "response.status")) for m in only(messages, "response.done")]
    assert len(created) == 2
    assert done == ([] if drop else [(created[0], "cancelled")])
    assert messages[-1]["response_id"] == created[1]
    # Nobody heard the first one: it left no item.
    assert [turn.text for turn in brain.inputs[-1].history] == ["first", "second"]


async def test_speech_soon_after_a_commit_can_continue_the_item(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain, resume_window=2.0, first_audio_delay=2.0) as rig, rig.client() as client:
        await client.configure(**VAD, audio=TRANSCRIBED)
        async with trio.open_nursery() as nursery:

            async def two_parts() -> None:
                await client.speak(speech("I would like", after=0.8))
                await client.speak(speech("a big pizza", before=0.2, after=1.0))

            nursery.start_soon(two_parts)
            messages = await client.until("response.done")
    assert len({message["item_id"] for message in only(messages, STARTED)}) == 1
    assert len(only(messages, COMMITTED)) == 2
    final = [m["transcript"] for m in only(messages, COMPLETED) if m["status"] == "completed"]
    assert final == ["I would like", "I would like a big pizza"]
    assert [turn.text for turn in brain.inputs[-1].history] == ["I would like a big pizza"]


async def test_push_to_talk(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"pick me": [say("Picked.")]})) as rig, rig.client() as client:
        await client.configure(turn_detection=None)
        await client.speak(speech("pick me"))
        assert await client.quiet(3.0) == []
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        messages = await client.until("response.done")
    assert types(messages)[:3] == [COMMITTED, ADDED, COMPLETED] or types(messages)[:4] == [
        COMMITTED,
        ADDED,
        "response.created",
        COMPLETED,
    ]
    assert pick(messages[-1], "response.output.0.content.0.transcript") == "Picked."
    assert pick(messages[-1], "usage.input_token_details.audio_tokens") > 0  # type: ignore[operator]


async def test_the_old_name_of_commit_and_an_empty_buffer_are_put_up_with(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        await client.send("conversation.item.commit")
        messages = await client.until(COMPLETED)
        assert types(messages) == [COMMITTED, ADDED, COMPLETED]
        assert messages[-1]["transcript"] == ""
        await client.send("response.create")
        assert "error" not in types(await client.until("response.done"))
    assert brain.inputs[0].history == ()


async def test_clear_drops_what_was_not_committed(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.speak(speech("not this"))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.speak(speech("but this"))
        await client.send("input_audio_buffer.commit")
        assert (await client.next(COMPLETED))["transcript"] == "but this"


async def test_clear_in_the_middle_of_a_turn_ends_it_without_a_trace(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        await client.configure(**VAD)
        await client.speak(speech("this is to be forgotten", after=0.0))
        await client.until(ADDED)
        await client.send("input_audio_buffer.clear")
        await client.speak(np.zeros(48000, np.int16))
        assert types(await client.quiet(2.0)) == ["input_audio_buffer.cleared"]
        await client.ask("hi")
    assert [turn.text for turn in brain.inputs[0].history] == ["hi"]


async def test_commit_under_turn_detection_ends_the_turn_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(**VAD)
        await client.speak(speech("that is all", after=0.0))
        await client.send("input_audio_buffer.commit")
        messages = await client.until(COMPLETED)
        assert types(messages) == [STARTED, ADDED, COMMITTED, COMPLETED]
        assert messages[-1]["transcript"] == "that is all"
        assert await client.quiet(3.0) == []


async def test_speech_events_in_manual_mode_on_request(autojump_clock: trio.abc.Clock) -> None:
    async with running(speech_events_in_manual=True) as rig, rig.client() as client:
        await client.speak(speech("hello there"))
        messages = await client.until(STOPPED)
        assert types(messages) == [STARTED, STOPPED]
        await client.send("input_audio_buffer.commit")
        messages += await client.until(COMPLETED)
    assert {m["item_id"] for m in messages if "item_id" in m} == {messages[0]["item_id"]}
    assert messages[-1]["transcript"] == "hello there"


async def test_uninterruptible_line_discards_the_caller_until_it_has_played(
    autojump_clock: trio.abc.Clock,
) -> None:
    line = {
        "type": "force_message",
        "role": "assistant",
        "interruptible": False,
        "content": [{"type": "text", "text": LONG}],
    }
    async with running() as rig, rig.client() as client:
        await client.configure(**VAD)
        await client.send("conversation.item.create", item=line)
        await client.until("response.output_audio.delta")
        await client.speak(speech("hello", before=0.2))
        messages = await client.until("response.done")
        assert STARTED not in types(messages)
        assert pick(messages[-1], "response.status") == "completed"
        # Generated, not played yet.
        await client.speak(speech("hello", before=0.0, after=0.5))
        assert await client.quiet(0.1) == []
        await trio.sleep(len(client.audio) / 48000)
        await client.speak(speech("hello", before=0.2))
        assert types(await client.until("response.done"))[:1] == [STARTED]


async def test_check_in_after_silence_repeats(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"": [say("Still there?")]})
    async with running(brain, idle_limit=600.0) as rig, rig.client() as client:
        await client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 4000})
        await client.ask("hi")
        await client.append(bytes(48000 * 5))
        for _ in range(2):
            began = trio.current_time()
            messages = await client.until("response.done")
            triggered = only(messages, "input_audio_buffer.timeout_triggered")[0]
            assert types(messages)[:3] == [
                "input_audio_buffer.timeout_triggered",
                ADDED,
                "response.created",
            ]
            assert trio.current_time() - began >= 4.0
            length = int(str(triggered["audio_end_ms"])) - int(str(triggered["audio_start_ms"]))
            assert length == 4000
            assert pick(messages[-1], "response.output.0.content.0.transcript") == "Still there?"


async def test_binary_audio_both_ways(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"hello": [say("Good day.")]})) as rig, rig.client() as client:
        await client.configure(
            **VAD, audio={"input": {"transport": "binary"}, "output": {"transport": "binary"}}
        )
        for block in np.array_split(speech("hello"), 15):
            await client.socket.send(encode(block, PCM16_24K))
            await trio.sleep(0.1)
        messages = await client.until("response.done")
    assert "binary" in types(messages)
    assert not only(messages, "response.output_audio.delta")
    assert only(messages, "response.output_audio.done")
    assert only(messages, "response.output_audio_transcript.delta")
    assert heard(bytes(client.audio)) == ["Good day."]


async def test_a_change_of_transport_is_for_the_next_response(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say(LONG)]})) as rig, rig.client() as client:
        await client.write("go")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("session.update", session={"audio": {"output": {"transport": "binary"}}})
        assert "binary" not in types(await client.until("response.done"))
        assert "binary" in types(await client.ask("go"))


@pytest.mark.parametrize(("codec", "layout"), [("audio/pcmu", ULAW_8K), ("audio/pcma", ALAW_8K)])
async def test_g711_both_ways(autojump_clock: trio.abc.Clock, codec: str, layout: object) -> None:
    assert layout in {ULAW_8K, ALAW_8K}
    target = ULAW_8K if layout == ULAW_8K else ALAW_8K
    async with running(Rules({"hello": [say("Good day to you.")]})) as rig, rig.client() as client:
        await client.configure(
            **VAD, audio={"input": {"format": {"type": codec}}, "output": {"format": {"type": codec}}}
        )
        samples = speech("hello", rate_hz=8000)
        for at in range(0, len(samples), 160):
            await client.append(encode(samples[at : at + 160], target))
        messages = await client.until("response.done")
    seconds = float(str(pick(messages[-1], "usage.output_audio_seconds")))
    assert len(client.audio) == round(seconds * 8000)
    assert [m["transcript"] for m in only(messages, COMPLETED)] == ["hello"]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
async def test_pcm_rates(autojump_clock: trio.abc.Clock, rate_hz: int) -> None:
    async with running() as rig, rig.client() as client:
        form = {"format": {"type": "audio/pcm", "rate": rate_hz}}
        await client.configure(**VAD, audio={"input": form, "output": form})
        await client.speak(speech("hello there", rate_hz=rate_hz), rate_hz=rate_hz)
        messages = await client.until("response.done")
    assert [m["transcript"] for m in only(messages, COMPLETED)] == ["hello there"]
    seconds = float(str(pick(messages[-1], "usage.output_audio_seconds")))
    assert len(client.audio) == 2 * round(seconds * rate_hz)


async def test_pcm_may_be_cut_within_a_sample(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(**VAD)
        octets = encode(speech("odd sizes"), PCM16_24K)
        for at in range(0, len(octets), 1777):
            await client.append(octets[at : at + 1777])
        messages = await client.until("response.done")
    assert [m["transcript"] for m in only(messages, COMPLETED)] == ["odd sizes"]


async def test_audio_in_a_message_item_is_transcribed(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client() as client:
        audio = base64.b64encode(encode(speech("as a recording"), PCM16_24K)).decode()
        await client.send(
            "conversation.item.create",
            item={"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]},
        )
        await client.send("response.create")
        await client.until("response.done")
    assert [turn.text for turn in brain.inputs[0].history] == ["as a recording"]


class _Slow:
    """A recogniser in a thread; what it returns grows with what it is given."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def transcribe(self, samples: Samples) -> str:
        self.lengths.append(len(samples))
        return " ".join(["word"] * (len(samples) // 4000))


async def test_threaded_engines_give_partial_transcripts_once_a_second() -> None:
    # Real time: a worker thread and a virtual clock do not go together.
    slow = _Slow()
    engines = SpeechEngines(
        name="slow",
        threaded=True,
        recogniser=slow,
        synthesiser=TONES.synthesiser,
        new_detector=TONES.new_detector,
    )
    async with (
        running(engines=engines, partial_interval=0.4, first_audio_delay=0.0, output_speed=100.0) as rig,
        rig.client() as client,
    ):
        await client.configure(**VAD, audio=TRANSCRIBED)
        async with trio.open_nursery() as nursery:

            async def hurried() -> None:
                samples = speech("a sentence that lasts for about one second and a half or so", after=0.6)
                for at in range(0, len(samples), 2400):
                    await client.append(encode(samples[at : at + 2400], PCM16_24K))
                    await trio.sleep(0.02)

            nursery.start_soon(hurried)
            messages = await client.until("response.done")
    partial = [m for m in only(messages, COMPLETED) if m["status"] == "in_progress"]
    assert len(partial) >= 2
    assert slow.lengths == sorted(slow.lengths)


async def test_call_only_answer_to_a_spoken_turn(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"lights": [call("switch", on=True)]})) as rig, rig.client() as client:
        await client.configure(**VAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, speech("lights"))
            messages = await client.until("response.done")
    assert pick(messages[-1], "response.output.0.name") == "switch"
