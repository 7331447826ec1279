"""What a call tells its subscribers."""

from typing import TYPE_CHECKING

import attrs

from ._call_end import CallEnd

if TYPE_CHECKING:
    from ._call import Call
    from ._ports import Edge


@attrs.frozen(kw_only=True)
class CallEvent:
    """Something that happened to a call."""

    call: "Call" = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Connected(CallEvent):
    """Audio flows: the leg is answered."""


@attrs.frozen(kw_only=True)
class ToneReceived(CallEvent):
    """The other party pressed a key."""

    tone: str = attrs.field(repr=False)
    """One of `0-9*#A-D`. Not in the repr: keys may be card numbers."""


@attrs.frozen(kw_only=True)
class MediaDisplaced(CallEvent):
    """A newer source took the call's ear; the edge that had it is closed."""

    edge: "Edge"


@attrs.frozen(kw_only=True)
class Disconnected(CallEvent):
    """The call is over. The last event of its stream."""

    end: CallEnd
