"""What a WebSocket does is the same over framed octets and over messages that travel as they are."""

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._message_stream import CAPACITY, MessageStream, message_stream_pair
from callboard.actors._websocket import (
    DialFailed,
    DialFailure,
    SocketClosed,
    WebSocket,
    open_websocket,
)
from callboard.testing import MemoryNetwork, Transport

BOTH = pytest.mark.parametrize("transport", [Transport.FRAMES, Transport.MESSAGES])


async def no_page(request: Request) -> Response:
    del request
    return Response(status=404)


@attrs.define
class Server:
    network: MemoryNetwork
    url: str
    requests: list[Request] = attrs.field(factory=list[Request])
    sockets: list[WebSocket] = attrs.field(factory=list[WebSocket])


@asynccontextmanager
async def serving(
    transport: Transport, on_socket: Callable[[WebSocket], Awaitable[None]], *, subprotocol: str | None = None
) -> AsyncGenerator[Server, None]:
    network = MemoryNetwork(transport)
    server = Server(network, "ws://127.0.0.1:8000/a/path?x=1&y=two")

    async def enter(upgrade: Upgrade) -> None:
        server.requests.append(upgrade.request)
        if upgrade.request.header("authorization") == "nobody":
            await upgrade.reject(403, b"no entry", "text/plain")
            return
        socket = await upgrade.accept(subprotocol)
        server.sockets.append(socket)
        await on_socket(socket)

    async with trio.open_nursery() as nursery:
        serve = functools.partial(
            serve_http, network, "127.0.0.1", 8000, on_request=no_page, on_upgrade=enter
        )
        bound: Bound = await nursery.start(serve)
        assert bound.port == 8000
        yield server
        nursery.cancel_scope.cancel()


async def echo(socket: WebSocket) -> None:
    try:
        while True:
            await socket.send(await socket.receive())
    except SocketClosed:
        pass


@BOTH
async def test_messages_keep_their_kind_and_order(transport: Transport, autojump_clock: object) -> None:
    async with (
        serving(transport, echo, subprotocol="b") as server,
        open_websocket(
            server.network, server.url, headers=[("X-One", "1")], subprotocols=["a", "b"], new_id=lambda: "id"
        ) as socket,
    ):
        sent: list[str | bytes] = ["text", b"octets", "", "\u00e9\u4e2d", b"\x00" * 70000]
        for message in sent:
            await socket.send(message)
            assert await socket.receive() == message
        assert (socket.subprotocol, socket.id, socket.closed) == ("b", "id", False)
        statistics = socket.statistics()
        assert statistics.messages_sent == statistics.messages_received == len(sent)
        (request,) = server.requests
        assert (request.method, request.path, dict(request.query)) == (
            "GET",
            "/a/path",
            {"x": "1", "y": "two"},
        )
        assert request.header("x-one") == "1"
        await socket.ping()


@BOTH
async def test_a_refused_handshake_has_status_and_body(transport: Transport, autojump_clock: object) -> None:
    async with serving(transport, echo) as server:
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(server.network, server.url, headers=[("Authorization", "nobody")]):
                raise AssertionError("opened")
        assert (caught.value.kind, caught.value.status, caught.value.body) == (
            DialFailure.REJECTED,
            403,
            b"no entry",
        )
        assert "nobody" not in str(caught.value)


@BOTH
@pytest.mark.parametrize("code", [1000, 1001, 1011, 4321])
async def test_a_close_has_its_code_and_comes_behind_what_was_sent(
    transport: Transport, code: int, autojump_clock: object
) -> None:
    async def last_words(socket: WebSocket) -> None:
        await socket.send("one more")
        await socket.aclose(code, "so it goes")

    async with (
        serving(transport, last_words) as server,
        open_websocket(server.network, server.url) as socket,
    ):
        await wait_all_tasks_blocked()
        assert await socket.receive() == "one more"
        for act in (socket.receive, functools.partial(socket.send, "too late"), socket.ping):
            with pytest.raises(SocketClosed) as caught:
                await act()
            assert (caught.value.code, caught.value.reason) == (code, "so it goes")


@BOTH
async def test_a_cut_stream_is_1006(transport: Transport, autojump_clock: object) -> None:
    async def cut(socket: WebSocket) -> None:
        await trio.aclose_forcefully(socket._stream)

    async with serving(transport, cut) as server, open_websocket(server.network, server.url) as socket:
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert caught.value.code == 1006


