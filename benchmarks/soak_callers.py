"""The callers of a soak: what each does, and how it leaves, comes from a seed."""

import enum
import random
from collections.abc import Mapping

import attrs

from callboard.actors.emulators import (
    CarrierCall,
    CarrierFaults,
    HangUp,
    InterruptAfter,
    Line,
    Press,
    Say,
    ScriptedCaller,
    SpeechBank,
    Step,
    Wait,
    WaitForAgent,
    WaitForSilence,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
DEPARTMENTS = ("surgery", "radiology", "pharmacy")
# A busy machine may be slow to answer; one that leaves a caller alone for so long has lost the turn.
PATIENCE = 40.0
# The server gives a stream up that has been silent for 10 s; a frozen one is left to it for this long.
FROZEN_SECONDS = 13.0


class Manner(enum.Enum):
    """What becomes of a call."""

    GOODBYE = "says goodbye"
    MID_ANSWER = "hangs up in mid-answer"
    MID_ANSWER_CUT = "socket cut in mid-answer"
    MID_TOOL = "hangs up in mid-tool"
    MID_TOOL_CUT = "socket cut in mid-tool"
    MID_GREETING = "hangs up in the greeting"
    AT_ONCE = "hangs up at once"
    STALLED = "stops reading for a while"
    FROZEN = "falls silent, socket open"
    GARBAGE = "sends garbage"


# How often each comes, in parts.
WEIGHTS: Mapping[Manner, int] = {
    Manner.GOODBYE: 5,
    Manner.MID_ANSWER: 4,
    Manner.MID_ANSWER_CUT: 3,
    Manner.MID_TOOL: 3,
    Manner.MID_TOOL_CUT: 2,
    Manner.MID_GREETING: 2,
    Manner.AT_ONCE: 1,
    Manner.STALLED: 2,
    Manner.FROZEN: 1,
    Manner.GARBAGE: 1,
}
CUT = frozenset({Manner.MID_ANSWER_CUT, Manner.MID_TOOL_CUT})


@attrs.frozen(kw_only=True)
class Plan:
    """One call."""

    manner: Manner
    steps: tuple[Step, ...]
    faults: CarrierFaults | None = None
    chime: bool = False
    """Whether the server plays a prompt first."""
    pause: float = 0.0
    """Before the call, float seconds."""


def plan_call(rng: random.Random) -> Plan:
    """Make up a call.

    Args:
        rng: The source of all choices; nothing else decides.
    """
    manner = rng.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
    pause, chime = rng.uniform(0.0, 3.0), rng.random() < 0.2
    return Plan(
        manner=manner, steps=_steps(manner, rng), faults=_faults(manner, rng), chime=chime, pause=pause
    )


def _steps(manner: Manner, rng: random.Random) -> tuple[Step, ...]:
    match manner:
        case Manner.AT_ONCE:
            return (Wait(round(rng.uniform(0.0, 0.5), 2)), HangUp())
        case Manner.MID_GREETING:
            return (WaitForAgent(round(rng.uniform(0.1, 0.8), 2), timeout=PATIENCE), HangUp())
        case _:
            pass
    steps: list[Step] = [WaitForAgent(timeout=PATIENCE), WaitForSilence(0.8)]
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        steps += _turn(rng)
    match manner:
        case Manner.MID_ANSWER | Manner.MID_ANSWER_CUT:
            spoken = round(rng.uniform(0.2, 0.6), 2)
            steps += [Say(_question(rng)), WaitForAgent(spoken, timeout=PATIENCE)]
        case Manner.MID_TOOL | Manner.MID_TOOL_CUT:
            steps += [Say(_slow_question("surgery")), Wait(round(rng.uniform(0.8, 4.0), 2))]
        case Manner.FROZEN:
            # The fault ends it.
            steps.append(Wait(120.0))
        case _:
            steps += [Say("Thank you, goodbye."), WaitForAgent(timeout=PATIENCE), WaitForSilence(1.0)]
    return (*steps, HangUp())


def _turn(rng: random.Random) -> tuple[Step, ...]:
    """A question, politely or into an answer, or some keys."""
    listen = (WaitForAgent(timeout=PATIENCE), WaitForSilence(round(rng.uniform(0.6, 1.5), 2)))
    match rng.randrange(5):
        case 0:
            interruption = InterruptAfter(round(rng.uniform(0.2, 0.8), 2), _question(rng), timeout=PATIENCE)
            return (Say(_question(rng)), interruption, *listen)
        case 1:
            return (Press(str(rng.randrange(10, 100))), Wait(0.5))
        case 2:
            return (Say(_slow_question(rng.choice(DEPARTMENTS))), *listen, WaitForSilence(2.5))
        case _:
            return (Say(_question(rng)), *listen)


def _question(rng: random.Random) -> str:
    return f"Are you open on {rng.choice(DAYS)}?"


def _slow_question(department: str) -> str:
    return f"What is the waiting time in the department {department}?"


def _faults(manner: Manner, rng: random.Random) -> CarrierFaults | None:
    at = rng.uniform(1.0, 6.0)
    match manner:
        case Manner.STALLED:
            return CarrierFaults(stall_at=at, stall_for=rng.uniform(1.0, 4.0))
        case Manner.FROZEN:
            return CarrierFaults(freeze_at=at, drop_at=at + FROZEN_SECONDS)
        case Manner.GARBAGE:
            return CarrierFaults(inject=((at, "{"), (at, b"\x00\xff"), (at + 0.5, '{"event": "unheard-of"}')))
        case _:
            return None


class _CutLine:
    """A line whose hang-up is a broken wire."""

    def __init__(self, call: CarrierCall) -> None:
        self._call = call

    def press(self, digit: str) -> None:
        """See `Line.press`."""
        self._call.press(digit)

    def hang_up(self) -> None:
        """Cut the socket, with no farewell."""
        self._call.drop()


class SoakCaller(ScriptedCaller):
    """Carries out a plan.

    Args:
        plan: What to do.
        bank: What its words sound like.
    """

    def __init__(self, plan: Plan, bank: SpeechBank) -> None:
        super().__init__(plan.steps, bank)
        self._cut = plan.manner in CUT

    def answered(self, line: Line) -> None:
        """See `Caller.answered`."""
        if self._cut:
            assert isinstance(line, CarrierCall)
            line = _CutLine(line)
        super().answered(line)
