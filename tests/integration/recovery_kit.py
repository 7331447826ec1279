"""A phone, a client and an emulated provider in one process, and everything that can happen to the connection."""

import enum
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol

import attrs
import numpy as np
import trio

from callboard import (
    AgentEvent,
    HistoryCall,
    HistoryMessage,
    HistoryResult,
    VoiceAgent,
    create_voice_agent,
    deepgram,
    grok,
    tool,
)
from callboard.actors import (
    Bound,
    Edge,
    Heard,
    MediaUnit,
    Scope,
    System,
    TranscriptLine,
    open_system,
    system_scope,
)
from callboard.actors._network import WrappedStream
from callboard.actors._nursery import open_plain_nursery
from callboard.actors._provider_options import ConnectionOptions
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Action, Brain, BrainInput, CallTool, Speak
from callboard.actors.emulators import (
    DeepgramEmulator,
    DeepgramEmulatorOptions,
    GrokEmulator,
    GrokEmulatorOptions,
)
from callboard.media import ULAW_8K, AudioFormat, AudioFrame, ToneDecoder, ToneEncoder, decode, encode
from callboard.media.speech import load_speech
from callboard.testing import MemoryNetwork

FRAME = 0.02


async def until(condition: Callable[[], object], *, within: float = 60.0, step: float = 0.02) -> None:
    """Wait for something of which there is no event, such as a sentence having been heard."""
    with trio.fail_after(within):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(step)


class Loss(enum.Enum):
    """How a provider goes away."""

    CLOSED_1000 = 1000
    CLOSED_1001 = 1001
    CUT_1006 = 1006
    CLOSED_1011 = 1011
    ERROR_THEN_CLOSE = "error"
    SILENT_STALL = "stall"
    RESET = "reset"


class FaultyStream(WrappedStream):
    """A client's end of a connection, which can be reset or stalled from outside."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self._stalled = False
        self._reset = trio.Event()

    def stall(self) -> None:
        """From now on nothing arrives on either side, and nobody is told."""
        self._stalled = True

    def reset(self) -> None:
        """As an RST does."""
        self._reset.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._reset.is_set():
            raise trio.BrokenResourceError("reset")
        if not self._stalled:
            await super().send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data: bytes | bytearray = b""
        async with open_plain_nursery() as nursery:

            async def give_up() -> None:
                await self._reset.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            data = await super().receive_some(max_bytes)
            if self._stalled:
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()
        if self._reset.is_set() and not data:
            raise trio.BrokenResourceError("reset")
        return data


class FaultyNetwork(MemoryNetwork):
    """Keeps hold of the streams that were opened through it."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[FaultyStream] = []
        self.on_connect: Callable[[int, FaultyStream], None] | None = None
        self.refused_ports: set[int] = set()

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        if port in self.refused_ports:
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError(111, "Connection refused", f"{host}:{port}")
        stream = FaultyStream(await super().connect(host, port, ssl_context=ssl_context))
        self.streams.append(stream)
        if self.on_connect is not None:
            self.on_connect(len(self.streams), stream)
        return stream


class Echo(Brain):
    """Says "you said ..." to each turn, calls the tools whose names are in it, and reads their results out."""

    def __init__(self, inputs: list[BrainInput]) -> None:
        self._inputs = inputs

    def respond(self, given: BrainInput) -> Sequence[Action]:
        self._inputs.append(given)
        turns = list(given.history)
        asked_to_go_on = bool(turns) and (turns[-1].role, turns[-1].text) == ("user", "Please go on.")
        if asked_to_go_on:
            turns.pop()
        results: list[str] = []
        while turns and turns[-1].role in {"tool", "assistant"}:
            turn = turns.pop()
            if turn.role == "tool":
                results.insert(0, turn.text)
        asked = turns[-1].text if turns else ""
        wanted = [word for word in asked.split() if word in {spec.name for spec in given.tools}]
        if wanted and len(results) < len(wanted):
            return [CallTool(name=name, arguments={"what": name}) for name in wanted]
        if results:
            return [Speak(text=" and ".join(results))]
        if "long" in asked:
            return [Speak(text=". ".join(f"Sentence number {n} of a long answer" for n in range(12)) + ".")]
        return [Speak(text=f"You said {asked}")]


