"""What tests of either emulated provider use: a brain by rules, speech in tones, a client that keeps to the wire."""

import abc
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import numpy as np
import trio

from callboard.actors._network import Network
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Action, BrainInput, CallTool, Speak
from callboard.actors.emulators._service import EmulatedService
from callboard.media import Resampler, Samples, ToneDecoder, ToneEncoder
from callboard.media.speech import load_speech

Message = dict[str, object]
Headers = Sequence[tuple[str, str]]

TONES = load_speech("tones")
# A fixed clock of its own and repeatable ids.
OPTIONS: Message = {"seed": 7, "unix_time": lambda: 1_795_226_400.5}


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


def words(payload: bytes, rate_hz: int) -> list[str]:
    """The words in PCM16 from an emulator."""
    samples = np.frombuffer(payload, "<i2").astype(np.int16)
    narrow = Resampler(rate_hz, 8000).process(samples) if rate_hz != 8000 else samples
    return [str(text) for text in ToneDecoder().push(np.concatenate((narrow, np.zeros(800, np.int16))))]


@attrs.define
class WireClient(abc.ABC):
    """Sends dictionaries; every message it receives must be one `callboard.protocols` knows."""

    socket: WebSocket
    received: list[Message] = attrs.field(factory=list[Message])
    audio: bytearray = attrs.field(factory=bytearray)

    @abc.abstractmethod
    def read(self, raw: str | bytes) -> tuple[Message, bytes]:
        """What came, with the type "binary" for a binary message, and the audio in it."""

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> Message:
        message, audio = self.read(await self.socket.receive())
        message = message | {"at": trio.current_time()}
        self.audio += audio
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


@attrs.define
class ServiceRig:
    """Where an emulator listens."""

    network: Network
    authority: str


@asynccontextmanager
async def listening(emulator: EmulatedService[Any], network: Network) -> AsyncGenerator[str, None]:
    """Run an emulator; yields where it is."""
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(emulator.run, network, "127.0.0.1", 0)
        yield bound.authority
        nursery.cancel_scope.cancel()


async def request(
    rig: ServiceRig, method: str, path: str, *, headers: Headers = (), body: object = None
) -> tuple[int, Message]:
    """A plain HTTP request; the status and the JSON body."""
    payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: emulator", f"Content-Length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    host, _, port = rig.authority.rpartition(":")
    stream = await rig.network.connect(host, int(port))
    async with stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() + payload)
        octets = b""
        while data := await stream.receive_some():
            octets += data
    head, _, rest = octets.partition(b"\r\n\r\n")
    value: Message = json.loads(rest)
    return int(head.split()[1]), value


def types(messages: Sequence[Message], *, squeeze: bool = True) -> list[str]:
    """The types in order, without the pings; runs of one type count once."""
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
