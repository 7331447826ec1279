"""The two ways a wire can go wrong, and who is to blame.

::

    WireError
    +-- LocalWireError     we tried to send something illegal: a bug on our side
    +-- RemoteWireError    the peer sent something illegal: its fault, survivable

Contract: the decoders and protocol objects of this package raise nothing else for what a peer sends. Any other
exception out of them is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import cast

__all__ = ["LocalWireError", "RemoteWireError", "WireError", "clip"]

# Enough to recognise a value in a log line, too little to flood it (or to carry a whole audio frame).
_CLIP = 80


def clip(value: object) -> str:
    """Return ``repr(value)`` cut to 80 characters, for error texts.

    Strings and byte strings are cut before ``repr`` so that a megabyte of audio costs nothing to report.
    """
    if isinstance(value, (str, bytes)):
        value = value[: _CLIP + 1]
    elif isinstance(value, (dict, list)):
        # repr() of a container costs its whole size; name it by kind and length instead.
        return f"{type(cast('object', value)).__name__} of {len(cast('Sized', value))}"
    text = repr(value)
    return text if len(text) <= _CLIP else text[: _CLIP - 3] + "..."


class WireError(Exception):
    """A message broke the rules of its wire."""


class LocalWireError(WireError):
    """We were asked to send something the wire does not allow, now or ever.

    Raised by encoders and by ``send`` of a protocol object. Nothing was sent and no state changed.
    """


class RemoteWireError(WireError):
    """The peer sent something that cannot be decoded or that is illegal in the present state.

    The connection is still usable: the offending message has been consumed and no state changed.

    Args:
        message: What happened, the offending value, what was expected.
        reply: The event to answer with, where the wire defines an answer to such a message, else ``None``.
        path: The field at fault, as in ``session.tools[0].name``, or ``""`` for the message as a whole.
    """

    def __init__(self, message: str, *, reply: object | None = None, path: str = "") -> None:
        super().__init__(message)
        self.reply = reply
        self.path = path
