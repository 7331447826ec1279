"""What can be set on the emulated Grok Voice service, and the two profiles that set most of it at once."""

import enum
import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from callboard.protocols.grok import Profile

from ._faults import FaultAction
from ._option_checks import not_negative, positive

T = TypeVar("T")


class Greeting(enum.Enum):
    """The order of the first events of a connection."""

    SESSION_FIRST = "session_first"
    CONVERSATION_FIRST = "conversation_first"
    NO_SESSION_CREATED = "no_session_created"


class UserItem(enum.Enum):
    """When the item of a spoken turn is announced."""

    AT_START = "at_start"
    """In progress and empty, right after the start of speech."""
    AT_COMMIT = "at_commit"
    """Once, completed, with its transcript."""


class Transcripts(enum.Enum):
    """How a spoken turn is transcribed to the client."""

    MANY = "many"
    """Cumulative updates, then one that is complete."""
    SINGLE = "single"
    """One complete transcript after the turn."""


class TextModality(enum.Enum):
    """What becomes of a request for text without audio."""

    IGNORED = "ignored"
    HONOURED = "honoured"


GrokFaultAction = FaultAction


@attrs.frozen(kw_only=True)
class GrokFault:
    """One thing that goes wrong, at a chosen point of a connection."""

    action: GrokFaultAction
    event: str = "*"
    """The type of the server event it strikes at (`*` is any, binary audio included)."""
    nth: int = 1
    """Strikes at the nth such event of a connection, counted from 1; 0 strikes at every one."""
    connection: int | None = None
    """Only on this connection of the emulator, counted from 1; None is every connection."""
    error_type: str = "internal_error"
    message: str = "Internal error"
    seconds: float = 1.0
    code: int = 1011


def _by_profile(observed: T, documented: T) -> T:
    """A default that depends on the profile; typed as the value it will be, as attrs' own factories are."""

    def choose(options: "GrokEmulatorOptions") -> T:
        return observed if options.profile is Profile.OBSERVED else documented

    return attrs.Factory(choose, takes_self=True)


@attrs.frozen(kw_only=True)
class GrokEmulatorOptions:
    """How the emulator behaves. Durations are float seconds of `trio.current_time` unless said otherwise.

    Fields whose default depends on the profile say so; a value given explicitly always wins.
    """

    profile: Profile = Profile.OBSERVED

    # --- order and shape of events
    greeting: Greeting = Greeting.SESSION_FIRST
    user_item: UserItem = attrs.field(default=_by_profile(UserItem.AT_START, UserItem.AT_COMMIT))
    """Default: AT_START, documented AT_COMMIT."""
    transcripts: Transcripts = attrs.field(default=_by_profile(Transcripts.MANY, Transcripts.SINGLE))
    """Default: MANY, documented SINGLE."""
    text_modality: TextModality = attrs.field(
        default=_by_profile(TextModality.IGNORED, TextModality.HONOURED)
    )
    """Default: IGNORED, documented HONOURED."""

    # --- turns
    create_response_default: bool = True
    """Whether a spoken turn is answered where `turn_detection.create_response` was not sent."""
    interrupt_response_default: bool = True
    """Whether speech cancels an answer where `turn_detection.interrupt_response` was not sent."""
    speech_events_in_manual: bool = False
    """Send `speech_started` and `speech_stopped` also without turn detection."""
    silence_duration: float = attrs.field(default=0.5, validator=positive)
    """Silence that ends a turn where `silence_duration_ms` was not sent."""
    drop_talked_over_responses: bool = attrs.field(default=_by_profile(True, False))
    """A response the caller talks over before its first output vanishes without a `response.done`.
    Default: True, documented False (cancelled, with a `response.done`)."""
    resume_window: float = attrs.field(default=0.0, validator=not_negative)
    """Speech that starts within this many seconds of received audio after a commit whose response has no
    output yet continues the same item, whose whole audio is transcribed again. 0 never does."""
    partial_interval: float = attrs.field(default=1.0, validator=positive)
    """Seconds of speech between two partial transcriptions by a threaded recogniser."""

    # --- answers
    output_speed: float = attrs.field(default=3.0, validator=positive)
    """Audio seconds sent per second; `math.inf` sends everything at once."""
    chunk: float = attrs.field(default=0.489, validator=positive)
    """Audio seconds in one delta."""
    first_audio_delay: float = attrs.field(default=0.3, validator=not_negative)
    """From the start of a response to its first audio; the real service needs 0.5 to 0.9."""
    default_voice: str = "ara"
    """In `session.created`, and in place of an unknown voice."""
    default_model: str = "grok-voice-latest"

    # --- limits
    ping_period: float | None = attrs.field(default=_by_profile(10.0, None))
    """Between two JSON pings; None sends none at all. Default: 10, documented None."""
    max_session: float = attrs.field(default=7200.0, validator=positive)
    """A session older than this gets the error `max_duration` and is closed."""
    idle_limit: float = attrs.field(default=900.0, validator=positive)
    """A session without any client message for so long gets the error `timeout` and is closed."""
    concurrency: int | None = None
    """Sessions open at once; more are refused with HTTP 429. None is no limit."""
    resumption_expiry: float = attrs.field(default=1800.0, validator=positive)
    max_message: int = 10 * 1024 * 1024
    """A longer WebSocket message closes the socket with 1009, octets."""

    # --- credentials
    keys: frozenset[str] | None = attrs.field(default=None, repr=False)
    """API keys that are accepted; None accepts any that is not empty."""
    refused_keys: Mapping[str, int] = attrs.field(factory=dict[str, int], repr=False)
    """Keys refused with a given HTTP status, such as 403 for an account without access."""

    # --- determinism and faults
    seed: int | None = None
    """Makes every id repeatable; None takes fresh ones."""
    unix_time: Callable[[], float] = attrs.field(default=time.time, repr=False)
    """The wall clock that time stamps on the wire come from."""
    faults: tuple[GrokFault, ...] = ()

    @property
    def observed(self) -> bool:
        """True in the observed profile."""
        return self.profile is Profile.OBSERVED

    @property
    def paced(self) -> bool:
        """True where audio is sent at a finite speed."""
        return math.isfinite(self.output_speed)
