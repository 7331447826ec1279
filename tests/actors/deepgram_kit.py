"""A Deepgram server whose every message a test chooses, and clients connected to it in memory."""

import functools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from callboard import HistoryCall, HistoryMessage, HistoryResult, deepgram
from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._scope import Scope, system_scope
from callboard.actors._system import System, open_system
from callboard.actors._websocket import WebSocket
from callboard.media import ULAW_8K, AudioFormat
from callboard.testing import MemoryNetwork
from tests.actors.grok_kit import Ear, Mouth

Message = dict[str, Any]
KEY = "dg-Secret-0123456789abcdef"
V = deepgram.VoiceAgentEvents
SETTINGS: Message = {
    "agent": {
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "You are brief."},
        "speak": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}},
    }
}


@attrs.define(eq=False)
class Peer:
    """The server's side of one connection."""

    socket: WebSocket
    request: Request
    number: int
    received: list[Message] = attrs.field(factory=list[Message])
    keep_alives: list[float] = attrs.field(factory=list[float])
    """When they came."""
    heard: bytearray = attrs.field(factory=bytearray)
    """Caller audio."""
    done: trio.Event = attrs.field(factory=trio.Event)

    # What comes

    async def receive(self) -> Message | None:
        """The next message; None for audio and for a keep-alive."""
        raw = await self.socket.receive()
        if isinstance(raw, bytes):
            self.heard += raw
            return None
        message = cast("Message", json.loads(raw))
        if message["type"] == "KeepAlive":
            self.keep_alives.append(trio.current_time())
            return None
        self.received.append(message)
        return message

    async def next(self, kind: str | None = None, *, within: float = 30.0) -> Message:
        """The next message, audio and keep-alives left out; it must be of this type."""
        with trio.fail_after(within):
            while (message := await self.receive()) is None:
                pass
        assert kind is None or message["type"] == kind, message
        return message

    async def quiet(self, seconds: float = 0.5) -> list[Message]:
        """What comes within some time, audio and keep-alives left out."""
        messages: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                message = await self.receive()
                if message is not None:
                    messages.append(message)
        return messages

    # The session

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def welcome(self) -> None:
        await self.send("Welcome", request_id=f"request-{self.number}")

    async def accept(self) -> Message:
        """Take the settings and apply them."""
        settings = await self.next("Settings")
        await self.send("SettingsApplied")
        return settings

    async def error(self, code: str, description: str = "It is over.") -> None:
        """An error, and what follows it: an empty close frame."""
        await self.send("Error", code=code, description=description)
        await self.close()

    # What is said

    async def text(self, role: str, content: str, **fields: object) -> None:
        """A line, told twice as servers do."""
        await self.send("ConversationText", role=role, content=content, **fields)
        await self.send("History", role=role, content=content)

    async def user(self, content: str) -> None:
        """A turn of the caller's, begun and over at once."""
        await self.send("UserStartedSpeaking")
        await self.text("user", content)

    async def sentence(self, content: str, seconds: float = 1.0, *, octet: int = 0x55) -> None:
        """One of the agent's, with its audio."""
        await self.text("assistant", content)
        await self.audio(seconds, octet=octet)

    async def audio(self, seconds: float, *, octet: int = 0x55, rate: int = 8000) -> None:
        """Audio in mu-law, unless the rate says otherwise."""
        await self.socket.send(bytes([octet]) * round(seconds * rate))

    async def audio_done(self) -> None:
        await self.send("AgentAudioDone")

    # Functions

    async def call(self, *calls: tuple[str, str, str], client_side: bool = True, **fields: object) -> None:
        """Calls in one request: id, name and arguments of each."""
        functions = [
            {"id": call_id, "name": name, "arguments": arguments, "client_side": client_side, **fields}
            for call_id, name, arguments in calls
        ]
        await self.send("FunctionCallRequest", functions=functions)

    async def cancel(self, *calls: tuple[str, str]) -> None:
        functions = [{"id": call_id, "name": name} for call_id, name in calls]
        await self.send("FunctionCallCancelled", functions=functions)

    # The end

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
        self.welcomes = True
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
        if self.welcomes:
            await peer.welcome()
        await self._offer.send(peer)
        await peer.done.wait()

    async def peer(self, *, within: float = 60.0) -> Peer:
        """The next connection."""
        with trio.fail_after(within):
            return await self._taken.receive()


@attrs.define(eq=False)
class Rig:
    """A system, a server and a client between them."""

    system: System
    scope: Scope
    server: Server
    client: deepgram.VoiceAgentClient
    peer: Peer
    ear: Ear
    mouth: Mouth

    async def applied(self) -> Message:
        """Have the settings applied."""
        settings = await self.peer.accept()
        await settle()
        return settings

    async def reconnected(self) -> Peer:
        """The next connection, its settings still to be taken."""
        self.peer = await self.server.peer()
        await settle()
        return self.peer

    async def renewed(self) -> Message:
        """Break the connection; the settings of the next one, which are applied."""
        await self.peer.cut()
        await self.reconnected()
        return await self.applied()

    def lines(self) -> list[tuple[str, str]]:
        """The transcript: who, and what."""
        return [(line.speaker.value, line.text) for line in self.client.transcript.lines]

    def history(self) -> list[tuple[str, str]]:
        """The history: a role, `call` or `result`, and the words."""
        entries: list[tuple[str, str]] = []
        for entry in self.client.history:
            match entry:
                case HistoryMessage():
                    entries.append((entry.role, entry.text))
                case HistoryCall():
                    entries.append(("call", f"{entry.name}({entry.arguments})"))
                case HistoryResult():
                    entries.append(("result", entry.output))
        return entries

    async def speaks(self) -> bool:
        """Whether an answer of the server reaches the ear."""
        before = len(self.ear.payload)
        await self.peer.sentence("And then?", 0.1)
        await settle()
        return len(self.ear.payload) == before + 800


async def settle() -> None:
    await wait_all_tasks_blocked()


@asynccontextmanager
async def open_server(*, seed: int = 1) -> AsyncGenerator[tuple[System, Server], None]:
    network = MemoryNetwork()
    # Pings would keep a virtual clock going for ever in a test that waits for nothing.
    with trio.fail_after(20000):
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
    """A client on a call that speaks mu-law, welcomed, its settings sent, joined with an ear and a mouth."""
    async with open_server() as (system, server):
        scope = await system_scope(system, "calls")
        scope.preferred_format = preferred
        client = await create(scope, server, **parameters)
        peer = await server.peer()
        await settle()
        ear, mouth = Ear(scope, preferred, knows=knows), Mouth(scope, preferred)
        if joined:
            client.send_media_to(ear)
            mouth.send_media_to(client)
        yield Rig(system, scope, server, client, peer, ear, mouth)
        client.close()
        await client.wait_closed()


@asynccontextmanager
async def open_session(**parameters: Any) -> AsyncGenerator[Rig, None]:
    """The same, with the settings applied."""
    async with open_rig(**parameters) as rig:
        await rig.applied()
        yield rig


async def create(owner: Any, server: Server, **parameters: Any) -> deepgram.VoiceAgentClient:
    given: dict[str, Any] = {
        "api_key": KEY,
        "base_url": server.url,
        "settings_options": SETTINGS,
    } | parameters
    return await deepgram.create_voice_agent_client(owner, **given)
