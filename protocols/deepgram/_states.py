"""Who may send what when, as one table per side. A missing entry is an illegal message.

Most messages say all the table needs by their class. A few do not, and go by a class of this module instead:
``trigger_of`` tells which, where the message alone can tell.
"""

from __future__ import annotations

import enum
from typing import Final

from .._machine import Direction, Table, Trigger, on
from ._base import BinaryAudio, Message, Unknown
from ._client_messages import FunctionCallResponse, KeepAlive
from ._codec import CLIENT_MESSAGES, SERVER_MESSAGES
from ._history import History
from ._server_messages import (
    AgentAudioDone,
    AgentStartedSpeaking,
    AgentThinking,
    ConversationText,
    CustomFromThinkProvider,
    ErrorMessage,
    FrustrationDetected,
    FunctionCallCancelled,
    FunctionCallRequest,
    InjectionRefused,
    LatencyReport,
    SettingsApplied,
    UserStartedSpeaking,
    WarningMessage,
    Welcome,
)
from ._settings import Settings
from ._updates import ACKNOWLEDGEMENTS

__all__ = [
    "CLIENT_TABLE",
    "SERVER_TABLE",
    "AgentText",
    "AppliedSpeaking",
    "ConnectionClosed",
    "StaleAudio",
    "State",
    "TurnDropped",
    "UserText",
    "trigger_of",
]


class State(enum.Enum):
    """Where a session is, as either side sees it."""

    AWAIT_WELCOME = "await welcome"
    """The socket is open; the server has not greeted."""
    AWAIT_SETTINGS = "await settings"
    """Greeted. Nothing but ``Settings`` may come from the client."""
    AWAIT_APPLIED = "await applied"
    """``Settings`` are out. The text of the agent's greeting may come."""
    IDLE = "idle"
    """Settings are in force and nobody speaks."""
    USER_TURN = "user turn"
    """The user speaks."""
    THINKING = "thinking"
    """The user's turn is over, and the agent has not said anything to it."""
    AGENT_TURN = "agent turn"
    """The agent speaks: text or audio was sent, and not all of the audio."""
    ENDED = "ended"
    """An ``Error`` was sent; the server is about to close."""
    CLOSED = "closed"
    """The socket is closed."""


class UserText:
    """A ``ConversationText`` of the user that ends the user's turn."""


class AgentText:
    """A ``ConversationText`` of the agent."""


class AppliedSpeaking:
    """A ``SettingsApplied`` after text of a greeting."""


class StaleAudio:
    """Audio of an utterance that the user has interrupted."""


class TurnDropped:
    """A turn the server lets go without a word: there was nothing in it."""


class ConnectionClosed:
    """The socket closed."""


def trigger_of(message: Message) -> type:
    """Return the class by which the tables know ``message``."""
    match message:
        case ConversationText(role="assistant"):
            return AgentText
        # A "mhm" while the agent speaks is no turn.
        case ConversationText(role="user", conversational_behavior=behavior) if behavior != "backchannel":
            return UserText
        case _:
            return type(message)


_IN: Final = Direction.RECEIVED
_OUT: Final = Direction.SENT

_FROM_CLIENT: Final = (*(kind for kind in CLIENT_MESSAGES if kind is not Settings), BinaryAudio)
"""What a client may send while a session runs."""

# --- the client

_FROM_SERVER: Final = (
    *SERVER_MESSAGES,
    BinaryAudio,
    StaleAudio,
    UserText,
    AgentText,
    AppliedSpeaking,
    Unknown,
)


def _hear(stay: State) -> dict[Trigger, State]:
    # A client takes whatever a server says, whenever: orders that no document has were seen, and more will be.
    return {
        **on(_IN, _FROM_SERVER, stay),
        (_IN, ErrorMessage): State.ENDED,
        (_IN, ConnectionClosed): State.CLOSED,
    }


def _talk(stay: State) -> dict[Trigger, State]:
    """Entries of a state in which settings are in force."""
    return {**_hear(stay), **on(_OUT, _FROM_CLIENT, stay), (_IN, UserStartedSpeaking): State.USER_TURN}


