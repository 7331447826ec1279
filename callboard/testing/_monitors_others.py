"""I2: what happens to one call is no other call's business. I9: what a peer sends hurts its reader at most."""

import logging
import traceback
from collections import deque
from collections.abc import Iterator
from functools import partial

import trio

from callboard.actors import ActorExited, ActorStarted, ExitKind
from callboard.actors._exit import as_group
from callboard.actors._watch import WatchEvent
from callboard.protocols import RemoteWireError, WireError

from ._monitors_base import Desk, Monitor, WatchedAgent
from ._steps import actor_of

# Actors that all calls of a system share.
SHARED = frozenset({"calls", "pacer", "connections", "listener"})
REMEMBERED = 64
# The actors that read what peers send, by the end of their paths.
READERS = ("/leg", "/connection/socket")
HTTP_LOGGER = "callboard.http"


def call_path(path: str) -> str | None:
    """The path of the call that an actor is part of."""
    parts = path.split("/", 2)
    return "/".join(parts[:2]) if len(parts) > 1 and parts[0] == "calls" else None


class OthersMonitor(Monitor):
    """Every abnormal end heals or ends its call; none of them reaches another call or what calls share.

    Args:
        desk: Where findings go.
        heal: How long a part that fell may take to begin again, float seconds.
    """

    invariant = "I2"

    def __init__(self, desk: Desk, heal: float) -> None:
        super().__init__(desk)
        self._heal = heal
        self._down: dict[str, float] = {}
        self._errors: deque[tuple[BaseException, str]] = deque(maxlen=REMEMBERED)

    def actor_event(self, event: WatchEvent) -> None:
        """Follow what falls until it stands again."""
        match event:
            case ActorStarted(path=path):
                self._down.pop(path, None)
            case ActorExited(path=path, exit=exit, final=final, time=time):
                self._down.pop(path, None)
                if not exit.abnormal:
                    return
                self.count()
                if path in SHARED and exit.kind is ExitKind.CRASHED:
                    self.report(f"all calls share it, and it crashed: {exit}", path)
                call = call_path(path)
                if call is None:
                    return
                if not final:
                    self._down[path] = time
                    self.desk.later(self._heal, partial(self._look, path, time))
                if exit.error is not None:
                    self._spread(exit.error, call, path)
            case _:
                pass

    def _look(self, path: str, since: float) -> None:
        if self._down.get(path) == since and path in self.desk.system.registry:
            self.report(f"fell, and has not begun again within {self._heal:g} s", path)

    def _spread(self, error: BaseException, call: str, path: str) -> None:
        for known, elsewhere in self._errors:
            if known is error and elsewhere != call:
                self.report(f"an error of {elsewhere} reached this call: {error!r}", path)
                return
        self._errors.append((error, call))


class _HandlerFailures(logging.Handler):
    """Sees what the server logs when the handler of a connection raises."""

    def __init__(self, monitor: "MalformedMonitor") -> None:
        super().__init__(logging.ERROR)
        self._monitor = monitor

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._monitor.handler_failed(error)


class MalformedMonitor(Monitor):
    """Crashes that came out of what a peer sent."""

    invariant = "I9"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._handler = _HandlerFailures(self)

    def attach(self) -> None:
        """Listen to the server's log."""
        logging.getLogger(HTTP_LOGGER).addHandler(self._handler)

    def detach(self) -> None:
        """Listen no more."""
        logging.getLogger(HTTP_LOGGER).removeHandler(self._handler)

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Count what is refused."""
        self.desk.spies.before(agent.client._core, "provider_malformed", self._malformed)

    def _malformed(self, _error: Exception) -> None:
        self.count()

    def actor_event(self, event: WatchEvent) -> None:
        """Look at crashes."""
        if not isinstance(event, ActorExited) or event.exit.error is None:
            return
        self.count()
        for error in _causes(event.exit.error):
            if isinstance(error, RemoteWireError):
                if not event.path.endswith(READERS):
                    self.report(
                        f"crashed, though it reads no peer, from a peer's message: {error}", event.path
                    )
                return
            if not isinstance(error, WireError) and (place := _in_decoder(error)):
                self.report(f"a decoder raised {error!r} in {place}, not RemoteWireError", event.path)
                return

    def handler_failed(self, error: BaseException) -> None:
        """A connection's handler raised."""
        try:
            cell = actor_of(trio.lowlevel.current_task())
        except RuntimeError:
            cell = None
        # Emulated services log the same, and are somebody else's.
        if cell is not None and cell.system is self.desk.system:
            self.report(f"the handler of a connection failed: {error!r}", cell.path)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and the members of a group."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        group = as_group(one)
        waiting.append(one.__cause__)
        waiting.extend(group.exceptions if group is not None else ())


def _in_decoder(error: BaseException) -> str | None:
    """Where in the wires an error was raised, if it was there."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return None
    last = [frame for frame in frames if "protocols" in frame.filename.replace("\\", "/").split("/")]
    return f"{last[-1].name}, line {last[-1].lineno}" if last and frames[-1] is last[-1] else None
