"""What becomes of the messages on one way of one connection."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import orjson
import trio

from ._faults import MessageAction, OnMessage

Message = str | bytes
OnStrike = Callable[[OnMessage], None]

_TIMESTAMP = re.compile(r'("timestamp"\s*:\s*"?)(\d+)')
LASTING = frozenset({MessageAction.SKEW})


class Tap:
    """Sees the messages of one way pass, and does to them what a plan says.

    Args:
        faults: Those of this way of this connection.
        on_strike: Called when one strikes.
    """

    def __init__(self, faults: Sequence[OnMessage], on_strike: OnStrike) -> None:
        self._faults = list(faults)
        self._on_strike = on_strike
        self._by_kind = any(fault.kind not in {"*", "binary"} for fault in faults)
        self._counts: Counter[str] = Counter()
        self._kept: Message | None = None
        self._skew = 0.0
        self.held_until = -math.inf
        """Nothing passes before this time."""
        self.half_closed = False
        """Nothing comes any more."""
        self.reset = False
        """The connection is to be broken."""

    @property
    def held(self) -> bool:
        """Whether nothing passes now."""
        return self.held_until > trio.current_time()

    def feed(self, message: Message) -> list[Message]:
        """A message comes; what passes, in order. Not to be called while held."""
        if self.half_closed or self.reset:
            return []
        passing = [message]
        for fault in self._due(message):
            self._on_strike(fault)
            passing = self._strike(fault, passing)
        if self._skew:
            passing = [skewed(each, self._skew) for each in passing]
        # One that was taken out comes behind the next one that was not lost.
        if self._kept is not None and passing:
            passing.append(self._kept)
            self._kept = None
        elif self._kept is None and self._keep_next and passing:
            self._kept = passing.pop()
            self._keep_next = False
        return passing

    _keep_next = False

    def rest(self) -> list[Message]:
        """What waited for a message that does not come any more."""
        kept, self._kept = self._kept, None
        return [] if kept is None else [kept]

    def _due(self, message: Message) -> list[OnMessage]:
        self._counts["*"] += 1
        kind = "binary" if isinstance(message, bytes) else kind_of_message(message) if self._by_kind else ""
        self._counts[kind] += 1
        due = [
            fault
            for fault in self._faults
            if fault.kind in {"*", kind} and fault.nth == self._counts[fault.kind]
        ]
        for fault in due:
            self._faults.remove(fault)
        return due

    def _strike(self, fault: OnMessage, passing: list[Message]) -> list[Message]:
        match fault.action:
            case MessageAction.DROP:
                return []
            case MessageAction.DUPLICATE:
                return passing * 2
            case MessageAction.REORDER:
                self._keep_next = True
            case MessageAction.CORRUPT:
                return [corrupted(each) for each in passing]
            case MessageAction.DELAY:
                self.held_until = trio.current_time() + fault.seconds
            case MessageAction.STALL:
                self.held_until = math.inf
            case MessageAction.SKEW:
                self._skew += fault.seconds
            case MessageAction.HALF_CLOSE:
                self.half_closed = True
                return []
            case MessageAction.RESET:
                self.reset = True
                return []
        return passing


def kind_of_message(text: str) -> str:
    """The `type` or `event` of a JSON object, empty where there is none."""
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(value, dict):
        return ""
    entries = cast("dict[str, object]", value)
    kind = entries.get("type", entries.get("event"))
    return kind if isinstance(kind, str) else ""


def corrupted(message: Message) -> Message:
    """The message with another octet in its middle; text stays text."""
    middle = len(message) // 2
    if isinstance(message, str):
        return (
            message[:middle] + ("%" if message[middle : middle + 1] == "#" else "#") + message[middle + 1 :]
        )
    return (
        message[:middle]
        + bytes(octet ^ 0x55 for octet in message[middle : middle + 1])
        + message[middle + 1 :]
    )


def skewed(message: Message, seconds: float) -> Message:
    """The message with another time in it: Twilio's `timestamp`, milliseconds."""
    if isinstance(message, bytes):
        return message
    return _TIMESTAMP.sub(
        lambda found: found[1] + str(max(0, int(found[2]) + round(seconds * 1000))), message, count=1
    )
