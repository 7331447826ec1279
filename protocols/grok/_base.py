"""What all events of the Grok voice wire share."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import ClassVar

import attrs

from .._converter import JsonObject

__all__ = ["BinaryAudio", "ClientEvent", "Decoded", "Event", "Profile", "ServerEvent", "Unknown"]


class Profile(enum.Enum):
    """Which of the two published pictures of the server to draw, where they differ."""

    OBSERVED = "observed"
    """What the production server was seen to send."""
    DOCUMENTED = "documented"
    """What its documentation says."""


class Event:
    """Anything that travels on the wire, in one direction or the other."""

    __slots__ = ()


@attrs.frozen(kw_only=True)
class ClientEvent(Event):
    """An event a client sends."""

    type: ClassVar[str]
    event_id: str | None = None
    """Chosen by the client. It only ever comes back inside an ``error`` event."""


@attrs.frozen(kw_only=True)
class ServerEvent(Event):
    """An event the server sends."""

    type: ClassVar[str]
    event_id: str | None = None
    """Chosen by the server; always there in practice."""
    previous_item_id: str | None = None
    """The item before the one this event is about. The server adds it, mostly null, to nearly every event."""


@attrs.frozen
class BinaryAudio(Event):
    """A binary frame, either way: audio in the configured codec of that direction, without any header or id."""

    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class Unknown(Event):
    """A JSON event with a ``type`` this package has no class for."""

    type: str
    raw: JsonObject = attrs.field(repr=False)

    def to_wire(self) -> JsonObject:
        """Return the message as it was received."""
        return self.raw


_NO_JSON: Mapping[str, object] = {}


@attrs.frozen
class Decoded:
    """One message off the wire."""

    event: Event
    """The typed event."""
    raw: JsonObject = attrs.field(default=_NO_JSON, repr=False)
    """The whole JSON message, with the fields the event class does not name; empty for a binary frame."""
