"""The Twilio Media Streams leg: we are the server, the carrier dials our media socket.

Wire: the "Connect Stream" messages of Twilio's media streams, JSON text frames with base64 mu-law at 8 kHz.
"""

import logging
from collections.abc import Sequence
from typing import Any

import attrs
import trio

from callboard.media import ULAW_8K
from callboard.protocols import RemoteWireError, twilio

from ._call_end import EndReason
from ._context import Context
from ._leg import LegEvents, LegInfo
from ._leg_playout import LegPlayout
from ._pacer import Pacer
from ._websocket import SocketClosed, WebSocket

# A live stream sends a frame every 20 ms. One that is silent for so long is dead, whatever TCP thinks.
READ_TIMEOUT = 10.0
# Messages that wait for the socket: the lead is 0.12 s of audio, so this fills only when the carrier has
# stopped reading, and then the oldest audio is what nobody wants to hear any more.
OUTBOX = 256
# Bad messages that one stream may send before it is cut, and how many of them are worth a warning.
MAX_FAULTS = 100
LOUD_FAULTS = 3


class HandshakeFailed(Exception):
    """The carrier's stream did not begin as the wire demands."""


@attrs.frozen
class _Queued:
    message: str
    generation: int
    is_media: bool


@attrs.frozen(kw_only=True)
class TwilioLegStatistics:
    """Counters of one Twilio leg."""

    frames_received: int
    frames_missing: int
    """Frames of silence implied by gaps in the carrier's timestamps."""
    frames_sent: int
    media_dropped: int
    """Outgoing media messages dropped because the carrier did not read."""
    faults: int
    """Messages that were not understood or not allowed, and were ignored."""


