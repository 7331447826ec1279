"""One phone call as a carrier makes it: dials the media socket, plays the caller's part, records it all."""

import functools
import math
import ssl
from collections.abc import Callable, Sequence

import trio

from .._network import Network
from .._pacer import Pacer
from .._websocket import DialFailed, SocketClosed, WebSocket, open_websocket
from ._caller import DTMF_DIGITS, SILENT_FRAME, Caller
from ._caller_scripted import ScriptedCaller
from ._carrier_faults import CarrierFaults, Departures, FaultyNetwork
from ._carrier_outbox import CarrierOutbox, Message
from ._carrier_playout import FRAME_SAMPLES, FRAME_SECONDS, RATE_HZ, Playout, PlayoutKind
from ._carrier_recording import CallRecording
from ._carrier_result import CallEnd, CallOutcome, CallResult, CarrierStatistics
from ._carrier_stride import WIRE, Stride, Strider
from ._carrier_wire import Echo, Flush, Play, TwilioCarrier

# A server that does not read loses the caller's audio (31930): 5 s of it wait, beside what TCP holds.
MEDIA_WAITING = 250
# What was said before the end still goes out, and `stop`, but a server that does not read is not waited for.
DRAIN_SECONDS = 2.0
# Twilio's own limit for a call.
TIME_LIMIT = 4 * 3600.0
# 16 kB a second are kept of both sides: ten minutes are 10 MB a call.
RECORD_LIMIT = 600.0
# An ordinary tick of a busy process is up to so late, float seconds.
LATE = 0.005
# The first tick of a shared pacer may have been late, and then later ones seem early by as much. Up to this
# part of a frame they are taken for on time.
EARLY = 0.25

# A deadline is a sum of frames, and such sums are not exact.
ROUNDING = 1e-6

POLITE = frozenset({CallEnd.HUNG_UP, CallEnd.TIME_LIMIT, CallEnd.CALLER_FAILED})