class Side(Protocol):
    """One provider, emulated."""

    name: str
    port: int

    async def start(self, network: FaultyNetwork, nursery: trio.Nursery) -> None: ...
    def provider(self) -> Any: ...
    def sockets(self) -> list[WebSocket]: ...
    async def fail(self, socket: WebSocket) -> None: ...
    def history(self) -> list[tuple[str, str]]: ...
    def n_sessions(self) -> int: ...


class GrokSide:
    name = "grok"

    def __init__(self, inputs: list[BrainInput], **options: Any) -> None:
        self.emulator = GrokEmulator(
            GrokEmulatorOptions(seed=3, first_audio_delay=0.1, **options),
            engines=load_speech("tones"),
            brain_factory=lambda: Echo(inputs),
        )
        self.port = 0
        self.resumption = False
        self.dialect: Literal["realtime", "agent"] = "realtime"

    async def start(self, network: FaultyNetwork, nursery: trio.Nursery) -> None:
        bound: Bound = await nursery.start(self.emulator.run, network)
        self.port = bound.port

    def provider(self) -> grok.Provider:
        return grok.Provider(
            base_url=f"ws://127.0.0.1:{self.port}", resumption=self.resumption, dialect=self.dialect
        )

    def sockets(self) -> list[WebSocket]:
        return list(self.emulator._sockets.values())

    async def fail(self, socket: WebSocket) -> None:
        error = {"type": "internal_error", "code": "internal_error", "message": "Internal error"}
        await socket.send(json.dumps({"type": "error", "error": error}))
        await socket.aclose(1011, "Internal error")

    def history(self) -> list[tuple[str, str]]:
        """What the newest session knows: role or kind, and text."""
        parts = list(self.emulator._live.values())[-1]
        return [
            ("call" if turn.call_id and turn.role == "assistant" else turn.role, turn.text or turn.name)
            for turn in parts.conversation.history()
            if turn.text or turn.name
        ]

    def n_sessions(self) -> int:
        return self.emulator.statistics().accepted


class DeepgramSide:
    name = "deepgram"

    def __init__(self, inputs: list[BrainInput], **options: Any) -> None:
        self.emulator = DeepgramEmulator(
            DeepgramEmulatorOptions(seed=3, **options),
            engines=load_speech("tones"),
            brain_factory=lambda: Echo(inputs),
        )
        self.port = 0

    async def start(self, network: FaultyNetwork, nursery: trio.Nursery) -> None:
        bound: Bound = await nursery.start(self.emulator.run, network)
        self.port = bound.port

    def provider(self) -> deepgram.Provider:
        return deepgram.Provider(base_url=f"ws://127.0.0.1:{self.port}")

    def sockets(self) -> list[WebSocket]:
        return list(self.emulator._sockets.values())

    async def fail(self, socket: WebSocket) -> None:
        await socket.send(
            json.dumps({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "Internal error"})
        )
        await socket.aclose(1000)

    def history(self) -> list[tuple[str, str]]:
        """What the newest session knows: role or kind, and text."""
        told: list[tuple[str, str]] = []
        for entry in self.emulator.sessions[-1].history:
            for call in entry.function_calls or ():
                told += [("call", call.name), ("tool", call.response)]
            if entry.role is not None and entry.content != "Please go on.":
                # Sentence by sentence here, a whole answer elsewhere.
                if entry.role == "assistant" and told and told[-1][0] == "assistant":
                    told[-1] = ("assistant", f"{told[-1][1]} {entry.content}")
                else:
                    told.append((entry.role, entry.content or ""))
        return told

    def n_sessions(self) -> int:
        return self.emulator.statistics().accepted