class TwilioLeg:
    """One media stream; made by `accept_twilio_stream`."""

    format = ULAW_8K

    def __init__(self, socket: WebSocket, wire: twilio.TwilioServer, info: LegInfo, pacer: Pacer) -> None:
        self.info = info
        self._socket = socket
        self._wire = wire
        self._events: LegEvents | None = None
        self.playout = LegPlayout(ULAW_8K, pacer, self)
        self._outbox: list[_Queued] = []
        self._nursery: trio.Nursery | None = None
        self._writing = False
        self._heard_at = 0.0
        self._closing = False
        self._first_timestamp: int | None = None
        self._expected = 0
        self._received = self._missing = self._sent = self._dropped = self._faults = 0

    def attach(self, events: LegEvents) -> None:
        """Say who is told; see `Leg.attach`."""
        self._events = events

    def close(self) -> None:
        """End the leg from our side; see `Leg.close`."""
        self._closing = True
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel(reason="closed by our side")

    def statistics(self) -> TwilioLegStatistics:
        """Counters since the stream began."""
        return TwilioLegStatistics(
            frames_received=self._received,
            frames_missing=self._missing,
            frames_sent=self._sent,
            media_dropped=self._dropped,
            faults=self._faults,
        )

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """Read and write until the stream ends; see `Leg.run`."""
        if self._events is None:
            raise RuntimeError("attach() comes before run()")
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self._closing:
                    self.close()
                if self._outbox:
                    self._begin_to_write(nursery)
                nursery.start_soon(self._wait_for_silence, nursery.cancel_scope, self._events)
                await self._read(context, self._events)
                nursery.cancel_scope.cancel(reason="the stream ended")
        finally:
            self._nursery = None
            self.playout.stop()
            await self._socket.finish()  # noqa: ASYNC102  (shields itself, with a deadline)

    async def _wait_for_silence(self, scope: trio.CancelScope, events: LegEvents) -> None:
        # One clock for the stream: a deadline around each of its messages would cost more than decoding them.
        self._heard_at = trio.current_time()
        while True:
            heard_at = self._heard_at
            await trio.sleep_until(heard_at + READ_TIMEOUT)
            if self._heard_at == heard_at:
                events.leg_ended(EndReason.LEG_LOST, f"nothing received for {READ_TIMEOUT:g} s")
                scope.cancel(reason="the stream is silent")
                return

    async def _read(self, context: Context[Any], events: LegEvents) -> None:
        while True:
            try:
                # Not held while the next ones are awaited.
                if not self._take_all(await self._socket.receive_batch(), context, events):
                    return
            except SocketClosed as closed:
                events.leg_ended(EndReason.LEG_LOST, str(closed))
                return

    def _take_all(self, messages: Sequence[str | bytes], context: Context[Any], events: LegEvents) -> bool:
        self._heard_at = trio.current_time()
        return all(self._take(message, context, events) for message in messages)

    def _take(self, message: str | bytes, context: Context[Any], events: LegEvents) -> bool:
        """Act on a message; False where it is the last one."""
        try:
            event = self._wire.receive(message)
        except RemoteWireError as error:
            self._faults += 1
            # A peer that speaks another language is not worth a line for each of 50 frames a second.
            level = logging.WARNING if self._faults <= LOUD_FAULTS else logging.DEBUG
            context.log.log(level, "ignored a message: %s", error)
            if self._faults >= MAX_FAULTS:
                events.leg_ended(EndReason.LEG_FAILED, f"{self._faults} bad messages, the last: {error}")
            return self._faults < MAX_FAULTS
        match event:
            case twilio.Media():
                self._heard(event, events)
            case twilio.Mark():
                self.playout.mark_returned(event.name)
            case twilio.Dtmf():
                events.leg_tone(event.digit)
            case twilio.Stop():
                events.leg_ended(EndReason.CALLER_HUNG_UP, "the carrier sent stop")
                return False
            case _:
                context.log.debug("ignored %s", type(event).__name__)
        return True

    def _heard(self, event: twilio.Media, events: LegEvents) -> None:
        if event.track != "inbound" or not event.payload:
            return
        n_samples = len(event.payload)
        if self._first_timestamp is None:
            self._first_timestamp = event.timestamp
            started = trio.current_time() - n_samples / ULAW_8K.rate_hz
            self.playout.start(started)
            events.leg_started(started)
        # The carrier's clock, in milliseconds, tells a gap from a burst; what it repeats we already have.
        position = max(self._expected, (event.timestamp - self._first_timestamp) * ULAW_8K.rate_hz // 1000)
        if position > self._expected:
            self._missing += (position - self._expected) // n_samples
        self._expected = position + n_samples
        self._received += 1
        events.leg_audio(event.payload, position)
        self.playout.caller_heard(self._heard_at)

    def wire_audio(self, payload: bytes, generation: int) -> None:
        """Queue audio; see `PlayoutWire`."""
        if len(self._outbox) >= OUTBOX:
            self._drop_oldest_media()
        self._queue(self._wire.send(twilio.SendMedia(payload=payload)), generation, is_media=True)

    def wire_mark(self, name: str, generation: int) -> None:
        """Queue a mark; see `PlayoutWire`."""
        if len(self._outbox) < OUTBOX:
            self._queue(self._wire.send(twilio.SendMark(name=name)), generation, is_media=True)

    def wire_clear(self, generation: int) -> None:
        """Drop what is queued and clear the carrier's buffer; see `PlayoutWire`."""
        del generation  # everything queued is older: newer audio is only made after this
        self._outbox = [queued for queued in self._outbox if not queued.is_media]
        # What is left are clears that wait for a carrier that does not read; one is as good as many.
        if not self._outbox:
            self._queue(self._wire.send(twilio.Clear()), 0, is_media=False)

    def _queue(self, message: str, generation: int, *, is_media: bool) -> None:
        nursery = self._nursery
        if nursery is not None and not self._writing:
            # In this step, if the socket can: there is a writer only while it cannot.
            try:
                sent = self._socket.send_nowait(message)
            except SocketClosed:
                # The reader learns of it too, and has what came before the end.
                return
            if sent:
                self._sent += is_media
                return
        self._outbox.append(_Queued(message, generation, is_media))
        if nursery is not None and not self._writing:
            self._begin_to_write(nursery)

    def _begin_to_write(self, nursery: trio.Nursery) -> None:
        self._writing = True
        nursery.start_soon(self._write)

    def _drop_oldest_media(self) -> None:
        for index, queued in enumerate(self._outbox):
            if queued.is_media:
                del self._outbox[index]
                self._dropped += 1
                return

    async def _write(self) -> None:
        while self._outbox:
            queued = self._outbox.pop(0)
            try:
                await self._socket.send(queued.message)
            except SocketClosed:
                # The reader learns of it too, and has what came before the end.
                return
            self._sent += queued.is_media
        self._writing = False
