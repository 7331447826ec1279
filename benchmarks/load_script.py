"""What happens in a call that is placed for load: the same turns, at the same times, whatever is measured.

Every 6 s the caller speaks for 0.4 s and the agent answers with 3 s of audio, sent in pieces of 100 ms four times as
fast as they play. Of four answers two are heard to their end. One is interrupted 1.2 s after it began: all of it was
sent, and the caller hears it from the carrier's buffer. One is interrupted after 0.3 s, while it is still being sent;
the provider goes on for another 60 ms, as a server does that has audio on its way. An interruption is answered with
1.5 s of audio.
"""

import enum

import attrs

TURN = 6.0
CYCLE = 4 * TURN
"""In so much time each call has had each kind of turn, float seconds."""
CALLER_SPEECH = 0.4
THINKING = 0.05
ANSWER = 3.0
SHORT_ANSWER = 1.5
PIECE = 0.1
HASTE = 4.0
INTERRUPT_PLAYED = 1.2
INTERRUPT_SENT = 0.3
CANCEL_LAG = 0.06
"""Between a reason to stop an answer and its end, float seconds."""
PREBUFFER = 0.04
"""How long the carrier waits with the first audio of an answer before it plays, float seconds."""


class Turn(enum.Enum):
    """What becomes of the answer."""

    HEARD = None
    PLAYED = INTERRUPT_PLAYED
    SENT = INTERRUPT_SENT


TURNS = (Turn.HEARD, Turn.PLAYED, Turn.HEARD, Turn.SENT)


@attrs.define
class Answer:
    """An answer of the agent, as it was sent and as the carrier got it."""

    number: int
    n_frames: int
    """Of 20 ms, all of it."""
    begun: float
    sent_first: float = 0.0
    sent_frames: int = 0
    ended: bool = False
    interrupted: float = 0.0
    """When the caller began to speak over it; 0 if nobody did."""
    in_flight: bool = False
    """It was still being sent then."""
    cleared: float = 0.0
    """When the carrier was told to forget it."""
    heard_first: float = 0.0
    heard_octets: int = 0
    plays_until: float = 0.0
    underruns: int = 0
    silence: float = 0.0
    """Time with nothing to play in the middle of it, float seconds."""
    gaps: int = 0
    stale: int = 0
    """Messages with audio of it after it was cleared."""


@attrs.define
class CallRecord:
    """What was seen of a call from both of its ends. Times are those of `clock`, float seconds; 0 is not yet."""

    number: int
    placed: float = 0.0
    ready: float = 0.0
    """The session is configured."""
    refused: str = ""
    """Why there never was a call."""
    dropped: str = ""
    """Why it ended before the caller hung up."""
    sent: list[float] = attrs.field(factory=list[float])
    """When each frame of the caller was sent."""
    delay: list[float] = attrs.field(factory=list[float])
    """How long after it the provider heard it; negative for not at all."""
    uplink_gaps: int = 0
    uplink_messages: int = 0
    downlink_messages: int = 0
    answers: list[Answer] = attrs.field(factory=list[Answer])
    input_format: str = ""
    hung_up: float = 0.0
    provider_closed: float = 0.0
    carrier_closed: float = 0.0
    odd: list[str] = attrs.field(factory=list[str])
    """What should not happen and fits nowhere else."""

    @property
    def live(self) -> bool:
        """Whether the call goes on."""
        return self.ready > 0 and not self.hung_up and not self.dropped
