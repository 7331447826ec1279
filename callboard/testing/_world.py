"""A whole world for one call or many: carrier, server, voice agent, emulated providers, in one process."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from callboard import deepgram, grok
from callboard.actors import (
    AgentEvent,
    Bound,
    Call,
    CallServer,
    ChildSpec,
    Context,
    Provider,
    Restart,
    Route,
    ServerOptions,
    System,
    VoiceAgent,
    create_voice_agent,
    open_server,
    open_system,
)
from callboard.actors._provider_options import ConnectionOptions
from callboard.actors._watch import WatchEvent
from callboard.actors.brains import Brain, RuleBrain
from callboard.actors.emulators import (
    CallResult,
    CarrierEmulator,
    CarrierFaults,
    DeepgramEmulator,
    DeepgramEmulatorOptions,
    GrokEmulator,
    GrokEmulatorOptions,
    ScriptedCaller,
    Step,
    Stride,
)
from callboard.media.speech import SpeechEngines, load_speech

from ._determinism import Simulation
from ._log import EventLog
from ._network import Transport
from ._tap import tapped_system

KEY = "sk-simulated-0123456789abcdef"
"""The credential of every provider in a world: it must appear nowhere."""

GREETING = "Hello, this is the clinic."

# Where a client looks for its provider, and for its key.
_VARIABLES = {
    "grok": ("CALLBOARD_GROK_URL", "XAI_API_KEY"),
    "deepgram": ("CALLBOARD_DEEPGRAM_URL", "DEEPGRAM_API_KEY"),
}

# Over real framing the messages of a conversation are those of a carrier, 20 ms each; silence is joined.
STRIDES = {
    Transport.FRAMES: Stride(quiet=50, joined=True),
    Transport.LOCKSTEP: Stride(),
    Transport.MESSAGES: Stride(speaking=5, listening=10, quiet=100, joined=True),
}

Emulator = GrokEmulator | DeepgramEmulator


@attrs.define(eq=False)
class World:
    """What `open_world` gives."""

    system: System
    """callboard's: the server, its calls, and all that is in them."""
    outside: System
    """The emulated providers."""
    server: CallServer
    carrier: CarrierEmulator
    emulators: dict[str, Emulator]
    log: EventLog
    providers: list[Provider]
    """For `create_voice_agent` in a scenario of your own."""
    engines: SpeechEngines
    calls: list[Call] = attrs.field(factory=list[Call])
    agents: list[VoiceAgent] = attrs.field(factory=list[VoiceAgent])
    """Of the default scenario, one for each call that got so far."""

    async def phone(self, steps: Sequence[Step], *, faults: CarrierFaults | None = None) -> CallResult:
        """Place a call, with a caller who does this, and wait for its end."""
        result = await self.carrier.call(ScriptedCaller(steps, self.engines), faults=faults).run()
        self.log.add("result", result.call_sid, result.outcome.end.value, f"{result.duration:.3f}")
        return result

    def left(self) -> list[str]:
        """What is left of calls in the tree."""
        return [path for path in self.system.registry if path.startswith("calls/")]


WorldScenario = Callable[[World, Call], Awaitable[None]]


