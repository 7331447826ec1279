"""The server side of one Deepgram connection: which messages are legal now, and the answer to those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from .._errors import LocalWireError, RemoteWireError, clip
from .._machine import Direction, Machine
from ._base import BinaryAudio, Decoded, Message, ServerMessage
from ._client_messages import FunctionCallResponse
from ._codec import MAX_CLIENT_MESSAGE, decode_client_message, encode
from ._codes import ErrorCode, WarningCode
from ._connect import SESSION_LIMIT, SESSION_WARNING
from ._history import History
from ._problems import refuse
from ._server_messages import (
    AgentAudioDone,
    AgentStartedSpeaking,
    ErrorMessage,
    FunctionCall,
    FunctionCallCancelled,
    FunctionCallRequest,
    SettingsApplied,
    UserStartedSpeaking,
    WarningMessage,
)
from ._settings import Agent, Settings
from ._settings_check import check_settings
from ._states import (
    SERVER_TABLE,
    AgentText,
    AppliedSpeaking,
    ConnectionClosed,
    State,
    TurnDropped,
    trigger_of,
)
from ._updates import ACKNOWLEDGEMENTS, Update, apply_update, check_update

__all__ = ["DeepgramServer"]

_ACKNOWLEDGEMENTS: Final = frozenset(ACKNOWLEDGEMENTS.values())


class DeepgramServer:
    """One connection as its server sees it: messages in, messages out. No I/O and no clock.

    It knows the order of messages, the settings of the session and its deadlines. Audio and turns are the business of
    whoever owns it, who sends ``Welcome`` before anything is received.

    Args:
        opened_at: When the socket opened, in seconds of any clock, the same as that of every ``now``.
        idle_timeout: Seconds a client may be silent; None is forever. No figure is published.
        settings_timeout: Seconds until ``Settings`` have to be there; None is forever.
        session_limit: Seconds a session lasts at most.
        session_warning: Seconds after which the client is warned of that.
        agents: Agents that are stored here, by id; None if this server stores none.
        open_fields: Accept fields of settings that have no attribute here.
        early_access: Accept ``think_live``.
        max_octets: A longer message is an error.
    """

    def __init__(
        self,
        opened_at: float,
        *,
        idle_timeout: float | None = 12.0,
        settings_timeout: float | None = 15.0,
        session_limit: float = SESSION_LIMIT,
        session_warning: float = SESSION_WARNING,
        agents: Mapping[str, Agent] | None = None,
        open_fields: bool = False,
        early_access: bool = False,
        max_octets: int = MAX_CLIENT_MESSAGE,
    ) -> None:
        self._machine = Machine(SERVER_TABLE, State.AWAIT_WELCOME)
        self._opened_at = opened_at
        self._last_received = opened_at
        self._idle_timeout = idle_timeout
        self._settings_timeout = settings_timeout
        self._agents = agents
        self._open_fields = open_fields
        self._early_access = early_access
        self._max_octets = max_octets
        self._warned = False
        self._greeting = False
        self._updates: list[type[Update]] = []
        self._calls: dict[str, FunctionCall] = {}
        self.session_warning_at = opened_at + session_warning
        """When the client is warned that the session ends."""
        self.session_ends_at = opened_at + session_limit
        """When the session ends."""
        self.settings: Settings | None = None
        """Those in force: a stored agent in full, all accepted updates merged."""

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._machine.state

    @property
    def pending_calls(self) -> tuple[FunctionCall, ...]:
        """The calls of the client's functions that are neither answered nor cancelled."""
        return tuple(self._calls.values())

    @property
    def idle_deadline(self) -> float | None:
        """When the session ends for want of a message; before ``Settings``, for want of those."""
        match self.state:
            case State.AWAIT_WELCOME | State.AWAIT_SETTINGS:
                timeout, since = self._settings_timeout, self._opened_at
            case State.ENDED | State.CLOSED:
                return None
            case _:
                timeout, since = self._idle_timeout, self._last_received
        return None if timeout is None else since + timeout

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timer``, or None if there is nothing to wait for."""
        if self.state in {State.ENDED, State.CLOSED}:
            return None
        times = [self.session_ends_at]
        if not self._warned:
            times.append(self.session_warning_at)
        if self.idle_deadline is not None:
            times.append(self.idle_deadline)
        return min(times)

    def handle_timer(self, now: float) -> tuple[ServerMessage, ...]:
        """Return what to send because of the time: nothing, a warning, an error that ends the session, or both.

        Args:
            now: The time.
        """
        due: list[ServerMessage] = []
        if self.state in {State.ENDED, State.CLOSED}:
            return ()
        if now >= self.session_warning_at and not self._warned:
            self._warned = True
            text = f"the session ends {self.session_ends_at - self.session_warning_at:g} seconds from now"
            code = WarningCode.MAXIMUM_SESSION_LENGTH_APPROACHING
            due.append(WarningMessage(description=text, code=code))
        idle = self.idle_deadline
        if now >= self.session_ends_at:
            text = f"the session has lasted {self.session_ends_at - self._opened_at:g} seconds"
            due.append(ErrorMessage(description=text, code=ErrorCode.MAXIMUM_SESSION_LENGTH_REACHED))
        elif idle is not None and now >= idle:
            text = "no message came in time: send audio, or KeepAlive while there is none"
            due.append(ErrorMessage(description=text, code=ErrorCode.CLIENT_MESSAGE_TIMEOUT))
        return tuple(due)

    def receive(self, message: str | bytes, now: float) -> Decoded:
        """Take one message from the client.

        ``Settings`` and updates that are returned are already in ``settings``, and are to be acknowledged. Whether a
        ``FunctionCallResponse`` is still wanted says ``take_response``.

        Args:
            message: A text frame as ``str``, a binary frame as ``bytes``.
            now: The time.

        Raises:
            RemoteWireError: The message is not one of this wire, or not one that is legal now. ``reply`` is the
                ``ErrorMessage`` to send before closing, None if the session is over already. Nothing has changed but
                that the client is not idle.
            LocalWireError: ``Welcome`` was not sent.
        """
        if self.state is State.AWAIT_WELCOME:
            raise LocalWireError("cannot receive in state AWAIT_WELCOME: send Welcome first")
        self._last_received = now
        try:
            decoded = decode_client_message(message, max_octets=self._max_octets)
            event = decoded.event
            self._check_order(event)
            settings = self._changed(event)
        except RemoteWireError as error:
            if self.state not in {State.ENDED, State.CLOSED}:
                raise
            raise RemoteWireError(str(error), path=error.path) from None
        self._machine.received(type(event))
        self.settings = settings
        if isinstance(event, Update) and self.state is not State.ENDED:
            self._updates.append(type(event))
        return decoded

    def send(self, message: ServerMessage | BinaryAudio) -> str | bytes:
        """Encode one message to the client.

        Raises:
            LocalWireError: Not now, or never: an acknowledgement of nothing, a cancelled call that does not wait,
                ``History`` or ``AgentStartedSpeaking`` although the settings do not want it. The state stays.
        """
        trigger = trigger_of(message)
        if isinstance(message, SettingsApplied) and self._greeting:
            trigger = AppliedSpeaking
        if self._machine.next(Direction.SENT, trigger) is None:
            raise LocalWireError(f"cannot send {type(message).__name__} in state {self.state.name}")
        self._check_sent(message)
        text = encode(message)
        self._machine.sent(trigger)
        if trigger is AgentText:
            self._greeting = True
        match message:
            case AgentAudioDone() | UserStartedSpeaking():
                self._greeting = False
            case FunctionCallRequest():
                self._calls |= {call.id: call for call in message.functions if call.client_side}
            case FunctionCallCancelled():
                for cancelled in message.functions:
                    self._calls.pop(cancelled.id, None)
            case _ if type(message) in _ACKNOWLEDGEMENTS:
                self._updates.remove(self._acknowledged_by(message))
            case _:
                pass
        return text

    def take_response(self, response: FunctionCallResponse) -> bool:
        """Tell whether a call waits for this response, which is from then on answered.

        A late one, a second one and one to a cancelled call are not wanted, and are dropped without a word.
        """
        return response.id is not None and self._calls.pop(response.id, None) is not None

    def drop_turn(self) -> None:
        """Let go of the turn that runs: the user said nothing, or there is no answer. The client is not told.

        Raises:
            LocalWireError: Settings are not in force.
        """
        self._machine.sent(TurnDropped)

    def closed(self) -> None:
        """Note that the socket is closed."""
        self._machine.received(ConnectionClosed)

    def _check_order(self, event: Message) -> None:
        if self._machine.next(Direction.RECEIVED, type(event)) is not None:
            return
        text = f"received {type(event).__name__} in state {self.state.name}"
        if self.state is State.AWAIT_SETTINGS:
            raise refuse(ErrorCode.NON_SETTINGS_MESSAGE_BEFORE_SETTINGS, f"{text}, expected Settings first")
        raise refuse(ErrorCode.SETTINGS_ALREADY_APPLIED, f"{text}, expected Settings only once")

    def _changed(self, event: Message) -> Settings | None:
        """Return what the settings are after ``event``."""
        settings = self.settings
        if self.state is State.ENDED:
            return settings
        if isinstance(event, Settings):
            check_settings(event, open_fields=self._open_fields, early_access=self._early_access)
            if isinstance(event.agent, str):
                settings = attrs.evolve(event, agent=self._stored(event.agent))
                check_settings(settings, open_fields=self._open_fields, early_access=self._early_access)
                return settings
            return event
        if isinstance(event, Update) and settings is not None:
            check_update(event, settings, open_fields=self._open_fields, early_access=self._early_access)
            return apply_update(settings, event)
        return settings

    def _stored(self, agent_id: str) -> Agent:
        if self._agents is None:
            raise refuse(
                ErrorCode.AGENT_ID_NOT_SUPPORTED, "agent: this server stores no agents", path="agent"
            )
        agent = self._agents.get(agent_id)
        if agent is None:
            raise refuse(
                ErrorCode.INVALID_AGENT_ID, f"agent: there is none with id {clip(agent_id)}", path="agent"
            )
        return agent

    def _acknowledged_by(self, message: Message) -> type[Update]:
        for update in self._updates:
            if ACKNOWLEDGEMENTS[update] is type(message):
                return update
        raise LocalWireError(f"cannot send {type(message).__name__}: there is no such update to acknowledge")

    def _check_sent(self, message: Message) -> None:
        kind, settings = type(message).__name__, self.settings
        match message:
            case History() if settings is not None and not settings.history:
                raise LocalWireError(f"cannot send {kind}: the settings turn it off")
            case AgentStartedSpeaking() if settings is not None and not settings.experimental:
                raise LocalWireError(f"cannot send {kind}: the settings are not experimental")
            case FunctionCallRequest():
                ids = [call.id for call in message.functions]
                if len(set(ids)) < len(ids) or not self._calls.keys().isdisjoint(ids):
                    raise LocalWireError(f"cannot send {kind}: a call has the id of another one")
            case FunctionCallCancelled():
                for cancelled in message.functions:
                    if cancelled.id not in self._calls:
                        raise LocalWireError(
                            f"cannot send {kind}: call {clip(cancelled.id)} waits for no answer"
                        )
            case _ if type(message) in _ACKNOWLEDGEMENTS:
                self._acknowledged_by(message)
            case _:
                pass
