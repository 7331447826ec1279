"""Timed: a WebSocket message over loopback, both of its ends in this process.

One message goes back and forth, so each of them is a wake-up of its own; see `websocket_echo.py` for many connections
at the rate of calls.
"""

import time

import trio

from callboard.actors import TcpNetwork, WebSockets
from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._websocket import SocketClosed, open_websocket
from micro_kit import Case, in_trio

MESSAGE = "m" * 386


async def _no_page(request: Request) -> Response:
    del request
    return Response(status=404)


async def _echo(upgrade: Upgrade) -> None:
    socket = await upgrade.accept()
    try:
        while True:
            await socket.send(await socket.receive())
    except SocketClosed:
        pass


async def _round_trips(times: int, kind: WebSockets) -> float:
    network = TcpNetwork(kind)
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[Bound]) -> None:
            await serve_http(
                network, "127.0.0.1", 0, on_request=_no_page, on_upgrade=_echo, task_status=task_status
            )

        bound: Bound = await nursery.start(serve)
        async with open_websocket(network, f"ws://{bound.authority}/") as socket:
            begin = time.process_time()
            for _ in range(times):
                await socket.send(MESSAGE)
                await socket.receive()
            taken = time.process_time() - begin
        nursery.cancel_scope.cancel()
    # There and back are two messages, each sent by one end and received by the other.
    return taken / 2


async def library(times: int) -> float:
    """With trio-websocket."""
    return await _round_trips(times, WebSockets.LIBRARY)


async def direct(times: int) -> float:
    """With our own connection."""
    return await _round_trips(times, WebSockets.DIRECT)


CASES = (
    Case(
        group="sockets", name="WebSocket message, sent and received: trio-websocket", batch=in_trio(library)
    ),
    Case(group="sockets", name="WebSocket message, sent and received: direct", batch=in_trio(direct)),
)
