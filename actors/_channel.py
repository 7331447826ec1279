"""Bounded mailboxes with a named answer to "what if it is full?"."""

import enum
from collections import deque
from typing import Generic, TypeVar, cast

import attrs
import trio

from ._errors import MailboxFull

T = TypeVar("T")

_CLOSED = object()


class Overflow(enum.Enum):
    """What a full channel does with one more item."""

    BLOCK = "block"
    """The sender waits. For commands and events, which must never be lost."""
    DROP_OLDEST = "drop oldest"
    """The item that has waited longest is dropped and counted. For live audio."""
    DROP_NEWEST = "drop newest"
    """The item being sent is dropped and counted."""
    FAIL = "fail"
    """The sender gets `MailboxFull`."""


@attrs.frozen(kw_only=True)
class ChannelStatistics:
    """A snapshot of a channel's counters, all in items."""

    capacity: int
    """How many items fit."""
    depth: int
    """How many are waiting now."""
    high_water: int
    """The most that were ever sent and not yet received."""
    sent: int
    """Accepted from senders; an item later pushed out by `DROP_OLDEST` was accepted."""
    received: int
    """Handed to receivers."""
    dropped: int
    """Lost to the overflow policy."""


class _Waiter:
    """A task that waits: to send an item, or for one to be put here; the end of the channel brings `_CLOSED`."""

    __slots__ = ("item", "task")

    def __init__(self, item: object) -> None:
        self.task = trio.lowlevel.current_task()
        self.item = item

    def wake(self, item: object) -> None:
        self.item = item
        trio.lowlevel.reschedule(self.task)


