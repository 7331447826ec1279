"""Bounded mailboxes with a named answer to "what if it is full?"."""

import enum
from typing import Generic, TypeVar

import attrs
import trio

from ._errors import MailboxFull

T = TypeVar("T")


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


class Channel(Generic[T]):
    """A bounded queue between tasks, on top of a trio memory channel.

    Any number of tasks may send and receive. Items arrive in the order in which they were accepted.

    The memory channel is made at its first use: it takes 1.8 kB, a call has some twenty of ours, and most of them are
    mailboxes that nobody ever writes to.

    Args:
        capacity: How many items fit, at least 1.
        overflow: What happens to the item that does not fit.
        name: For error texts; an actor's mailbox carries the actor's path.
    """

    __slots__ = (
        "_cleared",
        "_closed",
        "_dropped",
        "_ends",
        "_high_water",
        "_received",
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
        self._ends: tuple[trio.MemorySendChannel[T], trio.MemoryReceiveChannel[T]] | None = None
        self._closed = False
        self._sent = 0
        self._received = 0
        self._dropped = 0
        self._cleared = 0
        self._high_water = 0

    def _open(self) -> tuple[trio.MemorySendChannel[T], trio.MemoryReceiveChannel[T]]:
        self._ends = trio.open_memory_channel[T](self.capacity)
        if self._closed:
            self._ends[0].close()
        return self._ends

    @property
    def _sender(self) -> trio.MemorySendChannel[T]:
        return (self._ends or self._open())[0]

    @property
    def _receiver(self) -> trio.MemoryReceiveChannel[T]:
        return (self._ends or self._open())[1]

    async def send(self, item: T) -> None:
        """Put an item in; only the `BLOCK` policy ever waits.

        A cancelled call has not sent the item, a call that returns has (or has dropped and counted it).

        Raises:
            MailboxFull: The channel is full and its policy is `FAIL`.
            trio.ClosedResourceError: The channel was closed, perhaps while this call waited.
        """
        if self.overflow is Overflow.BLOCK:
            await self._sender.send(item)
            self._accepted()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                self.send_nowait(item)
            finally:
                await trio.lowlevel.cancel_shielded_checkpoint()

    def send_nowait(self, item: T) -> None:
        """Put an item in without waiting.

        Raises:
            trio.WouldBlock: The channel is full and its policy is `BLOCK`.
            MailboxFull: The channel is full and its policy is `FAIL`.
            trio.ClosedResourceError: The channel was closed.
        """
        try:
            self._sender.send_nowait(item)
        except trio.WouldBlock:
            match self.overflow:
                case Overflow.BLOCK:
                    raise
                case Overflow.FAIL:
                    raise MailboxFull(self.name, self.capacity) from None
                case Overflow.DROP_NEWEST:
                    self._dropped += 1
                    return
                case Overflow.DROP_OLDEST:
                    # The channel is full, so no receiver is waiting and there is an item to take:
                    # nothing can run between these two lines.
                    self._receiver.receive_nowait()
                    self._sender.send_nowait(item)
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

    async def receive(self) -> T:
        """Take the oldest item, waiting for one. A cancelled call has taken nothing.

        Raises:
            trio.EndOfChannel: The channel was closed and everything in it has been received.
        """
        item = await self._receiver.receive()
        self._received += 1
        return item

    def receive_nowait(self) -> T:
        """Take the oldest item.

        Raises:
            trio.WouldBlock: There is none.
            trio.EndOfChannel: There is none and the channel was closed.
        """
        item = self._receiver.receive_nowait()
        self._received += 1
        return item

    async def receive_batch(self) -> list[T]:
        """Wait for one item and take with it all that are there: one task switch for many items.

        A cancelled call has taken nothing.

        Returns:
            At least one item, oldest first. While senders block, more than `capacity` may come.

        Raises:
            trio.EndOfChannel: The channel was closed and everything in it has been received.
        """
        batch = [await self._receiver.receive()]
        receive_nowait = self._receiver.receive_nowait
        try:
            while True:
                batch.append(receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            pass
        self._received += len(batch)
        return batch

    def __aiter__(self) -> "Channel[T]":
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Refuse further items; those inside can still be received. Blocked senders fail. Idempotent."""
        self._closed = True
        if self._ends is not None:
            self._ends[0].close()

    def clear(self) -> int:
        """Throw away what is waiting, including the items of blocked senders.

        Returns:
            How many items were thrown away; they do not count as dropped.
        """
        if self._ends is None:
            return 0
        n_items = 0
        try:
            while True:
                self._receiver.receive_nowait()
                n_items += 1
        except (trio.WouldBlock, trio.EndOfChannel):
            pass
        self._cleared += n_items
        return n_items

    @property
    def depth(self) -> int:
        """How many items wait."""
        return 0 if self._ends is None else self._ends[1].statistics().current_buffer_used

    @property
    def full(self) -> bool:
        """Whether one more item does not fit."""
        return self.depth >= self.capacity

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
