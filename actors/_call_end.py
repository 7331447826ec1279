"""How a call ended: always one value, always with who and why."""

import enum

import attrs


class EndReason(enum.Enum):
    """Why a call ended."""

    CALLER_HUNG_UP = "caller hung up"
    """The other party ended it, in the way its wire ends calls."""
    HUNG_UP = "hung up"
    """The scenario asked for it."""
    SCENARIO_DONE = "scenario done"
    """The scenario returned."""
    SCENARIO_FAILED = "scenario failed"
    """The scenario raised."""
    LEG_LOST = "leg lost"
    """The connection to the carrier broke without a goodbye."""
    LEG_FAILED = "leg failed"
    """The carrier sent something the wire does not allow."""
    REJECTED = "rejected"
    """It was refused before it was answered."""
    KILLED = "killed"
    """An actor of it was killed that the call cannot do without."""
    SHUTDOWN = "shutdown"
    """The system is stopping."""

    @property
    def by(self) -> "Party":
        """Whose doing it was."""
        return _BY[self]


class Party(enum.Enum):
    """Who ended a call."""

    CALLER = "caller"
    SCENARIO = "scenario"
    NETWORK = "network"
    SYSTEM = "system"


_BY = {
    EndReason.CALLER_HUNG_UP: Party.CALLER,
    EndReason.HUNG_UP: Party.SCENARIO,
    EndReason.SCENARIO_DONE: Party.SCENARIO,
    EndReason.SCENARIO_FAILED: Party.SCENARIO,
    EndReason.LEG_LOST: Party.NETWORK,
    EndReason.LEG_FAILED: Party.NETWORK,
    EndReason.REJECTED: Party.SCENARIO,
    EndReason.KILLED: Party.SYSTEM,
    EndReason.SHUTDOWN: Party.SYSTEM,
}


@attrs.frozen(kw_only=True)
class CallEnd:
    """The end of one call."""

    reason: EndReason
    text: str = ""
    """A line for people."""
    duration: float = 0.0
    """From the start of the leg to its end, float seconds."""
    error: BaseException | None = attrs.field(default=None, eq=False)
    """What the scenario raised."""

    @property
    def by(self) -> Party:
        """Whose doing it was."""
        return self.reason.by

    def __str__(self) -> str:
        return f"{self.reason.value} (by the {self.by.value}) after {self.duration:.1f} s" + (
            f": {self.text}" if self.text else ""
        )
