"""Values as one says them: times, dates, identifiers, lists."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

from ._schema import Kind, Parameter, is_list, is_mapping
from ._text import listed, name_words
from ._times import WEEKDAYS, spoken_date

_DATETIME = re.compile(
    r"\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?\b"
)
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_RANGE = re.compile(r"\b(\d{1,2}:\d{2})(?::\d{2})?\s?(?:-|to|until)\s?(\d{1,2}:\d{2})(?::\d{2})?\b")
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})(?::\d{2})?(?!\d)(?:\s?([ap]m)\b)?", re.IGNORECASE)
_SNAKE = re.compile(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b")
MAX_SPOKEN = 400
"""Characters of a result that are read out; nobody listens to more."""


def clock(hour: int, minute: int) -> str:
    """Return "3:30 pm"; full hours without minutes."""
    if (hour, minute) == (12, 0):
        return "noon"
    if (hour, minute) == (0, 0):
        return "midnight"
    half = "am" if hour < 12 else "pm"
    shown = hour % 12 or 12
    return f"{shown}:{minute:02d} {half}" if minute else f"{shown} {half}"


def readable(text: str) -> str:
    """Return a text with its times, dates and identifiers as one says them."""
    text = text.replace("\u2013", "-").replace("\u2014", " - ")
    text = _DATETIME.sub(lambda m: f"{_date(m[1])} at {_time(m[2])}", text)
    text = _DATE.sub(lambda m: _date(m[0]), text)
    text = _RANGE.sub(lambda m: f"{_time(m[1])} to {_time(m[2])}", text)
    text = _CLOCK.sub(lambda m: m[0] if m[3] else _time(f"{m[1]}:{m[2]}"), text)
    return _SNAKE.sub(lambda m: m[0].replace("_", " "), text)


def _date(text: str) -> str:
    try:
        return spoken_date(datetime.date.fromisoformat(text))
    except ValueError:
        return text


def _time(text: str) -> str:
    hour, minute = (int(part) for part in text.split(":"))
    return clock(hour, minute) if hour < 24 and minute < 60 else text


def shortened(text: str) -> str:
    """Cut a long text at a word, so that it can be spoken."""
    text = " ".join(text.split())
    if len(text) <= MAX_SPOKEN:
        return text
    cut = text[:MAX_SPOKEN]
    end = max(cut.rfind(". "), cut.rfind("; "))
    return cut[: end + 1] if end > MAX_SPOKEN // 2 else cut.rsplit(" ", 1)[0] + ", and so on"


def label(identifier: str) -> str:
    """Return an identifier as words: "openingHours" gives "opening hours"."""
    words = [word for word in name_words(identifier) if word not in ("id", "str")]
    return " ".join(words) or "value"


def said_value(parameter: Parameter, value: object) -> str:
    """Return an argument as one would say it in a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_list(value):
        return listed([said_value(parameter.item or parameter, item) for item in value[:8]]) or "none"
    if is_mapping(value):
        return listed([readable(str(item)) for item in list(value.values())[:6]])
    if parameter.kind in (Kind.CODE, Kind.PHONE):
        # Spoken figure by figure, not as one huge number.
        return " ".join(str(value)) if str(value).isdigit() and len(str(value)) > 4 else str(value)
    return readable(str(value))


_BARE_DAYS = ("next ", "this ", "today", "tomorrow", "yesterday", "the day after", "the ")


def on_day(said: str) -> str:
    """Return a day with the word before it: "on Friday", "next Tuesday", "tomorrow"."""
    text = readable(said)
    if (
        text.lower().startswith(_BARE_DAYS) and not text.lower().startswith("the ")
    ) or text == "the day after tomorrow":
        return text
    return f"on {text}"


def is_day(value: str) -> bool:
    """Say whether a value names a day of the week."""
    return value.strip().lower() in {day.lower() for day in WEEKDAYS}


def circumstances(parameters: tuple[Parameter, ...], values: Mapping[str, object]) -> list[str]:
    """Return the arguments of a call as parts of a sentence: "on Friday", "at 3:30 pm", "in Paris", "for Maria".

    Args:
        parameters: The function's parameters.
        values: The arguments of the call.
    """
    parts: dict[str, str] = {}
    for parameter in parameters:
        value = values.get(parameter.name)
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            continue
        text = said_value(parameter, value)
        if isinstance(value, str) and is_day(value):
            parts.setdefault("day", on_day(value))
            continue
        match parameter.kind:
            case Kind.WEEKDAY | Kind.DATE | Kind.DATETIME:
                parts.setdefault("day", on_day(text))
            case Kind.TIME:
                parts.setdefault(
                    "time", f"in the {text}" if text in ("morning", "afternoon", "evening") else f"at {text}"
                )
            case Kind.PLACE:
                words = set(parameter.words)
                lead = (
                    "to"
                    if words & {"address", "destination", "to"}
                    else "from"
                    if words & {"origin", "from"}
                    else "in"
                )
                parts.setdefault(f"place {lead}", f"{lead} {text}")
            case Kind.NAME:
                others = set(parameter.words) & {"contact", "recipient", "doctor", "employee"}
                parts.setdefault("name", f"{'with' if others else 'for'} {text}")
            case Kind.NUMBER if (
                parameter.words[-1:] == ("hour",) and isinstance(value, int) and 0 <= value < 24
            ):
                minute = values.get("minute", values.get("minutes", 0))
                parts.setdefault("time", f"for {clock(value, minute if isinstance(minute, int) else 0)}")
            case _:
                pass
    order = ("day", "time", "place in", "place from", "place to", "name")
    return [parts[key] for key in order if key in parts]
