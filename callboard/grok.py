"""xAI's Grok Voice Agent API in VoxEngine's vocabulary, in snake_case.

::

    from callboard import grok

    agent = await grok.create_voice_agent_api_client(call, model="grok-voice-latest")
    agent.add_event_listener(grok.VoiceAgentAPIEvents.ResponseDone, on_done)
    agent.session_update({"session": {"voice": "eve", "turn_detection": {"type": "server_vad"}}})
    call.send_media_between(agent)

VoxEngine's `Grok.createVoiceAgentAPIClient(parameters)` is `create_voice_agent_api_client(call, ...)`; the fields of
`VoiceAgentAPIClientParameters` are its keyword arguments. `Grok.Events` and `Grok.VoiceAgentAPIEvents` are the
namespaces `Events` and `VoiceAgentAPIEvents`, whose members are the event classes themselves; `event.data` is the
typed payload of xAI's message, `event.raw` the message as it was received. The classes of messages and their parts
are those of `callboard.protocols.grok`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from callboard.actors._agent_client import ClearMediaBufferParameters as ClearMediaBufferParameters
from callboard.actors._agent_events import (
    ConnectorData as ConnectorData,
    WebSocketClosed as WebSocketClosed,
    WebSocketErrorData as WebSocketErrorData,
    WebSocketMediaInfo as WebSocketMediaInfo,
)
from callboard.actors._agent_requests import SendMediaParameters as SendMediaParameters
from callboard.actors._agent_statistics import AgentStatistics as AgentStatistics
from callboard.actors._grok_adapter import DEFAULT_MODEL as DEFAULT_MODEL
from callboard.actors._grok_client import VoiceAgentAPIClient as VoiceAgentAPIClient
from callboard.actors._grok_events import (
    Events as Events,
    GrokEvent as GrokEvent,
    ServerMessage as ServerMessage,
    VoiceAgentAPIEvents as VoiceAgentAPIEvents,
)
from callboard.actors._grok_factory import (
    Provider as Provider,
    create_voice_agent_api_client as create_voice_agent_api_client,
)
from callboard.actors._listeners import (
    EventStream as EventStream,
    SubscriberLagged as SubscriberLagged,
)
from callboard.actors._provider_credential import KeySource as KeySource
from callboard.actors._provider_errors import (
    ClientClosed as ClientClosed,
    ProviderFailed as ProviderFailed,
    ProviderFailure as ProviderFailure,
    RequestRefused as RequestRefused,
)
from callboard.actors._provider_options import ConnectionOptions as ConnectionOptions
from callboard.protocols.grok import (
    AudioConfig as AudioConfig,
    AudioFormatConfig as AudioFormatConfig,
    AudioInput as AudioInput,
    AudioOutput as AudioOutput,
    ContentPart as ContentPart,
    ConversationItemCreate as ConversationItemCreate,
    ConversationItemDelete as ConversationItemDelete,
    ConversationItemTruncate as ConversationItemTruncate,
    FileSearch as FileSearch,
    ForceMessage as ForceMessage,
    FunctionCall as FunctionCall,
    FunctionCallOutput as FunctionCallOutput,
    FunctionTool as FunctionTool,
    InputAudioBufferClear as InputAudioBufferClear,
    InputAudioBufferCommit as InputAudioBufferCommit,
    Mcp as Mcp,
    Message as Message,
    Reasoning as Reasoning,
    ResponseCancel as ResponseCancel,
    ResponseCreate as ResponseCreate,
    ResponseOptions as ResponseOptions,
    SessionConfig as SessionConfig,
    SessionUpdate as SessionUpdate,
    Transcription as Transcription,
    TurnDetection as TurnDetection,
    WebSearch as WebSearch,
    XSearch as XSearch,
)


class VoiceAgentAPIClientParameters(TypedDict, total=False):
    """VoxEngine's parameters of the factory; here they are keyword arguments of `create_voice_agent_api_client`."""

    xai_api_key: KeySource
    model: str
    statistics: bool
    trace: bool | str | Path
    privacy: bool
    on_web_socket_close: Callable[[WebSocketClosed], object]
