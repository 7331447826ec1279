"""The client side of one Deepgram connection: what may be sent now, and what the server's messages amount to."""

from __future__ import annotations

from typing import Final

from .._errors import LocalWireError, RemoteWireError, clip
from .._machine import Direction, Machine
from ._base import BinaryAudio, ClientMessage, Decoded, Message
from ._check import check_client_message
from ._client_messages import FunctionCallResponse
from ._codec import MAX_SERVER_MESSAGE, decode_server_message, encode
from ._connect import KEEP_ALIVE_INTERVAL, SESSION_LIMIT, SESSION_WARNING
from ._server_messages import (
    AgentAudioDone,
    FunctionCall,
    FunctionCallCancelled,
    FunctionCallRequest,
    SettingsApplied,
    UserStartedSpeaking,
    Welcome,
)
from ._settings import Agent, Settings
from ._states import (
    CLIENT_TABLE,
    AgentText,
    AppliedSpeaking,
    ConnectionClosed,
    StaleAudio,
    State,
    trigger_of,
)
from ._updates import ACKNOWLEDGEMENTS, Update, apply_update

__all__ = ["DeepgramClient"]

# Calls and updates without an answer that are remembered; a peer that never gives one must not fill the memory.
_MAX_PENDING: Final = 1024


class DeepgramClient:
    """One connection as its client sees it: messages in, messages out. No I/O and no clock.

    A client that connects again makes a new one, and sends ``settings`` with the conversation so far.

    Args:
        opened_at: When the socket opened, in seconds of any clock, the same as that of every ``now``.
        max_octets: A longer message is an error.
    """

    def __init__(self, opened_at: float, *, max_octets: int = MAX_SERVER_MESSAGE) -> None:
        self._machine = Machine(CLIENT_TABLE, State.AWAIT_WELCOME)
        self._max_octets = max_octets
        self._opened_at = opened_at
        self._last_sent = opened_at
        self._greeting = False
        self._interrupted = False
        self._updates: list[Update] = []
        self._calls: dict[str, FunctionCall] = {}
        self.request_id: str | None = None
        """From ``Welcome``."""
        self.settings: Settings | None = None
        """What was sent, with the updates that were acknowledged since."""

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._machine.state

    @property
    def ready(self) -> bool:
        """Whether audio and injections can go: settings are in force."""
        return self._machine.next(Direction.SENT, BinaryAudio) is not None

    @property
    def pending_updates(self) -> tuple[Update, ...]:
        """The updates without an acknowledgement. They are lost if the connection is."""
        return tuple(self._updates)

    @property
    def pending_calls(self) -> tuple[FunctionCall, ...]:
        """The calls of the client's functions that are neither answered nor cancelled."""
        return tuple(self._calls.values())

    @property
    def session_warning_at(self) -> float:
        """When the server warns that the session ends."""
        return self._opened_at + SESSION_WARNING

    @property
    def session_ends_at(self) -> float:
        """When the server ends the session, whatever happens in it."""
        return self._opened_at + SESSION_LIMIT

    def next_keep_alive(self, now: float) -> float | None:
        """Return when to send a ``KeepAlive`` unless something else is sent first, or None if none may be sent.

        Anything sent counts, audio above all.

        Args:
            now: The time; what is due at an earlier one is due now.
        """
        if self.state is not State.AWAIT_APPLIED and not self.ready:
            return None
        return max(now, self._last_sent + KEEP_ALIVE_INTERVAL)

    def receive(self, message: str | bytes) -> Decoded:
        """Take one message from the server. One of an unknown kind changes nothing.

        Raises:
            RemoteWireError: It cannot be decoded, or the connection is closed. The state stays.
        """
        decoded = decode_server_message(message, max_octets=self._max_octets)
        event = decoded.event
        trigger = trigger_of(event)
        if isinstance(event, SettingsApplied) and self._greeting:
            trigger = AppliedSpeaking
        elif self.is_stale(event):
            trigger = StaleAudio
        self._machine.received(trigger)
        if trigger is AgentText:
            self._interrupted = False
            self._greeting = True
        match event:
            case Welcome():
                self.request_id = event.request_id
            case UserStartedSpeaking():
                self._interrupted = True
                self._greeting = False
            case AgentAudioDone():
                self._greeting = False
            case FunctionCallRequest():
                for call in event.functions:
                    if call.client_side and len(self._calls) < _MAX_PENDING:
                        self._calls[call.id] = call
            case FunctionCallCancelled():
                for cancelled in event.functions:
                    self._calls.pop(cancelled.id, None)
            case _:
                self._acknowledged(event)
        return decoded

    def send(self, message: ClientMessage | BinaryAudio, now: float) -> str | bytes:
        """Encode one message to the server.

        Only ``Settings`` may go after ``Welcome``, once, and until ``SettingsApplied`` nothing more than
        ``KeepAlive``.

        Args:
            message: The message.
            now: The time.

        Raises:
            LocalWireError: Not now, or never: the message breaks a rule of the wire, or answers a function call that
                waits for no answer. The state stays.
        """
        kind = type(message)
        if self._machine.next(Direction.SENT, kind) is None:
            raise LocalWireError(f"cannot send {kind.__name__} in state {self.state.name}")
        try:
            check_client_message(message)
        except RemoteWireError as error:
            raise LocalWireError(f"cannot send {kind.__name__}: {error}") from None
        if isinstance(message, FunctionCallResponse) and message.id not in self._calls:
            raise LocalWireError(
                f"cannot send {kind.__name__}: call {clip(message.id)} was not made, or is answered or cancelled"
            )
        if isinstance(message, Update) and len(self._updates) >= _MAX_PENDING:
            raise LocalWireError(f"cannot send {kind.__name__}: {_MAX_PENDING} updates have no answer")
        text = encode(message)
        self._machine.sent(kind)
        self._last_sent = now
        if isinstance(message, Settings):
            self.settings = message
        elif isinstance(message, FunctionCallResponse):
            self._calls.pop(message.id or "", None)
        elif isinstance(message, Update):
            self._updates.append(message)
        return text

    def send_audio(self, payload: bytes, now: float) -> bytes:
        """Return the frame for caller audio: ``send`` for what is sent 50 times a second.

        Args:
            payload: Audio in the input format.
            now: The time.

        Raises:
            LocalWireError: Not before ``SettingsApplied``.
        """
        self._machine.sent(BinaryAudio)
        self._last_sent = now
        return payload

    def closed(self) -> None:
        """Note that the socket is closed."""
        self._machine.received(ConnectionClosed)

    def is_stale(self, event: Message) -> bool:
        """Tell whether ``event`` is audio of an utterance that the user has interrupted: not to be played.

        From ``UserStartedSpeaking`` on, all audio is, until the next text of the agent. Nothing in a frame says which
        utterance it is of.
        """
        return self._interrupted and isinstance(event, BinaryAudio)

    def _acknowledged(self, event: Message) -> None:
        for index, update in enumerate(self._updates):
            if ACKNOWLEDGEMENTS[type(update)] is type(event):
                del self._updates[index]
                if self.settings is not None and isinstance(self.settings.agent, Agent):
                    self.settings = apply_update(self.settings, update)
                return
