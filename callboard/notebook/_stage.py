"""What a lab consists of: a server, emulated providers and an emulated carrier in one system, all in one process."""

import difflib
import itertools
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio

from callboard import deepgram, grok
from callboard._reception import converse
from callboard.actors import (
    ActorStarted,
    AgentEvent,
    Bound,
    Call,
    CallServer,
    ChildSpec,
    Context,
    Network,
    NoSuchActor,
    Provider,
    Restart,
    RestartIntensity,
    Route,
    Scenario,
    ServerOptions,
    SupervisorRef,
    SupervisorSpec,
    System,
    create_voice_agent,
    open_server,
    open_system,
    supervisor_child,
)
from callboard.actors._nursery import only_error
from callboard.actors.brains import Brain, RuleBrain
from callboard.actors.emulators import (
    Caller,
    CarrierEmulator,
    CarrierFaults,
    DeepgramEmulator,
    DeepgramEmulatorOptions,
    GrokEmulator,
    GrokEmulatorOptions,
    Stride,
)
from callboard.actors.emulators._carrier_stride import WIRE
from callboard.media.speech import SpeechEngines

from ._happenings import Happenings
from ._sounds import SoundBank
from ._staged import StagedCall

KEY = "sk-lab-not-a-real-key"
# Where a client looks for its provider, and for its key.
VARIABLES = {
    "grok": ("CALLBOARD_GROK_URL", "XAI_API_KEY"),
    "deepgram": ("CALLBOARD_DEEPGRAM_URL", "DEEPGRAM_API_KEY"),
}
# People in a lab kill things again and again.
ROOT = SupervisorSpec(intensity=RestartIntensity(restarts=10, period=5.0))


class Emulator(Protocol):
    """An emulated provider."""

    async def run(
        self, network: Network, host: str = ..., port: int = ..., *, task_status: trio.TaskStatus[Bound]
    ) -> None:
        """Listen and serve until cancelled."""
        ...


@attrs.frozen(kw_only=True)
class StageOptions:
    """How a stage is set."""

    engines: SpeechEngines
    providers: tuple[str, ...] = ("grok",)
    """`grok`, `deepgram`, the preferred one first; each is emulated."""
    seed: int = 0
    network: Network | None = None
    """TCP on the loopback if None."""
    brain: Callable[[], Brain] = RuleBrain
    stride: Stride = WIRE
    """How much of a call goes by at once, in a simulation."""
    ledger_every: float = 0.02
    max_calls: int = 150
    trace: bool = False
    """Write what goes over the providers' sockets, with audio."""


