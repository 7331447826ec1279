"""What can go wrong between us and a provider, as users see it.

::

    Exception
    ├─ ProviderFailed       the client is over, or could not be made; `reason` says why
    ├─ ClientClosed         a method of a client that was closed
    ├─ RequestRefused       the provider answered one of our messages with an error
    └─ ConnectionLost       one connection ended and another is tried; seen in logs and in the tree only

A full outbox raises `MailboxFull`.
"""

import enum

from ._errors import OrdinaryFailure


class ProviderFailure(enum.Enum):
    """Why a client is over."""

    MISSING_KEY = "missing key"
    """No credential was given and none is in the environment."""
    BAD_KEY = "bad key"
    """The provider does not accept the credential."""
    FORBIDDEN = "forbidden"
    """The credential is right, but the account may not do this."""
    REFUSED = "refused"
    """The provider does not accept the connection for another reason that will not go away."""
    BAD_SETTINGS = "bad settings"
    """The provider does not accept the configuration of the session."""
    UNKNOWN_FUNCTION = "unknown function"
    """The model called a function that the session does not have, and the provider ends it for that."""
    INSECURE = "insecure"
    """The provider's certificate is not valid."""
    UNREACHABLE = "unreachable"
    """It could not be reached, or did not keep a connection, as often as was tried."""
    TIMEOUT = "timeout"
    """It was not ready in the time that was given."""
    CONNECTION_LOST = "connection lost"
    """The connection ended before an answer came; the client itself goes on with a new one."""


class ProviderFailed(Exception):
    """A provider's client is over, or could not be made. The text never holds a credential.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: ProviderFailure, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ClientClosed(Exception):
    """A method of a client was called after `close`, or after the end of the call it belongs to."""


class RequestRefused(Exception):
    """The provider answered a message of ours with an error; nothing has changed there.

    Attributes:
        kind: The provider's type of the error.
        param: The field at fault, where the provider names one.
    """

    def __init__(self, message: str, *, kind: str, param: str | None = None) -> None:
        super().__init__(f"{param}: {message}" if param else message)
        self.kind = kind
        self.param = param


class ConnectionLost(OrdinaryFailure):
    """A connection ended; the supervisor starts another."""
