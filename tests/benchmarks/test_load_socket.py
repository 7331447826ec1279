"""The sockets of the load speak WebSocket as it is."""

import contextlib
import os
import select
import socket
from collections.abc import Generator

import attrs
import pytest
import trio
import trio_websocket
from hypothesis import given, strategies as st

from load_loop import Loop, clock
from load_socket import PING, TEXT, LoadListener, LoadSocket, connect, frame, unmask

PATIENCE = 10.0

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")


@attrs.define(eq=False)
class Receiver:
    """Writes down what happens."""

    opened: bool = False
    messages: list[bytes] = attrs.field(factory=list[bytes])
    closed: str = ""

    def on_open(self) -> None:
        self.opened = True

    def on_message(self, payload: bytes) -> None:
        self.messages.append(payload)

    def on_closed(self, reason: str) -> None:
        self.closed = reason


@attrs.define(eq=False)
class Pair:
    loop: Loop
    client: LoadSocket
    client_seen: Receiver
    server: LoadSocket
    server_seen: Receiver

    def wait(self, condition: object) -> None:
        assert callable(condition)
        assert self.loop.run_until(clock() + PATIENCE, lambda: bool(condition()))


@pytest.fixture
def loop() -> Generator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def pair(loop: Loop) -> Generator[Pair]:
    seen = Receiver(), Receiver()
    servers: list[LoadSocket] = []

    def welcome(sock: socket.socket) -> None:
        servers.append(LoadSocket(loop, sock, seen[1], None))

    listener = LoadListener(loop, welcome)
    client = connect(loop, "127.0.0.1", listener.port, "/", seen[0])
    assert loop.run_until(clock() + PATIENCE, lambda: seen[0].opened and seen[1].opened)
    yield Pair(loop, client, seen[0], servers[0], seen[1])
    client.drop()
    servers[0].drop()
    listener.close()


@given(payload=st.binary(max_size=300), key=st.binary(min_size=4, max_size=4))
def test_unmasking_is_the_exclusive_or_with_the_key(payload: bytes, key: bytes) -> None:
    assert unmask(payload, key) == bytes(octet ^ key[index % 4] for index, octet in enumerate(payload))


@pytest.mark.parametrize("n_octets", [0, 1, 125, 126, 65535, 65536, 300_000])
def test_messages_of_all_lengths_go_both_ways(pair: Pair, n_octets: int) -> None:
    payload = os.urandom(n_octets)
    pair.client.send(payload)
    pair.server.send(payload)
    pair.wait(lambda: pair.client_seen.messages and pair.server_seen.messages)
    assert pair.client_seen.messages == pair.server_seen.messages == [payload]


def test_many_messages_keep_their_order_where_the_peer_is_slow(pair: Pair) -> None:
    payloads = [bytes([number]) * 50_000 for number in range(200)]
    for payload in payloads:
        pair.client.send(payload)
    pair.wait(lambda: len(pair.server_seen.messages) == len(payloads))
    assert pair.server_seen.messages == payloads


def test_a_message_in_fragments_is_one(pair: Pair) -> None:
    # FIN is the first bit; a continuation has the opcode 0.
    first = bytes((TEXT, 0x80 | 3)) + bytes(4) + b"one"
    ping = frame(PING, b"?", masked=True)
    last = bytes((0x80, 0x80 | 4)) + bytes(4) + b" two"
    pair.client._write(first + ping + last)
    pair.wait(lambda: pair.server_seen.messages)
    assert pair.server_seen.messages == [b"one two"]


def test_a_close_closes_both_ends(pair: Pair) -> None:
    pair.client.close()
    pair.wait(lambda: pair.client_seen.closed and pair.server_seen.closed)
    assert pair.client.closed
    assert pair.server.closed
    # Nothing happens any more.
    pair.client.send(b"late")


def test_a_peer_that_goes_away_is_noticed(pair: Pair) -> None:
    pair.server.drop()
    pair.wait(lambda: pair.client_seen.closed)
    assert pair.client_seen.closed == "end of stream"


def test_nobody_listens(loop: Loop) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    seen = Receiver()
    connect(loop, "127.0.0.1", port, "/", seen)
    assert loop.run_until(clock() + PATIENCE, lambda: bool(seen.closed))
    assert "refused" in seen.closed.lower()


def test_what_is_no_upgrade_is_dropped(loop: Loop) -> None:
    seen = Receiver()
    listener = LoadListener(loop, lambda sock: void(LoadSocket(loop, sock, seen, None)))
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert loop.run_until(clock() + PATIENCE, lambda: bool(seen.closed))
    assert seen.closed == "not an upgrade"
    listener.close()


def void(value: object) -> None:
    del value


def test_a_refusal_is_told_with_its_status(loop: Loop) -> None:
    seen = Receiver()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect(loop, "127.0.0.1", server.getsockname()[1], "/", seen)
        loop.run_until(clock() + 0.05)
        sock, _ = server.accept()
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        assert loop.run_until(clock() + PATIENCE, lambda: bool(seen.closed))
        sock.close()
    assert seen.closed == "refused with 503"


async def test_another_implementation_understands_it() -> None:
    """A server of trio-websocket and a client of ours, in a thread of its own."""

    async def echo(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        # It ends by the client's goodbye, or by the cancellation below: whichever comes first.
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            while True:
                await connection.send_message(await connection.get_message())

    def run(port: int) -> list[bytes]:
        loop, seen = Loop(), Receiver()
        client = connect(loop, "127.0.0.1", port, "/", seen)
        loop.run_until(clock() + PATIENCE, lambda: seen.opened)
        for text in ("hello", "x" * 70_000):
            client.send(text.encode())
        loop.run_until(clock() + PATIENCE, lambda: len(seen.messages) == 2)
        client.close()
        loop.run_until(clock() + PATIENCE, lambda: bool(seen.closed))
        loop.close()
        return seen.messages

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, echo, "127.0.0.1", 0, None)
        messages = await trio.to_thread.run_sync(run, server.port)
        nursery.cancel_scope.cancel()
    assert messages == [b"hello", b"x" * 70_000]


def test_timers_fire_in_order_and_say_how_late(loop: Loop) -> None:
    fired: list[int] = []
    now = clock()
    loop.lateness = []
    for number in (3, 1, 2):
        loop.at(now + number / 1000, fired.append, number)
    assert loop.run_until(now + PATIENCE, lambda: len(fired) == 3)
    assert fired == [1, 2, 3]
    assert len(loop.lateness) == 3
    assert min(loop.lateness) >= 0
    assert not loop.run_until(clock())
