"""What users give to any voice agent's client, turned into what drivers take."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol, TypedDict, cast

from ._tools_schema import AnyTool, Tool, tool

Function = AnyTool | Callable[..., object]
"""A function that is run here when the model calls it."""


class SendMediaParameters(TypedDict, total=False):
    """VoxEngine's parameters of `send_media_to`; here they are its keyword arguments."""

    tag: str
    encoding: str
    custom_parameters: dict[str, str]


class MessageKind(Protocol):
    """A class of messages of a wire."""

    type: ClassVar[str]


def message_of(given: object, kind: type[MessageKind]) -> dict[str, object]:
    """A message of one kind, given as a mapping with or without its type.

    Raises:
        TypeError: No mapping.
        ValueError: A message of another kind.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"expected a mapping or {kind.__name__}, not {repr(given)[:80]}")
    fields = cast("Mapping[str, object]", given)
    if fields.get("type", kind.type) != kind.type:
        raise ValueError(f"type is {repr(fields['type'])[:80]}, expected {kind.type!r}")
    return {"type": kind.type, **fields}


def sort_functions(tools: Sequence[Function]) -> list[AnyTool]:
    """The functions as tools.

    Raises:
        TypeError: One is no function.
        ValueError: Two have the same name.
    """
    made = [cast("AnyTool", given if isinstance(given, Tool) else tool(given)) for given in tools]
    names = [each.name for each in made]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two tools have the name {sorted(twice)[0]!r}")
    return made


def declaration_of(made: AnyTool) -> Mapping[str, object]:
    """What a model is told of a function."""
    return {"name": made.name, "description": made.description, "parameters": made.parameters}
