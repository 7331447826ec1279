"""Who may send what when, as one table per side. A missing entry is an illegal event.

Most events say all the table needs by their class. A few do not, and go by a class of this module instead:
``trigger_of`` tells which.
"""

from __future__ import annotations

import enum
from typing import Final

from .._machine import Direction, Table, Trigger, on
from ._base import BinaryAudio, Event, Unknown
from ._client_events import (
    CLIENT_EVENTS,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from ._codec import SERVER_EVENTS
from ._items import ForceMessage
from ._problems import classify_error
from ._response_events import (
    ResponseCreated,
    ResponseDone,
    ResponseEvent,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
)
from ._server_events import ConversationCreated, ErrorEvent, Ping, SessionCreated, SessionUpdated

__all__ = [
    "CLIENT_TABLE",
    "SERVER_TABLE",
    "ClientState",
    "ConnectionClosed",
    "ForcedResponse",
    "ResponseDropped",
    "ServerState",
    "SessionOver",
    "UpdatesRefused",
    "trigger_of",
]


class ClientState(enum.Enum):
    """Where a session is, as its client sees it."""

    CONNECTING = "connecting"
    """The socket is open and nothing has come. Only ``session.update`` may go first."""
    GREETED = "greeted"
    """The server has said something. Nothing has been asked for yet, or what was has been refused."""
    CONFIGURING = "configuring"
    """A ``session.update`` is out. Items may go, audio may not: its format is not agreed."""
    READY = "ready"
    """A ``session.updated`` has come."""
    ENDED = "ended"
    """The server said that the session is over, too old or idle too long, and is about to close."""
    CLOSED = "closed"
    """The socket is closed."""


class ServerState(enum.Enum):
    """Where a session is, as its server sees it."""

    OPENED = "opened"
    """The socket is open; the greeting is not out."""
    SESSION_GREETED = "session greeted"
    """``session.created`` is out, ``conversation.created`` is not: half a greeting."""
    CONVERSATION_GREETED = "conversation greeted"
    """``conversation.created`` is out, and ``session.created`` may follow or never come: as good as greeted."""
    IDLE = "idle"
    """Greeted; no response is asked for or running."""
    RESPONDING = "responding"
    """A response is asked for or running."""
    ENDED = "ended"
    """An error that ends the session is out; what still comes is to be ignored."""
    CLOSED = "closed"
    """The socket is closed."""


class ForcedResponse:
    """A ``conversation.item.create`` with a ``ForceMessage``: an item that is a response."""


class SessionOver:
    """An ``error`` that ends the session."""


class UpdatesRefused:
    """An ``error`` that refuses the last ``session.update`` without an answer."""


class ResponseDropped:
    """A response the server drops without a word, because the caller talked over it."""


class ConnectionClosed:
    """The socket closed."""


def trigger_of(event: Event) -> type:
    """Return the class by which the tables know ``event``."""
    match event:
        case ConversationItemCreate(item=ForceMessage()):
            return ForcedResponse
        case ErrorEvent() if classify_error(event).ends_session:
            return SessionOver
        case _:
            return type(event)


_IN: Final = Direction.RECEIVED
_OUT: Final = Direction.SENT

_ITEMS: Final = (ConversationItemCreate, ConversationItemDelete, ConversationItemTruncate)

# --- the client

_AUDIO: Final = (InputAudioBufferAppend, BinaryAudio, InputAudioBufferCommit, InputAudioBufferClear)
_TURNS: Final = (ForcedResponse, ResponseCreate, ResponseCancel)
_FROM_SERVER: Final = (*SERVER_EVENTS, BinaryAudio, Unknown)


def _hear(stay: ClientState) -> dict[Trigger, ClientState]:
    # A client takes whatever a server says, whenever: greetings come in either order or not at all, and which
    # events may follow which differs between servers.
    return {
        **on(_IN, _FROM_SERVER, stay),
        (_IN, SessionUpdated): ClientState.READY,
        (_IN, SessionOver): ClientState.ENDED,
        (_IN, ConnectionClosed): ClientState.CLOSED,
    }


CLIENT_TABLE: Final[Table[ClientState]] = {
    ClientState.CONNECTING: {
        **_hear(ClientState.GREETED),
        (_OUT, SessionUpdate): ClientState.CONFIGURING,
    },
    ClientState.GREETED: {
        **_hear(ClientState.GREETED),
        (_OUT, SessionUpdate): ClientState.CONFIGURING,
        **on(_OUT, _ITEMS, ClientState.GREETED),
    },
    ClientState.CONFIGURING: {
        **_hear(ClientState.CONFIGURING),
        (_IN, UpdatesRefused): ClientState.GREETED,
        (_OUT, SessionUpdate): ClientState.CONFIGURING,
        **on(_OUT, _ITEMS, ClientState.CONFIGURING),
    },
    ClientState.READY: {
        **_hear(ClientState.READY),
        # A refused update changes nothing: the one before it is still in force.
        (_IN, UpdatesRefused): ClientState.READY,
        **on(_OUT, (SessionUpdate, *_ITEMS, *_AUDIO, *_TURNS), ClientState.READY),
    },
    ClientState.ENDED: {
        **on(_IN, (*_FROM_SERVER, SessionOver, UpdatesRefused), ClientState.ENDED),
        (_IN, ConnectionClosed): ClientState.CLOSED,
    },
    ClientState.CLOSED: {
        (_IN, ConnectionClosed): ClientState.CLOSED,
    },
}
"""Sent: what this client may send. Received: what it may hear, which is everything."""

# --- the server

# What belongs to a response. The MCP calls have no response_id, but happen in one.
_IN_RESPONSE: Final = (
    *(kind for kind in SERVER_EVENTS if issubclass(kind, ResponseEvent)),
    ResponseMcpCallInProgress,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    BinaryAudio,
)
_GREETING: Final = (SessionCreated, ConversationCreated)
_AT_ANY_TIME: Final = tuple(
    kind for kind in SERVER_EVENTS if kind not in {*_IN_RESPONSE, *_GREETING, ResponseCreated, ResponseDone}
)
# Unknown is not among them: an event of a kind nobody knows is illegal in every state.
_FROM_CLIENT: Final = (*CLIENT_EVENTS, BinaryAudio)


def _leave() -> dict[Trigger, ServerState]:
    return {(_OUT, SessionOver): ServerState.ENDED, (_IN, ConnectionClosed): ServerState.CLOSED}


def _greet(stay: ServerState) -> dict[Trigger, ServerState]:
    """Entries of a state in which the greeting is not complete."""
    return {
        # A client may send its configuration and its history as soon as the socket is open. The answers wait.
        **on(_IN, (SessionUpdate, *_ITEMS), stay),
        (_OUT, ErrorEvent): stay,
        (_OUT, Ping): stay,
        **_leave(),
    }


def _serve(stay: ServerState) -> dict[Trigger, ServerState]:
    """Entries of a greeted state in which nothing is being answered."""
    received = {kind for kind in _FROM_CLIENT if kind is not ResponseCancel}  # there is nothing to cancel
    return {
        **on(_IN, received, stay),
        # A response is active from the moment it is asked for: a second request must not slip in before the
        # first is announced.
        **on(_IN, (ResponseCreate, ForcedResponse), ServerState.RESPONDING),
        **on(_OUT, _AT_ANY_TIME, stay),
        (_OUT, ResponseCreated): ServerState.RESPONDING,
        **_leave(),
    }


SERVER_TABLE: Final[Table[ServerState]] = {
    ServerState.OPENED: {
        **_greet(ServerState.OPENED),
        (_OUT, SessionCreated): ServerState.SESSION_GREETED,
        (_OUT, ConversationCreated): ServerState.CONVERSATION_GREETED,
    },
    ServerState.SESSION_GREETED: {
        **_greet(ServerState.SESSION_GREETED),
        (_OUT, ConversationCreated): ServerState.IDLE,
    },
    ServerState.CONVERSATION_GREETED: {
        **_serve(ServerState.CONVERSATION_GREETED),
        (_OUT, SessionCreated): ServerState.IDLE,
    },
    ServerState.IDLE: _serve(ServerState.IDLE),
    ServerState.RESPONDING: {
        # Neither ResponseCreate nor ForcedResponse: there already is one.
        **on(_IN, (kind for kind in _FROM_CLIENT if kind is not ResponseCreate), ServerState.RESPONDING),
        **on(_OUT, (*_AT_ANY_TIME, *_IN_RESPONSE), ServerState.RESPONDING),
        # Another one, which drops the one before it: no response.done for that.
        (_OUT, ResponseCreated): ServerState.RESPONDING,
        (_OUT, ResponseDone): ServerState.IDLE,
        (_OUT, ResponseDropped): ServerState.IDLE,
        **_leave(),
    },
    ServerState.ENDED: {
        **on(_IN, (*_FROM_CLIENT, ForcedResponse, Unknown), ServerState.ENDED),
        (_IN, ConnectionClosed): ServerState.CLOSED,
    },
    ServerState.CLOSED: {
        (_IN, ConnectionClosed): ServerState.CLOSED,
    },
}
"""Received: what a client may send, and when. Sent: what this server may send."""
