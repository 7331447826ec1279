"""The echo benchmark runs, and counts what it says it counts."""

import argparse
import threading
from multiprocessing import Pipe

import pytest
import trio

import websocket_echo
from callboard.actors import WebSockets


@pytest.mark.parametrize(
    ("kind", "prompt"), [(WebSockets.LIBRARY, False), (WebSockets.DIRECT, False), (WebSockets.DIRECT, True)]
)
def test_messages_are_paced_and_counted_on_both_sides(
    kind: WebSockets, prompt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_echo, "WARM_UP", 0.1)
    options = argparse.Namespace(connections=2, rate=50.0, seconds=0.5, certificate=None)
    ours, theirs = Pipe()
    server = threading.Thread(target=websocket_echo.run_server, args=(kind, prompt, None, theirs))
    server.start()
    try:
        port = ours.recv()
        server_cost, client_cost, rate = trio.run(
            websocket_echo.measure, kind, port, ours, b"x" * 100, options
        )
    finally:
        ours.send(False)
        server.join()
    assert server_cost > 0
    assert client_cost > 0
    assert 50 < rate < 400  # two ways of two connections, 50 a second
