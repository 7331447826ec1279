"""How a provider connection behaves."""

import attrs

from ._backoff import Backoff
from ._spec import RestartIntensity


@attrs.frozen(kw_only=True)
class ConnectionOptions:
    """How a connection behaves. Durations are float seconds."""

    dial_timeout: float = 10.0
    """For name lookup, connect, TLS and upgrade together."""
    greet_timeout: float = 10.0
    """From the open socket to the provider's first message."""
    ping_interval: float = 5.0
    """A connection that was silent for so long is pinged."""
    pong_timeout: float = 5.0
    """A ping that is not answered in this time ends the connection: its other half is gone."""
    backoff: Backoff = Backoff(initial=0.2, factor=2.0, maximum=10.0, jitter=0.2)  # noqa: RUF009  # frozen
    intensity: RestartIntensity = RestartIntensity(restarts=6, period=120.0)  # noqa: RUF009  # frozen
    """So many reconnects in so many seconds; one more and the client fails. A connection that lasted longer
    than the period starts the backoff afresh."""
    stall_timeout: float = 15.0
    """A provider that owes us a message and sends nothing for so long is left, though it answers pings."""
    renew_before: float = 300.0
    """So long before the provider's session limit a new session is opened, a quarter of the limit at most; the
    conversation moves over at the next pause."""
    session_limit: float | None = None
    """When the provider ends a session, if not when it is known to."""
    max_malformed: int = 20
    """Messages in a row that cannot be decoded before the connection is given up."""
    uplink_batch: float = attrs.field(
        default=0.02, validator=[attrs.validators.ge(0), attrs.validators.le(0.5)]
    )
    """Caller audio is sent when so much of it waits: each message costs the same, and the audio in it is late by as
    much. Frames of 20 ms are sent as they come."""