@BOTH
async def test_a_reader_that_does_not_read_holds_up_the_sender(
    transport: Transport, autojump_clock: object
) -> None:
    async def deaf(socket: WebSocket) -> None:
        await trio.sleep(100)

    # Octets in memory streams have no bound of their own; only messages are counted there.
    n_messages = CAPACITY + 1 if transport is Transport.MESSAGES else 100
    async with serving(transport, deaf) as server, open_websocket(server.network, server.url) as socket:
        with trio.move_on_after(5) as scope:
            for _ in range(n_messages):
                await socket.send("x" * 100)
        assert scope.cancelled_caught is (transport is Transport.MESSAGES)


async def test_a_handler_that_returns_closes_the_socket(autojump_clock: object) -> None:
    async def leave(socket: WebSocket) -> None:
        await socket.receive()

    for transport in (Transport.FRAMES, Transport.MESSAGES):
        async with serving(transport, leave) as server, open_websocket(server.network, server.url) as socket:
            await socket.send("go")
            with pytest.raises(SocketClosed) as caught:
                await socket.receive()
            assert caught.value.code == 1000


@BOTH
async def test_nobody_listens(transport: Transport, autojump_clock: object) -> None:
    with pytest.raises(DialFailed) as caught:
        async with open_websocket(MemoryNetwork(transport), "ws://127.0.0.1:8000/"):
            raise AssertionError("opened")
    assert caught.value.kind is DialFailure.REFUSED


async def test_a_server_that_goes_away_in_the_handshake(autojump_clock: object) -> None:
    network = MemoryNetwork(Transport.MESSAGES)
    async with trio.open_nursery() as nursery:
        (listener,) = await network.listen("127.0.0.1", 8000)

        async def leave() -> None:
            stream = await listener.accept()
            await stream.aclose()

        nursery.start_soon(leave)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(network, "ws://127.0.0.1:8000/"):
                raise AssertionError("opened")
        assert caught.value.kind is DialFailure.PROTOCOL


async def test_a_gate_that_is_closed_lets_nothing_in_and_pings_wait(autojump_clock: object) -> None:
    async with (
        serving(Transport.MESSAGES, echo) as server,
        open_websocket(server.network, server.url) as socket,
    ):
        peer = server.sockets[0]._stream
        assert isinstance(peer, MessageStream)
        peer.close_gate()
        await socket.send("held")
        with trio.move_on_after(3) as pinging:
            await socket.ping()
        assert pinging.cancelled_caught
        with trio.move_on_after(3) as waiting:
            await socket.receive()
        assert waiting.cancelled_caught
        peer.open_gate()
        assert await socket.receive() == "held"
        await socket.ping()


async def test_octets_cannot_travel_on_a_message_stream() -> None:
    first, second = message_stream_pair()
    with pytest.raises(NotImplementedError):
        await first.send_all(b"x")
    with pytest.raises(NotImplementedError):
        await second.receive_some()
    await first.aclose()
    assert second.cut


@BOTH
async def test_prompt_sending_and_receiving_keeps_order_and_counts(
    transport: Transport, autojump_clock: object
) -> None:
    async def burst(socket: WebSocket) -> None:
        for number in range(5):
            if not socket.send_nowait(f"{number}"):
                await socket.send(f"{number}")
        await socket.aclose(4000, "done")

    async with serving(transport, burst) as server, open_websocket(server.network, server.url) as socket:
        got: list[str | bytes] = []

        async def read_all() -> None:
            while True:
                got.extend(await socket.receive_batch())

        with pytest.raises(SocketClosed) as caught:
            await read_all()
        assert (got, caught.value.code) == (["0", "1", "2", "3", "4"], 4000)
        assert socket.statistics().messages_received == 5
        assert server.sockets[0].statistics().messages_sent == 5
        with pytest.raises(SocketClosed) as caught:
            socket.send_nowait("too late")
        assert caught.value.code == 4000


async def test_a_full_inbox_refuses_what_would_have_to_wait(autojump_clock: object) -> None:
    async def deaf(socket: WebSocket) -> None:
        await trio.sleep(100)

    async with (
        serving(Transport.MESSAGES, deaf) as server,
        open_websocket(server.network, server.url) as socket,
    ):
        assert [socket.send_nowait(b"x") for _ in range(CAPACITY + 1)] == [True] * CAPACITY + [False]
        assert socket.statistics().messages_sent == CAPACITY
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.send, b"waits")
            await wait_all_tasks_blocked()
            peer = server.sockets[0]
            assert await peer.receive() == b"x"
            # The room is that of the send that waits.
            assert not socket.send_nowait(b"pushes in")
        assert list(await peer.receive_batch()) == [b"x"] * (CAPACITY - 1) + [b"waits"]
