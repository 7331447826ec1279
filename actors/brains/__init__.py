"""Brains: what the emulated agent says and which functions it calls. Pure logic."""

from ._types import (
    Action as Action,
)
from ._types import (
    Brain as Brain,
)
from ._types import (
    BrainInput as BrainInput,
)
from ._types import (
    CallTool as CallTool,
)
from ._types import (
    Role as Role,
)
from ._types import (
    Speak as Speak,
)
from ._types import (
    ToolSpec as ToolSpec,
)
from ._types import (
    Turn as Turn,
)
