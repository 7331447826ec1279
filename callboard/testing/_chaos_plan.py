"""A day of phone calls, thought out beforehand: who calls when, and what goes wrong."""

import math
import random
from collections.abc import Callable, Iterator

import attrs

from callboard.actors.emulators import (
    CarrierFaults,
    FaultAction,
    GrokFault,
    HangUp,
    Step,
    Stride,
    WaitForAgent,
)

from ._callers import random_caller
from ._faults import (
    DialFault,
    Fault,
    FaultPlan,
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
    ToolAction,
    Way,
    call_of,
)
from ._faults_code import as_code
from ._network import Transport

# Of the calls whose numbers are not in the plan: they are placed after a kill, to see that all is well.
FIRST_PROBE = 1_000_001
PROBE: tuple[Step, ...] = (WaitForAgent(0.1, 30.0), HangUp())

# Of calls, how many have something go wrong besides kills; and how many of those more than one thing.
FAULTY, MORE = 0.35, 0.3
# Of kills, how many strike what all calls share; those are so far apart that no restart intensity is reached.
SHARED_KILLS, SHARED_APART = 0.08, 10.0
# The last two end all calls that are up; most calls are to live longer than to the next of those.
SHARED = ("/pacer", "/listener") * 3 + ("/connections", "/calls")
OUTAGES_PER_MINUTE = 0.2
# The last call begins so long before the end, float seconds.
TAIL = 20.0

# The actors of a call, and about how many steps each makes.
STEPS = {
    "": 12,
    "leg": 500,
    "units": 1,
    "providers": 4,
    "providers/agent-1": 20,
    "providers/agent-1/listeners": 4,
    "providers/agent-1/timer": 30,
    "providers/agent-1/connection": 6,
    "providers/agent-1/connection/socket": 300,
    "providers/agent-1/connection/writer": 40,
    "bridges": 6,
    "bridges/{call}-to-agent-1-1": 2,
    "bridges/agent-1-to-{call}-2": 2,
    "tools": 5,
    "tools/agent-1-opening_hours-1": 3,
    "scenario": 8,
}


@attrs.frozen(kw_only=True)
class PlannedCall:
    """A call to be placed."""

    number: int
    at: float
    """When, float seconds since the beginning."""
    steps: tuple[Step, ...]
    """What the caller does."""
    kind: str = ""
    """What sort of caller it is, for the statistics."""


@attrs.frozen(kw_only=True)
class ChaosPlan:
    """Everything that a run is made of: the same plan is the same run. Printed, it is the code that makes it again."""

    seed: int = 0
    providers: tuple[str, ...] = ("grok", "deepgram")
    transport: Transport = Transport.MESSAGES
    at_once: int = 100
    """So many calls at one time; the next one waits."""
    calls: tuple[PlannedCall, ...] = ()
    faults: FaultPlan = attrs.field(factory=FaultPlan)
    stride: Stride | None = None
    """How much of a call goes by at once, if not as in every world."""

    def __str__(self) -> str:
        return as_code(self)

    def only(self, calls: tuple[PlannedCall, ...]) -> "ChaosPlan":
        """The plan with these of its calls, and what goes wrong on them or on all calls."""
        numbers = {None, *(call.number for call in calls)}
        faults = FaultPlan(tuple(fault for fault in self.faults if call_of(fault) in numbers))
        return attrs.evolve(self, calls=calls, faults=faults)


@attrs.frozen(kw_only=True)
class ChaosOptions:
    """What a plan is made from."""

    calls: int = 100
    minutes: float = 5.0
    seed: int = 0
    kills_per_minute: float = 10.0
    providers: tuple[str, ...] = ("grok", "deepgram")
    transport: Transport = Transport.MESSAGES
    at_once: int = 100


def make_plan(options: ChaosOptions) -> ChaosPlan:
    """The plan for a seed."""
    rng = random.Random(options.seed)
    seconds = options.minutes * 60
    last = max(seconds - TAIL, seconds / 2)
    times = sorted(round(rng.uniform(0, last), 2) for _ in range(options.calls))
    calls: list[PlannedCall] = []
    faults: list[Fault] = []
    for number, at in enumerate(times, 1):
        caller = random_caller(rng)
        calls.append(PlannedCall(number=number, at=at, steps=caller.steps, kind=caller.kind.value))
        if rng.random() < FAULTY:
            faults.append(_random_fault(rng, number))
            while rng.random() < MORE:
                faults.append(_random_fault(rng, number))
    faults += _kills(rng, options, seconds)
    if len(options.providers) > 1:
        for _ in range(_about(rng, options.minutes * OUTAGES_PER_MINUTE)):
            at = round(rng.uniform(0, last), 1)
            faults.append(
                Outage(provider=options.providers[0], at=at, seconds=round(rng.uniform(0.2, 40), 1))
            )
    return ChaosPlan(
        seed=options.seed,
        providers=options.providers,
        transport=options.transport,
        at_once=options.at_once,
        calls=tuple(calls),
        faults=FaultPlan(tuple(faults)),
    )


