"""The server side of one Grok connection: which client events are legal now, and the answer to those that are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from .._errors import LocalWireError, RemoteWireError, clip
from .._machine import Direction, Machine
from ._base import BinaryAudio, ClientEvent, Decoded, Event, Profile, ServerEvent, Unknown
from ._client_events import ResponseCancel, ResponseCreate, SessionUpdate
from ._codec import MAX_CLIENT_MESSAGE, decode_client_event, encode
from ._problems import invalid_event, invalid_request
from ._response_events import (
    ResponseCreated,
    ResponseDone,
    ResponseEvent,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
    ResponseOutputAudioDelta,
    ResponseOutputItemAdded,
    ResponsePartEvent,
)
from ._session import SessionConfig
from ._session_parse import merge_session, parse_session
from ._states import (
    SERVER_TABLE,
    ConnectionClosed,
    ForcedResponse,
    ResponseDropped,
    ServerState,
    trigger_of,
)

__all__ = ["GrokServer"]

_OF_AN_ITEM = (ResponsePartEvent, ResponseFunctionCallArgumentsDelta, ResponseFunctionCallArgumentsDone)
_MCP_CALLS = (ResponseMcpCallInProgress, ResponseMcpCallCompleted, ResponseMcpCallFailed)


def _accept_all(config: SessionConfig) -> None:
    del config


class GrokServer:
    """One connection as its server sees it: messages in, events out, and the reverse. No I/O.

    It knows the order of events, the settings of the session and which response runs. Items, audio and turns
    are the business of whoever owns it.

    Args:
        profile: How to spell what is sent.
        check: Called with what the settings would be after a ``session.update``; raises ``RemoteWireError`` with a
            ``path`` to refuse what this server cannot do.
        max_octets: A longer message is an error.
    """

    def __init__(
        self,
        *,
        profile: Profile = Profile.OBSERVED,
        check: Callable[[SessionConfig], None] = _accept_all,
        max_octets: int = MAX_CLIENT_MESSAGE,
    ) -> None:
        self._machine = Machine(SERVER_TABLE, ServerState.OPENED)
        self._profile = profile
        self._check_config = check
        self._max_octets = max_octets
        self._items: set[str] = set()
        self.config = SessionConfig()
        """The settings, all accepted updates merged."""
        self.active_response: str | None = None
        """The id of the response that runs. None too while one is asked for and not created."""
        self.transport = "json"
        """How the audio of the active response goes, fixed when it was created: ``json`` or ``binary``."""

    @property
    def state(self) -> ServerState:
        """Where the session is."""
        return self._machine.state

    def receive(self, message: str | bytes) -> Decoded:
        """Take one message from the client.

        A ``session.update`` that is returned has been merged into ``config`` and is to be answered with
        ``session.updated``. The base64 of audio is not looked at: ``payload()`` of the event does, and its
        error has a ``reply`` too.

        Raises:
            RemoteWireError: The message is no event, or not one that is legal now. ``reply`` is the ``ErrorEvent`` to
                answer with, None if the connection is closed. Nothing has changed.
        """
        decoded = decode_client_event(message, max_octets=self._max_octets)
        event = decoded.event
        trigger = trigger_of(event)
        if self._machine.next(Direction.RECEIVED, trigger) is None:
            self._refuse(event, trigger)
        config = self.config
        if self.state is not ServerState.ENDED:
            match event:
                case ResponseCancel(response_id=str() as wanted) if wanted != self.active_response:
                    self._refuse(event, trigger)
                case SessionUpdate():
                    config = self._updated(event)
                case _:
                    pass
        self._machine.received(trigger)
        self.config = config
        return decoded

    def send(self, event: ServerEvent | BinaryAudio) -> str | bytes:
        """Encode one event to the client.

        Raises:
            LocalWireError: Not now, or never: the greeting is not out, the event belongs to a response that is not
                the active one or to an item that was not announced, or audio goes by the other transport. The
                state stays.
        """
        trigger = trigger_of(event)
        if self._machine.next(Direction.SENT, trigger) is None:
            raise LocalWireError(f"cannot send {type(event).__name__} in state {self.state.name}")
        self._check_response(event)
        message = encode(event, profile=self._profile)
        self._machine.sent(trigger)
        match event:
            case ResponseCreated():
                self.active_response = event.response.id
                self.transport = self.config.output_transport
                self._items.clear()
            case ResponseOutputItemAdded():
                if event.item.id is not None:
                    self._items.add(event.item.id)
            case ResponseDone():
                self.active_response = None
            case _:
                pass
        return message

    def drop_response(self) -> None:
        """Forget the response that is asked for or running: the caller talked over it. The client is not
        told.

        Raises:
            LocalWireError: There is none.
        """
        self._machine.sent(ResponseDropped)
        self.active_response = None

    def closed(self) -> None:
        """Note that the socket is closed."""
        self._machine.received(ConnectionClosed)
        self.active_response = None

    def _updated(self, event: SessionUpdate) -> SessionConfig:
        try:
            config = merge_session(self.config, parse_session(event.session))
            self._check_config(config)
        except RemoteWireError as error:
            reply = invalid_request(str(error), param=error.path, event_id=event.event_id)
            raise RemoteWireError(str(error), reply=reply, path=error.path) from None
        return config

    def _refuse(self, event: Event, trigger: type) -> NoReturn:
        event_id = event.event_id if isinstance(event, ClientEvent) else None
        if self.state is ServerState.CLOSED:
            raise RemoteWireError(f"received {type(event).__name__} in state {self.state.name}")
        if isinstance(event, Unknown):
            given = event.raw.get("event_id")
            text = f"Unsupported event type: {event.type[:80]}"
            reply = invalid_event(text, event_id=given if isinstance(given, str) else None)
            raise RemoteWireError(text, reply=reply, path="type")
        if self.state in {ServerState.OPENED, ServerState.SESSION_GREETED}:
            text = f"{type(event).__name__} before the session is open, expected session.update or items"
        elif trigger in {ResponseCreate, ForcedResponse}:
            # These two texts are what clients look for to tell a lost race from a mistake.
            text = "Conversation already has an active response"
        else:
            text = "Cancellation failed: no active response found"
        raise RemoteWireError(text, reply=invalid_request(text, event_id=event_id))

    def _check_response(self, event: Event) -> None:
        active = self.active_response
        match event:
            case ResponseEvent(response_id=given) if given != active:
                raise LocalWireError(
                    f"{type(event).__name__} of {clip(given)}, expected response {clip(active)}"
                )
            case ResponseDone() if event.response.id != active:
                raise LocalWireError(f"ResponseDone of {clip(event.response.id)}, expected {clip(active)}")
            case ResponseOutputAudioDelta() if self.transport != "json":
                raise LocalWireError("audio in JSON, expected a binary frame")
            case BinaryAudio() if active is None:
                raise LocalWireError("BinaryAudio without an active response")
            case BinaryAudio() if self.transport != "binary":
                raise LocalWireError("audio in a binary frame, expected ResponseOutputAudioDelta")
            case _ if isinstance(event, _MCP_CALLS) and active is None:
                raise LocalWireError(f"{type(event).__name__} without an active response")
            case _ if isinstance(event, _OF_AN_ITEM) and event.item_id not in self._items:
                raise LocalWireError(
                    f"{type(event).__name__} of item {clip(event.item_id)}, which was not announced"
                )
            case _:
                pass
