"""For your own tests: whole calls in one process under virtual time, with everything that can go wrong.

`simulate` runs a scenario with an emulated carrier and emulated providers in milliseconds, the same way each time. What
is here is what callboard's own tests use.
"""

from ._determinism import (
    NotDeterministic as NotDeterministic,
    Simulation as Simulation,
    SimulationHung as SimulationHung,
    seeded_scheduling as seeded_scheduling,
    simulate as simulate,
)
from ._log import EventLog as EventLog
from ._network import MemoryNetwork as MemoryNetwork, Transport as Transport
from ._world import World as World, open_world as open_world
