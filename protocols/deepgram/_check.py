"""Rules about client messages that types cannot say. Those about ``Settings`` are in ``check_settings``."""

from __future__ import annotations

from typing import Final

from .._errors import clip
from ._base import Message
from ._client_messages import InjectAgentMessage
from ._problems import refuse_shape

__all__ = ["BEHAVIORS", "check_client_message"]

BEHAVIORS: Final = ("default", "queue", "interrupt")
"""What an ``InjectAgentMessage`` may do while somebody speaks."""


def check_client_message(message: Message) -> None:
    """Check the values of a client message other than ``Settings``.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    if not isinstance(message, InjectAgentMessage):
        return
    if message.is_dynamic and message.message is not None:
        raise refuse_shape("message", "is given although is_dynamic is true, expected one of the two")
    if not message.is_dynamic and message.message is None:
        raise refuse_shape("message", "is missing")
    if message.behavior is not None and message.behavior not in BEHAVIORS:
        raise refuse_shape(
            "behavior", f"got {clip(message.behavior)}, expected one of {', '.join(BEHAVIORS)}"
        )
