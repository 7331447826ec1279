"""The provider port: what a connection needs to know of a provider, and what it tells the client."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import attrs

from ._provider_errors import ProviderFailure

Out = TypeVar("Out")
"""What the client sends: an event of the provider's wire."""
In = TypeVar("In")
"""What the provider sends, decoded."""
Out_contra = TypeVar("Out_contra", contravariant=True)
In_co = TypeVar("In_co", covariant=True)
In_contra = TypeVar("In_contra", contravariant=True)


@attrs.frozen(kw_only=True)
class ConnectRequest:
    """Where and how to open a connection. The repr leaves out what carries credentials."""

    url: str
    """Without credentials."""
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    subprotocols: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a provider's wire can do."""

    say: bool = False
    """Speak a given text word for word."""
    truncate: bool = False
    """Be told how much of an answer was heard."""
    cancel: bool = False
    """Stop an answer that is being made."""
    tools: bool = False
    translated: bool = False
    """The events are those of another wire, and what follows from a message may depend on time."""


class ProviderAdapter(Protocol[Out_contra, In_co]):
    """One provider's wire, as a connection uses it. All methods but `connect_request` are plain functions."""

    @property
    def name(self) -> str:
        """For names of actors and texts."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the wire can do."""
        ...

    @property
    def model(self) -> str:
        """What was asked for when connecting; empty where the wire names it elsewhere."""
        ...

    @property
    def session_limit(self) -> float | None:
        """Seconds after which the provider ends a session, or None. For planned renewal."""
        ...

    @property
    def keep_alive_interval(self) -> float | None:
        """Seconds without a message of ours after which `keep_alive` is due, or None."""
        ...

    @property
    def max_message(self) -> int:
        """The longest message to accept, octets."""
        ...

    @property
    def audio_fields(self) -> Mapping[str, str]:
        """By wire name of a message, its field that holds audio in base64."""
        ...

    async def connect_request(self) -> ConnectRequest:
        """How to connect now. Called for each connection, so a key can be rotated."""
        ...

    def secrets(self) -> Sequence[str]:
        """What must not appear in any text."""
        ...

    def begin(self) -> None:
        """A connection begins: forget what was about an earlier one."""
        ...

    def encode_opening(self, events: Sequence[Out_contra]) -> Sequence[str | bytes]:
        """The messages for the events that begin a connection.

        Raises:
            LocalWireError: One of them has no wire form.
        """
        ...

    def receive(self, message: str | bytes) -> Sequence[In_co]:
        """Decode a message: one event, unless the wire is translated into another's events.

        Raises:
            RemoteWireError: It cannot be decoded.
        """
        ...

    def encode(self, event: Out_contra) -> Sequence[str | bytes]:
        """The messages for an event: one, unless the wire is a translation of another.

        Raises:
            LocalWireError: The event has no wire form.
        """
        ...

    @property
    def deadline(self) -> float:
        """When `handle_timer` wants to be called, trio's clock; infinity for never."""
        ...

    def handle_timer(self, now: float) -> Sequence[In_co]:
        """What follows from nothing having come for a while."""
        ...

    def keep_alive(self) -> str | bytes | None:
        """The message that keeps a silent session alive, or None where none is wanted now."""
        ...

    def audio_out(self, payload: bytes) -> str | bytes:
        """The message that carries caller audio."""
        ...

    def is_permanent(self, error: Exception) -> ProviderFailure | None:
        """Why trying again cannot help, or None where it can."""
        ...


@attrs.frozen(kw_only=True)
class Connected:
    """A socket is open."""

    attempt: int
    """1 for the first connection of the client, then 2, 3, ..., failed attempts included."""
    web_socket_id: str
    endpoint: str
    """The URL, without credentials."""


@attrs.frozen(kw_only=True)
class Disconnected:
    """A socket is closed, or could not be opened."""

    code: int
    """RFC 6455, section 7.4.1; 1006 where there was no closing handshake."""
    reason: str
    was_clean: bool
    was_open: bool
    """False where no socket had been opened."""
    web_socket_id: str
    will_reconnect: bool
    wanted: bool = False
    """By us: the client was closed, or another session took over."""
    status: int | None = None
    """The HTTP status, where the server refused the upgrade."""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """Of that answer."""
    body: str = attrs.field(default="", repr=False)
    """Of that answer, its beginning, without credentials."""


class ProviderClient(Protocol[In_contra]):
    """What a connection tells its client: plain functions, called in the order of the wire."""

    def provider_opening(self) -> list[str | bytes]:
        """The messages that begin a connection: the configuration and the conversation as they are by now."""
        ...

    def provider_connected(self, event: Connected) -> None:
        """A socket is open, and the opening messages are the first to be sent on it."""
        ...

    def provider_message(self, message: In_contra) -> None:
        """A message came.

        Raises:
            ConnectionLost: The session is of no use any more.
            ProviderFailed: And neither is another one.
        """
        ...

    def provider_malformed(self, error: Exception) -> None:
        """A message came that cannot be decoded; the connection goes on."""
        ...

    def provider_disconnected(self, event: Disconnected) -> None:
        """A socket closed, or an attempt failed."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost if the session were replaced now."""
        ...

    @property
    def awaits(self) -> bool:
        """Whether the provider owes us a message that does not depend on the caller."""
        ...
