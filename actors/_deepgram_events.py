"""The events of a Deepgram client: one frozen class each, grouped under the names VoxEngine gave them.

The attributes of `VoiceAgentEvents` and `Events` are the event classes themselves, so they serve as names for
`add_event_listener`, as filters for `events` and as patterns in `match`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from callboard.protocols import deepgram as wire

from ._agent_events import ClientEvent, ConnectorData, EventNames, WebSocketErrorData, WebSocketMediaInfo
from ._agent_news import ProviderNews, by_payload, by_wire_type

if TYPE_CHECKING:
    from ._deepgram_client import VoiceAgentClient

D_co = TypeVar("D_co", covariant=True)

_NOTHING: Mapping[str, object] = {}
# Of the answer to a refused handshake: what may hold a credential or a session of somebody.
_PRIVATE_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "sec-websocket-protocol",
    }
)
# Characters of its body that are shown.
_BODY_CLIP = 2000


@attrs.frozen(kw_only=True)
class DeepgramEvent(ClientEvent):
    """Anything a Deepgram client tells of Deepgram's own."""

    client: "VoiceAgentClient"
    """The client it happened to."""


@attrs.frozen(kw_only=True)
class ServerMessage(DeepgramEvent, Generic[D_co]):
    """A message of the server, or news of the connection."""

    data: D_co
    """The typed payload, with the fields named as on the wire."""
    raw: Mapping[str, object] = attrs.field(default=_NOTHING, repr=False)
    """The message as it was received; empty where it did not come over the wire."""


@attrs.frozen(kw_only=True)
class HTTPResponseData:
    """What the server answered to the handshake instead of an upgrade."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Names in lower case; without those that may hold credentials."""
    body: str = ""
    """The beginning of the body, at most 2000 characters."""

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: str) -> "HTTPResponseData":
        """What may be shown of an answer.

        Args:
            status: The HTTP status.
            headers: All of its headers.
            body: As text, without the credentials of this client.
        """
        shown = {name.lower(): value for name, value in headers.items()}
        return cls(
            status=status,
            headers={name: value for name, value in shown.items() if name not in _PRIVATE_HEADERS},
            body=body[:_BODY_CLIP],
        )


class Events:
    """What happens to the audio that is played, by the agent's real speed and not by that of the wire."""

    @attrs.frozen(kw_only=True)
    class WebSocketMediaStarted(DeepgramEvent):
        """Audio of the provider begins to play."""

        tag: str | None = None
        """Deepgram's wire has one stream only, so always None."""
        encoding: str
        """`ULAW`, `ALAW` or `PCM16`."""
        custom_parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @attrs.frozen(kw_only=True)
    class WebSocketMediaEnded(DeepgramEvent):
        """No audio has played for one second."""

        tag: str | None = None
        media_info: WebSocketMediaInfo


class VoiceAgentEvents:
    """What the server says, and what becomes of the connection to it.

    Audio is no event: it goes where `send_media_to` sends it.
    """

    class Unknown(ServerMessage[wire.Unknown]):
        """A message this version has no class for."""

    class HTTPResponse(ServerMessage[HTTPResponseData]):
        """The server answered the handshake, but not with an upgrade: a refused key, for instance."""

    class WebSocketError(ServerMessage[WebSocketErrorData]):
        """The connection broke, or brought something that cannot be read."""

    class ConnectorInformation(ServerMessage[ConnectorData]):
        """A connection was opened; raised for each."""

    class Welcome(ServerMessage[wire.Welcome]):
        """The server's greeting; `data.request_id` is what to name to Deepgram's support."""

    class SettingsApplied(ServerMessage[wire.SettingsApplied]):
        """The settings are in force."""

    class ConversationText(ServerMessage[wire.ConversationText]):
        """A whole turn of the caller, or one sentence of the agent."""

    class History(ServerMessage[wire.History]):
        """An entry of the conversation: a line that `ConversationText` told already, or answered function calls."""

    class UserStartedSpeaking(ServerMessage[wire.UserStartedSpeaking]):
        """The caller began to speak."""

    class AgentThinking(ServerMessage[wire.AgentThinking]):
        """What the agent thinks and does not say. Some servers never send it."""

    class AgentStartedSpeaking(ServerMessage[wire.AgentStartedSpeaking]):
        """The agent begins to speak, in a session with `experimental` settings."""

    class AgentAudioDone(ServerMessage[wire.AgentAudioDone]):
        """All audio of an utterance has been received; it usually still plays. An interrupted one may have none."""

    class LatencyReport(ServerMessage[wire.LatencyReport]):
        """How long the parts of an answer took. Several may come for one answer, each with some of the figures."""

    class FunctionCallRequest(ServerMessage[wire.FunctionCallRequest]):
        """Functions are called. Those given to `configure` as tools are run without your doing."""

    class FunctionCallResponse(ServerMessage[wire.FunctionCallResponse]):
        """The result of a call that the server made itself."""

    class FunctionCallCancelled(ServerMessage[wire.FunctionCallCancelled]):
        """Calls are not wanted any more, because the caller went on speaking."""

    class PromptUpdated(ServerMessage[wire.PromptUpdated]):
        """An addition to the prompt took effect."""

    class ThinkUpdated(ServerMessage[wire.ThinkUpdated]):
        """Another language model, prompt or set of functions took effect."""

    class SpeakUpdated(ServerMessage[wire.SpeakUpdated]):
        """Another voice took effect."""

    class ListenUpdated(ServerMessage[wire.ListenUpdated]):
        """Other speech recognition took effect."""

    class ThinkLiveUpdated(ServerMessage[wire.ThinkLiveUpdated]):
        """Other `think_live` settings took effect."""

    class InjectionRefused(ServerMessage[wire.InjectionRefused]):
        """A line was not said, because somebody is speaking. Some servers tell it by a `Warning`."""

    class FrustrationDetected(ServerMessage[wire.FrustrationDetected]):
        """The caller seems annoyed, in a session with `think_live`."""

    class CustomFromThinkProvider(ServerMessage[wire.CustomFromThinkProvider]):
        """Something from a language model of your own."""

    class Error(ServerMessage[wire.ErrorMessage]):
        """The session is over; whether another follows depends on `data.code`."""

    class Warning(ServerMessage[wire.WarningMessage]):
        """Something went wrong, and the session goes on."""


BY_PAYLOAD = by_payload(VoiceAgentEvents, ServerMessage)
"""By the class of their data."""

BY_WIRE_TYPE = by_wire_type(BY_PAYLOAD)
"""By the type on the wire."""

NAMES = EventNames(Events, VoiceAgentEvents, prefix="Deepgram.", wire=BY_WIRE_TYPE)
"""By all names."""


class DeepgramNews(ProviderNews):
    """See `News`.

    Args:
        client: Whose events they are.
        publish: Takes them.
    """

    def __init__(self, client: "VoiceAgentClient", publish: Callable[[ClientEvent], None]) -> None:
        super().__init__(
            client,
            publish,
            kinds=BY_PAYLOAD,
            started=Events.WebSocketMediaStarted,
            ended=Events.WebSocketMediaEnded,
        )

    def handshake_refused(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """See `News`."""
        self._tell(HTTPResponseData.of(status, headers, body))
