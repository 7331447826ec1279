"""What a WebSocket does with the octets of a peer, good and bad (RFC 6455)."""

import random

import pytest
import trio
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from callboard.actors._websocket import DialFailed, DialFailure, SocketClosed, WebSocket, open_websocket

from .websocket_kit import DirectMemory, Kind, RawClient, Server, echo, serving, until

OCTETS = pytest.mark.parametrize(
    "kind", [Kind.LIBRARY, Kind.DIRECT, Kind.DIRECT_TLS, Kind.MEMORY], ids=lambda kind: kind.name
)
TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


async def client_of(server: Server, behind: bytes = b"") -> RawClient:
    client = RawClient(await server.raw())
    await client.shake_hands(behind)
    return client


@OCTETS
async def test_fragments_are_one_message_and_control_frames_come_between(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        client = await client_of(server)
        async with client.stream:
            await client.send(
                Frame(TEXT, "\u4e2d".encode()[:1], fin=False),
                Frame(PING, b"are you there"),
                Frame(CONT, "\u4e2d".encode()[1:], fin=False),
                Frame(CONT, b"", fin=False),
                Frame(CONT, b"!", fin=True),
                Frame(BINARY, b"whole"),
            )
            frames = await client.frames(3)
            assert (PONG, b"are you there") in frames
            assert [frame for frame in frames if frame[0] is not PONG] == [
                (TEXT, "\u4e2d!".encode()),
                (BINARY, b"whole"),
            ]


@OCTETS
async def test_octets_may_come_one_by_one(kind: Kind) -> None:
    async with serving(kind, echo) as server:
        client = await client_of(server)
        async with client.stream:
            octets = b"".join(
                frame.serialize(mask=True)
                for frame in (
                    Frame(TEXT, b"one"),
                    Frame(PING, b"p"),
                    Frame(BINARY, b"2" * 200),
                    Frame(TEXT, b""),
                )
            )
            for at in range(len(octets)):
                await client.send(octets[at : at + 1])
            frames = await client.frames(4)
            assert sorted(frames) == sorted([(TEXT, b"one"), (PONG, b"p"), (BINARY, b"2" * 200), (TEXT, b"")])


@OCTETS
async def test_frames_right_behind_the_request_are_not_lost(kind: Kind) -> None:
    if kind is Kind.LIBRARY:
        pytest.skip("trio-websocket drops them")
    async with serving(kind, echo) as server:
        first, second = (
            Frame(TEXT, b"early").serialize(mask=True),
            Frame(BINARY, b"bird").serialize(mask=True),
        )
        client = await client_of(server, behind=first + second[:3])
        async with client.stream:
            await client.send(second[3:])
            assert await client.frames(2) == [(TEXT, b"early"), (BINARY, b"bird")]


@OCTETS
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(TEXT, b"\xff\xfe")], 1007),
        ([Frame(TEXT, b"\xc3", fin=False), Frame(CONT, b"(")], 1007),
        ([Frame(TEXT, b"a", rsv1=True)], 1002),
        ([b"\x83\x80\x00\x00\x00\x00"], 1002),  # an opcode that nobody has defined
        ([Frame(PING, b"x", fin=False)], 1002),
        ([b"\x89\xfe\x00\x80" + b"\x00" * 132], 1002),  # a ping with 128 octets
        ([Frame(CONT, b"of nothing")], 1002),
        ([Frame(TEXT, b"a", fin=False), Frame(TEXT, b"b")], 1002),
        ([Frame(CLOSE, b"\x03")], 1002),
        ([Frame(CLOSE, b"\x03\xed")], 1002),  # 1005 must not travel
        ([Frame(CLOSE, b"\x03\xe8\xff")], 1007),
        ([Frame(TEXT, b"x" * 1001)], 1009),
        ([Frame(BINARY, b"x" * 70_000)], 1009),
        ([b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"], 1009),  # half the octets of the world
        ([Frame(TEXT, b"x" * 600, fin=False), Frame(CONT, b"x" * 600)], 1009),
        ([Frame(CLOSE, b"")], 1005),
    ],
    ids=range(16),
)
async def test_what_breaks_the_rules_is_answered_with_its_code(
    kind: Kind, frames: list[Frame | bytes], code: int
) -> None:
    seen: list[SocketClosed] = []

    async def listen(socket: WebSocket) -> None:
        try:
            await socket.receive()
            raise AssertionError("a message")
        except SocketClosed as error:
            seen.append(error)

    class Unchecked(Frame):
        def check(self) -> None:
            pass

    octets = [
        part
        if isinstance(part, bytes)
        else Unchecked(part.opcode, part.data, part.fin, part.rsv1).serialize(mask=True)
        for part in frames
    ]
    if kind is Kind.LIBRARY and code != 1005:
        pytest.skip("trio-websocket has its own opinion about some")
    async with serving(kind, listen, max_message=1000) as server:
        client = await client_of(server)
        async with client.stream:
            await client.send(*octets)
            answer = await client.close_code()
            await until(lambda: bool(seen))
    assert (answer, seen[0].code) == (code, code)


