"""The messages a client sends after ``Settings``: one class each, fields as on the wire.

Source: the guides on the messages of the Voice Agent API, and the schema the official SDKs are made from.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from ._base import ClientMessage, ServerMessage
from ._parts import Listen, SpeakEntry, ThinkEntry, ThinkLive

__all__ = [
    "CustomToThinkProvider",
    "ForceEndTurn",
    "FunctionCallResponse",
    "InjectAgentMessage",
    "InjectUserMessage",
    "KeepAlive",
    "UpdateListen",
    "UpdatePrompt",
    "UpdateSpeak",
    "UpdateThink",
    "UpdateThinkLive",
]


@attrs.frozen(kw_only=True)
class KeepAlive(ClientMessage):
    """The client is still there. Only needed while no audio goes; there is no answer."""

    type: ClassVar[str] = "KeepAlive"


@attrs.frozen(kw_only=True)
class UpdatePrompt(ClientMessage):
    """Add to the prompt. Answered by ``PromptUpdated``.

    One page of the documentation says "replace", four say "append"; to replace, use ``UpdateThink``.
    """

    type: ClassVar[str] = "UpdatePrompt"
    prompt: str


@attrs.frozen(kw_only=True)
class UpdateThink(ClientMessage):
    """Replace the language models: provider, prompt, endpoint and functions. Answered by ``ThinkUpdated``."""

    type: ClassVar[str] = "UpdateThink"
    think: ThinkEntry | tuple[ThinkEntry, ...]


@attrs.frozen(kw_only=True)
class UpdateSpeak(ClientMessage):
    """Replace the voices. Answered by ``SpeakUpdated``."""

    type: ClassVar[str] = "UpdateSpeak"
    speak: SpeakEntry | tuple[SpeakEntry, ...]


@attrs.frozen(kw_only=True)
class UpdateListen(ClientMessage):
    """Change speech recognition. Answered by ``ListenUpdated``.

    What is left out stays as it is, except for ``language_hints``, which are cleared.
    """

    type: ClassVar[str] = "UpdateListen"
    listen: Listen


@attrs.frozen(kw_only=True)
class InjectUserMessage(ClientMessage):
    """Say this as if the user had. The agent answers; there is no acknowledgement."""

    type: ClassVar[str] = "InjectUserMessage"
    content: str


@attrs.frozen(kw_only=True)
class InjectAgentMessage(ClientMessage):
    """Have the agent say this word for word, or refuse with ``InjectionRefused``."""

    type: ClassVar[str] = "InjectAgentMessage"
    message: str | None = None
    """What to say; left out only where ``is_dynamic`` is true."""
    behavior: str | None = None
    """``default``: only if nobody speaks. ``queue``: after what the agent is saying. ``interrupt``: now."""
    is_dynamic: bool | None = None
    """The agent finds the words itself. Needs ``think_live``."""


@attrs.frozen(kw_only=True)
class FunctionCallResponse(ClientMessage, ServerMessage):
    """The result of a function call: from a client, of its own; from the server, news of one that it ran."""

    type: ClassVar[str] = "FunctionCallResponse"
    id: str | None = None
    """The id of the request. Without it nobody knows which call a client has answered."""
    name: str
    content: str
    """Any text; JSON goes as text."""
    thought_signature: str | None = None
    """That of the request, where it had one."""


@attrs.frozen(kw_only=True)
class ForceEndTurn(ClientMessage):
    """End the user's turn now. Flux only; other recognition draws a warning. Ignored where there is no turn."""

    type: ClassVar[str] = "ForceEndTurn"


@attrs.frozen(kw_only=True)
class UpdateThinkLive(ClientMessage):
    """``UpdateThink_Live``: replace the ``think_live`` of the agent. Answered by ``ThinkLiveUpdated``."""

    type: ClassVar[str] = "UpdateThink_Live"
    think_live: ThinkLive


@attrs.frozen(kw_only=True)
class CustomToThinkProvider(ClientMessage):
    """``__customToThinkProvider``: something for a language model of one's own. Not documented."""

    type: ClassVar[str] = "__customToThinkProvider"
    content: object = None
    """Any JSON value."""

    def to_wire(self) -> JsonObject:
        """Return the JSON message; a ``content`` of None is null."""
        return {"type": self.type, "content": self.content}
