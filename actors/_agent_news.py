"""Makes the events of a provider's own client from what happens, by the classes in that client's namespaces."""

import types
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from ._agent_client import VoiceAgent
from ._agent_events import ClientEvent, ConnectorData, WebSocketErrorData, WebSocketMediaInfo, classes_of

E = TypeVar("E", bound=ClientEvent)

EventMaker = Callable[..., ClientEvent]
"""An event class; each namespace has its own, of the same fields."""


class MediaEvents(Protocol):
    """A namespace of events about played audio."""

    @property
    def WebSocketMediaStarted(self) -> EventMaker:  # noqa: N802
        """With `client` and `encoding`."""
        ...

    @property
    def WebSocketMediaEnded(self) -> EventMaker:  # noqa: N802
        """With `client` and `media_info`."""
        ...


class MessageEvents(Protocol):
    """A namespace of events about the connection and what comes over it; each has `client` and `data`."""

    @property
    def ConnectorInformation(self) -> EventMaker:  # noqa: N802
        """With `ConnectorData`."""
        ...

    @property
    def WebSocketError(self) -> EventMaker:  # noqa: N802
        """With `WebSocketErrorData`."""
        ...


class DecodedMessage(Protocol):
    """A message of any provider's wire."""

    @property
    def event(self) -> object:
        """The typed message."""
        ...

    @property
    def raw(self) -> Mapping[str, object]:
        """As it was received."""
        ...


def by_payload(
    namespace: type, wire: types.ModuleType, base: type[E], *, renamed: Mapping[str, str]
) -> dict[type, type[E]]:
    """The event classes that are made from messages, by the class of the message.

    Args:
        namespace: Where the events are.
        wire: Where the messages are, under the names of their events.
        base: What events made from messages derive from; others are left out.
        renamed: The names of messages that are not called as their event, by the event's.
    """
    found: dict[type, type[E]] = {}
    for kind in classes_of(namespace):
        payload: object = getattr(wire, renamed.get(kind.__name__, kind.__name__), None)
        if isinstance(payload, type) and issubclass(kind, base):
            found[payload] = kind
    return found


def by_wire_type(kinds: Mapping[type, type[E]]) -> dict[str, type[E]]:
    """The same by the type on the wire, of those that have one of their own."""
    typed = ((getattr(payload, "type", None), kind) for payload, kind in kinds.items())
    return {wire_type: kind for wire_type, kind in typed if isinstance(wire_type, str)}


class ProviderNews:
    """See `News`.

    Args:
        client: Whose events they are.
        publish: Takes them.
        media: The client's `Events`.
        messages: The namespace of its other events.
        kinds: Those that are made from messages, by the class of the message.
    """

    def __init__(
        self,
        client: VoiceAgent,
        publish: Callable[[ClientEvent], None],
        *,
        media: MediaEvents,
        messages: MessageEvents,
        kinds: Mapping[type, EventMaker],
    ) -> None:
        self._client = client
        self._publish = publish
        self._media = media
        self._messages = messages
        self._kinds = kinds

    def connector(self, data: ConnectorData) -> None:
        """See `News`."""
        self._publish(self._messages.ConnectorInformation(client=self._client, data=data))

    def web_socket_error(self, data: WebSocketErrorData) -> None:
        """See `News`."""
        self._publish(self._messages.WebSocketError(client=self._client, data=data))

    def handshake_refused(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """See `News`; not every provider's client has an event for it."""

    def media_started(self, encoding: str) -> None:
        """See `News`."""
        self._publish(self._media.WebSocketMediaStarted(client=self._client, encoding=encoding))

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """See `News`."""
        self._publish(self._media.WebSocketMediaEnded(client=self._client, media_info=info))

    def message(self, decoded: DecodedMessage) -> None:
        """See `News`."""
        kind = self._kinds.get(type(decoded.event))
        if kind is not None:
            self._publish(kind(client=self._client, data=decoded.event, raw=decoded.raw))
