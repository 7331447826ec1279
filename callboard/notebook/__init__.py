"""A living actor system in a notebook: start it in one cell, call it in the next, kill an actor in the third.

`lab = await start()` runs a server, an emulated carrier and emulated providers in a thread of its own, so that calls go
on while cells compute or draw.
"""

from ._audio_figures import curves as curves, playout_figure as playout_figure, spectrogram as spectrogram
from ._audio_measures import (
    PlayoutRun as PlayoutRun,
    codec_snr as codec_snr,
    gain_by_frequency as gain_by_frequency,
    play_out as play_out,
    power_by_time as power_by_time,
)
from ._barge_in import BargeIn as BargeIn
from ._chaos_figures import (
    ChaosTable as ChaosTable,
    distribution as distribution,
    recovery_plot as recovery_plot,
)
from ._chaos_lab import quick_plan as quick_plan, run_plans as run_plans, smallest_plan as smallest_plan
from ._console import Console as Console
from ._errors import (
    LabEnded as LabEnded,
    LabRunning as LabRunning,
    PackageMissing as PackageMissing,
    ScenarioFailed as ScenarioFailed,
)
from ._happenings import Crash as Crash, EventTable as EventTable, LabEvent as LabEvent
from ._lab import Lab as Lab, running_lab as running_lab, start as start
from ._lab_call import LabCall as LabCall
from ._live_tree import TreeSnapshot as TreeSnapshot, TreeView as TreeView
from ._players import Player as Player, play as play
from ._plot import Plot as Plot
from ._simulate import Simulated as Simulated, simulate as simulate
from ._sounds import conversation as conversation
from ._states import Move as Move, StateTable as StateTable, state_table as state_table
from ._traces import (
    Replay as Replay,
    ReplayStep as ReplayStep,
    TraceCounts as TraceCounts,
    TraceLog as TraceLog,
    TraceMessage as TraceMessage,
    read_trace as read_trace,
    replay as replay,
)
from ._view import (
    CallView as CallView,
    Conversation as Conversation,
    Latencies as Latencies,
    LedgerSample as LedgerSample,
    SpokenLine as SpokenLine,
)
from ._views import Views as Views
