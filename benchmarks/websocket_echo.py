"""What a WebSocket message costs: 50 connections, each 50 round trips a second, the server in a process of its own.

    python benchmarks/websocket_echo.py [--seconds 10] [--connections 50] [--rate 50] [--certificate FILE]

The server echoes over `library` (trio-websocket) and `direct` (our own connection), with `send` and `send_nowait`. The
load comes from this process, spread evenly, so that nearly every message is a wake-up of its own, as with calls. A
message is one that is received or sent; the figure is CPU time of the process divided by messages, of the server, and
of the client that paced them (which has a timer for each connection as well).
"""

import argparse
import functools
import multiprocessing
import os
import random
import resource
import ssl
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import trio

from callboard.actors import TcpNetwork
from callboard.actors._http import Bound, Request, Response, Upgrade, serve_http
from callboard.actors._network import WebSockets
from callboard.actors._websocket import SocketClosed, WebSocket, open_websocket

WARM_UP = 1.0
MESSAGES: dict[str, str | bytes] = {"text 386": "m" * 386, "binary 640": os.urandom(640)}


def cpu() -> float:
    """CPU time of this process so far, float seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def no_page(request: Request) -> Response:
    """Answer a plain request."""
    del request
    return Response(status=404)


async def echo(prompt: bool, upgrade: Upgrade) -> None:
    """Send back what comes, with `send_nowait` where it takes it."""
    socket = await upgrade.accept()
    try:
        while True:
            for message in await socket.receive_batch():
                if not (prompt and socket.send_nowait(message)):
                    await socket.send(message)
    except SocketClosed:
        pass


def contexts(certificate: str | None) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """TLS for server and client, with a certificate and its key in a file."""
    if certificate is None:
        return None, None
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    server.load_cert_chain(certificate)
    client.load_verify_locations(certificate)
    return server, client


async def serve(kind: WebSockets, prompt: bool, certificate: str | None, pipe: Connection) -> None:
    """The server's process: tells its port, and its CPU time when asked."""
    async with trio.open_nursery() as nursery:
        serving = functools.partial(
            serve_http,
            TcpNetwork(kind),
            "127.0.0.1",
            0,
            on_request=no_page,
            on_upgrade=functools.partial(echo, prompt),
            ssl_context=contexts(certificate)[0],
        )
        bound: Bound = await nursery.start(serving)
        pipe.send(bound.port)
        while await trio.to_thread.run_sync(pipe.recv):
            pipe.send(cpu())
        nursery.cancel_scope.cancel()


def run_server(kind: WebSockets, prompt: bool, certificate: str | None, pipe: Connection) -> None:
    """Entry of the server's process."""
    trio.run(serve, kind, prompt, certificate, pipe)


async def talk(
    network: TcpNetwork,
    url: str,
    context: ssl.SSLContext | None,
    message: str | bytes,
    rate: float,
    count: Callable[[int], None],
) -> None:
    """One connection: a round trip each 1/rate seconds."""

    async def listen(socket: WebSocket) -> None:
        while True:
            await socket.receive()
            count(1)

    async with open_websocket(network, url, ssl_context=context) as socket, trio.open_nursery() as nursery:
        nursery.start_soon(listen, socket)
        due = trio.current_time() + random.random() / rate
        while True:
            await trio.sleep_until(due)
            due += 1 / rate
            if not socket.send_nowait(message):
                await socket.send(message)
            count(1)


async def measure(
    kind: WebSockets, port: int, pipe: Connection, message: str | bytes, options: argparse.Namespace
) -> tuple[float, float, float]:
    """Microseconds a message for server and client, and messages a second."""
    n_messages = 0

    def count(n: int) -> None:
        nonlocal n_messages
        n_messages += n

    def ask() -> float:
        pipe.send(True)
        answer: float = pipe.recv()
        return answer

    network = TcpNetwork(kind)
    context = contexts(options.certificate)[1]
    url = f"{'wss' if context else 'ws'}://127.0.0.1:{port}/"
    async with trio.open_nursery() as nursery:
        for _ in range(options.connections):
            nursery.start_soon(talk, network, url, context, message, options.rate, count)
        await trio.sleep(WARM_UP)
        n_before, server_before, client_before, began = n_messages, ask(), cpu(), time.perf_counter()
        await trio.sleep(options.seconds)
        took, server, client = time.perf_counter() - began, ask() - server_before, cpu() - client_before
        n = n_messages - n_before
        nursery.cancel_scope.cancel()
    return server / n * 1e6, client / n * 1e6, n / took


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What a WebSocket message costs.")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="round trips of a connection, per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--certificate", help="a PEM file with a certificate for 127.0.0.1 and its key: use TLS"
    )
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    print("| WebSockets | sending | message | server us/message | client us/message | messages/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, prompt in ((WebSockets.LIBRARY, False), (WebSockets.DIRECT, False), (WebSockets.DIRECT, True)):
        for name, message in MESSAGES.items():
            ours, theirs = processes.Pipe()
            server = processes.Process(
                target=run_server, args=(kind, prompt, options.certificate, theirs), daemon=True
            )
            server.start()
            port: int = ours.recv()
            figures = trio.run(measure, kind, port, ours, message, options)
            ours.send(False)
            server.join()
            sending = "send_nowait" if prompt else "send"
            print(f"| {kind.value} | {sending} | {name} | " + "{:.1f} | {:.1f} | {:.0f} |".format(*figures))


if __name__ == "__main__":
    main()
