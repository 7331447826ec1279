"""The emulated Grok Voice service: its paths, its limits, its connections."""

from collections.abc import Callable, Mapping, Sequence

import trio

from callboard.actors._http import Request, Response, json_response
from callboard.actors._websocket import WebSocket
from callboard.actors.brains import Brain
from callboard.media.speech import SpeechEngines

from ._grok_connection import GrokConnection
from ._grok_conversation import Conversation, Item
from ._grok_dialect import DialectConnection, DialectOutlet
from ._grok_door import Door, refusal
from ._grok_frames import Frames
from ._grok_options import GrokEmulatorOptions
from ._grok_outlet import Outlet
from ._grok_parts import Parts
from ._grok_session import VOICES, Session
from ._grok_usage import Meter
from ._grok_vault import Vault
from ._service import POSTING, READING, EmulatedService, EmulatorStatistics, Entry, Resource

REALTIME_PATH = "/v1/realtime"
# Where clients of the dialect connect; the two are never mixed on one path.
DIALECT_PATH = "/v1/voice/agent"

GrokEmulatorStatistics = EmulatorStatistics


class GrokEmulator(EmulatedService[GrokEmulatorOptions]):
    """A stand-in for the Grok Voice service that a client cannot tell apart from it.

    Args:
        options: How it behaves.
        engines: Speech; None loads the best that is installed.
        brain_factory: Makes the brain of each connection; None is the built-in `RuleBrain`.
    """

    _paths = frozenset({REALTIME_PATH, DIALECT_PATH})
    _not_found = "Not found"
    _not_allowed = "Method not allowed"
    _too_many = "Some resource has been exhausted"

    def __init__(
        self,
        options: GrokEmulatorOptions | None = None,
        *,
        engines: SpeechEngines | None = None,
        brain_factory: Callable[[], Brain] | None = None,
    ) -> None:
        super().__init__(options or GrokEmulatorOptions(), engines=engines, brain_factory=brain_factory)
        self._vault = Vault(self._ids.fork(), self.options.resumption_expiry)
        self._door = Door(self.options, self._vault)
        self._live: dict[str, Parts] = {}

    def _refusal(self, status: int, code: str, message: str) -> Response:
        return refusal(status, message, code)

    def _resources(self) -> Mapping[str, Resource]:
        return {
            "/v1/realtime/client_secrets": (POSTING, self._client_secret),
            "/v1/tts/voices": (READING, self._voices),
        }

    def _client_secret(self, request: Request) -> Response:
        return self._door.check(request) or self._door.mint(request)

    def _voices(self, request: Request) -> Response:
        voices = [{"voice_id": voice, "name": voice.capitalize()} for voice in VOICES]
        return self._door.check(request) or json_response(200, {"voices": voices})

    def _admit(self, request: Request, subprotocols: Sequence[str]) -> Entry | Response:
        entry = self._door.admit(request, subprotocols)
        if isinstance(entry, Entry) and "call_id" in request.query:
            return refusal(400, "No such call; this server has no SIP side")
        return entry

    async def _converse(self, socket: WebSocket, request: Request, number: int) -> None:
        connection, parts = self._connection(socket, number, request)
        conversation = parts.conversation
        self._live[conversation.id] = parts
        try:
            await connection.run()
        finally:
            if self._live.get(conversation.id) is parts:
                del self._live[conversation.id]
            if parts.session.resumable:
                self._vault.keep(conversation.id, conversation.snapshot())

    def _connection(self, socket: WebSocket, number: int, request: Request) -> tuple[GrokConnection, Parts]:
        if request.path == DIALECT_PATH:
            translating = DialectOutlet(socket, self.options, number)
            parts = self._parts(translating, request, None)
            return DialectConnection(socket, parts, translating), parts
        wanted = request.query.get("conversation_id", "")
        kept = self._find(wanted)
        outlet = Outlet(socket, self.options, number)
        parts = self._parts(outlet, request, wanted if kept is not None else None)
        return GrokConnection(socket, parts, kept or ()), parts

    def _find(self, conversation_id: str) -> tuple[Item, ...] | None:
        """What can be resumed, also of a session whose client is gone without our knowing it yet."""
        live = self._live.get(conversation_id)
        if live is not None and live.session.resumable:
            return live.conversation.snapshot()
        return self._vault.find(conversation_id)

    def _parts(self, outlet: Outlet, request: Request, conversation_id: str | None) -> Parts:
        options = self.options
        # Per connection, so that what happens on one does not change the ids of another.
        ids = self._ids.fork()
        return Parts(
            options=options,
            ids=ids,
            frames=Frames(options, ids),
            outlet=outlet,
            session=Session(options, ids.session(), request.query.get("model")),
            conversation=Conversation(conversation_id or ids.new()),
            speech=self._speech(),
            brain=self._brain_factory(),
            meter=Meter(trio.current_time()),
        )
