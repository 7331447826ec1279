"""A direct connection above a wire that does as it is told."""

import pytest
import trio
from trio_websocket import ConnectionClosed
from websockets.protocol import Protocol, Side

from callboard.actors._direct_connection import DirectConnection
from callboard.actors._direct_framing import Framing


class Wire:
    """Takes as many octets at once as it has room for, and the rest when it is let."""

    prompt = True
    clogged = False

    def __init__(self, room: int) -> None:
        self.room = room
        self.written = b""
        self.gate = trio.Event()
        self.broken = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Nothing ever comes."""
        del max_bytes
        await trio.sleep_forever()
        return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Once the gate is open."""
        await self.gate.wait()
        if self.broken:
            raise trio.BrokenResourceError
        self.written += bytes(data)

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """As far as there is room."""
        n = min(self.room, len(data))
        self.written += bytes(data[:n])
        self.room -= n
        return n

    def interrupt(self) -> None:
        """Nobody reads."""

    def end_sending(self) -> None:
        """Nothing."""


def connect(wire: Wire, nursery: trio.Nursery) -> DirectConnection:
    framing = Framing(Protocol(Side.SERVER), 1000)
    return DirectConnection(wire, framing, nursery, subprotocol=None, queue=4, kind="server")


def payloads(written: bytes) -> list[bytes]:
    """The payloads of short frames that a server wrote."""
    found: list[bytes] = []
    while written:
        length = written[1]
        found.append(written[2 : 2 + length])
        written = written[2 + length :]
    return found


async def test_nobody_overtakes_a_sender_whose_turn_has_come() -> None:
    for _ in range(20):
        async with trio.open_nursery() as nursery:
            wire = Wire(room=8)
            connection = connect(wire, nursery)
            assert connection.send_nowait(b"first")
            assert connection.send_nowait(b"second")  # of which one octet is written
            for name in (b"third", b"fourth"):
                nursery.start_soon(connection.send_message, name)
                await trio.testing.wait_all_tasks_blocked()
            wire.room = 1000
            wire.gate.set()
            late = [b"late-a", b"late-b"]
            nursery.start_soon(connection.send_message, late[0])
            while not connection.send_nowait(late[1]):
                await trio.lowlevel.checkpoint()
        assert payloads(wire.written)[:4] == [b"first", b"second", b"third", b"fourth"]
        assert sorted(payloads(wire.written)[4:]) == late


async def test_no_room_at_all_is_a_refusal_and_leaves_nothing_behind() -> None:
    async with trio.open_nursery() as nursery:
        wire = Wire(room=0)
        connection = connect(wire, nursery)
        assert not connection.send_nowait(b"first")
        wire.room = 1000
        assert connection.send_nowait(b"second")
        assert payloads(wire.written) == [b"second"]


async def test_a_cancelled_sender_that_has_written_nothing_leaves_the_connection_whole() -> None:
    async with trio.open_nursery() as nursery:
        wire = Wire(room=8)
        connection = connect(wire, nursery)
        assert connection.send_nowait(b"0123456789")
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.send_message(b"x")
        with trio.move_on_after(0.01):
            await connection.send_message(b"x")  # waits behind the rest
        wire.room = 1000
        wire.gate.set()
        await connection.send_message(b"y")
        assert payloads(wire.written) == [b"0123456789", b"y"]


async def test_a_rest_that_cannot_be_written_breaks_the_connection() -> None:
    async with trio.open_nursery() as nursery:
        wire = Wire(room=8)
        connection = connect(wire, nursery)
        assert connection.send_nowait(b"0123456789")
        wire.broken = True
        wire.gate.set()
        with pytest.raises(ConnectionClosed):
            await connection.send_message(b"x")
        assert connection.closed is not None
        assert connection.closed.code == 1006


async def test_names_tell_sides_apart() -> None:
    async with trio.open_nursery() as nursery:
        first, second = connect(Wire(0), nursery), connect(Wire(0), nursery)
        assert str(first).startswith("server-")
        assert str(first) != str(second)
