"""Carries out a plan of faults in a world."""

import fnmatch
import functools
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, cast

import attrs
import trio

from callboard.actors import Bound, Network, Tool, ToolError
from callboard.actors.emulators import (
    CallResult,
    CarrierFaults,
    DeepgramEmulatorOptions,
    DeepgramFault,
    GrokEmulatorOptions,
    GrokFault,
    ScriptedCaller,
    SpeechBank,
    Step,
)

from ._determinism import Simulation
from ._faults import (
    Fault,
    FaultPlan,
    Kill,
    OnCarrier,
    OnProvider,
    OnTool,
    Outage,
    ToolAction,
    call_of,
    kind_of,
)
from ._faults_code import as_code
from ._faults_network import FaultyNetwork, FaultyWrapper, LineFaults, placing
from ._network import MemoryNetwork
from ._steps import ActorSteps, StepKill, actor_of
from ._world import World

AnyTool = Tool[Any, Any]


@attrs.frozen(kw_only=True)
class Strike:
    """A fault that happened."""

    fault: Fault
    time: float
    """On trio's clock, float seconds."""
    path: str = ""
    """The actor that was killed."""


class Faults:
    """What makes a plan happen.

    Made before the world is opened, for the network, the tools and the providers of the world have part in it::

        faults = Faults(simulation, FaultPlan((Kill(actor="providers/agent-1/connection", at=3.0),)))
        async with open_world(simulation, tools=[faults.tool(book)]) as world, faults.strike(world):
            result = await faults.phone([WaitForAgent(), Say("Hello"), WaitForAgent()])

    Args:
        simulation: Its network is replaced by a faulty one.
        plan: What goes wrong.
        network: Where it goes wrong, instead of the simulation's own.
    """

    def __init__(self, simulation: Simulation, plan: FaultPlan, *, network: Network | None = None) -> None:
        self.plan = plan
        self.struck: list[Strike] = []
        """What happened so far, in order."""
        self.missed: list[Fault] = []
        """Kills for which there was no such actor at their time."""
        self.numbers: dict[str, int] = {}
        """The numbers of calls by their ids."""
        self.touched: set[int] = set()
        """The numbers of the calls on which something went wrong."""
        self.on_strike: Callable[[Strike], None] = lambda strike: None
        """Called with each."""
        self._log = simulation.log
        self._lines = LineFaults(plan, self.numbers, self._strike)
        # Only simulations have a network in memory.
        simulation.network = (
            FaultyNetwork(simulation.network.transport, self._lines)
            if network is None
            else cast("MemoryNetwork", FaultyWrapper(network, self._lines))
        )
        self._next = itertools.count(1)
        self._tools: Counter[int] = Counter()
        self._world: World | None = None
        self._nursery: trio.Nursery | None = None
        self._steps: ActorSteps | None = None
        self._step_kills: dict[tuple[str, int], Kill] = {}
        self._bank: SpeechBank | None = None

    # Before the world is opened

    def grok_options(self, options: GrokEmulatorOptions) -> GrokEmulatorOptions:
        """The options, with the plan's faults of the emulator."""
        inner = [fault.fault for fault in self.plan if isinstance(fault, OnProvider)]
        faults = (*options.faults, *(fault for fault in inner if isinstance(fault, GrokFault)))
        return attrs.evolve(options, faults=faults)

    def deepgram_options(self, options: DeepgramEmulatorOptions) -> DeepgramEmulatorOptions:
        """The options, with the plan's faults of the emulator."""
        inner = [fault.fault for fault in self.plan if isinstance(fault, OnProvider)]
        faults = (*options.faults, *(fault for fault in inner if isinstance(fault, DeepgramFault)))
        return attrs.evolve(options, faults=faults)

    def tool(self, wrapped: AnyTool | Callable[..., Awaitable[object]]) -> AnyTool:
        """The tool, an async function, with the plan's faults of tools."""
        inner = cast("AnyTool", wrapped if isinstance(wrapped, Tool) else Tool(wrapped))
        function = cast("Callable[..., Awaitable[object]]", inner.function)

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> object:
            await self.at_tool()
            return await function(*args, **kwargs)

        return Tool(run, name=inner.name, description=inner.description, timeout=inner.timeout)

    async def at_tool(self) -> None:
        """Fail as a tool of this call is to fail now; for tools that are not made by `tool`.

        Raises:
            RuntimeError: As planned.
        """
        cell = actor_of(trio.lowlevel.current_task())
        parts = [] if cell is None else cell.path.split("/")
        number = self.numbers.get(parts[1]) if len(parts) > 1 else None
        if number is None:
            return
        self._tools[number] += 1
        for fault in self.plan.of_call(number):
            if isinstance(fault, OnTool) and fault.nth == self._tools[number]:
                self._strike(fault, call_of(fault))
                match fault.action:
                    case ToolAction.SLOW:
                        await trio.sleep(fault.seconds)
                    case ToolAction.RAISE:
                        raise ToolError("the planned fault of a tool")
                    case ToolAction.HANG:
                        await trio.sleep_forever()

    # In the world

    @asynccontextmanager
    async def strike(self, world: World) -> AsyncGenerator["Faults", None]:
        """Have the plan happen in a world for the time of the body."""
        self._world = world
        self._bank = SpeechBank(world.engines)
        self._lines.providers.update((self._port(name), name) for name in world.emulators)
        with ExitStack() as stack:
            if any(isinstance(fault, Kill) and fault.step is not None for fault in self.plan):
                steps = ActorSteps(ignore=(world.outside.name,), on_kill=self._killed, planned_only=True)
                self._steps = stack.enter_context(steps.installed())
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                began_at = trio.current_time()
                for fault in self.plan:
                    if isinstance(fault, Kill) and fault.actor.startswith("/"):
                        self._plan_kill(fault, fault.actor[1:], began_at)
                    elif isinstance(fault, Outage) and fault.provider in world.emulators:
                        nursery.start_soon(self._be_away, fault, began_at)
                yield self
                nursery.cancel_scope.cancel(reason="the faults are over")

    async def phone(self, steps: Sequence[Step], *, number: int | None = None) -> CallResult:
        """Place a call in which the faults of its number happen; see `World.phone`.

        Args:
            steps: What the caller does.
            number: The call's, if not the next one.
        """
        world, nursery = self._world, self._nursery
        if world is None or nursery is None or self._bank is None:
            raise RuntimeError("calls are placed inside `strike`")
        if number is None:
            number = next(self._next)
        faults = self._carrier_faults(number)
        call = world.carrier.call(ScriptedCaller(steps, self._bank), faults=faults)
        sid = call.wire.call_sid
        self.numbers[sid] = number
        now = trio.current_time()
        for fault in self.plan.of_call(number):
            if isinstance(fault, Kill):
                below = fault.actor.replace("{call}", sid)
                self._plan_kill(fault, f"calls/{sid}" + (f"/{below}" if below else ""), now)
        token = placing.set(number)
        try:
            result = await call.run()
        finally:
            placing.reset(token)
        self._log.add("result", number, sid, result.outcome.end.value, f"{result.duration:.3f}")
        return result

    def counts(self) -> Counter[str]:
        """How often faults struck, by kind."""
        return Counter(kind_of(strike.fault) for strike in self.struck)

    def _carrier_faults(self, number: int) -> CarrierFaults | None:
        merged: CarrierFaults | None = None
        for fault in self.plan.of_call(number):
            if isinstance(fault, OnCarrier):
                plain = CarrierFaults()
                changed = {
                    field.name: getattr(fault.faults, field.name)
                    for field in attrs.fields(CarrierFaults)
                    if getattr(fault.faults, field.name) != getattr(plain, field.name)
                }
                merged = attrs.evolve(merged or plain, **changed)
                self._strike(fault, call_of(fault))
        return merged

    def _plan_kill(self, fault: Kill, path: str, since: float) -> None:
        if fault.step is not None:
            assert self._steps is not None
            self._step_kills[path, fault.step] = fault
            self._steps.kill_at(path, fault.step)
        else:
            assert self._nursery is not None
            self._nursery.start_soon(self._kill_later, fault, path, since)

    async def _kill_later(self, fault: Kill, pattern: str, since: float) -> None:
        assert self._world is not None
        assert fault.at is not None
        await trio.sleep_until(since + fault.at)
        for _ in range(fault.passes):
            await trio.lowlevel.checkpoint()
        system = self._world.system
        found = next((path for path in system.registry if fnmatch.fnmatchcase(path, pattern)), None)
        if found is None:
            self.missed.append(fault)
            self._log.add("missed", pattern)
        else:
            # Before the kill, so that who watches knows why.
            self._strike(fault, call_of(fault), found)
            system.kill(found, "killed by the plan")

    def _killed(self, kill: StepKill) -> None:
        fault = self._step_kills[kill.path, kill.step]
        self._strike(fault, call_of(fault), kill.path)

    async def _be_away(self, fault: Outage, since: float) -> None:
        assert self._world is not None
        port = self._port(fault.provider)
        await trio.sleep_until(since + fault.at)
        self._strike(fault, call_of(fault))
        self._lines.away.add(port)
        await self._world.emulators[fault.provider].drop_connections()
        await trio.sleep(fault.seconds)
        self._lines.away.discard(port)

    def _port(self, provider: str) -> int:
        assert self._world is not None
        ref = self._world.outside.lookup(provider)
        bound = None if ref is None else ref.value
        assert isinstance(bound, Bound)
        return bound.port

    def _strike(self, fault: Fault, call: int | None, path: str = "") -> None:
        strike = Strike(fault=fault, time=trio.current_time(), path=path)
        self.struck.append(strike)
        if call is not None:
            self.touched.add(call)
        self._log.add("fault", kind_of(fault), path or as_code(fault))
        self.on_strike(strike)
