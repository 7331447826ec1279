"""The emulated Deepgram Voice Agent service: its paths, its limits, its connections."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import trio

from callboard.actors._http import Request, Response
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Brain
from callboard.media.speech import SpeechEngines
from callboard.protocols import deepgram
from callboard.protocols.deepgram import ErrorCode

from ._deepgram_connection import DeepgramConnection
from ._deepgram_door import Door, models
from ._deepgram_options import DeepgramEmulatorOptions
from ._deepgram_outlet import CLOSE_TIMEOUT
from ._deepgram_record import DeepgramSessionRecord
from ._service import POSTING, READING, EmulatedService, EmulatorStatistics, Entry, Resource

# Connections whose record is kept.
MAX_RECORDS = 256

DeepgramEmulatorStatistics = EmulatorStatistics


class DeepgramEmulator(EmulatedService[DeepgramEmulatorOptions]):
    """A stand-in for the Deepgram Voice Agent service that a client cannot tell apart from it.

    Args:
        options: How it behaves.
        engines: Speech; None loads the best that is installed.
        brain_factory: Makes the brain of each connection; None is the built-in `RuleBrain`.
    """

    _paths = frozenset({deepgram.PATH})
    _not_found = "Not Found"
    _not_allowed = "Method Not Allowed"
    _too_many = "Too Many Requests"

    def __init__(
        self,
        options: DeepgramEmulatorOptions | None = None,
        *,
        engines: SpeechEngines | None = None,
        brain_factory: Callable[[], Brain] | None = None,
    ) -> None:
        super().__init__(options or DeepgramEmulatorOptions(), engines=engines, brain_factory=brain_factory)
        self._door = Door(self.options, self._ids.fork())
        self._live: dict[int, DeepgramConnection] = {}
        self._records: deque[DeepgramSessionRecord] = deque(maxlen=MAX_RECORDS)

    @property
    def sessions(self) -> tuple[DeepgramSessionRecord, ...]:
        """What each connection had, the oldest first; of very many the newest."""
        return tuple(self._records)

    async def go_away(self) -> int:
        """End every session as maintenance does: with the error `SERVER_GOING_AWAY`.

        Returns:
            How many there were.
        """
        connections = list(self._live.values())
        error = deepgram.ErrorMessage(
            description="The server is going away; please connect again", code=ErrorCode.SERVER_GOING_AWAY
        )
        for connection in connections:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await connection.outlet.end(error)
        return len(connections)

    def _refusal(self, status: int, code: str, message: str) -> Response:
        return self._door.refusal(status, code, message)

    def _resources(self) -> Mapping[str, Resource]:
        return {
            deepgram.GRANT_PATH: (POSTING, self._door.grant),
            deepgram.MODELS_PATH: (READING, models),
        }

    def _admit(self, request: Request, subprotocols: Sequence[str]) -> Entry | Response:
        return self._door.admit(request, subprotocols)

    async def _converse(self, socket: WebSocket, request: Request, number: int) -> None:
        del request
        # Per connection, so that what happens on one does not change the ids of another.
        ids = self._ids.fork()
        record = DeepgramSessionRecord(number=number, request_id=ids.new(), opened_at=trio.current_time())
        self._records.append(record)
        connection = DeepgramConnection(
            socket, self.options, ids, self._speech(), self._brain_factory, record
        )
        self._live[number] = connection
        try:
            await connection.run()
        finally:
            del self._live[number]
            record.closed = True
