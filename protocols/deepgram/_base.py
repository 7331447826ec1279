"""What all messages of the Deepgram Voice Agent wire share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from .._converter import JsonObject

__all__ = ["NO_EXTRA", "BinaryAudio", "ClientMessage", "Decoded", "Message", "ServerMessage", "Unknown"]

NO_EXTRA: Final[Mapping[str, object]] = {}
"""For parts without fields beside those that have an attribute."""


# No attrs on these three: a message that goes both ways has two bases, which only works while they add nothing to the
# layout of an instance.
class Message:
    """Anything that travels on the wire, in one direction or the other."""

    __slots__ = ()


class ClientMessage(Message):
    """A message a client sends."""

    __slots__ = ()
    type: ClassVar[str]


class ServerMessage(Message):
    """A message the server sends."""

    __slots__ = ()
    type: ClassVar[str]


@attrs.frozen
class BinaryAudio(Message):
    """A binary frame, either way: audio in the format of that direction, without any header or id.

    Frames are cut anywhere, also in the middle of a sample.
    """

    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class Unknown(Message):
    """A message of the server with a ``type`` this package has no class for. There will be some: ignore them."""

    kind: str
    """Its ``type``."""
    raw: JsonObject = attrs.field(repr=False)

    @property
    def type(self) -> str:
        """The same as ``kind``, under the name all other messages have it."""
        return self.kind

    def to_wire(self) -> JsonObject:
        """Return the message as it was received."""
        return self.raw


@attrs.frozen
class Decoded:
    """One message off the wire."""

    event: Message
    """The typed message."""
    raw: JsonObject = attrs.field(default=NO_EXTRA, repr=False)
    """The whole JSON message, with the fields the class does not name; empty for a binary frame."""
