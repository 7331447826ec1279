"""Our connections and the `websockets` library's own client and server, which offers compression and fragments."""

import threading

import pytest
import trio
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server

from callboard.actors._network import TcpNetwork, WebSockets
from callboard.actors._websocket import SocketClosed, open_websocket

from .websocket_kit import Kind, contexts, echo, serving, until

MESSAGES: list[str | bytes] = ["text", b"octets", "", "\u4e2d", "x" * 70_000, b"\x00" * 300_000]


@pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.DIRECT_TLS], ids=lambda kind: kind.name)
async def test_a_client_of_the_library(kind: Kind) -> None:
    def talk(url: str) -> int:
        context = contexts()[1] if kind.secure else None
        with websockets.sync.client.connect(url, ssl=context, max_size=None) as client:
            for message in MESSAGES:
                client.send(message)
                assert client.recv(timeout=5) == message
            client.send(["in ", "three ", "parts"])
            assert client.recv(timeout=5) == "in three parts"
            assert client.ping(b"?").wait(5)
            client.close(4000, "enough")
            return client.protocol.close_code or 0

    async with serving(kind, echo) as server:
        assert await trio.to_thread.run_sync(talk, server.url) == 4000
        assert server.sockets[0].statistics().messages_received == len(MESSAGES) + 1


@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_of_the_library(secure: bool) -> None:
    seen: list[int] = []

    def answer(connection: websockets.sync.server.ServerConnection) -> None:
        try:
            for message in connection:
                connection.send(message)
                if message == "fragments":
                    connection.send(["in ", "three ", "parts"])
                    assert connection.ping().wait(5)
        except websockets.exceptions.ConnectionClosed:
            pass
        seen.append(connection.protocol.close_code or 0)

    server_context, client_context = contexts() if secure else (None, None)
    with websockets.sync.server.serve(
        answer, "127.0.0.1", 0, ssl=server_context, max_size=None, subprotocols=None
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.socket.getsockname()[1]
            async with open_websocket(
                TcpNetwork(WebSockets.DIRECT),
                f"{'wss' if secure else 'ws'}://127.0.0.1:{port}/",
                ssl_context=client_context,
            ) as socket:
                with trio.fail_after(5):
                    for message in MESSAGES:
                        await socket.send(message)
                        assert await socket.receive() == message
                    await socket.ping()
                    assert socket.send_nowait("fragments")
                    assert [await socket.receive(), await socket.receive()] == ["fragments", "in three parts"]
                    with trio.move_on_after(0.05):
                        await socket.receive()  # the server's ping is answered meanwhile
                    await socket.aclose(4001)
                with pytest.raises(SocketClosed) as caught:
                    await socket.receive()
                assert caught.value.code == 4001
            await until(lambda: seen == [4001])
        finally:
            server.shutdown()
            thread.join()
