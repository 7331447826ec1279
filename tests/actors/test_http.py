"""The listener and the WebSocket client, over real loopback sockets."""

import functools
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from callboard.actors._http import (
    Bound,
    OnRequest,
    OnUpgrade,
    Request,
    Response,
    Upgrade,
    json_response,
    serve_http,
)
from callboard.actors._network import TcpNetwork, WebSockets, bound_port
from callboard.actors._websocket import DialFailed, DialFailure, SocketClosed, open_websocket

NETWORK = TcpNetwork()


@pytest.fixture(autouse=True, params=list(WebSockets), ids=lambda kind: kind.name)
def on_each(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NETWORK, "websockets", request.param)


async def nothing(request: Request) -> Response:
    return json_response(404, {"path": request.path, "query": dict(request.query), "body": len(request.body)})


async def echo(upgrade: Upgrade) -> None:
    socket = await upgrade.accept()
    while True:
        try:
            await socket.send(await socket.receive())
        except SocketClosed:
            return


@asynccontextmanager
async def serving(
    on_upgrade: OnUpgrade = echo,
    on_request: OnRequest = nothing,
    *,
    handshake_timeout: float = 5.0,
    max_message: int = 1000,
    max_connections: int = 100,
) -> AsyncGenerator[Bound, None]:
    async with trio.open_nursery() as nursery:
        bound: Bound = await nursery.start(
            functools.partial(
                serve_http,
                NETWORK,
                "127.0.0.1",
                0,
                on_request=on_request,
                on_upgrade=on_upgrade,
                handshake_timeout=handshake_timeout,
                max_message=max_message,
                max_connections=max_connections,
            )
        )
        yield bound
        nursery.cancel_scope.cancel()


async def plain(bound: Bound, octets: bytes) -> bytes:
    async with await trio.open_tcp_stream(bound.host, bound.port) as stream:
        await stream.send_all(octets)
        answer = b""
        async for data in stream:
            answer += data
        return answer


async def test_text_and_binary_messages_come_back_and_are_counted() -> None:
    async with serving() as bound, open_websocket(NETWORK, f"ws://{bound.authority}/x?a=1") as socket:
        await socket.send("text")
        assert await socket.receive() == "text"
        await socket.send(b"\x00\xff")
        assert await socket.receive() == b"\x00\xff"
        counted = socket.statistics()
        assert (counted.messages_sent, counted.messages_received, counted.octets_sent) == (2, 2, 6)


async def test_plain_request_is_answered_with_query_and_body() -> None:
    async with serving() as bound:
        answer = await plain(bound, b"POST /p?k=v&e= HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b'{"path": "/p", "query": {"k": "v", "e": ""}, "body": 3}')


async def test_head_gets_no_body() -> None:
    async with serving() as bound:
        answer = await plain(bound, b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01 not http\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, b"413"),
    ],
)
async def test_bad_request_is_refused_and_the_server_lives(octets: bytes, status: bytes) -> None:
    async with serving() as bound:
        try:
            answer = await plain(bound, octets)
        except trio.BrokenResourceError:
            answer = b""  # the server closed with unread octets, which resets the connection
        assert answer[9:12] in {status, b""}
        async with open_websocket(NETWORK, f"ws://{bound.authority}/") as socket:
            await socket.send("still here")
            assert await socket.receive() == "still here"


async def test_silent_peer_is_cut_off_after_the_handshake_timeout() -> None:
    async with serving(handshake_timeout=0.05) as bound:
        assert await plain(bound, b"GET / HT") == b""


async def test_connections_beyond_the_limit_are_closed() -> None:
    async with serving(max_connections=1) as bound, open_websocket(NETWORK, f"ws://{bound.authority}/"):
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(NETWORK, f"ws://{bound.authority}/"):
                pass
    assert caught.value.kind is DialFailure.PROTOCOL
    assert not caught.value.permanent


async def test_refused_port_is_transient() -> None:
    async with serving() as bound:
        pass
    with pytest.raises(DialFailed, match="refused") as caught:
        async with open_websocket(NETWORK, f"ws://{bound.authority}/"):
            pass
    assert caught.value.kind is DialFailure.REFUSED
    assert not caught.value.permanent


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (401, True), (429, False), (503, False)])
async def test_rejected_upgrade_tells_status_body_and_verdict(status: int, permanent: bool) -> None:
    async def refuse(upgrade: Upgrade) -> None:
        await upgrade.reject(status, b'{"error": "no"}')

    async with serving(refuse) as bound:
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(
                NETWORK, f"ws://{bound.authority}/", headers=[("Authorization", "Bearer hush")]
            ):
                pass
    error = caught.value
    assert (error.kind, error.status, error.permanent) == (DialFailure.REJECTED, status, permanent)
    assert error.body == b'{"error": "no"}'
    assert "hush" not in str(error)


