"""How sessions begin and end: welcome, settings, greeting, context, limits, and what is kept of them."""

import json

import numpy as np
import pytest
import trio

from callboard.actors._websocket import SocketClosed
from callboard.actors.brains import RuleBrain
from callboard.actors.emulators import DeepgramEmulatorOptions
from callboard.media import ALAW_8K, PCM16_8K, ULAW_8K, Resampler, decode, encode
from callboard.protocols import deepgram
from tests.actors.emulator_deepgram_kit import (
    FLUX,
    FORMAT,
    RATE_HZ,
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
from tests.actors.emulator_kit import Message, Rules, only, types

AGENT_ID = "6d0c5f5e-3a54-4c0b-8a7a-7b1f0b3c9e21"
AURA = {"provider": {"type": "deepgram", "version": "v1", "model": "aura-2-thalia-en"}}


def audio(**directions: Message) -> Message:
    return settings() | {"audio": directions}


# --- the beginning


async def test_welcome_comes_first_and_by_itself(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client(welcomed=False) as client:
        (welcome,) = await client.until("Welcome", within=0.1)
        assert set(fields(welcome)) == {"type", "request_id"}
        assert rig.emulator.sessions[0].request_id == welcome["request_id"]
        assert await client.quiet(10.0) == []
        assert types(await client.begin()) == ["SettingsApplied"]


async def test_settings_may_come_before_the_welcome_is_read(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client(welcomed=False) as client:
        assert types(await client.begin()) == ["Welcome", "SettingsApplied"]


async def test_audio_sent_behind_the_settings_is_heard(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.socket.send(json.dumps(settings()))
        await client.socket.send(encode(said("early bird"), PCM16_8K))
        assert texts(await client.until("AgentAudioDone"), "user") == ["early bird"]


@pytest.mark.parametrize("first", [True, False])
async def test_the_greeting(autojump_clock: trio.abc.Clock, first: bool) -> None:
    brain = Rules()
    async with running(brain, greeting_first=first) as rig, rig.client() as client:
        before = await client.begin(greeting="Hello. This is the parcel desk.")
        after = await client.until("AgentAudioDone")
    text = ["ConversationText", "History"]
    assert types(before) == ([*text, "SettingsApplied"] if first else ["SettingsApplied"])
    kinds = types(after)
    assert kinds[0] == ("binary" if first else "ConversationText")
    assert texts([*before, *after]) == ["Hello.", "This is the parcel desk."]
    assert heard(bytes(client.audio)) == ["Hello.", "This is the parcel desk."]
    # Word for word, without the language model, which is not measured then.
    assert brain.inputs == []
    assert "LatencyReport" not in kinds


@pytest.mark.parametrize(
    "first",
    ['{"type":"KeepAlive"}', b"\0\0", '{"type":"InjectUserMessage","content":"hm"}'],
)
async def test_anything_but_settings_first(autojump_clock: trio.abc.Clock, first: str | bytes) -> None:
    async with running() as rig, rig.client() as client:
        await client.socket.send(first)
        error = await client.ended()
    assert (error["code"], error["close"]) == ("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", 1005)


async def test_settings_only_once(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as client:
        await client.socket.send(json.dumps(settings()))
        error = await client.ended()
    assert (error["code"], error["close"]) == ("SETTINGS_ALREADY_APPLIED", 1005)


WRONG: list[tuple[Message, str]] = [
    ({"type": "Settings"}, "UNPARSABLE_CLIENT_MESSAGE"),
    (settings() | {"agents": 1}, "UNPARSABLE_CLIENT_MESSAGE"),
    (settings(greetings="Hi."), "UNPARSABLE_CLIENT_MESSAGE"),
    (settings(listen={"model": "nova-3"}), "UNPARSABLE_CLIENT_MESSAGE"),
    (settings(think_live={"provider": {"type": "deepgram"}}), "UNPARSABLE_CLIENT_MESSAGE"),
    (audio(input={"encoding": "opus", "sample_rate": 48000}), "INVALID_SETTINGS"),
    (audio(input={"encoding": "linear16", "sample_rate": 4000}), "INVALID_SETTINGS"),
    (audio(output={"encoding": "mp3"}), "INVALID_SETTINGS"),
    (audio(output={"encoding": "linear16", "sample_rate": 11025}), "INVALID_SETTINGS"),
    (settings() | {"agent": "not a uuid"}, "INVALID_AGENT_ID"),
    (settings() | {"agent": AGENT_ID}, "INVALID_AGENT_ID"),
]


@pytest.mark.parametrize(("message", "code"), WRONG)
async def test_settings_that_are_not_acceptable(
    autojump_clock: trio.abc.Clock, message: Message, code: str
) -> None:
    async with running() as rig, rig.client() as client:
        await client.socket.send(json.dumps(message))
        error = await client.ended()
        record = rig.emulator.sessions[0]
    assert (error["code"], error["close"]) == (code, 1005)
    assert record.error is not None
    assert record.error.code == code


async def test_settings_that_never_come(autojump_clock: trio.abc.Clock) -> None:
    async with running(settings_timeout=15.0) as rig, rig.client() as client:
        error = await client.ended()
    assert error["code"] == "CLIENT_MESSAGE_TIMEOUT"
    assert error["at"] == pytest.approx(15.0, abs=0.1)


async def test_a_long_prompt_is_cut_with_a_warning(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        messages = await client.begin(think=think(prompt="x" * 25_001))
    assert [warning["code"] for warning in only(messages, "Warning")] == ["PROMPT_TOO_LONG"]


# --- agents and context


async def test_a_stored_agent(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    stored = {"think": think(function("trains"), prompt="Stored."), "greeting": "Stored hello."}
    message = settings() | {"agent": AGENT_ID}
    async with running(brain, agents={AGENT_ID: stored}) as rig, rig.client() as client:
        before = await client.begin(message)
        await client.until("AgentAudioDone")
        await client.ask("hm")
        await client.send("UpdatePrompt", prompt="More.")
        await client.until("PromptUpdated")
        await client.ask("hm")
    assert texts(before) == ["Stored hello."]
    assert [given.instructions for given in brain.inputs] == ["Stored.", "Stored.\nMore."]
    assert [tool.name for tool in brain.inputs[0].tools] == ["trains"]


async def test_a_server_without_stored_agents(autojump_clock: trio.abc.Clock) -> None:
    async with running(agents=None) as rig, rig.client() as client:
        await client.socket.send(json.dumps(settings() | {"agent": AGENT_ID}))
        assert (await client.ended())["code"] == "AGENT_ID_NOT_SUPPORTED"


async def test_a_conversation_goes_on_where_it_was_left(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    told = {
        "id": "call_1",
        "name": "trains",
        "client_side": True,
        "arguments": '{"town":"Derby"}',
        "response": "12:00",
    }
    context = [
        {"type": "History", "role": "user", "content": "When goes the train?"},
        {"type": "History", "function_calls": [told]},
        {"type": "History", "role": "assistant", "content": "At noon."},
    ]
    async with running(brain) as rig, rig.talking(context={"messages": context}) as client:
        # It is not told again.
        assert types(client.received) == ["Welcome", "SettingsApplied"]
        await client.ask("and then?")
        record = rig.emulator.sessions[0]
    assert [(turn.role, turn.text, turn.call_id) for turn in brain.inputs[0].history] == [
        ("user", "When goes the train?", ""),
        ("assistant", "", "call_1"),
        ("tool", "12:00", "call_1"),
        ("assistant", "At noon.", ""),
        ("user", "and then?", ""),
    ]
    assert len(record.history) == 5
    assert record.history[1].function_calls is not None


async def test_the_built_in_brain_takes_up_an_answer_that_was_lost(autojump_clock: trio.abc.Clock) -> None:
    prices: Message = {
        "name": "train_price",
        "description": "What a train costs",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
        },
    }
    context = [
        {"type": "History", "role": "user", "content": "What does the train to Derby cost?"},
        {"type": "History", "role": "assistant", "content": "Let me check that for you."},
    ]
    async with (
        running(RuleBrain()) as rig,
        rig.talking(think=think(prices), context={"messages": context}) as client,
    ):
        await client.send("InjectUserMessage", content="Please go on.")
        (asked,) = functions_of(await client.next("FunctionCallRequest"))
        assert json.loads(str(asked["arguments"])) == {"town": "Derby"}
        await client.answer(asked, "nine pounds")
        while "nine pounds" not in " ".join(texts(client.received, "assistant")):
            await client.until("ConversationText")


# --- audio formats


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 44100, 48000])
async def test_linear_audio(autojump_clock: trio.abc.Clock, rate_hz: int) -> None:
    one_way: Message = {"encoding": "linear16", "sample_rate": rate_hz}
    samples = Resampler(RATE_HZ, rate_hz).process(said("any rate"))
    async with running() as rig, rig.talking(audio(input=one_way, output=one_way)) as client:
        await client.socket.send(samples.astype("<i2").tobytes())
        assert texts(await client.until("AgentAudioDone"), "user") == ["any rate"]
    assert heard(bytes(client.audio), rate_hz) == ["You said any rate."]


@pytest.mark.parametrize(("name", "rate_hz"), [("mulaw", 8000), ("alaw", 8000), ("mulaw", 16000)])
async def test_companded_audio(autojump_clock: trio.abc.Clock, name: str, rate_hz: int) -> None:
    one_way: Message = {"encoding": name, "sample_rate": rate_hz}
    layout = {"mulaw": ULAW_8K, "alaw": ALAW_8K}[name]
    samples = Resampler(RATE_HZ, rate_hz).process(said("any law")) if rate_hz != RATE_HZ else said("any law")
    async with running() as rig, rig.talking(audio(input=one_way, output=one_way)) as client:
        await client.socket.send(encode(samples, layout))
        assert texts(await client.until("AgentAudioDone"), "user") == ["any law"]
    spoken = decode(bytes(client.audio), layout)
    assert heard(spoken.astype("<i2").tobytes(), rate_hz) == ["You said any law."]


async def test_defaults_of_the_formats(autojump_clock: trio.abc.Clock) -> None:
    samples = Resampler(RATE_HZ, 24000).process(said("nothing said"))
    async with running() as rig, rig.talking(audio()) as client:
        await client.socket.send(samples.astype("<i2").tobytes())
        assert texts(await client.until("AgentAudioDone"), "user") == ["nothing said"]
    assert heard(bytes(client.audio), 24000) == ["You said nothing said."]


async def test_a_container(autojump_clock: trio.abc.Clock) -> None:
    message = audio(input=FORMAT, output={**FORMAT, "container": "wav"})
    agent = settings(speak=AURA)["agent"]
    async with running() as rig, rig.talking(message | {"agent": agent}) as client:
        await client.ask("hm")
    header, rest = bytes(client.audio[:44]), bytes(client.audio[44:])
    assert (header[:4], header[8:16], header[36:40]) == (b"RIFF", b"WAVEfmt ", b"data")
    assert int.from_bytes(header[24:28], "little") == RATE_HZ
    assert heard(rest) == ["You said hm."]


@pytest.mark.parametrize("magic", [b"RIFF", b"OggS", b"fLaC", b"\x1aE\xdf\xa3"])
async def test_files_are_not_audio(autojump_clock: trio.abc.Clock, magic: bytes) -> None:
    async with running() as rig, rig.talking() as client:
        await client.socket.send(magic + bytes(100))
        assert (await client.ended())["code"] == "USER_AUDIO_FORMAT"


# --- limits


async def test_a_silent_client_is_closed(autojump_clock: trio.abc.Clock) -> None:
    async with running(idle_timeout=12.0) as rig, rig.client() as client:
        await client.begin()
        begun = trio.current_time()
        error = await client.ended()
    assert error["code"] == "CLIENT_MESSAGE_TIMEOUT"
    assert float(str(error["at"])) - begun == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize("message", ['{"type":"KeepAlive"}', b"\0\0" * 80])
async def test_any_message_keeps_a_session_alive(
    autojump_clock: trio.abc.Clock, message: str | bytes
) -> None:
    async with running(idle_timeout=12.0) as rig, rig.client() as client:
        await client.begin()
        for _ in range(10):
            await trio.sleep(11.0)
            await client.socket.send(message)
        assert await client.quiet(11.0) == []
        assert (await client.ended())["code"] == "CLIENT_MESSAGE_TIMEOUT"


async def test_a_session_has_a_longest_life(autojump_clock: trio.abc.Clock) -> None:
    async with running(session_warning=90.0, session_limit=120.0) as rig, rig.talking() as client:
        warning = await client.next("Warning", within=200.0)
        error = await client.ended(within=200.0)
    assert warning["code"] == "MAXIMUM_SESSION_LENGTH_APPROACHING"
    assert warning["at"] == pytest.approx(90.0, abs=0.1)
    assert error["code"] == "MAXIMUM_SESSION_LENGTH_REACHED"
    assert error["at"] == pytest.approx(120.0, abs=0.1)


def test_limits_are_those_of_the_service() -> None:
    options = DeepgramEmulatorOptions()
    assert (options.session_warning, options.session_limit) == (6900.0, 7200.0)
    assert (options.idle_timeout, options.settings_timeout) == (12.0, 15.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("silence_duration", 0.0),
        ("chunk", float("nan")),
        ("think_delay", -1.0),
        ("stray_chunks", -1),
        ("speculate_after", -0.1),
        ("speculate_after", 0.5),
    ],
)
def test_options_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        DeepgramEmulatorOptions(**{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- what is kept


async def test_the_record_of_a_session(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        async with rig.talking(listen=FLUX) as client:
            await client.socket.send(np.zeros(800, "<i2").tobytes())
            await client.ask("hm")
            (record,) = rig.emulator.sessions
            assert not record.closed
        await trio.sleep(1.0)
        assert record.closed
        assert record.number == 1
        assert record.octets_heard == 1600
        assert record.settings is not None
        assert isinstance(record.settings.agent, deepgram.Agent)
        assert record.settings.agent.listen is not None
        assert record.settings.agent.listen.provider.model == "flux-general-en"
        assert [type(message) for message in record.received] == [deepgram.InjectUserMessage]
        assert [entry.content for entry in record.history] == ["hm", "You said hm."]
        assert record.error is None


async def test_the_same_seed_makes_the_same_ids(autojump_clock: trio.abc.Clock) -> None:
    seen: list[list[str]] = []
    for seed in (1, 1, 2):
        async with running(seed=seed) as rig, rig.client(), rig.client():
            seen.append([record.request_id for record in rig.emulator.sessions])
    assert seen[0] == seen[1] != seen[2]
    assert len(set(seen[0])) == 2


async def test_a_client_that_leaves(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        async with rig.client() as client:
            await client.begin(greeting="Hello. " * 50)
            await client.socket.aclose()
            with pytest.raises(SocketClosed):
                await client.until("AgentAudioDone")
        await trio.sleep(1.0)
        assert rig.emulator.statistics().open == 0
