"""Calls that tests watch with monitors."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from callboard import Call
from callboard.actors import (
    MediaUnit,
    Scope,
)
from callboard.actors.emulators import (
    HangUp,
    Say,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media import ULAW_8K, AudioFormat, AudioFrame
from callboard.testing import (
    Board,
    Monitors,
    Simulation,
    Transport,
    World,
    open_board,
    open_world,
    simulate,
)

from .test_monitors_bite import opening_hours

SHORT = (
    WaitForAgent(),
    WaitForSilence(0.8),
    Say("Are you open on Saturday?"),
    WaitForAgent(),
    WaitForSilence(6, timeout=30),
    HangUp(),
)


def nothing(*_: object, **__: object) -> None:
    """In the place of a method."""


def granted(*_: object, **__: object) -> bool:
    """In the place of a method that may refuse."""
    return True


async def idle(call: Call) -> None:
    await call.wait_ended()


async def on_a_board(
    act: Callable[[Board, Monitors], Awaitable[None]],
    scenario: Callable[[Call], Awaitable[None]] = idle,
    **options: Any,
) -> Monitors:
    async with (
        open_board(scenario) as board,
        Monitors(board.system, switchboard=board.switchboard, **options) as monitors,
    ):
        await act(board, monitors)
        await monitors.settle()
    return monitors


def numbers(monitors: Monitors) -> set[str]:
    assert monitors._desk.broken == []
    return {violation.invariant for violation in monitors.violations}


def texts(monitors: Monitors) -> str:
    return "\n".join(map(str, monitors.violations))


class Source(MediaUnit):
    """Makes audio."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("source", scope)
        self.generation = self.next_generation()

    @property
    def output_format(self) -> AudioFormat:
        return ULAW_8K

    def play(self, call: Call, seconds: float) -> None:
        if not self.outputs:
            self.send_media_to(call)
        payload = bytes(round(seconds * 8000))
        self.emit(AudioFrame(payload=payload, format=ULAW_8K, position=0, generation=self.generation))


def with_an_agent(
    folder: Path,
    act: Callable[[World, Monitors], Awaitable[None]] | None = None,
    *,
    provider: str = "grok",
    **options: Any,
) -> Monitors:
    """A call with a question that takes a tool."""

    async def main(simulation: Simulation) -> Monitors:
        async with (
            open_world(simulation, providers=[provider], tools=[opening_hours], trace=folder) as world,
            Monitors(world.system, **options) as monitors,
            trio.open_nursery() as nursery,
        ):
            if act is not None:
                nursery.start_soon(act, world, monitors)
            await world.phone(SHORT)
            await monitors.settle()
            await trio.sleep(3)
            nursery.cancel_scope.cancel()
        return monitors

    return simulate(main, seed=7, transport=Transport.MESSAGES)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # there is no event of it
        await trio.sleep(0.05)
