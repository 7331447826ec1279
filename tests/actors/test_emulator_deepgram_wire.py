"""What the emulator sends and takes, checked message by message by the strict side of the wire."""

from collections.abc import Generator, Mapping, Sequence
from typing import cast

import numpy as np
import pytest
import trio

from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Action
from callboard.actors.emulators import _deepgram_server
from callboard.actors.emulators._deepgram_connection import DeepgramConnection
from callboard.protocols import deepgram
from tests.actors.emulator_deepgram_kit import (
    FLUX,
    function,
    functions_of,
    running,
    said,
    settings,
    texts,
    think,
)
from tests.actors.emulator_kit import Rules, call, say

LONG = "This is a long sentence that takes its time. And this is another one of the same kind."
THINK = think(function("trains"))


class Witness:
    """A socket of the emulator whose traffic a protocol object sees too; it raises at anything illegal."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.wire = deepgram.DeepgramServer(trio.current_time())

    async def send(self, message: str | bytes) -> None:
        event = deepgram.decode_server_message(message).event
        assert isinstance(event, deepgram.ServerMessage | deepgram.BinaryAudio)
        self.wire.send(event)
        await self._socket.send(message)

    async def receive(self) -> str | bytes:
        message = await self._socket.receive()
        event = self.wire.receive(message, trio.current_time()).event
        if isinstance(event, deepgram.FunctionCallResponse):
            self.wire.take_response(event)
        return message

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.aclose(code, reason)


@pytest.fixture(autouse=True)
def witnesses(monkeypatch: pytest.MonkeyPatch) -> Generator[list[Witness], None, None]:
    seen: list[Witness] = []

    def connection(socket: WebSocket, *rest: object) -> DeepgramConnection:
        witness = Witness(socket)
        seen.append(witness)
        return DeepgramConnection(cast("WebSocket", witness), *rest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(_deepgram_server, "DeepgramConnection", connection)
    yield seen
    assert seen


async def test_a_call(autojump_clock: trio.abc.Clock, witnesses: list[Witness]) -> None:
    rules: Mapping[str, Sequence[Action]] = {
        "trains": [say("Let me look."), call("trains")],
        "result": [say("At noon.")],
        "go": [say(LONG)],
    }
    message = settings(greeting=LONG, think=THINK, listen=FLUX) | {"experimental": True}
    async with running(Rules(rules), thinking=True) as rig, rig.talking(message) as client:
        await client.until("AgentAudioDone")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, said("trains"))
            (asked,) = functions_of(await client.next("FunctionCallRequest"))
        await client.send("InjectAgentMessage", message="One moment.", behavior="queue")
        await client.answer(asked, "12:00")
        while "At noon." not in texts(client.received):
            await client.receive()
        await client.until("AgentAudioDone")
        await client.send("UpdatePrompt", prompt="x")
        await client.send("UpdateThink", think=THINK)
        await client.until("ThinkUpdated")
        await client.send("InjectUserMessage", content="go")
        await client.until("binary")
        await client.send("InjectAgentMessage", message="Now.", behavior="interrupt")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.speak, said("stop it"))
            await client.until("UserStartedSpeaking")
            await client.send("InjectAgentMessage", message="No.", behavior="default")
            await client.until("InjectionRefused")
            await client.until("AgentAudioDone")
        assert witnesses[0].wire.state.name == "IDLE"
        assert witnesses[0].wire.settings is not None


async def test_a_turn_that_goes_on(autojump_clock: trio.abc.Clock) -> None:
    samples = np.concatenate((said("trains", after=0.7), said("and trains", before=0.0, after=3.0)))
    rules: Mapping[str, Sequence[Action]] = {
        "trains": [call("trains")],
        "trains and trains": [call("trains")],
        "result": [say("At noon.")],
    }
    async with (
        running(Rules(rules), speculate_after=0.2, silence_duration=1.5, think_delay=0.1) as rig,
        rig.talking(think=THINK) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.speak, samples)
        await client.until("FunctionCallCancelled")
        (asked,) = functions_of(await client.next("FunctionCallRequest"))
        await client.answer(asked, "12:00")
        assert texts(await client.until("AgentAudioDone")) == ["trains and trains", "At noon."]


async def test_an_end(autojump_clock: trio.abc.Clock, witnesses: list[Witness]) -> None:
    async with running() as rig, rig.client() as client:
        await client.begin()
        assert (await client.ended())["code"] == "CLIENT_MESSAGE_TIMEOUT"
    assert witnesses[0].wire.state.name == "ENDED"
