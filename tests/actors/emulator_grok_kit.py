"""A Grok emulator on an in-memory network, and a client that keeps to the wire and nothing else."""

import base64
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from callboard.actors._network import Network
from callboard.actors._websocket import open_websocket
from callboard.actors.emulators._grok_options import GrokEmulatorOptions
from callboard.actors.emulators._grok_server import GrokEmulator
from callboard.media import PCM16_24K, Samples, encode
from callboard.media.speech import SpeechEngines
from callboard.protocols import grok
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
    words,
)

AUTH = (("Authorization", "Bearer any-key"),)

TEXT_PART = "input_text"
VAD: Message = {"turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True}}
TRANSCRIBED: Message = {"input": {"transcription": {"model": "grok-transcribe"}}}


def heard(payload: bytes) -> list[str]:
    """The words in 24 kHz PCM16 from the emulator."""
    return words(payload, 24000)


class Client(WireClient):
    """Speaks Grok's wire."""

    def read(self, raw: str | bytes) -> tuple[Message, bytes]:
        decoded = grok.decode_server_event(raw)
        assert not isinstance(decoded.event, grok.Unknown), raw
        if isinstance(decoded.event, grok.BinaryAudio):
            return {"type": "binary"}, decoded.event.payload
        audio = decoded.event.payload() if isinstance(decoded.event, grok.ResponseOutputAudioDelta) else b""
        return dict(decoded.raw), audio

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
class Rig(ServiceRig):
    """A running emulator."""

    emulator: GrokEmulator

    @asynccontextmanager
    async def client(
        self,
        query: str = "model=grok-voice-latest",
        *,
        headers: Headers = AUTH,
        subprotocols: Sequence[str] = (),
        greeted: bool = True,
    ) -> AsyncGenerator[Client, None]:
        url = f"ws://{self.authority}/v1/realtime?{query}"
        async with open_websocket(self.network, url, headers=headers, subprotocols=subprotocols) as socket:
            client = Client(socket)
            if greeted:
                await client.greeted()
            yield client


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
    settings = GrokEmulatorOptions(**(OPTIONS | options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    the_brain = brain or Rules()
    emulator = GrokEmulator(settings, engines=engines, brain_factory=factory or (lambda: the_brain))
    net = network or MemoryNetwork()
    async with listening(emulator, net) as authority:
        yield Rig(net, authority, emulator)
