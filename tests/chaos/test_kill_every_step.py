"""Every actor of a call killed at each of its checkpoints: the call heals or ends, and nothing is left of it.

The call is a short one with all that a call can have: a greeting, a question that takes a tool, a goodbye, a
recording. There is one run for each checkpoint of each actor with `pytest -m exhaustive`; by default only a few.
"""

import tempfile
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio

from callboard import tool
from callboard.actors import Call, EndReason, Speaker, ToolContext
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    HangUp,
    Say,
    Step,
    Stride,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media import read_wav
from callboard.testing import (
    Monitors,
    Simulation,
    StepKill,
    Transport,
    World,
    assert_no_leaks,
    kill_every_actor,
    kill_once,
    open_world,
    simulate,
)

ANSWER = "9 to 5"
STEPS: tuple[Step, ...] = (
    WaitForAgent(),
    WaitForSilence(0.3),
    Say("Open Monday?"),
    WaitForAgent(),
    # Longer than the pause between "one moment" and the answer, and than the restart of a connection.
    WaitForSilence(1.2),
    Say("Bye"),
    WaitForAgent(),
    WaitForSilence(0.3),
    HangUp(),
)

# Without these nobody could go on with the call.
VITAL = ("leg", "scenario", "units", "providers", "bridges", "tools")
# A restarted recorder begins a new file, after the backoff.
RECORDER_GAP = 0.5


@attrs.define
class Office:
    """What the runs of one test share: nothing of a run, only what is asked of it."""

    provider: str = "grok"
    stride: Stride | None = None
    runs: Counter[str] = attrs.field(factory=Counter[str])

    async def run(self, simulation: Simulation) -> None:
        """A call in which actors are killed, and one that must not notice."""
        self.runs.clear()

        @tool
        async def opening_hours(day: str, context: ToolContext) -> str:
            """When the clinic is open on a weekday.

            Args:
                day: The day of the week.
            """
            del day
            self.runs[context.call_id] += 1
            await trio.sleep(0.1)
            return ANSWER

        with tempfile.TemporaryDirectory() as folder:
            async with (
                open_world(
                    simulation,
                    providers=[self.provider],
                    tools=[opening_hours],
                    record=Path(folder),
                    stride=self.stride,
                ) as world,
                Monitors(world.system) as monitors,
            ):
                # What ends is killed, too, until nothing is left.
                with simulation.steps.installed():
                    async with assert_no_leaks(world.system, within=1.0):
                        first = await world.phone(STEPS)
                (killed,) = simulation.steps.fired or (None,)
                check_first(world, first, killed, Path(folder))
                # A part of the server is back by then.
                await trio.sleep(1.0)
                async with assert_no_leaks(world.system, within=1.0):
                    second = await world.phone(STEPS)
                check_second(world, second, Path(folder))
                await monitors.settle()
                monitors.check()
                assert set(self.runs.values()) <= {1}, f"a tool was run twice: {self.runs}"


def check_first(world: World, result: CallResult, killed: StepKill | None, folder: Path) -> None:
    """The call healed, or it ended at once and said why."""
    end = result.outcome.end
    assert end is not CallEnd.CALLER_FAILED, f"the caller was left without an answer: {result.events[-1]}"
    if not world.calls:
        assert killed is not None
        return
    (call,) = world.calls
    assert call.end is not None
    if killed is None or heals(killed, call):
        assert end is CallEnd.HUNG_UP, f"{end}, {call.end}"
        assert call.end.reason is EndReason.CALLER_HUNG_UP
        if killed is None or ("/tools/" not in killed.path and knew_of_the_tool(world, call)):
            assert ANSWER in said(call)
    elif end is not CallEnd.HUNG_UP:
        assert call.end.reason in {
            EndReason.KILLED,
            EndReason.SCENARIO_FAILED,
            EndReason.SHUTDOWN,
            EndReason.LEG_LOST,
        }, call.end
    outcomes = Counter(line.text for line in call.transcript.lines if line.speaker is Speaker.TOOL)
    assert set(outcomes.values()) <= {1}, f"a tool has two outcomes: {outcomes}"
    check_recording(call, result, folder, gap=killed is not None and "/recorder-" in killed.path)


def heals(killed: StepKill, call: Call) -> bool:
    """Whether a call must survive the death of this actor."""
    name = killed.path.removeprefix(call.scope.path).removeprefix("/")
    if name in VITAL or killed.path in {call.scope.path, "connections", "calls"}:
        return False
    # A part that dies before it is ready is reported to the scenario, which asked for it.
    return not (name.startswith("units/") and killed.step == 1)


