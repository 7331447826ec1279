"""What users give to a Grok client's methods, turned into what goes on the wire."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import attrs

from callboard.protocols import grok as wire

from ._agent_requests import Function, declaration_of, message_of, sort_functions
from ._tools_schema import AnyTool

ToolLike = Function | wire.Tool | Mapping[str, object]
"""A function that is run here, or the declaration of one that the server or a listener of yours takes care of."""

TurnDetectionLike = wire.TurnDetection | Mapping[str, object] | Literal["server_vad", "unchanged"] | None
"""Who ends the caller's turns; None is the client ("manual")."""


@attrs.frozen(kw_only=True)
class GivenEvent(wire.ClientEvent):
    """A message as the user wrote it, passed on with every field it has."""

    message: Mapping[str, object]

    def to_wire(self) -> Mapping[str, object]:
        """The message."""
        return self.message


def as_event(
    parameters: Mapping[str, object] | wire.ClientEvent, kind: type[wire.ClientEvent]
) -> wire.ClientEvent:
    """A message of one kind, given as its class or as a mapping with or without its type.

    Raises:
        TypeError: Neither a mapping nor the class.
        ValueError: A message of another kind.
    """
    if isinstance(parameters, kind):
        return parameters
    return GivenEvent(message=message_of(parameters, kind))


def session_of(
    parameters: Mapping[str, object] | wire.SessionUpdate,
) -> tuple[Mapping[str, object], str | None]:
    """The session object and the event id of a `session.update`.

    Raises:
        TypeError: Neither a mapping nor the class, or no session object in it.
        ValueError: Another message.
    """
    event = as_event(parameters, wire.SessionUpdate)
    if isinstance(event, wire.SessionUpdate):
        return event.session, event.event_id
    message = cast("GivenEvent", event).message
    session, event_id = message.get("session"), message.get("event_id")
    if not isinstance(session, Mapping):
        raise TypeError(f"session is {repr(session)[:80]}, expected an object")
    return cast("Mapping[str, object]", session), event_id if isinstance(event_id, str) else None


def turn_detection_of(given: TurnDetectionLike) -> Mapping[str, object]:
    """The session's `turn_detection`."""
    if given is None:
        return wire.MANUAL.to_wire()
    if isinstance(given, str):
        return {"type": "server_vad"}
    if isinstance(given, wire.TurnDetection):
        return given.to_wire()
    return given


def sort_tools(tools: Sequence[ToolLike]) -> tuple[list[AnyTool], list[object]]:
    """The functions to run here, and the declarations of all tools for the session.

    Raises:
        TypeError: One is no tool.
        ValueError: Two have the same name.
    """
    own: list[AnyTool] = []
    declared: list[object] = []
    for given in tools:
        if isinstance(given, Mapping):
            # The cast is for pyright, which otherwise forgets what is in it.
            declared.append(dict(cast("Mapping[str, object]", given)))  # type: ignore[redundant-cast]
        elif isinstance(given, (wire.WebSearch, wire.XSearch, wire.FileSearch, wire.Mcp, wire.FunctionTool)):
            declared.extend(cast("list[object]", wire.SessionConfig(tools=(given,)).to_wire()["tools"]))
        else:
            own += sort_functions([given])
            declared.append({"type": "function", **declaration_of(own[-1])})
    return sort_functions(own), declared
