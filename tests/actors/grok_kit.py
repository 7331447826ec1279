"""A Grok server whose every message a test chooses, and clients connected to it in memory."""

import base64
import functools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from callboard import grok
from callboard.actors._context import Context
from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._ports import Edge, Heard, MediaUnit
from callboard.actors._scope import Scope, system_scope
from callboard.actors._spec import ChildSpec, Restart
from callboard.actors._system import System, open_system
from callboard.actors._websocket import WebSocket
from callboard.media import ULAW_8K, AudioFormat, AudioFrame
from callboard.testing import MemoryNetwork

Message = dict[str, Any]
KEY = "xai-Secret-0123456789abcdef"
V = grok.VoiceAgentAPIEvents


@attrs.define(eq=False)
class Peer:
    """The server's side of one connection."""

    socket: WebSocket
    request: Request
    number: int
    received: list[Message] = attrs.field(factory=list[Message])
    done: trio.Event = attrs.field(factory=trio.Event)
    heard: bytearray = attrs.field(factory=bytearray)
    """Caller audio."""

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> Message:
        raw = await self.socket.receive()
        assert isinstance(raw, str), raw
        message = cast("Message", json.loads(raw))
        if message["type"] == "input_audio_buffer.append":
            self.heard += base64.b64decode(message["audio"])
        self.received.append(message)
        return message

    async def next(self, kind: str | None = None, *, within: float = 30.0) -> Message:
        """The next message, caller audio left out; it must be of this type."""
        with trio.fail_after(within):
            while True:
                message = await self.receive()
                if message["type"] != "input_audio_buffer.append" or kind == message["type"]:
                    assert kind is None or message["type"] == kind, message
                    return message

    async def quiet(self, seconds: float = 0.5) -> list[Message]:
        """What comes within some time, caller audio left out."""
        messages: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                message = await self.receive()
                if message["type"] != "input_audio_buffer.append":
                    messages.append(message)
        return messages

    async def greet(self) -> None:
        await self.send("session.created", session={"id": "5b0c", "turn_detection": {"type": None}})
        await self.send("conversation.created", conversation={"id": f"conv-{self.number}"})
        await self.send("ping", timestamp=1795226400123)

    async def accept_session(self, **echo: object) -> Message:
        """Take a `session.update` and answer it."""
        update = await self.next("session.update")
        await self.send("session.updated", session=echo)
        return update

    async def begin(self, response_id: str = "r1", item_id: str = "a1") -> None:
        """A response with a message, up to its first audio."""
        await self.send(
            "response.created", response={"id": response_id, "status": "in_progress", "output": []}
        )
        await self.send(
            "response.output_item.added",
            response_id=response_id,
            output_index=0,
            item={"id": item_id, "type": "message", "role": "assistant", "status": "in_progress"},
        )

    async def audio(
        self,
        seconds: float,
        response_id: str = "r1",
        item_id: str = "a1",
        *,
        octet: int = 0x55,
        rate: int = 8000,
    ) -> None:
        """Audio of a response, mu-law unless the rate says otherwise."""
        payload = bytes([octet]) * round(seconds * rate)
        await self.send(
            "response.output_audio.delta",
            response_id=response_id,
            item_id=item_id,
            content_index=0,
            delta=base64.b64encode(payload).decode(),
        )

    async def text(self, text: str, start: float, response_id: str = "r1", item_id: str = "a1") -> None:
        await self.send(
            "response.output_audio_transcript.delta",
            response_id=response_id,
            item_id=item_id,
            content_index=0,
            delta=text,
            start_time=start,
        )

    async def finish(self, response_id: str = "r1", status: str = "completed") -> None:
        await self.send("response.done", response={"id": response_id, "status": status, "output": []})

    async def call(self, call_id: str, name: str, arguments: str = "{}", response_id: str = "r1") -> None:
        """A function call, announced as observed servers do: more than once."""
        item = {"id": f"i-{call_id}", "type": "function_call", "call_id": call_id, "name": name}
        await self.send("response.output_item.added", response_id=response_id, item={**item, "arguments": ""})
        await self.send(
            "response.function_call_arguments.done",
            response_id=response_id,
            item_id=item["id"],
            call_id=call_id,
            name=name,
            arguments=arguments,
        )
        await self.send(
            "response.output_item.done", response_id=response_id, item={**item, "arguments": arguments}
        )

    async def speech_started(self, item_id: str = "u1") -> None:
        await self.send("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=100)

    async def speech_stopped(self, item_id: str = "u1") -> None:
        await self.send("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=900)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.aclose(code, reason)
        self.done.set()

    async def cut(self) -> None:
        """Break the stream without a closing handshake."""
        await trio.aclose_forcefully(self.socket._stream)
        self.done.set()


class Server:
    """Listens; each connection is handed to the test."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.url = ""
        self.refuse: list[tuple[int, bytes]] = []
        """Answers to the next handshakes, before any is accepted."""
        self.refuse_always: tuple[int, bytes] | None = None
        self.n_accepted = 0
        self.n_refused = 0
        self.greets = True
        self._offer, self._taken = trio.open_memory_channel[Peer](16)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:

            async def answer(request: Request) -> Response:
                return Response(status=404)

            serve = functools.partial(
                serve_http,
                self.network,
                "127.0.0.1",
                8765,
                on_request=answer,
                on_upgrade=self._enter,
                max_message=64 * 2**20,
            )
            bound: Bound = await nursery.start(serve)
            self.url = f"ws://{bound.authority}"
            task_status.started()

    async def _enter(self, upgrade: Upgrade) -> None:
        refusal = self.refuse.pop(0) if self.refuse else self.refuse_always
        if refusal is not None:
            self.n_refused += 1
            await upgrade.reject(*refusal)
            return
        self.n_accepted += 1
        peer = Peer(await upgrade.accept(), upgrade.request, self.n_accepted)
        if self.greets:
            await peer.greet()
        await self._offer.send(peer)
        await peer.done.wait()

    async def peer(self, *, within: float = 60.0) -> Peer:
        """The next connection."""
        with trio.fail_after(within):
            return await self._taken.receive()


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


@attrs.define(eq=False)
class Rig:
    """A system, a server and a client between them."""

    system: System
    scope: Scope
    server: Server
    client: grok.VoiceAgentAPIClient
    peer: Peer
    ear: Ear
    mouth: Mouth

    async def configured(self, **session: object) -> None:
        """Have the client in `server_vad`, with the formats of a phone."""
        self.client.session_update({"session": {"turn_detection": {"type": "server_vad"}, **session}})
        await self.peer.accept_session()
        await wait_all_tasks_blocked()

    async def reconnected(self) -> Peer:
        """The next connection, settled."""
        self.peer = await self.server.peer()
        await wait_all_tasks_blocked()
        return self.peer

    def path(self, name: str) -> str:
        return f"{self.client._ref.path}/{name}" if self.client._ref else ""


async def settle() -> None:
    await wait_all_tasks_blocked()


@asynccontextmanager
async def open_server(*, seed: int = 1) -> AsyncGenerator[tuple[System, Server], None]:
    network = MemoryNetwork()
    # Pings would keep a virtual clock going for ever in a test that waits for nothing.
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            server = Server(network)
            await nursery.start(server.run)
            async with open_system(network=network, seed=seed) as system:
                yield system, server
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_rig(
    *, preferred: AudioFormat = ULAW_8K, joined: bool = True, knows: bool = True, **parameters: Any
) -> AsyncGenerator[Rig, None]:
    """A client on a call that speaks mu-law, greeted, joined with an ear and a mouth."""
    async with open_server() as (system, server):
        scope = await system_scope(system, "calls")
        scope.preferred_format = preferred
        client = await create(scope, server, **parameters)
        peer = await server.peer()
        await settle()
        ear, mouth = Ear(scope, knows=knows), Mouth(scope)
        if joined:
            client.send_media_to(ear)
            mouth.send_media_to(client)
        yield Rig(system, scope, server, client, peer, ear, mouth)
        client.close()
        await client.wait_closed()


async def create(owner: Any, server: Server, **parameters: Any) -> grok.VoiceAgentAPIClient:
    given: dict[str, Any] = {"xai_api_key": KEY, "base_url": server.url} | parameters
    return await grok.create_voice_agent_api_client(owner, **given)


async def run_in(system: System, name: str, body: Callable[[], Any]) -> None:
    """Run a function as an actor, as scenarios are."""

    async def run(context: Context[object], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await body()

    await system.start(ChildSpec(name=name, run=run, restart=Restart.TEMPORARY))
