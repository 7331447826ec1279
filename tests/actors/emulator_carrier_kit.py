"""A server for the carrier emulator's tests: it reads everything and does what a test tells it."""

import base64
import functools
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import attrs
import numpy as np
import trio

from callboard.actors._http import Bound, Request, Response, Upgrade, json_response, serve_http
from callboard.actors._network import Network
from callboard.actors._websocket import SocketClosed, WebSocket
from callboard.actors.emulators._caller import Samples
from callboard.media import ulaw_encode
from callboard.media.speech import SpeechEngines

Message = dict[str, object]


def tone(seconds: float, *, amplitude: float = 8000.0, hz: float = 440.0) -> bytes:
    """A sine as mu-law."""
    times = np.arange(round(seconds * 8000)) / 8000
    return ulaw_encode((amplitude * np.sin(2 * math.pi * hz * times)).astype(np.int16))


class ToneVoice:
    """A synthesiser whose every text is a tone of 50 ms for each letter, between 10 ms of silence."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.texts: list[str] = []

    def synthesise(self, text: str, *, voice: str = "") -> Samples:
        self.texts.append(text)
        n = round(0.05 * len(text) * self.rate_hz)
        # A cosine: its first sample is audible, so bounds are known to the sample.
        loud = (9000 * np.cos(2 * math.pi * 300 * np.arange(n) / self.rate_hz)).astype(np.int16)
        loud[-1] = 9000
        silence = np.zeros(80, np.int16)
        return np.concatenate((silence, loud, silence))


def tone_voice(synthesiser: ToneVoice | None = None, *, threaded: bool = False) -> SpeechEngines:
    voice = synthesiser or ToneVoice()
    never = cast("Callable[[], object]", None)
    return SpeechEngines(
        name="tones",
        threaded=threaded,
        recogniser=never,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        synthesiser=voice,
        new_detector=never,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )


@attrs.define
class Peer:
    """The server's side of one stream."""

    socket: WebSocket
    upgrade: Upgrade
    received: list[tuple[float, Message]] = attrs.Factory(list[tuple[float, Message]])
    closed: SocketClosed | None = None
    stream_sid: str = ""
    _arrived: trio.Event = attrs.Factory(trio.Event)

    def of(self, event: str) -> list[tuple[float, Message]]:
        return [(at, message) for at, message in self.received if message.get("event") == event]

    def events(self) -> list[str]:
        """The kinds of what came, media frames counted as one where they follow each other."""
        kinds: list[str] = []
        for _, message in self.received:
            kind = str(message.get("event"))
            if kind != "media" or kinds[-1:] != ["media"]:
                kinds.append(kind)
        return kinds

    def marks(self) -> list[str]:
        return [str(cast("Message", message["mark"])["name"]) for _, message in self.of("mark")]

    def audio(self) -> bytes:
        return b"".join(
            base64.b64decode(str(cast("Message", message["media"])["payload"]))
            for _, message in self.of("media")
        )

    async def read(self) -> None:
        """Keep everything until the socket closes."""
        while True:
            try:
                text = await self.socket.receive()
            except SocketClosed as closed:
                self.closed = closed
                self._arrived.set()
                return
            try:
                value: object = json.loads(text)
            except ValueError:
                value = None
            raw: Message = {"event": "raw", "raw": text}
            message = cast("Message", value) if isinstance(value, dict) else raw
            self.received.append((trio.current_time(), message))
            if message.get("event") == "start":
                self.stream_sid = str(message["streamSid"])
            self._arrived.set()

    async def wait_for(self, event: str, count: int = 1) -> None:
        while len(self.of(event)) < count and self.closed is None:
            self._arrived = trio.Event()
            await self._arrived.wait()

    async def send(self, event: str, content: object = None, *, stream_sid: str | None = None) -> None:
        message: Message = {"event": event, "streamSid": stream_sid or self.stream_sid}
        if content is not None:
            message[event] = content
        await self.socket.send(json.dumps(message))

    async def play(self, ulaw: bytes) -> None:
        await self.send("media", {"payload": base64.b64encode(ulaw).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", {"name": name})

    async def clear(self) -> None:
        await self.send("clear")


Handler = Callable[[Peer], Awaitable[None]]


@attrs.define
class Server:
    """A running server and the streams it had."""

    url: str
    peers: list[Peer] = attrs.Factory(list[Peer])

    @property
    def peer(self) -> Peer:
        (peer,) = self.peers
        return peer


async def listen_only(peer: Peer) -> None:
    """A server that says nothing."""


@asynccontextmanager
async def serving(
    network: Network, handler: Handler = listen_only, *, read: bool = True, reject: int | None = None
) -> AsyncGenerator[Server, None]:
    """Serve; each socket stays up until its carrier closes it, or the handler closes it itself."""
    server = Server("")

    async def on_request(request: Request) -> Response:
        return json_response(404, request.path)

    async def on_upgrade(upgrade: Upgrade) -> None:
        if reject is not None:
            await upgrade.reject(reject, b"no")
            return
        peer = Peer(await upgrade.accept(), upgrade)
        server.peers.append(peer)
        async with trio.open_nursery() as nursery:
            if not read:
                await trio.sleep_forever()
            nursery.start_soon(peer.read)
            await peer.wait_for("start")
            try:
                await handler(peer)
            except SocketClosed as closed:
                peer.closed = closed

    async with trio.open_nursery() as nursery:
        bound: Bound = await nursery.start(
            functools.partial(
                serve_http, network, "127.0.0.1", 0, on_request=on_request, on_upgrade=on_upgrade
            )
        )
        server.url = f"ws://{bound.authority}/twilio/media"
        yield server
        nursery.cancel_scope.cancel()
