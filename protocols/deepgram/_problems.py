"""What a server answers to a message it does not take."""

from __future__ import annotations

from .._errors import RemoteWireError
from ._codes import ErrorCode
from ._server_messages import ErrorMessage

__all__ = ["refuse", "refuse_shape", "refuse_value"]


def refuse(code: ErrorCode, text: str, *, path: str = "") -> RemoteWireError:
    """Return the error whose ``reply`` is an ``Error`` with this code."""
    return RemoteWireError(text, reply=ErrorMessage(description=text, code=code), path=path)


def refuse_shape(path: str, what: str) -> RemoteWireError:
    """Return the error for a field that is missing, unknown or of the wrong type."""
    return refuse(ErrorCode.UNPARSABLE_CLIENT_MESSAGE, f"{path}: {what}", path=path)


def refuse_value(path: str, what: str) -> RemoteWireError:
    """Return the error for a setting of the right type whose value is not possible."""
    return refuse(ErrorCode.INVALID_SETTINGS, f"{path}: {what}", path=path)
