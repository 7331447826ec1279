"""The emulator against a client library it was not written with: OpenAI's, whose vocabulary the service speaks.

The library runs on asyncio in a thread of its own, over loopback TCP.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import trio
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import (
    RealtimeServerEvent,
    ResponseAudioDeltaEvent,
    ResponseAudioTranscriptDoneEvent,
    ResponseDoneEvent,
    ResponseFunctionCallArgumentsDoneEvent,
)

from callboard.actors._network import TcpNetwork
from callboard.actors.brains import Action, CallTool, Speak
from callboard.media import PCM16_24K, encode
from tests.actors.emulator_grok_kit import Rig, heard, running
from tests.actors.emulator_kit import Rules, speech

Events = list[RealtimeServerEvent]
TOOL = {
    "type": "function",
    "name": "train_line",
    "description": "Trains of a town",
    "parameters": {"type": "object", "properties": {"port": {"type": "string"}}},
}
RULES: dict[str, list[Action]] = {
    "When does the train leave Derby?": [
        Speak(text="Let me look."),
        CallTool(name="train_line", arguments={"port": "Derby"}),
    ],
    "result": [Speak(text="Last train is at noon.")],
    "go": [Speak(text="One long sentence after another. " * 30)],
}

Talk = Callable[[AsyncRealtimeConnection], Awaitable[None]]


@asynccontextmanager
async def loopback(brain: Rules) -> AsyncGenerator[Rig, None]:
    async with running(brain, network=TcpNetwork(), first_audio_delay=0.01, output_speed=30.0) as rig:
        yield rig


async def openai_client(rig: Rig, talk: Talk) -> None:
    """Run `talk` with a connection of the library."""

    async def main() -> None:
        async with (
            asyncio.timeout(20),
            AsyncOpenAI(api_key="any-key", base_url=f"http://{rig.authority}/v1") as client,
            client.realtime.connect(model="grok-voice-latest") as connection,
        ):
            await talk(connection)

    await trio.to_thread.run_sync(asyncio.run, main())


async def until(connection: AsyncRealtimeConnection, kind: str) -> Events:
    events: Events = []
    async for event in connection:
        events.append(event)
        if event.type == kind:
            return events
    raise AssertionError(f"closed before {kind}")


def audio_of(events: Events) -> bytes:
    deltas = (event for event in events if isinstance(event, ResponseAudioDeltaEvent))
    return b"".join(base64.b64decode(event.delta) for event in deltas)


def done_of(events: Events) -> ResponseDoneEvent:
    (done,) = (event for event in events if isinstance(event, ResponseDoneEvent))
    return done


async def test_text_turn() -> None:
    async def talk(connection: AsyncRealtimeConnection) -> None:
        await until(connection, "conversation.created")
        await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        await until(connection, "session.updated")
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        )
        await connection.response.create()
        events = await until(connection, "response.done")
        (said,) = (event for event in events if isinstance(event, ResponseAudioTranscriptDoneEvent))
        assert said.transcript == "You said hello."
        assert heard(audio_of(events)) == ["You said hello."]
        response = done_of(events).response
        assert response.status == "completed"
        assert response.output is not None
        assert response.output[0].type == "message"

    brain = Rules(RULES)
    async with loopback(brain) as rig:
        await openai_client(rig, talk)
    assert brain.inputs[0].instructions == "Be brief."


async def test_spoken_turn_under_server_vad() -> None:
    async def talk(connection: AsyncRealtimeConnection) -> None:
        await connection.session.update(
            session={
                "type": "realtime",
                "audio": {
                    "input": {
                        "turn_detection": {"type": "server_vad", "create_response": True},
                        "transcription": {"model": "grok-transcribe"},
                    },
                    "output": {"voice": "eve"},
                },
            }
        )
        await until(connection, "session.updated")
        for block in np.array_split(speech("good morning to you"), 20):
            audio = base64.b64encode(encode(block, PCM16_24K)).decode()
            await connection.input_audio_buffer.append(audio=audio)
        events = await until(connection, "response.done")
        kinds = [event.type for event in events]
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.committed")
        final = [event for event in events if "input_audio_transcription.completed" in event.type][-1]
        assert getattr(final, "transcript", "") == "good morning to you"
        assert heard(audio_of(events)) == ["You said good morning to you."]

    brain = Rules(RULES)
    async with loopback(brain) as rig:
        await openai_client(rig, talk)
    assert brain.inputs[0].voice == "eve"


async def test_tool_round_trip() -> None:
    async def talk(connection: AsyncRealtimeConnection) -> None:
        await connection.session.update(session={"type": "realtime", "tools": [TOOL]})  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        await until(connection, "session.updated")
        text = "When does the train leave Derby?"
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        )
        await connection.response.create()
        events = await until(connection, "response.done")
        (asked,) = (e for e in events if isinstance(e, ResponseFunctionCallArgumentsDoneEvent))
        assert asked.name == "train_line"
        assert json.loads(asked.arguments) == {"port": "Derby"}
        output = done_of(events).response.output
        assert output is not None
        assert [item.type for item in output] == ["message", "function_call"]
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": asked.call_id, "output": "12:00"}
        )
        await connection.response.create()
        events = await until(connection, "response.done")
        assert heard(audio_of(events)) == ["Last train is at noon."]

    brain = Rules(RULES)
    async with loopback(brain) as rig:
        await openai_client(rig, talk)
    assert brain.inputs[0].tools[0].description == "Trains of a town"
    assert brain.inputs[1].history[-1].text == "12:00"


async def test_cancelled_response() -> None:
    async def talk(connection: AsyncRealtimeConnection) -> None:
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}
        )
        await connection.response.create()
        await until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        assert done_of(await until(connection, "response.done")).response.status == "cancelled"
        # Cancelling what is over is an error the session survives.
        await connection.response.cancel()
        error = (await until(connection, "error"))[-1]
        assert error.type == "error"
        assert "no active response" in error.error.message

    async with loopback(Rules(RULES)) as rig:
        await openai_client(rig, talk)


async def test_client_secret() -> None:
    minted: list[str] = []

    def mint(base_url: str) -> None:
        async def main() -> None:
            async with AsyncOpenAI(api_key="any-key", base_url=base_url) as client:
                secret = await client.realtime.client_secrets.create(
                    expires_after={"anchor": "created_at", "seconds": 60}
                )
                minted.append(secret.value)
            async with (
                AsyncOpenAI(api_key=minted[0], base_url=base_url) as client,
                client.realtime.connect(model="grok-voice-latest") as connection,
            ):
                await until(connection, "conversation.created")

        asyncio.run(main())

    async with loopback(Rules(RULES)) as rig:
        await trio.to_thread.run_sync(mint, f"http://{rig.authority}/v1")
    assert minted[0].startswith("xai-realtime-client-secret-")
