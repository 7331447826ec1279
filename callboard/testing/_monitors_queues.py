"""I8: nothing that waits in a call can grow without a bound."""

import math
from collections.abc import Iterator
from typing import Any

import attrs

from callboard.actors import ActorExited, ActorStarted, Call, Channel
from callboard.actors._agent_actor import AgentActor
from callboard.actors._bridge import Bridge
from callboard.actors._leg_playout import LIMIT
from callboard.actors._provider_outbox import AUDIO_LIMIT, COMMAND_CAPACITY, HOLD_LIMIT, TURN_LIMIT
from callboard.actors._twilio_leg import OUTBOX
from callboard.actors._watch import WatchEvent

from ._monitors_base import Desk, Monitor, WatchedCall, owner_of
from ._monitors_holdings import TaskOwners
from ._monitors_others import call_path

# Messages that are neither audio nor marks do not count against the capacity of a leg's outbox; a few more may wait.
SPARE = 64
# Actors and what they run at once: four times what a talking call with a dozen tool calls has.
MAX_TASKS = 256
ROUNDING = 0.1


@attrs.frozen
class Level:
    """How full something is."""

    kind: str
    """Which sort of queue; the same for all calls."""
    name: str
    depth: float
    most: float
    """The most that was ever seen, by the queue itself where it keeps count."""
    limit: float
    """Infinity for a queue that has none."""


class QueueMonitor(Monitor):
    """Looks at all queues of a call every two seconds.

    Args:
        desk: Where findings go.
        tasks: For their number.
    """

    invariant = "I8"

    def __init__(self, desk: Desk, tasks: TaskOwners) -> None:
        super().__init__(desk)
        self._tasks = tasks
        self._told: set[str] = set()
        # The paths of what is in each call, so that nobody has to look through all calls for them.
        self._parts: dict[str, dict[str, None]] = {}
        self.high_water: dict[str, tuple[float, float]] = {}
        """By sort of queue: the most that was seen to wait, and the limit."""

    def call_seen(self, watched: WatchedCall) -> None:
        """Find what it has already."""
        for path in self.desk.system.registry:
            if call_path(path) == watched.path:
                self._parts.setdefault(watched.path, {})[path] = None

    def actor_event(self, event: WatchEvent) -> None:
        """Note what comes and goes in a call."""
        match event:
            case ActorStarted(path=path) if (call := call_path(path)) is not None:
                self._parts.setdefault(call, {})[path] = None
            case ActorExited(path=path, final=True) if (call := call_path(path)) is not None:
                parts = self._parts.get(call)
                if parts is not None:
                    parts.pop(path, None)
                    if not parts:
                        del self._parts[call]
            case _:
                pass

    def tick(self, watched: WatchedCall) -> None:
        """Look."""
        for level in self._levels(watched):
            self.count()
            most, _ = self.high_water.get(level.kind, (0.0, 0.0))
            self.high_water[level.kind] = (max(most, level.depth, level.most), level.limit)
            if level.depth <= level.limit < math.inf or level.name in self._told:
                continue
            self._told.add(level.name)
            limit = "has no limit" if level.limit == math.inf else f"is to hold {level.limit:g}"
            self.report(f"{level.name} {limit}, and {level.depth:g} wait in it", watched.path)

    def _levels(self, watched: WatchedCall) -> Iterator[Level]:
        call, path = watched.call, watched.path
        registry = self.desk.system.registry
        for name in tuple(self._parts.get(path, ())):
            ref = registry.get(name)
            if ref is None:
                continue
            yield _channel("mailbox", f"the mailbox of {name}", ref._cell.mailbox)
            owner = owner_of(ref)
            if isinstance(owner, Bridge):
                yield _channel("edge", f"the edge {name}", owner._edge.frames)
            elif isinstance(owner, AgentActor):
                yield from _client(name, owner)
        yield from _streams("call's stream", path, call._hub)
        yield from _leg(call, path)
        yield Level("tasks", f"the tasks of {path}", self._tasks.n_tasks(path), 0, MAX_TASKS)

    def call_over(self, watched: WatchedCall) -> None:
        """A last look, at what outlives the tree."""
        self.tick(watched)
        self._told = {name for name in self._told if watched.path not in name}


def _channel(kind: str, name: str, channel: Channel[Any]) -> Level:
    counted = channel.statistics()
    if channel._ends is None:
        return Level(kind, name, 0, counted.high_water, counted.capacity)
    # What the channel says of itself and what trio does with it are two things.
    inner = channel._ends[1].statistics()
    limit = max(counted.capacity, inner.max_buffer_size)
    return Level(kind, name, inner.current_buffer_used, counted.high_water, limit)


def _streams(kind: str, path: str, hub: Any) -> Iterator[Level]:
    for ref in hub._streams:
        stream = ref()
        if stream is not None:
            yield _channel(kind, f"a stream of {path}", stream._channel)


def _client(path: str, actor: AgentActor) -> Iterator[Level]:
    client = actor._core.client
    yield from _streams("client's stream", path, client.hub)
    yield _channel("listeners", f"the listeners' queue of {path}", client.listeners._queue)
    outbox = actor._core.outbox
    waiting = outbox.statistics()
    yield Level(
        "commands",
        f"the commands for the provider of {path}",
        len(outbox._commands),
        0,
        COMMAND_CAPACITY,
    )
    # What was held back for a new session may wait behind what that session is told again.
    yield Level(
        "audio for the provider",
        f"the audio for the provider of {path} in seconds",
        waiting.audio,
        0,
        AUDIO_LIMIT + HOLD_LIMIT + TURN_LIMIT + ROUNDING,
    )


def _leg(call: Call, path: str) -> Iterator[Level]:
    rate = call.leg.format.rate_hz
    buffer = call.leg.playout.buffer.statistics()
    yield Level(
        "playout",
        f"the audio to be played on {path} in seconds",
        buffer.buffered / rate,
        buffer.high_water / rate,
        LIMIT + ROUNDING,
    )
    outbox = getattr(call.leg, "_outbox", None)
    if outbox is not None:
        yield Level("leg", f"the messages for the carrier of {path}", len(outbox), 0, OUTBOX + SPARE)
