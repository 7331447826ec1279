"""Turns of the caller: from what is heard to user items, transcripts and responses."""

import logging

import attrs
import numpy as np
import trio

from callboard.media import Samples

from ._ear import Ear, Partial, Started, Stopped
from ._grok_conversation import Item, ItemKind, ItemStatus
from ._grok_options import Transcripts, UserItem
from ._grok_parts import Parts
from ._grok_plan import Origin, Plan, Response
from ._grok_responder import Responder, ResponderBusy

# Turns that wait for their transcription. A recogniser is faster than speech, so more than one is rare; with
# this many the connection is no longer read.
MAX_TURNS = 4

_log = logging.getLogger("callboard.emulators.grok")


@attrs.frozen(kw_only=True, eq=False)
class _Turn:
    """A turn that ended."""

    item: Item
    samples: Samples
    end_ms: int
    answer: bool
    """Whether a response follows by itself."""
    announce: bool
    """Whether the item is still to be announced, with its transcript."""


class Turns:
    """Listens for one connection.

    Args:
        parts: The connection.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.ear = Ear(parts.speech.engines)
        self.responder = Responder(parts, self.settled, self._response_done)
        self._in, self._out = trio.open_memory_channel[_Turn](MAX_TURNS)
        self._nursery: trio.Nursery | None = None
        self._item: Item | None = None
        self._kept: _Turn | None = None
        self._answer: Response | None = None
        self._n_open = 0
        self._all_settled = trio.Event()
        self._all_settled.set()
        self._check_in = trio.CancelScope()
        self._partial_due_ms = 0

    # --- what the client does

    def configure(self) -> None:
        """Take over the session's settings."""
        session = self._parts.session
        listening = not session.manual or self._parts.options.speech_events_in_manual
        self.ear.configure(session.input_codec, session.vad if listening else None, manual=session.manual)

    async def hear(self, payload: bytes) -> None:
        """Audio came."""
        if self.responder.deaf:
            self.ear.skip(payload)
            return
        for event in self.ear.feed(payload):
            match event:
                case Started(at_ms):
                    await self._started(at_ms)
                case Partial(text):
                    if self._item is not None:
                        await self._send_partial(self._item, text)
                case Stopped(at_ms, samples):
                    await self._stopped(at_ms, samples)
        self._ask_for_partial()

    async def commit(self) -> None:
        """The client ends the turn; an empty one is put up with."""
        item, self._item = self._item, None
        await self._end_turn(item or self._new_item(), self.ear.take(), answer=False)

    async def read(self, item: Item, payload: bytes) -> None:
        """Transcribe a user item that the client made of audio."""
        await self._queue(item, self.ear.convert(payload), answer=False, announce=False)

    async def clear(self) -> None:
        """The client drops what was not committed."""
        self.ear.clear()
        item, self._item = self._item, None
        if item is not None and self._parts.conversation.find(item.id) is not None:
            self._parts.conversation.delete(item.id)
        await self._parts.outlet.send(self._parts.frames.cleared())

    async def settled(self) -> None:
        """Wait until all turns that ended have been transcribed."""
        await self._all_settled.wait()

    # --- turn detection

    def _new_item(self) -> Item:
        return Item(
            id=self._parts.ids.new(),
            kind=ItemKind.MESSAGE,
            role="user",
            status=ItemStatus.IN_PROGRESS,
            spoken=True,
        )

    async def _started(self, at_ms: int) -> None:
        parts = self._parts
        self._check_in.cancel(reason="the caller spoke")
        self._partial_due_ms = at_ms + round(parts.options.partial_interval * 1000)
        resumed = self._resumed(at_ms)
        item = self._item = resumed or self._new_item()
        await parts.outlet.send(parts.frames.speech_started(item.id, at_ms))
        if parts.session.manual:
            return
        if resumed is not None:
            item.status = ItemStatus.IN_PROGRESS
        elif parts.options.user_item is UserItem.AT_START:
            previous = parts.conversation.last_id
            parts.conversation.add(item)
            await parts.outlet.send(parts.frames.item_added(item, previous))
        if parts.session.interrupt_response:
            await self.responder.interrupt()

    def _resumed(self, at_ms: int) -> Item | None:
        """The last turn's item, if the caller goes on so soon that it is still the same turn."""
        window = self._parts.options.resume_window
        kept = self._kept
        if not window or kept is None or at_ms - kept.end_ms > window * 1000:
            self._kept = None
            return None
        if self._answer is not None and self._answer.has_output:
            self._kept = None
            return None
        return kept.item

    async def _stopped(self, at_ms: int, samples: Samples) -> None:
        parts = self._parts
        item = self._item
        if item is None:
            return
        await parts.outlet.send(parts.frames.speech_stopped(item.id, at_ms))
        if parts.session.manual:
            # The client commits; the item keeps the id that was announced.
            return
        self._item = None
        kept, self._kept = self._kept, None
        if kept is not None:
            samples = np.concatenate((kept.samples, samples))
        await self._end_turn(item, samples, answer=parts.session.create_response, end_ms=at_ms)

    async def _end_turn(
        self, item: Item, samples: Samples, *, answer: bool, end_ms: int | None = None
    ) -> None:
        parts = self._parts
        known = parts.conversation.find(item.id) is not None
        if not known:
            parts.conversation.add(item)
        previous = parts.conversation.before(item.id)
        await parts.outlet.send(parts.frames.committed(item.id, previous))
        late = parts.options.user_item is UserItem.AT_COMMIT
        if not known and not late:
            await parts.outlet.send(parts.frames.item_added(item, previous))
        turn = await self._queue(item, samples, answer=answer, announce=late and not known, end_ms=end_ms)
        if parts.options.resume_window:
            self._kept = turn

    async def _queue(
        self, item: Item, samples: Samples, *, answer: bool, announce: bool, end_ms: int | None = None
    ) -> _Turn:
        parts = self._parts
        seconds = len(samples) / parts.speech.engines.recogniser.rate_hz
        # A turn that goes on was counted up to its first pause.
        parts.meter.add_audio(max(0.0, seconds - item.seconds))
        item.seconds = seconds
        turn = _Turn(
            item=item,
            samples=samples,
            end_ms=self.ear.position_ms if end_ms is None else end_ms,
            answer=answer,
            announce=announce,
        )
        if self._n_open == 0:
            self._all_settled = trio.Event()
        self._n_open += 1
        await self._in.send(turn)
        return turn

    # --- transcripts

    def _ask_for_partial(self) -> None:
        """Have the turn so far transcribed, where that takes a thread, once in a while."""
        parts = self._parts
        item = self._item
        due = (
            parts.speech.engines.threaded
            and item is not None
            and self._nursery is not None
            and not parts.session.manual
            and self._wants_partials
            and self.ear.speaking
            and self.ear.position_ms >= self._partial_due_ms
            and self._n_open == 0
        )
        if due and item is not None and self._nursery is not None:
            # Not again before this one is through.
            self._partial_due_ms = 1 << 62
            self._nursery.start_soon(self._transcribe_partially, item, self.ear.speech_so_far())

    @property
    def _wants_partials(self) -> bool:
        return self._parts.options.transcripts is Transcripts.MANY and self._parts.session.transcribing

    async def _transcribe_partially(self, item: Item, samples: Samples) -> None:
        text = await self._transcribe(samples)
        if item is self._item:
            self._partial_due_ms = self.ear.position_ms + round(self._parts.options.partial_interval * 1000)
            if text:
                await self._send_partial(item, text)

    async def _send_partial(self, item: Item, text: str) -> None:
        if not self._wants_partials or self._parts.session.manual:
            return
        kept = self._kept
        if kept is not None and kept.item is item and item.text:
            text = f"{item.text} {text}"
        frames, outlet = self._parts.frames, self._parts.outlet
        await outlet.send(frames.transcript_updated(item.id, text))
        await outlet.send(frames.transcript_completed(item.id, text, ItemStatus.IN_PROGRESS))

    async def _transcribe(self, samples: Samples) -> str:
        if not len(samples):
            return ""
        try:
            return await self._parts.speech.transcribe(samples)
        except Exception:  # noqa: BLE001  (a recogniser is anybody's code; one turn stays without text)
            _log.exception("a transcription failed")
            return ""

    async def run(self) -> None:
        """Transcribe turns as they end and have them answered, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            self.configure()
            async for turn in self._out:
                await self._finish(turn)

    async def _finish(self, turn: _Turn) -> None:
        parts, frames, item = self._parts, self._parts.frames, turn.item
        item.text = await self._transcribe(turn.samples)
        if item is not self._item:
            item.status = ItemStatus.COMPLETED
        self._n_open -= 1
        if self._n_open == 0:
            self._all_settled.set()
        if turn.announce:
            await parts.outlet.send(frames.item_added(item, parts.conversation.before(item.id)))
        await parts.outlet.send(frames.transcript_completed(item.id, item.text, ItemStatus.COMPLETED))
        if turn.answer:
            self._respond()

    # --- responses

    def _respond(self) -> None:
        talked_over = self.ear.speaking and self._parts.session.interrupt_response
        try:
            self._answer = self.responder.submit(Plan(origin=Origin.TURN), talked_over=talked_over)
        except ResponderBusy:
            _log.warning("a turn stays without an answer: too many responses wait")

    def _response_done(self, played_at: float) -> None:
        timeout = self._parts.session.idle_timeout
        self._check_in.cancel(reason="a response ended")
        if timeout is not None and self._nursery is not None and not self._parts.session.manual:
            self._check_in = trio.CancelScope()
            self._nursery.start_soon(self._wait_and_check_in, self._check_in, played_at, timeout)

    async def _wait_and_check_in(self, scope: trio.CancelScope, played_at: float, silence: float) -> None:
        with scope:
            await trio.sleep_until(played_at + silence)
            if self.responder.busy or self.ear.speaking:
                return
        if scope.cancelled_caught:
            return
        parts = self._parts
        end_ms = self.ear.position_ms
        item = self._new_item()
        item.status = ItemStatus.COMPLETED
        item.silent = True
        previous = parts.conversation.last_id
        parts.conversation.add(item)
        start_ms = max(0, end_ms - round(silence * 1000))
        await parts.outlet.send(parts.frames.timeout_triggered(item.id, previous, start_ms, end_ms))
        await parts.outlet.send(parts.frames.item_added(item, previous))
        self._respond()
