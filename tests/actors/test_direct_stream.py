"""TCP and TLS streams of our own behave as Trio's do."""

import functools
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import check_half_closeable_stream, check_two_way_stream

from callboard.actors._direct_stream import DirectStream, StreamWire
from callboard.actors._direct_tls import DirectTlsStream
from callboard.actors._network import TcpNetwork, WebSockets, bound_port

from .websocket_kit import contexts

DIRECT = TcpNetwork(WebSockets.DIRECT)
Pair = tuple[DirectStream, DirectStream]


async def tcp_pair() -> Pair:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return DirectStream(client), DirectStream(server)


async def small_pair() -> Pair:
    first, second = await tcp_pair()
    for end in (first, second):
        end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return first, second


async def clogged_pair() -> Pair:
    first, second = await tcp_pair()
    for end in (first, second):
        # Sizes that are set stay as they are, so what is full is full for good.
        end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
        end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    quiet = 0
    while quiet < 3:
        quiet = 0 if clog(first) + clog(second) else quiet + 1
        await trio.sleep(0.02)
    return first, second


def clog(stream: DirectStream) -> int:
    """Fill a connection; returns with how many octets."""
    n = 0
    while sent := stream.send_nowait(bytes(65536)):
        n += sent
    return n


async def tls_pair(
    maker: Callable[[], Awaitable[Pair]] = tcp_pair, *, tickets: int = 2
) -> tuple[DirectTlsStream, DirectTlsStream]:
    first, second = await maker()
    server, client = contexts(tickets)
    return (
        DirectTlsStream(first, client, server_hostname="127.0.0.1"),
        DirectTlsStream(second, server, server_side=True),
    )


async def shaken_pair(
    maker: Callable[[], Awaitable[Pair]] = tcp_pair,
) -> tuple[DirectTlsStream, DirectTlsStream]:
    first, second = await tls_pair(maker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.do_handshake)
        nursery.start_soon(second.do_handshake)
    return first, second


async def test_tcp_keeps_the_rules_of_a_stream() -> None:
    await check_half_closeable_stream(tcp_pair, clogged_pair)


async def test_tls_keeps_the_rules_of_a_stream() -> None:
    await check_two_way_stream(functools.partial(tls_pair, tickets=0), None)


async def test_connections_of_the_network_have_no_delay() -> None:
    (listener,) = await DIRECT.listen("127.0.0.1", 0)
    async with listener, trio.open_nursery() as nursery:
        accepted: list[trio.abc.Stream] = []

        async def accept() -> None:
            accepted.append(await listener.accept())

        nursery.start_soon(accept)
        ours = await DIRECT.connect("127.0.0.1", bound_port(listener))
        await trio.testing.wait_all_tasks_blocked(0.01)
        for stream in (ours, *accepted):
            assert isinstance(stream, DirectStream)
            assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not stream.socket.get_inheritable()
            await stream.aclose()


async def test_a_write_of_what_fits_is_done_at_once_and_in_one_piece() -> None:
    first, second = await tcp_pair()
    async with first, second:
        assert first.send_nowait(b"hello") == 5
        assert first.send_nowait(b"") == 0
        assert second.socket.recv(100) == b"hello"


async def test_what_does_not_fit_is_not_taken() -> None:
    first, second = await small_pair()
    async with first, second:
        n = clog(first)
        assert first.send_nowait(b"x") == 0
        got = 0
        while got < n:
            got += len(await second.receive_some())
        assert got == n


async def test_reading_takes_as_much_as_is_asked_for() -> None:
    first, second = await tcp_pair()
    async with first, second:
        await first.send_all(b"x" * 50_000)
        assert len(await second.receive_some(7)) == 7
        got = 7
        while got < 50_000:
            got += len(await second.receive_some(1000))
        with pytest.raises(ValueError, match="at least 1"):
            await second.receive_some(0)
        # All that was read filled its buffer, and nothing is there any more.
        with trio.move_on_after(0.01) as waiting:
            await second.receive_some()
        assert waiting.cancelled_caught


async def test_an_interrupted_reader_comes_out_and_a_writer_does_not() -> None:
    first, second = await small_pair()
    async with first, second:
        read, written = trio.Event(), trio.Event()

        async def reader() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await first.receive_some()
            read.set()

        async def writer() -> None:
            await first.send_all(bytes(1_000_000))
            written.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader)
            nursery.start_soon(writer)
            await trio.testing.wait_all_tasks_blocked(0.01)
            first.interrupt()
            await read.wait()
            got = 0
            while got < 1_000_000:
                got += len(await second.receive_some(65536))
            await written.wait()
        await second.send_all(b"still")
        assert await first.receive_some() == b"still"


async def test_a_reset_is_a_broken_stream() -> None:
    first, second = await tcp_pair()
    async with first:
        second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await second.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await first.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await first.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            first.send_nowait(b"x")


