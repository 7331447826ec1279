"""A network on which things go wrong as a plan says, for both transports, and for real sockets."""

import contextvars
import math
import ssl
from collections import Counter, deque
from collections.abc import Callable, Mapping

import trio
from trio_websocket import ConnectionClosed

from callboard.actors import Network
from callboard.actors._message_stream import MessageStream
from callboard.actors._network import WrappedStream
from callboard.actors.emulators import GrokFault

from ._faults import DialFault, Fault, FaultPlan, OnDial, OnMessage, OnProvider, Peer, Way
from ._faults_frames import FrameCutter, Piece, frame
from ._faults_tap import Message, Tap
from ._network import MemoryNetwork, Transport
from ._steps import actor_of

# The number of the call that a task of the carrier places.
placing: contextvars.ContextVar[int | None] = contextvars.ContextVar("placing", default=None)


class LineFaults:
    """Which faults of a plan strike which connection.

    Args:
        plan: The plan.
        numbers: The numbers of calls by their ids.
        on_strike: Called when a fault strikes.
    """

    def __init__(
        self, plan: FaultPlan, numbers: Mapping[str, int], on_strike: Callable[[Fault, int | None], None]
    ) -> None:
        self._on_line: dict[tuple[int, Peer], list[OnMessage]] = {}
        self._on_dial: dict[tuple[int, Peer], list[OnDial]] = {}
        for fault in plan:
            if isinstance(fault, OnMessage):
                self._on_line.setdefault((fault.call, fault.peer), []).append(fault)
            elif isinstance(fault, OnDial):
                self._on_dial.setdefault((fault.call, fault.peer), []).append(fault)
        self._numbers = numbers
        self._on_strike = on_strike
        self._dials: Counter[tuple[int, Peer]] = Counter()
        self._connections: Counter[tuple[int, Peer]] = Counter()
        self._on_provider = [fault for fault in plan if isinstance(fault, OnProvider)]
        self._accepted: Counter[int] = Counter()
        self.providers: dict[int, str] = {}
        """What is behind which port."""
        self.away: set[int] = set()
        """Ports that refuse."""

    def of_this_task(self) -> tuple[int, Peer] | None:
        """The call, and the side of it, that is dialling now."""
        number = placing.get()
        if number is not None:
            return number, Peer.CARRIER
        cell = actor_of(trio.lowlevel.current_task())
        parts = [] if cell is None else cell.path.split("/")
        number = self._numbers.get(parts[1]) if len(parts) > 2 and parts[0] == "calls" else None
        return None if number is None else (number, Peer.PROVIDER)

    async def dial(self, line: tuple[int, Peer] | None, host: str, port: int) -> None:
        """Fail where a dial is to fail."""
        if port in self.away:
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError(111, "Connection refused", f"{host}:{port}")
        if line is None or line not in self._on_dial:
            return
        self._dials[line] += 1
        n = self._dials[line]
        for fault in self._on_dial[line]:
            if fault.nth <= n < fault.nth + fault.times:
                if n == fault.nth:
                    self._on_strike(fault, fault.call)
                await trio.lowlevel.checkpoint()
                match fault.how:
                    case DialFault.REFUSED:
                        raise ConnectionRefusedError(111, "Connection refused", f"{host}:{port}")
                    case DialFault.UNREACHABLE:
                        raise OSError(113, "No route to host", f"{host}:{port}")
                    case DialFault.SILENT:
                        await trio.sleep_forever()

    def opened(self, line: tuple[int, Peer] | None, port: int) -> None:
        """A connection was opened; note what the emulator behind it will do to it."""
        if not self._on_provider or port not in self.providers:
            return
        self._accepted[port] += 1
        for on_provider in self._on_provider:
            fault = on_provider.fault
            service = "grok" if isinstance(fault, GrokFault) else "deepgram"
            if service == self.providers[port] and fault.connection in {None, self._accepted[port]}:
                self._on_strike(on_provider, None if line is None else line[0])

    def taps(self, line: tuple[int, Peer] | None) -> tuple[Tap, Tap] | None:
        """For a new connection: what comes to who dialled, what goes from there; None where nothing goes wrong."""
        if line is None or line not in self._on_line:
            return None
        self._connections[line] += 1
        number = self._connections[line]
        faults = [fault for fault in self._on_line[line] if fault.connection == number]
        if not faults:
            return None
        # Callboard dials its providers and is dialled by carriers.
        way = Way.IN if line[1] is Peer.PROVIDER else Way.OUT
        return (
            Tap([fault for fault in faults if fault.way is way], self._strike),
            Tap([fault for fault in faults if fault.way is not way], self._strike),
        )

    def _strike(self, fault: OnMessage) -> None:
        self._on_strike(fault, fault.call)


