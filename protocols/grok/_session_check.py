"""Rules about a session's settings that types cannot say: ranges, lists of values, filters that exclude each other.

Deliberately few. The server ignores far more than it refuses: unknown voices, models, languages and fields.
"""

from __future__ import annotations

import datetime
from typing import Final

from .._errors import RemoteWireError, clip
from ._session import AudioFormatConfig, SessionConfig, Transcription, TurnDetection
from ._tools import FunctionTool, Mcp, Tool, WebSearch, XSearch

__all__ = ["CODECS", "PCM_RATES_HZ", "check_session"]

PCM_RATES_HZ: Final = frozenset({8000, 11025, 16000, 21050, 22050, 24000, 32000, 44100, 48000})
"""What the guide, the schema and the cookbook list. 21050 is a slip of one of them for 22050, but clients send it."""

# The only rate of a codec whose rate is not a choice.
_FIXED_RATES: Final = {"audio/pcmu": 8000, "audio/pcma": 8000, "audio/opus": 24000}
CODECS: Final = frozenset({"audio/pcm", *_FIXED_RATES})
"""The codecs of the wire."""

_TRANSPORTS = frozenset({"json", "binary"})
_MAX_KEYTERMS = 100
_MAX_KEYTERM_LENGTH = 50
# Languages whose varieties differ too much for one hint; any other tag is taken, or silently ignored.
_NEED_REGION = frozenset({"es", "pt"})
_MAX_DOMAINS = 5
_MAX_HANDLES = 20


def _refuse(path: str, what: str) -> RemoteWireError:
    return RemoteWireError(f"{path}: {what}", path=path)


def _check_range(path: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise _refuse(path, f"got {clip(value)}, expected {low} to {high}")


def _check_turns(turns: TurnDetection, path: str) -> None:
    if turns.type not in {"server_vad", None}:
        raise _refuse(f"{path}.type", f"got {clip(turns.type)}, expected 'server_vad' or null")
    _check_range(f"{path}.threshold", turns.threshold, 0.1, 0.9)
    _check_range(f"{path}.silence_duration_ms", turns.silence_duration_ms, 0, 10000)
    _check_range(f"{path}.prefix_padding_ms", turns.prefix_padding_ms, 0, 10000)
    # No range is published. Zero would check in without end.
    if turns.idle_timeout_ms is not None and turns.idle_timeout_ms < 1:
        raise _refuse(f"{path}.idle_timeout_ms", f"got {turns.idle_timeout_ms}, expected 1 or more")


def _check_format(given: AudioFormatConfig | None, path: str) -> None:
    if given is None:
        return
    if given.type not in CODECS:
        raise _refuse(f"{path}.type", f"got {clip(given.type)}, expected one of {', '.join(sorted(CODECS))}")
    if given.rate is None:
        return
    fixed = _FIXED_RATES.get(given.type)
    if fixed is None and given.rate not in PCM_RATES_HZ:
        rates = ", ".join(map(str, sorted(PCM_RATES_HZ)))
        raise _refuse(f"{path}.rate", f"got {clip(given.rate)}, expected one of {rates}")
    if fixed is not None and given.rate != fixed:
        raise _refuse(f"{path}.rate", f"got {clip(given.rate)}, expected {fixed} or nothing")


def _check_transport(given: str | None, path: str) -> None:
    if given is not None and given not in _TRANSPORTS:
        raise _refuse(path, f"got {clip(given)}, expected json or binary")


def _check_transcription(given: Transcription | None, path: str) -> None:
    if given is None:
        return
    if given.language_hint is not None and given.language_hint.lower() in _NEED_REGION:
        raise _refuse(
            f"{path}.language_hint", f"got {clip(given.language_hint)}, expected a region too, as in es-MX"
        )
    terms = given.keyterms or ()
    if len(terms) > _MAX_KEYTERMS:
        raise _refuse(f"{path}.keyterms", f"has {len(terms)} entries, expected at most {_MAX_KEYTERMS}")
    for index, term in enumerate(terms):
        if len(term) > _MAX_KEYTERM_LENGTH:
            raise _refuse(
                f"{path}.keyterms[{index}]",
                f"got {clip(term)}, expected at most {_MAX_KEYTERM_LENGTH} characters",
            )


def _check_filter(
    path: str, allowed: tuple[str, ...] | None, excluded: tuple[str, ...] | None, kind: str, most: int
) -> None:
    if allowed and excluded:
        raise _refuse(path, f"got both allowed_{kind} and excluded_{kind}, expected at most one of them")
    for prefix, given in (("allowed", allowed), ("excluded", excluded)):
        if given and len(given) > most:
            raise _refuse(f"{path}.{prefix}_{kind}", f"has {len(given)} entries, expected at most {most}")


def _date(path: str, text: str | None) -> datetime.date | None:
    if text is None:
        return None
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat() also reads 20261031 and week dates.
    if day is None or day.isoformat() != text:
        raise _refuse(path, f"got {clip(text)}, expected YYYY-MM-DD")
    return day


def _check_tool(tool: Tool, path: str) -> None:
    match tool:
        case FunctionTool():
            if not tool.name:
                raise _refuse(f"{path}.name", "is empty")
        case WebSearch():
            _check_filter(path, tool.allowed_domains, tool.excluded_domains, "domains", _MAX_DOMAINS)
        case XSearch():
            _check_filter(path, tool.allowed_x_handles, tool.excluded_x_handles, "x_handles", _MAX_HANDLES)
            first = _date(f"{path}.from_date", tool.from_date)
            last = _date(f"{path}.to_date", tool.to_date)
            if first is not None and last is not None and first > last:
                raise _refuse(f"{path}.from_date", f"got {tool.from_date!r}, which is after to_date")
        case Mcp():
            if "." in tool.server_label or not tool.server_label:
                raise _refuse(
                    f"{path}.server_label", f"got {clip(tool.server_label)}, expected a name without dots"
                )
        case _:
            pass


def check_session(config: SessionConfig, *, path: str = "session") -> None:
    """Check the values of a session's settings.

    Args:
        config: The settings.
        path: Where in the message they were found.

    Raises:
        RemoteWireError: With the path of the first that is not acceptable.
    """
    if config.turn_detection is not None:
        _check_turns(config.turn_detection, f"{path}.turn_detection")
    audio = config.audio
    if audio is not None and audio.input is not None:
        _check_format(audio.input.format, f"{path}.audio.input.format")
        _check_transport(audio.input.transport, f"{path}.audio.input.transport")
        _check_transcription(audio.input.transcription, f"{path}.audio.input.transcription")
    if audio is not None and audio.output is not None:
        _check_format(audio.output.format, f"{path}.audio.output.format")
        _check_transport(audio.output.transport, f"{path}.audio.output.transport")
        _check_range(f"{path}.audio.output.speed", audio.output.speed, 0.7, 1.5)
    for index, tool in enumerate(config.tools or ()):
        _check_tool(tool, f"{path}.tools[{index}]")
