"""A caller to test brains with: plays both the session and the functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import attrs

from callboard.actors.brains import Brain, BrainInput, CallTool, RuleBrain, Speak, ToolSpec, Turn

STRING: Mapping[str, object] = {"type": "string"}
INTEGER: Mapping[str, object] = {"type": "integer"}
Run = Callable[[Mapping[str, object]], str]


def schema(optional: tuple[str, ...] = (), **properties: Mapping[str, object]) -> dict[str, object]:
    """An object schema; all properties are required but the optional ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def enum(*values: str) -> dict[str, object]:
    return {"type": "string", "enum": list(values)}


@attrs.define
class Talk:
    """A conversation; `functions` maps a function to what it answers."""

    functions: dict[str, tuple[ToolSpec, Run]] = attrs.field(factory=dict[str, tuple[ToolSpec, Run]])
    instructions: str = ""
    parallel: bool = True
    brain: Brain = attrs.field(factory=RuleBrain)
    history: list[Turn] = attrs.field(factory=list[Turn])
    calls: list[tuple[str, dict[str, object]]] = attrs.field(factory=list[tuple[str, dict[str, object]]])

    def tool(
        self,
        name: str,
        result: str | Run = "ok",
        description: str = "",
        parameters: Mapping[str, object] | None = None,
    ) -> Talk:
        run: Run = result if callable(result) else lambda _: result
        spec = ToolSpec(name=name, description=description, parameters=parameters or {})
        self.functions[name] = (spec, run)
        return self

    def input(self, instructions: str | None = None) -> BrainInput:
        return BrainInput(
            instructions=self.instructions,
            tools=tuple(spec for spec, _ in self.functions.values()),
            history=tuple(self.history),
            response_instructions=instructions,
            parallel=self.parallel,
        )

    def respond(self, instructions: str | None = None) -> str:
        """Let the agent respond, run what it calls, and so on until it only speaks; returns all it said."""
        said: list[str] = []
        for _ in range(8):
            actions = self.brain.respond(self.input(instructions))
            instructions = None
            pending: list[tuple[CallTool, str]] = []
            for action in actions:
                if isinstance(action, Speak):
                    said.append(action.text)
                    self.history.append(Turn(role="assistant", text=action.text))
                else:
                    call_id = f"call-{len(self.history)}"
                    arguments = dict(action.arguments)
                    self.calls.append((action.name, arguments))
                    pending.append((action, call_id))
                    self.history.append(
                        Turn(
                            role="assistant",
                            name=action.name,
                            call_id=call_id,
                            arguments=json.dumps(arguments),
                        )
                    )
            for call, call_id in pending:
                result = self.functions[call.name][1](call.arguments)
                self.history.append(Turn(role="tool", call_id=call_id, text=result))
            if not pending:
                return " ".join(said)
        raise AssertionError(f"the agent never stops calling functions: {self.calls[-4:]}")

    def say(self, text: str) -> str:
        """Say something; returns the agent's answer in lower case, without the last calls' preamble cut off."""
        self.history.append(Turn(role="user", text=text))
        return self.respond().lower()

    def take_calls(self) -> list[tuple[str, dict[str, object]]]:
        """The calls since the last look."""
        calls, self.calls = self.calls, []
        return calls
