"""The writer of a provider connection: the only one that sends.

A cancelled send closes the socket, so writer and socket are a crash group; see `_provider.py`.
"""

from collections.abc import Sequence
from typing import Any

import trio

from ._context import Context
from ._provider_outbox import Outbox
from ._provider_port import ProviderAdapter
from ._trace import Trace
from ._websocket import SocketClosed, WebSocket


class Writer:
    """Sends what is in an outbox, and keep-alives, while there is a socket.

    Args:
        adapter: The provider's wire.
        outbox: What is to be sent.
        trace: Where messages are written down, if anywhere.
    """

    def __init__(self, adapter: ProviderAdapter[Any, Any], outbox: Outbox, trace: Trace | None) -> None:
        self._adapter = adapter
        self._outbox = outbox
        self._trace = trace
        self._have_socket = trio.Event()
        self._sent_at = 0.0
        self.socket: WebSocket | None = None
        """Where to."""

    def begin(self, socket: WebSocket, opening: Sequence[str | bytes]) -> None:
        """Send to this socket from now on, and first the beginning of a session; audio only once the gate is open."""
        self._sent_at = trio.current_time()
        self._outbox.connected(list(opening))
        self.socket = socket
        self._have_socket.set()

    def end(self, socket: WebSocket) -> None:
        """Send nothing more to this socket."""
        if self.socket is socket:
            self.socket = None
            self._have_socket = trio.Event()

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """Send until cancelled; a command whose sending is cut short stays in the outbox."""
        del context
        task_status.started()
        while True:
            # Not waiting where there is nothing to wait for: this may run 50 times a second.
            if self.socket is None:
                await self._have_socket.wait()
            await self._wait_for_work()
            socket = self.socket
            if socket is not None:
                await self._send_next(socket)

    async def _send_next(self, socket: WebSocket) -> None:
        outbox = self._outbox
        command = outbox.command()
        if command is not None:
            message: str | bytes | None = command
        elif outbox.audio_due:
            message = self._adapter.audio_out(outbox.take_audio())
        else:
            message = self._adapter.keep_alive()
            self._sent_at = trio.current_time()
        if message is None:
            return
        try:
            await socket.send(message)
        except SocketClosed:
            # `socket` reads the same end and crashes with the reason; both of us are restarted then. Unless it
            # was replaced on purpose.
            if self.socket is socket:
                await trio.sleep_forever()
            return
        if command is not None:
            outbox.sent(command)
        self._was_sent(message)

    def _was_sent(self, message: str | bytes) -> None:
        self._sent_at = trio.current_time()
        if self._trace is not None:
            self._trace.sent(message)

    async def _wait_for_work(self) -> None:
        """Wait until there is something to send that was not sent at once, or it is time for a keep-alive."""
        interval = self._adapter.keep_alive_interval
        self._outbox.on_audio = self._send_audio_at_once
        try:
            if interval is None:
                await self._outbox.wait()
                return
            while not self._outbox.ready and trio.current_time() < self._sent_at + interval:
                with trio.move_on_at(self._sent_at + interval):
                    await self._outbox.wait()
        finally:
            self._outbox.on_audio = None

    def _send_audio_at_once(self, audio: bytes) -> None:
        """Send audio in the step in which it came, while the writer has nothing to do.

        Two task switches for each of 50 frames a second would cost more than all else that is done with them.
        """
        socket = self.socket
        if socket is None:
            return
        message = self._adapter.audio_out(audio)
        try:
            sent = socket.send_nowait(message)
        except SocketClosed:
            # `socket` reads the same end, and crashes with the reason. The audio is kept for the next one.
            return
        if sent:
            self._was_sent(message)
        else:
            # Its place is before all that waits, and it is of use on this connection only.
            self._outbox.lead([message])
