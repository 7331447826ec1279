"""The server side of one media stream: the order of messages, and which stream they are for."""

from __future__ import annotations

import enum

from .._errors import LocalWireError, RemoteWireError, clip
from .._machine import Direction, Machine, Table, on
from ._codec import MAX_INBOUND_MESSAGE, decode_inbound, encode_outbound
from ._events import (
    Clear,
    Connected,
    Dtmf,
    InboundEvent,
    Mark,
    Media,
    OutboundEvent,
    SendMark,
    SendMedia,
    Start,
    Stop,
    Unknown,
)

__all__ = ["StreamState", "TwilioServer"]


class StreamState(enum.Enum):
    """Where a stream is."""

    OPENED = "opened"
    """The socket is open and nothing has come."""
    CONNECTED = "connected"
    """``connected`` has come."""
    STREAMING = "streaming"
    """``start`` has come: audio flows."""
    STOPPED = "stopped"
    """``stop`` has come: nothing may follow."""


_IN = Direction.RECEIVED
_OUT = Direction.SENT

# A missing entry is an illegal message. Media before the start and after the stop is an error, not a crash: the
# caller counts it and goes on.
TABLE: Table[StreamState] = {
    StreamState.OPENED: {
        (_IN, Connected): StreamState.CONNECTED,
        # Some relays leave `connected` out.
        (_IN, Start): StreamState.STREAMING,
        (_IN, Unknown): StreamState.OPENED,
    },
    StreamState.CONNECTED: {
        (_IN, Start): StreamState.STREAMING,
        (_IN, Stop): StreamState.STOPPED,
        (_IN, Unknown): StreamState.CONNECTED,
    },
    StreamState.STREAMING: {
        **on(_IN, (Media, Dtmf, Mark, Unknown), StreamState.STREAMING),
        (_IN, Stop): StreamState.STOPPED,
        **on(_OUT, (SendMedia, SendMark, Clear), StreamState.STREAMING),
    },
    StreamState.STOPPED: {
        # What we had queued when the other party hung up.
        **on(_OUT, (SendMedia, SendMark, Clear), StreamState.STOPPED),
    },
}


class TwilioServer:
    """One media stream as its server sees it: text in, events out, and the reverse. No I/O.

    Args:
        max_octets: A longer message is an error.
    """

    def __init__(self, *, max_octets: int = MAX_INBOUND_MESSAGE) -> None:
        self._machine = Machine(TABLE, StreamState.OPENED)
        self._max_octets = max_octets
        self.stream_sid = ""
        """Known from ``start`` on."""

    @property
    def state(self) -> StreamState:
        """Where the stream is."""
        return self._machine.state

    def receive(self, message: str | bytes) -> InboundEvent:
        """Take one message from the carrier.

        Raises:
            RemoteWireError: It cannot be decoded, is illegal now, or is for another stream. The state stays.
        """
        event = decode_inbound(message, max_octets=self._max_octets)
        if isinstance(event, Start):
            # It is written into every message of ours, so it must not be able to break out of a string.
            if not (
                event.stream_sid.isascii()
                and event.stream_sid.replace("-", "").replace("_", "").isalnum()
                and len(event.stream_sid) <= 64
            ):
                raise RemoteWireError(
                    f"start.streamSid: {clip(event.stream_sid)}, expected letters, digits, - and _",
                    path="start.streamSid",
                )
            if event.media_format.encoding != "audio/x-mulaw" or event.media_format.sample_rate != 8000:
                raise RemoteWireError(
                    f"start.mediaFormat: {clip(event.media_format)}, expected audio/x-mulaw at 8000 Hz",
                    path="start.mediaFormat",
                )
        elif event.stream_sid and self.stream_sid and event.stream_sid != self.stream_sid:
            raise RemoteWireError(
                f"streamSid: {clip(event.stream_sid)}, expected {clip(self.stream_sid)}", path="streamSid"
            )
        self._machine.received(type(event))
        if isinstance(event, Start):
            self.stream_sid = event.stream_sid
        return event

    def send(self, event: OutboundEvent) -> str:
        """Encode one message to the carrier.

        Raises:
            LocalWireError: The stream has not started, or the event cannot be sent.
        """
        if not self.stream_sid:
            raise LocalWireError(f"cannot send {type(event).__name__} before the stream has started")
        self._machine.sent(type(event))
        return encode_outbound(event, self.stream_sid)
