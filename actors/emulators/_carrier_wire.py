"""What the carrier makes of what it gets: our commands, and log lines for the rest.

Error codes as in Twilio's error dictionary.
"""

from typing import TypeAlias

import attrs

from callboard.protocols import RemoteWireError, twilio

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


class TwilioCarrier(twilio.TwilioClient):
    """One stream's wire, and what each message makes the carrier do."""

    def command(self, message: str | bytes) -> Command:
        """Decide what a message from the server makes the carrier do; never raises."""
        try:
            event = self.receive(message)
        except RemoteWireError as error:
            return Ignore(PlayoutKind.VIOLATION, f"31950: {error}")
        match event:
            case twilio.SendMedia(payload=payload):
                return Play(payload)
            case twilio.SendMark(name=name):
                return Echo(name)
            case twilio.Clear():
                return Flush()
            case twilio.UnknownOutbound(event=name):
                return Ignore(PlayoutKind.UNKNOWN, f"event {repr(name)[:80]}")
            case _:
                raise AssertionError(event)
