"""Brains: what the emulated agent says and which functions it calls. Pure logic."""

from ._rules import RuleBrain as RuleBrain
from ._scripted import ScriptedBrain as ScriptedBrain, ScriptError as ScriptError, ScriptTurn as ScriptTurn
from ._types import (
    Action as Action,
    Brain as Brain,
    BrainInput as BrainInput,
    CallTool as CallTool,
    Role as Role,
    Speak as Speak,
    ToolSpec as ToolSpec,
    Turn as Turn,
)
