"""A second spelling of the Grok Voice Agent API, client and server side, translated to the real one. No I/O.

A page that summarises the API names a URL and eleven messages that no document, client or recording of xAI has. Whoever
has code written after that page can speak to it with this; what the page leaves open is filled in here, and marked so.
``DialectClient`` lets a client of the real wire talk to a server of the dialect, ``DialectServer`` lets a client of the
dialect talk to a server of the real wire.
"""

from typing import Final

from ._dialect_client import DialectClient as DialectClient
from ._dialect_codec import (
    decode_client_message as decode_client_message,
    decode_server_message as decode_server_message,
    encode as encode,
    encode_audio_append as encode_audio_append,
)
from ._dialect_config import (
    FORMATS as FORMATS,
    DialectConfig as DialectConfig,
    config_from_session as config_from_session,
    left_out as left_out,
    merge_config as merge_config,
    parse_config as parse_config,
    session_from_config as session_from_config,
    voice_model as voice_model,
)
from ._dialect_messages import (
    CLIENT_MESSAGES as CLIENT_MESSAGES,
    SERVER_MESSAGES as SERVER_MESSAGES,
    AudioAppend as AudioAppend,
    AudioCommit as AudioCommit,
    AudioDelta as AudioDelta,
    CalledFunction as CalledFunction,
    ClientMessage as ClientMessage,
    ConversationInterrupt as ConversationInterrupt,
    ErrorMessage as ErrorMessage,
    ServerMessage as ServerMessage,
    SessionConfigure as SessionConfigure,
    SessionConfigured as SessionConfigured,
    TextAppend as TextAppend,
    ToolCall as ToolCall,
    ToolResult as ToolResult,
    Transcript as Transcript,
)
from ._dialect_server import DialectServer as DialectServer

PATH: Final = "/v1/voice/agent"
"""The path of the page's URL; the real one is ``/v1/realtime``."""
DEFAULT_URL: Final = "wss://api.x.ai/v1/voice/agent"
"""The page's URL. Nobody has seen it answer."""
