"""The wire of Deepgram's Voice Agent API, client and server side, without any I/O."""

from ._audio_check import (
    INPUT_ENCODINGS as INPUT_ENCODINGS,
    OUTPUT_ENCODINGS as OUTPUT_ENCODINGS,
    output_rate_hz as output_rate_hz,
)
from ._base import (
    BinaryAudio as BinaryAudio,
    ClientMessage as ClientMessage,
    Decoded as Decoded,
    Message as Message,
    ServerMessage as ServerMessage,
    Unknown as Unknown,
)
from ._check import BEHAVIORS as BEHAVIORS
from ._client import DeepgramClient as DeepgramClient
from ._client_messages import (
    CustomToThinkProvider as CustomToThinkProvider,
    ForceEndTurn as ForceEndTurn,
    FunctionCallResponse as FunctionCallResponse,
    InjectAgentMessage as InjectAgentMessage,
    InjectUserMessage as InjectUserMessage,
    KeepAlive as KeepAlive,
    UpdateListen as UpdateListen,
    UpdatePrompt as UpdatePrompt,
    UpdateSpeak as UpdateSpeak,
    UpdateThink as UpdateThink,
    UpdateThinkLive as UpdateThinkLive,
)
from ._codec import (
    CLIENT_MESSAGES as CLIENT_MESSAGES,
    MAX_CLIENT_MESSAGE as MAX_CLIENT_MESSAGE,
    MAX_SERVER_MESSAGE as MAX_SERVER_MESSAGE,
    SERVER_MESSAGES as SERVER_MESSAGES,
    decode_client_message as decode_client_message,
    decode_server_message as decode_server_message,
    encode as encode,
    parse_settings as parse_settings,
    settings_to_wire as settings_to_wire,
)
from ._codes import (
    ErrorCode as ErrorCode,
    WarningCode as WarningCode,
    is_permanent_error as is_permanent_error,
)
from ._connect import (
    DEFAULT_URL as DEFAULT_URL,
    GRANT_LIFETIME as GRANT_LIFETIME,
    GRANT_PATH as GRANT_PATH,
    HOSTS as HOSTS,
    KEEP_ALIVE_INTERVAL as KEEP_ALIVE_INTERVAL,
    MODELS_PATH as MODELS_PATH,
    PATH as PATH,
    PROMPT_LIMIT as PROMPT_LIMIT,
    SESSION_LIMIT as SESSION_LIMIT,
    SESSION_WARNING as SESSION_WARNING,
    Credential as Credential,
    Grant as Grant,
    auth_header as auth_header,
    auth_subprotocols as auth_subprotocols,
    bearer_header as bearer_header,
    bearer_subprotocols as bearer_subprotocols,
    decode_grant as decode_grant,
    encode_grant as encode_grant,
    read_credential as read_credential,
)
from ._history import History as History, HistoryFunctionCall as HistoryFunctionCall
from ._parts import (
    Endpoint as Endpoint,
    Function as Function,
    Listen as Listen,
    ListenProvider as ListenProvider,
    SpeakEntry as SpeakEntry,
    SpeakProvider as SpeakProvider,
    ThinkEntry as ThinkEntry,
    ThinkLive as ThinkLive,
    ThinkLiveProvider as ThinkLiveProvider,
    ThinkProvider as ThinkProvider,
)
from ._provider_check import is_speed_possible as is_speed_possible
from ._server import DeepgramServer as DeepgramServer
from ._server_messages import (
    AgentAudioDone as AgentAudioDone,
    AgentStartedSpeaking as AgentStartedSpeaking,
    AgentThinking as AgentThinking,
    CancelledFunction as CancelledFunction,
    ConversationText as ConversationText,
    CustomFromThinkProvider as CustomFromThinkProvider,
    ErrorMessage as ErrorMessage,
    FrustrationDetected as FrustrationDetected,
    FunctionCall as FunctionCall,
    FunctionCallCancelled as FunctionCallCancelled,
    FunctionCallRequest as FunctionCallRequest,
    InjectionRefused as InjectionRefused,
    LatencyReport as LatencyReport,
    ListenUpdated as ListenUpdated,
    PromptUpdated as PromptUpdated,
    SettingsApplied as SettingsApplied,
    SpeakUpdated as SpeakUpdated,
    ThinkLiveUpdated as ThinkLiveUpdated,
    ThinkUpdated as ThinkUpdated,
    UserStartedSpeaking as UserStartedSpeaking,
    WarningMessage as WarningMessage,
    Welcome as Welcome,
)
from ._settings import (
    Agent as Agent,
    Audio as Audio,
    AudioInput as AudioInput,
    AudioOutput as AudioOutput,
    Context as Context,
    Flags as Flags,
    Settings as Settings,
)
from ._settings_check import check_settings as check_settings
from ._states import State as State
from ._updates import (
    ACKNOWLEDGEMENTS as ACKNOWLEDGEMENTS,
    Update as Update,
    apply_update as apply_update,
    check_update as check_update,
    merge_listen as merge_listen,
)
