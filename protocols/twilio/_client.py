"""The carrier's side of one media stream: what Twilio sends and what it understands."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

from .._converter import decode_base64, dump_json, load_object
from .._errors import RemoteWireError, clip
from ._codec import inner_object, text_field
from ._events import Clear, OutboundEvent, SendMark, SendMedia, UnknownOutbound

__all__ = ["MAX_OUTBOUND_MESSAGE", "TwilioClient"]

# Octets. A minute of mu-law in base64 is 640 KB; nobody sends more at once.
MAX_OUTBOUND_MESSAGE = 1024 * 1024


class TwilioClient:
    """One media stream as the carrier sees it: makes its messages, with their counters, and reads ours. No I/O.

    Args:
        account_sid: ``AC...``.
        call_sid: ``CA...``.
        stream_sid: ``MZ...``.
        custom_parameters: The ``<Parameter>`` values of the TwiML.
        numbers: Write numbers as JSON numbers; Twilio writes strings.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        custom_parameters: Mapping[str, str],
        numbers: bool = False,
    ) -> None:
        self.account_sid = account_sid
        self.call_sid = call_sid
        self.stream_sid = stream_sid
        self._custom_parameters = dict(custom_parameters)
        self._quote = "" if numbers else '"'
        self._numbers = numbers
        self._sequence = 0
        self._chunk = 0

    def connected(self) -> str:
        """The first message of a socket; the only one without a sequence number."""
        return '{"event":"connected","protocol":"Call","version":"1.0.0"}'

    def start(self) -> str:
        """The stream begins."""
        return self._message(
            "start",
            {
                "accountSid": self.account_sid,
                "streamSid": self.stream_sid,
                "callSid": self.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": self._custom_parameters,
            },
        )

    def media(self, payload: bytes, timestamp_ms: int) -> str:
        """20 ms of the caller's audio.

        Args:
            payload: 160 octets of mu-law.
            timestamp_ms: Since the stream began.
        """
        self._sequence += 1
        self._chunk += 1
        # Fifty a second for every call: written out, this costs a fifth of a general encoder.
        quote = self._quote
        return (
            f'{{"event":"media","sequenceNumber":{quote}{self._sequence}{quote},"media":{{"track":"inbound",'
            f'"chunk":{quote}{self._chunk}{quote},"timestamp":{quote}{timestamp_ms}{quote},'
            f'"payload":"{binascii.b2a_base64(payload, newline=False).decode("ascii")}"}},'
            f'"streamSid":"{self.stream_sid}"}}'
        )

    def dtmf(self, digit: str) -> str:
        """The caller pressed a key."""
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> str:
        """The audio before a mark was played or cleared."""
        return self._message("mark", {"name": name})

    def stop(self) -> str:
        """The stream is over."""
        return self._message("stop", {"accountSid": self.account_sid, "callSid": self.call_sid})

    def receive(self, message: str | bytes) -> OutboundEvent:
        """Take one message from the server; ``UnknownOutbound`` for one that the carrier does not know.

        Raises:
            RemoteWireError: It cannot be decoded, which the carrier logs (31950) and ignores as well.
        """
        if not isinstance(message, str):
            raise RemoteWireError(f"a binary message of {len(message)} octets, expected JSON text")
        raw = load_object(message, max_octets=MAX_OUTBOUND_MESSAGE)
        event = raw.get("event")
        if not isinstance(event, str) or event not in {"media", "mark", "clear"}:
            return UnknownOutbound(event=event)
        if raw.get("streamSid") != self.stream_sid:
            raise RemoteWireError(
                f"{event} for stream {clip(raw.get('streamSid'))}, expected {self.stream_sid!r}",
                path="streamSid",
            )
        if event == "clear":
            return Clear()
        inner = inner_object(raw, event)
        if event == "mark":
            name = text_field(inner, "name", "mark")
            if not name:
                raise RemoteWireError("mark.name is empty, expected a name", path="mark.name")
            return SendMark(name=name)
        payload = decode_base64(text_field(inner, "payload", "media"))
        if payload.startswith(b"RIFF"):
            raise RemoteWireError("media.payload is a WAV file, expected bare mu-law", path="media.payload")
        return SendMedia(payload=payload)

    def _message(self, event: str, content: Mapping[str, object]) -> str:
        self._sequence += 1
        number: int | str = self._sequence if self._numbers else str(self._sequence)
        return dump_json(
            {"event": event, "sequenceNumber": number, event: content, "streamSid": self.stream_sid}
        )
