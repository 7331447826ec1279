"""For your own tests: whole calls in one process under virtual time, with everything that can go wrong.

`simulate` runs a scenario with an emulated carrier and emulated providers in milliseconds, the same way each time. What
is here is what callboard's own tests use.
"""

from callboard.actors.emulators import ScriptedCaller as ScriptedCaller

from ._callers import CallerKind as CallerKind, RandomCaller as RandomCaller, random_caller as random_caller
from ._calls import SimulatedCall as SimulatedCall, simulate_call as simulate_call
from ._chaos_plan import (
    ChaosOptions as ChaosOptions,
    ChaosPlan as ChaosPlan,
    PlannedCall as PlannedCall,
    make_plan as make_plan,
)
from ._chaos_report import ChaosReport as ChaosReport
from ._chaos_run import run_chaos as run_chaos
from ._chaos_shrink import shrink_chaos as shrink_chaos
from ._determinism import (
    NotDeterministic as NotDeterministic,
    Simulation as Simulation,
    SimulationHung as SimulationHung,
    seeded_scheduling as seeded_scheduling,
    simulate as simulate,
)
from ._faults import (
    DialFault as DialFault,
    Fault as Fault,
    FaultPlan as FaultPlan,
    Kill as Kill,
    Marks as Marks,
    MessageAction as MessageAction,
    OnCarrier as OnCarrier,
    OnDial as OnDial,
    OnMessage as OnMessage,
    OnProvider as OnProvider,
    OnTool as OnTool,
    Outage as Outage,
    Peer as Peer,
    ToolAction as ToolAction,
    Way as Way,
)
from ._faults_run import Faults as Faults, Strike as Strike
from ._faults_shrink import shrink as shrink
from ._kill import (
    ActorKillFailed as ActorKillFailed,
    KillFailure as KillFailure,
    KillNotReached as KillNotReached,
    KillReport as KillReport,
    NothingToKill as NothingToKill,
    kill_every_actor as kill_every_actor,
    kill_once as kill_once,
)
from ._leaks import Leaked as Leaked, assert_no_leaks as assert_no_leaks
from ._leg import Board as Board, MemoryLeg as MemoryLeg, open_board as open_board
from ._log import EventLog as EventLog
from ._monitors import Monitors as Monitors
from ._monitors_report import (
    INVARIANTS as INVARIANTS,
    InvariantRow as InvariantRow,
    InvariantViolated as InvariantViolated,
    Violation as Violation,
)
from ._network import MemoryNetwork as MemoryNetwork, Transport as Transport
from ._provider import ScriptedProvider as ScriptedProvider, ScriptedSession as ScriptedSession
from ._steps import ActorSteps as ActorSteps, StepKill as StepKill
from ._two_calls import two_calls as two_calls
from ._world import World as World, open_world as open_world
