"""The switchboard: takes legs, finds their scenario, runs their calls, and drains."""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs
import trio

from ._admission import Admission, Refusal
from ._call import Call, Scenario
from ._call_end import CallEnd, EndReason
from ._exit import Exit, ExitKind
from ._leg import Leg, LegInfo
from ._metrics import MediaCounters, media_counters
from ._pacer import Pacer
from ._ref import SupervisorRef
from ._spec import ChildSpec, Restart, RestartIntensity, Strategy
from ._supervisor import supervisor_child
from ._system import System

_log = logging.getLogger("callboard.calls")

# Names the carriers give: letters and digits. Anything else from a peer never becomes a name of ours.
_SAFE_NAME = re.compile(r"[A-Za-z0-9]{1,64}")

MAX_CALLS = 150


@attrs.frozen
class Route:
    """Calls to destinations that match go to this scenario."""

    pattern: str
    """A regular expression that the whole destination must match."""
    scenario: Scenario

    def __attrs_post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"the pattern {self.pattern[:80]!r} is not a regular expression: {error}"
            ) from error

    def matches(self, destination: str) -> bool:
        """Whether this route takes a destination."""
        return re.fullmatch(self.pattern, destination) is not None


class Refused(Exception):
    """A call was not taken.

    Args:
        text: What to tell the log.
        why: Counted by it.
    """

    def __init__(self, text: str, why: Refusal) -> None:
        super().__init__(text)
        self.why = why


@attrs.frozen(kw_only=True)
class SwitchboardStatistics:
    """Counters since the start."""

    active: int
    taken: int
    refused: int
    most_at_once: int
    refused_by: Mapping[Refusal, int]
    """The refused ones by why."""


