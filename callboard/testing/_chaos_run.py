"""Runs a plan of chaos: calls come and go, things go wrong, and the invariants are looked after."""

import gc
import logging
import time
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from callboard.actors import (
    ActorExited,
    ActorStarted,
    AgentEvent,
    AgentEvents,
    Call,
    ExitKind,
    TcpNetwork,
    VoiceAgent,
    create_voice_agent,
    tool,
)
from callboard.actors._exit import as_group
from callboard.actors._watch import WatchEvent
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    DeepgramEmulatorOptions,
    GrokEmulatorOptions,
)

from ._chaos_plan import FIRST_PROBE, PROBE, ChaosPlan, PlannedCall
from ._chaos_report import ChaosReport
from ._determinism import Simulation, SimulationHung, simulate
from ._faults import Kill, Outage
from ._faults_run import Faults, Strike
from ._leaks import Leaked, assert_no_leaks
from ._monitors import Monitors
from ._monitors_report import InvariantViolated, Violation
from ._tap import tapped_system
from ._world import GREETING, KEY, World, open_world

# How long what has ended may take to be gone, float seconds.
WITHIN = 1.0
# A call is placed so long after each kill, to see that all is well.
PROBE_AFTER = 1.0
# What all calls share takes so long to stand again after a kill.
SHARED_RECOVERY = 3.0
TICK = 1.0
# No caller is as patient as this, float seconds of the run's own clock.
LIMIT = 3600.0
# Every so manieth call is recorded and traced.
ON_FILE = 4
WATCHDOG = 900.0
# Of the garbage collector, while a run goes on: a call makes some ten thousand objects.
GARBAGE_THRESHOLDS = (20_000, 20, 20)

OnTick = Callable[["ChaosRun"], None]


@tool
async def opening_hours(day: str) -> str:
    """Look up when the clinic opens and closes.

    Args:
        day: A day of the week.
    """
    await trio.sleep(len(day) / 5)
    return "open from 9 to 5"


