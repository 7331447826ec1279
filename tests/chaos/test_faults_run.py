"""Faults in a world: each kind strikes where it should, on both transports, and the call is survived."""

import itertools

import pytest
import trio

from callboard import tool
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    CarrierFaults,
    FaultAction,
    GrokEmulatorOptions,
    GrokFault,
    HangUp,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForSilence,
)
from callboard.testing import (
    ChaosPlan,
    DialFault,
    Fault,
    FaultPlan,
    Faults,
    Kill,
    Marks,
    MessageAction,
    OnCarrier,
    OnDial,
    OnMessage,
    OnProvider,
    OnTool,
    Outage,
    Peer,
    PlannedCall,
    Simulation,
    Strike,
    ToolAction,
    Transport,
    Way,
    open_world,
    run_chaos,
    simulate,
)
from callboard.testing._faults import kind_of

SHORT: tuple[Step, ...] = (WaitForAgent(), WaitForSilence(), Wait(1), HangUp())
ASKS: tuple[Step, ...] = (
    WaitForAgent(),
    WaitForSilence(),
    Say("What are your opening hours on Monday?"),
    Wait(8),
    HangUp(),
)
ASKED: list[str] = []


@tool
async def opening_hours(day: str) -> str:
    """Look up when the clinic opens and closes."""
    ASKED.append(day)
    return "9 to 5"


def call(
    *planned: Fault, steps: tuple[Step, ...] = SHORT, transport: Transport = Transport.MESSAGES
) -> tuple[CallResult, list[Strike], list[str]]:
    """One call with these faults: its result, what struck, and the lines of the log."""

    async def main(simulation: Simulation) -> tuple[CallResult, list[Strike], list[str]]:
        faults = Faults(simulation, FaultPlan(planned))
        async with (
            open_world(
                simulation,
                providers=("grok", "deepgram"),
                tools=[faults.tool(opening_hours)],
                grok_options=faults.grok_options(GrokEmulatorOptions(seed=1)),
            ) as world,
            faults.strike(world),
        ):
            result = await faults.phone(steps)
            await trio.sleep(1)
            assert world.left() == []
        return result, faults.struck, simulation.log.lines

    ASKED.clear()
    return simulate(main, transport=transport, watchdog=30)


@pytest.mark.parametrize("transport", [Transport.MESSAGES, Transport.FRAMES])
@pytest.mark.parametrize("peer", Peer)
@pytest.mark.parametrize("way", Way)
def test_every_fault_of_a_line_is_survived(peer: Peer, way: Way, transport: Transport) -> None:
    # One call for each, in one run.
    actions = [action for action in MessageAction if action is not MessageAction.SKEW or way is Way.IN]
    plan = ChaosPlan(
        transport=transport,
        calls=tuple(PlannedCall(number=n, at=n * 0.1, steps=SHORT) for n in range(1, len(actions) + 1)),
        faults=FaultPlan(
            tuple(
                OnMessage(action=action, peer=peer, way=way, nth=4, call=number, seconds=0.5)
                for number, action in enumerate(actions, 1)
            )
        ),
    )
    report = run_chaos(plan, watchdog=60)
    assert report.violations == []
    assert report.faults == {kind_of(fault): 1 for fault in plan.faults}


@pytest.mark.parametrize("transport", [Transport.MESSAGES, Transport.FRAMES])
def test_a_lost_connection_is_made_again(transport: Transport) -> None:
    reset = OnMessage(action=MessageAction.RESET, peer=Peer.PROVIDER, nth=5)
    result, struck, lines = call(reset, transport=transport)
    assert [strike.fault for strike in struck] == [reset]
    assert result.outcome.end is CallEnd.HUNG_UP
    assert sum("ProviderReady" in line for line in lines) == 2


@pytest.mark.parametrize("transport", [Transport.MESSAGES, Transport.FRAMES])
def test_faults_strike_the_connection_and_the_call_they_are_for(transport: Transport) -> None:
    second = OnMessage(action=MessageAction.RESET, peer=Peer.PROVIDER, nth=5, connection=2)
    other = OnMessage(action=MessageAction.RESET, peer=Peer.PROVIDER, nth=5, call=2)
    _, struck, lines = call(second, other, transport=transport)
    assert struck == []
    assert sum("ProviderReady" in line for line in lines) == 1
    first = OnMessage(action=MessageAction.RESET, peer=Peer.PROVIDER, nth=5)
    _, struck, lines = call(first, second, transport=transport)
    assert [strike.fault for strike in struck] == [first, second]
    assert sum("ProviderReady" in line for line in lines) == 3


def test_a_carrier_that_is_cut_ends_the_call() -> None:
    result, _, _ = call(OnMessage(action=MessageAction.RESET, peer=Peer.CARRIER, nth=10))
    assert result.outcome.end is CallEnd.REMOTE_LOST
    assert result.duration < 2


