"""The way out of one connection: one queue, one writer, and the faults that strike there."""

import logging

import attrs
import trio
from wsproto.frame_protocol import CloseReason

from callboard.actors._websocket import SocketClosed, WebSocket
from callboard.protocols import deepgram

from ._deepgram_options import DeepgramEmulatorOptions, DeepgramFault
from ._deepgram_record import DeepgramSessionRecord
from ._faults import FaultAction, FaultPlan, abort

# Messages waiting for the socket. Small on purpose: what waits here can no longer be interrupted.
QUEUE = 8
# How long a client that does not read may delay the end of its connection, seconds.
CLOSE_TIMEOUT = 1.0

_log = logging.getLogger("callboard.emulators.deepgram")

Outgoing = deepgram.ServerMessage | deepgram.BinaryAudio


@attrs.frozen
class _End:
    error: deepgram.ErrorMessage


class Outlet:
    """Sends server messages in the order in which they were handed over.

    Only `run` touches the socket, for a cancelled send would cut it; speech, which is cancelled all the time,
    only waits for room in the queue.

    Args:
        socket: The client's socket.
        options: Faults.
        record: Where the end of the session is noted; its number tells which faults apply.
    """

    def __init__(
        self, socket: WebSocket, options: DeepgramEmulatorOptions, record: DeepgramSessionRecord
    ) -> None:
        self._socket = socket
        self._record = record
        self._faults: FaultPlan[DeepgramFault] = FaultPlan(options.faults, record.number)
        self._in, self._out = trio.open_memory_channel[Outgoing | _End](QUEUE)

    async def send(self, message: Outgoing) -> None:
        """Queue a message; waits while the client does not read. A cancelled call queued nothing."""
        await self._in.send(message)

    async def warn(self, code: str, description: str) -> None:
        """Queue a `Warning`."""
        await self.send(deepgram.WarningMessage(description=description, code=code))

    async def end(self, error: deepgram.ErrorMessage) -> None:
        """Queue the `Error` that ends the session."""
        await self._in.send(_End(error))

    async def fail(self, code: str, description: str) -> SocketClosed:
        """End the session with an `Error`, behind all that was queued: `raise await outlet.fail(...)`.

        Returns:
            What to raise if the client did not take it in time. Otherwise the call ends by being cancelled.
        """
        with trio.move_on_after(CLOSE_TIMEOUT):
            # A client that does not read may miss the reason, but not outstay its time.
            await self.end(deepgram.ErrorMessage(description=description, code=code))
            await trio.sleep_forever()
        return SocketClosed(CloseReason.NO_STATUS_RCVD, "")

    async def run(self) -> None:
        """Write until the session is ended.

        Raises:
            SocketClosed: The client is gone.
        """
        async for message in self._out:
            if isinstance(message, _End):
                await self._end(message.error)
                return
            sent = False
            for fault in self._faults.due(
                "binary" if isinstance(message, deepgram.BinaryAudio) else message.type
            ):
                if fault.action is FaultAction.ERROR:
                    await self._end(deepgram.ErrorMessage(description=fault.message, code=fault.error_code))
                    return
                sent = await self._strike(fault, message) or sent
            if not sent:
                await self._write(message)

    async def _write(self, message: Outgoing) -> None:
        await self._socket.send(deepgram.encode(message))

    async def _end(self, error: deepgram.ErrorMessage) -> None:
        """Send an error and close: with an empty close frame, for the error says it all."""
        self._record.error = error
        await self._write(error)
        await self._socket.aclose(CloseReason.NO_STATUS_RCVD)

    async def _strike(self, fault: DeepgramFault, message: Outgoing) -> bool:
        """Do what the fault says; True where the message itself is not to be sent any more."""
        _log.info("fault injected: %s", fault.action.value)
        match fault.action:
            case FaultAction.DROP:
                return True
            case FaultAction.DUPLICATE:
                await self._write(message)
            case FaultAction.GARBAGE:
                await self._socket.send('{"type": "ConversationTe')
            case FaultAction.STALL:
                await trio.sleep(fault.seconds)
            case FaultAction.CLOSE:
                code = CloseReason.NO_STATUS_RCVD if fault.code == CloseReason.NO_STATUS_RCVD else fault.code
                await self._socket.aclose(code, "" if code == CloseReason.NO_STATUS_RCVD else fault.message)
            case FaultAction.ABORT:
                await abort(self._socket)
            case FaultAction.ERROR:
                raise AssertionError("an error ends the session")
        return False
