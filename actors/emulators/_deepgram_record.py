"""What one connection had, for tests and for those who look on."""

import attrs

from callboard.protocols import deepgram

# Messages of a client that are kept.
MAX_RECEIVED = 4096


@attrs.define(kw_only=True, eq=False)
class DeepgramSessionRecord:
    """One connection, from its handshake on. Fills while the session lasts, and stays after it."""

    number: int
    """Which connection of the emulator, from 1."""
    request_id: str
    """The one of `Welcome`."""
    opened_at: float
    """When, by `trio.current_time`."""
    settings: deepgram.Settings | None = None
    """As the client sent them; None before they came."""
    history: list[deepgram.History] = attrs.field(factory=list[deepgram.History])
    """The conversation, the context the client brought first."""
    received: list[deepgram.ClientMessage] = attrs.field(factory=list[deepgram.ClientMessage])
    """All but audio and keep-alives."""
    octets_heard: int = 0
    """Audio that was received."""
    error: deepgram.ErrorMessage | None = None
    """What ended it, if an `Error` did."""
    closed: bool = False

    def add(self, message: deepgram.ClientMessage) -> None:
        """Note a message of the client; of very many the oldest go."""
        self.received.append(message)
        if len(self.received) > MAX_RECEIVED:
            del self.received[0]

    @property
    def responses(self) -> list[deepgram.FunctionCallResponse]:
        """The results of functions that the client sent."""
        return [each for each in self.received if isinstance(each, deepgram.FunctionCallResponse)]
