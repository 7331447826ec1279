"""The emulator's parts without a socket, and a session talked to by protocol objects and by nonsense."""

import base64
import json
import logging
import random
import re

import hypothesis
import numpy as np
import pytest
import trio
from hypothesis import given, strategies as st

from callboard.actors._websocket import open_websocket
from callboard.actors.emulators._codec import Codec
from callboard.actors.emulators._ear import MAX_TURN, Ear, Started, Stopped, VadSettings
from callboard.actors.emulators._grok_conversation import Conversation, ConversationError, Item, ItemKind
from callboard.actors.emulators._grok_usage import Meter
from callboard.actors.emulators._grok_vault import Vault
from callboard.actors.emulators._ids import make_ids
from callboard.actors.emulators._speech import substitute
from callboard.media import PCM16_24K, Encoding, encode
from callboard.protocols import grok
from tests.actors.emulator_grok_kit import AUTH, VAD, running
from tests.actors.emulator_kit import TONES, Rules, call, say, speech

PCM_24K = Codec(Encoding.PCM16, 24000)
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def answer(text: str, seconds: float) -> Item:
    return Item(id="a", kind=ItemKind.MESSAGE, role="assistant", text=text, spoken=True, seconds=seconds)


# --- conversation


@given(st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=20), st.integers(0, 10_000))
def test_truncation_keeps_whole_words_of_the_heard_share(words: list[str], heard_ms: int) -> None:
    text = " ".join(words)
    conversation = Conversation("c")
    conversation.add(answer(text, 10.0))
    kept = conversation.truncate("a", heard_ms)
    assert len(kept) <= len(text) * heard_ms / 10_000
    assert words[: len(kept.split())] == kept.split()
    if heard_ms == 10_000:
        assert kept == text
    # The next word would not have fitted.
    rest = words[len(kept.split()) :]
    if rest:
        assert len(" ".join([*kept.split(), rest[0]])) > len(text) * heard_ms // 10_000
    # What was forgotten cannot be heard later.
    if heard_ms < 10_000:
        with pytest.raises(ConversationError):
            conversation.truncate("a", 10_000)


def test_conversation_is_bounded() -> None:
    conversation = Conversation("c")
    for index in range(5000):
        conversation.add(Item(id=str(index), kind=ItemKind.MESSAGE, role="user", text="x"))
    assert len(conversation) < 4200
    assert conversation.last_id == "4999"


# --- hearing


def settings(**changes: float) -> VadSettings:
    return VadSettings(**changes)


