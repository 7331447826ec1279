"""callboard: phone calls for realtime voice agents, as a Trio actor system.

The names here are what a scenario and a program around it need. The layers below have their own namespaces:
`callboard.actors` (the runtime and all I/O), `callboard.protocols` (the wires) and `callboard.media` (audio).
`callboard.grok` and `callboard.deepgram` are the voice agents of these two providers in VoxEngine's vocabulary;
`create_voice_agent` makes one that either of them may provide.
"""

from . import deepgram as deepgram, grok as grok
from ._app import RouteError as RouteError, serve as serve
from ._garbage import tend_garbage as tend_garbage
from .actors import (
    # Voice agents, whoever provides them
    AgentEvent as AgentEvent,
    AgentEvents as AgentEvents,
    # Calls
    Call as Call,
    CallEnd as CallEnd,
    CallServer as CallServer,
    Connected as Connected,
    Disconnected as Disconnected,
    # Media routing
    Edge as Edge,
    EndReason as EndReason,
    HistoryCall as HistoryCall,
    HistoryEntry as HistoryEntry,
    HistoryMessage as HistoryMessage,
    HistoryResult as HistoryResult,
    InputPolicy as InputPolicy,
    MediaDisplaced as MediaDisplaced,
    MediaUnit as MediaUnit,
    NotSupportedByLeg as NotSupportedByLeg,
    Party as Party,
    Recording as Recording,
    Route as Route,
    Scenario as Scenario,
    ServerOptions as ServerOptions,
    # The system
    System as System,
    ToneReceived as ToneReceived,
    # Tools
    ToolContext as ToolContext,
    Transcript as Transcript,
    TranscriptLine as TranscriptLine,
    VoiceAgent as VoiceAgent,
    WebSockets as WebSockets,
    create_voice_agent as create_voice_agent,
    open_server as open_server,
    open_system as open_system,
    send_media_between as send_media_between,
    stop_media_between as stop_media_between,
    tool as tool,
)

__version__ = "0.1.0.dev0"
