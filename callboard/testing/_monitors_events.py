"""I5: events reach each subscriber in the order of the wire, none lost, none twice."""

import weakref
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs

from callboard.actors import ActorRestarted, EventStream
from callboard.actors._listeners import EventHub, Listeners
from callboard.actors._watch import WatchEvent

from ._monitors_base import Desk, Monitor, WatchedAgent, WatchedCall

# What one subscriber may be behind with, far above the capacities of streams and listeners.
MAX_BEHIND = 4096


@attrs.define(eq=False)
class _Reader:
    """One subscriber: what it is to receive, in order."""

    name: str
    path: str
    due: deque[object] = attrs.field(factory=lambda: deque[object](maxlen=MAX_BEHIND))
    unknown: int = 0
    """Events that waited for it before the monitoring began."""
    last: object = None
    bad: bool = False
    """It was reported; whatever follows is out of step."""


@attrs.define(eq=False)
class _Hub:
    """The streams of one source of events."""

    path: str
    readers: "weakref.WeakKeyDictionary[EventStream[Any], _Reader]" = attrs.field(
        factory=weakref.WeakKeyDictionary["EventStream[Any]", "_Reader"]
    )
    publishing: bool = False


class EventMonitor(Monitor):
    """What every stream and every listener of calls and clients receives, and what the reader of a wire hands on."""

    invariant = "I5"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._hubs: dict[str, list[_Hub]] = {}
        self._listeners: dict[str, dict[Any, _Reader]] = {}

    def call_seen(self, watched: WatchedCall) -> None:
        """Look at the call's own events."""
        self._watch_hub(watched.call._hub, watched.path, watched.path)

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Look at a client's events, and at the order of the messages they are made from."""
        client = agent.client
        key = agent.path if agent.call is None else agent.call.path
        self._watch_hub(client.hub, agent.path, key)
        self._watch_listeners(client.listeners, agent.path)
        self._watch_wire(agent)

    # From the wire to the client

    def _watch_wire(self, agent: WatchedAgent) -> None:
        reader = _Reader("the client", agent.path)
        spies = self.desk.spies

        def decoded(events: Sequence[object], _message: str | bytes) -> None:
            reader.due.extend(events)

        def came(event: object) -> None:
            if reader.due or event is reader.last:
                self._received(reader, event)

        def forget(_event: object) -> None:
            reader.due.clear()

        core = agent.client._core
        for driver in core.drivers:
            spies.after(driver.adapter, "receive", decoded)
        spies.before(core, "provider_message", came)
        # What a connection had read when it ended is of no use.
        spies.before(core, "provider_disconnected", forget)

    # Streams

    def _watch_hub(self, hub: EventHub[Any], path: str, key: str) -> None:
        watched = _Hub(path)
        self._hubs.setdefault(key, []).append(watched)
        spies = self.desk.spies
        for ref in hub._streams:
            stream = ref()
            if stream is not None:
                self._watch_stream(watched, stream, unknown=stream.pending)
        spies.before(hub, "publish", partial(self._publishes, watched))
        spies.after(hub, "publish", partial(self._published, watched))
        spies.after(hub, "subscribe", partial(self._subscribed, watched))

    def _watch_stream(self, hub: _Hub, stream: EventStream[Any], unknown: int = 0) -> None:
        reader = _Reader(f"a stream of {stream._channel.name}", hub.path, unknown=unknown)
        hub.readers[stream] = reader
        # Nothing that is put on the stream may hold it: it unsubscribes itself when nobody else does.
        held = weakref.ref(stream)
        kind = type(stream)

        async def receive() -> object:
            own = held()
            assert own is not None
            event: object = await kind.receive(own)
            self.desk.guard(self._received, reader, event)
            return event

        def push(event: object) -> bool:
            own = held()
            if own is None:
                return False
            if not hub.publishing and own.open:
                # Kept for it from before it was there.
                reader.due.append(event)
            taken = kind.push(own, event)
            if own._lagged is not None and reader.due and reader.due[-1] is event:
                # It is told that there is a gap, and where.
                reader.due.pop()
            return taken

        self.desk.spies.replace(stream, "receive", receive)
        self.desk.spies.replace(stream, "push", push)

    def _publishes(self, hub: _Hub, event: object) -> None:
        hub.publishing = True
        for stream, reader in tuple(hub.readers.items()):
            if stream.open and stream.wants(event):
                reader.due.append(event)

    def _subscribed(self, hub: _Hub, stream: EventStream[Any], *_kinds: type) -> None:
        self._watch_stream(hub, stream)

    def _published(self, hub: _Hub, _taken: int, _event: object) -> None:
        hub.publishing = False

    def _received(self, reader: _Reader, event: object) -> None:
        self.count()
        if reader.unknown:
            reader.unknown -= 1
            return
        if reader.bad:
            return
        last, reader.last = reader.last, event
        if reader.due and reader.due[0] is event:
            reader.due.popleft()
            return
        reader.bad = True
        name = type(event).__qualname__
        if event is last:
            what = f"received {name} twice"
        elif any(waiting is event for waiting in reader.due):
            before = next(type(waiting).__qualname__ for waiting in reader.due)
            what = f"received {name} before {before}, which came first"
        else:
            what = f"received {name}, which was not its turn or had been received"
        self.report(f"{reader.name} {what}", reader.path)

    # Listeners

    def _watch_listeners(self, listeners: Listeners[Any], path: str) -> None:
        readers: dict[Any, _Reader] = {}
        self._listeners[path] = readers
        spies = self.desk.spies

        def published(taken: int, event: object) -> None:
            for listener in listeners._by_kind.get(type(event), ()) if taken else ():
                name = getattr(listener, "__qualname__", repr(listener))[:80]
                readers.setdefault(listener, _Reader(f"the listener {name}", path)).due.append(event)

        def called(listener: Any, event: object, *_: object) -> None:
            reader = readers.get(listener)
            if reader is None:
                return
            # The same function may be registered twice for a class, and is called twice then.
            self._received(reader, event)

        def removed(_kind: type, listener: Any = None) -> None:
            # Events that wait for it are not given to it any more; from here on its place is unknown.
            for known, reader in readers.items():
                reader.bad = reader.bad or listener is None or known == listener

        spies.after(listeners, "publish", published)
        spies.before(listeners, "_call", called)
        spies.before(listeners, "remove", removed)

    def actor_event(self, event: WatchEvent) -> None:
        """A life of the listeners' actor that was killed may have lost the calls of one event."""
        if isinstance(event, ActorRestarted) and event.path.endswith("/listeners"):
            for reader in self._listeners.get(event.path.rpartition("/")[0], {}).values():
                reader.bad = True

    # The end

    def call_over(self, watched: WatchedCall) -> None:
        """Whatever was not delivered is lost."""
        for hub in self._hubs.pop(watched.path, ()):
            for stream, reader in tuple(hub.readers.items()):
                missing = len(reader.due) + reader.unknown - stream.pending
                if missing > 0 and not reader.bad and len(reader.due) < MAX_BEHIND:
                    self.report(f"{reader.name} lost {missing} events", reader.path)
        for path in [path for path in self._listeners if path.startswith(f"{watched.path}/")]:
            del self._listeners[path]
