"""What a WebSocket does is the same whatever is below it."""

import functools
from contextlib import suppress

import pytest
import trio

from callboard.actors import _websocket
from callboard.actors._websocket import (
    CLOSE_TIMEOUT,
    GOODBYE_TIMEOUT,
    DialFailed,
    DialFailure,
    SocketClosed,
    WebSocket,
    open_websocket,
)

from .websocket_kit import Kind, deaf, echo, serving, until

ALL = pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)


@ALL
async def test_messages_keep_their_kind_and_order(kind: Kind) -> None:
    async with (
        serving(kind, echo, subprotocol="b") as server,
        server.dial(
            headers=[("X-One", "1"), ("X-Two", "\u00e9")], subprotocols=["a", "b"], new_id=lambda: "id"
        ) as socket,
    ):
        sent: list[str | bytes] = ["text", b"octets", "", b"", "\u00e9\u4e2d", "x" * 125, "x" * 126]
        sent += [b"\x00" * 65535, b"\x01" * 65536, "y" * 1_000_000]
        async with trio.open_nursery() as nursery:

            async def send_all() -> None:
                for message in sent:
                    await socket.send(message)

            nursery.start_soon(send_all)
            for message in sent:
                assert await socket.receive() == message
        assert (socket.subprotocol, socket.id, socket.closed) == ("b", "id", False)
        statistics = socket.statistics()
        assert statistics.messages_sent == statistics.messages_received == len(sent)
        assert statistics.octets_sent == statistics.octets_received == sum(len(m) for m in sent)
        (request,) = server.requests
        assert (request.method, request.path) == ("GET", "/a/path")
        assert (dict(request.query), request.header("x-one")) == ({"x": "1", "y": "two"}, "1")
        assert request.header("x-two") == "\u00e9"
        assert server.sockets[0].subprotocol == "b"


@ALL
async def test_no_subprotocol_where_none_is_chosen(kind: Kind) -> None:
    async with serving(kind, echo) as server, server.dial(subprotocols=["a"]) as socket:
        assert socket.subprotocol is None


@ALL
async def test_a_refused_handshake_has_status_headers_and_body(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        with pytest.raises(DialFailed) as caught:
            async with server.dial(headers=[("Authorization", "nobody")]):
                raise AssertionError("opened")
        error = caught.value
        assert (error.kind, error.status, error.permanent) == (DialFailure.REJECTED, 403, True)
        assert error.body == b"no entry"
        assert error.headers["content-type"] == "text/plain"
        assert "nobody" not in str(error)


@ALL
@pytest.mark.parametrize("code", [1000, 1001, 1011, 4321])
async def test_a_close_of_the_server_has_its_code_and_comes_behind_what_was_sent(
    kind: Kind, code: int
) -> None:
    async def last_words(socket: WebSocket) -> None:
        await socket.send("one more")
        await socket.send("and one")
        await socket.aclose(code, "so it goes")

    async with serving(kind, last_words) as server, server.dial() as socket:
        assert [await socket.receive(), await socket.receive()] == ["one more", "and one"]
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.reason) == (code, "so it goes")
        assert caught.value.clean is (code in {1000, 1001})
        assert socket.closed
        for act in (socket.receive, functools.partial(socket.send, "too late"), socket.ping):
            with pytest.raises(SocketClosed) as caught:
                await act()
            assert (caught.value.code, caught.value.reason) == (code, "so it goes")
        with pytest.raises(SocketClosed):
            socket.send_nowait("too late")


@ALL
@pytest.mark.parametrize("code", [1000, 1008, 4000])
async def test_a_close_of_the_client_is_seen_by_the_server(kind: Kind, code: int) -> None:
    seen: list[SocketClosed] = []
    done = trio.Event()

    async def listen(socket: WebSocket) -> None:
        try:
            await socket.receive()
        except SocketClosed as error:
            seen.append(error)
            done.set()

    async with serving(kind, listen) as server:
        async with server.dial() as socket:
            await socket.aclose(code, "enough")
            assert socket.closed
            with pytest.raises(SocketClosed) as caught:
                await socket.receive()
            assert caught.value.code == code
            await socket.aclose()  # twice does no harm
        with trio.fail_after(2):
            await done.wait()
        assert (seen[0].code, seen[0].reason) == (code, "enough")


