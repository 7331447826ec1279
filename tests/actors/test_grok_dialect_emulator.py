"""The emulator's second path: code written after the summary page, and nothing else, can talk to it."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio

from callboard.actors._websocket import DialFailed, SocketClosed, WebSocket, open_websocket
from callboard.actors.emulators import GrokFault, GrokFaultAction
from callboard.media import AudioFormat, Encoding, Resampler, Samples, ToneDecoder, decode, encode
from callboard.protocols.grok import dialect
from tests.actors.emulator_grok_kit import AUTH, Rig, running
from tests.actors.emulator_kit import Message, Rules, call, only, pick, request, say, speech

LONG = "one two three four five six seven eight nine ten eleven twelve"
PCM_16K = AudioFormat(Encoding.PCM16, 16000)
PCM_24K = AudioFormat(Encoding.PCM16, 24000)


@attrs.define
class Client:
    """Sends and receives JSON of the dialect; whatever else comes is a failure."""

    socket: WebSocket
    audio_format: AudioFormat = PCM_24K
    received: list[Message] = attrs.field(factory=list[Message])
    audio: bytearray = attrs.field(factory=bytearray)

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> Message:
        raw = await self.socket.receive()
        event = dialect.decode_server_message(raw).event
        assert isinstance(event, dialect.SERVER_MESSAGES), raw
        if isinstance(event, dialect.AudioDelta):
            self.audio += event.payload()
        message: Message = json.loads(raw)
        self.received.append(message)
        return message

    async def until(self, kind: str, **fields: object) -> list[Message]:
        """All messages up to and with the next one of a type and with these fields."""
        messages: list[Message] = []
        with trio.fail_after(60):
            while True:
                messages.append(await self.receive())
                if messages[-1]["type"] == kind and fields.items() <= messages[-1].items():
                    return messages

    async def next(self, kind: str, **fields: object) -> Message:
        return (await self.until(kind, **fields))[-1]

    async def answer(self) -> str:
        """The next answer, whole."""
        return str((await self.next("transcript", role="assistant", final=True))["text"])

    async def quiet(self, seconds: float = 3.0) -> list[Message]:
        """What comes within some time."""
        messages: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                messages.append(await self.receive())
        return messages

    async def configure(self, **config: object) -> Message:
        await self.send("session.configure", config=config)
        return await self.next("session.configured")

    async def ask(self, text: str) -> str:
        await self.send("text.append", text=text)
        return await self.answer()

    async def speak(self, samples: Samples, *, chunk: float = 0.1) -> None:
        """Send audio at the speed of speech."""
        size = int(self.audio_format.rate_hz * chunk)
        for at in range(0, len(samples), size):
            payload = encode(samples[at : at + size], self.audio_format)
            await self.send("audio.append", audio=base64.b64encode(payload).decode())
            await trio.sleep(chunk)

    def heard(self) -> list[str]:
        """The words in the audio that came, which are tones."""
        samples = decode(bytes(self.audio), self.audio_format)
        self.audio.clear()
        narrow = Resampler(self.audio_format.rate_hz, 8000).process(samples)
        silence = np.zeros(800, np.int16)
        return [str(text) for text in ToneDecoder().push(np.concatenate((narrow, silence)))]


@asynccontextmanager
async def connected(
    rig: Rig, audio_format: AudioFormat = PCM_24K, *, configured: bool = True
) -> AsyncGenerator[Client, None]:
    url = f"ws://{rig.authority}/v1/voice/agent"
    async with open_websocket(rig.network, url, headers=AUTH) as socket:
        client = Client(socket, audio_format)
        if configured:
            await client.configure()
        yield client


@asynccontextmanager
async def talking(brain: Rules | None = None, **options: object) -> AsyncGenerator[Client, None]:
    async with running(brain, **options) as rig, connected(rig) as client:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        yield client


def said(brain: Rules) -> list[tuple[str, str]]:
    """What the brain was last given."""
    return [(turn.role, turn.text or turn.name) for turn in brain.inputs[-1].history]


# --- the page's examples


async def test_the_example_of_the_page_holds_a_conversation(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, connected(rig, PCM_16K, configured=False) as client:
        config = {
            "model": "grok-4",
            "voice": "default",
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "sample_rate": 16000,
        }
        configured = await client.configure(**config)
        assert configured["config"] == config | {"model": "grok-voice-latest"}
        await client.speak(speech("good day", rate_hz=16000))
        messages = await client.until("transcript", role="assistant", final=True)
        assert {"type": "transcript", "text": "good day", "role": "user", "final": True} in messages
        assert messages[-1]["text"] == "You said good day."
        assert client.heard() == ["You said good day."]


async def test_the_tool_example_of_the_page(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"weather": [call("get_weather", location="Brest")], "result": [say("It rains.")]})
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get weather for a location",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
        },
    }
    async with talking(brain) as client:
        await client.configure(model="grok-4", tools=[tool])
        await client.send("text.append", text="weather")
        message = await client.next("tool_call")
        arguments = pick(message, "function.arguments")
        assert json.loads(str(arguments)) == {"location": "Brest"}
        assert pick(message, "function.name") == "get_weather"
        await client.send("tool_result", tool_call_id=message["id"], result=json.dumps({"sky": "grey"}))
        assert await client.answer() == "It rains."
        (spec,) = brain.inputs[-1].tools
        assert (spec.name, spec.description) == ("get_weather", "Get weather for a location")
        assert said(brain)[-1] == ("tool", '{"sky": "grey"}')


# --- formats


@pytest.mark.parametrize(
    ("name", "audio_format"),
    [
        ("pcm16", AudioFormat(Encoding.PCM16, 8000)),
        ("pcm16", AudioFormat(Encoding.PCM16, 16000)),
        ("pcm16", AudioFormat(Encoding.PCM16, 48000)),
        ("g711_ulaw", AudioFormat(Encoding.ULAW, 8000)),
        ("g711_alaw", AudioFormat(Encoding.ALAW, 8000)),
    ],
)
async def test_audio_both_ways_in_every_format(
    autojump_clock: trio.abc.Clock, name: str, audio_format: AudioFormat
) -> None:
    async with running() as rig, connected(rig, audio_format, configured=False) as client:
        await client.configure(
            input_audio_format=name, output_audio_format=name, sample_rate=audio_format.rate_hz
        )
        await client.speak(speech("hello", rate_hz=audio_format.rate_hz))
        assert await client.answer() == "You said hello."
        assert client.heard() == ["You said hello."]


async def test_settings_can_change_during_a_session(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with talking(brain) as client:
        await client.ask("one")
        client.audio.clear()
        configured = await client.configure(
            voice="eve", instructions="Be brief.", output_audio_format="g711_ulaw"
        )
        assert configured["config"] == {
            "model": "grok-voice-latest",
            "voice": "eve",
            "instructions": "Be brief.",
            "output_audio_format": "g711_ulaw",
        }
        client.audio_format = AudioFormat(Encoding.ULAW, 8000)
        await client.ask("two")
        assert client.heard() == ["You said two."]
        assert (brain.inputs[-1].voice, brain.inputs[-1].instructions) == ("eve", "Be brief.")


async def test_settings_that_cannot_be_had_are_refused(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.send("session.configure", config={"sample_rate": 12345})
        error = await client.next("error")
        assert pick(error, "error.param") == "config.sample_rate"
        assert await client.ask("still there") == "You said still there."


# --- turns


async def test_commit_ends_a_turn_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.speak(speech("quick", after=0.05))
        await client.send("audio.commit")
        assert await client.answer() == "You said quick."
        # Silence afterwards is no second turn.
        await client.speak(np.zeros(36000, np.int16))
        assert not only(await client.quiet(), "transcript")


async def test_commit_after_the_turn_was_answered_is_not_a_second_turn(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules()
    async with talking(brain) as client:
        await client.speak(speech("good day"))
        await client.send("audio.commit")
        assert await client.answer() == "You said good day."
        assert not only(await client.quiet(), "transcript")
        assert len(brain.inputs) == 1


async def test_commit_asks_for_words_when_nobody_spoke(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.send("audio.commit")
        assert await client.answer() == "Hello there."


async def test_manual_turns_wait_for_the_commit(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.configure(turn_detection={"type": None})
        await client.speak(speech("hello", after=2.0))
        assert not await client.quiet()
        await client.send("audio.commit")
        assert await client.answer() == "You said hello."


async def test_texts_that_come_during_an_answer_are_answered_after_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    brain = Rules({"long": [say(LONG)]})
    async with talking(brain) as client:
        await client.send("text.append", text="long")
        await client.next("audio.delta")
        await client.send("text.append", text="and")
        assert await client.answer() == LONG
        assert await client.answer() == "You said and."
        assert not await client.quiet()


async def test_texts_in_a_row_are_not_lost(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with talking(brain) as client:
        await client.send("text.append", text="a")
        await client.send("text.append", text="b")
        await client.quiet()
        assert ("user", "a") in said(brain)
        assert ("user", "b") in said(brain)


async def test_an_interruption_is_remembered_as_heard(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"long": [say(LONG)]})
    async with talking(brain) as client:
        await client.send("text.append", text="long")
        await client.next("audio.delta")
        await trio.sleep(0.2)
        await client.send("conversation.interrupt")
        # What was on its way, and no more.
        rest = await client.quiet()
        assert not only(rest, "error")
        assert {"type": "transcript", "text": LONG, "role": "assistant", "final": True} not in rest
        await client.ask("and")
        kept = said(brain)[1]
        assert kept[0] == "assistant"
        assert LONG.startswith(kept[1])
        assert len(kept[1]) < len(LONG)


async def test_an_answer_that_plays_on_can_be_interrupted(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"long": [say(LONG)]})
    async with talking(brain) as client:
        assert await client.ask("long") == LONG
        await client.send("conversation.interrupt")
        assert not await client.quiet()
        await client.ask("and")
        assert 0 < len(said(brain)[1][1]) < len(LONG)


async def test_interrupting_nothing_is_no_mistake(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.send("conversation.interrupt")
        assert not await client.quiet()


async def test_a_caller_talks_over_an_answer(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"long": [say(LONG)]})
    async with talking(brain) as client:
        await client.send("text.append", text="long")
        await client.next("audio.delta")
        await client.speak(speech("stop", before=0.2))
        assert await client.answer() == "You said stop."
        history = said(brain)
        assert [role for role, _ in history] == ["user", "assistant", "user"]
        assert len(history[1][1]) < len(LONG)


async def test_results_are_answered_after_the_last(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"both": [call("one"), call("two")], "result": [say("Done.")]})
    async with talking(brain) as client:
        await client.send("text.append", text="both")
        first, second = await client.next("tool_call"), await client.next("tool_call")
        await client.send("tool_result", tool_call_id=second["id"], result="2")
        assert not await client.quiet()
        await client.send("tool_result", tool_call_id=first["id"], result="1")
        assert await client.answer() == "Done."
        assert len(brain.inputs) == 2


async def test_results_of_unknown_calls_are_refused(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        await client.send("tool_result", tool_call_id="nobody's", result="")
        error = await client.next("error")
        assert pick(error, "error.param") == "tool_call_id"


# --- the path


async def test_nothing_is_said_before_the_client_has_spoken(autojump_clock: trio.abc.Clock) -> None:
    async with running(ping_period=1.0) as rig, connected(rig, configured=False) as client:
        assert not await client.quiet(10.0)
        await client.send("text.append", text="Hello")
        error = await client.next("error")
        assert "session.configure first" in str(pick(error, "error.message"))


async def test_the_two_wires_are_never_mixed(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        async with connected(rig) as client:
            for kind in ("session.update", "response.create", "input_audio_buffer.append"):
                await client.send(kind)
                error = await client.next("error")
                assert pick(error, "error.type") == "invalid_event"
        async with rig.client() as real:
            await real.send("session.configure", config={})
            error = await real.next("error")
            assert pick(error, "error.type") == "invalid_event"


async def test_both_wires_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with running(factory=Rules) as rig, connected(rig) as client, rig.client() as real:
        assert await client.ask("one") == "You said one."
        await real.ask("two")
        assert rig.emulator.statistics().open == 2


async def test_the_path_has_the_credentials_and_answers_of_the_other(autojump_clock: trio.abc.Clock) -> None:
    async with running(keys=frozenset({"good"})) as rig:
        url = f"ws://{rig.authority}/v1/voice/agent"
        for headers, status in (([], 401), ([("Authorization", "Bearer bad")], 400)):
            with pytest.raises(DialFailed) as failed:
                async with open_websocket(rig.network, url, headers=headers):
                    pass
            assert failed.value.status == status
        status, _ = await request(rig, "GET", "/v1/voice/agent")
        assert status == 426


async def test_garbage_is_answered_and_then_the_socket_is_closed(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as client:
        for message in ("{", "[]", '{"type": 5}', '{"type": "audio.append", "audio": "?"}', b"\0"):
            await client.socket.send(message)
            await client.next("error")
        assert await client.ask("still there") == "You said still there."
        for _ in range(32):
            await client.socket.send("{")
        with pytest.raises(SocketClosed) as closed:
            await client.quiet()
        assert closed.value.code == 1007


async def test_the_end_of_a_session_is_said(autojump_clock: trio.abc.Clock) -> None:
    async with talking(max_session=5.0) as client:
        error = await client.next("error")
        assert pick(error, "error.type") == "max_duration"
        with pytest.raises(SocketClosed):
            await client.receive()


@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        (GrokFaultAction.DROP, ["audio.delta", "transcript"]),
        (GrokFaultAction.DUPLICATE, ["audio.delta", "transcript", "transcript", "transcript"]),
        (GrokFaultAction.ERROR, ["audio.delta", "error", "transcript", "transcript"]),
    ],
)
async def test_faults_strike_at_messages_of_the_dialect(
    autojump_clock: trio.abc.Clock, action: GrokFaultAction, kinds: list[str]
) -> None:
    async with talking(faults=(GrokFault(action=action, event="transcript"),), chunk=10.0) as client:
        await client.send("text.append", text="one")
        assert [message["type"] for message in await client.quiet()] == kinds
