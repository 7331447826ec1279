"""Monitors bite: ten systems, each broken in one place, each caught by its monitor and by no other."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio

from callboard import Call, tool
from callboard.actors import ActorState, Channel, Exit
from callboard.actors._agent_client import VoiceAgent
from callboard.actors._cell import Cell
from callboard.actors._grok_driver import GrokDriver
from callboard.actors._listeners import EventHub
from callboard.actors._supervisor import Engine
from callboard.actors._websocket import WebSocket
from callboard.actors.emulators import (
    HangUp,
    InterruptAfter,
    Say,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media import Flushed, PlayoutBuffer, WavWriter
from callboard.testing import (
    InvariantViolated,
    Monitors,
    Simulation,
    Transport,
    Violation,
    World,
    open_world,
    simulate,
)
from callboard.testing._world import KEY

STEPS = (
    WaitForAgent(),
    WaitForSilence(0.8),
    Say("Are you open on Saturday?"),
    InterruptAfter(1.0, "Sorry, I meant Thursday. Are you open on Thursday?"),
    WaitForAgent(),
    WaitForSilence(1.0),
    HangUp(),
)


@tool
async def opening_hours(day: str) -> str:
    """When the clinic is open on a weekday.

    Args:
        day: The day of the week.
    """
    return f"open on {day} from 9 to 5, and the last appointment is half an hour before we close"


@attrs.define
class Seen:
    """What one run brought."""

    violations: list[Violation]
    error: InvariantViolated | None
    monitors: Monitors
    world: World


def watch_a_call(
    folder: Path, *, provider: str = "grok", transport: Transport = Transport.MESSAGES, patience: float = 10.0
) -> Seen:
    """One call with a tool, a barge-in and a recording, under the eyes of all monitors."""

    async def main(simulation: Simulation) -> Seen:
        async with open_world(
            simulation, providers=[provider], tools=[opening_hours], record=folder, trace=folder
        ) as world:
            async with Monitors(world.system, log_level=logging.DEBUG) as monitors:
                await world.phone(STEPS)
                with trio.move_on_after(patience):
                    await monitors.settle()
                # Nothing that was broken may hold up the end of the run.
                await trio.sleep(patience)
            error: InvariantViolated | None = None
            try:
                monitors.check()
            except InvariantViolated as violated:
                error = violated
            return Seen(list(monitors.violations), error, monitors, world)

    return simulate(main, seed=4, transport=transport)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("provider", ["grok", "deepgram"])
def test_healthy_call_violates_nothing(tmp_path: Path, provider: str, transport: Transport) -> None:
    seen = watch_a_call(tmp_path, provider=provider, transport=transport, patience=2.0)
    assert seen.violations == []
    assert seen.error is None
    looked_at = {row.invariant for row in seen.monitors.table() if row.checked}
    # Nothing fell and nothing was drained; Deepgram's first session begins with nothing to hand over.
    assert looked_at >= {"I1", "I3", "I4", "I5", "I7", "I8", "I10"}


def leaked_task(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Call.answer

    async def answer(self: Call) -> None:
        self.scope.system.nursery.start_soon(trio.sleep, 60, name="forgotten")
        await original(self)

    monkeypatch.setattr(Call, "answer", answer)


def swallowed_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_ended(self: Call) -> Any:
        try:
            await self._ended.wait()
        except trio.Cancelled:  # noqa: ASYNC103  (which is what is wrong with it)
            # As some libraries do. Nobody gets far with it unless there is a shield, too.
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

    monkeypatch.setattr(Call, "wait_ended", wait_ended)


def stale_frame_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    def flush(self: PlayoutBuffer, floor_generation: int, now: float) -> Flushed:
        position = self.position_at(now)
        return Flushed(n_samples_unsent=0, n_samples_cut=0, cut_at=position)

    monkeypatch.setattr(PlayoutBuffer, "flush", flush)


def tool_answered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    original = GrokDriver.send_answer

    def send_answer(self: GrokDriver, event: Any) -> None:
        original(self, event)
        original(self, event)

    monkeypatch.setattr(GrokDriver, "send_answer", send_answer)


def event_reordered(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[[Any, Any], int] = vars(EventHub)["publish"]
    held: list[Any] = []

    def publish(self: EventHub[Any], event: Any) -> int:
        if type(event).__name__ == "UserStoppedSpeaking" and not held:
            held.append(event)
            return 0
        taken = original(self, event)
        if held and held[-1] is not None:
            taken += original(self, held[-1])
            held.append(None)
        return taken

    monkeypatch.setattr(EventHub, "publish", publish)


def key_in_a_log_line(monkeypatch: pytest.MonkeyPatch) -> None:
    original = VoiceAgent.configure

    async def configure(self: VoiceAgent, **wishes: Any) -> None:
        logging.getLogger("callboard.agent").debug("configuring with %s", self._core.driver.adapter.secrets())
        await original(self, **wishes)

    monkeypatch.setattr(VoiceAgent, "configure", configure)


def unbounded_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., None] = vars(Channel)["__init__"]

    def init(self: Channel[Any], capacity: int, *args: Any, **kwargs: Any) -> None:
        original(self, capacity, *args, **kwargs)
        if "-to-" in self.name:
            self.capacity = cast("int", math.inf)

    monkeypatch.setattr(Channel, "__init__", init)


def recording_one_frame_short(monkeypatch: pytest.MonkeyPatch) -> None:
    original = WavWriter.append
    short: set[int] = set()

    def append(self: WavWriter, pcm: bytes) -> None:
        if id(self) not in short and len(pcm) > 4 * 160:
            short.add(id(self))
            pcm = pcm[: -4 * 160]
        original(self, pcm)

    monkeypatch.setattr(WavWriter, "append", append)


def supervisor_that_restarts_after_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Engine.child_ended

    def child_ended(self: Engine, cell: Cell, exit: Exit) -> None:
        if self.closing and cell.spec.name.startswith("recorder") and cell.restarts == 0:
            cell.last_exit, cell.stop_reason = exit, None
            cell.set_state(ActorState.WAITING)
            cell.launch(0.1)
            return
        original(self, cell, exit)

    monkeypatch.setattr(Engine, "child_ended", child_ended)


def call_that_waits_for_a_dead_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    async def finish(self: WebSocket) -> None:
        # Politely, for an answer to the goodbye that never comes.
        with trio.CancelScope(shield=True):
            await trio.sleep(8)
            await trio.aclose_forcefully(self._stream)

    async def finish_provider(self: WebSocket) -> None:
        await (finish(self) if self.id in provider else original(self))

    provider: set[str] = set()
    original = WebSocket.finish
    made = WebSocket.__init__

    def init(self: WebSocket, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        task = trio.lowlevel.current_task()
        if task.name.startswith("callboard.actors._provider_line"):
            provider.add(self.id)

    monkeypatch.setattr(WebSocket, "__init__", init)
    monkeypatch.setattr(WebSocket, "finish", finish_provider)


VARIANTS: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, str]] = {
    leaked_task: ("I1", "forgotten"),
    swallowed_cancelled: ("I1", "scenario (stopping)"),
    stale_frame_sender: ("I3", "after everything below"),
    tool_answered_twice: ("I4", "answered twice in one session"),
    event_reordered: ("I5", "UserStoppedSpeaking"),
    key_in_a_log_line: ("I10", "the log of callboard.agent"),
    unbounded_queue: ("I8", "has no limit"),
    recording_one_frame_short: ("I7", "of the call were heard"),
    supervisor_that_restarts_after_cancellation: ("I1", "was restarted after"),
    call_that_waits_for_a_dead_provider: ("I1", "connection to"),
}


@pytest.mark.parametrize("broken", list(VARIANTS), ids=lambda variant: variant.__name__)
def test_broken_variant_is_caught_by_its_monitor_alone(
    broken: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invariant, text = VARIANTS[broken]
    broken(monkeypatch)
    seen = watch_a_call(tmp_path)
    assert {violation.invariant for violation in seen.violations} == {invariant}, seen.error
    assert any(text in violation.text for violation in seen.violations), seen.error
    assert isinstance(seen.error, InvariantViolated)
    assert KEY not in str(seen.error)
    caught = {row.invariant: row.violations for row in seen.monitors.table()}
    assert caught[invariant] == len(seen.violations)
