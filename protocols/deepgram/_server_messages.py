"""The messages a server sends, but for ``History`` and ``FunctionCallResponse``: one class each, fields as on the wire.

Source: the guides on the messages of the Voice Agent API, and the schema the official SDKs are made from. A field that
not every server sends has a default.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject
from ._base import ServerMessage

__all__ = [
    "AgentAudioDone",
    "AgentStartedSpeaking",
    "AgentThinking",
    "CancelledFunction",
    "ConversationText",
    "CustomFromThinkProvider",
    "ErrorMessage",
    "FrustrationDetected",
    "FunctionCall",
    "FunctionCallCancelled",
    "FunctionCallRequest",
    "InjectionRefused",
    "LatencyReport",
    "ListenUpdated",
    "PromptUpdated",
    "SettingsApplied",
    "SpeakUpdated",
    "ThinkLiveUpdated",
    "ThinkUpdated",
    "UserStartedSpeaking",
    "WarningMessage",
    "Welcome",
]


@attrs.frozen(kw_only=True)
class Welcome(ServerMessage):
    """The socket is open. Sent at once, before anything from the client."""

    type: ClassVar[str] = "Welcome"
    request_id: str
    """A UUID: what to name to Deepgram's support."""


@attrs.frozen(kw_only=True)
class SettingsApplied(ServerMessage):
    """The settings are in force: audio may go. The text of the greeting may come before this."""

    type: ClassVar[str] = "SettingsApplied"


@attrs.frozen(kw_only=True)
class ConversationText(ServerMessage):
    """Something was said: a whole turn of the user, or one sentence of the agent, ahead of its audio."""

    type: ClassVar[str] = "ConversationText"
    role: str
    """``user`` or ``assistant``."""
    content: str
    conversational_behavior: str = "default"
    """``default``, ``backchannel``, ``presence_check`` or ``filler``. Older servers leave it out."""
    languages_hinted: tuple[str, ...] | None = None
    """Of the user, with ``flux-general-multi`` only; the same goes for ``languages``."""
    languages: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class UserStartedSpeaking(ServerMessage):
    """The user began an utterance: stop the agent's audio and throw away what is queued of it."""

    type: ClassVar[str] = "UserStartedSpeaking"


@attrs.frozen(kw_only=True)
class AgentThinking(ServerMessage):
    """What the agent thinks and does not say. Some servers never send it."""

    type: ClassVar[str] = "AgentThinking"
    content: str


@attrs.frozen(kw_only=True)
class AgentStartedSpeaking(ServerMessage):
    """The agent begins to speak. Only where ``Settings.experimental`` is true. All in seconds."""

    type: ClassVar[str] = "AgentStartedSpeaking"
    total_latency: float
    tts_latency: float
    ttt_latency: float


@attrs.frozen(kw_only=True)
class AgentAudioDone(ServerMessage):
    """The last audio of an utterance is sent. Hearing it takes longer, and an utterance cut short may have none."""

    type: ClassVar[str] = "AgentAudioDone"


@attrs.frozen(kw_only=True)
class LatencyReport(ServerMessage):
    """How long the parts of an answer took, in seconds. Some servers send each figure in a report of its own."""

    type: ClassVar[str] = "LatencyReport"
    stt_latency: float | None = None
    ttt_token_latency: float | None = None
    ttt_text_latency: float | None = None
    ttt_tool_latency: float | None = None
    ttt_thinking_latency: float | None = None
    tts_latency: float | None = None
    total_latency: float | None = None

    def merge(self, other: LatencyReport) -> LatencyReport:
        """Return this report with the figures of a later one of the same answer."""
        given = attrs.asdict(other, filter=lambda _, value: value is not None)
        return attrs.evolve(self, **given)


@attrs.frozen(kw_only=True)
class FunctionCall:
    """One call the language model asks for."""

    id: str
    name: str
    arguments: str
    """JSON text."""
    client_side: bool
    """True: the client is to answer. False: the server runs it, and this is only news."""
    thought_signature: str | None = None
    """From some Gemini models; to be given back unchanged."""


@attrs.frozen(kw_only=True)
class FunctionCallRequest(ServerMessage):
    """The language model calls functions, perhaps before the user's turn is confirmed."""

    type: ClassVar[str] = "FunctionCallRequest"
    functions: tuple[FunctionCall, ...]


@attrs.frozen(kw_only=True)
class CancelledFunction:
    """A call that is not wanted any more."""

    id: str
    name: str


@attrs.frozen(kw_only=True)
class FunctionCallCancelled(ServerMessage):
    """The user went on or interrupted: stop work on these calls and answer none of them."""

    type: ClassVar[str] = "FunctionCallCancelled"
    functions: tuple[CancelledFunction, ...]


@attrs.frozen(kw_only=True)
class PromptUpdated(ServerMessage):
    """An ``UpdatePrompt`` is in force."""

    type: ClassVar[str] = "PromptUpdated"


@attrs.frozen(kw_only=True)
class SpeakUpdated(ServerMessage):
    """An ``UpdateSpeak`` is in force. With Flux the voice changes at the next turn."""

    type: ClassVar[str] = "SpeakUpdated"


@attrs.frozen(kw_only=True)
class ThinkUpdated(ServerMessage):
    """An ``UpdateThink`` is in force."""

    type: ClassVar[str] = "ThinkUpdated"


@attrs.frozen(kw_only=True)
class ListenUpdated(ServerMessage):
    """An ``UpdateListen`` is in force."""

    type: ClassVar[str] = "ListenUpdated"


@attrs.frozen(kw_only=True)
class ThinkLiveUpdated(ServerMessage):
    """An ``UpdateThinkLive`` is in force."""

    type: ClassVar[str] = "ThinkLiveUpdated"


@attrs.frozen(kw_only=True)
class InjectionRefused(ServerMessage):
    """An injected message was not taken, because somebody is speaking. Some servers send a warning as well, or only."""

    type: ClassVar[str] = "InjectionRefused"
    message: str | None = None


@attrs.frozen(kw_only=True)
class ErrorMessage(ServerMessage):
    """``Error``: the session is over, and the server closes the socket."""

    type: ClassVar[str] = "Error"
    description: str = ""
    """For people. Its words change: branch on the code."""
    code: str = ""
    """One of ``ErrorCode``, or any other."""


@attrs.frozen(kw_only=True)
class WarningMessage(ServerMessage):
    """``Warning``: something went wrong, and the session goes on."""

    type: ClassVar[str] = "Warning"
    description: str = ""
    """For people."""
    code: str = ""
    """One of ``WarningCode``, or any other."""


@attrs.frozen(kw_only=True)
class FrustrationDetected(ServerMessage):
    """The user seems annoyed. Only with ``think_live``."""

    type: ClassVar[str] = "FrustrationDetected"
    count: int
    """How often so far, from 1."""
    escalated: bool


@attrs.frozen(kw_only=True)
class CustomFromThinkProvider(ServerMessage):
    """``__customFromThinkProvider``: something from a language model of one's own. Not documented."""

    type: ClassVar[str] = "__customFromThinkProvider"
    content: object = None
    """Any JSON value."""

    def to_wire(self) -> JsonObject:
        """Return the JSON message; a ``content`` of None is null."""
        return {"type": self.type, "content": self.content}
