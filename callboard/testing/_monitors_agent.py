"""I4: every tool call has one outcome on the provider's wire. I6: a new session gets the history that is held."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs

from callboard.actors import AgentEvents
from callboard.actors._agent_events import ClientEvent

from ._monitors_base import Monitor, WatchedAgent
from ._monitors_wire import (
    Item,
    OnMessage,
    Tee,
    Told,
    cancelled,
    handed_over,
    held,
    is_settings,
    told,
)

# How long an outcome may take to be on the wire while there is a session for it, and a call to be taken up, float
# seconds.
PATIENCE = 3.0
REMEMBERED = 1024


@attrs.define(eq=False)
class _ToolCall:
    """What became of one call."""

    name: str = ""
    session: int = 0
    """In which it was asked for."""
    finished: int = 0
    stopped: bool = False
    cancelled: bool = False
    """The provider has taken it back."""
    told: dict[int, Told] = attrs.field(factory=dict[int, Told])
    """By session: what the provider was told in it."""


@attrs.define(eq=False)
class _Wire:
    """The sessions of one client."""

    agent: WatchedAgent
    session: int = 0
    calls: OrderedDict[str, _ToolCall] = attrs.field(factory=OrderedDict[str, _ToolCall])

    def call(self, call_id: str) -> _ToolCall:
        """What is known of a call."""
        known = self.calls.get(call_id)
        if known is None:
            known = self.calls[call_id] = _ToolCall()
            while len(self.calls) > REMEMBERED:
                self.calls.popitem(last=False)
        return known


def tap_wire(
    monitor: Monitor, agent: WatchedAgent, sent: OnMessage, received: OnMessage | None = None
) -> None:
    """Have functions called with every message that a client sends and receives, on whichever connection."""
    for connection in agent.actor._connections.values():
        tee = Tee(connection._trace, sent=sent, received=received, failed=monitor.desk.failed)
        monitor.desk.spies.replace(connection, "_trace", tee)
        monitor.desk.spies.replace(connection._writer, "_trace", tee)


class ToolMonitor(Monitor):
    """The outcomes of tool calls."""

    invariant = "I4"

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Look at a client's wire."""
        wire = _Wire(agent)
        core = agent.client._core
        wire.session = core.dialogue.session
        spies = self.desk.spies
        spies.before(core, "provider_opening", partial(self._session, wire))
        spies.before(agent.client.hub, "publish", partial(self._event, wire))
        tap_wire(self, agent, partial(self._sent, wire), partial(self._received, wire))

    def _session(self, wire: _Wire) -> None:
        wire.session += 1

    def _event(self, wire: _Wire, event: ClientEvent) -> None:
        match event:
            case AgentEvents.ToolCalled(call_id=call_id, name=name):
                call = wire.call(call_id)
                call.name, call.session = name, wire.session
                self.desk.later(PATIENCE, lambda: self._taken_up(wire, call_id))
            case AgentEvents.ToolFinished(result=result):
                self.count()
                call = wire.call(result.call_id)
                call.name = result.name
                call.stopped = result.stopped
                call.finished += 1
                if call.finished > 1:
                    self._report(wire, result.call_id, "ended twice")
                self.desk.later(PATIENCE, lambda: self._answered(wire, result.call_id, wire.session))
            case _:
                pass

    def _sent(self, wire: _Wire, message: str | bytes) -> None:
        for one in told(message):
            self.count()
            call = wire.call(one.call_id)
            if wire.session in call.told:
                self._report(wire, one.call_id, "was answered twice in one session")
            elif any(earlier.output != one.output for earlier in call.told.values()):
                self._report(wire, one.call_id, "has another outcome than an earlier session was told")
            call.told[wire.session] = one

    def _received(self, wire: _Wire, message: str | bytes) -> None:
        for call_id in cancelled(message):
            wire.call(call_id).cancelled = True

    def _taken_up(self, wire: _Wire, call_id: str) -> None:
        call, core = wire.call(call_id), wire.agent.client._core
        tools = core.tools
        waits = any(call_id in earlier.heirs for earlier in tools._heirs.values())
        if (
            not core.closed
            and call.name in tools.tools
            and not (call.finished or call.told or waits)
            and call_id not in tools.runner.running
        ):
            self._report(wire, call_id, "was asked for and never run")

    def _answered(self, wire: _Wire, call_id: str, session: int) -> None:
        call, core = wire.call(call_id), wire.agent.client._core
        # A call of an earlier session goes to the present one with its history, at a pause perhaps.
        here = call.session == session == wire.session
        if core.present and not core.closed and here and not (call.told or call.stopped or call.cancelled):
            self._report(wire, call_id, f"ended {PATIENCE:g} s ago, and the provider was not told")

    def _report(self, wire: _Wire, call_id: str, what: str) -> None:
        name = wire.call(call_id).name or "?"
        self.report(f"the call {call_id} of the tool {name} {what}", wire.agent.path)


@attrs.define(eq=False)
class _Opening:
    """The beginning of a session."""

    agent: WatchedAgent
    due: deque[str | bytes] = attrs.field(factory=deque["str | bytes"])
    """What is to be sent first."""


class HistoryMonitor(Monitor):
    """What sessions are given when they begin."""

    invariant = "I6"

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Look at the openings of a client's sessions."""
        opening = _Opening(agent)
        outbox = agent.client._core.outbox
        spies = self.desk.spies
        spies.before(outbox, "connected", partial(self._opens, opening))
        spies.before(outbox, "lead", partial(self._leads, opening))
        tap_wire(self, agent, partial(self._sent, opening))

    def _opens(self, opening: _Opening, messages: Sequence[str | bytes]) -> None:
        opening.due = deque(messages)
        driver: Any = opening.agent.client._core.driver
        # Deepgram is given it later; a translated wire has no place for it; and where the server has it, what it lacks
        # follows once it has told.
        if (
            driver.name == "grok"
            and not driver.adapter.capabilities.translated
            and getattr(driver, "_handover", None) is None
        ):
            self._compare(opening, messages)

    def _leads(self, opening: _Opening, messages: Sequence[str | bytes]) -> None:
        if any(is_settings(message) for message in messages):
            self._compare(opening, messages)

    def _compare(self, opening: _Opening, messages: Sequence[str | bytes]) -> None:
        self.count()
        core = opening.agent.client._core
        driver: Any = core.driver
        given = handed_over(messages)
        kept = held(core.dialogue.history.entries, pairs=driver.name == "deepgram")
        inject: list[str] = getattr(driver, "_inject", [])
        if inject and len(kept) == len(given) + 1 and kept[-1] == Item("user", inject[-1]):
            # Given as a turn of the caller's, which is answered.
            kept.pop()
        if given != kept:
            self.report(f"a new session was given {_difference(given, kept)}", opening.agent.path)

    def _sent(self, opening: _Opening, message: str | bytes) -> None:
        if not opening.due:
            return
        if opening.due[0] is message:
            opening.due.popleft()
            return
        opening.due.clear()
        self.report("something else was sent before a session's beginning was complete", opening.agent.path)


def _difference(given: Sequence[Item], kept: Sequence[Item]) -> str:
    for index, (one, other) in enumerate(zip(given, kept, strict=False)):
        if one != other:
            return f"{one} as entry {index + 1}, and {other} is held"
    if len(given) < len(kept):
        return f"{len(given)} entries of {len(kept)}; the first that is missing is {kept[len(given)]}"
    return f"{len(given)} entries, and {len(kept)} are held"
