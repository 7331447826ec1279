"""How fast simulated time goes: seconds of calls for each second of processor time, without faults.

    python benchmarks/simulation.py [--calls 10] [--minutes 5]

Calls to one server at once, with emulated carrier and voice agent, in one process under a virtual clock, over messages
and over real HTTP and WebSocket framing. How much is said decides how much there is to simulate, so there are three
kinds of callers. `callboard chaos` is the same with faults, kills and checks of everything, and says its own speed.
"""

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import attrs
import trio

from callboard.actors.emulators import HangUp, Say, Step, Wait, WaitForAgent, WaitForSilence
from callboard.testing import Simulation, Transport, open_world, simulate
from results import FOLDER, Json, save, table

# The pause between an answer and the next question, float seconds; None for a caller who says nothing.
CALLERS: dict[str, float | None] = {"talks all the time": 0.5, "a question each minute": 54.5, "silent": None}
# Of the same callers, how long a question with its answer takes, about.
EXCHANGE = 5.5
TRANSPORTS = (Transport.MESSAGES, Transport.FRAMES)
# Wall time after which a run is hung, float seconds.
PATIENCE = 1800.0


def steps(pause: float | None, seconds: float) -> list[Step]:
    """What a caller does for about so long."""
    if pause is None:
        return [Wait(seconds), HangUp()]
    script: list[Step] = [WaitForAgent(timeout=20.0), WaitForSilence(0.8)]
    for _ in range(max(1, int(seconds / (pause + EXCHANGE)))):
        script += [Wait(pause), Say("What are your opening hours on Monday?")]
        script += [WaitForAgent(timeout=20.0), WaitForSilence(1.5)]
    return [*script, HangUp()]


@attrs.frozen(kw_only=True)
class Speed:
    """Of one run."""

    caller: str
    transport: str
    calls: int
    call_seconds: float
    wall: float
    cpu: float

    @property
    def ratio(self) -> float:
        """Seconds of calls for each second of processor time."""
        return self.call_seconds / self.cpu


def run(caller: str, transport: Transport, calls: int, seconds: float, seed: int = 0) -> Speed:
    """Simulate calls of a kind, all at once.

    Raises:
        RuntimeError: Something of a call was left at its end.
    """

    async def main(simulation: Simulation) -> float:
        async with open_world(simulation) as world:
            lengths: list[float] = []

            async def phone(number: int) -> None:
                # Not all in step.
                await trio.sleep(number * 0.37)
                result = await world.phone(steps(CALLERS[caller], seconds))
                lengths.append(result.duration)

            async with trio.open_nursery() as nursery:
                for number in range(calls):
                    nursery.start_soon(phone, number)
            await trio.sleep(1.0)
            if world.left():
                raise RuntimeError(f"left of calls: {world.left()}")
            return sum(lengths)

    begin, cpu = time.monotonic(), time.process_time()
    call_seconds = simulate(main, seed=seed, transport=transport, watchdog=PATIENCE)
    return Speed(
        caller=caller,
        transport=transport.value,
        calls=calls,
        call_seconds=call_seconds,
        wall=time.monotonic() - begin,
        cpu=time.process_time() - cpu,
    )


def report(content: Mapping[str, object]) -> str:
    """The table of a result, in Markdown."""
    rows = [
        [
            str(one["caller"]),
            str(one["transport"]),
            str(one["calls"]),
            f"{cast('float', one['call_seconds']):.0f}",
            f"{cast('float', one['call_seconds']) / cast('float', one['cpu']):.0f}",
            f"{cast('float', one['call_seconds']) / cast('float', one['wall']):.0f}",
        ]
        for one in cast("list[Json]", content["runs"])
    ]
    head = ["caller", "transport", "calls", "call-seconds", "a second of CPU", "a second of wall time"]
    return table(head, rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, print the table, leave the figures in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=10, help="at once (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    runs: list[Speed] = []
    for transport in TRANSPORTS:
        for caller in CALLERS:
            runs.append(run(caller, transport, options.calls, options.minutes * 60, options.seed))
            print(
                f"{caller}, {transport.value}: {runs[-1].ratio:.0f} call-seconds a second of CPU", flush=True
            )
    content: Json = {"runs": [attrs.asdict(one) for one in runs]}
    path = save("simulation", content, options.out)
    print(f"\n{report(content)}\n\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