@given(st.integers(20, 5000), st.integers(0, 2**32))
@hypothesis.settings(max_examples=10, deadline=None)
def test_cutting_the_input_makes_no_difference(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    octets = encode(speech("cut me anywhere", before=0.3, after=0.7), PCM16_24K)
    ear = Ear(TONES)
    ear.configure(PCM_24K, settings(), manual=False)
    events: list[object] = []
    at = 0
    while at < len(octets):
        step = int(rng.integers(1, 2 * size + 1))
        events += ear.feed(octets[at : at + step])
        at += step
    (started,) = (event for event in events if isinstance(event, Started))
    (stopped,) = (event for event in events if isinstance(event, Stopped))
    whole = Ear(TONES)
    whole.configure(PCM_24K, settings(), manual=False)
    reference = whole.feed(octets)
    assert started == reference[0]
    assert isinstance(reference[-1], Stopped)
    assert stopped.at_ms == reference[-1].at_ms
    assert TONES.recogniser.transcribe(stopped.samples) == "cut me anywhere"
    assert ear.position_ms == len(octets) // 48


def test_endless_audio_is_bounded() -> None:
    ear = Ear(TONES)
    ear.configure(PCM_24K, None, manual=True)
    for _ in range(4):
        ear.feed(bytes(48000 * 50))
    assert ear.buffered_ms <= MAX_TURN * 1000
    ear.configure(PCM_24K, settings(), manual=False)
    ear.feed(bytes(4800))
    assert ear.buffered_ms < 2000
    assert ear.position_ms == 200_100


def test_silence_that_goes_by_unheard_is_silence() -> None:
    octets = encode(speech("after all that", before=0.0, after=0.7), PCM16_24K)
    ear, wary = Ear(TONES), Ear(TONES)
    wary._patient = False
    events: list[list[object]] = []
    for each in (ear, wary):
        each.configure(PCM_24K, settings(), manual=False)
        heard: list[object] = []
        for _ in range(3):
            for seconds in (1.0, 2.0, 7.0, 0.02, 0.1):
                heard += each.feed(bytes(round(48000 * seconds)))
            for at in range(0, len(octets), 4800):
                heard += each.feed(octets[at : at + 4800])
        events.append(heard)
    assert ear.position_ms == wary.position_ms
    assert len([event for event in events[0] if isinstance(event, Stopped)]) == 3
    for one, other in zip(*events, strict=True):
        if isinstance(one, Stopped) and isinstance(other, Stopped):
            assert one.at_ms == other.at_ms
            assert np.array_equal(one.samples, other.samples)
        else:
            assert one == other


def test_skipped_audio_counts_as_received() -> None:
    ear = Ear(TONES)
    ear.configure(PCM_24K, settings(prefix_padding=0.0), manual=False)
    ear.skip(bytes(48000))
    events = ear.feed(encode(speech("hello", before=0.5), PCM16_24K))
    assert isinstance(events[0], Started)
    assert events[0].at_ms == pytest.approx(1500, abs=100)


def test_no_padding_still_gives_the_recogniser_the_beginning() -> None:
    ear = Ear(TONES)
    ear.configure(PCM_24K, settings(prefix_padding=0.0), manual=False)
    stopped = ear.feed(encode(speech("from the start"), PCM16_24K))[-1]
    assert isinstance(stopped, Stopped)
    assert TONES.recogniser.transcribe(stopped.samples) == "from the start"


# --- small parts


def test_ids_have_the_services_shapes_and_repeat_with_a_seed() -> None:
    ids = make_ids(5)
    first = [ids.new(), ids.session(), ids.call(3)]
    assert UUID4.fullmatch(first[0])
    assert re.fullmatch(r"[0-9a-f]{32}", first[1])
    assert UUID4.fullmatch(first[2].removeprefix("call-").removesuffix("-3"))
    again = make_ids(5)
    assert [again.new(), again.session(), again.call(3)] == first
    assert make_ids(None).new() != make_ids(None).new()


@pytest.mark.parametrize(
    ("replace", "expected"),
    [
        ({}, "The API of ACME, acme-like; acmeist."),
        ({"acme": "ack me"}, "The API of ack me, ack me-like; acmeist."),
        ({"API": "A P I", "the api": "that thing"}, "that thing of ACME, acme-like; acmeist."),
        ({"": "x"}, "The API of ACME, acme-like; acmeist."),
        ({"of ACME,": r"\1"}, r"The API \1 acme-like; acmeist."),
    ],
)
def test_substitution(replace: dict[str, str], expected: str) -> None:
    assert substitute("The API of ACME, acme-like; acmeist.", replace) == expected


def test_meter_counts_only_what_is_new_and_bills_by_clock_or_by_audio() -> None:
    meter = Meter(100.0)
    meter.add_text("eight ch")
    meter.add_audio(2.0)
    first = meter.bill(107.2, "four", 1.0, by_clock=True)
    assert (first.input_text_tokens, first.input_audio_tokens, first.output_text_tokens) == (2, 100, 1)
    assert first.billable_audio_seconds == 8
    meter.add_audio(1.5)
    second = meter.bill(200.0, "", 0.7, by_clock=False)
    assert (second.input_text_tokens, second.input_audio_tokens) == (0, 75)
    assert second.billable_audio_seconds == 3
    wire = second.to_wire()
    assert wire["total_tokens"] == 75 + 35


async def test_vault_is_bounded(autojump_clock: trio.abc.Clock) -> None:
    vault = Vault(make_ids(1), 10.0)
    first = vault.mint(100)
    for _ in range(10_000):
        vault.mint(100)
    assert not vault.accepts(first)
    for index in range(1001):
        vault.keep(str(index), ())
    assert vault.find("0") is None
    assert vault.find("1000") == ()


# --- whole sessions


async def test_a_conversation_between_protocol_objects(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"lights": [say("Doing it."), call("switch", on=True)], "result": [say("Done.")]})
    async with running(brain) as rig:
        url = grok.build_url(f"ws://{rig.authority}/v1/realtime", model="grok-voice-latest")
        async with open_websocket(rig.network, url, headers=AUTH) as socket:
            wire = grok.GrokClient()

            async def until(kind: type[grok.Event]) -> grok.Event:
                with trio.fail_after(30):
                    while True:
                        event = wire.receive(await socket.receive()).event
                        assert not isinstance(event, grok.ErrorEvent), event
                        if isinstance(event, kind):
                            return event

            await until(grok.ConversationCreated)
            config = grok.SessionConfig(
                voice="eve",
                turn_detection=grok.TurnDetection(create_response=True),
                tools=(grok.FunctionTool(name="switch", parameters={"type": "object"}),),
            )
            await socket.send(wire.send(grok.SessionUpdate(session=config)))
            await until(grok.SessionUpdated)
            for block in np.array_split(speech("lights"), 12):
                await socket.send(wire.send_audio(encode(block, PCM16_24K)))
            called = await until(grok.ResponseFunctionCallArgumentsDone)
            assert isinstance(called, grok.ResponseFunctionCallArgumentsDone)
            await until(grok.ResponseDone)
            result = grok.FunctionCallOutput(call_id=called.call_id, output="ok")
            await socket.send(wire.send(grok.ConversationItemCreate(item=result)))
            await socket.send(wire.send(grok.ResponseCreate()))
            done = await until(grok.ResponseDone)
            assert isinstance(done, grok.ResponseDone)
            output = done.response.output
            assert output is not None
            assert isinstance(output[0], grok.Message)
            assert output[0].words == "Done."