@OCTETS
async def test_frames_of_a_client_must_be_masked(kind: Kind) -> None:
    if kind is Kind.LIBRARY:
        pytest.skip("trio-websocket closes without a code")
    async with serving(kind, echo) as server:
        client = await client_of(server)
        async with client.stream:
            await client.send(Frame(TEXT, b"bare"), masked=False)
            assert await client.close_code() == 1002


@pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.DIRECT_TLS], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "frame", [Frame(CLOSE, b"\x03\xe8"), Frame(TEXT, b"\xff")], ids=["asked to", "at an error"]
)
async def test_a_server_ends_the_stream_behind_its_close(kind: Kind, frame: Frame) -> None:
    async def stay(socket: WebSocket) -> None:
        with pytest.raises(SocketClosed):
            await socket.receive()
        await trio.sleep_forever()

    async with serving(kind, stay) as server:
        client = await client_of(server)
        async with client.stream:
            await client.send(frame)
            ((opcode, _),) = await client.frames(2)
            assert opcode is CLOSE
            with trio.fail_after(2):
                assert await client.stream.receive_some() == b""


@OCTETS
@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 100])
async def test_a_truncated_frame_is_1006(kind: Kind, length: int) -> None:
    seen: list[int] = []

    async def listen(socket: WebSocket) -> None:
        try:
            await socket.receive()
        except SocketClosed as error:
            seen.append(error.code)

    async with serving(kind, listen) as server:
        client = await client_of(server)
        await client.send(Frame(TEXT, b"x" * 200).serialize(mask=True)[:length])
        await trio.aclose_forcefully(client.stream)
        await until(lambda: bool(seen))
    assert seen == [1006]


@OCTETS
async def test_garbage_never_ends_the_server(kind: Kind) -> None:
    rng = random.Random(7)
    async with serving(kind, echo, handshake_timeout=1.0) as server:
        for _ in range(20):
            client = await client_of(server)
            async with client.stream:
                try:
                    await client.send(rng.randbytes(rng.randrange(1, 300)))
                    if isinstance(client.stream, trio.abc.HalfCloseableStream):
                        await client.stream.send_eof()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
        async with server.dial() as socket:
            await socket.send("still here")
            assert await socket.receive() == "still here"


@OCTETS
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"), b"4"),
        ((b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"X: y"), b"4"),
        ((b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Key: short"), b"4"),
        ((b"Connection: Upgrade", b"Connection: close"), b"4"),
    ],
)
async def test_a_request_that_is_no_handshake_is_refused(
    kind: Kind, change: tuple[bytes, bytes], status: bytes
) -> None:
    if kind is Kind.LIBRARY:
        pytest.skip("trio-websocket answers nothing")
    request = (
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with serving(kind, echo) as server:
        stream = await server.raw()
        async with stream:
            await stream.send_all(request.replace(*change))
            answer = await stream.receive_some()
            assert answer[9:10] == status
        assert not server.sockets


# The other side: what a client does with a server's octets


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: aHVzaA==\r\n\r\n",
        b"\x00" * 70_000,
        b"x" * 100_000 + b"\r\n\r\n",
        b"",
        b"HTTP/1.1 101 Swi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=range(8),
)
async def test_an_answer_that_is_none_is_a_protocol_failure(answer: bytes, autojump_clock: object) -> None:
    network = DirectMemory()
    async with trio.open_nursery() as nursery:
        (listener,) = await network.listen("127.0.0.1", 8000)

        async def serve() -> None:
            async with await listener.accept() as stream:
                await stream.receive_some()
                await stream.send_all(answer)

        nursery.start_soon(serve)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(
                network, "ws://127.0.0.1:8000/", headers=[("Authorization", "Bearer hush")]
            ):
                raise AssertionError("opened")
        assert (caught.value.kind, caught.value.permanent) == (DialFailure.PROTOCOL, False)
        assert "hush" not in str(caught.value)
        assert "aHVzaA" not in str(caught.value)
    assert not network.open_ends


