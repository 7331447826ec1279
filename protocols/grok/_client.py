"""The client side of one Grok connection: what may be sent now, and what the server's events amount to."""

from __future__ import annotations

from collections import deque
from typing import Final

from .._errors import LocalWireError, RemoteWireError
from .._machine import Direction, Machine
from ._base import BinaryAudio, ClientEvent, Decoded, Event
from ._check import check_client_event
from ._client_events import InputAudioBufferAppend, ResponseCancel, ResponseCreate, SessionUpdate
from ._codec import MAX_SERVER_MESSAGE, decode_server_event, encode, encode_append
from ._problems import ErrorKind, classify_error, is_already_active
from ._response_events import (
    ResponseCreated,
    ResponseDone,
    ResponseEvent,
    ResponseFunctionCallArgumentsDone,
    completed_calls,
)
from ._server_events import ConversationCreated, ErrorDetail, ErrorEvent, SessionCreated, SessionUpdated
from ._states import (
    CLIENT_TABLE,
    ClientState,
    ConnectionClosed,
    ForcedResponse,
    UpdatesRefused,
    trigger_of,
)

__all__ = ["GrokClient"]

# Calls of a session that are remembered to tell repeated announcements. All announcements of a call come
# within its response, so a few would do; a peer that announces endlessly must not fill the memory.
_MAX_CALLS: Final = 1024


class GrokClient:
    """One connection as its client sees it: messages in, events out, and the reverse. No I/O.

    A client that reconnects makes a new one, and connects with the ``conversation_id`` of the old one.

    Args:
        max_octets: A longer message is an error.
    """

    def __init__(self, *, max_octets: int = MAX_SERVER_MESSAGE) -> None:
        self._machine = Machine(CLIENT_TABLE, ClientState.CONNECTING)
        self._max_octets = max_octets
        self._updates: deque[str | None] = deque()
        self._n_requested = 0
        self._calls: dict[str, None] = {}
        self.session_id: str | None = None
        """From ``session.created``, where there was one."""
        self.conversation_id: str | None = None
        """From ``conversation.created``: what to give as ``conversation_id`` to resume."""
        self.active_response: str | None = None
        """The id of the response that runs: created, not done, and no other one created since."""

    @property
    def state(self) -> ClientState:
        """Where the session is."""
        return self._machine.state

    @property
    def pending_updates(self) -> int:
        """How many ``session.update`` have no answer yet."""
        return len(self._updates)

    @property
    def ready(self) -> bool:
        """Whether audio can go in the format last asked for: configured, and no ``session.update``
        unanswered.

        Weaker than what ``send`` insists on, which is that there was one ``session.updated``.
        """
        return self.state is ClientState.READY and not self._updates

    def receive(self, message: str | bytes) -> Decoded:
        """Take one message from the server.

        Raises:
            RemoteWireError: It cannot be decoded, or the connection is closed. The state stays.
        """
        decoded = decode_server_event(message, max_octets=self._max_octets)
        event = decoded.event
        trigger = trigger_of(event)
        refused = self._refused(event.error) if isinstance(event, ErrorEvent) else None
        if refused is not None and len(self._updates) == 1 and trigger is ErrorEvent:
            trigger = UpdatesRefused
        self._machine.received(trigger)
        match event:
            case SessionCreated():
                given = event.session.get("id")
                self.session_id = given if isinstance(given, str) else None
            case ConversationCreated():
                self.conversation_id = event.conversation.id
            case SessionUpdated():
                if self._updates:
                    self._updates.popleft()
            case ErrorEvent():
                if refused is not None:
                    del self._updates[refused]
                elif is_already_active(event):
                    self._n_requested = max(0, self._n_requested - 1)
            case ResponseCreated():
                # One that was still open was talked over: it never gets its response.done.
                self.active_response = event.response.id
                self._n_requested = max(0, self._n_requested - 1)
            case ResponseDone():
                if event.response.id == self.active_response:
                    self.active_response = None
            case _:
                pass
        return decoded

    def send(self, event: ClientEvent | BinaryAudio) -> str | bytes:
        """Encode one event to the server.

        Before ``session.updated`` only ``session.update`` and items may go, the former first.

        Raises:
            LocalWireError: Not now, or never: the event breaks a rule of the wire. The state stays.
        """
        trigger = trigger_of(event)
        self._check(trigger)
        try:
            check_client_event(event)
        except RemoteWireError as error:
            raise LocalWireError(f"cannot send {type(event).__name__}: {error}") from None
        message = encode(event)
        self._machine.sent(trigger)
        if isinstance(event, SessionUpdate):
            self._updates.append(event.event_id)
        elif trigger in {ResponseCreate, ForcedResponse}:
            self._n_requested += 1
        return message

    def send_audio(self, payload: bytes, *, binary: bool = False) -> str | bytes:
        """Encode caller audio: ``send`` for what is sent 50 times a second.

        Args:
            payload: Audio in the input codec.
            binary: As a binary frame.

        Raises:
            LocalWireError: Not before ``session.updated``.
        """
        self._machine.sent(BinaryAudio if binary else InputAudioBufferAppend)
        return payload if binary else encode_append(payload)

    def closed(self) -> None:
        """Note that the socket is closed."""
        self._machine.received(ConnectionClosed)
        self.active_response = None

    def is_stale(self, event: Event) -> bool:
        """Tell whether ``event`` belongs to a response that is over or was dropped: late audio, to be ignored."""
        return isinstance(event, ResponseEvent) and event.response_id != self.active_response

    def new_calls(self, event: Event) -> tuple[ResponseFunctionCallArgumentsDone, ...]:
        """Return the function calls that ``event`` completes and no event before it did.

        Give every event here in order, and each call comes out once; see ``completed_calls``.
        """
        return tuple(call for call in completed_calls(event) if self._first(call.call_id))

    def _first(self, call_id: str) -> bool:
        if call_id in self._calls:
            return False
        self._calls[call_id] = None
        if len(self._calls) > _MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        return True

    def _check(self, trigger: type) -> None:
        # Beside the table, for it takes a count: a cancel that finds nothing running may hit the next
        # response.
        nothing = self.active_response is None and not self._n_requested
        legal = self._machine.next(Direction.SENT, trigger) is not None
        if trigger is ResponseCancel and legal and nothing:
            raise LocalWireError("cannot send ResponseCancel: no response is running or asked for")

    def _refused(self, error: ErrorDetail) -> int | None:
        """Return which of the unanswered updates ``error`` is about."""
        if not self._updates:
            return None
        if error.event_id is not None:
            return self._updates.index(error.event_id) if error.event_id in self._updates else None
        # Updates are answered in order, so an error that only names the field is about the first.
        if error.param is not None:
            return 0 if error.param.partition(".")[0] == "session" else None
        # One that names nothing is about an update that has no name either, as far as anyone can tell.
        nameless = self._updates[0] is None and classify_error(error) is ErrorKind.REQUEST
        return 0 if nameless else None
