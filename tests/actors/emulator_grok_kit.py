"""A Grok emulator on an in-memory network, and a client that keeps to the wire and nothing else."""

import base64
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import attrs
import numpy as np
import trio

from callboard.actors._network import Network
from callboard.actors._websocket import WebSocket, open_websocket
from callboard.actors.brains import Action, BrainInput, CallTool, Speak
from callboard.actors.emulators._grok_options import GrokEmulatorOptions
from callboard.actors.emulators._grok_server import GrokEmulator
from callboard.media import PCM16_24K, Resampler, Samples, ToneDecoder, ToneEncoder, encode
from callboard.media.speech import SpeechEngines, load_speech
from callboard.protocols import grok
from tests.actors.memory_network import MemoryNetwork

Message = dict[str, object]
AUTH = (("Authorization", "Bearer any-key"),)

TEXT_PART = "input_text"
VAD: Message = {"turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True}}
TRANSCRIBED: Message = {"input": {"transcription": {"model": "grok-transcribe"}}}


class Rules:
    """A brain for tests: says "You said ..." unless a rule for the last turn says otherwise.

    Rules are given by the text of the last user turn, or by "result" for a tool's result.
    """

    def __init__(self, rules: Mapping[str, Sequence[Action]] | None = None) -> None:
        self.rules = dict(rules or {})
        self.inputs: list[BrainInput] = []

    def respond(self, given: BrainInput) -> Sequence[Action]:
        self.inputs.append(given)
        last = given.history[-1] if given.history else None
        if last is None:
            return [Speak(text="Hello there.")]
        key = "result" if last.role == "tool" else last.text
        if key in self.rules:
            return self.rules[key]
        return [Speak(text=f"You said {last.text}.")]


def say(text: str) -> Speak:
    return Speak(text=text)


def call(name: str, **arguments: object) -> CallTool:
    return CallTool(name=name, arguments=arguments)


def speech(text: str, *, rate_hz: int = 24000, before: float = 0.5, after: float = 1.0) -> Samples:
    """An utterance in tones between silences (seconds)."""
    silence = np.zeros(int(8000 * before), np.int16), np.zeros(int(8000 * after), np.int16)
    whole = np.concatenate((silence[0], ToneEncoder().encode(text), silence[1]))
    return Resampler(8000, rate_hz).process(whole)


def heard(payload: bytes) -> list[str]:
    """The words in 24 kHz PCM16 from the emulator."""
    samples = np.frombuffer(payload, "<i2").astype(np.int16)
    narrow = Resampler(24000, 8000).process(samples)
    return [str(text) for text in ToneDecoder().push(np.concatenate((narrow, np.zeros(800, np.int16))))]


@attrs.define
class Client:
    """Sends dictionaries; every message it receives must be an event `callboard.protocols` knows."""

    socket: WebSocket
    received: list[Message] = attrs.field(factory=list[Message])
    audio: bytearray = attrs.field(factory=bytearray)

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> Message:
        raw = await self.socket.receive()
        decoded = grok.decode_server_event(raw)
        assert not isinstance(decoded.event, grok.Unknown), raw
        if isinstance(decoded.event, grok.BinaryAudio):
            self.audio += decoded.event.payload
            message: Message = {"type": "binary", "at": trio.current_time()}
        else:
            message = dict(decoded.raw) | {"at": trio.current_time()}
            if isinstance(decoded.event, grok.ResponseOutputAudioDelta):
                self.audio += decoded.event.payload()
        self.received.append(message)
        return message

    async def until(self, kind: str, *, within: float = 60.0) -> list[Message]:
        """All messages up to and with the next one of a type."""
        messages: list[Message] = []
        with trio.fail_after(within):
            while True:
                messages.append(await self.receive())
                if messages[-1]["type"] == kind:
                    return messages

    async def next(self, kind: str, *, within: float = 60.0) -> Message:
        return (await self.until(kind, within=within))[-1]

    async def quiet(self, seconds: float) -> list[Message]:
        """What arrives within some time, without the pings."""
        messages: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                messages.append(await self.receive())
        return [message for message in messages if message["type"] != "ping"]

    async def greeted(self) -> None:
        await self.until("ping")

    async def configure(self, **session: object) -> Message:
        await self.send("session.update", session=session)
        return await self.next("session.updated")

    async def write(self, text: str, **fields: object) -> None:
        part = {"type": TEXT_PART, "text": text}
        await self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": [part]}, **fields
        )

    async def ask(self, text: str, **response: object) -> list[Message]:
        """A text turn: everything from the item to the end of the response."""
        await self.write(text)
        await self.send("response.create", response=response)
        return await self.until("response.done")

    async def append(self, payload: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(payload).decode())

    async def speak(self, samples: Samples, *, rate_hz: int = 24000, chunk: float = 0.1) -> None:
        """Send PCM16 at the speed of speech."""
        size = int(rate_hz * chunk)
        for at in range(0, len(samples), size):
            await self.append(encode(samples[at : at + size], PCM16_24K))
            await trio.sleep(chunk)


@attrs.define
class Rig:
    """A running emulator."""

    emulator: GrokEmulator
    network: Network
    authority: str

    @asynccontextmanager
    async def client(
        self,
        query: str = "model=grok-voice-latest",
        *,
        headers: Sequence[tuple[str, str]] = AUTH,
        subprotocols: Sequence[str] = (),
        greeted: bool = True,
    ) -> AsyncGenerator[Client, None]:
        url = f"ws://{self.authority}/v1/realtime?{query}"
        async with open_websocket(self.network, url, headers=headers, subprotocols=subprotocols) as socket:
            client = Client(socket)
            if greeted:
                await client.greeted()
            yield client


TONES = load_speech("tones")


@asynccontextmanager
async def running(
    brain: Rules | None = None,
    *,
    network: Network | None = None,
    engines: SpeechEngines = TONES,
    factory: Callable[[], Rules] | None = None,
    **options: object,
) -> AsyncGenerator[Rig, None]:
    """Run an emulator with a fixed clock of its own and repeatable ids."""
    settings = GrokEmulatorOptions(**({"seed": 7, "unix_time": lambda: 1_795_226_400.5} | options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    the_brain = brain or Rules()
    emulator = GrokEmulator(settings, engines=engines, brain_factory=factory or (lambda: the_brain))
    net = network or MemoryNetwork()
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(emulator.run, net, "127.0.0.1", 0)
        yield Rig(emulator, net, bound.authority)
        nursery.cancel_scope.cancel()


def types(messages: Sequence[Message], *, squeeze: bool = True) -> list[str]:
    """The types in order; runs of one type count once."""
    kinds = [str(message["type"]) for message in messages if message["type"] != "ping"]
    if not squeeze:
        return kinds
    return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]


def only(messages: Sequence[Message], kind: str) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


def pick(message: Mapping[str, object], path: str) -> object:
    """The value at `a.b.0.c`."""
    value: object = message
    for name in path.split("."):
        by_index = isinstance(value, list)
        value = cast("list[object]", value)[int(name)] if by_index else cast("Message", value)[name]
    return value
