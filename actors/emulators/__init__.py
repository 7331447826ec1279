"""Stand-ins for the services around callboard, for demonstrations, tests and load.

`GrokEmulator` and `DeepgramEmulator` are the providers, `CarrierEmulator` the carrier with callers on its phones.
"""

from ._caller import (
    Caller as Caller,
    Ear as Ear,
    Line as Line,
    SilentCaller as SilentCaller,
    WavCaller as WavCaller,
)
from ._caller_script import (
    HangUp as HangUp,
    InterruptAfter as InterruptAfter,
    Press as Press,
    Say as Say,
    ScriptError as ScriptError,
    Step as Step,
    Wait as Wait,
    WaitForAgent as WaitForAgent,
    WaitForSilence as WaitForSilence,
    load_script as load_script,
    parse_script as parse_script,
)
from ._caller_scripted import (
    CallerEvent as CallerEvent,
    CallerTimeout as CallerTimeout,
    ScriptedCaller as ScriptedCaller,
    SpeechBank as SpeechBank,
)
from ._carrier import CarrierEmulator as CarrierEmulator
from ._carrier_call import CarrierCall as CarrierCall
from ._carrier_faults import (
    CarrierFaults as CarrierFaults,
    MarkPlan as MarkPlan,
    double_marks as double_marks,
    late_marks as late_marks,
    lose_marks as lose_marks,
)
from ._carrier_playout import (
    PlayoutEntry as PlayoutEntry,
    PlayoutKind as PlayoutKind,
    PlayoutStatistics as PlayoutStatistics,
)
from ._carrier_recording import (
    CallMeasures as CallMeasures,
    CallRecording as CallRecording,
    ReplyLatency as ReplyLatency,
    Span as Span,
    speech_spans as speech_spans,
)
from ._carrier_result import (
    CallEnd as CallEnd,
    CallFailed as CallFailed,
    CallOutcome as CallOutcome,
    CallResult as CallResult,
    CarrierStatistics as CarrierStatistics,
)
from ._carrier_stride import Foresight as Foresight, Stride as Stride
from ._deepgram_options import (
    DeepgramEmulatorOptions as DeepgramEmulatorOptions,
    DeepgramFault as DeepgramFault,
    FunctionEndpoint as FunctionEndpoint,
    Latencies as Latencies,
    Refusal as Refusal,
)
from ._deepgram_record import DeepgramSessionRecord as DeepgramSessionRecord
from ._deepgram_server import (
    DeepgramEmulator as DeepgramEmulator,
    DeepgramEmulatorStatistics as DeepgramEmulatorStatistics,
)
from ._faults import FaultAction as FaultAction
from ._grok_options import (
    Greeting as Greeting,
    GrokEmulatorOptions as GrokEmulatorOptions,
    GrokFault as GrokFault,
    GrokFaultAction as GrokFaultAction,
    TextModality as TextModality,
    Transcripts as Transcripts,
    UserItem as UserItem,
)
from ._grok_server import (
    GrokEmulator as GrokEmulator,
    GrokEmulatorStatistics as GrokEmulatorStatistics,
)
