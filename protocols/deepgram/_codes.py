"""Codes of ``Error`` and ``Warning``. Both sets are open: a code that is not here is a plain string.

Source: the guide on errors and warnings of the Voice Agent API.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["ErrorCode", "WarningCode", "is_permanent_error"]


class ErrorCode(enum.StrEnum):
    """Why a session ends: every error is final for its connection."""

    NON_SETTINGS_MESSAGE_BEFORE_SETTINGS = "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"
    SETTINGS_ALREADY_APPLIED = "SETTINGS_ALREADY_APPLIED"
    UNPARSABLE_CLIENT_MESSAGE = "UNPARSABLE_CLIENT_MESSAGE"
    """Not JSON, of an unknown type, or of the wrong shape."""
    INVALID_SETTINGS = "INVALID_SETTINGS"
    """Of the right shape, with values the server does not take."""
    CLIENT_MESSAGE_TIMEOUT = "CLIENT_MESSAGE_TIMEOUT"
    """The client was silent for too long."""
    USER_AUDIO_FORMAT = "USER_AUDIO_FORMAT"
    """Caller audio is not in the format that was declared."""
    FAILED_TO_START_LISTENING = "FAILED_TO_START_LISTENING"
    FAILED_TO_LISTEN = "FAILED_TO_LISTEN"
    """Another name of the one above, seen once."""
    ASR_CONNECTION_CLOSED = "ASR_CONNECTION_CLOSED"
    ASR_DRIVER_TIMEOUT = "ASR_DRIVER_TIMEOUT"
    FAILED_TO_THINK = "FAILED_TO_THINK"
    """Every language model of the chain failed."""
    FAILED_TO_SPEAK = "FAILED_TO_SPEAK"
    """Every voice of the chain failed."""
    NON_EXISTENT_FUNCTION_CALLED = "NON_EXISTENT_FUNCTION_CALLED"
    """The language model named a function it was not given."""
    AGENT_ID_NOT_SUPPORTED = "AGENT_ID_NOT_SUPPORTED"
    INVALID_AGENT_ID = "INVALID_AGENT_ID"
    MAXIMUM_SESSION_LENGTH_REACHED = "MAXIMUM_SESSION_LENGTH_REACHED"
    SERVER_GOING_AWAY = "SERVER_GOING_AWAY"
    """Maintenance: connect again."""
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class WarningCode(enum.StrEnum):
    """What went wrong without ending the session."""

    INJECT_AGENT_MESSAGE_DURING_USER_SPEECH = "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH"
    INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH = "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"
    PROMPT_TOO_LONG = "PROMPT_TOO_LONG"
    THINK_REQUEST_FAILED = "THINK_REQUEST_FAILED"
    SPEAK_REQUEST_FAILED = "SPEAK_REQUEST_FAILED"
    FUNCTION_CALL_FAILED = "FUNCTION_CALL_FAILED"
    SLOW_THINK_REQUEST = "SLOW_THINK_REQUEST"
    SLOW_SPEAK_REQUEST = "SLOW_SPEAK_REQUEST"
    FORCE_END_TURN_UNSUPPORTED = "FORCE_END_TURN_UNSUPPORTED"
    GPT_4O_STREAM_END_ERROR = "GPT_4O_STREAM_END_ERROR"
    MAXIMUM_SESSION_LENGTH_APPROACHING = "MAXIMUM_SESSION_LENGTH_APPROACHING"
    UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED = "UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED"
    """From servers of before September 2026, which could not switch the model of a session."""
    VOICE_PROMPT_ADDED = "VOICE_PROMPT_ADDED"


_PERMANENT: Final = frozenset(
    {
        ErrorCode.NON_SETTINGS_MESSAGE_BEFORE_SETTINGS,
        ErrorCode.UNPARSABLE_CLIENT_MESSAGE,
        ErrorCode.INVALID_SETTINGS,
        ErrorCode.USER_AUDIO_FORMAT,
        ErrorCode.NON_EXISTENT_FUNCTION_CALLED,
        ErrorCode.AGENT_ID_NOT_SUPPORTED,
        ErrorCode.INVALID_AGENT_ID,
    }
)


def is_permanent_error(code: str) -> bool:
    """Tell whether the same settings on a new connection would end the same way.

    ``SETTINGS_ALREADY_APPLIED`` is not among them, although it is a mistake of the client: a new connection has none
    applied. Neither is a code nobody has heard of.
    """
    return code in _PERMANENT
