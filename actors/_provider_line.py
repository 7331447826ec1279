"""The sockets of a provider connection, each in a task of its own: the next can be open before one is closed."""

import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from ._network import Network
from ._provider_errors import ConnectionLost
from ._provider_port import ConnectRequest
from ._websocket import DialFailed, WebSocket, open_websocket

# A renewal waits for a pause until this fraction of its lead time is left.
LAST_MOMENT = 0.1
# How often it looks for a pause, how long it keeps a new socket for one, and how long it waits after a failed
# attempt, float seconds.
PAUSE_POLL = 0.25
RENEW_HOLD = 5.0
RENEW_RETRY = 10.0


@attrs.define(eq=False)
class Line:
    """An open socket, and the task that holds it open."""

    url: str
    socket: WebSocket
    released: trio.Event = attrs.field(factory=trio.Event)
    """Set when it is to be closed."""


async def open_line(
    nursery: trio.Nursery,
    network: Network,
    request: ConnectRequest,
    *,
    dial_timeout: float,
    max_message: int,
    new_id: Callable[[], str],
) -> Line:
    """Open a socket that a task of the nursery holds open until the line is released.

    Raises:
        DialFailed: It cannot be opened.
    """
    failed: list[DialFailed] = []
    lines: list[Line] = []

    async def hold(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            async with open_websocket(
                network,
                request.url,
                headers=request.headers,
                subprotocols=request.subprotocols,
                timeout=dial_timeout,
                max_message=max_message,
                new_id=new_id,
            ) as socket:
                line = Line(request.url, socket)
                lines.append(line)
                task_status.started()
                await line.released.wait()
        except DialFailed as error:
            failed.append(error)
            task_status.started()

    await nursery.start(hold)
    if failed:
        raise failed[0]
    return lines[0]


class RenewalSide(Protocol):
    """What a renewal has to know."""

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost if the session were replaced now."""
        ...


class Renewal:
    """Replaces a session before its provider ends it, or when that is asked for: at a pause, or when there is no time
    left.

    Until then it has no task: a session has hours to go.

    Args:
        side: Tells pauses.
        old: Where the old session lives; cancelled when the new one may begin.
        opened_at: When the session began, trio's clock.
        limit: How long the provider lets it be, float seconds, or None for ever.
        lead: So long before that the next one is wanted.
        dial: Opens the next socket.
        warn: Told why it could not be opened.
    """

    def __init__(
        self,
        side: RenewalSide,
        old: trio.Nursery,
        *,
        opened_at: float,
        limit: float | None,
        lead: float,
        dial: Callable[[], Awaitable[Line]],
        warn: Callable[[Exception], None],
    ) -> None:
        self._side = side
        self._dial = dial
        self._warn = warn
        self._old = old
        self._begun = False
        self.due_at = math.inf
        """When `want` is to be called, trio's clock."""
        self._last_moment = math.inf
        if limit is not None:
            lead = min(lead, limit / 4)
            self.due_at = opened_at + limit - lead
            self._last_moment = opened_at + limit - lead * LAST_MOMENT
        self.line: Line | None = None
        """The socket to go on with."""

    def want(self) -> None:
        """Replace the session at the next pause."""
        if not self._begun:
            self._begun = True
            self.due_at = math.inf
            self._old.start_soon(self._run)

    async def _run(self) -> None:
        # Cancelled, it leaves a socket that was opened to the nursery that holds it.
        while True:
            await self._pause()
            try:
                line = await self._dial()
            except (DialFailed, ConnectionLost) as error:
                self._warn(error)
                if trio.current_time() >= self._last_moment:
                    # Nothing is lost by waiting for the provider to end it.
                    return
                await trio.sleep(RENEW_RETRY)
                continue
            # The pause may be over by now; the new socket is kept for the next one, for a while: a provider does not
            # wait for ever to be spoken to.
            with trio.move_on_after(RENEW_HOLD):
                await self._pause()
                self.line = line
                self._old.cancel_scope.cancel(reason="the session is renewed")
                return
            line.released.set()

    async def _pause(self) -> None:
        """Wait until nobody speaks, but not beyond the last moment."""
        while not self._side.idle and trio.current_time() < self._last_moment:  # noqa: ASYNC110
            # Audio that plays to its end is no event, and a quarter of a second is as good as none here.
            await trio.sleep(PAUSE_POLL)
