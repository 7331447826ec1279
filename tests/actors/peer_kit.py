"""What the kits of both providers share: a server whose every message a test chooses, and units of media."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.actors._http import Request, Upgrade
from callboard.actors._ports import Edge, Heard, MediaUnit
from callboard.actors._scope import Scope
from callboard.actors._system import System, open_system
from callboard.actors._websocket import WebSocket
from callboard.media import ULAW_8K, AudioFormat, AudioFrame
from callboard.testing import MemoryNetwork, ScriptedProvider, ScriptedSession

Message = dict[str, Any]


@attrs.define(eq=False)
class Peer:
    """The server's side of one connection."""

    session: ScriptedSession
    received: list[Message] = attrs.field(factory=list[Message])
    heard: bytearray = attrs.field(factory=bytearray)
    """Caller audio."""

    @property
    def socket(self) -> WebSocket:
        return self.session.socket

    @property
    def request(self) -> Request:
        return self.session.request

    @property
    def number(self) -> int:
        return self.session.number

    def take(self, raw: str | bytes) -> Message | None:
        """What came, noted down; None for what tests do not wait for, such as caller audio."""
        raise NotImplementedError

    async def greet(self) -> None:
        """What the server begins with."""
        raise NotImplementedError

    async def send(self, kind: str, **fields: object) -> None:
        await self.session.send({"type": kind, **fields})

    async def receive(self) -> Message | None:
        """The next message; None for one that tests do not wait for."""
        return self.take(await self.socket.receive())

    async def next(self, kind: str | None = None, *, within: float = 30.0) -> Message:
        """The next message that tests wait for; it must be of this type."""
        with trio.fail_after(within):
            while (message := await self.receive()) is None:
                pass
        assert kind is None or message["type"] == kind, message
        return message

    async def quiet(self, seconds: float = 0.5) -> list[Message]:
        """What tests wait for and comes within some time."""
        messages: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                message = await self.receive()
                if message is not None:
                    messages.append(message)
        return messages

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.session.close(code, reason)

    async def cut(self) -> None:
        """Break the stream without a closing handshake."""
        await self.session.cut()


P = TypeVar("P", bound=Peer)


class Server(ScriptedProvider, Generic[P]):
    """A scripted provider that greets, whose connections are peers."""

    def __init__(self, network: MemoryNetwork, peer: Callable[[ScriptedSession], P]) -> None:
        super().__init__(network, 8765)
        self._peer = peer
        self.refuse_always: tuple[int, bytes] | None = None
        """The answer to all handshakes after `refusals`."""
        self.greets = True
        self._hand_over, self._handed_over = trio.open_memory_channel[P](16)

    async def _enter(self, upgrade: Upgrade) -> None:
        if self.refuse_always is not None and not self.refusals:
            self.refusals.append(self.refuse_always)
        if self.refusals:
            await super()._enter(upgrade)
            return
        self.n_accepted += 1
        session = ScriptedSession(await upgrade.accept(), upgrade.request, self.n_accepted)
        peer = self._peer(session)
        if self.greets:
            await peer.greet()
        await self._hand_over.send(peer)
        await session.done.wait()

    async def peer(self, *, within: float = 60.0) -> P:
        """The next connection."""
        with trio.fail_after(within):
            return await self._handed_over.receive()


@asynccontextmanager
async def serving(
    peer: Callable[[ScriptedSession], P], *, seed: int, within: float
) -> AsyncGenerator[tuple[System, Server[P]], None]:
    """A system, and a server on its network."""
    network = MemoryNetwork()
    # Pings would keep a virtual clock going for ever in a test that waits for nothing.
    with trio.fail_after(within):
        async with trio.open_nursery() as nursery:
            server = Server(network, peer)
            await nursery.start(server.run)
            async with open_system(network=network, seed=seed) as system:
                yield system, server
            nursery.cancel_scope.cancel()


async def settle() -> None:
    await wait_all_tasks_blocked()


class Ear(MediaUnit):
    """A sink that plays by the clock and knows what it has played, as a leg does."""

    def __init__(self, scope: Scope, audio_format: AudioFormat = ULAW_8K, *, knows: bool = True) -> None:
        super().__init__("ear", scope)
        self.format = audio_format
        self.knows = knows
        self.frames: list[AudioFrame] = []
        self.flushed: list[int] = []
        self.floor = 0
        self.stale = 0
        """Frames that came after a flush that should have kept them away."""
        self._spans: dict[int, list[tuple[float, float]]] = {}
        self._until = 0.0

    @property
    def input_format(self) -> AudioFormat:
        return self.format

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        del edge
        self.frames.append(frame)
        self.stale += frame.generation < self.floor
        start = max(self._until, trio.current_time())
        self._until = start + frame.duration
        self._spans.setdefault(frame.generation, []).append((start, self._until))

    def flush_input(self, edge: Edge, generation: int) -> None:
        del edge
        self.flushed.append(generation)
        self.floor = max(self.floor, generation)
        now = trio.current_time()
        self._until = min(self._until, now)
        for spans in self._spans.values():
            spans[:] = [(start, min(end, now)) for start, end in spans if start < now]

    def heard(self, edge: Edge, generation: int) -> Heard | None:
        del edge
        if not self.knows:
            return None
        now = trio.current_time()
        played = sum(min(end, now) - min(start, now) for start, end in self._spans.get(generation, ()))
        return Heard(likely=played)

    @property
    def payload(self) -> bytes:
        return b"".join(frame.payload for frame in self.frames)


class Mouth(MediaUnit):
    """A source of caller audio."""

    def __init__(self, scope: Scope, audio_format: AudioFormat = ULAW_8K) -> None:
        super().__init__("mouth", scope)
        self.format = audio_format
        self._position = 0

    @property
    def output_format(self) -> AudioFormat:
        return self.format

    def say(self, seconds: float, octet: int = 0x11) -> None:
        payload = bytes([octet]) * self.format.n_octets(round(seconds * self.format.rate_hz))
        self.emit(AudioFrame(payload=payload, format=self.format, position=self._position))
        self._position += self.format.n_samples(len(payload))
