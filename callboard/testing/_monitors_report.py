"""What monitors find, and how it is shown."""

from collections.abc import Sequence

import attrs

INVARIANTS = {
    "I1": "when a call ends, nothing of it is left",
    "I2": "what happens to one call does not reach another, and heals or ends it",
    "I3": "after an interruption no older audio reaches the carrier",
    "I4": "each tool call has exactly one outcome on the wire",
    "I5": "events come in order, none lost, none twice",
    "I6": "a new session is given the history that is held",
    "I7": "recordings are as long as the call, transcripts in the order of what was heard",
    "I8": "every queue is bounded",
    "I9": "a malformed message hurts its reader at most",
    "I10": "no secret is in anything that is written",
    "I11": "a drain takes no calls, ends none early, and ends",
}
"""The invariants by number, each in a few words."""


@attrs.frozen(kw_only=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    """`I1` to `I11`."""
    text: str
    """What was seen, for people."""
    at: float | None = None
    """Trio's clock, float seconds; None where it was seen outside of trio's thread."""
    path: str = ""
    """The actor or the call it was seen at."""

    def __str__(self) -> str:
        when = "" if self.at is None else f" at {self.at:.3f} s"
        where = f" {self.path}:" if self.path else ":"
        return f"{self.invariant}{when}{where if where == ':' else f',{where}'} {self.text}"


class InvariantViolated(AssertionError):
    """Something that must hold of every call did not.

    Attributes:
        violations: What was seen, in order.
    """

    def __init__(self, violations: Sequence[Violation], suppressed: int = 0) -> None:
        lines = "".join(f"\n  {violation}" for violation in violations)
        more = f"\n  and {suppressed} more" if suppressed else ""
        super().__init__(f"{len(violations) + suppressed} violations of invariants:{lines}{more}")
        self.violations = tuple(violations)


@attrs.frozen(kw_only=True)
class InvariantRow:
    """One line of the table of invariants."""

    invariant: str
    meaning: str
    checked: int
    """How many things were looked at: ends of calls, pieces of audio, outcomes, events, ..."""
    violations: int
