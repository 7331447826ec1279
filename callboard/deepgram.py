"""Deepgram's Voice Agent API in VoxEngine's vocabulary, in snake_case.

::

    from callboard import deepgram

    agent = await deepgram.create_voice_agent_client(call)
    agent.add_event_listener(deepgram.VoiceAgentEvents.ConversationText, on_text)
    await agent.configure(instructions="You take bookings.", voice="flux-kit-en")
    call.send_media_between(agent)

VoxEngine's `Deepgram.createVoiceAgentClient(parameters)` is `create_voice_agent_client(call, ...)`; the fields of
`VoiceAgentClientParameters` are its keyword arguments. `Deepgram.Events` and `Deepgram.VoiceAgentEvents` are the
namespaces `Events` and `VoiceAgentEvents`, whose members are the event classes themselves; `event.data` is the typed
payload of Deepgram's message, `event.raw` the message as it was received. The classes of messages and their parts are
those of `callboard.protocols.deepgram`.
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
from callboard.actors._deepgram_client import VoiceAgentClient as VoiceAgentClient
from callboard.actors._deepgram_events import (
    DeepgramEvent as DeepgramEvent,
    Events as Events,
    HTTPResponseData as HTTPResponseData,
    ServerMessage as ServerMessage,
    VoiceAgentEvents as VoiceAgentEvents,
)
from callboard.actors._deepgram_factory import (
    Provider as Provider,
    SettingsLike as SettingsLike,
    create_voice_agent_client as create_voice_agent_client,
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
from callboard.protocols.deepgram import (
    Agent as Agent,
    Audio as Audio,
    AudioInput as AudioInput,
    AudioOutput as AudioOutput,
    Context as Context,
    Endpoint as Endpoint,
    Flags as Flags,
    Function as Function,
    FunctionCallResponse as FunctionCallResponse,
    History as History,
    InjectAgentMessage as InjectAgentMessage,
    InjectUserMessage as InjectUserMessage,
    Listen as Listen,
    ListenProvider as ListenProvider,
    Settings as Settings,
    SpeakEntry as SpeakEntry,
    SpeakProvider as SpeakProvider,
    ThinkEntry as ThinkEntry,
    ThinkProvider as ThinkProvider,
    UpdateListen as UpdateListen,
    UpdatePrompt as UpdatePrompt,
    UpdateSpeak as UpdateSpeak,
    UpdateThink as UpdateThink,
)


class VoiceAgentClientParameters(TypedDict, total=False):
    """VoxEngine's parameters of the factory; here they are keyword arguments of `create_voice_agent_client`."""

    api_key: KeySource
    access_token: KeySource
    settings_options: SettingsLike
    statistics: bool
    trace: bool | str | Path
    privacy: bool
    on_web_socket_close: Callable[[WebSocketClosed], object]
