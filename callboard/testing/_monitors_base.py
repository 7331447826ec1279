"""What all monitors share: violations, spies on single objects, and a desk where findings are written down.

A monitor looks at a system from outside. It is told what happens to actors, and it puts plain functions before or after
methods of single objects (a call, its leg, a client); these are taken away again when the monitoring ends. Whatever
goes wrong inside a monitor is kept for `Monitors.check` and never reaches the system that is watched.
"""

import heapq
import itertools
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import trio

from callboard.actors import ActorRef, Call, System, VoiceAgent
from callboard.actors._watch import WatchEvent

from ._monitors_report import Violation as Violation

if TYPE_CHECKING:
    from callboard.actors import CallRecorder, Switchboard
    from callboard.actors._agent_actor import AgentActor
    from callboard.actors._cell import Cell

# One broken part may break the same rule fifty times a second; the first ones say it all.
MAX_VIOLATIONS = 200
TEXT_CLIP = 800


def now_or_none() -> float | None:
    """Trio's clock, or None outside of trio."""
    try:
        return trio.current_time()
    except RuntimeError:
        return None


def _attributes(target: object) -> dict[str, object]:
    """What an object has of its own."""
    return target.__dict__


@attrs.define(eq=False)
class _Placed:
    """A spy in the place of an attribute."""

    own: bool
    """The object had the attribute itself, not from its class."""
    old: object
    new: "weakref.ref[Any]"
    """The newest spy there. It knows the object, so nothing here may hold it."""