async def test_peer_that_never_answers_is_a_timeout() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await NETWORK.listen("127.0.0.1", 0)

        async def hold(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        nursery.start_soon(trio.serve_listeners, hold, listeners)
        port = bound_port(listeners[0])
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(NETWORK, f"ws://127.0.0.1:{port}/", timeout=0.05):
                pass
        assert caught.value.kind is DialFailure.TIMEOUT
        nursery.cancel_scope.cancel()


async def test_message_over_the_limit_closes_with_1009() -> None:
    async with (
        serving(max_message=1000) as bound,
        open_websocket(NETWORK, f"ws://{bound.authority}/") as socket,
    ):
        await socket.send("x" * 1001)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
    assert caught.value.code == 1009
    assert not caught.value.clean


async def test_half_closed_stream_is_a_close_with_1006() -> None:
    async def cut(upgrade: Upgrade) -> None:
        await upgrade.accept()
        assert isinstance(upgrade._stream, trio.abc.Stream)
        await trio.aclose_forcefully(upgrade._stream)

    async with serving(cut) as bound, open_websocket(NETWORK, f"ws://{bound.authority}/") as socket:
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
    assert caught.value.code == 1006


async def test_error_in_the_body_comes_out_bare() -> None:
    async with serving() as bound:
        with pytest.raises(KeyError, match="mine"):
            async with open_websocket(NETWORK, f"ws://{bound.authority}/"):
                raise KeyError("mine")


async def test_handler_that_fails_ends_only_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def fail_on_demand(upgrade: Upgrade) -> None:
        if upgrade.request.path == "/bad":
            raise RuntimeError("handler bug")
        await echo(upgrade)

    async with (
        serving(fail_on_demand) as bound,
        open_websocket(NETWORK, f"ws://{bound.authority}/good") as good,
    ):
        with pytest.raises(DialFailed):
            async with open_websocket(NETWORK, f"ws://{bound.authority}/bad"):
                pass
        await good.send("alive")
        assert await good.receive() == "alive"
    assert "handler bug" in caplog.text


async def test_cancelled_send_closes_the_socket() -> None:
    async def deaf(upgrade: Upgrade) -> None:
        await upgrade.accept()
        await trio.sleep(math.inf)

    async with serving(deaf) as bound, open_websocket(NETWORK, f"ws://{bound.authority}/") as socket:
        with trio.move_on_after(0.2) as scope:
            while True:
                await socket.send("x" * 1_000_000)
        assert scope.cancelled_caught
        with pytest.raises(SocketClosed):
            await socket.send("after")


@pytest.mark.parametrize("url", ["http://h/", "ws:///x", "nonsense"])
async def test_url_that_is_no_websocket_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a WebSocket URL"):
        async with open_websocket(NETWORK, url):
            pass


async def test_cancelled_owner_says_goodbye_without_waiting_for_an_answer() -> None:
    closed: list[SocketClosed] = []

    async def listen(upgrade: Upgrade) -> None:
        socket = await upgrade.accept()
        try:
            await socket.receive()
        except SocketClosed as error:
            closed.append(error)

    async with serving(listen) as bound:
        started = trio.current_time()
        with trio.move_on_after(0.05):
            async with open_websocket(NETWORK, f"ws://{bound.authority}/"):
                await trio.sleep_forever()
        assert trio.current_time() - started < 0.5
        with trio.fail_after(1):
            while not closed:
                await trio.lowlevel.checkpoint()
        assert closed[0].code == 1001


@pytest.mark.parametrize("value", ["Bearer ", " x", "a\r\nInjected: 1", "a\x00b"])
async def test_header_that_cannot_be_sent_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ValueError, match="the header 'Authorization'") as caught:
        async with open_websocket(NETWORK, "ws://127.0.0.1:1/", headers=[("Authorization", value)]):
            pass
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "permanent"),
    [(b"", DialFailure.PROTOCOL, False), (b"HTTP/1.1 400 Bad Request\r\n\r\n", DialFailure.TLS, True)],
    ids=["hangs up", "speaks plain HTTP"],
)
async def test_a_peer_that_does_not_shake_hands_by_tls(
    answer: bytes, kind: DialFailure, permanent: bool
) -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await NETWORK.listen("127.0.0.1", 0)

        async def serve() -> None:
            async with listener, await listener.accept() as stream:
                await stream.receive_some()
                if answer:
                    await stream.send_all(answer)

        nursery.start_soon(serve)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(NETWORK, f"wss://127.0.0.1:{bound_port(listener)}/", timeout=2):
                pass
        assert (caught.value.kind, caught.value.permanent) == (kind, permanent)
