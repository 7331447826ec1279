"""WebSockets whose peer does not keep up: nothing is lost, torn, or out of order, and nobody waits who must not."""

import socket as sockets
from collections.abc import Callable

import pytest
import trio
from websockets.frames import Frame, Opcode

from callboard.actors._direct_connection import MAX_BACKLOG, DirectConnection
from callboard.actors._direct_stream import DirectStream
from callboard.actors._direct_tls import DirectTlsStream
from callboard.actors._message_stream import CAPACITY
from callboard.actors._websocket import CLOSE_TIMEOUT, SocketClosed, WebSocket

from .websocket_kit import Kind, RawClient, deaf, echo, serving, until

ALL = pytest.mark.parametrize(
    "kind", [kind for kind in Kind if kind is not Kind.MEMORY], ids=lambda k: k.name
)
PROMPT = pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.DIRECT_TLS], ids=lambda kind: kind.name)


def narrow(socket: WebSocket) -> None:
    """Give its TCP connection the smallest send buffer."""
    stream = socket._stream
    if isinstance(stream, DirectTlsStream):
        stream = stream.transport
    assert isinstance(stream, DirectStream)
    stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)


class Gated:
    """A server's handler that reads once its gate is open."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.got: list[str | bytes] = []

    async def __call__(self, socket: WebSocket) -> None:
        await self.gate.wait()
        try:
            while True:
                self.got.append(await socket.receive())
        except SocketClosed:
            pass


def fill(socket: WebSocket, message: Callable[[int], str | bytes]) -> list[str | bytes]:
    """Send until it would have to wait; returns what was accepted."""
    accepted: list[str | bytes] = []
    while socket.send_nowait(message(len(accepted))):
        accepted.append(message(len(accepted)))
    return accepted


def numbered(first: int, size: int) -> Callable[[int], str]:
    """Messages of a size, each with its number."""
    return lambda n: f"{first + n}:".ljust(size, "x")


@ALL
async def test_a_peer_that_does_not_read_holds_up_the_sender(kind: Kind) -> None:
    async with serving(kind, deaf) as server, server.dial() as socket:
        with trio.move_on_after(0.3) as scope:
            while True:
                await socket.send("x" * 100_000)
        assert scope.cancelled_caught
        with pytest.raises(SocketClosed):
            await socket.send("after a cancelled send")
        assert socket.closed or kind is Kind.MESSAGES


@PROMPT
@pytest.mark.parametrize("size", [200, 3000, 50_000])
async def test_what_was_accepted_arrives_whole_and_in_order(kind: Kind, size: int) -> None:
    gated = Gated()
    async with serving(kind, gated) as server, server.dial() as socket:
        narrow(socket)
        sent: list[str | bytes] = []
        for _ in range(5):
            sent += fill(socket, numbered(len(sent), size))
            await trio.sleep(0.005)  # what the peer's buffers took meanwhile
        assert sent
        assert socket.statistics().messages_sent == len(sent)
        gated.gate.set()
        async with trio.open_nursery() as nursery:
            for name in ("a", "b", "c"):
                nursery.start_soon(socket.send, name * size)
        assert socket.statistics().messages_sent == len(sent) + 3
        await until(lambda: socket.send_nowait("at last"))
        await until(lambda: gated.got[-1:] == ["at last"])
        assert gated.got[: len(sent)] == sent
        assert sorted(gated.got[len(sent) : -1]) == [name * size for name in ("a", "b", "c")]


@PROMPT
async def test_nothing_is_accepted_behind_a_rest_or_a_task_that_waits(kind: Kind) -> None:
    gated = Gated()
    async with serving(kind, gated) as server, server.dial() as socket:
        narrow(socket)
        sent = fill(socket, lambda n: bytes(100_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.send, b"first")
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.start_soon(socket.send, b"second")
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not socket.send_nowait(b"pushes in")
            gated.gate.set()
        await until(lambda: len(gated.got) == len(sent) + 2)
        assert gated.got[-2:] == [b"first", b"second"]


@PROMPT
async def test_many_senders_tear_no_frame(kind: Kind) -> None:
    gated = Gated()
    async with serving(kind, gated) as server, server.dial() as socket:
        narrow(socket)

        async def send(name: int) -> None:
            for _ in range(10):
                if not socket.send_nowait(f"{name}" * 20_000):
                    await socket.send(f"{name}" * 20_000)

        async with trio.open_nursery() as nursery:
            for name in range(8):
                nursery.start_soon(send, name)
            await trio.testing.wait_all_tasks_blocked(0.01)
            gated.gate.set()
        await until(lambda: len(gated.got) == 80)
        assert sorted(gated.got, key=str) == sorted(
            f"{name}" * 20_000 for name in range(8) for _ in range(10)
        )


@PROMPT
async def test_a_rest_goes_out_though_nobody_waits_for_it(kind: Kind) -> None:
    gated = Gated()
    async with serving(kind, gated) as server, server.dial() as socket:
        narrow(socket)
        sent = fill(socket, lambda n: bytes(100_000))
        gated.gate.set()
        await until(lambda: len(gated.got) == len(sent))


@PROMPT
async def test_a_close_comes_behind_the_rest(kind: Kind) -> None:
    gated = Gated()
    closed: list[int] = []

    async def listen(socket: WebSocket) -> None:
        await gated(socket)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        closed.append(caught.value.code)

    async with serving(kind, listen) as server, server.dial() as socket:
        narrow(socket)
        sent = fill(socket, lambda n: bytes(100_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.aclose, 4000)
            await trio.testing.wait_all_tasks_blocked(0.01)
            gated.gate.set()
        await until(lambda: closed == [4000])
        assert len(gated.got) == len(sent)


@PROMPT
async def test_a_close_does_not_wait_for_a_peer_that_does_not_read(kind: Kind) -> None:
    async with serving(kind, deaf) as server, server.dial() as socket:
        narrow(socket)
        fill(socket, lambda n: bytes(100_000))
        began = trio.current_time()
        await socket.aclose()
        assert CLOSE_TIMEOUT - 0.1 < trio.current_time() - began < CLOSE_TIMEOUT + 0.4
        with pytest.raises(SocketClosed):
            socket.send_nowait(b"x")


@PROMPT
async def test_senders_that_wait_learn_that_the_socket_is_closed(kind: Kind) -> None:
    async with serving(kind, deaf) as server, server.dial() as socket:
        narrow(socket)
        fill(socket, lambda n: bytes(100_000))
        ended: list[int] = []

        async def send() -> None:
            with pytest.raises(SocketClosed) as caught:
                await socket.send(b"x")
            ended.append(caught.value.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.start_soon(socket.aclose, 4000)
        assert ended == [4000, 4000]


@PROMPT
async def test_a_peer_that_goes_away_under_a_rest(kind: Kind) -> None:
    async def leave(socket: WebSocket) -> None:
        await trio.sleep(0.05)
        await trio.aclose_forcefully(socket._stream)

    async with serving(kind, leave) as server, server.dial() as socket:
        narrow(socket)
        fill(socket, lambda n: bytes(100_000))
        with trio.fail_after(2), pytest.raises(SocketClosed) as caught:
            await socket.send(b"x")
        assert caught.value.code == 1006
        with pytest.raises(SocketClosed):
            socket.send_nowait(b"x")
        with trio.fail_after(2), pytest.raises(SocketClosed):
            await socket.receive()
        assert socket.closed


@PROMPT
async def test_a_cancelled_send_cuts_the_stream(kind: Kind) -> None:
    async with serving(kind, deaf) as server, server.dial() as socket:
        narrow(socket)
        with trio.move_on_after(0.02) as scope:
            await socket.send(bytes(10_000_000))
        assert scope.cancelled_caught
        for _ in range(2):
            with pytest.raises(SocketClosed) as caught:
                socket.send_nowait(b"x")
            assert caught.value.code == 1006


async def send_on(socket: WebSocket) -> None:
    """Send to a peer that does not read any more, until that shows."""
    while True:
        await socket.send("x")
        await trio.sleep(0.002)


@PROMPT
async def test_what_a_peer_said_before_it_broke_the_connection_is_read(kind: Kind) -> None:
    async def last_words(socket: WebSocket) -> None:
        await socket.receive()
        await socket.send("last words")
        await socket.aclose(4000, "gone")

    async with serving(kind, last_words) as server, server.dial() as socket:
        await socket.send("go on")
        await trio.sleep(0.05)
        with pytest.raises(SocketClosed):
            await send_on(socket)
        assert await socket.receive() == "last words"
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.reason) == (4000, "gone")


@pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.DIRECT_TLS, Kind.MEMORY], ids=lambda kind: kind.name)
async def test_pings_of_a_peer_that_does_not_read_do_not_pile_up(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        client = RawClient(await server.raw())
        await client.shake_hands()
        if kind is Kind.MEMORY:
            return  # never full
        async with client.stream:
            pings = Frame(Opcode.PING, b"p" * 125).serialize(mask=True) * 100
            with trio.move_on_after(1) as scope:
                for _ in range(10_000):
                    await client.stream.send_all(pings)
            assert scope.cancelled_caught
            connection = server.sockets[0]._connection
            assert isinstance(connection, DirectConnection)
            assert len(connection._pending) < MAX_BACKLOG + 200_000


async def test_other_transports_accept_nothing_without_waiting() -> None:
    for kind in (Kind.LIBRARY, Kind.MEMORY):
        async with serving(kind, echo) as server, server.dial() as socket:
            assert not socket.send_nowait("x")
            assert socket.statistics().messages_sent == 0


async def test_a_reader_that_does_not_read_is_read_from_no_further(autojump_clock: object) -> None:
    async with serving(Kind.MESSAGES, deaf) as server, server.dial() as socket:
        assert len(fill(socket, lambda n: b"x")) == CAPACITY
