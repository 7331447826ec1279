"""What a brain is given and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import attrs

Role = Literal["user", "assistant", "system", "tool"]


@attrs.frozen(kw_only=True)
class ToolSpec:
    """A function the session registered."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = attrs.field(factory=dict[str, object])
    """The JSON Schema of the arguments; an object schema in practice, but any mapping is accepted."""


@attrs.frozen(kw_only=True)
class Turn:
    """One entry of the conversation, oldest first in `BrainInput.history`."""

    role: Role
    text: str = ""
    """What was said, or a tool's result. An assistant turn that only called a tool has no text."""

    name: str = ""
    """The tool's name, on an assistant turn that calls it and on the result."""

    call_id: str = ""
    """Joins a call and its result."""

    arguments: str = ""
    """The arguments of a call, as JSON text; optional on a result."""


@attrs.frozen(kw_only=True)
class BrainInput:
    """Everything one response may depend on."""

    instructions: str = ""
    voice: str = ""
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[Turn, ...] = ()
    response_instructions: str | None = None
    """Instructions for this response alone ("Greet the caller", 'Say: "..."')."""

    parallel: bool = True
    """Whether several tools may be called in one response."""


@attrs.frozen(kw_only=True)
class Speak:
    """Say this."""

    text: str


@attrs.frozen(kw_only=True)
class CallTool:
    """Call this function; its result comes back as a `Turn` of role "tool"."""

    name: str
    arguments: Mapping[str, object] = attrs.field(factory=dict[str, object])


Action = Speak | CallTool


class Brain(Protocol):
    """Decides what the agent says and does next.

    A brain keeps no conversation of its own: all it needs is in the input, so that one brain serves many
    calls and the same input gives the same answer.
    """

    def respond(self, given: BrainInput) -> Sequence[Speak | CallTool]:
        """Answer the latest turn.

        Args:
            given: Instructions, tools and the conversation so far.

        Returns:
            What to say and which functions to call, in order. May be empty: nothing to add.
        """
        ...