class CarrierCall:
    """One call. Made by `CarrierEmulator.call`; `run` it once.

    Args:
        network: Where to dial.
        url: The media socket.
        caller: Who speaks.
        wire: The stream's wire and its ids.
        headers: Sent with the upgrade.
        faults: What goes wrong.
        time_limit: The carrier hangs up after so long, float seconds.
        record_limit: So much of both sides is kept, float seconds; 0 for none.
        phase: Where in a 20 ms frame the stream begins, float seconds, to spread many calls over a frame.
            None begins at once.
        pacer: A wheel shared with other calls; None gives the call a timer of its own, exact to the deadline.
        dial_timeout: For opening the socket, float seconds.
        stride: How much goes by at once, where the call has a timer of its own.
        ssl_context: For `wss`.
    """

    def __init__(
        self,
        network: Network,
        url: str,
        caller: Caller,
        wire: TwilioCarrier,
        *,
        headers: Sequence[tuple[str, str]] = (),
        faults: CarrierFaults | None = None,
        time_limit: float = TIME_LIMIT,
        record_limit: float = RECORD_LIMIT,
        phase: float | None = None,
        pacer: Pacer | None = None,
        dial_timeout: float = 10.0,
        stride: Stride = WIRE,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.caller = caller
        self.wire = wire
        self.playout = Playout()
        self._network = FaultyNetwork(network)
        self._url = url
        self._headers = tuple(headers)
        self._faults = faults or CarrierFaults()
        self._departures = Departures(self._faults) if self._faults.jitter or self._faults.burst > 1 else None
        self._time_limit_ticks = math.ceil(time_limit / FRAME_SECONDS)
        self._record_limit = round(record_limit * RATE_HZ)
        self._phase = phase
        self._pacer = pacer
        self._dial_timeout = dial_timeout
        self._stride = stride
        self._strider = Strider(self._stride, caller)
        self._ssl_context = ssl_context

        self._t0: float | None = None
        self._begun = trio.Event()
        self._over = trio.Event()
        self._outcome: CallOutcome | None = None
        self._ticks = 0
        self._next_frame = SILENT_FRAME
        self._said = bytearray()
        self._heard = bytearray()

        self._outbox = CarrierOutbox(self._overflowed)
        # Set when audio comes while nothing was expected, and a long stride is being made.
        self._stirred = trio.Event()
        self._n_frames = 0
        self._ticking = False
        # What the caller did in the frames that are over now; it goes out behind them.
        self._done: list[Message] = []

        self._echoes = self._lost = self._received = self._late = 0
        self._worst = 0.0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> CallResult:
        """Make the call and return when it is over.

        Args:
            task_status: Started once the stream has begun (or the call is over already).

        Raises:
            ValueError: The URL is not a WebSocket URL.
            Exception: What the caller's `prepare` raised; nothing was dialled then.

        A cancelled call closes the socket, without `stop`; `result` tells what there was until then.
        """
        await self.caller.prepare()
        try:
            async with open_websocket(
                self._network,
                self._url,
                headers=self._headers,
                timeout=self._dial_timeout,
                ssl_context=self._ssl_context,
            ) as socket:
                await self._converse(socket, task_status)
        except DialFailed as error:
            self._end(CallEnd.NOT_CONNECTED, code=error.status, reason=str(error), error=error)
            task_status.started()
        return self.result()

    async def wait_begun(self) -> None:
        """Wait until the stream has begun or the call is over."""
        await self._begun.wait()

    def result(self) -> CallResult:
        """What is known by now; final once `run` returned."""
        return CallResult(
            call_sid=self.wire.call_sid,
            stream_sid=self.wire.stream_sid,
            outcome=self._outcome or CallOutcome(end=CallEnd.CANCELLED),
            started_at=self._t0,
            duration=self.playout.position / RATE_HZ,
            recording=CallRecording(caller=bytes(self._said), agent=bytes(self._heard)),
            log=self.playout.log(),
            playout=self.playout.statistics(),
            carrier=CarrierStatistics(
                frames_sent=self._outbox.media_sent,
                frames_lost=self._lost,
                messages_received=self._received,
                late_ticks=self._late,
                worst_lateness=self._worst,
            ),
            events=self.caller.events if isinstance(self.caller, ScriptedCaller) else (),
        )

    # What a caller or a test does to the call. All of it is plain functions that return at once.

    def press(self, digit: str) -> None:
        """Send a key press.

        Raises:
            ValueError: No such key.
        """
        if digit not in DTMF_DIGITS:
            raise ValueError(f"no such key: {digit[:80]!r}, expected one of 0-9 * # A-D")
        self._note(f"dtmf {digit}")
        self._put_behind(functools.partial(self.wire.dtmf, digit))

    def hang_up(self) -> None:
        """End the call as a caller does: what was said, `stop`, close."""
        self._end(CallEnd.HUNG_UP)

    def drop(self) -> None:
        """Cut the TCP stream without `stop` or a close frame."""
        self._end(CallEnd.DROPPED)

    def stall(self) -> None:
        """Stop reading, so that the server's sends block in the end."""
        self._note("stalled")
        self._network.stall()

    def resume(self) -> None:
        """Read again after `stall`."""
        self._note("resumed")
        self._network.resume()

    def freeze(self) -> None:
        """Neither read nor write any more, but leave the stream open, as a host that lost its power."""
        self._note("frozen")
        self._network.freeze()

    def inject(self, message: str | bytes) -> None:
        """Send a message as it is."""
        self._note(f"injected {message[:40]!r}")
        self._put_behind(lambda: message)

    # The life of the call.

    async def _converse(self, socket: WebSocket, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._outbox.run, socket)
            nursery.start_soon(self._read, socket)
            self._outbox.put(self.wire.connected)
            nursery.start_soon(self._pace if self._pacer is None else self._pace_shared)
            nursery.start_soon(self._carry_out_faults)
            await self._begun.wait()
            task_status.started()
            await self._over.wait()
            assert self._outcome is not None
            if self._outcome.end in POLITE:
                with trio.move_on_after(DRAIN_SECONDS):
                    await self._outbox.close(None if self._t0 is None else self.wire.stop)
                await socket.aclose(1000)
            elif self._outcome.end is CallEnd.DROPPED:
                await self._network.cut()
            nursery.cancel_scope.cancel(reason="the call is over")

    def _end(
        self, end: CallEnd, *, code: int | None = None, reason: str = "", error: Exception | None = None
    ) -> None:
        """The first reason counts: what follows from it is not another one."""
        if self._t0 is not None and not self._ticking:
            self._catch_up(self._t0)
        if self._outcome is not None:
            return
        self._outcome = CallOutcome(end=end, code=code, reason=reason, error=error)
        if self._t0 is not None:
            self.playout.finish(self._position())
            self._keep(self._heard, self.playout.take_heard(self.playout.position))
        self._note(f"ended: {end.value}")
        self._over.set()
        self._begun.set()

    def _begin(self, now: float) -> None:
        self._t0 = now
        for number in range(self._faults.media_before_start):
            self._outbox.put(functools.partial(self.wire.media, SILENT_FRAME, number * 20))
        if not self._faults.no_start:
            self._outbox.put(self.wire.start)
        if self._faults.double_start:
            self._outbox.put(self.wire.start)
        self._note("start")
        self._begun.set()
        self._ask_caller(answered=True)

    def _position(self) -> int:
        """The caller's clock, samples."""
        return 0 if self._t0 is None else round((trio.current_time() - self._t0) * RATE_HZ)

    def _note(self, detail: str) -> None:
        self.playout.note(PlayoutKind.STREAM, detail)

    # The clock.

    async def _pace(self) -> None:
        await trio.sleep(self._faults.start_delay)
        if self._phase is not None:
            now = trio.current_time()
            await trio.sleep_until(now + (self._phase - now) % FRAME_SECONDS)
        t0 = trio.current_time()
        self._begin(t0)
        while not self._over.is_set():
            n_frames = self._n_frames = self._strider.next(playing=self.playout.playing)
            deadline = t0 + (self._ticks + n_frames) * FRAME_SECONDS
            self._stirred = trio.Event()
            # After a stall the deadline lies behind us and this is a checkpoint: frames are made up for.
            with trio.move_on_at(deadline) as timer:
                await self._stirred.wait()
            if timer.cancelled_caught:
                self._go_by(n_frames, trio.current_time() - deadline)
            else:
                self._catch_up(t0)

    def _catch_up(self, t0: float) -> None:
        """Frames that have gone by are heard and sent, of a longer stride that ends before its time."""
        n_frames = math.floor((trio.current_time() - t0) / FRAME_SECONDS + ROUNDING) - self._ticks
        if self._stride is not WIRE and n_frames > 0:
            self._go_by(n_frames, 0.0)

    async def _pace_shared(self) -> None:
        assert self._pacer is not None
        await trio.sleep(self._faults.start_delay)
        handle = self._pacer.register(self._on_pacer)
        handle.start()
        try:
            await self._over.wait()
        finally:
            handle.stop()

    def _on_pacer(self, now: float) -> None:
        if self._over.is_set():
            return
        if self._t0 is None:
            self._begin(now)
            return
        due = math.floor((now - self._t0) / FRAME_SECONDS + EARLY)
        while self._ticks < due and not self._over.is_set():
            self._go_by(1, now - self._t0 - (self._ticks + 1) * FRAME_SECONDS)

    def _go_by(self, n_frames: int, lateness: float) -> None:
        """Frames went by: hear them, send what was said in them, ask what is said next."""
        if self._over.is_set():
            return
        self._late += n_frames if lateness > LATE else 0
        self._worst = max(self._worst, lateness)
        first = self._ticks
        self.playout.advance((first + n_frames) * FRAME_SAMPLES)
        heard = self.playout.take_heard(n_frames * FRAME_SAMPLES)
        self._keep(self._heard, heard)
        self._ticking = True
        said = self._say(heard, n_frames)
        self._ticking = False
        self._strider.said(said)
        self._send_media(said, first)
        self._send_echoes()
        done, self._done = self._done, []
        for message in done:
            self._outbox.put(message)

    def _say(self, heard: bytes, n_frames: int) -> bytes:
        """The frames that are over now; the caller has heard as many, unless the call ended in them."""
        said = [self._next_frame]
        if n_frames > 1:
            # As many as it does not care about, and the last one.
            rest = self._strider.skip(heard[:-FRAME_SAMPLES])
            if rest is not None:
                said.append(rest)
                heard = heard[-FRAME_SAMPLES:]
                self._ticks += n_frames - 1
        for at in range(0, len(heard), FRAME_SAMPLES):
            if at:
                said.append(self._next_frame)
            self._ticks += 1
            if self._ticks >= self._time_limit_ticks:
                self._end(CallEnd.TIME_LIMIT)
            else:
                self._ask_caller(heard[at : at + FRAME_SAMPLES])
            if self._over.is_set():
                break
        return b"".join(said)

    def _ask_caller(self, heard: bytes | None = None, *, answered: bool = False) -> None:
        try:
            if answered:
                self.caller.answered(self)
            if heard is not None:
                self.caller.hear(heard)
            self._next_frame = self.caller.next_frame()
            if len(self._next_frame) != FRAME_SAMPLES:
                raise ValueError(
                    f"caller's frame has {len(self._next_frame)} octets, expected {FRAME_SAMPLES}"
                )
        except Exception as error:  # noqa: BLE001  (a caller is a user's code; its failure ends its call only)
            self._end(CallEnd.CALLER_FAILED, reason=str(error), error=error)

    def _keep(self, track: bytearray, samples: bytes) -> None:
        track += samples[: max(0, self._record_limit - len(track))]

    # Sending.

    def _put_behind(self, message: Message) -> None:
        """Send something, but first what was said before it."""
        if self._ticking:
            self._done.append(message)
            return
        if self._t0 is not None:
            self._catch_up(self._t0)
        self._outbox.put(message)

    def _overflowed(self) -> None:
        self.playout.note(PlayoutKind.OVERFLOW, "too many messages wait for a server that does not read")

    def _send_media(self, said: bytes, first: int) -> None:
        self._keep(self._said, said)
        size = len(said) if self._stride.joined else FRAME_SAMPLES
        for at in range(0, len(said), size):
            self._send_frames(said[at : at + size], first + at // FRAME_SAMPLES)

    def _send_frames(self, payload: bytes, first: int) -> None:
        n_frames = len(payload) // FRAME_SAMPLES
        if self._outbox.media_waiting >= MEDIA_WAITING:
            if not self._lost:
                self.playout.note(PlayoutKind.OVERFLOW, "31930: the server does not read; audio is discarded")
            self._lost += n_frames
            return
        at = None
        if self._departures is not None and self._t0 is not None:
            number = first + n_frames
            at = self._departures.time_of(number, self._t0 + number * FRAME_SECONDS)
        self._outbox.put(functools.partial(self.wire.media, payload, (first + 1) * 20), at=at, media=n_frames)

    def _send_echoes(self) -> None:
        for name in self.playout.take_echoes():
            plan = self._faults.marks
            for delay in (0.0,) if plan is None else plan(self._echoes, name):
                at = trio.current_time() + delay if delay else None
                self._outbox.put(functools.partial(self.wire.mark, name), at=at)
            self._echoes += 1

    # Receiving.

    async def _read(self, socket: WebSocket) -> None:
        while True:
            try:
                message = await socket.receive()
            except SocketClosed as closed:
                end = CallEnd.REMOTE_LOST if closed.code == 1006 else CallEnd.REMOTE_CLOSED
                self._end(end, code=closed.code, reason=closed.reason)
                return
            self._received += 1
            self._obey(message)

    def _obey(self, message: str | bytes) -> None:
        if self._over.is_set():
            return
        position = self._position()
        command = self.wire.command(message)
        if self._t0 is None and isinstance(command, Play | Echo | Flush):
            self.playout.note(PlayoutKind.VIOLATION, f"{type(command).__name__} before the stream began")
            return
        match command:
            case Play(payload):
                if self._n_frames > self._stride.speaking and not self.playout.playing:
                    self._stirred.set()
                self.playout.media(payload, position)
            case Echo(name):
                self.playout.mark(name, position)
            case Flush():
                self.playout.clear(position)
            case _:
                self.playout.advance(position)
                self.playout.note(command.kind, command.detail)
        self._send_echoes()

    # Faults.

    async def _carry_out_faults(self) -> None:
        await self._begun.wait()
        if self._t0 is None:
            return
        plan = self._faults
        actions: list[tuple[float, Callable[[], None]]] = [
            (at, functools.partial(self.inject, message)) for at, message in plan.inject
        ]
        if plan.drop_at is not None:
            actions.append((plan.drop_at, self.drop))
        if plan.stall_at is not None:
            actions.append((plan.stall_at, self.stall))
            actions.append((plan.stall_at + plan.stall_for, self.resume))
        if plan.freeze_at is not None:
            actions.append((plan.freeze_at, self.freeze))
        for at, act in sorted(actions, key=lambda action: action[0]):
            await trio.sleep_until(self._t0 + at)
            act()
