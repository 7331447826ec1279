"""From typed values to plain JSON values. None means "leave the field out"; ``extra`` goes beside the fields."""

from __future__ import annotations

from functools import cache
from typing import Protocol, cast, runtime_checkable

import attrs

from .._converter import JsonObject

__all__ = ["to_wire"]

# What is JSON already. Mappings come from the user or from the peer and are passed on as they are.
_PLAIN = (str, int, float, type(None), dict)


@runtime_checkable
class _HasWireForm(Protocol):
    def to_wire(self) -> JsonObject: ...


@cache
def _field_names(cls: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls))


def to_wire(value: object) -> object:
    """Return ``value`` as JSON values: attrs instances become objects, tuples become lists.

    Where ``extra`` names a field that has an attribute, the attribute wins if it is given.
    """
    if isinstance(value, _PLAIN):
        return cast("object", value)
    if isinstance(value, (tuple, list)):
        return [to_wire(entry) for entry in cast("tuple[object, ...]", value)]
    if isinstance(value, _HasWireForm):
        return value.to_wire()
    cls: type = type(value)
    if not attrs.has(cls):
        return value
    names = _field_names(cls)
    wire: dict[str, object] = {}
    # Providers have a "type" of their own, messages one by class.
    kind: object = None if "type" in names else getattr(cls, "type", None)
    if isinstance(kind, str):
        wire["type"] = kind
    if "extra" in names:
        wire.update(cast("JsonObject", getattr(value, "extra")))  # noqa: B009
    for name in names:
        entry: object = getattr(value, name)
        if name != "extra" and entry is not None:
            wire[name] = to_wire(entry)
    return wire