async def test_a_closed_stream_says_so() -> None:
    first, second = await tcp_pair()
    await first.aclose()
    first.interrupt()
    first.end_sending()
    with pytest.raises(trio.ClosedResourceError):
        first.send_nowait(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await first.receive_some()
    await second.aclose()


async def test_other_streams_send_nothing_without_waiting_and_can_be_interrupted() -> None:
    first, second = trio.testing.memory_stream_pair()
    wire = StreamWire(first)
    assert (wire.prompt, wire.clogged, wire.send_nowait(b"x")) == (False, False, 0)
    wire.interrupt()  # nobody reads
    async with trio.open_nursery() as nursery:

        async def reader() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await wire.receive_some()

        nursery.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        wire.interrupt()
    await wire.send_all(b"out")
    assert await second.receive_some() == b"out"
    await second.send_all(b"in")
    assert await wire.receive_some() == b"in"


async def test_tls_sends_at_once_what_fits() -> None:
    first, second = await shaken_pair()
    async with first, second:
        assert first.send_nowait(b"a" * 1000) == 1000
        assert first.send_nowait(b"b" * 1000) == 1000
        assert not first.clogged
        assert await second.receive_some() == b"a" * 1000 + b"b" * 1000


async def test_tls_sends_nothing_before_its_handshake() -> None:
    first, second = await tls_pair()
    async with first, second:
        assert first.send_nowait(b"x") == 0


async def test_tls_that_is_clogged_takes_nothing_more_and_loses_nothing() -> None:
    first, second = await shaken_pair(small_pair)
    async with first, second:
        n = 0
        while not first.clogged:
            n += first.send_nowait(b"x" * 10_000)
        assert first.send_nowait(b"x") == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.send_all, b"the end")
            got = b""
            while not got.endswith(b"the end"):
                got += await second.receive_some()
        assert got == b"x" * n + b"the end"
        assert not first.clogged


async def test_tls_whose_write_was_cancelled_is_broken() -> None:
    first, second = await shaken_pair(small_pair)
    async with first, second:
        with trio.move_on_after(0.02) as cut:
            await first.send_all(bytes(1_000_000))
        assert cut.cancelled_caught
        with pytest.raises(trio.BrokenResourceError):
            await first.send_all(b"x")


async def test_a_certificate_that_is_not_trusted_fails_the_handshake() -> None:
    first, second = await tcp_pair()
    client = DirectTlsStream(first, ssl.create_default_context(), server_hostname="127.0.0.1")
    server = DirectTlsStream(second, contexts()[0], server_side=True)
    async with client, server, trio.open_nursery() as nursery:

        async def serve() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.receive_some()

        nursery.start_soon(serve)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.send_all(b"x")
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


async def test_a_host_that_the_certificate_does_not_name_fails_the_handshake() -> None:
    first, second = await tcp_pair()
    server_context, client_context = contexts()
    client = DirectTlsStream(first, client_context, server_hostname="elsewhere.example")
    server = DirectTlsStream(second, server_context, server_side=True)
    async with client, server, trio.open_nursery() as nursery:

        async def serve() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.receive_some()

        nursery.start_soon(serve)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.do_handshake()
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.parametrize("goodbye", [True, False])
async def test_tls_that_ends_is_at_its_end_with_or_without_a_goodbye(goodbye: bool) -> None:
    first, second = await shaken_pair()
    async with first:
        second.send_nowait(b"last")
        if goodbye:
            second.end_sending()
        await second.aclose()
        assert await first.receive_some() == b"last"
        assert await first.receive_some() == b""
        assert await first.receive_some() == b""


async def test_a_goodbye_is_the_end_though_the_connection_stays_open() -> None:
    first, second = await shaken_pair()
    async with first, second:
        with trio.fail_after(2):
            second.end_sending()
            assert [await first.receive_some() for _ in range(3)] == [b""] * 3
            # One that comes in the same read as data.
            first.send_nowait(b"last")
            first.end_sending()
            await trio.sleep(0.01)
            assert [await second.receive_some() for _ in range(3)] == [b"last", b"", b""]


async def test_what_is_sealed_while_others_wait_goes_behind_them() -> None:
    first, second = await shaken_pair(small_pair)
    async with first, second:
        while not first.clogged:
            first.send_nowait(b"x" * 10_000)
        first._write(b"a reply of the protocol")
        got = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.send_all, b", the end")
            while not got.endswith(b", the end"):
                got += await second.receive_some()
        assert got.endswith(b"xa reply of the protocol, the end")


async def test_garbage_breaks_tls() -> None:
    first, second = await shaken_pair()
    async with first, second:
        second.transport.send_nowait(b"\x17\x03\x03\x00\x05hello")
        with pytest.raises(trio.BrokenResourceError):
            await first.receive_some()


async def test_a_plain_peer_breaks_the_handshake() -> None:
    first, second = await tcp_pair()
    client = DirectTlsStream(first, contexts()[1], server_hostname="127.0.0.1")
    async with client, second:
        second.send_nowait(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.do_handshake()
        assert isinstance(caught.value.__cause__, ssl.SSLError)


@pytest.mark.parametrize("size", [1, 16384, 16385, 300_000])
async def test_tls_carries_any_size(size: int) -> None:
    first, second = await shaken_pair()
    async with first, second, trio.open_nursery() as nursery:
        nursery.start_soon(functools.partial(first.send_all, b"z" * size))
        got = 0
        while got < size:
            part = await second.receive_some(1000 if size < 20_000 else None)
            assert part.count(b"z") == len(part)
            got += len(part)
        assert got == size