def knew_of_the_tool(world: World, call: Call) -> bool:
    """Whether we could know that an answer was to come."""
    # On Deepgram's wire "one moment" is over before the function is asked for. A connection that is lost in between
    # takes the question with it.
    asked = any(line.split()[1:3] == ["ToolCalled", call.id()] for line in world.log.lines)
    return asked or "deepgram" not in world.emulators


def check_second(world: World, result: CallResult, folder: Path) -> None:
    """A call like any other."""
    result.check()
    call = world.calls[-1]
    assert call.id() == result.call_sid
    assert call.end is not None
    assert call.end.reason is EndReason.CALLER_HUNG_UP
    assert ANSWER in said(call)
    check_recording(call, result, folder)


def check_recording(call: Call, result: CallResult, folder: Path, *, gap: bool = False) -> None:
    """The recording is as long as the call, to the sample."""
    heard = len(result.recording.caller)
    lengths = [len(read_wav(path)[0]) for path in sorted(folder.glob(f"{call.id()}*.wav"))]
    assert len(lengths) <= (2 if gap else 1), lengths
    if call.end is None or call.end.reason is not EndReason.CALLER_HUNG_UP:
        # Of what was on its way to a leg that died, nobody knows.
        assert sum(lengths) <= heard
    elif gap:
        assert heard - RECORDER_GAP * 8000 <= sum(lengths) <= heard, (lengths, heard)
    else:
        assert lengths == [heard]


def said(call: Call) -> str:
    """What the agent said, as far as it was heard."""
    return " ".join(line.text for line in call.transcript.lines if line.speaker is Speaker.AGENT)


def test_a_few_kills_of_every_actor_leave_nothing() -> None:
    report = kill_every_actor(Office().run, limit=2)
    names = {path.split("/", 2)[-1] for path in report.checkpoints}
    assert {"leg", "scenario", "units/recorder-1", "providers/agent-1/connection/socket", "listener"} <= names
    assert any(name.startswith("tools/agent-1-opening_hours") for name in names)
    assert len(names) == 21


def test_a_few_kills_with_the_other_provider() -> None:
    kill_every_actor(
        Office("deepgram").run, only=["calls/*/providers/*", "calls/*/tools*", "*/bridges/*"], limit=1
    )


def test_a_few_kills_with_real_framing() -> None:
    only = ["connections", "calls/*/leg", "*/socket", "*/writer"]
    kill_every_actor(Office().run, only=only, limit=1, transport=Transport.FRAMES)


# What was found here


@pytest.mark.parametrize("transport", [Transport.FRAMES, Transport.MESSAGES])
def test_listener_survives_the_death_of_what_holds_the_connections(transport: Transport) -> None:
    # It went on to hand its connections over to the nursery that was no more.
    kill_every_actor(Office().run, only=["connections"], limit=3, transport=transport)


def test_leg_does_not_wait_for_a_goodbye_that_nobody_would_hear() -> None:
    # The task that reads its socket died with the connections, so that the closing handshake took its whole second.
    kill_once(Office().run, "connections", 61, transport=Transport.FRAMES)


def test_reader_that_dies_during_the_goodbye_takes_less_than_a_second() -> None:
    # The closing handshake alone was given the whole second in which nothing may be left.
    async def count(simulation: Simulation) -> int:
        await Office().run(simulation)
        return simulation.steps.counts["connections"]

    last = simulate(count, transport=Transport.FRAMES)
    for step in range(last - 22, last - 12, 2):
        kill_once(Office().run, "connections", step, transport=Transport.FRAMES)


def test_call_without_its_scenario_ends() -> None:
    # The scenario went down with the supervisor of the tools, and the caller was left with nobody.
    kill_every_actor(Office().run, only=["calls/*/tools"], idle=None)


# All of it

PARTS = ["calls/*/leg", "*/socket", "*/writer", "*/bridges/*", "pacer", "*/recorder-*"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("provider", ["grok", "deepgram"])
@pytest.mark.parametrize("part", [*PARTS, "the rest"])
def test_every_actor_at_every_checkpoint(provider: str, part: str) -> None:
    rest = part == "the rest"
    # What a restarted recorder has missed is told to the frame, so nothing may be sent in seconds at once.
    stride = Stride() if part == "*/recorder-*" else None
    report = kill_every_actor(
        Office(provider, stride).run,
        only=["*"] if rest else [part],
        skip=PARTS if rest else [],
        max_failures=20,
    )
    assert report.exhaustive
