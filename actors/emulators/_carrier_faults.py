"""What may go wrong on a carrier's stream: a plan made before the call, and the stream that does it."""

import math
import random
import ssl
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs
import trio

from .._message_stream import MessageStream
from .._network import Network, WrappedStream

MarkPlan: TypeAlias = Callable[[int, str], Sequence[float]]
"""Given the number of an echo (from 0) and its name: the delays after which to send it, float seconds.
None at all loses the mark, two double it."""


def lose_marks(every: int = 1) -> MarkPlan:
    """Lose every n-th echo, the first one included."""
    return lambda number, _name: () if number % every == 0 else (0.0,)


def double_marks(_number: int = 0, _name: str = "") -> Sequence[float]:
    """Send every echo twice."""
    return (0.0, 0.0)


def late_marks(seconds: float) -> MarkPlan:
    """Send every echo so much too late."""
    return lambda _number, _name: (seconds,)


@attrs.frozen(kw_only=True)
class CarrierFaults:
    """A plan of faults; the default is none. Times are float seconds since the stream began."""

    start_delay: float = 0.0
    """Between `connected` and `start`."""
    no_start: bool = False
    """Send media without ever sending `start`."""
    double_start: bool = False
    """Send `start` twice."""
    media_before_start: int = 0
    """So many frames of silence before `start`."""
    numbers: bool = False
    """Send the numbers of the wire as JSON numbers instead of strings."""
    marks: MarkPlan | None = None
    """What to do with the echo of each mark."""
    jitter: float = 0.0
    """Each frame is up to this much late; order is kept, as on TCP."""
    burst: int = 1
    """Hold the caller's audio back and send so many frames at once."""
    inject: tuple[tuple[float, str | bytes], ...] = ()
    """Messages to send at their times, exactly as they stand here: garbage, binary, unknown events."""
    drop_at: float | None = None
    """Cut the TCP stream, without `stop` and without a close frame."""
    stall_at: float | None = None
    """Stop reading from the TCP stream."""
    stall_for: float = math.inf
    """Read again after so long."""
    freeze_at: float | None = None
    """Send nothing more, but keep the stream open: the peer's host is gone without a FIN."""
    seed: int = 0
    """Of the jitter."""


class FaultyNetwork:
    """A network whose one stream can be cut and can stop being read."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stream: GatedStream | MessageStream | None = None

    async def connect(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """See `Network.connect`."""
        stream = await self._network.connect(host, port, ssl_context=ssl_context)
        # One that carries messages has a gate of its own.
        self._stream = stream if isinstance(stream, MessageStream) else GatedStream(stream)
        return self._stream

    async def listen(
        self, host: str, port: int, *, ssl_context: ssl.SSLContext | None = None
    ) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """See `Network.listen`."""
        return await self._network.listen(host, port, ssl_context=ssl_context)

    def stall(self) -> None:
        """Stop reading."""
        if self._stream is not None:
            self._stream.close_gate()

    def resume(self) -> None:
        """Read again."""
        if self._stream is not None:
            self._stream.open_gate()

    def freeze(self) -> None:
        """Stop reading, and swallow what is written."""
        if self._stream is not None:
            self._stream.close_gate()
            self._stream.swallow = True

    async def cut(self) -> None:
        """Close the stream under whoever uses it."""
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)


class GatedStream(WrappedStream):
    """A stream that is read only while its gate is open, so that the peer feels TCP's back-pressure."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self._gate = trio.Event()
        self._gate.set()
        self.swallow = False
        """Pretend to send."""

    def close_gate(self) -> None:
        """Let no octet through from now on."""
        if self._gate.is_set():
            self._gate = trio.Event()

    def open_gate(self) -> None:
        """Let octets through again."""
        self._gate.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream below, once the gate is open."""
        await self._gate.wait()
        data = await super().receive_some(max_bytes)
        # A read that was waiting when the gate closed has its octets already; they stay behind the gate.
        await self._gate.wait()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below, unless it is to swallow."""
        if self.swallow:
            await trio.lowlevel.checkpoint()
        else:
            await super().send_all(data)

    async def aclose(self) -> None:
        """As the stream below; a read behind the gate ends as well."""
        self.open_gate()
        await super().aclose()


class Departures:
    """When each frame of the caller's audio leaves, under jitter and bursts.

    Args:
        faults: The plan.
    """

    def __init__(self, faults: CarrierFaults) -> None:
        self._jitter = faults.jitter
        self._burst = max(1, faults.burst)
        self._random = random.Random(faults.seed)
        self._last = 0.0

    def time_of(self, number: int, due: float) -> float:
        """When to send frame `number` (from 1), which is due at `due`; never before its predecessor."""
        behind = -number % self._burst
        leaves = due + behind * 0.020 + (self._random.uniform(0, self._jitter) if self._jitter else 0.0)
        self._last = max(self._last, leaves)
        return self._last
