"""A Deepgram server whose every message a test chooses, and clients connected to it in memory."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import trio

from callboard import HistoryCall, HistoryMessage, HistoryResult, deepgram
from callboard.actors._scope import Scope, system_scope
from callboard.actors._system import System
from callboard.media import ULAW_8K, AudioFormat
from tests.actors import peer_kit
from tests.actors.peer_kit import Ear, Message as Message, Mouth, serving, settle as settle

KEY = "dg-Secret-0123456789abcdef"
V = deepgram.VoiceAgentEvents
SETTINGS: Message = {
    "agent": {
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "You are brief."},
        "speak": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}},
    }
}


@attrs.define(eq=False)
class Peer(peer_kit.Peer):
    """The server's side of one connection."""

    keep_alives: list[float] = attrs.field(factory=list[float])
    """When they came."""

    def take(self, raw: str | bytes) -> Message | None:
        """What came; None for audio and for a keep-alive."""
        if isinstance(raw, bytes):
            self.heard += raw
            return None
        message = cast("Message", json.loads(raw))
        if message["type"] == "KeepAlive":
            self.keep_alives.append(trio.current_time())
            return None
        self.received.append(message)
        return message

    # The session

    async def greet(self) -> None:
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


Server = peer_kit.Server[Peer]


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


@asynccontextmanager
async def open_server(*, seed: int = 1) -> AsyncGenerator[tuple[System, Server], None]:
    async with serving(Peer, seed=seed, within=20000) as served:
        yield served


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