CLIENT_TABLE: Final[Table[State]] = {
    State.AWAIT_WELCOME: {
        **_hear(State.AWAIT_WELCOME),
        (_IN, Welcome): State.AWAIT_SETTINGS,
    },
    State.AWAIT_SETTINGS: {
        **_hear(State.AWAIT_SETTINGS),
        (_OUT, Settings): State.AWAIT_APPLIED,
    },
    State.AWAIT_APPLIED: {
        **_hear(State.AWAIT_APPLIED),
        (_IN, SettingsApplied): State.IDLE,
        (_IN, AppliedSpeaking): State.AGENT_TURN,
        (_OUT, KeepAlive): State.AWAIT_APPLIED,
    },
    State.IDLE: {
        **_talk(State.IDLE),
        (_IN, UserText): State.THINKING,
        **on(_IN, (AgentThinking, FunctionCallRequest), State.THINKING),
        **on(_IN, (AgentText, AgentStartedSpeaking, BinaryAudio), State.AGENT_TURN),
    },
    State.USER_TURN: {
        # A function call does not end it: such a call runs ahead of a turn that may yet go on.
        **_talk(State.USER_TURN),
        (_IN, UserText): State.THINKING,
        (_IN, AgentText): State.AGENT_TURN,
    },
    State.THINKING: {
        **_talk(State.THINKING),
        **on(_IN, (AgentText, AgentStartedSpeaking, BinaryAudio), State.AGENT_TURN),
    },
    State.AGENT_TURN: {
        # Nor does text of the user end this one, which a client may have injected.
        **_talk(State.AGENT_TURN),
        (_IN, AgentAudioDone): State.IDLE,
    },
    State.ENDED: {
        **on(_IN, _FROM_SERVER, State.ENDED),
        (_IN, ConnectionClosed): State.CLOSED,
    },
    State.CLOSED: {
        (_IN, ConnectionClosed): State.CLOSED,
    },
}
"""Sent: what this client may send. Received: what it may hear, which is everything."""

# --- the server

_AT_ANY_TIME: Final = (
    ConversationText,
    History,
    AgentThinking,
    LatencyReport,
    FunctionCallRequest,
    FunctionCallResponse,
    FunctionCallCancelled,
    InjectionRefused,
    WarningMessage,
    FrustrationDetected,
    CustomFromThinkProvider,
    UserText,
    *ACKNOWLEDGEMENTS.values(),
)


def _leave() -> dict[Trigger, State]:
    return {(_OUT, ErrorMessage): State.ENDED, (_IN, ConnectionClosed): State.CLOSED}


def _serve(stay: State) -> dict[Trigger, State]:
    """Entries of a state in which settings are in force."""
    return {
        **on(_IN, _FROM_CLIENT, stay),
        **on(_OUT, _AT_ANY_TIME, stay),
        (_OUT, UserStartedSpeaking): State.USER_TURN,
        (_OUT, AgentText): State.AGENT_TURN,
        (_OUT, TurnDropped): State.IDLE,
        **_leave(),
    }


SERVER_TABLE: Final[Table[State]] = {
    State.AWAIT_WELCOME: {
        (_OUT, Welcome): State.AWAIT_SETTINGS,
        **_leave(),
    },
    State.AWAIT_SETTINGS: {
        (_IN, Settings): State.AWAIT_APPLIED,
        (_OUT, WarningMessage): State.AWAIT_SETTINGS,
        **_leave(),
    },
    State.AWAIT_APPLIED: {
        # What comes early is kept until the settings are in force.
        **on(_IN, _FROM_CLIENT, State.AWAIT_APPLIED),
        **on(_OUT, (AgentText, History, WarningMessage), State.AWAIT_APPLIED),
        (_OUT, SettingsApplied): State.IDLE,
        (_OUT, AppliedSpeaking): State.AGENT_TURN,
        **_leave(),
    },
    State.IDLE: {
        **_serve(State.IDLE),
        **on(_OUT, (UserText, AgentThinking, FunctionCallRequest), State.THINKING),
    },
    State.USER_TURN: {
        **_serve(State.USER_TURN),
        (_OUT, UserText): State.THINKING,
    },
    State.THINKING: _serve(State.THINKING),
    State.AGENT_TURN: {
        **_serve(State.AGENT_TURN),
        **on(_OUT, (BinaryAudio, AgentStartedSpeaking), State.AGENT_TURN),
        (_OUT, AgentAudioDone): State.IDLE,
    },
    State.ENDED: {
        **on(_IN, (*_FROM_CLIENT, Settings), State.ENDED),
        (_IN, ConnectionClosed): State.CLOSED,
    },
    State.CLOSED: {
        (_IN, ConnectionClosed): State.CLOSED,
    },
}
"""Received: what a client may send, and when. Sent: what this server may send."""
