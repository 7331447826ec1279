"""Monitors: what must hold of every call, looked after from outside while a system runs, simulated or live."""

import math
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self

import trio

from callboard.actors import (
    ActorExited,
    ActorStarted,
    Call,
    CallRecorder,
    CallServer,
    Switchboard,
    System,
    open_plain_nursery,
)
from callboard.actors._agent_actor import AgentActor
from callboard.actors._watch import WatchEvent

from ._monitors_agent import HistoryMonitor, ToolMonitor
from ._monitors_audio import GenerationMonitor, RecordMonitor
from ._monitors_base import Desk, Monitor, WatchedAgent, WatchedCall, owner_of
from ._monitors_drain import DrainMonitor
from ._monitors_end import EndMonitor
from ._monitors_events import EventMonitor
from ._monitors_holdings import SocketOwners, TaskOwners
from ._monitors_others import MalformedMonitor, OthersMonitor, call_path
from ._monitors_queues import QueueMonitor
from ._monitors_report import INVARIANTS, InvariantRow, InvariantViolated, Violation
from ._monitors_secrets import SecretMonitor
from ._tap import SystemTap

# How often the queues of a call are looked at, float seconds of the call.
TICK_EVERY = 2.0
# How often `settle` looks whether it can return, float seconds.
LOOK_EVERY = 0.05


