"""Makes the events of a provider's own client from what happens: each by the class of the data it declares."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar, get_args

from ._agent_events import ClientEvent, ConnectorData, WebSocketErrorData, WebSocketMediaInfo, classes_of

if TYPE_CHECKING:
    from ._agent_client import VoiceAgent

E = TypeVar("E", bound=ClientEvent)

EventMaker = Callable[..., ClientEvent]
"""An event class of any provider: they have the same fields, but nothing else in common."""

_NOTHING: Mapping[str, object] = {}


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


def by_payload(namespace: type, message: type[E]) -> dict[type, type[E]]:
    """The event classes in a namespace by the class of their data.

    Args:
        namespace: Where they are.
        message: The generic class that each of them derives from directly, with the class of its data.
    """
    found: dict[type, type[E]] = {}
    for kind in classes_of(namespace):
        (declared,) = getattr(kind, "__orig_bases__")  # noqa: B009  (it is not known to every type checker)
        (payload,) = get_args(declared)
        if issubclass(kind, message):
            found[payload] = kind
    return found


def by_wire_type(kinds: Mapping[type, type[E]]) -> dict[str, type[E]]:
    """The same by the type on the wire; without those whose data has none, or another each time."""
    typed = ((getattr(payload, "type", None), kind) for payload, kind in kinds.items())
    return {wire_type: kind for wire_type, kind in typed if isinstance(wire_type, str)}


class ProviderNews:
    """See `News`.

    Args:
        client: Whose events they are.
        publish: Takes them.
        kinds: The classes of those that have data, by the class of it. What has no class here is no event.
        started: The class of `media_started`.
        ended: The class of `media_ended`.
    """

    def __init__(
        self,
        client: "VoiceAgent",
        publish: Callable[[ClientEvent], None],
        *,
        kinds: Mapping[type, EventMaker],
        started: EventMaker,
        ended: EventMaker,
    ) -> None:
        self._client = client
        self._publish = publish
        self._kinds = kinds
        self._started = started
        self._ended = ended

    def connector(self, data: ConnectorData) -> None:
        """See `News`."""
        self._tell(data)

    def web_socket_error(self, data: WebSocketErrorData) -> None:
        """See `News`."""
        self._tell(data)

    def handshake_refused(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """See `News`; not every client of VoxEngine has an event for it."""

    def media_started(self, encoding: str) -> None:
        """See `News`."""
        self._publish(self._started(client=self._client, encoding=encoding))

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """See `News`."""
        self._publish(self._ended(client=self._client, media_info=info))

    def message(self, decoded: DecodedMessage) -> None:
        """See `News`."""
        self._tell(decoded.event, decoded.raw)

    def _tell(self, data: object, raw: Mapping[str, object] = _NOTHING) -> None:
        kind = self._kinds.get(type(data))
        if kind is not None:
            self._publish(kind(client=self._client, data=data, raw=raw))