@ALL
async def test_a_close_without_a_code_is_1005(kind: Kind) -> None:
    async def leave(socket: WebSocket) -> None:
        await socket.aclose(1005)

    async with serving(kind, leave) as server, server.dial() as socket:
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.reason, caught.value.clean) == (1005, "", False)


@ALL
async def test_a_handler_that_returns_closes_the_socket(kind: Kind) -> None:
    async def leave(socket: WebSocket) -> None:
        await socket.receive()

    async with serving(kind, leave) as server, server.dial() as socket:
        await socket.send("go")
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert caught.value.code == 1000


@ALL
async def test_both_sides_close_at_once(kind: Kind) -> None:
    ready = trio.Event()

    async def leave(socket: WebSocket) -> None:
        await ready.wait()
        await socket.aclose(4001)

    async with serving(kind, leave) as server, server.dial() as socket:
        await server.accepted()
        ready.set()
        with trio.fail_after(CLOSE_TIMEOUT + 1):
            await socket.aclose(4002)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert caught.value.code in {4001, 4002}


@ALL
async def test_a_cut_stream_is_1006_for_everybody(kind: Kind) -> None:
    async def cut(socket: WebSocket) -> None:
        await socket.receive()
        await trio.aclose_forcefully(socket._stream)

    async with serving(kind, cut) as server, server.dial() as socket:
        await socket.send("cut")
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.clean) == (1006, False)
        with pytest.raises(SocketClosed) as caught:
            await socket.send("too late")
        assert caught.value.code == 1006


@ALL
async def test_a_stream_cut_under_its_own_reader_and_writer(kind: Kind) -> None:
    async with serving(kind, deaf) as server, server.dial() as socket:
        errors: list[int] = []

        async def read() -> None:
            with pytest.raises(SocketClosed) as caught:
                await socket.receive()
            errors.append(caught.value.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await trio.aclose_forcefully(socket._stream)
        assert errors == [1006]
        with pytest.raises(SocketClosed):
            await socket.send("too late")
        with pytest.raises(SocketClosed):
            await socket.ping()


@ALL
async def test_pings_are_answered_whether_or_not_somebody_receives(kind: Kind) -> None:
    async with serving(kind, echo) as server, server.dial() as socket:
        with trio.fail_after(2):
            await socket.ping()
            got: list[str | bytes] = []

            async def read() -> None:
                with suppress(SocketClosed):
                    while True:
                        got.append(await socket.receive())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await socket.ping()
                await socket.send("between")
                async with trio.open_nursery() as pings:
                    for _ in range(5):
                        pings.start_soon(socket.ping)
                await until(lambda: bool(got))
                nursery.cancel_scope.cancel()
        assert got == ["between"]


@ALL
async def test_a_ping_does_not_lose_what_comes_meanwhile(kind: Kind) -> None:
    async def talk(socket: WebSocket) -> None:
        for number in range(30):
            await socket.send(f"{number}")
        await echo(socket)

    async with serving(kind, talk) as server, server.dial() as socket:
        with trio.fail_after(2):
            await socket.ping()
            assert [await socket.receive() for _ in range(30)] == [f"{number}" for number in range(30)]


async def ping_on(socket: WebSocket) -> None:
    while True:
        await socket.ping()


@ALL
async def test_a_ping_ends_with_the_connection(kind: Kind) -> None:
    async def leave(socket: WebSocket) -> None:
        await socket.receive()
        await trio.aclose_forcefully(socket._stream)

    if kind in {Kind.LIBRARY, Kind.DIRECT_SERVER, Kind.LIBRARY_TLS, Kind.TLS_SERVER}:
        pytest.skip("trio-websocket goes on to wait; who pings has a deadline")
    async with serving(kind, leave) as server, server.dial() as socket:
        await socket.send("leave")
        # The first may have been answered before.
        with trio.fail_after(2), pytest.raises(SocketClosed):
            await ping_on(socket)


@ALL
async def test_closing_wakes_the_task_that_receives(kind: Kind) -> None:
    async with serving(kind, echo) as server, server.dial() as socket:
        woken = trio.Event()

        async def read() -> None:
            with pytest.raises(SocketClosed):
                await socket.receive()
            woken.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.01)
            with trio.fail_after(2):
                await socket.aclose(4000)
                await woken.wait()


