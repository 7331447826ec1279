"""A response: why there is one, what it is to be, how far it is."""

import enum
from collections.abc import Mapping

import attrs
import trio

from callboard.protocols import grok

from ._grok_conversation import Item


class Origin(enum.Enum):
    """Why there is a response."""

    TURN = "turn"
    """The caller finished a turn, or said nothing for the idle timeout."""
    CLIENT = "client"
    """`response.create`."""
    FORCED = "force_message"
    """A line to be spoken word for word."""


@attrs.frozen(kw_only=True)
class Plan:
    """A response to be made."""

    origin: Origin
    options: grok.ResponseOptions = attrs.field(factory=grok.ResponseOptions)
    line: str | None = None
    """What to speak, where that is not for the brain to decide."""
    item_id: str | None = None
    """The id the client chose for the item of a forced line."""
    interruptible: bool = True

    @property
    def metadata(self) -> Mapping[str, object] | None:
        """What to echo."""
        return self.options.metadata


@attrs.define(kw_only=True, eq=False)
class Response:
    """A response that was accepted."""

    id: str
    plan: Plan
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    finished: trio.Event = attrs.field(factory=trio.Event)
    items: list[Item] = attrs.field(factory=list[Item])
    has_output: bool = False
    """True from the first octet of audio or the first function call on."""
    vanishes: bool = False
    """Cancelled without a trace on the wire."""
    spoken: str = ""
    seconds: float = 0.0
    first_audio_at: float | None = None