def _nonsense(rng: random.Random, seen: list[str]) -> str | bytes:
    """Something a client might send, mostly at a bad moment, sometimes broken."""
    some_id = rng.choice([*seen[-20:], "nobody"])
    audio = encode(speech(rng.choice(["yes", "what about it"]), before=0.0, after=0.6), PCM16_24K)
    message: dict[str, object] = rng.choice(
        [
            {"type": "session.update", "session": VAD},
            {"type": "session.update", "session": {"turn_detection": None}},
            {"type": "session.update", "session": {"audio": {"output": {"transport": rng.choice(["json", "binary"])}}}},
            {"type": "session.update", "session": {"audio": {"input": {"format": {"type": rng.choice(
                ["audio/pcm", "audio/pcmu", "audio/opus"])}}}}},
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()},
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio[: len(audio) // 2]).decode()},
            {"type": "input_audio_buffer.commit"},
            {"type": "input_audio_buffer.clear"},
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "id": rng.choice(
                [None, some_id]), "content": [{"type": "input_text", "text": rng.choice(["go", "lights"])}]}},
            {"type": "conversation.item.create", "item": {"type": "force_message", "role": "assistant",
                "interruptible": rng.random() < 0.5, "content": [{"type": "output_text", "text": "A line."}]}},
            {"type": "conversation.item.create", "item": {
                "type": "function_call_output", "call_id": some_id, "output": "?"}},
            {"type": "conversation.item.delete", "item_id": some_id},
            {"type": "conversation.item.truncate", "item_id": some_id, "audio_end_ms": rng.randrange(3000)},
            {"type": "response.create"},
            {"type": "response.create", "response": {"modalities": ["text"]}},
            {"type": "response.cancel"},
            {"type": "response.cancel", "response_id": some_id},
            {"type": "mystery"},
        ]
    )  # fmt: skip
    text = json.dumps(message)
    roll = rng.random()
    if roll < 0.03:
        return text[: rng.randrange(len(text))]
    if roll < 0.06:
        return rng.randbytes(rng.randrange(5000))
    return text


@pytest.mark.parametrize("seed", range(6))
async def test_no_order_of_events_breaks_a_session(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    rng = random.Random(seed)
    rules = Rules(
        {"go": [say("This takes a while to say. " * 5)], "lights": [say("Yes."), call("f"), call("g")]}
    )
    profile = rng.choice(list(grok.Profile))
    async with (
        running(
            rules,
            profile=profile,
            ping_period=None,
            resume_window=rng.choice([0.0, 1.0]),
            drop_talked_over_responses=rng.random() < 0.5,
            speech_events_in_manual=rng.random() < 0.5,
        ) as rig,
        rig.client(greeted=False) as client,
    ):
        seen: list[str] = ["x"]
        open_response: str | None = None
        dropped = 0
        # Raises for an event that belongs to no running response or to an item that was not announced.
        judge = grok.GrokServer(profile=profile)

        async def read() -> None:
            nonlocal open_response, dropped
            while True:
                message = await client.receive()
                if message["type"] == "binary":
                    continue
                event = grok.decode_server_event(json.dumps(message)).event
                assert isinstance(event, grok.ServerEvent)
                if not isinstance(
                    event, grok.ResponseOutputAudioDelta
                ):  # the judge does not know the transport
                    judge.send(event)
                match event:
                    case grok.ConversationItemAdded(item=item) if item.id:
                        seen.append(item.id)
                    case grok.ResponseCreated(response=response):
                        dropped += open_response is not None
                        open_response = response.id
                    case grok.ResponseDone(response=response):
                        assert response.id == open_response
                        open_response = None
                    case grok.ResponseEvent(response_id=response_id):
                        assert response_id == open_response
                    case _:
                        pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(150):
                await client.socket.send(_nonsense(rng, seen))
                await trio.sleep(rng.choice([0.0, 0.01, 0.3, 1.0]))
            # It still works.
            await client.send("session.update", session={"turn_detection": None})
            await trio.sleep(60)
            n_before = len(client.received)
            await client.send("response.create")
            await trio.sleep(60)
            assert client.received[-1]["type"] == "response.done", client.received[n_before:]
            nursery.cancel_scope.cancel()
        if not rig.emulator.options.drop_talked_over_responses:
            assert dropped == 0
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