@pytest.mark.parametrize(
    ("how", "seconds"), [(DialFault.REFUSED, 1), (DialFault.UNREACHABLE, 1), (DialFault.SILENT, 5)]
)
def test_a_dial_that_fails_is_made_again(how: DialFault, seconds: float) -> None:
    fault = OnDial(peer=Peer.PROVIDER, how=how)
    result, struck, lines = call(fault, steps=(WaitForAgent(), HangUp()))
    assert [strike.fault for strike in struck] == [fault]
    assert result.outcome.end is CallEnd.HUNG_UP
    assert result.duration < seconds + 1
    assert any("ProviderLost" in line for line in lines)


def test_a_carrier_whose_dial_fails_has_no_call() -> None:
    result, _, _ = call(OnDial(peer=Peer.CARRIER))
    assert result.outcome.end is CallEnd.NOT_CONNECTED


def test_a_provider_that_is_away_is_replaced() -> None:
    _, struck, lines = call(Outage(provider="grok", at=0.5, seconds=30.0), steps=ASKS)
    assert [strike.time for strike in struck] == [0.5]
    assert [line.split()[-1] for line in lines if "ProviderReady" in line] == ["grok", "deepgram"]
    assert ASKED == ["Monday"]


def test_a_provider_that_was_away_is_there_again() -> None:
    _, _, lines = call(Outage(provider="grok", at=0.5, seconds=0.1), steps=ASKS)
    assert [line.split()[-1] for line in lines if "ProviderReady" in line] == ["grok", "grok"]


@pytest.mark.parametrize(
    ("action", "finished", "ran"),
    [(ToolAction.SLOW, True, True), (ToolAction.RAISE, True, False), (ToolAction.HANG, False, False)],
)
def test_tools_fail(action: ToolAction, finished: bool, ran: bool) -> None:
    _, struck, lines = call(OnTool(action=action, seconds=2.0), steps=ASKS)
    assert len(struck) == 1
    # One that hangs ends with the call.
    ends = [line.split()[1] for line in lines if "ToolFinished" in line or " result " in line]
    assert ends.index("result") == (1 if finished else 0)
    assert (["Monday"] if ran else []) == ASKED


def test_an_actor_is_killed_at_a_time_and_at_a_step() -> None:
    at_time = Kill(actor="providers/agent-1/connection/*", at=1.0, passes=2)
    at_step = Kill(actor="leg", step=20)
    shared = Kill(actor="/pacer", at=1.5)
    never = Kill(actor="units/nobody", at=1.0)
    _, struck, lines = call(at_time, at_step, shared, never, steps=ASKS)
    assert {strike.fault for strike in struck} == {at_time, at_step, shared}
    assert {strike.path.rpartition("/")[2].partition("CA")[0] for strike in struck} == {
        "socket",
        "leg",
        "pacer",
    }
    assert sum("ActorExited" in line and line.endswith("killed") for line in lines) == 3
    assert any("missed" in line for line in lines)


def test_the_carrier_and_the_provider_have_faults_of_their_own() -> None:
    ours = OnCarrier(faults=CarrierFaults(double_start=True))
    marks = OnCarrier(faults=CarrierFaults(marks=Marks(twice=True)))
    dies = OnProvider(fault=GrokFault(action=FaultAction.ABORT, event="response.done", connection=1))
    result, struck, lines = call(ours, marks, dies)
    assert [strike.fault for strike in struck] == [ours, marks, dies]
    assert result.outcome.end is CallEnd.HUNG_UP
    assert sum("ProviderReady" in line for line in lines) == 2


def test_marks_do_what_they_say() -> None:
    assert [Marks(lose_every=2)(n, "") for n in range(3)] == [(), (0.0,), ()]
    assert Marks(late=1.5)(0, "") == (1.5,)
    assert Marks(twice=True)(0, "") == (0.0, 0.0)


def test_calls_are_placed_while_the_plan_is_carried_out() -> None:
    async def main(simulation: Simulation) -> None:
        faults = Faults(simulation, FaultPlan())
        async with open_world(simulation):
            with pytest.raises(RuntimeError, match="inside `strike`"):
                await faults.phone(SHORT)

    simulate(main, watchdog=30)


def test_the_same_faults_are_the_same_run() -> None:
    plan = tuple(
        OnMessage(action=action, peer=peer, nth=nth)
        for nth, (action, peer) in enumerate(
            itertools.product((MessageAction.REORDER, MessageAction.DROP), Peer), 3
        )
    )
    first, second = call(*plan, steps=ASKS), call(*plan, steps=ASKS)
    assert first[2] == second[2]
