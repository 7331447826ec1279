"""The messages of Twilio Media Streams as classes.

Source: Twilio, "Media Streams - WebSocket messages". All messages are JSON text frames. Twilio writes numbers as
strings; plain numbers are accepted as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = [
    "Clear",
    "Connected",
    "Dtmf",
    "InboundEvent",
    "Mark",
    "Media",
    "MediaFormat",
    "OutboundEvent",
    "SendMark",
    "SendMedia",
    "Start",
    "Stop",
    "Unknown",
    "UnknownOutbound",
]


@attrs.frozen(kw_only=True)
class InboundEvent:
    """Anything the carrier sends."""

    sequence_number: int | None = None
    """Counts the messages of a stream from 1; ``connected`` has none."""
    stream_sid: str = ""
    """``MZ...``; empty on ``connected``."""


@attrs.frozen(kw_only=True)
class Connected(InboundEvent):
    """The first message of a socket."""

    protocol: str = "Call"
    version: str = "1.0.0"


@attrs.frozen(kw_only=True)
class MediaFormat:
    """What the payloads of a stream are."""

    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000
    channels: int = 1


@attrs.frozen(kw_only=True)
class Start(InboundEvent):
    """The stream begins."""

    account_sid: str = ""
    call_sid: str
    tracks: tuple[str, ...] = ("inbound",)
    media_format: MediaFormat = MediaFormat()
    custom_parameters: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """The ``<Parameter>`` values of the TwiML. Not in the repr: tokens travel here."""


@attrs.frozen(kw_only=True)
class Media(InboundEvent):
    """A frame of audio, usually 20 ms."""

    track: str = "inbound"
    chunk: int
    """Counts the frames of a track from 1."""
    timestamp: int
    """Milliseconds since the stream began."""
    payload: bytes = attrs.field(repr=False)
    """Mu-law at 8 kHz, no header."""


@attrs.frozen(kw_only=True)
class Dtmf(InboundEvent):
    """The other party pressed a key."""

    track: str = "inbound_track"
    digit: str = attrs.field(repr=False)
    """One of ``0-9*#A-D``. Not in the repr: keys may be card numbers."""


@attrs.frozen(kw_only=True)
class Mark(InboundEvent):
    """Everything before a mark of ours has been played, or was cleared."""

    name: str


@attrs.frozen(kw_only=True)
class Stop(InboundEvent):
    """The stream is over: the other party hung up, or the call was taken elsewhere."""

    account_sid: str = ""
    call_sid: str = ""


@attrs.frozen(kw_only=True)
class Unknown(InboundEvent):
    """A message with an ``event`` this package has no class for. They are normal and to be ignored."""

    event: str
    raw: Mapping[str, object] = attrs.field(repr=False)


class OutboundEvent:
    """Anything we send to the carrier."""

    __slots__ = ()


@attrs.frozen(kw_only=True)
class SendMedia(OutboundEvent):
    """Audio to be queued and played in order; any whole number of samples."""

    payload: bytes = attrs.field(repr=False)
    """Mu-law at 8 kHz, no header."""


@attrs.frozen(kw_only=True)
class SendMark(OutboundEvent):
    """Comes back as ``Mark`` when everything before it has been played."""

    name: str


@attrs.frozen(kw_only=True)
class Clear(OutboundEvent):
    """Empty the carrier's queue. Marks that wait in it come back at once."""


@attrs.frozen(kw_only=True)
class UnknownOutbound(OutboundEvent):
    """A message of a server that the carrier does not know, and ignores."""

    event: object
    """What stood in ``event``."""