async def test_a_head_without_an_end_is_given_up(autojump_clock: object) -> None:
    network = DirectMemory()
    async with trio.open_nursery() as nursery:
        (listener,) = await network.listen("127.0.0.1", 8000)

        async def serve() -> None:
            async with await listener.accept() as stream:
                await stream.receive_some()
                while True:
                    await stream.send_all(b"x" * 1000)
                    await trio.sleep(0.01)

        nursery.start_soon(serve)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(network, "ws://127.0.0.1:8000/"):
                raise AssertionError("opened")
        assert caught.value.kind is DialFailure.PROTOCOL
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cut", range(0, 60, 7))
async def test_a_refusal_may_come_in_pieces(cut: int, autojump_clock: object) -> None:
    answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nlater, ok"
    network = DirectMemory()
    async with trio.open_nursery() as nursery:
        (listener,) = await network.listen("127.0.0.1", 8000)

        async def serve() -> None:
            async with await listener.accept() as stream:
                await stream.receive_some()
                await stream.send_all(answer[:-cut])
                await trio.sleep(1)
                await stream.send_all(answer[-cut:])

        nursery.start_soon(serve)
        with pytest.raises(DialFailed) as caught:
            async with open_websocket(network, "ws://127.0.0.1:8000/"):
                raise AssertionError("opened")
        assert (caught.value.status, caught.value.body, caught.value.headers["retry-after"]) == (
            429,
            b"later, ok",
            "7",
        )
        assert not caught.value.permanent


@pytest.mark.parametrize("value", ["Bearer ", " x", "a\r\nInjected: 1", "a\x00b", "\u4e2d"])
async def test_a_header_that_cannot_be_sent_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ValueError, match="the header 'Authorization'") as caught:
        async with open_websocket(DirectMemory(), "ws://h/", headers=[("Authorization", value)]):
            pass
    assert value not in str(caught.value)


async def test_a_name_of_a_header_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="not a name of a header"):
        async with open_websocket(DirectMemory(), "ws://h/", headers=[("A b\r\nC", "x")]):
            pass


async def test_frames_right_behind_the_answer_are_not_lost(autojump_clock: object) -> None:
    network = DirectMemory()
    second = Frame(BINARY, b"bird").serialize(mask=False)
    async with trio.open_nursery() as nursery:
        (listener,) = await network.listen("127.0.0.1", 8000)

        async def serve() -> None:
            async with await listener.accept() as stream:
                request = bytes(await stream.receive_some())
                key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
                head = (
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
                )
                early = Frame(TEXT, b"early").serialize(mask=False)
                await stream.send_all(head.encode() + early + second[:3])
                await trio.sleep(1)
                await stream.send_all(second[3:])
                await trio.sleep(1)

        nursery.start_soon(serve)
        async with open_websocket(network, "ws://127.0.0.1:8000/") as socket:
            assert [await socket.receive(), await socket.receive()] == ["early", b"bird"]


async def test_a_pong_answers_its_ping_and_those_before_it(autojump_clock: object) -> None:
    answered: list[int] = []

    async def ping_thrice(socket: WebSocket) -> None:
        async def ping(number: int) -> None:
            await socket.ping()
            answered.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ping, number)
                await trio.sleep(1)

    async with serving(Kind.MEMORY, ping_thrice) as server:
        client = await client_of(server)
        async with client.stream:
            pings = await client.frames(3)
            assert [opcode for opcode, _ in pings] == [PING] * 3
            await client.send(Frame(PONG, b"nobody asked"))
            await trio.sleep(1)
            assert not answered
            await client.send(Frame(PONG, pings[1][1]))
            await trio.sleep(1)
            assert sorted(answered) == [0, 1]
            await client.send(Frame(PONG, pings[2][1]))
            await trio.sleep(1)
            assert sorted(answered) == [0, 1, 2]
