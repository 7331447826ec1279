"""Examples of every event of the Grok wire, built from the classes themselves."""

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Union, cast, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from callboard.protocols import grok

# orjson takes integers of 64 bits and no lone surrogates.
texts = st.text(st.characters(codec="utf-8"), max_size=12)
integers = st.integers(-(2**53), 2**53)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
json_objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(texts, json_values, max_size=4)

EVENTS: tuple[type[grok.Event], ...] = (*grok.CLIENT_EVENTS, *grok.SERVER_EVENTS)


def hints(cls: type) -> dict[str, object]:
    """The types of the fields of a class."""
    names = attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))
    return {name: hint for name, hint in get_type_hints(cls).items() if name in names}


def unknown_item(fields: Mapping[str, object]) -> grok.UnknownItem:
    """An item of a kind that has no class."""
    return grok.UnknownItem("mcp_call", {**fields, "type": "mcp_call"})


@cache
def values(kind: object) -> st.SearchStrategy[object]:
    """Values a field of this type may hold."""
    if kind is str:
        return texts
    if kind is int:
        return integers
    if kind is float:
        # What JSON writes as an integer reads as one where the type leaves a choice.
        return st.floats(-1e6, 1e6).filter(lambda number: not number.is_integer())
    if kind is bool:
        return st.booleans()
    if kind is type(None):
        return st.none()
    if kind is grok.UnknownItem:
        return json_objects.map(unknown_item)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return json_objects if arguments[1] is object else st.dictionaries(texts, texts, max_size=3)
    assert isinstance(kind, type), kind
    return instances(kind)


@cache
def instances(cls: type) -> st.SearchStrategy[typing.Any]:
    """Instances of a class, every field drawn by its type."""
    return st.builds(cls, **{name: values(hint) for name, hint in hints(cls).items()})