@asynccontextmanager
async def open_world(
    simulation: Simulation,
    *,
    providers: Sequence[str] = ("grok",),
    scenario: WorldScenario | None = None,
    tools: Sequence[Callable[..., object]] = (),
    record: Path | None = None,
    brain: Callable[[], Brain] = RuleBrain,
    grok_options: GrokEmulatorOptions | None = None,
    deepgram_options: DeepgramEmulatorOptions | None = None,
    options: ConnectionOptions | None = None,
    trace: Path | None = None,
    stride: Stride | None = None,
) -> AsyncGenerator[World, None]:
    """A server with its carrier and its providers, on the simulation's network.

    Args:
        simulation: From `simulate`.
        providers: `grok`, `deepgram`, the preferred one first; each is emulated.
        scenario: Runs for each call; by default a receptionist that greets and has the tools.
        tools: Of the default scenario.
        record: Where the default scenario records calls.
        brain: Makes the language model of each session.
        grok_options: Of the emulated provider; seeded by the simulation if not given.
        deepgram_options: The same.
        options: Of the default scenario's connections.
        trace: Where the default scenario writes traces.
        stride: How much of a call goes by at once; by default as simulations are fastest.

    A world that is left ends its calls first.
    """
    seed, network = simulation.seed, simulation.network
    engines = load_speech("tones")
    if stride is None:
        stride = STRIDES[network.transport]
    made: dict[str, Callable[[], Emulator]] = {
        "grok": lambda: GrokEmulator(
            grok_options or GrokEmulatorOptions(seed=seed + 1), engines=engines, brain_factory=brain
        ),
        "deepgram": lambda: DeepgramEmulator(
            deepgram_options or DeepgramEmulatorOptions(seed=seed + 2), engines=engines, brain_factory=brain
        ),
    }
    emulators = {name: made[name]() for name in providers}
    async with (
        open_system("outside", network=network, seed=seed) as outside,
        open_system("system", network=network, seed=seed) as system,
    ):
        simulation.systems += [system, outside]
        chosen: list[Provider] = []
        found: dict[str, str] = {}
        for name, emulator in emulators.items():
            ref = await outside.start(_emulated(name, emulator, outside))
            bound = ref.value
            assert isinstance(bound, Bound)
            url = f"ws://{bound.authority}"
            found |= {_VARIABLES[name][0]: url, _VARIABLES[name][1]: KEY}
            chosen.append(
                grok.Provider(base_url=url, xai_api_key=KEY)
                if name == "grok"
                else deepgram.Provider(base_url=url, api_key=KEY)
            )

        async def serve(call: Call) -> None:
            world.calls.append(call)
            await (scenario or receptionist)(world, call)

        async def receptionist(world: World, call: Call) -> None:
            if record is not None:
                await call.record(record / f"{call.id()}.wav")
            await call.answer()
            agent = await create_voice_agent(call, world.providers, options=options, trace=trace or False)
            world.agents.append(agent)
            logging.start_soon(_log_agent, simulation.log, call, agent)
            await agent.configure(instructions="You are a clinic's receptionist.", tools=tools)
            call.send_media_between(agent)
            await agent.say(GREETING)
            await call.wait_ended()

        async with _environment(found), trio.open_nursery() as logging, _log_actors(simulation.log, system):
            async with open_server(system, (Route(".*", serve),), ServerOptions(port=0)) as server:
                carrier = CarrierEmulator(network, server.media_url, seed=seed + 3, stride=stride)
                world = World(
                    system=system,
                    outside=outside,
                    server=server,
                    carrier=carrier,
                    emulators=emulators,
                    log=simulation.log,
                    providers=chosen,
                    engines=engines,
                )
                yield world
            logging.cancel_scope.cancel(reason="the world ends")


@asynccontextmanager
async def _environment(values: dict[str, str]) -> AsyncGenerator[None, None]:
    """Clients that are told nothing find the emulated providers."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _emulated(name: str, emulator: Emulator, outside: System) -> ChildSpec[Any, Bound]:
    async def run(context: Context[Any], /, *, task_status: trio.TaskStatus[Bound]) -> None:
        del context
        await emulator.run(outside.network, task_status=task_status)

    return ChildSpec(name=name, run=run, restart=Restart.PERMANENT, grace=1.0)


@asynccontextmanager
async def _log_actors(log: EventLog, system: System) -> AsyncGenerator[None, None]:
    def note(event: WatchEvent) -> None:
        exit = getattr(event, "exit", None)
        log.add(type(event).__name__, getattr(event, "path", ""), "" if exit is None else exit.kind.value)

    with tapped_system(system, note):
        yield


async def _log_agent(log: EventLog, call: Call, agent: VoiceAgent) -> None:
    async for event in agent.events(AgentEvent):
        told = [
            str(getattr(event, name))
            for name in ("text", "final", "turn_id", "interrupted", "call_id", "name", "provider")
            if hasattr(event, name)
        ]
        log.add(type(event).__name__, call.id(), *told)
