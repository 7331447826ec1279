"""The run that `kill_every_actor` wants for a scenario: one call with kills in it, and one that must not notice."""

from collections.abc import Awaitable, Callable, Sequence

import trio

from callboard.actors import Call, Scenario
from callboard.actors.brains import Brain, RuleBrain
from callboard.actors.emulators import CallResult, Step

from ._determinism import Simulation
from ._leaks import assert_no_leaks
from ._world import World, open_world

# An actor of the server that was killed is back by then, float seconds.
HEALED_AFTER = 1.0


def two_calls(
    scenario: Scenario,
    steps: Sequence[Step],
    *,
    providers: Sequence[str] = ("grok", "deepgram"),
    brain: Callable[[], Brain] = RuleBrain,
    check: Callable[[World, CallResult, CallResult], object] | None = None,
) -> Callable[[Simulation], Awaitable[None]]:
    """Make a run for `kill_every_actor` out of a scenario.

    In the run the scenario is called twice on the same server. Actors are killed in the first call only; that may end
    early, but within a second of its end nothing of it may be left. The second call must be a whole one: the carrier
    sees no fault in it, and nothing of it is left either.

    Args:
        scenario: Yours. Clients that it makes find the emulated providers by themselves, as in `simulate_call`.
        steps: What the caller does, in both calls.
        providers: Those that are emulated.
        brain: Makes the language model of each session.
        check: Called in the end with the world and with what the carrier saw of the two calls, for what else must hold.
    """

    async def serve(world: World, call: Call) -> None:
        del world
        await scenario(call)

    async def run(simulation: Simulation) -> None:
        async with open_world(simulation, providers=providers, scenario=serve, brain=brain) as world:
            # What ends is killed, too, until nothing is left.
            with simulation.steps.installed():
                async with assert_no_leaks(world.system):
                    first = await world.phone(steps)
            await trio.sleep(HEALED_AFTER)
            async with assert_no_leaks(world.system):
                second = await world.phone(steps)
                second.check()
            if check is not None:
                check(world, first, second)

    return run
