"""What a voice agent tells, whoever provides it; and what the events of all providers' clients share.

A scenario that listens to `AgentEvents` runs with any provider. Each of them carries the native message it was derived
from, where there is one.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from ._tools import ToolResult

if TYPE_CHECKING:
    from ._agent_client import VoiceAgent


@attrs.frozen(kw_only=True)
class ClientEvent:
    """Anything the client of a provider tells."""

    client: "VoiceAgent"
    """The client it happened to."""


@attrs.frozen(kw_only=True)
class AgentEvent(ClientEvent):
    """Something that any voice agent may tell."""

    native: object = attrs.field(default=None, repr=False)
    """The provider's message it was derived from, typed, or None where there was none."""


class AgentEvents:
    """What happens in a conversation, in the same words for all providers."""

    @attrs.frozen(kw_only=True)
    class UserStartedSpeaking(AgentEvent):
        """The caller began to speak."""

    @attrs.frozen(kw_only=True)
    class UserStoppedSpeaking(AgentEvent):
        """The caller's turn is over, as far as the provider can tell now."""

    @attrs.frozen(kw_only=True)
    class UserText(AgentEvent):
        """What the caller said."""

        text: str
        """The whole turn so far; a later event of the same turn replaces it."""
        final: bool
        """False for a text that may still change."""

    @attrs.frozen(kw_only=True)
    class TurnStarted(AgentEvent):
        """The agent begins an answer, or a line it was told to say."""

        turn_id: str

    @attrs.frozen(kw_only=True)
    class AgentText(AgentEvent):
        """The next piece of what the agent says."""

        turn_id: str
        text: str

    @attrs.frozen(kw_only=True)
    class TurnDone(AgentEvent):
        """An answer is complete, as the provider sent it; its audio usually still plays."""

        turn_id: str
        interrupted: bool
        """The caller, or `interrupt`, cut it, or the connection broke in it."""

    @attrs.frozen(kw_only=True)
    class ToolCalled(AgentEvent):
        """The model calls a function."""

        call_id: str
        name: str
        arguments: str
        """A JSON object, as the model wrote it."""

    @attrs.frozen(kw_only=True)
    class ToolFinished(AgentEvent):
        """A tool that is run here has ended."""

        result: ToolResult

    @attrs.frozen(kw_only=True)
    class ProviderReady(AgentEvent):
        """A session can be talked to: the first one, or the next after a loss, a renewal or a failover."""

        provider: str
        """`grok` or `deepgram`."""
        session: int
        """1 for the client's first session, then 2, 3, ..."""
        handed_over: int
        """Entries of the history that were given to it."""

    @attrs.frozen(kw_only=True)
    class ProviderLost(AgentEvent):
        """A session ended, or could not be opened, without our doing."""

        provider: str
        reason: str
        """In words, without credentials."""
        will_reconnect: bool
        """False where this provider is given up; another may follow."""

    @attrs.frozen(kw_only=True)
    class Error(AgentEvent):
        """The provider reports an error."""

        kind: str
        """The provider's type or code of it."""
        message: str


@attrs.frozen(kw_only=True)
class ConnectorData:
    """How a client is connected."""

    endpoint: str
    """The URL, without credentials."""
    model: str
    """The model that was asked for; empty where the provider's wire names it elsewhere."""
    web_socket_id: str
    attempt: int
    """1 for the first connection of the client; failed attempts count."""
    trace: str | None = None
    """The path of the trace file, if there is one."""


@attrs.frozen(kw_only=True)
class WebSocketErrorData:
    """What went wrong with the connection."""

    message: str
    """In words, without credentials."""
    code: int | None = None
    """The close code, where the socket closed (RFC 6455, section 7.4.1)."""
    will_reconnect: bool = True
    """False where the client is over."""


@attrs.frozen(kw_only=True)
class WebSocketMediaInfo:
    """About a stretch of audio that ended."""

    duration: float
    """How long it played, float seconds."""
    bytes_sent: int
    """How much of it the provider sent, octets in the session's output format."""


@attrs.frozen(kw_only=True)
class WebSocketClosed(ClientEvent):
    """A socket closed: what `on_web_socket_close` is called with."""

    code: int
    reason: str
    was_clean: bool
    will_reconnect: bool


class EventNames:
    """The event classes of one kind of client, by all the names they may be called by.

    Args:
        namespaces: The classes whose attributes are event classes.
        prefix: What VoxEngine writes in front of a namespace, such as `Grok.`.
        wire: Further names: types of messages on the wire.
    """

    def __init__(
        self,
        *namespaces: type,
        prefix: str = "",
        wire: Mapping[str, type[ClientEvent]] | None = None,
    ) -> None:
        self._prefix = prefix
        self._by_name: dict[str, type[ClientEvent]] = dict(wire or {})
        # Neutral names last: a provider's own word of the same spelling means the provider's event.
        for namespace in (AgentEvents, *namespaces):
            for kind in classes_of(namespace):
                self._by_name[kind.__name__] = kind
                self._by_name[f"{namespace.__name__}.{kind.__name__}"] = kind

    def find(self, event: object) -> type[ClientEvent]:
        """The class that a name stands for.

        Args:
            event: An event class, its name with or without the namespace, or the type of a message on the wire.

        Raises:
            ValueError: There is no such event.
            TypeError: Neither a class nor a name.
        """
        text = repr(event)[:80]
        if isinstance(event, type) and issubclass(event, ClientEvent):
            return event
        if not isinstance(event, str):
            raise TypeError(f"expected an event class or its name, not {text}")
        found = self._by_name.get(event.removeprefix(self._prefix))
        if found is None:
            near = difflib.get_close_matches(event, self._by_name, n=1)
            raise ValueError(f"there is no event {event[:80]!r}" + (f"; perhaps {near[0]!r}" if near else ""))
        return found


def classes_of(namespace: type) -> Iterator[type[ClientEvent]]:
    """The event classes in a namespace."""
    for value in vars(namespace).values():
        if isinstance(value, type) and issubclass(value, ClientEvent):
            yield value
