"""A Deepgram emulator on an in-memory network, and a client that keeps to the wire and nothing else."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import attrs
import trio

from callboard.actors._network import Network
from callboard.actors._websocket import SocketClosed, open_websocket
from callboard.actors.brains import Brain
from callboard.actors.emulators import DeepgramEmulator, DeepgramEmulatorOptions
from callboard.media import PCM16_8K, Samples, encode
from callboard.media.speech import SpeechEngines
from callboard.protocols import deepgram
from callboard.testing import MemoryNetwork
from tests.actors.emulator_kit import (
    OPTIONS,
    TONES,
    Headers,
    Message,
    Rules,
    ServiceRig,
    WireClient,
    listening,
    only,
    speech,
    words,
)

AUTH = (("Authorization", "Token any-key"),)
RATE_HZ = 8000
FORMAT: Message = {"encoding": "linear16", "sample_rate": RATE_HZ}
FLUX: Message = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}
MODEL: Message = {"type": "open_ai", "model": "gpt-4o-mini"}


def settings(**agent: object) -> Message:
    """`Settings` with linear audio at 8 kHz, which tones survive."""
    return {
        "type": "Settings",
        "audio": {"input": FORMAT, "output": {**FORMAT, "container": "none"}},
        "agent": {"think": {"provider": MODEL, "prompt": "Be brief."}, **agent},
    }


def think(*functions: Message, prompt: str = "Be brief.", **fields: object) -> Message:
    return {"provider": MODEL, "prompt": prompt, "functions": list(functions), **fields}


def function(name: str, **fields: object) -> Message:
    schema = {"type": "object", "properties": {"town": {"type": "string"}}}
    return {"name": name, "description": f"The {name} of a town", "parameters": schema, **fields}


def said(text: str, *, before: float = 0.5, after: float = 1.0) -> Samples:
    return speech(text, rate_hz=RATE_HZ, before=before, after=after)


def heard(payload: bytes, rate_hz: int = RATE_HZ) -> list[str]:
    """The words in linear audio from the emulator."""
    return words(payload, rate_hz)


class Client(WireClient):
    """Speaks Deepgram's wire."""

    def read(self, raw: str | bytes) -> tuple[Message, bytes]:
        decoded = deepgram.decode_server_message(raw)
        assert not isinstance(decoded.event, deepgram.Unknown), raw
        if isinstance(decoded.event, deepgram.BinaryAudio):
            return {"type": "binary"}, decoded.event.payload
        return dict(decoded.raw), b""

    async def ended(self, *, within: float = 60.0) -> Message:
        """The error that ends the session, with the close code that follows it."""
        error = await self.next("Error", within=within)
        try:
            extra = await self.receive()
        except SocketClosed as closed:
            return {**error, "close": closed.code}
        raise AssertionError(f"still open: {extra}")

    async def begin(self, message: Message | None = None, **agent: object) -> list[Message]:
        """Settings, and all messages up to their being applied."""
        await self.socket.send(json.dumps(message or settings(**agent)))
        return await self.until("SettingsApplied")

    async def ask(self, text: str) -> list[Message]:
        """A text turn: everything up to the end of the answer's audio."""
        await self.send("InjectUserMessage", content=text)
        return await self.until("AgentAudioDone")

    async def answer(self, asked: Message, content: str) -> None:
        """Send the result of a function."""
        await self.send("FunctionCallResponse", id=asked["id"], name=asked["name"], content=content)

    async def speak(self, samples: Samples, *, chunk: float = 0.05) -> None:
        """Send audio at the speed of speech."""
        size = int(RATE_HZ * chunk)
        for at in range(0, len(samples), size):
            await self.socket.send(encode(samples[at : at + size], PCM16_8K))
            await trio.sleep(chunk)


@attrs.define
class Rig(ServiceRig):
    """A running emulator."""

    emulator: DeepgramEmulator

    @asynccontextmanager
    async def client(
        self,
        *,
        headers: Headers = AUTH,
        subprotocols: Sequence[str] = (),
        path: str = "/v1/agent/converse",
        welcomed: bool = True,
    ) -> AsyncGenerator[Client, None]:
        url = f"ws://{self.authority}{path}"
        async with open_websocket(self.network, url, headers=headers, subprotocols=subprotocols) as socket:
            client = Client(socket)
            if welcomed:
                await client.until("Welcome")
            yield client

    @asynccontextmanager
    async def talking(self, message: Message | None = None, **agent: object) -> AsyncGenerator[Client, None]:
        """A client whose settings are applied, and that never falls silent."""
        async with self.client() as client, trio.open_nursery() as nursery:
            await client.begin(message, **agent)
            nursery.start_soon(_keep_alive, client)
            yield client
            nursery.cancel_scope.cancel()


async def _keep_alive(client: Client) -> None:
    while not client.socket.closed:
        await trio.sleep(8.0)
        try:
            await client.send("KeepAlive")
        except SocketClosed:
            return


@asynccontextmanager
async def running(
    brain: Brain | None = None,
    *,
    network: Network | None = None,
    engines: SpeechEngines = TONES,
    factory: Callable[[], Brain] | None = None,
    **options: object,
) -> AsyncGenerator[Rig, None]:
    """Run an emulator with a fixed clock of its own and repeatable ids."""
    chosen = OPTIONS | {"thinking": False} | options
    made = DeepgramEmulatorOptions(**chosen)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    the_brain = brain or Rules()
    emulator = DeepgramEmulator(made, engines=engines, brain_factory=factory or (lambda: the_brain))
    net = network or MemoryNetwork()
    async with listening(emulator, net) as authority:
        yield Rig(net, authority, emulator)


def texts(messages: Sequence[Message], role: str | None = None) -> list[str]:
    """What was said, of one side or of both."""
    return [
        str(message["content"])
        for message in only(messages, "ConversationText")
        if role is None or message["role"] == role
    ]


def fields(message: Mapping[str, object]) -> Message:
    """A message without what the kit adds."""
    return {name: value for name, value in message.items() if name != "at"}


def functions_of(message: Message) -> list[Message]:
    """What a `FunctionCallRequest` asks for."""
    return cast("list[Message]", message["functions"])
