"""Child specifications: what a supervisor is told about the actors it runs. Plain data."""

import enum
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs
import trio

from ._backoff import Backoff
from ._channel import Overflow
from ._exit import Exit

if TYPE_CHECKING:
    from ._context import Context

M = TypeVar("M")
"""What an actor's mailbox holds."""
V_co = TypeVar("V_co", covariant=True)
"""What an actor reports through `task_status.started(value)`."""


class Restart(enum.Enum):
    """When a child is restarted. A child that was stopped never is."""

    PERMANENT = "permanent"
    """Always, also when it returns."""
    TRANSIENT = "transient"
    """When it crashed or was killed."""
    TEMPORARY = "temporary"
    """Never."""

    def after(self, exit: Exit) -> bool:
        """Whether a child with this policy that ended by itself is restarted."""
        return self is Restart.PERMANENT or (self is Restart.TRANSIENT and exit.abnormal)


class Strategy(enum.Enum):
    """Which children are restarted when one of them has to be."""

    ONE_FOR_ONE = "one for one"
    """That child alone."""
    ONE_FOR_ALL = "one for all"
    """All of them: they make sense only together."""
    REST_FOR_ONE = "rest for one"
    """That child and those started after it, which build on it."""


class AutoShutdown(enum.Enum):
    """Whether the end of a significant child ends the supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any significant"


class ActorFn(Protocol[M, V_co]):
    """The body of an actor.

    It opens what it needs, calls `task_status.started(value)` once that is ready, and works until it
    returns, raises or is cancelled.
    """

    async def __call__(self, ctx: "Context[M]", /, *, task_status: trio.TaskStatus[V_co]) -> None:
        """Run one life of the actor."""
        ...


class ActorObject(Protocol[M, V_co]):
    """An object that is an actor by its `run` method."""

    async def run(self, ctx: "Context[M]", /, *, task_status: trio.TaskStatus[V_co]) -> None:
        """Run one life of the actor; see `ActorFn`."""
        ...


@attrs.frozen(kw_only=True)
class ChildSpec(Generic[M, V_co]):
    """How to start, restart and stop one child."""

    name: str
    """Unique among the living children of one parent; not empty, without a slash."""
    run: ActorFn[M, V_co] | ActorObject[M, V_co]
    """The body. It is called anew for each life, so state that must survive a crash lives elsewhere."""
    restart: Restart = Restart.TRANSIENT
    mailbox: int = 64
    """Capacity in messages."""
    overflow: Overflow = Overflow.BLOCK
    grace: float = 5.0
    """Seconds a polite stop lasts before the actor is cancelled, and again the seconds it may clean up
    before the supervisor says so in the log and goes on to the next child."""
    start_timeout: float = 10.0
    """Seconds until `started()`; later is a crash. `math.inf` for no limit."""
    significant: bool = False
    """Whether its final end ends a supervisor with `AutoShutdown.ANY_SIGNIFICANT`."""
    doc: str = ""
    """A line for the generated table of actors."""
    on_end: Callable[[Exit], None] | None = None
    """Called once, when no further life follows: also for an actor that never lived, or ended while it waited for its
    restart. What it raises goes to the log."""

    def __attrs_post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ValueError(f"an actor's name is not empty and has no slash, unlike {self.name[:80]!r}")
        if self.mailbox < 1:
            raise ValueError(f"a mailbox holds at least 1 message, not {self.mailbox!r}")
        if math.isnan(self.grace) or self.grace < 0:
            raise ValueError(f"grace is 0 or more seconds, not {self.grace!r}")
        if math.isnan(self.start_timeout) or self.start_timeout <= 0:
            raise ValueError(f"start_timeout is more than 0 seconds, not {self.start_timeout!r}")


@attrs.frozen(kw_only=True)
class RestartIntensity:
    """How often children may be restarted before the supervisor itself fails."""

    restarts: int = 3
    """So many are fine; one more within `period` is not."""
    period: float = 5.0
    """Seconds. A child that ran longer than this also starts its backoff afresh."""


@attrs.frozen(kw_only=True)
class SupervisorSpec:
    """What a supervisor does."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: RestartIntensity = RestartIntensity()
    backoff: Backoff = Backoff()  # noqa: RUF009  # frozen
    # The messages of different children have nothing in common, hence Any.
    children: tuple[ChildSpec[Any, Any], ...] = ()
    """Started in this order, each when the one before is ready; stopped in reverse."""
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def __attrs_post_init__(self) -> None:
        names = [child.name for child in self.children]
        if len(set(names)) < len(names):
            raise ValueError(f"the names of children are unique, unlike {names!r}")