@ALL
async def test_closing_wakes_the_task_that_receives_though_the_peer_is_deaf(kind: Kind) -> None:
    if kind is Kind.LOCKSTEP:
        pytest.skip("the close frame itself waits for the peer")
    async with serving(kind, deaf) as server, server.dial() as socket:
        woken = trio.Event()

        async def read() -> None:
            with pytest.raises(SocketClosed):
                await socket.receive()
            woken.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.01)
            began = trio.current_time()
            nursery.start_soon(socket.aclose, 4000)
            with trio.fail_after(CLOSE_TIMEOUT / 2):
                await woken.wait()
        assert trio.current_time() - began < CLOSE_TIMEOUT + 0.4


@ALL
async def test_a_close_is_out_before_the_task_that_receives_ends_the_one_that_closes(kind: Kind) -> None:
    async def leave(socket: WebSocket) -> None:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with suppress(SocketClosed):
                    await socket.receive()
                nursery.cancel_scope.cancel()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await socket.send("the reason")
            await socket.aclose(4000)

    for _ in range(10):
        async with serving(kind, leave) as server, server.dial() as socket:
            assert await socket.receive() == "the reason"
            with pytest.raises(SocketClosed) as caught:
                await socket.receive()
            assert caught.value.code == 4000


@ALL
async def test_a_cancelled_receive_loses_nothing(kind: Kind) -> None:
    async with serving(kind, echo) as server, server.dial() as socket:
        for number in range(20):
            with trio.move_on_after(0.002):
                await socket.receive()
                raise AssertionError("nothing was sent")
            await socket.send(f"{number}")
            with trio.fail_after(2):
                assert await socket.receive() == f"{number}"


@ALL
async def test_a_message_over_the_limit_closes_with_1009(kind: Kind) -> None:
    if kind is Kind.MESSAGES:
        pytest.skip("messages in memory have no limit")
    async with serving(kind, echo, max_message=1000) as server, server.dial() as socket:
        await socket.send("x" * 1000)
        assert await socket.receive() == "x" * 1000
        await socket.send(b"x" * 1001)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.clean) == (1009, False)


@ALL
async def test_a_cancelled_owner_says_goodbye(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    # Enough on a busy machine.
    monkeypatch.setattr(_websocket, "GOODBYE_TIMEOUT", 1.0)
    seen: list[int] = []
    done = trio.Event()

    async def listen(socket: WebSocket) -> None:
        try:
            await socket.receive()
        except SocketClosed as error:
            seen.append(error.code)
            done.set()

    async with serving(kind, listen) as server:
        with trio.CancelScope() as scope:
            async with server.dial():
                await server.accepted()
                scope.cancel()
                await trio.sleep_forever()
        with trio.fail_after(1):
            await done.wait()
        assert seen == [1001]


@ALL
async def test_a_cancelled_owner_waits_for_nobody(kind: Kind) -> None:
    began = 0.0
    async with serving(kind, deaf) as server:
        with trio.CancelScope() as scope:
            async with server.dial():
                began = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() - began < GOODBYE_TIMEOUT + 0.3


@ALL
async def test_an_error_in_the_body_comes_out_bare(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        with pytest.raises(KeyError, match="mine"):
            async with server.dial():
                raise KeyError("mine")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.secure], ids=lambda kind: kind.name)
async def test_a_server_that_is_not_trusted_is_a_permanent_failure(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(server.network, server.url):
                raise AssertionError("opened")
        assert (caught.value.kind, caught.value.permanent) == (DialFailure.TLS, True)
        async with server.dial() as socket:
            await socket.send("others are served")
            assert await socket.receive() == "others are served"