def _kills(rng: random.Random, options: ChaosOptions, seconds: float) -> Iterator[Kill]:
    shared_at = -math.inf
    n_kills = round(options.kills_per_minute * options.minutes)
    for kill_at in sorted(rng.uniform(0, seconds) for _ in range(n_kills)):
        if rng.random() < SHARED_KILLS and kill_at - shared_at > SHARED_APART:
            shared_at = kill_at
            yield Kill(actor=rng.choice(SHARED), at=round(kill_at, 2), passes=rng.randrange(8))
            continue
        if not options.calls:
            continue
        number = rng.randint(1, options.calls)
        if rng.random() < 0.5:
            actor, most = rng.choice(list(STEPS.items()))
            yield Kill(actor=actor, call=number, step=round(math.exp(rng.uniform(0, math.log(most)))))
        else:
            # Whole frames, for that is when much happens; and in the midst of it.
            actor = rng.choice((*STEPS, "bridges/*", "tools/*"))
            # Half of them early in the call.
            at = rng.randrange(600 if rng.random() < 0.5 else 6000) * 20 / 1000
            yield Kill(actor=actor, call=number, at=at, passes=rng.randrange(12))


def _about(rng: random.Random, expected: float) -> int:
    """A whole number, on average the one that is expected."""
    return math.floor(expected) + (rng.random() < expected % 1)


def _random_fault(rng: random.Random, number: int) -> Fault:
    return rng.choice(_FAULTS)(rng, number)


def _on_message(rng: random.Random, number: int) -> Fault:
    peer, way = rng.choice(list(Peer)), rng.choice(list(Way))
    kind = "*"
    if peer is Peer.PROVIDER and way is Way.IN and rng.random() < 0.5:
        kind = rng.choice(PROVIDER_KINDS)
    elif peer is Peer.CARRIER and way is Way.IN and rng.random() < 0.3:
        kind = rng.choice(CARRIER_KINDS)
    most = 200 if kind == "*" else 4
    return OnMessage(
        action=rng.choice([action for action in MessageAction if action is not MessageAction.SKEW]),
        peer=peer,
        way=way,
        nth=round(math.exp(rng.uniform(0, math.log(most)))),
        kind=kind,
        call=number,
        seconds=round(math.exp(rng.uniform(math.log(0.05), math.log(20))), 2),
    )


def _skew(rng: random.Random, number: int) -> Fault:
    seconds = rng.choice((-1, 1)) * round(math.exp(rng.uniform(math.log(0.05), math.log(10_000))), 2)
    return OnMessage(
        action=MessageAction.SKEW, peer=Peer.CARRIER, nth=rng.randint(2, 100), call=number, seconds=seconds
    )


def _on_dial(rng: random.Random, number: int) -> Fault:
    return OnDial(
        peer=Peer.CARRIER if rng.random() < 0.2 else Peer.PROVIDER,
        how=rng.choice(list(DialFault)),
        times=rng.randint(1, 3),
        call=number,
    )


def _on_tool(rng: random.Random, number: int) -> Fault:
    return OnTool(
        action=rng.choice(list(ToolAction)),
        nth=rng.randint(1, 2),
        seconds=round(rng.uniform(0.5, 20), 1),
        call=number,
    )


def _marks(rng: random.Random, number: int) -> Fault:
    marks = rng.choice(
        (
            Marks(lose_every=rng.randint(1, 5)),
            Marks(late=round(rng.uniform(0.05, 5), 2)),
            Marks(twice=True),
        )
    )
    return OnCarrier(faults=CarrierFaults(marks=marks), call=number)


def _on_carrier(rng: random.Random, number: int) -> Fault:
    at = round(rng.uniform(0, 15), 2)
    faults = rng.choice(
        (
            CarrierFaults(start_delay=round(rng.uniform(0.1, 3), 2)),
            CarrierFaults(no_start=True),
            CarrierFaults(double_start=True),
            CarrierFaults(media_before_start=rng.randint(1, 20)),
            CarrierFaults(numbers=True),
            CarrierFaults(jitter=round(rng.uniform(0.005, 0.3), 3), seed=rng.randrange(1000)),
            CarrierFaults(burst=rng.randint(2, 50)),
            CarrierFaults(inject=((at, rng.choice(GARBAGE)),)),
            CarrierFaults(drop_at=at),
            CarrierFaults(stall_at=at, stall_for=round(rng.uniform(0.5, 20), 1)),
            CarrierFaults(freeze_at=at),
        )
    )
    return OnCarrier(faults=faults, call=number)


def _on_provider(rng: random.Random, number: int) -> Fault:
    # Connections are counted over all calls: about as many as there are calls.
    return OnProvider(
        fault=GrokFault(
            action=rng.choice(list(FaultAction)),
            event=rng.choice(("*", *GROK_KINDS)),
            nth=rng.randint(1, 3),
            connection=number,
            seconds=round(rng.uniform(0.2, 10), 1),
        )
    )


GROK_KINDS = (
    "session.created",
    "session.updated",
    "conversation.item.added",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.committed",
    "response.created",
    "response.output_audio.delta",
    "response.function_call_arguments.done",
    "response.done",
)
PROVIDER_KINDS = (*GROK_KINDS, "Welcome", "SettingsApplied", "ConversationText", "binary", "AgentAudioDone")
CARRIER_KINDS = ("connected", "start", "media", "mark", "dtmf", "stop")
GARBAGE: tuple[str | bytes, ...] = (
    "",
    "{",
    "null",
    "[]",
    '{"event": "mark"}',
    '{"event": "media", "media": {"payload": 7}}',
    '{"event": "nobody knows"}',
    b"\x00\xff\xfe",
)
_FAULTS: tuple[Callable[[random.Random, int], Fault], ...] = (
    _on_message,
    _on_message,
    _on_message,
    _skew,
    _on_dial,
    _on_tool,
    _marks,
    _on_carrier,
    _on_carrier,
    _on_provider,
)
