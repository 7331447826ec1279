"""One entry of a conversation: reported live by the server, and replayed by a client that connects again."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._base import ServerMessage

__all__ = ["History", "HistoryFunctionCall"]


@attrs.frozen(kw_only=True)
class HistoryFunctionCall:
    """A function call that was answered."""

    id: str
    name: str
    client_side: bool
    """Whether the client ran it."""
    arguments: str
    """JSON text. Spaces may differ from those of the request: compare what it parses to."""
    response: str
    thought_signature: str | None = None
    """From some Gemini models; to be given back unchanged."""


@attrs.frozen(kw_only=True)
class History(ServerMessage):
    """A line of the conversation (``role`` and ``content``), or answered function calls; never both.

    The server repeats each ``ConversationText`` as one of these: do not count both. The same shape goes into
    ``agent.context.messages`` of ``Settings``.
    """

    type: ClassVar[str] = "History"
    role: str | None = None
    """``user`` or ``assistant``."""
    content: str | None = None
    function_calls: tuple[HistoryFunctionCall, ...] | None = None
