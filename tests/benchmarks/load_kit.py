"""Both ends of a call for load, without sockets and in a time of their own."""

from collections.abc import Callable
from typing import Any, cast

import attrs
import orjson
import pytest

import load_carrier
import load_provider
from load_carrier import CarrierEnd
from load_loop import Loop
from load_provider import ProviderEnd
from load_script import CallRecord
from load_socket import LoadSocket


class ManualLoop:
    """Timers that fire when the test lets time pass; stands in for `Loop`."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0

    def at(self, when: float, function: Callable[..., None], *arguments: object) -> None:
        self._count += 1
        self._timers.append((when, self._count, function, arguments))

    def clock(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted(
            (timer for timer in self._timers if timer[0] <= end), key=lambda timer: timer[:2]
        ):
            first = due[0]
            self._timers.remove(first)
            self.now = max(self.now, first[0])
            first[2](*first[3])
        self.now = end


@attrs.define(eq=False)
class FakeSocket:
    """Keeps what is sent."""

    sent: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    closed: bool = False

    def send(self, payload: bytes) -> None:
        self.sent.append(orjson.loads(payload))

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[dict[str, Any]]:
        taken, self.sent = self.sent, []
        return taken


@attrs.define(eq=False)
class BothEnds:
    """A call whose system under test is the test."""

    loop: ManualLoop
    record: CallRecord
    carrier: CarrierEnd
    provider: ProviderEnd
    to_carrier: FakeSocket
    """What the carrier sent is in here; the name is that of the socket."""
    to_provider: FakeSocket

    def configure(self, audio_format: dict[str, object]) -> None:
        side = {"format": audio_format}
        self.tell_provider({"type": "session.update", "session": {"audio": {"input": side, "output": side}}})

    def tell_provider(self, message: dict[str, object]) -> None:
        self.provider.on_message(orjson.dumps(message))

    def tell_carrier(self, message: dict[str, object]) -> None:
        self.carrier.on_message(orjson.dumps(message))

    def play(self, payload: str) -> None:
        self.tell_carrier({"event": "media", "media": {"payload": payload}})

    def relay_uplink(self) -> None:
        for message in self.to_carrier.take():
            if message["event"] == "media":
                self.tell_provider(
                    {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                )

    def deltas(self) -> list[str]:
        """Audio that the provider sent since the last look."""
        return [
            one["delta"] for one in self.to_provider.take() if one["type"] == "response.output_audio.delta"
        ]

    def speak(self, n_frames: int) -> None:
        for _ in range(n_frames):
            self.carrier.send_frame()
            self.loop.pass_time(0.02)


def open_ends(monkeypatch: pytest.MonkeyPatch) -> BothEnds:
    """A call whose stream has begun and whose session is configured for mu-law."""
    loop = ManualLoop()
    monkeypatch.setattr(load_carrier, "clock", loop.clock)
    monkeypatch.setattr(load_provider, "clock", loop.clock)
    record = CallRecord(number=1)
    carrier = CarrierEnd(cast("Loop", loop), record)
    provider = ProviderEnd(cast("Loop", loop), record, lambda: None)
    ends = BothEnds(loop, record, carrier, provider, FakeSocket(), FakeSocket())
    carrier.socket = cast("LoadSocket", ends.to_carrier)
    provider.socket = cast("LoadSocket", ends.to_provider)
    carrier.on_open()
    provider.on_open()
    ends.configure({"type": "audio/pcmu"})
    ends.to_carrier.take()
    ends.to_provider.take()
    return ends
