"""One simulated call of a scenario of yours, as a plain function: what a test wants most of the time."""

from collections.abc import Callable, Sequence

import attrs
import trio

from callboard.actors import Call, CallEnd, Scenario, TranscriptLine
from callboard.actors.brains import Brain, RuleBrain
from callboard.actors.emulators import CallResult, Step

from ._determinism import Simulation, simulate
from ._network import Transport
from ._world import World, open_world


@attrs.frozen(kw_only=True)
class SimulatedCall:
    """What became of a call."""

    lines: tuple[TranscriptLine, ...]
    """The transcript, in the order in which things were heard."""
    end: CallEnd | None
    """How the call ended, for the server."""
    result: CallResult = attrs.field(repr=False)
    """What the carrier saw; `result.measures()` has latencies."""
    left: tuple[str, ...]
    """Actors that were left a second after its end; none, or there is a leak."""
    digest: str
    """Of the event log: the same in each run of one seed."""

    def said_by(self, speaker: str) -> list[str]:
        """What `caller`, `agent` or `tool` said."""
        return [line.text for line in self.lines if line.speaker.value == speaker]


def simulate_call(
    scenario: Scenario,
    steps: Sequence[Step],
    *,
    providers: Sequence[str] = ("grok", "deepgram"),
    brain: Callable[[], Brain] = RuleBrain,
    seed: int = 0,
    transport: Transport = Transport.FRAMES,
) -> SimulatedCall:
    """Make one call to a scenario, with an emulated carrier and emulated providers, under a virtual clock.

    Clients that the scenario makes find the emulated providers by themselves, as long as it names no URL: the
    environment has their addresses and a key.

    Args:
        scenario: Yours.
        steps: What the caller does; see `callboard.actors.emulators`.
        providers: Those that are emulated.
        brain: Makes the language model of each session; `ScriptedBrain` for one that says what you want.
        seed: Of everything.
        transport: See `Transport`.

    Raises:
        SimulationHung: The call made no end.
    """

    async def main(simulation: Simulation) -> SimulatedCall:
        async def serve(world: World, call: Call) -> None:
            del world
            await scenario(call)

        async with open_world(simulation, providers=providers, scenario=serve, brain=brain) as world:
            result = await world.phone(steps)
            await trio.sleep(1.0)
            call = world.calls[0]
            return SimulatedCall(
                lines=tuple(sorted(call.transcript.lines, key=lambda line: line.at)),
                end=call.end,
                result=result,
                left=tuple(world.left()),
                digest=simulation.log.digest(),
            )

    return simulate(main, seed=seed, transport=transport)
