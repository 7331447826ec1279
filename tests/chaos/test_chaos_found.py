"""What chaos has found: each bug by the smallest plan that showed it."""

import attrs
import pytest

from callboard.actors.emulators import InterruptAfter, Say, Stride, Wait, WaitForAgent, WaitForSilence
from callboard.testing import (
    ChaosPlan,
    FaultPlan,
    Kill,
    MessageAction,
    OnMessage,
    OnTool,
    Outage,
    Peer,
    PlannedCall,
    ToolAction,
    Transport,
    run_chaos,
)

# As it was when they were found.
STRIDE = Stride(speaking=5, listening=5, quiet=5, joined=True)

FOUND = {
    "a client that waits for its restart when its call ends is ended: its streams of events, its trace": ChaosPlan(
        calls=(PlannedCall(number=4, at=0.0, steps=(Wait(5.0),)),),
        faults=FaultPlan(
            (
                Kill(actor="providers/agent-1", call=4, at=0.2),
                Kill(actor="leg", call=4, at=0.25),
            )
        ),
    ),
    "a scenario that is killed while it makes a client closes the client's trace": ChaosPlan(
        seed=1,
        calls=(
            PlannedCall(number=1, at=1.22, steps=(Wait(0.92),)),
            PlannedCall(number=3, at=4.92, steps=()),
            PlannedCall(number=4, at=8.44, steps=(Wait(1.22),)),
            PlannedCall(number=6, at=10.36, steps=()),
        ),
        faults=FaultPlan((Kill(actor="scenario", call=4, step=3), Kill(actor="scenario", call=3, step=2))),
    ),
    "a child that waits for its restart does not begin again while its supervisor ends": ChaosPlan(
        transport=Transport.FRAMES,
        calls=(PlannedCall(number=1, at=0.0, steps=(Wait(2.0),)),),
        faults=FaultPlan(
            (
                Kill(actor="providers/agent-1/timer", call=1, at=0.52),
                Kill(actor="leg", call=1, at=0.6),
            )
        ),
    ),
    "a transcript is in the order of what was heard, whatever was final first": ChaosPlan(
        seed=3012,
        calls=(
            PlannedCall(
                number=32,
                at=59.5,
                steps=(
                    InterruptAfter(0.08, "Could you say that again?", 60.0),
                    InterruptAfter(0.1, "What can you do?", 60.0),
                ),
            ),
        ),
        faults=FaultPlan(
            (
                OnMessage(action=MessageAction.STALL, peer=Peer.PROVIDER, nth=12, call=32),
                Outage(provider="grok", at=78.0, seconds=27.0),
            )
        ),
    ),
    "a tool call that took over an earlier one has its outcome though the caller went on": ChaosPlan(
        seed=2003,
        providers=("deepgram",),
        calls=(
            PlannedCall(
                number=58,
                at=0.0,
                steps=(
                    Wait(0.26),
                    Say("What are your opening hours on Monday?"),
                    Wait(2.98),
                    Say("What are your opening hours on Monday?"),
                    WaitForAgent(timeout=60.0),
                    WaitForSilence(1.5),
                    Say("That is all, bye."),
                    WaitForAgent(timeout=60.0),
                ),
            ),
        ),
        faults=FaultPlan((OnTool(action=ToolAction.HANG, call=58),)),
    ),
}


@pytest.mark.parametrize("plan", FOUND.values(), ids=list(FOUND))
def test_a_bug_that_chaos_found_is_gone(plan: ChaosPlan) -> None:
    assert run_chaos(plan, watchdog=30).violations == []
    assert run_chaos(attrs.evolve(plan, stride=STRIDE), watchdog=30).violations == []
