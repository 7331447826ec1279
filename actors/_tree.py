"""A snapshot of the actors of a system."""

import enum
from collections.abc import Iterator

import attrs

from ._channel import ChannelStatistics
from ._exit import Exit


class ActorState(enum.Enum):
    """Where an actor is in its life."""

    STARTING = "starting"
    """Queued, or running and not yet ready."""
    RUNNING = "running"
    """It called `started()`."""
    STOPPING = "stopping"
    """It was asked to stop and has not ended yet."""
    WAITING = "waiting"
    """Down; its supervisor will restart it after a wait."""
    ENDED = "ended"
    """Down for good."""


@attrs.frozen(kw_only=True)
class ActorStatistics:
    """A snapshot of one actor."""

    path: str
    state: ActorState
    time_in_state: float
    """Seconds."""
    restarts: int
    """How many lives began after the first."""
    mailbox: ChannelStatistics
    last_exit: Exit | None
    """How its latest finished life ended."""


@attrs.frozen(kw_only=True)
class TreeNode:
    """One actor in a snapshot of the tree, with its children in the order of their start."""

    path: str
    name: str
    state: ActorState
    mailbox: ChannelStatistics
    restarts: int
    time_in_state: float
    """Seconds."""
    last_exit: Exit | None
    children: "tuple[TreeNode, ...]" = ()

    def walk(self) -> "Iterator[TreeNode]":
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def render(self) -> str:
        """The tree as lines of text."""
        rows = list(self._rows("", ""))
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)

    def _rows(self, lead: str, indent: str) -> Iterator[tuple[str, str]]:
        text = f"{self.state.value:<8} {self.time_in_state:8.1f} s"
        text += f"  mailbox {self.mailbox.depth}/{self.mailbox.capacity}"
        if self.mailbox.dropped:
            text += f" ({self.mailbox.dropped} dropped)"
        if self.restarts:
            text += f"  restarts {self.restarts}"
        if self.last_exit is not None:
            text += f"  last exit {self.last_exit}"
        yield lead + self.name, text
        for number, child in enumerate(self.children, 1):
            last = number == len(self.children)
            yield from child._rows(indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  "))