class Channel(Generic[T]):
    """A bounded queue between tasks.

    Any number of tasks may send and receive. Items arrive in the order in which they were accepted.

    It behaves as a trio memory channel does, to the task that runs next, but takes a tenth of its memory while
    nothing waits in it: a call has some twenty channels, and most are mailboxes that nobody ever writes to.

    Args:
        capacity: How many items fit, at least 1.
        overflow: What happens to the item that does not fit.
        name: For error texts; an actor's mailbox carries the actor's path.
    """

    __slots__ = (
        "_cleared",
        "_closed",
        "_dropped",
        "_high_water",
        "_items",
        "_received",
        "_receivers",
        "_senders",
        "_sent",
        "capacity",
        "name",
        "overflow",
    )

    def __init__(self, capacity: int, overflow: Overflow = Overflow.BLOCK, *, name: str = "") -> None:
        if capacity < 1:
            raise ValueError(f"the capacity of a channel is at least 1, not {capacity!r}")
        self.capacity = capacity
        self.overflow = overflow
        self.name = name
        # Each is None while it would be empty. Items wait only where no receiver does, senders where items fill it.
        self._items: deque[T] | None = None
        self._receivers: list[_Waiter] | None = None
        self._senders: list[_Waiter] | None = None
        self._closed = False
        self._sent = 0
        self._received = 0
        self._dropped = 0
        self._cleared = 0
        self._high_water = 0

    @trio.lowlevel.enable_ki_protection
    async def send(self, item: T) -> None:
        """Put an item in; only the `BLOCK` policy ever waits.

        A cancelled call has not sent the item, a call that returns has (or has dropped and counted it).

        Raises:
            MailboxFull: The channel is full and its policy is `FAIL`.
            trio.ClosedResourceError: The channel was closed, perhaps while this call waited.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.overflow is Overflow.BLOCK and not self._closed and self.full:
            await self._wait_sent(item)
            self._accepted()
        else:
            try:
                self.send_nowait(item)
            finally:
                await trio.lowlevel.cancel_shielded_checkpoint()

    async def _wait_sent(self, item: T) -> None:
        sender = _Waiter(item)
        if self._senders is None:
            self._senders = []
        self._senders.append(sender)

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            assert self._senders is not None
            self._senders.remove(sender)
            self._senders = self._senders or None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        if sender.item is _CLOSED:
            raise trio.ClosedResourceError

    @trio.lowlevel.enable_ki_protection
    def send_nowait(self, item: T) -> None:
        """Put an item in without waiting.

        Raises:
            trio.WouldBlock: The channel is full and its policy is `BLOCK`.
            MailboxFull: The channel is full and its policy is `FAIL`.
            trio.ClosedResourceError: The channel was closed.
        """
        if self._closed:
            raise trio.ClosedResourceError
        if self._receivers is not None:
            self._receivers.pop(0).wake(item)
            self._receivers = self._receivers or None
        elif self._items is None:
            self._items = deque((item,))
        elif len(self._items) < self.capacity:
            self._items.append(item)
        else:
            match self.overflow:
                case Overflow.BLOCK:
                    raise trio.WouldBlock
                case Overflow.FAIL:
                    raise MailboxFull(self.name, self.capacity)
                case Overflow.DROP_NEWEST:
                    self._dropped += 1
                    return
                case Overflow.DROP_OLDEST:
                    self._items.popleft()
                    self._items.append(item)
                    self._dropped += 1
        self._accepted()

    def _accepted(self) -> None:
        self._sent += 1
        # A sender that was blocked gets here after its item may have been received, which can only
        # make the difference smaller; the peak was seen by the senders before it.
        depth = self._sent - self._received - self._cleared
        if self.overflow is Overflow.DROP_OLDEST:
            depth -= self._dropped
        if depth > self._high_water:
            self._high_water = min(depth, self.capacity)

    @trio.lowlevel.enable_ki_protection
    async def receive(self) -> T:
        """Take the oldest item, waiting for one. A cancelled call has taken nothing.

        Raises:
            trio.EndOfChannel: The channel was closed and everything in it has been received.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._items is not None:
            item = self._take(self._items)
            await trio.lowlevel.cancel_shielded_checkpoint()
        elif self._closed:
            raise trio.EndOfChannel
        else:
            receiver = _Waiter(_CLOSED)
            if self._receivers is None:
                self._receivers = []
            self._receivers.append(receiver)

            def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
                assert self._receivers is not None
                self._receivers.remove(receiver)
                self._receivers = self._receivers or None
                return trio.lowlevel.Abort.SUCCEEDED

            await trio.lowlevel.wait_task_rescheduled(abort)
            if receiver.item is _CLOSED:
                raise trio.EndOfChannel
            item = cast(T, receiver.item)
        self._received += 1
        return item

    @trio.lowlevel.enable_ki_protection
    def receive_nowait(self) -> T:
        """Take the oldest item.

        Raises:
            trio.WouldBlock: There is none.
            trio.EndOfChannel: There is none and the channel was closed.
        """
        if self._items is None:
            raise trio.EndOfChannel if self._closed else trio.WouldBlock
        self._received += 1
        return self._take(self._items)

    def _take(self, items: deque[T]) -> T:
        if self._senders is not None:
            sender = self._senders.pop(0)
            self._senders = self._senders or None
            items.append(cast(T, sender.item))
            sender.wake(None)
        oldest = items.popleft()
        if not items:
            self._items = None
        return oldest

    async def receive_batch(self) -> list[T]:
        """Wait for one item and take with it all that are there: one task switch for many items.

        A cancelled call has taken nothing.

        Returns:
            At least one item, oldest first. While senders block, more than `capacity` may come.

        Raises:
            trio.EndOfChannel: The channel was closed and everything in it has been received.
        """
        batch = [await self.receive()]
        while self._items is not None:
            batch.append(self._take(self._items))
        self._received += len(batch) - 1
        return batch

    def __aiter__(self) -> "Channel[T]":
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """Refuse further items; those inside can still be received. Blocked senders fail. Idempotent."""
        self._closed = True
        waiters = [*(self._senders or ()), *(self._receivers or ())]
        self._senders = self._receivers = None
        for waiter in waiters:
            waiter.wake(_CLOSED)

    def clear(self) -> int:
        """Throw away what is waiting, including the items of blocked senders.

        Returns:
            How many items were thrown away; they do not count as dropped.
        """
        n_items = 0
        while self._items is not None:
            self._take(self._items)
            n_items += 1
        self._cleared += n_items
        return n_items

    @property
    def depth(self) -> int:
        """How many items wait."""
        return 0 if self._items is None else len(self._items)

    @property
    def full(self) -> bool:
        """Whether one more item does not fit."""
        return self._items is not None and len(self._items) >= self.capacity

    def statistics(self) -> ChannelStatistics:
        """The counters as they are now."""
        return ChannelStatistics(
            capacity=self.capacity,
            depth=self.depth,
            high_water=self._high_water,
            sent=self._sent,
            received=self._received,
            dropped=self._dropped,
        )

    def __repr__(self) -> str:
        return f"<Channel {self.name!r} {self.overflow.value}, capacity {self.capacity}>"