class ChaosRun:
    """One run of a plan.

    Args:
        simulation: Where it runs.
        plan: What happens.
        on_tick: Called once a second of the run's own clock.
        real: On sockets of the operating system.
    """

    def __init__(
        self, simulation: Simulation, plan: ChaosPlan, on_tick: OnTick | None = None, *, real: bool = False
    ) -> None:
        self.plan = plan
        self.report = ChaosReport(seed=plan.seed)
        self.monitors: Monitors | None = None
        self.up = 0
        """Calls now."""
        self.began_at = 0.0
        self._simulation = simulation
        self._on_tick = on_tick
        self._faults = Faults(simulation, plan.faults, network=TcpNetwork() if real else None)
        self._faults.on_strike = self._struck
        self._log = simulation.log
        self._nursery: trio.Nursery | None = None
        self._world: World | None = None
        self._limiter = trio.CapacityLimiter(plan.at_once)
        # Of the shared parts that were killed: from when to when nobody can rely on them.
        self._shaken: list[tuple[float, float]] = []
        # No more kills than are planned.
        self._to_probe, self._to_be_probed = trio.open_memory_channel[Strike](len(plan.faults) + 1)
        self._over = False
        self._folder = Path()
        self._followed: set[str] = set()
        # When those actors fell that are to begin again.
        self._fell: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Float seconds since the beginning."""
        return trio.current_time() - self.began_at

    @property
    def n_struck(self) -> int:
        """Faults so far."""
        return len(self._faults.struck)

    @property
    def n_violations(self) -> int:
        """Violations so far."""
        found = 0 if self.monitors is None else len(self.monitors.violations)
        return found + len(self.report.violations)

    async def run(self) -> ChaosReport:
        """Make all calls and look at everything. Violations are in the report."""
        seed = self.plan.seed
        faults = self._faults
        async with AsyncExitStack() as stack:
            self._folder = Path(stack.enter_context(TemporaryDirectory()))
            world = await stack.enter_async_context(
                open_world(
                    self._simulation,
                    providers=self.plan.providers,
                    scenario=self._receive,
                    grok_options=faults.grok_options(GrokEmulatorOptions(seed=seed + 1)),
                    stride=self.plan.stride,
                    deepgram_options=faults.deepgram_options(DeepgramEmulatorOptions(seed=seed + 2)),
                )
            )
            self._world = world
            self.began_at = trio.current_time()
            watcher = await stack.enter_async_context(trio.open_nursery())
            stack.enter_context(tapped_system(world.system, self._watch))
            watcher.start_soon(self._tick)
            await stack.enter_async_context(faults.strike(world))
            monitors = self.monitors = await stack.enter_async_context(
                Monitors(world.system, secrets=(KEY,), log_level=logging.INFO)
            )
            try:
                async with assert_no_leaks(world.system, within=2 * WITHIN):
                    await self._place_calls_in_time()
                    await monitors.settle()
            except Leaked as leaked:
                for leak in self._without_new_listener(leaked.leaks):
                    self._violated("I1", f"left behind after all calls: {leak}")
            self._look_at(monitors)
            self.report.seconds = self.elapsed
            watcher.cancel_scope.cancel(reason="the run is over")
        self.report.numbers = faults.numbers
        self.report.faults = faults.counts()
        self.report.kills = sum(isinstance(strike.fault, Kill) for strike in faults.struck)
        self.report.digest = self._log.digest()
        self.report.n_lines = self._log.n_lines
        return self.report

    def _look_at(self, monitors: Monitors) -> None:
        try:
            monitors.check()
        except InvariantViolated:
            self.report.violations += monitors.violations
        except ExceptionGroup as error:
            self._violated("monitors", _text(error))
        for row in monitors.table():
            self.report.checked[row.invariant] += row.checked

    def _without_new_listener(self, leaks: tuple[str, ...]) -> list[str]:
        """A listener that was killed has another socket now, which is no leak."""
        kept = list(leaks)
        sockets = [leak for leak in leaks if leak.startswith("file handle on socket:")]
        if sockets and any(strike.path == "listener" for strike in self._faults.struck):
            kept.remove(sockets[0])
        return kept

    # Calls

    async def _place_calls_in_time(self) -> None:
        last = max((call.at for call in self.plan.calls), default=0.0)
        with trio.move_on_at(self.began_at + last + LIMIT) as limit:
            await self._place_calls()
        if limit.cancelled_caught:
            streams = ", ".join(sorted(self._followed)) or "none"
            self._violated(
                "hang",
                f"{self.up} calls up {LIMIT:g} s after the last began; event streams that did not end: {streams}",
            )

    async def _place_calls(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._place_probes)
            async with trio.open_nursery() as calls:
                for call in self.plan.calls:
                    await trio.sleep_until(self.began_at + call.at)
                    await self._limiter.acquire_on_behalf_of(call.number)
                    calls.start_soon(self._call, call)
            self._over = True
            self._to_probe.close()

    async def _call(self, planned: PlannedCall) -> None:
        try:
            result = await self._phone(planned)
        finally:
            self._limiter.release_on_behalf_of(planned.number)
        self.report.calls += 1
        self.report.callers[planned.kind] += 1
        self._judge(planned, result, since=trio.current_time() - result.duration)
        await self._see_gone(planned, result)

    async def _place_probes(self) -> None:
        number = FIRST_PROBE
        assert self._nursery is not None
        async for strike in self._to_be_probed:
            self._nursery.start_soon(self._probe, number, strike)
            number += 1

    async def _probe(self, number: int, strike: Strike) -> None:
        await trio.sleep(PROBE_AFTER)
        planned = PlannedCall(number=number, at=self.elapsed, steps=PROBE)
        began_at = trio.current_time()
        result = await self._phone(planned)
        self.report.probes += 1
        self._judge(planned, result, since=began_at, after=strike)
        await self._see_gone(planned, result)

    async def _phone(self, planned: PlannedCall) -> CallResult:
        self.up += 1
        self.report.most_at_once = max(self.report.most_at_once, self.up)
        try:
            result = await self._faults.phone(planned.steps, number=planned.number)
        finally:
            self.up -= 1
        self.report.ends[result.outcome.end.value] += 1
        self.report.call_seconds += result.duration
        return result

    def _judge(
        self, planned: PlannedCall, result: CallResult, *, since: float, after: Strike | None = None
    ) -> None:
        """A call on which nothing went wrong ends as its caller meant it to."""
        now = trio.current_time()
        if planned.number in self._faults.touched:
            return
        if any(begin <= now and since <= end for begin, end in self._shaken):
            return
        self.report.checked["I2"] += 1
        if result.outcome.end is not CallEnd.HUNG_UP:
            what = (
                "nothing went wrong on it" if after is None else f"placed after {after.fault} ({after.path})"
            )
            reason = f" ({result.outcome.reason})" if result.outcome.reason else ""
            self._violated(
                "I2",
                f"call {planned.number}, {what}, ended with {result.outcome.end.value}{reason} after "
                f"{result.duration:.2f} s",
                result.call_sid,
            )

    async def _see_gone(self, planned: PlannedCall, result: CallResult) -> None:
        await trio.sleep(WITHIN)
        assert self._world is not None
        path = f"calls/{result.call_sid}"
        left = [name for name in self._world.system.registry if name == path or name.startswith(path + "/")]
        self.report.checked["I1"] += 1
        if left:
            self._violated(
                "I1", f"call {planned.number}, {WITHIN:g} s after its end: {', '.join(left)}", path
            )

    # The scenario

    async def _receive(self, world: World, call: Call) -> None:
        number = self._faults.numbers.get(call.id(), 0)
        on_file = number % ON_FILE == 0
        if on_file:
            await call.record(self._folder / f"{number}.wav")
        await call.answer()
        agent = await create_voice_agent(
            call, world.providers, trace=self._folder / "traces" if on_file else False
        )
        if self._nursery is not None:
            self._nursery.start_soon(self._follow, call, agent)
        await agent.configure(
            instructions="You are a clinic's receptionist.", tools=[self._faults.tool(opening_hours)]
        )
        call.send_media_between(agent)
        await agent.say(GREETING)
        await call.wait_ended()

    async def _follow(self, call: Call, agent: VoiceAgent) -> None:
        lost_at: float | None = None
        provider = ""
        self._followed.add(call.id())
        async for event in agent.events(AgentEvent):
            told = [
                str(getattr(event, name))
                for name in ("text", "turn_id", "interrupted", "call_id", "name", "provider", "reason")
                if hasattr(event, name)
            ]
            self._log.add(type(event).__name__, call.id(), *told)
            match event:
                # Before the first session nothing has been lost, and this is told late.
                case AgentEvents.ProviderLost() if provider and lost_at is None:
                    lost_at = trio.current_time()
                case AgentEvents.ProviderReady(provider=now):
                    if lost_at is not None:
                        self.report.recovered("session", trio.current_time() - lost_at)
                        lost_at = None
                    self.report.failovers += bool(provider) and provider != now
                    provider = now
                case _:
                    pass
        self._followed.discard(call.id())

    # What happens

    def _struck(self, strike: Strike) -> None:
        fault = strike.fault
        if isinstance(fault, Outage):
            # The calls that talk with it go over to another one, or wait.
            return
        if not isinstance(fault, Kill):
            return
        if fault.actor.startswith("/"):
            self._shaken.append((strike.time, strike.time + SHARED_RECOVERY))
        # The task that kills may be the call's own: its children would be taken for the call's.
        if not self._over:
            self._to_probe.send_nowait(strike)

    def _watch(self, event: WatchEvent) -> None:
        match event:
            case ActorExited(path=path, final=False, time=at, exit=exit):
                if exit.kind in {ExitKind.KILLED, ExitKind.CRASHED}:
                    self._fell[path] = at
            case ActorExited(path=path):
                self._fell.pop(path, None)
            case ActorStarted(path=path, time=at) if path in self._fell:
                self.report.recovered("actor", at - self._fell.pop(path))
            case _:
                pass

    async def _tick(self) -> None:
        # Whether anybody looks or not: the run is the same.
        while True:
            await trio.sleep(TICK)
            if self._on_tick is not None:
                self._on_tick(self)

    def _violated(self, invariant: str, text: str, path: str = "") -> None:
        self.report.violations.append(
            Violation(invariant=invariant, text=text, at=trio.current_time(), path=path)
        )
        self._log.add("violation", invariant, path)


def run_chaos(plan: ChaosPlan, *, on_tick: OnTick | None = None, watchdog: float = WATCHDOG) -> ChaosReport:
    """Run a plan under virtual time.

    Args:
        plan: What happens.
        on_tick: Called once a second of virtual time.
        watchdog: A run that takes longer is a violation, float seconds of wall time.

    Returns:
        What came of it. Nothing that goes wrong is raised.
    """
    runs: list[ChaosRun] = []

    async def main(simulation: Simulation) -> ChaosReport:
        run = ChaosRun(simulation, plan, on_tick)
        runs.append(run)
        return await run.run()

    return _guarded(
        lambda: simulate(main, seed=plan.seed, transport=plan.transport, watchdog=watchdog), plan, runs
    )


def run_chaos_for_real(plan: ChaosPlan, *, on_tick: OnTick | None = None) -> ChaosReport:
    """Run a plan on loopback sockets and by the clock on the wall; no two such runs are the same."""
    runs: list[ChaosRun] = []

    async def main() -> ChaosReport:
        run = ChaosRun(Simulation(plan.seed, plan.transport), plan, on_tick, real=True)
        runs.append(run)
        return await run.run()

    return _guarded(lambda: trio.run(main), plan, runs)


@contextmanager
def _rare_garbage() -> Generator[None]:
    """What was there before is not looked through for garbage again and again."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _guarded(start: Callable[[], ChaosReport], plan: ChaosPlan, runs: list[ChaosRun]) -> ChaosReport:
    began_at = time.perf_counter()
    try:
        with _rare_garbage():
            report = start()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
        report = runs[0].report if runs else ChaosReport(seed=plan.seed)
        kind = "hang" if isinstance(error, SimulationHung) else "crash"
        report.violations.append(Violation(invariant=kind, text=_text(error)))
    report.wall = time.perf_counter() - began_at
    return report


def _text(error: BaseException) -> str:
    group = as_group(error)
    if group is not None:
        return "; ".join(_text(each) for each in group.exceptions)
    return f"{type(error).__name__}: {error}"
