"""Twilio's messages to events, and ours to messages."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Final, cast

from .._converter import decode_base64, dump_json, is_object, load_object
from .._errors import LocalWireError, RemoteWireError, clip
from ._events import (
    Clear,
    Connected,
    Dtmf,
    InboundEvent,
    Mark,
    Media,
    MediaFormat,
    OutboundEvent,
    SendMark,
    SendMedia,
    Start,
    Stop,
    Unknown,
)

__all__ = ["MAX_INBOUND_MESSAGE", "decode_inbound", "encode_outbound"]

# Octets. A frame of 20 ms is about 400; a start with long custom parameters a few thousand.
MAX_INBOUND_MESSAGE: Final = 64 * 1024

DIGITS: Final = frozenset("0123456789*#ABCD")


def decode_inbound(message: str | bytes, *, max_octets: int = MAX_INBOUND_MESSAGE) -> InboundEvent:
    """Decode one message from the carrier.

    Unknown fields are ignored and unknown events returned as ``Unknown``: both are normal on this wire.

    Args:
        message: The content of one WebSocket frame.
        max_octets: A longer message is an error.

    Raises:
        RemoteWireError: A binary frame, not JSON, or a known event with a field missing or of the wrong type.
    """
    if not isinstance(message, str):
        raise RemoteWireError(f"binary message of {len(message)} octets, expected JSON text")
    raw = load_object(message, max_octets=max_octets)
    event = raw.get("event")
    if not isinstance(event, str):
        raise RemoteWireError(f"event: {clip(event)}, expected a string", path="event")
    sequence = _number(raw, "sequenceNumber", "", optional=True)
    stream = text_field(raw, "streamSid", "", default="")
    match event:
        case "media":
            inner = inner_object(raw, event)
            payload = text_field(inner, "payload", event)
            try:
                octets = decode_base64(payload)
            except RemoteWireError as error:
                raise RemoteWireError(f"media.payload: {error}", path="media.payload") from None
            return Media(
                sequence_number=sequence,
                stream_sid=stream,
                track=text_field(inner, "track", event, default="inbound"),
                chunk=_number(inner, "chunk", event, optional=True) or 0,
                timestamp=_required(inner, "timestamp", event),
                payload=octets,
            )
        case "connected":
            return Connected(
                protocol=text_field(raw, "protocol", "", default="Call"),
                version=text_field(raw, "version", "", default="1.0.0"),
            )
        case "start":
            return _start(inner_object(raw, event), sequence, stream)
        case "dtmf":
            inner = inner_object(raw, event)
            digit = text_field(inner, "digit", event).upper()
            if digit not in DIGITS:
                raise RemoteWireError(f"dtmf.digit: {clip(digit)}, expected 0-9 * # A-D", path="dtmf.digit")
            return Dtmf(
                sequence_number=sequence,
                stream_sid=stream,
                track=text_field(inner, "track", event, default="inbound_track"),
                digit=digit,
            )
        case "mark":
            name = text_field(inner_object(raw, event), "name", event)
            return Mark(sequence_number=sequence, stream_sid=stream, name=name)
        case "stop":
            inner = inner_object(raw, event, optional=True)
            return Stop(
                sequence_number=sequence,
                stream_sid=stream,
                account_sid=text_field(inner, "accountSid", event, default=""),
                call_sid=text_field(inner, "callSid", event, default=""),
            )
        case _:
            return Unknown(sequence_number=sequence, stream_sid=stream, event=event, raw=raw)


def encode_outbound(event: OutboundEvent, stream_sid: str) -> str:
    """Encode one message to the carrier.

    Args:
        event: What to send.
        stream_sid: The stream it is for; required on every message.

    Raises:
        LocalWireError: An empty payload or mark name, or a class that is not sent on this wire.
    """
    match event:
        case SendMedia(payload=payload):
            if not payload:
                raise LocalWireError("a media message without audio")
            # Written out: this is what a call sends most, and a general encoder costs five times as much.
            audio = binascii.b2a_base64(payload, newline=False).decode("ascii")
            return f'{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":"{audio}"}}}}'
        case SendMark(name=name):
            if not name:
                raise LocalWireError("a mark without a name")
            return dump_json({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})
        case Clear():
            return dump_json({"event": "clear", "streamSid": stream_sid})
        case _:
            raise LocalWireError(f"{type(event).__name__} is not sent on this wire")


def _start(inner: Mapping[str, object], sequence: int | None, stream: str) -> Start:
    media = inner_object(inner, "mediaFormat", optional=True, path="start.")
    parameters = inner_object(inner, "customParameters", optional=True, path="start.")
    tracks: object = inner.get("tracks", ["inbound"])
    listed = cast("list[object]", tracks) if isinstance(tracks, list) else [None]
    if not all(isinstance(track, str) for track in listed):
        raise RemoteWireError("start.tracks: expected a list of strings", path="start.tracks")
    return Start(
        sequence_number=sequence,
        stream_sid=text_field(inner, "streamSid", "start", default=stream),
        account_sid=text_field(inner, "accountSid", "start", default=""),
        call_sid=text_field(inner, "callSid", "start"),
        tracks=tuple(cast("list[str]", listed)),
        media_format=MediaFormat(
            encoding=text_field(media, "encoding", "start.mediaFormat", default="audio/x-mulaw"),
            sample_rate=_number(media, "sampleRate", "start.mediaFormat", optional=True) or 8000,
            channels=_number(media, "channels", "start.mediaFormat", optional=True) or 1,
        ),
        custom_parameters={
            name: text_field(parameters, name, "start.customParameters") for name in parameters
        },
    )


def inner_object(
    raw: Mapping[str, object], name: str, *, optional: bool = False, path: str = ""
) -> Mapping[str, object]:
    """The object in a field; empty where it is missing and optional."""
    value = raw.get(name)
    if is_object(value):
        return value
    if value is None and optional:
        return {}
    raise RemoteWireError(f"{path}{name}: {clip(value)}, expected an object", path=f"{path}{name}")


def text_field(raw: Mapping[str, object], name: str, path: str, *, default: str | None = None) -> str:
    """The text in a field."""
    value = raw.get(name, default)
    if isinstance(value, str):
        return value
    where = f"{path}.{name}" if path else name
    raise RemoteWireError(f"{where}: {clip(value)}, expected a string", path=where)


def _number(raw: Mapping[str, object], name: str, path: str, *, optional: bool = False) -> int | None:
    value = raw.get(name)
    # Twilio's numbers are strings of digits; int() would also take blanks, signs and underscores.
    if isinstance(value, str):
        if value.isdigit() and value.isascii() and len(value) < 19:
            return int(value)
    elif value is None and optional:
        return None
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    where = f"{path}.{name}" if path else name
    raise RemoteWireError(f"{where}: {clip(value)}, expected a whole number", path=where)


def _required(raw: Mapping[str, object], name: str, path: str) -> int:
    value = _number(raw, name, path)
    assert value is not None
    return value
