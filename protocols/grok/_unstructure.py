"""From typed values to plain JSON values. None means "leave the field out"."""

from __future__ import annotations

from functools import cache
from typing import Protocol, cast, runtime_checkable

import attrs

from .._converter import JsonObject

__all__ = ["to_wire"]


@runtime_checkable
class _HasWireForm(Protocol):
    def to_wire(self) -> JsonObject: ...


# What is JSON already. Mappings come from the user or from the peer and are passed on as they are.
_PLAIN = (str, int, float, type(None), dict)


@cache
def _field_names(cls: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls))


@cache
def _has_wire_form(cls: type) -> bool:
    return hasattr(cls, "to_wire")


def to_wire(value: object) -> object:
    """Return ``value`` as JSON values: attrs instances become objects with their ``type``, tuples become lists."""
    if isinstance(value, _PLAIN):
        return cast("object", value)
    if isinstance(value, (tuple, list)):
        return [to_wire(entry) for entry in cast("tuple[object, ...]", value)]
    cls: type = type(value)
    if _has_wire_form(cls):
        return cast("_HasWireForm", value).to_wire()
    if not attrs.has(cls):
        return value
    wire: dict[str, object] = {}
    kind: object = getattr(cls, "type", None)
    if isinstance(kind, str):
        wire["type"] = kind
    for name in _field_names(cls):
        entry: object = getattr(value, name)
        if entry is not None:
            wire[name] = to_wire(entry)
    return wire
