"""A server that cannot carry more says so, and those it carries do not notice."""

import json
import logging

import attrs
import pytest
import trio
from trio.testing import MockClock

from callboard.actors import Call, CallServer, Refused, Route, ServerOptions, open_server, open_system
from callboard.actors._admission import Admission, Refusal
from callboard.actors._loop import BUSY_WINDOW, LoopLoad
from callboard.actors._websocket import open_websocket
from callboard.actors._websocket_errors import DialFailed
from callboard.actors.emulators import CallEnd, CarrierEmulator, SilentCaller
from callboard.testing import MemoryNetwork, open_board


@attrs.define
class Source:
    """What the loop has to do, as the test says."""

    lag: float = 0.0
    busy: float = 0.0

    def load(self) -> LoopLoad | None:
        return LoopLoad(lag=self.lag, busy=self.busy)


async def stay(call: Call) -> None:
    await call.answer()
    await trio.sleep_forever()


async def ask(server: CallServer, path: str) -> tuple[int, str]:
    """What the server answers to a plain request."""
    stream = await server.system.network.connect(server.bound.host, server.bound.port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while part := await stream.receive_some(65536):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_one_call_too_many_gets_503_and_the_running_one_goes_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source()
    network = MemoryNetwork()
    async with (
        trio.open_nursery() as nursery,
        open_system(network=network, seed=1) as system,
        open_server(system, (Route(".*", stay),), ServerOptions(port=8080)) as server,
    ):
        assert server.switchboard.admission is not None
        server.switchboard.admission.source = source
        carrier = CarrierEmulator(network, server.media_url, seed=2)
        first = carrier.call(SilentCaller(12))
        nursery.start_soon(first.run)
        await trio.sleep(BUSY_WINDOW)
        source.busy = 0.97
        with caplog.at_level(logging.WARNING, "callboard.server"):
            result = await carrier.call(SilentCaller(2)).run()
            with pytest.raises(DialFailed) as caught:
                async with open_websocket(network, server.media_url):
                    pass
        assert (result.outcome.end, result.outcome.code) == (CallEnd.NOT_CONNECTED, 503)
        assert dict(caught.value.headers)["retry-after"] == "5"
        # Two within a second are one line.
        assert [record.getMessage() for record in caplog.records] == [
            "refused a call: the event loop is at work 97% of the time"
        ]
        assert server.switchboard.statistics().refused_by == {Refusal.BUSY: 2}
        assert json.loads((await ask(server, "/readyz"))[1]) == {"ready": False, "calls": 1, "reason": "busy"}
        assert 'callboard_calls_refused_total{reason="busy"} 2' in (await ask(server, "/metrics"))[1]
        source.busy = 0.2
        await trio.sleep(2)
        (await carrier.call(SilentCaller(1)).run()).check()
        await trio.sleep(8)
        first.result().check()
        assert server.switchboard.statistics().taken == 2
        assert (await ask(server, "/readyz"))[0] == 200


async def test_lag_refuses_too_and_is_counted_apart(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    async with (
        trio.open_nursery() as nursery,
        open_system(network=network, seed=1) as system,
        open_server(system, (Route(".*", stay),), ServerOptions(port=8080, media_token="x")) as server,
    ):
        assert server.switchboard.admission is not None
        server.switchboard.admission.source = source = Source()
        carrier = CarrierEmulator(network, server.media_url, seed=2)
        first = carrier.call(SilentCaller(3), custom_parameters={"token": "x"})
        nursery.start_soon(first.run)
        await trio.sleep(1)
        # Whoever was let in and then fails in the handshake is counted as well.
        assert (await carrier.call(SilentCaller(1)).run()).outcome.code == 1008
        source.lag = 0.2
        assert (await carrier.call(SilentCaller(1)).run()).outcome.code == 503
        assert server.switchboard.statistics().refused_by == {Refusal.HANDSHAKE: 1, Refusal.LAG: 1}
        assert server.switchboard.statistics().refused == 2
        await trio.sleep(4)
        first.result().check()


async def test_call_that_was_let_in_is_not_asked_again_when_it_starts(autojump_clock: MockClock) -> None:
    async with open_board(stay) as board:
        source = Source()
        board.switchboard.admission = Admission(source, max_lag=0.03, max_busy=0.8)
        await board.call(call_id="CA1")
        board.switchboard.admit()
        source.busy = 1.0
        await board.call(call_id="CA2")
        assert len(board.switchboard.calls) == 2
        with pytest.raises(Refused, match="at work 100%"):
            board.switchboard.admit()


async def test_nobody_is_refused_in_virtual_time_and_health_says_all_is_well(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork()
    options = ServerOptions(port=8080, max_lag=1e-9, max_busy=1e-9, stall_threshold=1e-9)
    async with (
        trio.open_nursery() as nursery,
        open_system(network=network, seed=1) as system,
        open_server(system, (Route(".*", stay),), options) as server,
    ):
        carrier = CarrierEmulator(network, server.media_url, seed=2)
        calls = [carrier.call(SilentCaller(5)) for _ in range(20)]
        for call in calls:
            nursery.start_soon(call.run)
        await trio.sleep(2)
        status, body = await ask(server, "/healthz")
        assert status == 200
        assert json.loads(body) == {
            "status": "ok",
            "calls": 20,
            "lag_ms": {"p50": 0.0, "p99": 0.0, "max": 0.0},
            "idle": 1.0,
            "stalls": 0,
        }
        await trio.sleep(5)
        for call in calls:
            call.result().check()


async def test_watch_is_an_actor_of_the_server_and_heals(autojump_clock: MockClock) -> None:
    async with (
        open_system(network=MemoryNetwork(), seed=1) as system,
        open_server(system, (Route(".*", stay),), ServerOptions(port=8080)),
    ):
        ref = system.lookup("loop")
        assert ref is not None
        system.kill("loop")
        await trio.sleep(1)
        assert ref.statistics().restarts == 1
        assert ref.statistics().state.value == "running"


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_limit_that_is_nothing_is_refused(value: float) -> None:
    text = "is .*, expected more than 0, or None to switch it off"
    with pytest.raises(ValueError, match=f"max_lag {text}"):
        ServerOptions(max_lag=value)
    with pytest.raises(ValueError, match=f"max_busy {text}"):
        ServerOptions(max_busy=value)
    with pytest.raises(ValueError, match=f"stall_threshold {text}"):
        ServerOptions(stall_threshold=value)
    ServerOptions(max_lag=None, max_busy=None, stall_threshold=None)
