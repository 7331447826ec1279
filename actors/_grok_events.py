"""The events of a Grok client: one frozen class each, grouped under the names VoxEngine gave them.

The attributes of `VoiceAgentAPIEvents` and `Events` are the event classes themselves, so they serve as names for
`add_event_listener`, as filters for `events` and as patterns in `match`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from callboard.protocols import grok as wire

from ._agent_events import ClientEvent, ConnectorData, EventNames, WebSocketErrorData, WebSocketMediaInfo
from ._agent_news import ProviderNews, by_payload, by_wire_type

if TYPE_CHECKING:
    from ._grok_client import VoiceAgentAPIClient

D_co = TypeVar("D_co", covariant=True)

_NOTHING: Mapping[str, object] = {}


@attrs.frozen(kw_only=True)
class GrokEvent(ClientEvent):
    """Anything a Grok client tells of Grok's own."""

    client: "VoiceAgentAPIClient"
    """The client it happened to."""


@attrs.frozen(kw_only=True)
class ServerMessage(GrokEvent, Generic[D_co]):
    """A message of the server, or news of the connection."""

    data: D_co
    """The typed payload, with the fields named as on the wire."""
    raw: Mapping[str, object] = attrs.field(default=_NOTHING, repr=False)
    """The message as it was received; empty where it did not come over the wire."""


class Events:
    """What happens to the audio that is played, by the model's real speed and not by that of the wire."""

    @attrs.frozen(kw_only=True)
    class WebSocketMediaStarted(GrokEvent):
        """Audio of the provider begins to play."""

        tag: str | None = None
        """Grok's wire has one stream only, so always None."""
        encoding: str
        """`ULAW`, `ALAW` or `PCM16`."""
        custom_parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @attrs.frozen(kw_only=True)
    class WebSocketMediaEnded(GrokEvent):
        """No audio has played for one second."""

        tag: str | None = None
        media_info: WebSocketMediaInfo


