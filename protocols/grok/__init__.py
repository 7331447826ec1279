"""The wire of xAI's Grok voice API ("Speech to Speech"), client and server side, without any I/O."""

from ._audio import decode_audio as decode_audio, encode_audio as encode_audio, splits_sample as splits_sample
from ._base import (
    BinaryAudio as BinaryAudio,
    ClientEvent as ClientEvent,
    Decoded as Decoded,
    Event as Event,
    Profile as Profile,
    ServerEvent as ServerEvent,
    Unknown as Unknown,
)
from ._client import GrokClient as GrokClient
from ._client_events import (
    CLIENT_EVENTS as CLIENT_EVENTS,
    ConversationItemCreate as ConversationItemCreate,
    ConversationItemDelete as ConversationItemDelete,
    ConversationItemTruncate as ConversationItemTruncate,
    InputAudioBufferAppend as InputAudioBufferAppend,
    InputAudioBufferClear as InputAudioBufferClear,
    InputAudioBufferCommit as InputAudioBufferCommit,
    ResponseCancel as ResponseCancel,
    ResponseCreate as ResponseCreate,
    ResponseOptions as ResponseOptions,
    SessionUpdate as SessionUpdate,
)
from ._codec import (
    MAX_CLIENT_MESSAGE as MAX_CLIENT_MESSAGE,
    MAX_SERVER_MESSAGE as MAX_SERVER_MESSAGE,
    SERVER_EVENTS as SERVER_EVENTS,
    decode_client_event as decode_client_event,
    decode_server_event as decode_server_event,
    encode as encode,
    encode_append as encode_append,
)
from ._connect import (
    CLIENT_SECRETS_PATH as CLIENT_SECRETS_PATH,
    MAX_SECRET_LIFETIME as MAX_SECRET_LIFETIME,
    ClientSecret as ClientSecret,
    ClientSecretRequest as ClientSecretRequest,
    build_url as build_url,
    decode_client_secret as decode_client_secret,
    encode_client_secret_request as encode_client_secret_request,
    secret_subprotocol as secret_subprotocol,
)
from ._items import (
    ContentPart as ContentPart,
    ForceMessage as ForceMessage,
    FunctionCall as FunctionCall,
    FunctionCallOutput as FunctionCallOutput,
    Item as Item,
    ItemBase as ItemBase,
    Message as Message,
    UnknownItem as UnknownItem,
)
from ._problems import (
    ErrorKind as ErrorKind,
    classify_error as classify_error,
    invalid_event as invalid_event,
    invalid_request as invalid_request,
    is_already_active as is_already_active,
    is_benign_error as is_benign_error,
)
from ._response_events import (
    Response as Response,
    ResponseContentPartAdded as ResponseContentPartAdded,
    ResponseContentPartDone as ResponseContentPartDone,
    ResponseCreated as ResponseCreated,
    ResponseDone as ResponseDone,
    ResponseEvent as ResponseEvent,
    ResponseFunctionCallArgumentsDelta as ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone as ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDelta as ResponseMcpCallArgumentsDelta,
    ResponseMcpCallArgumentsDone as ResponseMcpCallArgumentsDone,
    ResponseMcpCallCompleted as ResponseMcpCallCompleted,
    ResponseMcpCallFailed as ResponseMcpCallFailed,
    ResponseMcpCallInProgress as ResponseMcpCallInProgress,
    ResponseOutputAudioDelta as ResponseOutputAudioDelta,
    ResponseOutputAudioDone as ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta as ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone as ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded as ResponseOutputItemAdded,
    ResponseOutputItemDone as ResponseOutputItemDone,
    ResponseOutputTextDelta as ResponseOutputTextDelta,
    ResponseOutputTextDone as ResponseOutputTextDone,
    ResponsePartEvent as ResponsePartEvent,
    completed_calls as completed_calls,
    usage_of as usage_of,
)
from ._server import GrokServer as GrokServer
from ._server_events import (
    Conversation as Conversation,
    ConversationCreated as ConversationCreated,
    ConversationItemAdded as ConversationItemAdded,
    ConversationItemCreated as ConversationItemCreated,
    ConversationItemDeleted as ConversationItemDeleted,
    ConversationItemInputAudioTranscriptionCompleted as ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionUpdated as ConversationItemInputAudioTranscriptionUpdated,
    ConversationItemTruncated as ConversationItemTruncated,
    ErrorDetail as ErrorDetail,
    ErrorEvent as ErrorEvent,
    InputAudioBufferCleared as InputAudioBufferCleared,
    InputAudioBufferCommitted as InputAudioBufferCommitted,
    InputAudioBufferDtmfEventReceived as InputAudioBufferDtmfEventReceived,
    InputAudioBufferSpeechStarted as InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped as InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered as InputAudioBufferTimeoutTriggered,
    McpListToolsCompleted as McpListToolsCompleted,
    McpListToolsFailed as McpListToolsFailed,
    McpListToolsInProgress as McpListToolsInProgress,
    Ping as Ping,
    SessionCreated as SessionCreated,
    SessionUpdated as SessionUpdated,
)
from ._session import (
    DEFAULT_FORMAT as DEFAULT_FORMAT,
    MANUAL as MANUAL,
    AudioConfig as AudioConfig,
    AudioFormatConfig as AudioFormatConfig,
    AudioInput as AudioInput,
    AudioOutput as AudioOutput,
    Reasoning as Reasoning,
    Resumption as Resumption,
    SessionConfig as SessionConfig,
    Transcription as Transcription,
    TurnDetection as TurnDetection,
)
from ._session_check import CODECS as CODECS, PCM_RATES_HZ as PCM_RATES_HZ, check_session as check_session
from ._session_parse import merge_session as merge_session, parse_session as parse_session
from ._states import ClientState as ClientState, ServerState as ServerState
from ._tools import (
    FileSearch as FileSearch,
    FunctionTool as FunctionTool,
    Mcp as Mcp,
    Tool as Tool,
    WebSearch as WebSearch,
    XSearch as XSearch,
)