class Spies:
    """Functions put before and after methods of single objects.

    Args:
        failed: Told what a function raised; the method goes on as if it were not there.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        # Weak: an object that was watched may go like any other.
        self._placed: weakref.WeakKeyDictionary[Any, dict[str, _Placed]] = weakref.WeakKeyDictionary()

    def replace(self, target: Any, name: str, new: Any) -> None:
        """Set an attribute of an object, until `undo`."""
        attributes = _attributes(target)
        placed = self._placed.setdefault(target, {})
        if name in placed:
            placed[name].new = weakref.ref(new)
        else:
            placed[name] = _Placed(name in attributes, attributes.get(name), weakref.ref(new))
        setattr(target, name, new)

    def before(self, target: Any, name: str, tell: Callable[..., object]) -> None:
        """Have a plain function called with the arguments of a method, before it."""
        original = getattr(target, name)

        def spy(*args: Any, **kwargs: Any) -> Any:
            try:
                tell(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  # a monitor must not break what it looks at
                self._failed(error)
            return original(*args, **kwargs)

        self.replace(target, name, spy)

    def after(self, target: Any, name: str, tell: Callable[..., object]) -> None:
        """Have a plain function called with the result and the arguments of a plain method, after it."""
        original = getattr(target, name)

        def spy(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            try:
                tell(result, *args, **kwargs)
            except Exception as error:  # noqa: BLE001
                self._failed(error)
            return result

        self.replace(target, name, spy)

    def after_async(self, target: Any, name: str, tell: Callable[..., object]) -> None:
        """The same for an async method; not called where it raises."""
        original: Callable[..., Awaitable[Any]] = getattr(target, name)

        async def spy(*args: Any, **kwargs: Any) -> Any:
            result = await original(*args, **kwargs)
            try:
                tell(result, *args, **kwargs)
            except Exception as error:  # noqa: BLE001
                self._failed(error)
            return result

        self.replace(target, name, spy)

    def undo(self) -> None:
        """Take everything away that is still in its place."""
        for target, places in tuple(self._placed.items()):
            for name, placed in places.items():
                if _attributes(target).get(name) is not placed.new():
                    # Somebody else has put something there since.
                    continue
                if placed.own:
                    setattr(target, name, placed.old)
                else:
                    delattr(target, name)
        self._placed.clear()


class Desk:
    """Where monitors write down what they find, and ask to be called later.

    Args:
        system: What is watched.
        within: How long what has ended may take to be gone, float seconds.
        skip: Invariants that nothing is written down about.
    """

    def __init__(self, system: System, within: float, skip: Collection[str] = ()) -> None:
        self.system = system
        self.within = within
        self.skip = frozenset(skip)
        self.violations: list[Violation] = []
        self.suppressed = 0
        """Violations beyond the first ones, which are not kept."""
        self.counts: Counter[str] = Counter()
        """How many things were looked at, by invariant."""
        self.broken: list[Exception] = []
        """What went wrong inside monitors."""
        self.spies = Spies(self.failed)
        self.rearm: Callable[[], None] = lambda: None
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def failed(self, error: Exception) -> None:
        """A monitor raised."""
        if len(self.broken) < MAX_VIOLATIONS:
            self.broken.append(error)

    def report(self, invariant: str, text: str, path: str = "") -> None:
        """Write a violation down."""
        if invariant in self.skip:
            return
        if len(self.violations) >= MAX_VIOLATIONS:
            self.suppressed += 1
            return
        text = text if len(text) <= TEXT_CLIP else text[: TEXT_CLIP - 3] + "..."
        self.violations.append(Violation(invariant=invariant, text=text, at=now_or_none(), path=path))

    def count(self, invariant: str, n_things: int = 1) -> None:
        """Something was looked at and found in order, or reported."""
        if invariant not in self.skip:
            self.counts[invariant] += n_things

    def later(self, delay: float, function: Callable[[], object]) -> None:
        """Have a function called in so many seconds, or the next time anybody looks after that."""
        at = trio.current_time() + delay
        heapq.heappush(self._due, (at, next(self._order), function))
        if self._due[0][0] == at:
            self.rearm()

    @property
    def next_due(self) -> float:
        """When `run_due` has something to do; infinity for never."""
        return self._due[0][0] if self._due else float("inf")

    def run_due(self) -> None:
        """Call the functions whose time has come."""
        now = trio.current_time()
        while self._due and self._due[0][0] <= now:
            self.guard(heapq.heappop(self._due)[2])

    def guard(self, function: Callable[..., object], *args: object) -> None:
        """Call a function of a monitor; what it raises is kept."""
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001
            self.failed(error)


@attrs.define(eq=False)
class WatchedCall:
    """A call that is being watched."""

    path: str
    call: Call
    ref: ActorRef[Any] | None
    """Of the root of its tree."""
    joined: bool
    """It was under way when the monitoring began."""
    ending_at: float | None = None
    """When its end began: its leg or its scenario was over, float seconds."""
    cause: str = ""


@attrs.define(eq=False)
class WatchedAgent:
    """A client of a voice agent that is being watched."""

    path: str
    client: VoiceAgent
    actor: "AgentActor"
    call: WatchedCall | None


class Monitor:
    """Looks after one invariant. A subclass overrides what it wants to be told.

    Args:
        desk: Where findings go.
    """

    invariant: ClassVar[str] = ""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def report(self, text: str, path: str = "") -> None:
        """Write a violation of this monitor's invariant down."""
        self.desk.report(self.invariant, text, path)

    def count(self, n_things: int = 1) -> None:
        """Something was looked at."""
        self.desk.count(self.invariant, n_things)

    def attach(self) -> None:
        """The monitoring begins."""

    def detach(self) -> None:
        """It ends."""

    def actor_event(self, event: WatchEvent) -> None:
        """Something happened to an actor; called at once, in the task it happened in."""

    def call_seen(self, watched: WatchedCall) -> None:
        """A call began."""

    def agent_seen(self, agent: WatchedAgent) -> None:
        """A client began, before its first connection, or again after a kill."""

    def recorder_seen(self, path: str, recorder: "CallRecorder", watched: WatchedCall | None) -> None:
        """A recorder began, or began again."""

    def switchboard_seen(self, switchboard: "Switchboard") -> None:
        """There is a switchboard."""

    def tick(self, watched: WatchedCall) -> None:
        """About every two seconds of a call."""

    def call_over(self, watched: WatchedCall) -> None:
        """A call has ended, and has had its time to go; the last that is heard of it."""

    def settle(self) -> None:
        """`check` was called: look at what can be looked at now."""


def cell_of(ref: ActorRef[Any]) -> "Cell":
    """What the runtime knows about an actor."""
    return ref._cell


def owner_of(ref: ActorRef[Any]) -> object:
    """The object whose method is the actor's body, or None."""
    run: object = ref._cell.spec.run
    return getattr(run, "__self__", run)