class VoiceAgentAPIEvents:
    """What the server says, and what becomes of the connection to it.

    Audio is no event: it goes where `send_media_to` sends it. Errors that only tell of a lost race are left out.
    """

    class Unknown(ServerMessage[wire.Unknown]):
        """A message this version has no class for."""

    class WebSocketError(ServerMessage[WebSocketErrorData]):
        """The connection broke, or brought something that cannot be read."""

    class ConnectorInformation(ServerMessage[ConnectorData]):
        """A connection was opened; raised for each."""

    class Error(ServerMessage[wire.ErrorEvent]):
        """The server refused a message of ours or failed. Races that both sides can lose are left out."""

    class SessionCreated(ServerMessage[wire.SessionCreated]):
        """The server's greeting; its session is an opaque receipt."""

    class ConversationCreated(ServerMessage[wire.ConversationCreated]):
        """The conversation of this connection has an id."""

    class SessionUpdated(ServerMessage[wire.SessionUpdated]):
        """A `session_update` took effect."""

    class Ping(ServerMessage[wire.Ping]):
        """A keep-alive; nothing is expected back."""

    class ConversationItemAdded(ServerMessage[wire.ConversationItemAdded]):
        """An item joined the conversation."""

    class ConversationItemCreated(ServerMessage[wire.ConversationItemCreated]):
        """An item of an earlier connection was replayed."""

    class ConversationItemDeleted(ServerMessage[wire.ConversationItemDeleted]):
        """An item left the conversation."""

    class ConversationItemTruncated(ServerMessage[wire.ConversationItemTruncated]):
        """The server forgot what was not heard of an answer."""

    class ConversationItemInputAudioTranscriptionUpdated(
        ServerMessage[wire.ConversationItemInputAudioTranscriptionUpdated]
    ):
        """The whole text of a caller's turn so far; it may correct earlier text."""

    class ConversationItemInputAudioTranscriptionCompleted(
        ServerMessage[wire.ConversationItemInputAudioTranscriptionCompleted]
    ):
        """The whole text of a caller's turn. Several may come: read `data.status`."""

    class InputAudioBufferSpeechStarted(ServerMessage[wire.InputAudioBufferSpeechStarted]):
        """The caller began to speak."""

    class InputAudioBufferSpeechStopped(ServerMessage[wire.InputAudioBufferSpeechStopped]):
        """The caller paused."""

    class InputAudioBufferCommitted(ServerMessage[wire.InputAudioBufferCommitted]):
        """The caller's audio became a message."""

    class InputAudioBufferCleared(ServerMessage[wire.InputAudioBufferCleared]):
        """Answer to `input_audio_buffer_clear`."""

    class InputAudioBufferTimeoutTriggered(ServerMessage[wire.InputAudioBufferTimeoutTriggered]):
        """Nobody spoke for the idle timeout; a response follows."""

    class InputAudioBufferDtmfEventReceived(ServerMessage[wire.InputAudioBufferDtmfEventReceived]):
        """A key was pressed, in a session attached to a SIP call."""

    class ResponseCreated(ServerMessage[wire.ResponseCreated]):
        """A response begins."""

    class ResponseDone(ServerMessage[wire.ResponseDone]):
        """A response has been generated; its audio usually still plays."""

    class ResponseOutputItemAdded(ServerMessage[wire.ResponseOutputItemAdded]):
        """A response got an item."""

    class ResponseOutputItemDone(ServerMessage[wire.ResponseOutputItemDone]):
        """An item of a response is complete."""

    class ResponseContentPartAdded(ServerMessage[wire.ResponseContentPartAdded]):
        """An item got a content part."""

    class ResponseContentPartDone(ServerMessage[wire.ResponseContentPartDone]):
        """A content part is complete; `data.part` may be None."""

    class ResponseOutputAudioDone(ServerMessage[wire.ResponseOutputAudioDone]):
        """All audio of a part has been received; it usually still plays."""

    class ResponseOutputAudioTranscriptDelta(ServerMessage[wire.ResponseOutputAudioTranscriptDelta]):
        """What the next piece of the answer says."""

    class ResponseOutputAudioTranscriptDone(ServerMessage[wire.ResponseOutputAudioTranscriptDone]):
        """What the whole answer says."""

    class ResponseOutputTextDelta(ServerMessage[wire.ResponseOutputTextDelta]):
        """A piece of a text answer."""

    class ResponseOutputTextDone(ServerMessage[wire.ResponseOutputTextDone]):
        """A text answer as a whole."""

    class ResponseFunctionCallArgumentsDelta(ServerMessage[wire.ResponseFunctionCallArgumentsDelta]):
        """Part of the arguments of a call."""

    class ResponseFunctionCallArgumentsDone(ServerMessage[wire.ResponseFunctionCallArgumentsDone]):
        """A function is called. Functions given to `configure` as tools are run without your doing."""

    class ResponseMcpCallArgumentsDelta(ServerMessage[wire.ResponseMcpCallArgumentsDelta]):
        """Part of the arguments of a call the server makes itself."""

    class ResponseMcpCallArgumentsDone(ServerMessage[wire.ResponseMcpCallArgumentsDone]):
        """The arguments of a call the server makes itself."""

    class ResponseMcpCallInProgress(ServerMessage[wire.ResponseMcpCallInProgress]):
        """The server calls a tool of an MCP server."""

    class ResponseMcpCallCompleted(ServerMessage[wire.ResponseMcpCallCompleted]):
        """A tool of an MCP server answered."""

    class ResponseMcpCallFailed(ServerMessage[wire.ResponseMcpCallFailed]):
        """A tool of an MCP server failed."""

    class McpListToolsInProgress(ServerMessage[wire.McpListToolsInProgress]):
        """The server asks an MCP server for its tools."""

    class McpListToolsCompleted(ServerMessage[wire.McpListToolsCompleted]):
        """The tools of an MCP server are known."""

    class McpListToolsFailed(ServerMessage[wire.McpListToolsFailed]):
        """An MCP server did not answer."""


BY_PAYLOAD = by_payload(VoiceAgentAPIEvents, ServerMessage)
"""By the class of their data."""

BY_WIRE_TYPE = by_wire_type(BY_PAYLOAD)
"""By the type on the wire."""

NAMES = EventNames(Events, VoiceAgentAPIEvents, prefix="Grok.", wire=BY_WIRE_TYPE)
"""By all names."""


class GrokNews(ProviderNews):
    """See `News`. VoxEngine has no event for a refused handshake here.

    Args:
        client: Whose events they are.
        publish: Takes them.
    """

    def __init__(self, client: "VoiceAgentAPIClient", publish: Callable[[ClientEvent], None]) -> None:
        super().__init__(
            client,
            publish,
            kinds=BY_PAYLOAD,
            started=Events.WebSocketMediaStarted,
            ended=Events.WebSocketMediaEnded,
        )
