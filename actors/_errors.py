"""The errors of the actor runtime.

::

    Exception
    ├─ trio.BrokenResourceError
    │   └─ ActorGone            sending to, or starting, an actor that has ended
    ├─ OrdinaryFailure          a base class: logged without a traceback
    │   └─ RestartsExhausted    a supervisor gave up; what its child raised was logged before
    ├─ MailboxFull              a channel with the FAIL policy is full
    ├─ NameTaken                the path already belongs to a living actor
    ├─ StartTimeout             an actor did not report started() in time
    └─ LookupError
        └─ NoSuchActor          no living actor has this path
"""

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from ._exit import Exit


class ActorGone(trio.BrokenResourceError):
    """The actor has ended for good. Raised to whoever sends to it or waits for its start."""

    def __init__(self, path: str, exit: "Exit") -> None:
        super().__init__(f"the actor {path!r} has ended ({exit})")
        self.path = path
        self.exit = exit


class OrdinaryFailure(Exception):
    """A failure that is part of life, such as a lost connection: its crash is logged in one line."""


class MailboxFull(Exception):
    """A channel whose policy is `Overflow.FAIL` is full. Raised to the sender; nothing was sent."""

    def __init__(self, name: str, capacity: int) -> None:
        super().__init__(f"the mailbox {name!r} is full: {capacity} items are waiting")
        self.name = name
        self.capacity = capacity


class NameTaken(Exception):
    """A living actor already has this path. Raised to whoever starts a child; nothing was started."""

    def __init__(self, path: str) -> None:
        super().__init__(f"an actor {path!r} is already there; a path belongs to one actor at a time")
        self.path = path


class RestartsExhausted(OrdinaryFailure):
    """Children failed more often than the supervisor may restart them: the supervisor's own crash.

    Its `__cause__` is the last child's error.
    """

    def __init__(self, path: str, exit: "Exit", restarts: int, period: float) -> None:
        super().__init__(
            f"more than {restarts} restarts within {period:g} s; the last to end was {path!r} ({exit})"
        )
        self.path = path
        """The child whose end was one too many."""
        self.exit = exit
        """How that child ended."""


class StartTimeout(Exception):
    """An actor was not ready in time; the error of its `Exit`, raised from `start_child`."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__(f"the actor {path!r} did not call task_status.started() within {timeout:g} s")
        self.path = path
        self.timeout = timeout


class NoSuchActor(LookupError):
    """No living actor has this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no actor {path!r}")
        self.path = path