class FaultyNetwork(MemoryNetwork):
    """A `MemoryNetwork` that carries out the part of a plan that is its.

    Args:
        transport: What travels.
        faults: What goes wrong.
    """

    def __init__(self, transport: Transport, faults: LineFaults) -> None:
        super().__init__(transport)
        self.faults = faults
        self._taps: tuple[Tap, Tap] | None = None

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """See `MemoryNetwork.connect`."""
        line = self.faults.of_this_task()
        await self.faults.dial(line, host, port)
        stream = await super().connect(host, port, ssl_context=ssl_context)
        self.faults.opened(line, port)
        if isinstance(stream, TappedMessageStream):
            taps = self.faults.taps(line)
            if taps is not None:
                stream.tap(*taps)
            return stream
        return tapped(stream, self.faults, line)

    def _pair(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        if self.transport is not Transport.MESSAGES:
            return super()._pair()
        first, second = TappedMessageStream(), MessageStream()
        first._peer, second._peer = second, first
        return first, second


class FaultyWrapper:
    """Any other network with the faults of a plan, that of the operating system for one.

    Args:
        network: What is below.
        faults: What goes wrong.
    """

    transport = Transport.FRAMES

    def __init__(self, network: Network, faults: LineFaults) -> None:
        self._network = network
        self.faults = faults

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """See `Network.connect`."""
        line = self.faults.of_this_task()
        await self.faults.dial(line, host, port)
        stream = await self._network.connect(host, port, ssl_context=ssl_context)
        self.faults.opened(line, port)
        return tapped(stream, self.faults, line)

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """See `Network.listen`."""
        return await self._network.listen(host, port, ssl_context=ssl_context)


def tapped(stream: trio.abc.Stream, faults: LineFaults, line: tuple[int, Peer] | None) -> trio.abc.Stream:
    """A stream of octets on which the faults of its line happen."""
    taps = faults.taps(line)
    return stream if taps is None else TappedStream(stream, *taps)


class TappedMessageStream(MessageStream):
    """The dialling end of a connection that carries messages; see `TappedStream`."""

    def __init__(self) -> None:
        super().__init__()
        self._incoming: Tap | None = None
        self._outgoing: Tap | None = None
        self._ready: deque[Message] = deque()
        self._holds = trio.lowlevel.ParkingLot()
        self._sending = trio.Lock()

    def tap(self, incoming: Tap, outgoing: Tap) -> None:
        """From now on faults happen here."""
        self._incoming, self._outgoing = incoming, outgoing

    def wake(self) -> None:
        """Have whoever waits look again."""
        super().wake()
        self._holds.unpark_all()

    async def put(self, message: Message) -> None:
        """Send."""
        tap = self._outgoing
        if tap is None:
            await super().put(message)
            return
        async with self._sending:
            passing = tap.feed(message)
            await self._hold(tap)
            for each in passing:
                await super().put(each)
            if tap.half_closed:
                # A WebSocket whose peer sends no more is over; ours learns it when the peer closes it.
                self.peer.cut = True
                self.peer.wake()
            if tap.reset:
                self.end()
                raise ConnectionClosed(None)

    async def take(self) -> Message:
        """Receive."""
        tap = self._incoming
        if tap is None:
            return await super().take()
        while True:
            await self._hold(tap)
            if self._ready:
                return self._ready.popleft()
            if tap.half_closed or tap.reset:
                if tap.reset:
                    self.end()
                await trio.lowlevel.checkpoint()
                raise ConnectionClosed(None)
            try:
                self._ready.extend(tap.feed(await super().take()))
            except ConnectionClosed:
                self._ready.extend(tap.rest())
                if not self._ready:
                    raise

    async def _hold(self, tap: Tap) -> None:
        if tap.held:
            with trio.move_on_at(tap.held_until):
                while not self.cut:
                    await self._holds.park()


class TappedStream(WrappedStream):
    """The dialling end of a connection that carries octets, with faults at the messages in them.

    Args:
        stream: The stream below.
        incoming: Of what comes.
        outgoing: Of what goes.
    """

    def __init__(self, stream: trio.abc.Stream, incoming: Tap, outgoing: Tap) -> None:
        super().__init__(stream)
        self._incoming, self._outgoing = incoming, outgoing
        self._cut_in, self._cut_out = FrameCutter(), FrameCutter()
        self._ready = bytearray()
        self._closed = trio.Event()
        self._eof = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream below, but for the faults."""
        tap = self._incoming
        while True:
            await self._hold(tap)
            if self._ready or self._eof or tap.half_closed:
                taken = bytes(self._ready[: max_bytes or len(self._ready)])
                del self._ready[: len(taken)]
                return taken
            await self._break_if(tap)
            data = await super().receive_some()
            if data:
                for piece in self._cut_in.feed(data):
                    self._ready += _through(tap, piece)
            else:
                self._eof = True
                # The server's frames are not masked.
                self._ready += (
                    b"".join(frame(each, masked=False) for each in tap.rest()) + self._cut_in.rest()
                )

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below, but for the faults."""
        tap = self._outgoing
        passing = b"".join(_through(tap, piece) for piece in self._cut_out.feed(data))
        await self._hold(tap)
        if passing:
            await super().send_all(passing)
        if tap.half_closed and isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()
        await self._break_if(tap)
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """As the stream below; who is held goes on, to see that it is closed."""
        self._closed.set()
        await super().aclose()

    async def _break_if(self, tap: Tap) -> None:
        if tap.reset:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the connection was reset")

    async def _hold(self, tap: Tap) -> None:
        if tap.held:
            with trio.move_on_after(min(tap.held_until - trio.current_time(), math.inf)):
                await self._closed.wait()


def _through(tap: Tap, piece: Piece) -> bytes:
    """What passes of a piece."""
    if piece.message is None:
        return piece.octets if not (tap.half_closed or tap.reset) else b""
    passing = tap.feed(piece.message)
    if len(passing) == 1 and passing[0] is piece.message:
        return piece.octets
    return b"".join(frame(each, masked=piece.masked) for each in passing)
