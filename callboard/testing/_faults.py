"""What goes wrong, as data: a plan can be printed, made again from what was printed, and made smaller.

A plan says what happens to which call. Calls are counted from 1, in the order in which they are placed. `Faults`
carries a plan out.
"""

import enum
from collections.abc import Iterator
from typing import TypeAlias

import attrs

from callboard.actors.emulators import CarrierFaults, DeepgramFault, GrokFault

from ._faults_code import as_code, changed


class Peer(enum.Enum):
    """One of the connections of a call, as callboard sees it."""

    CARRIER = "carrier"
    PROVIDER = "provider"


class Way(enum.Enum):
    """Which way a message goes."""

    IN = "in"
    """To callboard."""
    OUT = "out"
    """From callboard."""


class MessageAction(enum.Enum):
    """What happens to a message, or from a message on."""

    DROP = "drop"
    """It is lost."""
    DUPLICATE = "duplicate"
    """It comes twice."""
    REORDER = "reorder"
    """It comes after the one behind it."""
    CORRUPT = "corrupt"
    """One octet in its middle is another one."""
    DELAY = "delay"
    """It comes late, and what is behind it waits for it."""
    STALL = "stall"
    """The reader reads nothing any more, until the connection ends."""
    SKEW = "skew"
    """The peer's clock jumps: the time in this message and in all later ones is another one."""
    HALF_CLOSE = "half_close"
    """The way ends here as if the sender had closed it; the other way goes on."""
    RESET = "reset"
    """The connection breaks, for both sides."""


class DialFault(enum.Enum):
    """How a connection is not opened."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    """Nobody answers, not even with a no."""


class ToolAction(enum.Enum):
    """What a tool does instead of its work."""

    SLOW = "slow"
    """It takes longer."""
    RAISE = "raise"
    HANG = "hang"
    """It never comes to an end."""


@attrs.frozen(kw_only=True)
class Kill:
    """An actor is killed, at its n-th step or at a time."""

    actor: str
    """Its path below the call, empty for the call itself; with a leading slash its path in the system. `{call}` stands
    for the call's id; at a time also with the wildcards of `fnmatch`: the first one that matches."""
    call: int = 1
    """Of no meaning with a leading slash."""
    step: int | None = None
    """Right after its so manieth step, from 1; see `ActorSteps`."""
    at: float | None = None
    """Instead: float seconds since the call was placed, since the beginning for a path in the system."""
    passes: int = 0
    """With `at`: so many passes of the scheduler later, in the midst of what happens at that time."""

    def __attrs_post_init__(self) -> None:
        if (self.step is None) is (self.at is None):
            raise ValueError(f"step is {self.step!r} and at is {self.at!r}, expected one of the two")


@attrs.frozen(kw_only=True)
class OnMessage:
    """Something happens to a message between callboard and a peer."""

    action: MessageAction
    peer: Peer
    way: Way = Way.IN
    nth: int = 1
    """The so manieth message of its kind on the connection, from 1."""
    kind: str = "*"
    """The `type` or `event` in its JSON; `*` is any message, `binary` one that is no text."""
    connection: int = 1
    """The so manieth connection of the call to such a peer, from 1."""
    call: int = 1
    seconds: float = 1.0
    """Of DELAY and SKEW."""


@attrs.frozen(kw_only=True)
class OnDial:
    """A connection is not opened."""

    peer: Peer
    how: DialFault = DialFault.REFUSED
    nth: int = 1
    """The so manieth dial of the call to such a peer, from 1."""
    times: int = 1
    """So many in a row."""
    call: int = 1


@attrs.frozen(kw_only=True)
class OnTool:
    """A tool fails, or is slow."""

    action: ToolAction
    nth: int = 1
    """The so manieth tool that the call runs, from 1."""
    seconds: float = 5.0
    """Of SLOW."""
    call: int = 1


@attrs.frozen(kw_only=True)
class Outage:
    """A provider is away for a while: its connections are cut, nobody gets a new one."""

    provider: str
    at: float
    """Float seconds since the beginning."""
    seconds: float


@attrs.frozen(kw_only=True)
class Marks:
    """What becomes of the carrier's echoes of marks; to be used as `CarrierFaults.marks`."""

    lose_every: int = 0
    """Every so manieth echo is lost; 0 loses none."""
    late: float = 0.0
    """All of them come so much too late, float seconds."""
    twice: bool = False

    def __call__(self, number: int, name: str) -> tuple[float, ...]:
        """See `MarkPlan`."""
        del name
        if self.lose_every and number % self.lose_every == 0:
            return ()
        return (self.late,) * (2 if self.twice else 1)


@attrs.frozen(kw_only=True)
class OnCarrier:
    """The carrier of a call misbehaves."""

    faults: CarrierFaults
    call: int = 1


@attrs.frozen(kw_only=True)
class OnProvider:
    """An emulated provider misbehaves, at a message of its own choice. Its connections are counted over all calls."""

    fault: GrokFault | DeepgramFault


Fault: TypeAlias = Kill | OnMessage | OnDial | OnTool | Outage | OnCarrier | OnProvider


@attrs.frozen
class FaultPlan:
    """What goes wrong in a run. Printed, it is the code that makes it again."""

    faults: tuple[Fault, ...] = ()

    def of_call(self, number: int) -> Iterator[Fault]:
        """Those that strike one call."""
        return (fault for fault in self.faults if call_of(fault) == number)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def __str__(self) -> str:
        return as_code(self)


def call_of(fault: Fault) -> int | None:
    """The number of the call that a fault strikes, None where it strikes all of them."""
    if isinstance(fault, Outage | OnProvider) or (isinstance(fault, Kill) and fault.actor.startswith("/")):
        return None
    return fault.call


def kind_of(fault: Fault) -> str:
    """A name for what a fault is, to be counted by."""
    match fault:
        case Kill(actor=actor):
            parts = actor.replace("{call}", "call").strip("/").split("/")
            # Those of one sort have names of their own.
            if len(parts) > 1 and parts[-2] in {"bridges", "tools", "units", "connections"}:
                return f"kill {parts[-2].removesuffix('s')}"
            return f"kill {parts[-1] or 'call'}"
        case OnMessage(action=action, peer=peer):
            return f"{peer.value} {action.value.replace('_', ' ')}"
        case OnDial(peer=peer, how=how):
            return f"{peer.value} dial {how.value}"
        case OnTool(action=action):
            return f"tool {action.value}"
        case Outage(provider=provider):
            return f"outage of {provider}"
        case OnCarrier(faults=faults):
            marks = faults.marks
            if isinstance(marks, Marks):
                return "marks lost" if marks.lose_every else "marks late" if marks.late else "marks twice"
            names = [name for name, value in changed(faults) if value and name != "seed"]
            return f"carrier {names[0].removesuffix('_at').replace('_', ' ') if names else 'itself'}"
        case OnProvider(fault=inner):
            service = "grok" if isinstance(inner, GrokFault) else "deepgram"
            return f"{service} {inner.action.value}"
