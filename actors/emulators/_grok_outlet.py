"""The way out of one connection: one queue, one writer, and the faults that strike there."""

import json
import logging
from collections.abc import Sequence

import attrs
import trio

from callboard.actors._websocket import WebSocket
from callboard.protocols import grok

from ._faults import FaultPlan, abort
from ._grok_options import GrokEmulatorOptions, GrokFault, GrokFaultAction

# Events waiting for the socket. Small on purpose: what waits here can no longer be cancelled, and a chunk
# of audio is half a second.
QUEUE = 8
# How long a client that does not read may delay the end of its connection, seconds.
CLOSE_TIMEOUT = 1.0

_log = logging.getLogger("callboard.emulators.grok")

Outgoing = grok.ServerEvent | grok.BinaryAudio


@attrs.frozen
class _Close:
    code: int
    reason: str
    last: grok.ServerEvent | None


class Outlet:
    """Sends server events in the order in which they were handed over.

    Only `run` touches the socket, for a cancelled send would cut it; responses, which are cancelled all the
    time, only wait for room in the queue.

    Args:
        socket: The client's socket.
        options: Profile and faults.
        number: Which connection of the emulator this is, from 1.
    """

    def __init__(self, socket: WebSocket, options: GrokEmulatorOptions, number: int) -> None:
        self._socket = socket
        self._profile = options.profile
        self._faults: FaultPlan[GrokFault] = FaultPlan(options.faults, number)
        self._in, self._out = trio.open_memory_channel[Outgoing | _Close](QUEUE)

    async def send(self, event: Outgoing) -> None:
        """Queue an event; waits while the client does not read. A cancelled call queued nothing."""
        await self._in.send(event)

    async def close(self, code: int, reason: str, last: grok.ServerEvent | None = None) -> None:
        """Close the socket once all that was queued has been sent, and after it the event `last`."""
        await self._in.send(_Close(code, reason, last))

    async def run(self) -> None:
        """Write until the socket is closed.

        Raises:
            SocketClosed: The client is gone.
        """
        async for event in self._out:
            if isinstance(event, _Close):
                for message in () if event.last is None else self.translate(event.last):
                    await self._write(message)
                await self._socket.aclose(event.code, event.reason)
                return
            for message in self.translate(event):
                await self._pass(message)

    def translate(self, event: Outgoing) -> Sequence[grok.Event]:
        """What goes on the wire for an event: itself, unless the client speaks a dialect."""
        return (event,)

    def encode(self, message: grok.Event) -> str | bytes:
        """A message of the wire as it is sent."""
        return grok.encode(message, profile=self._profile)

    async def _pass(self, message: grok.Event) -> None:
        """Send a message, unless a fault strikes at it."""
        lost = False
        for fault in self._faults.due(getattr(message, "type", "binary")):
            lost = await self._strike(fault, message) or lost
        if not lost:
            await self._write(message)

    async def _write(self, message: grok.Event) -> None:
        await self._socket.send(self.encode(message))

    async def _strike(self, fault: GrokFault, message: grok.Event) -> bool:
        """Do what the fault says; True where the message itself is not to be sent any more."""
        _log.info("fault injected: %s", fault.action.value)
        match fault.action:
            case GrokFaultAction.ERROR:
                detail = grok.ErrorDetail(type=fault.error_type, code=fault.error_type, message=fault.message)
                for error in self.translate(grok.ErrorEvent(error=detail)):
                    await self._write(error)
            case GrokFaultAction.DROP:
                return True
            case GrokFaultAction.DUPLICATE:
                await self._write(message)
            case GrokFaultAction.GARBAGE:
                await self._socket.send(json.dumps({"type": "response.created"})[:-3])
            case GrokFaultAction.STALL:
                await trio.sleep(fault.seconds)
            case GrokFaultAction.CLOSE:
                await self._socket.aclose(fault.code, fault.message)
            case GrokFaultAction.ABORT:
                await abort(self._socket)
        return False
