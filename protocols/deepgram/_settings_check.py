"""Rules about ``Settings`` that types cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

import attrs

from .._converter import JsonObject
from .._errors import clip
from ._audio_check import check_input, check_output
from ._codes import ErrorCode
from ._history import History
from ._parts import ListenProvider, SpeakProvider, ThinkEntry, ThinkLiveProvider, ThinkProvider
from ._problems import refuse, refuse_shape, refuse_value
from ._provider_check import check_listen, check_speak, check_think
from ._settings import Agent, Settings

__all__ = ["check_opt_out", "check_settings", "check_unknown_fields"]

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ROLES: Final = frozenset({"user", "assistant"})
# The model that cannot be kept out of the model improvement programme.
_NO_OPT_OUT: Final = "think-fast"
# New fields come and go with each provider, so those we do not know are let pass.
_LENIENT: Final = (ListenProvider, ThinkProvider, SpeakProvider, ThinkLiveProvider)


def check_settings(settings: Settings, *, open_fields: bool = False, early_access: bool = False) -> None:
    """Check the values of settings as a server does.

    Args:
        settings: The settings.
        open_fields: Let fields pass that have no attribute; else only providers may have such.
        early_access: The project may use ``think_live``.

    Raises:
        RemoteWireError: With the path of the first that is not acceptable; ``reply`` is the answer of a server,
            ``UNPARSABLE_CLIENT_MESSAGE`` for a wrong shape and ``INVALID_SETTINGS`` for an impossible value.
    """
    if not open_fields:
        check_unknown_fields(settings)
    agent = settings.agent
    if isinstance(agent, str):
        if not _UUID.fullmatch(agent):
            raise refuse(
                ErrorCode.INVALID_AGENT_ID, f"agent: got {clip(agent)}, expected a UUID", path="agent"
            )
    else:
        _check_agent(agent, early_access=early_access)
        check_opt_out(settings, agent.think_chain, "agent.think", several=isinstance(agent.think, tuple))
    if settings.audio.input is not None:
        check_input(settings.audio.input, "audio.input")
    # What a stored agent speaks with is not known here.
    if settings.audio.output is not None and isinstance(agent, Agent):
        voices = tuple(entry.provider for entry in agent.speak_chain)
        check_output(settings.audio.output, voices, "audio.output")


def check_opt_out(settings: Settings, chain: tuple[ThinkEntry, ...], path: str, *, several: bool) -> None:
    """Check that no language model needs what the settings refuse.

    Raises:
        RemoteWireError: With the path of the first that does, and what a server answers.
    """
    for index, entry in enumerate(chain):
        if settings.mip_opt_out and entry.provider.model == _NO_OPT_OUT:
            where = f"{path}[{index}]" if several else path
            raise refuse_value(f"{where}.provider.model", f"got {_NO_OPT_OUT!r} although mip_opt_out is true")


def _check_agent(agent: Agent, *, early_access: bool) -> None:
    if agent.think_live is not None and not early_access:
        raise refuse_shape("agent.think_live", "is not open to this project")
    if agent.listen is not None:
        check_listen(agent.listen, "agent.listen")
    if agent.think is not None:
        several, live = isinstance(agent.think, tuple), agent.think_live is not None
        check_think(agent.think_chain, "agent.think", several=several, live=live)
    if agent.speak is not None:
        check_speak(agent.speak_chain, "agent.speak", several=isinstance(agent.speak, tuple))
    messages = None if agent.context is None else agent.context.messages
    for index, message in enumerate(messages or ()):
        _check_history(message, f"agent.context.messages[{index}]")


def _check_history(entry: History, path: str) -> None:
    if entry.function_calls is not None:
        if entry.role is not None or entry.content is not None:
            raise refuse_shape(path, "has function_calls beside role or content, expected one of the two")
        return
    if entry.content is None:
        raise refuse_shape(f"{path}.content", "is missing")
    if entry.role not in _ROLES:
        raise refuse_shape(f"{path}.role", f"got {clip(entry.role)}, expected user or assistant")


def check_unknown_fields(part: object) -> None:
    """Check that no part has a field without an attribute; providers may.

    Raises:
        RemoteWireError: With the path of the first, and what a server answers.
    """
    for path in _unknown(part, ""):
        raise refuse_shape(path, "is not a field of these settings")


def _unknown(part: object, path: str) -> Iterator[str]:
    if isinstance(part, tuple):
        for index, entry in enumerate(cast("tuple[object, ...]", part)):
            yield from _unknown(entry, f"{path}[{index}]")
    elif attrs.has(type(part)) and not isinstance(part, _LENIENT):
        prefix = f"{path}." if path else ""
        for field in attrs.fields(type(cast("attrs.AttrsInstance", part))):
            value: object = getattr(part, field.name)
            if field.name == "extra":
                yield from (prefix + clip(name)[1:-1] for name in cast("JsonObject", value))
            else:
                yield from _unknown(value, prefix + field.name)
