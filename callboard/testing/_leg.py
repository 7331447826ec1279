"""A leg without a wire: the test is the other party, and notes what it would have heard."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from callboard.actors import (
    Call,
    Context,
    EndReason,
    LegEvents,
    LegInfo,
    LegPlayout,
    Pacer,
    Route,
    Scenario,
    Switchboard,
    System,
    open_system,
)
from callboard.media import ULAW_8K

FRAME = 160


@attrs.frozen
class Sent:
    """Something that went to the other party."""

    at: float
    """Trio time, float seconds."""
    kind: str
    """`audio`, `mark` or `clear`."""
    payload: bytes = b""
    generation: int = 0
    name: str = ""
    """Of a mark."""


class MemoryLeg:
    """The other party of a call in a test, in mu-law at 8 kHz. Made by `Board.call`.

    Args:
        pacer: The system's wheel.
        call_id: As a carrier would name it.
        to: The destination that was called.
    """

    format = ULAW_8K

    def __init__(self, pacer: Pacer, *, call_id: str = "CA1", to: str = "+1555") -> None:
        self.info = LegInfo(wire="memory", call_id=call_id, to=to)
        self.playout = LegPlayout(ULAW_8K, pacer, self)
        self.sent: list[Sent] = []
        self.running = False
        self.started = trio.Event()
        """Set once its actor runs."""
        self._events: LegEvents | None = None
        self._closing = trio.Event()
        self._spoken = 0

    def attach(self, events: LegEvents) -> None:
        """See `Leg`."""
        self._events = events

    def close(self) -> None:
        """See `Leg`."""
        self._closing.set()

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """See `Leg`."""
        del context
        task_status.started()
        self.running = True
        self.started.set()
        try:
            await self._closing.wait()
        finally:
            self.running = False
            self.playout.stop()

    # What the other party does

    def begin(self) -> None:
        """Connect the media stream."""
        assert self._events is not None
        self.playout.start(trio.current_time())
        self._events.leg_started(trio.current_time())

    def speak(self, payload: bytes) -> None:
        """One frame of mu-law, at the next place on the timeline."""
        assert self._events is not None
        self._events.leg_audio(payload, self._spoken)
        self._spoken += len(payload)

    async def talk(self, seconds: float, octet: int = 0x40) -> None:
        """Frames in real time."""
        for _ in range(round(seconds / 0.02)):
            await trio.sleep(0.02)
            self.speak(bytes([octet]) * FRAME)

    def press(self, digit: str) -> None:
        """Press a key."""
        assert self._events is not None
        self._events.leg_tone(digit)

    def hang_up(self) -> None:
        """End the call."""
        assert self._events is not None
        self._events.leg_ended(EndReason.CALLER_HUNG_UP, "")
        self._closing.set()

    def heard(self) -> bytes:
        """The audio that was sent, one piece after the other."""
        return b"".join(sent.payload for sent in self.sent if sent.kind == "audio")

    # PlayoutWire

    def wire_audio(self, payload: bytes, generation: int) -> None:
        """See `PlayoutWire`."""
        self.sent.append(Sent(trio.current_time(), "audio", payload, generation))

    def wire_mark(self, name: str, generation: int) -> None:
        """See `PlayoutWire`."""
        self.sent.append(Sent(trio.current_time(), "mark", name=name, generation=generation))

    def wire_clear(self, generation: int) -> None:
        """See `PlayoutWire`."""
        self.sent.append(Sent(trio.current_time(), "clear", generation=generation))


@attrs.define
class Board:
    """A switchboard and the calls a test makes on it; see `open_board`."""

    system: System
    switchboard: Switchboard
    nursery: trio.Nursery

    async def call(
        self, *, call_id: str = "CA1", to: str = "+1555", begin: bool = True
    ) -> tuple[MemoryLeg, Call]:
        """Make a call; its scenario runs until it waits for something.

        Args:
            call_id: As a carrier would name it.
            to: The destination.
            begin: Connect the media stream at once.
        """
        leg = MemoryLeg(self.switchboard.pacer, call_id=call_id, to=to)
        self.nursery.start_soon(self.switchboard.run_call, leg)
        await leg.started.wait()
        await trio.testing.wait_all_tasks_blocked()
        call = next(call for call in self.switchboard.calls if call.leg is leg)
        if begin:
            leg.begin()
        return leg, call


@asynccontextmanager
async def open_board(
    scenario: Scenario, *, routes: tuple[Route, ...] | None = None, max_calls: int = 10
) -> AsyncGenerator[Board, None]:
    """A switchboard without a carrier: calls are made by `Board.call`.

    Args:
        scenario: Runs for each call.
        routes: Instead of the one scenario.
        max_calls: A further call is refused.
    """
    async with open_system(seed=1) as system, trio.open_nursery() as nursery:
        switchboard = Switchboard(system, routes or (Route(".*", scenario),), max_calls=max_calls)
        await switchboard.start()
        yield Board(system, switchboard, nursery)
        nursery.cancel_scope.cancel()
