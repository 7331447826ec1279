"""Things that go wrong on purpose, at a chosen message of a chosen connection."""

import enum
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

import trio

from callboard.actors._websocket import WebSocket


class FaultAction(enum.Enum):
    """What happens in place of, or beside, a message that was about to be sent."""

    ERROR = "error"
    """An error message goes out first."""
    DROP = "drop"
    """The message is swallowed."""
    DUPLICATE = "duplicate"
    """The message is sent twice."""
    GARBAGE = "garbage"
    """A text message that is not JSON goes out first."""
    STALL = "stall"
    """Nothing is sent for the fault's `seconds`."""
    CLOSE = "close"
    """The socket is closed with the fault's `code`."""
    ABORT = "abort"
    """The stream under the socket is cut without a closing handshake; the client sees 1006."""


class Fault(Protocol):
    """Where a fault strikes."""

    @property
    def event(self) -> str:
        """The type of the message; `*` is any, `binary` is audio in binary frames."""
        ...

    @property
    def nth(self) -> int:
        """Which such message of a connection, counted from 1; 0 is every one."""
        ...

    @property
    def connection(self) -> int | None:
        """Which connection of the emulator, counted from 1; None is every one."""
        ...


F = TypeVar("F", bound=Fault)


class FaultPlan(Generic[F]):
    """The faults of one connection, and how often each type of message was sent on it.

    Args:
        faults: Those of the emulator.
        number: Which connection this is, from 1.
    """

    def __init__(self, faults: Iterable[F], number: int) -> None:
        self._faults = tuple(fault for fault in faults if fault.connection in {None, number})
        self._counts: dict[str, int] = {}

    def due(self, kind: str) -> list[F]:
        """Those that strike at the message of this type that comes next."""
        if not self._faults:
            return []
        for name in ("*", kind):
            self._counts[name] = self._counts.get(name, 0) + 1
        return [
            fault
            for fault in self._faults
            if fault.event in {"*", kind} and fault.nth in {0, self._counts[fault.event]}
        ]


async def abort(socket: WebSocket) -> None:
    """Cut the stream under a socket: the other side sees 1006."""
    with trio.CancelScope() as scope:
        # A cancelled aclose skips the closing handshake.
        scope.cancel()
        await socket.aclose()