class Switchboard:
    """Runs the calls of one system; made by `open_switchboard`.

    Args:
        system: Where the calls live, under `calls`.
        routes: Tried in order, the first that matches the destination takes the call.
        max_calls: A further call is refused rather than all calls spoiled.
        admission: Refuses calls for what the loop has to do; None to take them whatever it is.
    """

    def __init__(
        self,
        system: System,
        routes: Sequence[Route],
        *,
        max_calls: int = MAX_CALLS,
        admission: Admission | None = None,
    ) -> None:
        self.system = system
        self.routes = tuple(routes)
        self.max_calls = max_calls
        self.admission = admission
        self.pacer = Pacer()
        self._calls: dict[str, Call] = {}
        self._supervisor: SupervisorRef | None = None
        self._numbers = itertools.count(1)
        self._draining = False
        self._taken = self._most = 0
        self._refused: Counter[Refusal] = Counter()
        self._media = MediaCounters()
        self._idle = trio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Start the pacer and the supervisor of calls under the system's root."""
        await self.system.start(
            ChildSpec[None, None](
                name="pacer",
                run=self.pacer.run,
                restart=Restart.PERMANENT,
                mailbox=1,
                doc="one timing wheel for all calls",
            )
        )
        ref = await self.system.start(
            supervisor_child(
                "calls",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=RestartIntensity(restarts=10, period=5.0),
                restart=Restart.PERMANENT,
                doc="one temporary child for each call",
            )
        )
        assert isinstance(ref, SupervisorRef)
        self._supervisor = ref

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that live now."""
        return tuple(self._calls.values())

    @property
    def draining(self) -> bool:
        """True once `drain` was called: no new call is taken."""
        return self._draining

    def statistics(self) -> SwitchboardStatistics:
        """Counters since the start."""
        return SwitchboardStatistics(
            active=len(self._calls),
            taken=self._taken,
            refused=self._refused.total(),
            most_at_once=self._most,
            refused_by=dict(self._refused),
        )

    def media(self) -> MediaCounters:
        """What happened to the audio of all calls since the start, those that live now included."""
        counters = attrs.evolve(self._media)
        for call in self._calls.values():
            counters.add(media_counters(call))
        return counters

    def admit(self) -> None:
        """Let a call in, before a carrier's socket is accepted; `run_call` is to follow.

        Raises:
            Refused: The switchboard drains, has `max_calls` calls, or the loop could not keep up with another one.
        """
        refused = self.unready()
        if refused is not None:
            raise self.refuse(refused)
        if self.admission is not None:
            self.admission.took(trio.current_time())

    def unready(self) -> Refused | None:
        """Why a call would be refused now, whatever its destination; None if it would not."""
        refused = self._closed()
        if refused is None and self.admission is not None:
            verdict = self.admission.check(trio.current_time(), len(self._calls))
            if verdict is not None:
                return Refused(str(verdict), verdict.refusal)
        return refused

    def refuse(self, refused: Refused) -> Refused:
        """Count a call that is not taken."""
        self._refused[refused.why] += 1
        return refused

    def _closed(self) -> Refused | None:
        if self._draining:
            return Refused("draining: no new calls", Refusal.DRAINING)
        if len(self._calls) >= self.max_calls:
            return Refused(f"{self.max_calls} calls are up", Refusal.FULL)
        return None

    async def run_call(self, leg: Leg) -> CallEnd:
        """Take a leg and run its call to the end.

        Args:
            leg: A leg whose handshake is done; owned by the call from now on.

        Raises:
            Refused: No route takes the destination, the switchboard drains or has `max_calls` calls. The leg was not
                touched.

        A cancelled call ends the phone call and leaves nothing of it.
        """
        # What the loop has to do was asked about when the call was let in.
        refused = self._closed()
        if refused is not None:
            raise self.refuse(refused)
        scenario = self._route(leg.info)
        name = self._name(leg.info)
        call = Call(name, self.system, leg, scenario)
        self._calls[name] = call
        self._taken += 1
        self._most = max(self._most, len(self._calls))
        if self._idle.is_set():
            self._idle = trio.Event()
        _log.info("%s: call on %s from %s", name, leg.info.wire, leg.info.peer or "an unknown address")
        exit = Exit(kind=ExitKind.STOPPED)
        cause: Exit | None = None
        try:
            assert self._supervisor is not None
            ref = await self._supervisor.start_child(call.child_spec())
            assert isinstance(ref, SupervisorRef)
            try:
                exit = await ref.wait_stopped()
                cause = ref.cause
            except trio.Cancelled:
                with trio.move_on_after(5, shield=True):
                    exit = await ref.stop(0)
                raise
        finally:
            del self._calls[name]
            self._media.add(media_counters(call))
            end = call.finish(*_reason(exit, cause))
            _log.info("%s: %s", name, end)
            if not self._calls:
                self._idle.set()
        return end

    async def drain(self, deadline: float) -> bool:
        """Take no new call and wait for the running ones.

        Args:
            deadline: The calls that still run after so many seconds are ended.

        Returns:
            True if all ended by themselves.
        """
        self._draining = True
        with trio.move_on_after(deadline):
            await self._idle.wait()
            return True
        for call in self.calls:
            ref = self.system.lookup(call.scope.path)
            if ref is not None:
                ref.request_stop(0, reason="the drain's deadline passed")
        with trio.move_on_after(5):
            await self._idle.wait()
        return False

    def _route(self, info: LegInfo) -> Scenario:
        for route in self.routes:
            if route.matches(info.to):
                return route.scenario
        raise self.refuse(Refused(f"no route for destination {info.to[:80]!r}", Refusal.NO_ROUTE))

    def _name(self, info: LegInfo) -> str:
        wanted = info.call_id
        if _SAFE_NAME.fullmatch(wanted) and wanted not in self._calls:
            return wanted
        return f"call-{next(self._numbers)}"


def _reason(exit: Exit, cause: Exit | None) -> tuple[EndReason, str]:
    """Why a call ended whose leg and scenario gave no reason: something was stopped, killed or crashed."""
    if exit.kind is ExitKind.STOPPED:
        return EndReason.SHUTDOWN, exit.reason
    if cause is not None and cause.kind is ExitKind.CRASHED:
        return EndReason.LEG_FAILED, cause.reason
    return EndReason.KILLED, (cause or exit).reason
