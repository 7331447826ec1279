"""How events reach users: bounded streams, and listeners run in order by one actor.

Whoever publishes never waits. A stream that is not read in time ends in `SubscriberLagged`; events that do
not fit into the listeners' queue are counted and reported. Neither ever has a silent gap.
"""

import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import trio

from ._channel import Channel, Overflow
from ._context import Context
from ._errors import MailboxFull

_log = logging.getLogger("callboard.listeners")

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

# Events one subscriber may leave unread: a talking agent makes about 20 events a second, so this is half a
# minute of a subscriber that does something else.
STREAM_CAPACITY = 512
# Events waiting for listeners. Listeners share one actor, so a slow one delays them all.
LISTENER_CAPACITY = 1024

Listener = Callable[[Any], Awaitable[object] | object]
"""A plain or an async function of one event."""


class SubscriberLagged(Exception):
    """A stream of events was not read in time, and the events after the ones that were read are lost.

    Raised from the iteration, after everything that had fit was delivered. Subscribe again to go on.
    """

    def __init__(self, name: str, capacity: int) -> None:
        super().__init__(f"a subscriber to the events of {name!r} left more than {capacity} of them unread")
        self.capacity = capacity


class EventStream(Generic[E_co]):
    """Events from the moment of the subscription on; iterate over it with `async for`.

    It ends when the source of the events is closed. Leave it by `break` or `close`; a stream that nobody
    holds any more unsubscribes itself.
    """

    def __init__(self, name: str, kinds: tuple[type, ...], capacity: int) -> None:
        self._channel: Channel[Any] = Channel(capacity, Overflow.FAIL, name=name)
        self._kinds = kinds
        self._lagged: SubscriberLagged | None = None
        self.open = True
        """False once nothing more will be delivered."""

    def __aiter__(self) -> "EventStream[E_co]":
        return self

    async def __anext__(self) -> E_co:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> E_co:
        """The next event. A cancelled call has taken none.

        Raises:
            SubscriberLagged: Events were lost at this place.
            trio.EndOfChannel: The source was closed and all events have been received.
        """
        try:
            event: E_co = await self._channel.receive()
        except trio.EndOfChannel:
            if self._lagged is not None:
                raise self._lagged from None
            raise
        return event

    def close(self) -> None:
        """Unsubscribe. What was delivered can still be received."""
        self.open = False
        self._channel.close()

    @property
    def pending(self) -> int:
        """How many events wait to be received."""
        return self._channel.statistics().depth

    def wants(self, event: object) -> bool:
        """Whether the event is of a kind that was subscribed to."""
        return not self._kinds or isinstance(event, self._kinds)

    def push(self, event: object) -> bool:
        """Used by the hub: deliver, or end the stream where it is full. False once it is over."""
        if not self.open:
            return False
        try:
            self._channel.send_nowait(event)
        except MailboxFull:
            self._lagged = SubscriberLagged(self._channel.name, self._channel.capacity)
            self.close()
        return self.open


class EventHub(Generic[E]):
    """Hands each event to every stream that wants it, in order, without waiting.

    Args:
        name: Whose events they are, for error texts.
        capacity: How many events each stream may leave unread.
    """

    def __init__(self, name: str, capacity: int = STREAM_CAPACITY) -> None:
        self._name = name
        self._capacity = capacity
        # Weak: a loop that was left by `break` must not fill a channel for the rest of the call.
        self._streams: list[weakref.ref[EventStream[Any]]] = []
        self._closed = False

    def subscribe(self, *kinds: type[E]) -> EventStream[E]:
        """Make a stream; it has every event published after this call.

        Args:
            kinds: Classes of events; all events if none is given.
        """
        stream: EventStream[E] = EventStream(self._name, kinds, self._capacity)
        if self._closed:
            stream.close()
        else:
            self._streams.append(weakref.ref(stream))
        return stream

    def publish(self, event: E) -> int:
        """Give an event to the streams that want it.

        Returns:
            How many took it.
        """
        taken = 0
        gone = False
        for ref in self._streams:
            stream = ref()
            if stream is None or not stream.open:
                gone = True
            elif stream.wants(event):
                taken += stream.push(event)
        if gone:
            self._streams = [ref for ref in self._streams if (held := ref()) is not None and held.open]
        return taken

    def close(self) -> None:
        """End all streams, after what they hold."""
        self._closed = True
        for ref in self._streams:
            stream = ref()
            if stream is not None:
                stream.close()
        self._streams.clear()