class Monitors:
    """Watches a system from inside its own trio run, and collects what breaks an invariant.

    ::

        async with Monitors(system) as monitors:
            ...  # calls
            await monitors.settle()
        monitors.check()

    With `async with`, deadlines are looked at when they pass. With a plain `with`, which has no task for that, they are
    looked at whenever something happens, so what was late and has ended since may go unnoticed. Calls that run already
    are watched from where they are. Leaving it takes every spy away again and raises nothing: `check` does.

    Args:
        system: What to watch.
        within: How long after its end something of a call may still be there, float seconds.
        heal: How long a part that fell may take to begin again, float seconds.
        secrets: What must appear nowhere, besides the credentials of the providers that are seen.
        switchboard: Where there is no server in the system that has one.
        skip: Invariants that are not looked after, such as `I7`.
        log_level: How detailed callboard's log is to be while it is searched for secrets; None leaves it as it is.
    """

    def __init__(
        self,
        system: System,
        *,
        within: float = 1.0,
        heal: float = 30.0,
        secrets: Sequence[str] = (),
        switchboard: Switchboard | None = None,
        skip: Collection[str] = (),
        log_level: int | None = None,
    ) -> None:
        unknown = set(skip) - set(INVARIANTS)
        if unknown:
            raise ValueError(f"there is no invariant {sorted(unknown)[0]!r}; expected I1 to I11")
        self._desk = desk = Desk(system, within, skip)
        self._system = system
        self._switchboard = switchboard
        self._tasks = TaskOwners()
        self._sockets = SocketOwners(desk, self._tasks)
        self._queues = QueueMonitor(desk, self._tasks)
        monitors: tuple[Monitor, ...] = (
            EndMonitor(desk, self._tasks, self._sockets),
            OthersMonitor(desk, heal),
            GenerationMonitor(desk),
            ToolMonitor(desk),
            EventMonitor(desk),
            HistoryMonitor(desk),
            RecordMonitor(desk),
            self._queues,
            MalformedMonitor(desk),
            SecretMonitor(desk, self._sockets, secrets, log_level),
            DrainMonitor(desk),
        )
        # The first also tells the others when a call is over.
        self._monitors = tuple(
            monitor for monitor in monitors if monitor is monitors[0] or monitor.invariant not in skip
        )
        self._tap = SystemTap(self._told)
        self._calls: dict[str, WatchedCall] = {}
        self._known: list[AgentActor] = []
        self._rearmed = trio.Event()
        self._manager: AbstractAsyncContextManager[Self] | None = None
        self._open = False

    # What was found

    @property
    def violations(self) -> list[Violation]:
        """What was found so far, in order; the first 200."""
        return self._desk.violations

    @property
    def high_water(self) -> dict[str, tuple[float, float]]:
        """By sort of queue: the most that was ever seen waiting in one, and what it may hold."""
        return self._queues.high_water

    def table(self) -> list[InvariantRow]:
        """What was looked at and found, by invariant."""
        found = [violation.invariant for violation in self.violations]
        return [
            InvariantRow(
                invariant=number,
                meaning=meaning,
                checked=self._desk.counts[number],
                violations=found.count(number),
            )
            for number, meaning in INVARIANTS.items()
        ]

    def check(self) -> None:
        """Look at what can be looked at now, and raise if anything was ever found.

        Raises:
            InvariantViolated: With all that was found.
            ExceptionGroup: A monitor itself failed, which says nothing about the system.
        """
        if self._open:
            self._desk.run_due()
            for monitor in self._monitors:
                self._desk.guard(monitor.settle)
        if self.violations:
            raise InvariantViolated(self.violations, self._desk.suppressed)
        if self._desk.broken:
            raise ExceptionGroup("monitors failed", self._desk.broken)

    async def settle(self) -> None:
        """Wait until the calls that have ended were looked at: twice `within` at most."""
        while self._open and (until := self._settled_at()) > trio.current_time():
            await trio.sleep(min(until - trio.current_time(), LOOK_EVERY))
            self._desk.run_due()
        await trio.lowlevel.checkpoint()

    def _settled_at(self) -> float:
        """When all calls that are ending will have been looked at."""
        ending = [watched.ending_at for watched in self._calls.values() if watched.ending_at is not None]
        # Once when it is to be gone, and once after that; one that is late has been reported by then.
        return max(ending, default=-math.inf) + 2 * self._desk.within + LOOK_EVERY

    # Coming and going

    def __enter__(self) -> Self:
        if self._open:
            raise RuntimeError("these monitors are in use")
        self._open = True
        trio.lowlevel.add_instrument(self._tasks)
        self._tasks.join()
        self._sockets.attach()
        self._tap.attach(self._system)
        for monitor in self._monitors:
            monitor.attach()
        if self._switchboard is not None:
            self._see_switchboard(self._switchboard)
        for path in tuple(self._system.registry):
            self._discover(path, joined=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._desk.run_due()
        for monitor in self._monitors:
            self._desk.guard(monitor.settle)
        self._open = False
        self._tap.detach(self._system)
        for monitor in reversed(self._monitors):
            monitor.detach()
        self._desk.spies.undo()
        trio.lowlevel.remove_instrument(self._tasks)
        self._calls.clear()
        self._known.clear()

    async def __aenter__(self) -> Self:
        self._manager = self._run()
        return await self._manager.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._manager is not None
        return await self._manager.__aexit__(kind, error, traceback)  # noqa: ASYNC102  (waits for one task, cancelled)

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[Self, None]:
        with self:
            async with open_plain_nursery() as nursery:
                self._desk.rearm = self._rearm
                nursery.start_soon(self._clock)
                try:
                    yield self
                finally:
                    nursery.cancel_scope.cancel(reason="the monitoring ends")

    def _rearm(self) -> None:
        self._rearmed.set()

    async def _clock(self) -> None:
        """Look at deadlines when they pass."""
        while True:
            self._rearmed = trio.Event()
            with trio.move_on_at(self._desk.next_due):
                await self._rearmed.wait()
            self._desk.run_due()

    # Finding what there is to watch

    def _told(self, event: WatchEvent) -> None:
        if isinstance(event, ActorStarted):
            self._desk.guard(self._discover, event.path)
        for monitor in self._monitors:
            self._desk.guard(monitor.actor_event, event)
        if isinstance(event, ActorExited) and event.final and event.path in self._calls:
            watched = self._calls[event.path]
            self._desk.later(self._desk.within, partial(self._over, watched))
        self._desk.run_due()

    def _discover(self, path: str, *, joined: bool = False) -> None:
        call = call_path(path)
        if call is not None:
            self._find_call(call, joined=joined)
        ref = self._system.lookup(path)
        match None if ref is None else owner_of(ref):
            case AgentActor() as actor:
                self._find_agent(path, actor)
            case CallRecorder() as recorder:
                for monitor in self._monitors:
                    self._desk.guard(monitor.recorder_seen, path, recorder, self._calls.get(call or ""))
            case CallServer() as server:
                self._see_switchboard(server.switchboard)
            case _:
                pass

    def _find_call(self, path: str, *, joined: bool) -> None:
        ref = self._system.lookup(path)
        scenario = self._system.lookup(f"{path}/scenario")
        call = None if scenario is None else owner_of(scenario)
        known = self._calls.get(path)
        if not isinstance(call, Call) or (known is not None and known.call is call):
            return
        watched = self._calls[path] = WatchedCall(path, call, ref, joined)
        for monitor in self._monitors:
            self._desk.guard(monitor.call_seen, watched)
        rate = call.leg.format.rate_hz
        last = [-1.0]

        def heard(_payload: bytes, position: int) -> None:
            if not 0 <= position / rate - last[0] < TICK_EVERY:
                last[0] = position / rate
                for monitor in self._monitors:
                    self._desk.guard(monitor.tick, watched)

        self._desk.spies.before(call, "leg_audio", heard)

    def _find_agent(self, path: str, actor: AgentActor) -> None:
        # A life after a kill is the same client.
        if any(known is actor for known in self._known):
            return
        self._known.append(actor)
        agent = WatchedAgent(path, actor._core.client, actor, self._calls.get(call_path(path) or ""))
        for monitor in self._monitors:
            self._desk.guard(monitor.agent_seen, agent)

    def _see_switchboard(self, switchboard: Switchboard) -> None:
        for monitor in self._monitors:
            self._desk.guard(monitor.switchboard_seen, switchboard)

    def _over(self, watched: WatchedCall) -> None:
        for monitor in self._monitors:
            self._desk.guard(monitor.call_over, watched)
        if self._calls.get(watched.path) is watched:
            del self._calls[watched.path]
        self._known = [known for known in self._known if known._core.client.scope is not watched.call.scope]
