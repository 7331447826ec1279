"""From plain JSON values to typed values: fields without an attribute go into ``extra``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from .._converter import JsonObject, is_object, make_converter
from .._errors import clip
from ._history import History
from ._parts import SpeakEntry, ThinkEntry
from ._settings import Agent

__all__ = ["CONVERTER"]

T = TypeVar("T")


def _is_open(cls: type) -> bool:
    return attrs.has(cls) and "extra" in attrs.fields_dict(cls)


def _text_or_number(value: object, _: object) -> str | float | None:
    if value is None or isinstance(value, (str, float)) or type(value) is int:
        return value
    raise TypeError(f"got {clip(value)}, expected a string or a number")


def _text_or_object(value: object, _: object) -> str | JsonObject | None:
    if value is None or isinstance(value, str) or is_object(value):
        return value
    raise TypeError(f"got {clip(value)}, expected a string or an object")


def _make_converter() -> cattrs.Converter:
    converter = make_converter()

    def open_hook(cls: type[T]) -> Callable[[object, object], T]:
        inner = make_dict_structure_fn(cls, converter)
        fields = frozenset(attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))) - {"extra"}
        # The type of a message is in its class.
        named = fields | {"type"} if isinstance(getattr(cls, "type", None), str) else fields

        def hook(value: object, _: object) -> T:
            if not is_object(value):
                raise TypeError(f"got {clip(value)}, expected an object")
            known: dict[str, object] = {name: entry for name, entry in value.items() if name in fields}
            known["extra"] = {name: entry for name, entry in value.items() if name not in named}
            return inner(known, cls)

        return hook

    def chain_hook(
        cls: type[T], several: type[tuple[T, ...]]
    ) -> Callable[[object, object], T | tuple[T, ...] | None]:
        def hook(value: object, _: object) -> T | tuple[T, ...] | None:
            if value is None:
                return None
            if isinstance(value, list):
                return converter.structure(cast("list[object]", value), several)
            return converter.structure(value, cls)

        return hook

    def agent(value: object, _: object) -> Agent | str:
        return value if isinstance(value, str) else converter.structure(value, Agent)

    inner_history = converter.get_structure_hook(History)

    def history(value: object, kind: object) -> History:
        if is_object(value) and value.get("type", "History") != "History":
            raise TypeError(f"type: got {clip(value['type'])}, expected 'History'")
        return cast("History", inner_history(value, kind))

    converter.register_structure_hook_factory(_is_open, open_hook)
    converter.register_structure_hook(History, history)
    converter.register_structure_hook(Agent | str, agent)
    think, speak = (
        chain_hook(ThinkEntry, tuple[ThinkEntry, ...]),
        chain_hook(SpeakEntry, tuple[SpeakEntry, ...]),
    )
    converter.register_structure_hook(ThinkEntry | tuple[ThinkEntry, ...] | None, think)
    converter.register_structure_hook(ThinkEntry | tuple[ThinkEntry, ...], _required(think))
    converter.register_structure_hook(SpeakEntry | tuple[SpeakEntry, ...] | None, speak)
    converter.register_structure_hook(SpeakEntry | tuple[SpeakEntry, ...], _required(speak))
    converter.register_structure_hook(str | float | None, _text_or_number)
    converter.register_structure_hook(str | JsonObject | None, _text_or_object)
    return converter


def _required(hook: Callable[[object, object], T | None]) -> Callable[[object, object], T]:
    def required(value: object, kind: object) -> T:
        result = hook(value, kind)
        if result is None:
            raise TypeError("got None, expected an object or a list")
        return result

    return required


CONVERTER = _make_converter()
"""For everything of this wire."""