class Listeners(Generic[E]):
    """Functions that are called with events, in the order of the events, by one actor.

    Args:
        name: Whose events they are.
        capacity: How many calls may wait.
    """

    def __init__(self, name: str, capacity: int = LISTENER_CAPACITY) -> None:
        self._name = name
        self._by_kind: dict[type, list[Listener]] = {}
        # The event, and who listened to it when it happened.
        self._queue: Channel[tuple[object, tuple[Listener, ...], bool]] = Channel(
            capacity, Overflow.FAIL, name=f"listeners of {name}"
        )
        self._running = ""
        self._lagging = False
        self.lost = 0
        """Events that did not fit because a listener took too long."""

    def add(self, kind: type[E], listener: Listener) -> None:
        """Have a function called with each later event of a class. The same one may be added twice.

        Raises:
            TypeError: It is not a function.
        """
        if not callable(listener):
            raise TypeError(f"a listener is a function of one event, not {repr(listener)[:80]}")
        self._by_kind.setdefault(kind, []).append(listener)

    def remove(self, kind: type[E], listener: Listener | None = None) -> None:
        """Take a function away from a class of events, or all of them; harmless where there is none.

        It is not called any more, not even with events that already wait for it.
        """
        if listener is None:
            self._by_kind.pop(kind, None)
            return
        listeners = self._by_kind.get(kind, [])
        if listener in listeners:
            listeners.remove(listener)

    def wanted(self, kind: type) -> bool:
        """Whether anybody listens to a class of events."""
        return bool(self._by_kind.get(kind))

    def publish(self, event: E) -> int:
        """Have the listeners of the event's class called.

        Returns:
            How many will be.
        """
        listeners = self._by_kind.get(type(event))
        if not listeners:
            return 0
        return self._put(event, tuple(listeners), registered=True)

    def call(self, listener: Listener, event: object) -> None:
        """Have one function called, in its turn, whether it is registered or not."""
        self._put(event, (listener,), registered=False)

    def _put(self, event: object, listeners: tuple[Listener, ...], *, registered: bool) -> int:
        try:
            self._queue.send_nowait((event, listeners, registered))
        except MailboxFull:
            self.lost += 1
            if not self._lagging:
                _log.error(
                    "%s: events are lost for listeners: %s does not return",
                    self._name,
                    self._running or "one",
                )
            self._lagging = True
            return 0
        self._lagging = False
        return len(listeners)

    async def run(
        self, context: Context[Any], /, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The actor that calls the listeners. When it is asked to stop, it first calls those that wait.

        A life that was killed has lost the calls of one event at most; the rest waits for the next life.
        """
        stop = context.stop_requested
        task_status.started()
        while True:
            item = None
            if self._queue.depth:
                item = self._queue.receive_nowait()
            elif stop.is_set():
                # The queue stays open: there may be another life, with the same queue.
                return
            else:
                with context.stop_scope():
                    item = await self._queue.receive()
            if item is None:
                continue
            event, listeners, registered = item
            for listener in listeners:
                if not registered or self._listens(listener, type(event)):
                    await self._call(listener, event, context)

    def _listens(self, listener: Listener, kind: type[object]) -> bool:
        return listener in self._by_kind.get(kind, ())

    async def _call(self, listener: Listener, event: object, context: Context[Any]) -> None:
        self._running = getattr(listener, "__qualname__", repr(listener))[:80]
        try:
            result = listener(event)
            if inspect.isawaitable(result):
                await result
        except Exception:
            # The border to the user's code: one listener must not stop the others.
            context.log.exception("the listener %s failed on %s", self._running, type(event).__qualname__)
        finally:
            self._running = ""
