"""The table-driven state helper that every protocol object of this package uses."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from ._errors import LocalWireError, RemoteWireError

__all__ = ["Direction", "Machine", "Table", "Trigger", "on"]

S = TypeVar("S", bound=enum.Enum)


class Direction(enum.Enum):
    """Which way a message goes, seen from the protocol object."""

    SENT = "send"
    RECEIVED = "receive"

    # The enum's own hashes the member's name, in Python, for every message.
    __hash__ = object.__hash__


Trigger = tuple[Direction, type]
"""What moves a machine: an event class going one way."""

Table = Mapping[S, Mapping[Trigger, S]]
"""State to trigger to next state. A missing trigger is an illegal event in that state: the table is all the rules."""


def on(direction: Direction, kinds: Iterable[type], to: S) -> dict[Trigger, S]:
    """Return table entries that take each of ``kinds`` to the state ``to``."""
    return {(direction, kind): to for kind in kinds}


class Machine(Generic[S]):
    """A state and the table that moves it.

    Args:
        table: All legal moves.
        initial: The first state.
    """

    __slots__ = ("_moves", "_table", "state")

    def __init__(self, table: Table[S], initial: S) -> None:
        self._table = table
        self.state: S = initial
        self._moves = table[initial]

    def next(self, direction: Direction, kind: type) -> S | None:
        """Return the state this event would lead to, or ``None`` if it is illegal now. Changes nothing."""
        return self._moves.get((direction, kind))

    def _enter(self, state: S) -> None:
        if state is not self.state:
            self.state = state
            self._moves = self._table[state]

    def sent(self, kind: type) -> None:
        """Record that we send an event of class ``kind``.

        Raises:
            LocalWireError: The table has no such move; the state stays.
        """
        state = self.next(Direction.SENT, kind)
        if state is None:
            raise LocalWireError(f"cannot send {kind.__name__} in state {self.state.name}")
        self._enter(state)

    def received(self, kind: type, reply: object | None = None) -> None:
        """Record that the peer sent an event of class ``kind``.

        Args:
            kind: Its class.
            reply: What to answer if it is illegal.

        Raises:
            RemoteWireError: The table has no such move; the state stays.
        """
        state = self.next(Direction.RECEIVED, kind)
        if state is None:
            raise RemoteWireError(f"received {kind.__name__} in state {self.state.name}", reply=reply)
        self._enter(state)
