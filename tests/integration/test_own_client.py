"""The four conversations that OpenAI's client has with the emulator, held by ours: over loopback TCP, in real time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import trio

from callboard import grok
from callboard.actors import Edge, MediaUnit, Scope, TcpNetwork, open_system, system_scope, tool
from callboard.actors.brains import Action, CallTool, Speak
from callboard.media import PCM16_24K, AudioFormat, AudioFrame, encode
from tests.actors.emulator_grok_kit import heard, running
from tests.actors.emulator_kit import Rules, speech

Events = grok.VoiceAgentAPIEvents

RULES: dict[str, list[Action]] = {
    "Is the pool open?": [
        Speak(text="I will ask."),
        CallTool(name="pool_hours", arguments={"day": "Monday"}),
    ],
    "result": [Speak(text="It opens at seven.")],
    "go": [Speak(text="One long sentence after another. " * 30)],
}


class Phone(MediaUnit):
    """Hears the agent and speaks to it, in PCM at 24 kHz."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("phone", scope)
        self.payload = bytearray()

    @property
    def output_format(self) -> AudioFormat:
        return PCM16_24K

    @property
    def input_format(self) -> AudioFormat:
        return PCM16_24K

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        self.payload += frame.payload

    def say(self, text: str) -> None:
        position = 0
        for block in np.array_split(speech(text), 20):
            frame = AudioFrame(payload=encode(block, PCM16_24K), format=PCM16_24K, position=position)
            position += len(block)
            self.emit(frame)

    def words(self) -> list[str]:
        return heard(bytes(self.payload))


@attrs.define
class Line:
    agent: grok.VoiceAgentAPIClient
    phone: Phone
    brain: Rules


@asynccontextmanager
async def open_line() -> AsyncGenerator[Line, None]:
    brain = Rules(RULES)
    network = TcpNetwork()
    async with (
        running(brain, network=network, first_audio_delay=0.01, output_speed=30.0) as rig,
        open_system(network=network) as system,
    ):
        scope = await system_scope(system)
        url = f"ws://{rig.authority}/v1/realtime"
        with trio.fail_after(20):
            agent = await grok.create_voice_agent_api_client(scope, xai_api_key="any-key", base_url=url)
            phone = Phone(scope)
            phone.send_media_to(agent)
            agent.send_media_to(phone)
            yield Line(agent, phone, brain)
            agent.close()


async def test_text_turn() -> None:
    async with open_line() as line:
        done = line.agent.events(Events.ResponseDone)
        await line.agent.configure(instructions="Be brief.")
        line.agent.ask("hello")
        event = await done.receive()
        assert event.data.response.status == "completed"
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert line.phone.words() == ["You said hello."]
        assert line.brain.inputs[0].instructions == "Be brief."


async def test_spoken_turn_under_server_vad() -> None:
    async with open_line() as line:
        kinds = line.agent.events(
            Events.InputAudioBufferSpeechStarted, Events.InputAudioBufferCommitted, Events.ResponseDone
        )
        await line.agent.configure(voice="eve", turn_detection="server_vad")
        line.phone.say("good morning to you")
        seen = [type(await kinds.receive()) for _ in range(3)]
        assert seen == [
            Events.InputAudioBufferSpeechStarted,
            Events.InputAudioBufferCommitted,
            Events.ResponseDone,
        ]
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert line.phone.words() == ["You said good morning to you."]
        assert line.brain.inputs[0].voice == "eve"


async def test_tool_round_trip() -> None:
    asked: list[str] = []

    @tool
    async def pool_hours(day: str) -> str:
        """When the pool opens."""
        asked.append(day)
        return "07:00"

    async with open_line() as line:
        done = line.agent.events(Events.ResponseDone)
        await line.agent.configure(tools=[pool_hours])
        line.agent.ask("Is the pool open?")
        await done.receive()
        await done.receive()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert asked == ["Monday"]
        assert line.brain.inputs[1].history[-1].text == "07:00"
        assert line.phone.words() == ["I will ask.", "It opens at seven."]


async def test_cancelled_response() -> None:
    async with open_line() as line:
        done = line.agent.events(Events.ResponseDone)
        errors = line.agent.events(Events.Error)
        await line.agent.configure()
        line.agent.ask("go")
        while not line.phone.payload:
            await trio.testing.wait_all_tasks_blocked(0.01)
        line.agent.response_cancel()
        assert (await done.receive()).data.response.status == "cancelled"
        # Too late is a race that everybody loses now and then: it is no event, and the session goes on.
        line.agent.response_cancel()
        line.agent.ask("still there?")
        assert (await done.receive()).data.response.status == "completed"
        assert errors.pending == 0
