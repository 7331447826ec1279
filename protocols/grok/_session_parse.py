"""From the JSON of a ``session.update`` to settings, and what a session is after one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

import attrs
import cattrs

from .._converter import JsonObject, is_object, make_converter, structure
from .._errors import LocalWireError, clip
from ._session import (
    MANUAL,
    AudioConfig,
    AudioInput,
    AudioOutput,
    Reasoning,
    Resumption,
    SessionConfig,
    Transcription,
    TurnDetection,
)
from ._session_check import check_session
from ._tools import FileSearch, FunctionTool, Mcp, Tool, WebSearch, XSearch

__all__ = ["merge_session", "parse_session"]

S = TypeVar("S", bound=attrs.AttrsInstance)

_TOOLS: Final[dict[str, type[Tool]]] = {
    kind.type: kind for kind in (FunctionTool, WebSearch, XSearch, FileSearch, Mcp)
}
_FIELDS: Final = frozenset(field.name for field in attrs.fields(SessionConfig)) - {"extra", "clear"}

# The objects of a session that an update changes field by field. All else (formats, tools, the words to replace) is
# one value: it is replaced.
_MERGED: Final[dict[str, type[attrs.AttrsInstance]]] = {
    "turn_detection": TurnDetection,
    "reasoning": Reasoning,
    "resumption": Resumption,
    "audio": AudioConfig,
    "audio.input": AudioInput,
    "audio.input.transcription": Transcription,
    "audio.output": AudioOutput,
}

# Where clients written for OpenAI put what this API has at the root of the session.
_ELSEWHERE: Final = (("input", "turn_detection"), ("output", "voice"))


def _make_converter() -> cattrs.Converter:
    converter = make_converter()

    def tool(value: object, _: object) -> Tool:
        if not is_object(value):
            raise TypeError(f"got {clip(value)}, expected an object")
        kind = value.get("type")
        cls = _TOOLS.get(kind) if isinstance(kind, str) else None
        if cls is None:
            raise TypeError(f"type: got {clip(kind)}, expected one of {', '.join(_TOOLS)}")
        nested = value.get("function")
        if cls is FunctionTool and is_object(nested):
            value = nested
        return converter.structure(value, cls)

    converter.register_structure_hook(Tool, tool)
    return converter


_CONVERTER = _make_converter()


def _at_root(raw: JsonObject) -> dict[str, object]:
    """Return a copy with what has two places in one of them. The root wins."""
    root = dict(raw)
    for direction, name in _ELSEWHERE:
        audio = root.get("audio")
        inner = audio.get(direction) if is_object(audio) else None
        if is_object(audio) and is_object(inner) and name in inner:
            root["audio"] = audio | {direction: {key: value for key, value in inner.items() if key != name}}
            root.setdefault(name, inner[name])
    return root


def _nulls(raw: JsonObject, cls: type[attrs.AttrsInstance], path: str = "") -> list[str]:
    """Return the paths of the settings given as null."""
    found: list[str] = []
    for name in attrs.fields_dict(cls):
        if name not in raw:
            continue
        where, value = f"{path}{name}", raw[name]
        inner = _MERGED.get(where)
        # Who ends turns is never undefined: null means the client does, not "as before".
        if value is None and where not in {"turn_detection", "turn_detection.type"}:
            found.append(where)
        elif inner is not None and is_object(value):
            found += _nulls(value, inner, f"{where}.")
    return found


def parse_session(raw: JsonObject) -> SessionConfig:
    """Return the settings in the ``session`` of a ``session.update``.

    Both spellings of a function tool are understood, as are ``turn_detection`` under ``audio.input`` and ``voice``
    under ``audio.output``. A ``turn_detection`` of null, or with a null ``type``, is ``MANUAL``; one that has settings
    but no type is ``server_vad``; an empty one says nothing. Fields without an attribute are kept in ``extra``.

    Args:
        raw: The JSON object.

    Raises:
        RemoteWireError: A wrong type, or a value the server does not take. ``path`` names the field, from ``session``
            on; there is no ``reply``, since the id of the event is not known here.
    """
    root = _at_root(raw)
    if root.get("turn_detection", MANUAL) is None:
        root["turn_detection"] = {"type": None}
    elif root.get("turn_detection") == {}:
        del root["turn_detection"]
    known = {name: value for name, value in root.items() if name in _FIELDS}
    config = structure(_CONVERTER, known, SessionConfig, path="session")
    check_session(config)
    return attrs.evolve(
        config,
        turn_detection=MANUAL
        if config.turn_detection is not None and config.turn_detection.manual
        else config.turn_detection,
        extra={name: value for name, value in root.items() if name not in _FIELDS},
        clear=tuple(_nulls(known, SessionConfig)),
    )


def merge_session(config: SessionConfig, update: SessionConfig) -> SessionConfig:
    """Return what a session with ``config`` is after ``update``: what it names is changed, what it clears is unset.

    Raises:
        LocalWireError: ``update.clear`` has a path that is no setting.
    """
    for path in update.clear:
        config = _cleared(config, path.split("."), path)
    merged = _merged(config, update)
    return attrs.evolve(merged, extra=_merged_json(config.extra, update.extra), clear=())


def _with(old: S, changes: Mapping[str, object]) -> S:
    # attrs.evolve() is typed for a class that is known where it is called.
    values: dict[str, object] = {field.name: getattr(old, field.name) for field in attrs.fields(type(old))}
    return cast("Callable[..., S]", type(old))(**(values | dict(changes)))


def _merged(old: S, new: S) -> S:
    if isinstance(new, TurnDetection) and (new.manual or cast("TurnDetection", old).manual):
        return new
    changes: dict[str, object] = {}
    for field in attrs.fields(type(old)):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if after is None:
            continue
        both = before is not None and type(after) in _MERGED.values()
        changes[field.name] = _merged(before, after) if both else after
    return _with(old, changes)


def _cleared(old: S, names: list[str], path: str) -> S:
    name, *rest = names
    if name not in attrs.fields_dict(type(old)) or name in {"extra", "clear"}:
        raise LocalWireError(f"cannot clear {clip(path)}: not a setting of a session")
    inner: object = getattr(old, name)
    if not rest:
        return _with(old, {name: None})
    if not attrs.has(type(inner)):
        return old
    return _with(old, {name: _cleared(cast("attrs.AttrsInstance", inner), rest, path)})


def _merged_json(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        merged[name] = _merged_json(before, value) if is_object(before) and is_object(value) else value
    return merged
