"""Everything that waits: the actor runtime, calls, media routing, provider connections, the server.

Modules are private; what is meant for use is here. The layers, each built on the ones before it:

- the runtime: mailboxes, supervisors, systems;
- sockets: networks, WebSockets, one listener for HTTP and WebSocket;
- media: units, edges, bridges, the pacer;
- calls: legs, scenarios, recordings, transcripts, the switchboard, the server;
- providers: the connection of a voice agent, tools, traces, and the Grok client.
"""

# Why a call is not taken
from ._admission import Refusal as Refusal

# Voice agents, whoever provides them
from ._agent_client import VoiceAgent as VoiceAgent
from ._agent_events import AgentEvent as AgentEvent, AgentEvents as AgentEvents, ClientEvent as ClientEvent
from ._agent_factory import Provider as Provider, create_voice_agent as create_voice_agent
from ._agent_history import (
    HistoryCall as HistoryCall,
    HistoryEntry as HistoryEntry,
    HistoryMessage as HistoryMessage,
    HistoryResult as HistoryResult,
)
from ._agent_statistics import AgentStatistics as AgentStatistics

# The runtime
from ._backoff import Backoff as Backoff

# Calls
from ._call import (
    Call as Call,
    NotSupportedByLeg as NotSupportedByLeg,
    Scenario as Scenario,
    call_tree as call_tree,
)
from ._call_end import CallEnd as CallEnd, EndReason as EndReason, Party as Party
from ._call_events import (
    CallEvent as CallEvent,
    Connected as Connected,
    Disconnected as Disconnected,
    MediaDisplaced as MediaDisplaced,
    ToneReceived as ToneReceived,
)
from ._channel import Channel as Channel, ChannelStatistics as ChannelStatistics, Overflow as Overflow
from ._context import Context as Context
from ._errors import (
    ActorGone as ActorGone,
    MailboxFull as MailboxFull,
    NameTaken as NameTaken,
    NoSuchActor as NoSuchActor,
    RestartsExhausted as RestartsExhausted,
    StartTimeout as StartTimeout,
)
from ._exit import Exit as Exit, ExitKind as ExitKind

# Sockets
from ._http import Bound as Bound
from ._leg import Leg as Leg, LegEvents as LegEvents, LegInfo as LegInfo
from ._leg_playout import LegPlayout as LegPlayout, PlayoutWire as PlayoutWire

# What events reach users by
from ._listeners import EventStream as EventStream, SubscriberLagged as SubscriberLagged
from ._loop import LoopStatistics as LoopStatistics, LoopWatch as LoopWatch
from ._network import Network as Network, TcpNetwork as TcpNetwork, WebSockets as WebSockets
from ._nursery import open_plain_nursery as open_plain_nursery
from ._pacer import Pacer as Pacer, PacerStatistics as PacerStatistics
from ._player import Player as Player

# Media
from ._ports import (
    Edge as Edge,
    EdgeStatistics as EdgeStatistics,
    Heard as Heard,
    InputBusy as InputBusy,
    InputPolicy as InputPolicy,
    MediaUnit as MediaUnit,
    send_media_between as send_media_between,
    stop_media_between as stop_media_between,
)
from ._recorder import CallRecorder as CallRecorder, Recording as Recording
from ._ref import ActorRef as ActorRef, SupervisorRef as SupervisorRef
from ._scope import Scope as Scope, system_scope as system_scope
from ._server import CallServer as CallServer, ServerOptions as ServerOptions, open_server as open_server
from ._spec import (
    AutoShutdown as AutoShutdown,
    ChildSpec as ChildSpec,
    Restart as Restart,
    RestartIntensity as RestartIntensity,
    Strategy as Strategy,
    SupervisorSpec as SupervisorSpec,
)
from ._stall import Stall as Stall, StallWatch as StallWatch
from ._supervisor import Supervisor as Supervisor, supervisor_child as supervisor_child
from ._switchboard import Refused as Refused, Route as Route, Switchboard as Switchboard
from ._system import System as System, open_system as open_system

# Tools
from ._tools_schema import Tool as Tool, ToolContext as ToolContext, ToolError as ToolError, tool as tool
from ._transcript import Speaker as Speaker, Transcript as Transcript, TranscriptLine as TranscriptLine
from ._tree import ActorState as ActorState, ActorStatistics as ActorStatistics, TreeNode as TreeNode
from ._twilio_leg import TwilioLeg as TwilioLeg, TwilioLegStatistics as TwilioLegStatistics
from ._watch import (
    ActorExited as ActorExited,
    ActorRestarted as ActorRestarted,
    ActorStarted as ActorStarted,
    Watch as Watch,
    WatchLagged as WatchLagged,
)