class Stage:
    """Made by `open_stage`. For the thread it was opened in."""

    def __init__(self, options: StageOptions, system: System, folder: Path, nursery: trio.Nursery) -> None:
        self.options = options
        self.system = system
        self.folder = folder
        """For files; gone with the stage."""
        self.happenings = Happenings(trio.current_time())
        self.bank = SoundBank(options.engines)
        self.calls: list[StagedCall] = []
        self.providers: list[Provider] = []
        self.yours: SupervisorRef
        """The supervisor of actors that were started by hand."""
        self._nursery = nursery
        self._numbers = itertools.count(1)
        self._server: CallServer | None = None
        self._carrier: CarrierEmulator | None = None
        self._by_id: dict[str, StagedCall] = {}

    @property
    def server(self) -> CallServer:
        """Takes the calls."""
        assert self._server is not None
        return self._server

    def call(self, number: int | None = None) -> StagedCall:
        """A call by its number; the latest one if None.

        Raises:
            LookupError: There is none.
        """
        if not self.calls:
            raise LookupError("there has been no call yet: `call = await lab.call(...)` places one")
        if number is None:
            return self.calls[-1]
        found = next((call for call in self.calls if call.number == number), None)
        if found is None:
            raise LookupError(
                f"there is no call {number!r}; there are {[call.number for call in self.calls]}"
            )
        return found

    async def place(
        self, caller: Caller, scenario: Scenario | None = None, *, faults: CarrierFaults | None = None
    ) -> StagedCall:
        """Place a call, and return when its audio flows.

        Raises:
            Exception: What the caller's `prepare` raised; nothing was dialled then.
        """
        assert self._carrier is not None
        number = next(self._numbers)
        carrier_call = self._carrier.call(caller, faults=faults)
        # Short, for it is in the paths of all its actors.
        carrier_call.wire.call_sid = f"CA{number}"
        staged = StagedCall(
            number,
            carrier_call,
            scenario or self._receive,
            self.happenings,
            ledger_every=self.options.ledger_every,
        )
        self._by_id[staged.call_id] = staged
        self.calls.append(staged)
        try:
            await self._nursery.start(staged.run)
        except BaseException:
            # Nothing was dialled.
            self.calls.remove(staged)
            raise
        return staged

    async def open(self, stack: AsyncExitStack) -> None:
        """Start everything."""
        options, system = self.options, self.system
        self.start_soon(self._watch)
        found: dict[str, str] = {}
        for name in options.providers:
            ref = await system.start(_emulated(system, name, _emulator(name, options)))
            bound = ref.value
            assert isinstance(bound, Bound)
            url = f"ws://{bound.authority}"
            found |= {VARIABLES[name][0]: url, VARIABLES[name][1]: KEY}
            self.providers.append(
                grok.Provider(voice="eve", base_url=url, xai_api_key=KEY)
                if name == "grok"
                else deepgram.Provider(voice="flux-kit-en", base_url=url, api_key=KEY)
            )
        stack.enter_context(_environment(found))
        self._server = await stack.enter_async_context(
            open_server(
                system,
                (Route(".*", self._serve),),
                # The emulators are in the same loop: how busy it is says nothing about the server.
                ServerOptions(
                    port=0,
                    max_calls=options.max_calls,
                    drain=0.0,
                    max_lag=None,
                    max_busy=None,
                    stall_threshold=None,
                ),
            )
        )
        self._carrier = CarrierEmulator(
            system.network,
            self.server.media_url,
            custom_parameters={"from": "+15550100001", "to": "+15550100002"},
            seed=options.seed,
            stride=options.stride,
        )
        yours = await system.start(
            supervisor_child(
                "yours",
                intensity=RestartIntensity(restarts=10, period=5.0),
                restart=Restart.PERMANENT,
                doc="actors that were started by hand",
            )
        )
        assert isinstance(yours, SupervisorRef)
        self.yours = yours

    def kill(self, path: str, reason: str = "killed") -> None:
        """Kill an actor, and note that it was killed from here.

        Raises:
            NoSuchActor: There is none; the text names those that are like it.
        """
        if self.system.lookup(path) is None:
            raise no_such_actor(path, self.system.registry)
        self.happenings.add("kill", trio.current_time(), path, reason, self.number_of(path))
        self.system.kill(path, reason)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Run something beside the stage; where it fails it is noted, and nothing else fails with it."""

        async def guarded() -> None:
            try:
                await function(*arguments)
            except Exception as error:  # noqa: BLE001  # what looks on must not end what it looks at
                self.happenings.add("error", trio.current_time(), "", f"{type(error).__name__}: {error}")

        self._nursery.start_soon(guarded)

    def number_of(self, path: str) -> int | None:
        """Of the call that an actor belongs to."""
        parts = path.split("/", 2)
        staged = self._by_id.get(parts[1]) if len(parts) > 1 and parts[0] == "calls" else None
        return None if staged is None else staged.number

    # Calls as the server has them

    async def _serve(self, call: Call) -> None:
        staged = self._by_id.get(call.info.call_id)
        if staged is None:
            # Somebody else's: a carrier of yours, on the port of the lab.
            await self._converse(call)
            return
        staged.attach(call)
        self.start_soon(staged.sample)
        await staged.scenario(call)

    async def _receive(self, call: Call) -> None:
        await self._converse(call, self._by_id.get(call.info.call_id))

    async def _converse(self, call: Call, staged: StagedCall | None = None) -> None:
        """Take a call as the reception of the clinic."""
        await call.answer()
        folder = self.folder / "traces" if self.options.trace else False
        agent = await create_voice_agent(call, self.providers, trace=folder, trace_audio=self.options.trace)
        if staged is not None:
            staged.adopt(agent)
            self.start_soon(staged.follow, agent, agent.events(AgentEvent))
        await converse(call, agent)

    async def _watch(self) -> None:
        with self.system.watch(capacity=65536) as events:
            async for event in events:
                path = getattr(event, "path", "")
                number = self.number_of(path)
                self.happenings.actor(event, trio.current_time(), number)
                if number is not None and isinstance(event, ActorStarted) and "/bridges/" in path:
                    staged = self.call(number)
                    for agent in staged.new_agents():
                        self.start_soon(staged.follow, agent)


@asynccontextmanager
async def open_stage(options: StageOptions) -> AsyncGenerator[Stage, None]:
    """Open a stage for the time of the body.

    Raises:
        RestartsExhausted: The system's root gave up.
        ActorGone: It was killed.
    """
    with tempfile.TemporaryDirectory(prefix="callboard-lab-") as folder:
        try:
            async with AsyncExitStack() as stack:
                system = await stack.enter_async_context(
                    open_system("lab", network=options.network, seed=options.seed, root=ROOT)
                )
                nursery = await stack.enter_async_context(trio.open_nursery())
                stage = Stage(options, system, Path(folder), nursery)
                await stage.open(stack)
                yield stage
                nursery.cancel_scope.cancel(reason="the stage closes")
        except BaseExceptionGroup as group:
            # One error that went through our nursery.
            error = only_error(group)
            if error is None:
                raise
            raise error from error.__cause__


def _emulator(name: str, options: StageOptions) -> Emulator:
    made: Mapping[str, Callable[[], Emulator]] = {
        "grok": lambda: GrokEmulator(
            GrokEmulatorOptions(seed=options.seed + 1), engines=options.engines, brain_factory=options.brain
        ),
        "deepgram": lambda: DeepgramEmulator(
            DeepgramEmulatorOptions(seed=options.seed + 2),
            engines=options.engines,
            brain_factory=options.brain,
        ),
    }
    return made[name]()


def _emulated(system: System, name: str, emulator: Emulator) -> ChildSpec[None, Bound]:
    bound: list[Bound] = []

    async def run(context: Context[None], /, *, task_status: trio.TaskStatus[Bound]) -> None:
        del context
        # After a kill the same port again: clients know it.
        port = bound[0].port if bound else 0

        class Noting:
            """Keeps the address for the next life."""

            def started(self, value: Any = None) -> None:
                bound[:] = [value]
                task_status.started(value)

        await emulator.run(system.network, port=port, task_status=Noting())

    return ChildSpec(name=f"emulated-{name}", run=run, restart=Restart.PERMANENT, grace=1.0)


@contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None, None, None]:
    """Clients that are told nothing find the emulated providers, and not the real ones with a real key."""
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


def no_such_actor(path: str, paths: Iterable[str]) -> NoSuchActor:
    """The error for a path at which there is nobody."""
    near = difflib.get_close_matches(path, paths, n=3, cutoff=0.4)
    return NoSuchActor(path + (f" (there are {', '.join(near)})" if near else ""))


def check_providers(providers: Sequence[str]) -> tuple[str, ...]:
    """The names, if they are names of providers.

    Raises:
        ValueError: One is not, or is given twice, or there is none.
    """
    if not providers or len(set(providers)) < len(providers) or not set(providers) <= VARIABLES.keys():
        raise ValueError(f"providers are {list(providers)!r}, expected one or more of {sorted(VARIABLES)}")
    return tuple(providers)
