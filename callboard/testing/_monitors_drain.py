"""I11: a drain takes no new calls, lets the running ones finish, and ends at its deadline."""

from collections.abc import Awaitable, Callable

import attrs
import trio

from callboard.actors import ActorExited, ExitKind, Switchboard
from callboard.actors._watch import WatchEvent

from ._monitors_base import Desk, Monitor, cell_of
from ._monitors_others import call_path

# What ending the calls that still run may take after the deadline, float seconds.
ENDING = 5.0


@attrs.define(eq=False)
class _Drain:
    """One drain."""

    began_at: float
    deadline: float
    taken: int
    """Calls that had been taken when it began."""
    done: bool = False


class DrainMonitor(Monitor):
    """Follows the drains of a switchboard."""

    invariant = "I11"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._switchboard: Switchboard | None = None
        self._drain: _Drain | None = None

    def switchboard_seen(self, switchboard: Switchboard) -> None:
        """Look at its drains from now on."""
        if self._switchboard is not None:
            return
        self._switchboard = switchboard
        original = switchboard.drain

        async def drain(deadline: float) -> bool:
            return await self._follow(original, switchboard, deadline)

        self.desk.spies.replace(switchboard, "drain", drain)

    async def _follow(
        self, original: Callable[[float], Awaitable[bool]], switchboard: Switchboard, deadline: float
    ) -> bool:
        drain = self._drain = _Drain(trio.current_time(), deadline, switchboard.statistics().taken)
        limit = deadline + ENDING + self.desk.within
        self.desk.later(limit, lambda: self._late(drain))
        result = await original(deadline)
        drain.done = True
        self.count()
        if trio.current_time() > drain.began_at + limit + 1e-6:
            self._report_late(drain)
        if switchboard.calls and result:
            self.report(f"the drain says that all calls have ended, and {len(switchboard.calls)} have not")
        self._no_new_calls(drain)
        return result

    def _late(self, drain: _Drain) -> None:
        if not drain.done:
            self._report_late(drain)

    def _report_late(self, drain: _Drain) -> None:
        self.report(
            f"a drain with a deadline of {drain.deadline:g} s has not ended "
            f"{drain.deadline + ENDING + self.desk.within:g} s after it began"
        )

    def _no_new_calls(self, drain: _Drain) -> None:
        if self._switchboard is None:
            return
        fresh = self._switchboard.statistics().taken - drain.taken
        if fresh > 0:
            self.report(f"{fresh} calls were taken after the drain had begun")
            drain.taken += fresh

    def actor_event(self, event: WatchEvent) -> None:
        """While it drains, running calls end by themselves."""
        drain = self._drain
        if drain is None or not isinstance(event, ActorExited) or call_path(event.path) != event.path:
            return
        self.count()
        self._no_new_calls(drain)
        early = event.time < drain.began_at + drain.deadline - 1e-6
        calls = self.desk.system.registry.get("calls")
        closing = calls is None or cell_of(calls).stop_reason is not None
        if early and event.exit.kind is ExitKind.STOPPED and not closing:
            left = drain.began_at + drain.deadline - event.time
            self.report(f"the drain ended a call {left:.1f} s before its deadline: {event.exit}", event.path)

    def settle(self) -> None:
        """A call may have been taken since."""
        if self._drain is not None:
            self._no_new_calls(self._drain)
