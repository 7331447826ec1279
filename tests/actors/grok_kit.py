"""A Grok server whose every message a test chooses, and clients connected to it in memory."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs

from callboard import grok
from callboard.actors._scope import Scope, system_scope
from callboard.actors._system import System
from callboard.media import ULAW_8K, AudioFormat
from tests.actors import peer_kit
from tests.actors.peer_kit import Ear, Message as Message, Mouth, serving, settle as settle

KEY = "xai-Secret-0123456789abcdef"
V = grok.VoiceAgentAPIEvents


@attrs.define(eq=False)
class Peer(peer_kit.Peer):
    """The server's side of one connection."""

    def take(self, raw: str | bytes) -> Message | None:
        """What came; None for caller audio."""
        assert isinstance(raw, str), raw
        message = cast("Message", json.loads(raw))
        self.received.append(message)
        if message["type"] == "input_audio_buffer.append":
            self.heard += base64.b64decode(message["audio"])
            return None
        return message

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


Server = peer_kit.Server[Peer]


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
        await settle()

    async def reconnected(self) -> Peer:
        """The next connection, settled."""
        self.peer = await self.server.peer()
        await settle()
        return self.peer

    def path(self, name: str) -> str:
        return f"{self.client._ref.path}/{name}" if self.client._ref else ""


@asynccontextmanager
async def open_server(*, seed: int = 1) -> AsyncGenerator[tuple[System, Server], None]:
    async with serving(Peer, seed=seed, within=3600) as served:
        yield served


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