class Phone(MediaUnit):
    """A caller who speaks in tones at real time, silence in between, and hears at real time."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("phone", scope)
        self.silence = FRAME
        """How much silence is sent at once, float seconds."""
        self.floor = 0
        self.stale = 0
        """Frames of an answer that had been flushed."""
        self.payload = bytearray()
        self._spans: dict[int, list[tuple[float, float]]] = {}
        self._until = 0.0
        self._queue: list[bytes] = []
        self._position = 0
        self.quiet = trio.Event()

    @property
    def output_format(self) -> AudioFormat:
        return ULAW_8K

    @property
    def input_format(self) -> AudioFormat:
        return ULAW_8K

    async def run(self) -> None:
        silence = ULAW_8K.silence(round(self.silence * 8000))
        while True:
            payload = self._queue.pop(0) if self._queue else silence
            if not self._queue:
                self.quiet.set()
            self.emit(AudioFrame(payload=payload, format=ULAW_8K, position=self._position))
            self._position += len(payload)
            await trio.sleep(len(payload) / 8000)

    async def say(self, text: str) -> None:
        """Speak; returns when the last frame has gone."""
        payload = encode(ToneEncoder().encode(text), ULAW_8K)
        payload += ULAW_8K.silence(-len(payload) % 160)
        self.quiet = trio.Event()
        self._queue += [payload[at : at + 160] for at in range(0, len(payload), 160)]
        await self.quiet.wait()

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        self.stale += frame.generation < self.floor
        start = max(self._until, trio.current_time())
        self._until = start + frame.duration
        self._spans.setdefault(frame.generation, []).append((start, self._until))
        self.payload += frame.payload

    def flush_input(self, edge: Edge, generation: int) -> None:
        self.floor = max(self.floor, generation)
        now = trio.current_time()
        self._until = min(self._until, now)
        for spans in self._spans.values():
            spans[:] = [(start, min(end, now)) for start, end in spans if start < now]

    def heard(self, edge: Edge, generation: int) -> Heard:
        now = trio.current_time()
        spans = self._spans.get(generation, ())
        return Heard(likely=sum(min(end, now) - min(start, now) for start, end in spans))

    def sentences(self) -> list[str]:
        """All that was sent to this phone, as words."""
        samples = decode(bytes(self.payload), ULAW_8K)
        return [str(text) for text in ToneDecoder().push(np.concatenate((samples, np.zeros(1600, np.int16))))]


@attrs.define(eq=False)
class Talk:
    """A call between a phone and an agent."""

    system: System
    network: FaultyNetwork
    side: Any
    sides: list[Any]
    agent: VoiceAgent
    phone: Phone
    inputs: list[BrainInput]
    runs: list[str]
    """Tool runs that were begun."""
    events: list[AgentEvent] = attrs.field(factory=list[AgentEvent])

    async def turn(self, text: str, *, within: float = 60.0) -> str:
        """Say something, and wait until an answer to it has been heard."""
        before = len(self.lines("agent"))
        await self.phone.say(text)
        await self.answered(before, within=within)
        return self.lines("agent")[-1]

    async def answered(self, before: int, *, within: float = 60.0) -> None:
        """Wait until there are more answers than `before`, played to the end."""
        await until(lambda: len(self.lines("agent")) > before, within=within, step=0.1)

    async def settled(self) -> None:
        """Wait until nobody says anything, and all that was said has been written down."""
        await trio.sleep(1.0)
        await until(lambda: self.agent._core.idle, within=120, step=0.5)
        await trio.sleep(1.0)

    def lines(self, speaker: str) -> list[str]:
        lines: Sequence[TranscriptLine] = self.agent.transcript.lines
        return [line.text for line in lines if line.speaker.value == speaker]

    def history(self) -> list[tuple[str, str]]:
        """What the client knows, as `Side.history` tells what the provider knows."""
        told: list[tuple[str, str]] = []
        results = {entry.call_id: entry for entry in self.agent.history if isinstance(entry, HistoryResult)}
        for entry in self.agent.history:
            match entry:
                case HistoryMessage(role="assistant") if self._merges and told and told[-1][0] == "assistant":
                    told[-1] = ("assistant", f"{told[-1][1]} {entry.text}")
                case HistoryMessage():
                    told.append((entry.role, entry.text))
                case HistoryCall():
                    told.append(("call", entry.name))
                    # One entry on that wire.
                    if self._merges and entry.call_id in results:
                        told.append(("tool", results[entry.call_id].output))
                case HistoryResult() if not self._merges:
                    told.append(("tool", entry.output))
                case _:
                    pass
        return told

    @property
    def _merges(self) -> bool:
        return self.agent.provider == "deepgram"

    async def strike(self, loss: Loss) -> None:
        """Make the provider go away."""
        await self._strike(loss, -1)

    async def strike_first(self, loss: Loss) -> None:
        """Make the oldest session that is open go away."""
        await self._strike(loss, 0)

    async def _strike(self, loss: Loss, which: int) -> None:
        sockets = self.side.sockets()
        match loss:
            case Loss.SILENT_STALL:
                self.network.streams[which].stall()
            case Loss.RESET:
                self.network.streams[which].reset()
            case Loss.CUT_1006:
                await trio.aclose_forcefully(sockets[which]._stream)
            case Loss.ERROR_THEN_CLOSE:
                await self.side.fail(sockets[which])
            case _:
                await sockets[which].aclose(int(loss.value), "so it goes")


@asynccontextmanager
async def open_talk(
    kinds: Sequence[str] = ("grok",),
    *,
    seconds: float = 3.0,
    options: ConnectionOptions | None = None,
    first_fault: Callable[[int, FaultyStream], None] | None = None,
    on_sides: Callable[[list[Any]], None] | None = None,
    emulators: dict[str, dict[str, Any]] | None = None,
    resumption: bool = False,
    dialect: Literal["realtime", "agent"] = "realtime",
    preferred: AudioFormat = ULAW_8K,
    filler: Any = None,
    silence: float = FRAME,
) -> AsyncGenerator[Talk, None]:
    """A phone that talks to an agent of the given providers.

    Args:
        kinds: `grok`, `deepgram`, in the order of preference.
        seconds: How long a tool takes.
        options: Of the connections.
        first_fault: Called with each connection that is opened, and its number.
        on_sides: Called with the emulated providers once they listen.
        emulators: Further options of the emulators, by kind.
        resumption: Of Grok.
        dialect: Of Grok.
        preferred: The audio format of the call.
        filler: See `create_voice_agent`.
        silence: What the phone sends at once while nobody speaks, float seconds.
    """
    network = FaultyNetwork()
    inputs: list[BrainInput] = []
    runs: list[str] = []

    @tool
    async def weather(what: str) -> str:
        """The weather."""
        runs.append(what)
        await trio.sleep(seconds)
        return "sunny today"

    @tool
    async def traffic(what: str) -> str:
        """The traffic."""
        runs.append(what)
        await trio.sleep(seconds * 1.5)
        return "roads are clear"

    makers: dict[str, Callable[..., Any]] = {"grok": GrokSide, "deepgram": DeepgramSide}
    with trio.fail_after(6 * 3600):
        async with trio.open_nursery() as nursery:
            sides = [makers[kind](inputs, **(emulators or {}).get(kind, {})) for kind in kinds]
            for side in sides:
                await side.start(network, nursery)
                if isinstance(side, GrokSide):
                    side.resumption, side.dialect = resumption, dialect
            if on_sides is not None:
                on_sides(sides)
            network.on_connect = first_fault
            async with open_system(network=network, seed=5) as system:
                scope = await system_scope(system)
                scope.preferred_format = preferred
                agent = await create_voice_agent(
                    scope, [side.provider() for side in sides], options=options, filler=filler
                )
                phone = Phone(scope)
                phone.silence = silence
                talk = Talk(system, network, sides[0], sides, agent, phone, inputs, runs)
                nursery.start_soon(phone.run)
                nursery.start_soon(_watch, talk)
                await agent.configure(instructions="Echo.", tools=[weather, traffic])
                phone.send_media_to(agent)
                agent.send_media_to(phone)
                yield talk
                agent.close()
            nursery.cancel_scope.cancel()


async def _watch(talk: Talk) -> None:
    async for event in talk.agent.events(AgentEvent):
        talk.events.append(event)
