"""Legs: one connection between a call and its other party."""

from collections.abc import Mapping
from typing import Any, Protocol

import attrs
import trio

from callboard.media import AudioFormat

from ._call_end import EndReason
from ._context import Context
from ._leg_playout import LegPlayout


@attrs.frozen(kw_only=True)
class LegInfo:
    """What is known of the other party when a leg begins."""

    wire: str
    """`twilio`, later `vonage`, `memory` ..."""
    call_id: str
    """The carrier's id of the call."""
    stream_id: str = ""
    """The carrier's id of the media stream."""
    from_: str = ""
    """The caller's number or address: a claim, not a proof."""
    to: str = ""
    """The number or address that was called."""
    custom_parameters: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """What the webhook attached to the stream. Not in the repr: tokens travel here."""
    peer: str = ""
    """The network address of the other side."""


class LegEvents(Protocol):
    """What a leg tells its call; plain functions that do not wait."""

    def leg_started(self, now: float) -> None:
        """Sample 0 of the call is now, trio time."""

    def leg_audio(self, payload: bytes, position: int) -> None:
        """The other party was heard; `position` in samples since the start."""

    def leg_tone(self, digit: str) -> None:
        """A key was pressed: one of `0-9*#A-D`."""

    def leg_ended(self, reason: EndReason, text: str) -> None:
        """The leg is over; called before its actor ends, perhaps more than once: the first counts."""


class Leg(Protocol):
    """One connection; its `run` is the actor that owns the socket."""

    info: LegInfo
    format: AudioFormat
    playout: LegPlayout

    def attach(self, events: LegEvents) -> None:
        """Say who is told; called once, before `run`."""

    def close(self) -> None:
        """End the leg from our side: what is queued is given up, the socket is closed and `run` returns."""

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """Own the socket until either side ends it. A cancelled run closes the socket."""
        ...
