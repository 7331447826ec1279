"""Error events: the ones a server answers with, and what they mean to a client."""

from __future__ import annotations

import enum

from ._server_events import ErrorDetail, ErrorEvent

__all__ = ["ErrorKind", "classify_error", "invalid_event", "invalid_request", "is_benign_error"]


class ErrorKind(enum.Enum):
    """What a client should do about an ``error`` event."""

    BENIGN = "benign"
    """A race both sides can lose: swallow it."""
    REQUEST = "request"
    """Our event was refused and nothing changed. Sending it again gets the same answer; the session goes on."""
    SERVER = "server"
    """The server failed. The session may be unusable; be ready to connect again."""
    SESSION_ENDED = "session ended"
    """Idle or too old: the server closes. Connect again."""

    @property
    def permanent(self) -> bool:
        """Whether the same event would be refused again."""
        return self is ErrorKind.REQUEST

    @property
    def ends_session(self) -> bool:
        """Whether the connection is over."""
        return self is ErrorKind.SESSION_ENDED


# Matched on the text because the codes of this API are not those of OpenAI, and not stable.
_ALREADY_ACTIVE = "already has an active response"
_BENIGN = ("no active response", _ALREADY_ACTIVE, "truncat")

_KINDS = {
    "invalid_request_error": ErrorKind.REQUEST,
    "invalid_event": ErrorKind.REQUEST,
    "internal_error": ErrorKind.SERVER,
    "timeout": ErrorKind.SESSION_ENDED,
    "max_duration": ErrorKind.SESSION_ENDED,
}


def is_benign_error(error: ErrorEvent | ErrorDetail) -> bool:
    """Tell whether ``error`` is only a lost race: cancelling what is over, starting what runs, truncating too far."""
    detail = error.error if isinstance(error, ErrorEvent) else error
    message = detail.message.lower()
    return any(text in message for text in _BENIGN)


def is_already_active(error: ErrorEvent | ErrorDetail) -> bool:
    """Tell whether ``error`` refuses a response because another one is still running."""
    detail = error.error if isinstance(error, ErrorEvent) else error
    return _ALREADY_ACTIVE in detail.message.lower()


def classify_error(error: ErrorEvent | ErrorDetail) -> ErrorKind:
    """Return what to do about ``error``. A type nobody has heard of counts as a failure of the server."""
    if is_benign_error(error):
        return ErrorKind.BENIGN
    detail = error.error if isinstance(error, ErrorEvent) else error
    return _KINDS.get(detail.type, ErrorKind.SERVER)


def _error(kind: str, message: str, param: str | None, event_id: str | None) -> ErrorEvent:
    # "code" repeats the type, as the schema says.
    return ErrorEvent(
        error=ErrorDetail(type=kind, code=kind, message=message, param=param or None, event_id=event_id)
    )


def invalid_request(message: str, *, param: str | None = None, event_id: str | None = None) -> ErrorEvent:
    """Return the answer to a client event with a bad field, or one that is not possible now."""
    return _error("invalid_request_error", message, param, event_id)


def invalid_event(message: str, *, event_id: str | None = None) -> ErrorEvent:
    """Return the answer to a client event of an unknown kind."""
    return _error("invalid_event", message, None, event_id)
