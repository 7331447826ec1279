"""Responses of one connection: one at a time, each cancellable at any point."""

import logging
from collections.abc import Awaitable, Callable

import trio

from ._grok_answer import Answer
from ._grok_conversation import ItemStatus
from ._grok_parts import Parts
from ._grok_plan import Origin, Plan, Response
from ._in_turn import InTurn

# Lines to be spoken verbatim may be queued behind one another; more than this is a client gone wild.
MAX_QUEUED = 16

_log = logging.getLogger("callboard.emulators.grok")


class ResponderBusy(Exception):
    """A response is wanted while another one runs."""


class Responder:
    """Runs responses.

    Args:
        parts: The connection.
        ready: Returns once all speech heard so far has been transcribed; a response waits for it.
        on_done: Called with the time playback of a response should be over.
    """

    def __init__(
        self, parts: Parts, ready: Callable[[], Awaitable[None]], on_done: Callable[[float], None]
    ) -> None:
        self._parts = parts
        self._ready = ready
        self._on_done = on_done
        self._queue: InTurn[Response] = InTurn(MAX_QUEUED)
        self._deaf_until = 0.0

    @property
    def busy(self) -> bool:
        """True while a response runs or waits."""
        return self._queue.busy

    @property
    def deaf(self) -> bool:
        """True while a line plays that the caller may not interrupt."""
        if self._queue.active is not None and not self._queue.active.plan.interruptible:
            return True
        return trio.current_time() < self._deaf_until

    def submit(self, plan: Plan, *, talked_over: bool = False) -> Response:
        """Accept a response; it runs after those before it.

        Args:
            plan: What to respond with.
            talked_over: The caller speaks again already, so that nothing will come of it.

        Raises:
            ResponderBusy: The client asks for one while another runs, or too many wait.
        """
        if (plan.origin is Origin.CLIENT and self.busy) or self._queue.full:
            raise ResponderBusy
        response = Response(id=self._parts.ids.new(), plan=plan)
        if talked_over:
            self._abandon(response)
        self._queue.put(response)
        return response

    async def cancel(self, response_id: str | None = None) -> bool:
        """Cancel the running response, and return once its end was announced.

        Args:
            response_id: Only if it is this one.

        Returns:
            False if there was nothing to cancel.
        """
        target = self._queue.active or (self._queue.waiting[0] if self._queue.waiting else None)
        if target is None or response_id not in {None, target.id}:
            return False
        target.scope.cancel(reason="the client cancelled the response")
        await target.finished.wait()
        return True

    async def interrupt(self) -> None:
        """The caller speaks: end what can be interrupted, and return once that was announced."""
        for response in self._queue.waiting:
            if response.plan.origin is not Origin.FORCED:
                self._abandon(response)
        active = self._queue.active
        if active is not None and active.plan.interruptible:
            self._abandon(active)
            await active.finished.wait()

    def _abandon(self, response: Response) -> None:
        response.vanishes = (
            self._parts.options.drop_talked_over_responses
            and response.plan.origin is Origin.TURN
            and not response.has_output
        )
        response.scope.cancel(reason="the caller spoke")

    async def run(self) -> None:
        """Run responses until cancelled."""
        await self._queue.run(self._respond)

    async def _respond(self, response: Response) -> None:
        frames, outlet = self._parts.frames, self._parts.outlet
        await outlet.send(frames.response_created(response.id, response.plan.metadata))
        status = "completed"
        with response.scope:
            await self._ready()
            try:
                await Answer(self._parts, response).give()
            except Exception:  # noqa: BLE001  (brains and engines are anybody's code; one answer fails, not the session)
                _log.exception("a response failed")
                status = "failed"
                await outlet.send(frames.failure("internal_error", "The response failed"))
        if response.scope.cancelled_caught:
            status = "cancelled"
        await self._conclude(response, status)

    async def _conclude(self, response: Response, status: str) -> None:
        parts = self._parts
        for item in response.items:
            if item.status is ItemStatus.IN_PROGRESS:
                item.status = ItemStatus.INCOMPLETE
        now = trio.current_time()
        played = now if response.first_audio_at is None else response.first_audio_at + response.seconds
        if not response.plan.interruptible:
            self._deaf_until = played
        if response.vanishes:
            return
        usage = parts.meter.bill(now, response.spoken, response.seconds, by_clock=not parts.session.manual)
        await parts.outlet.send(
            parts.frames.response_done(response.id, status, response.items, usage, response.plan.metadata)
        )
        self._on_done(max(now, played))
