"""The far side of Twilio Media Streams: what the carrier sends, and what it makes of what it gets.

Messages and fields as in Twilio's "Media Streams - WebSocket messages", error codes as in its error
dictionary.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import TypeAlias, cast

import attrs
import orjson

from ._carrier_playout import PlayoutKind


@attrs.frozen
class Play:
    """Queue this audio, mu-law at 8 kHz."""

    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class Echo:
    """Send this mark back when everything before it was played."""

    name: str


@attrs.frozen
class Flush:
    """Empty the queue."""


@attrs.frozen
class Ignore:
    """Nothing is done; the log gets a line."""

    kind: PlayoutKind
    detail: str


Command: TypeAlias = Play | Echo | Flush | Ignore


class TwilioCarrier:
    """One stream's wire as Twilio speaks it. No I/O and no clock.

    Args:
        account_sid: `AC...`.
        call_sid: `CA...`.
        stream_sid: `MZ...`.
        custom_parameters: The `<Parameter>` values of the TwiML.
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

    def receive(self, message: str | bytes) -> Command:
        """Decide what a message from the server makes the carrier do; never raises."""
        if isinstance(message, bytes):
            return Ignore(PlayoutKind.VIOLATION, f"31950: a binary message of {len(message)} octets")
        try:
            value: object = orjson.loads(message)
        except orjson.JSONDecodeError:
            return Ignore(PlayoutKind.VIOLATION, f"31950: not JSON: {message[:80]!r}")
        if not isinstance(value, dict):
            return Ignore(PlayoutKind.VIOLATION, f"31950: not an object: {message[:80]!r}")
        fields = cast("dict[str, object]", value)
        event = fields.get("event")
        if not isinstance(event, str) or event not in {"media", "mark", "clear"}:
            return Ignore(PlayoutKind.UNKNOWN, f"event {repr(event)[:80]}")
        if fields.get("streamSid") != self.stream_sid:
            return Ignore(
                PlayoutKind.VIOLATION,
                f"{event} for stream {repr(fields.get('streamSid'))[:80]}, expected {self.stream_sid!r}",
            )
        if event == "clear":
            return Flush()
        inner = fields.get(event)
        content = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
        return _play(content) if event == "media" else _echo(content)

    def _message(self, event: str, content: Mapping[str, object]) -> str:
        self._sequence += 1
        number: int | str = self._sequence if self._numbers else str(self._sequence)
        message = {
            "event": event,
            "sequenceNumber": number,
            event: content,
            "streamSid": self.stream_sid,
        }
        return orjson.dumps(message).decode()


def _play(content: Mapping[str, object]) -> Command:
    payload = content.get("payload")
    if not isinstance(payload, str):
        return Ignore(PlayoutKind.VIOLATION, f"media.payload is {repr(payload)[:80]}, expected base64")
    try:
        octets = base64.b64decode(payload, validate=True)
    except ValueError:
        return Ignore(PlayoutKind.VIOLATION, f"media.payload {payload[:40]!r} is not base64")
    if octets.startswith(b"RIFF"):
        return Ignore(PlayoutKind.VIOLATION, "media.payload is a WAV file, expected bare mu-law")
    return Play(octets)


def _echo(content: Mapping[str, object]) -> Command:
    name = content.get("name")
    if not isinstance(name, str) or not name:
        return Ignore(PlayoutKind.VIOLATION, f"mark.name is {repr(name)[:80]}, expected a name")
    return Echo(name)
