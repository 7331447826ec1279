"""Saying a function's result in a sentence that fits the question."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ._schema import is_list, is_mapping
from ._spoken import circumstances, label, readable, shortened
from ._text import Utterance, listed, name_words, sentence, stem, word_set
from ._tools import Tool

_VERBS_TO_DROP = word_set(
    "get fetch lookup look find check show list search query read retrieve describe tell give load view "
    "ask calculate compute estimate count is do the a an my your for by of up out to"
)
_DONE = word_set(
    "ok okay done success successful succeeded true yes completed complete accepted created confirmed"
)
_WRAPPERS = (
    "result",
    "output",
    "answer",
    "message",
    "text",
    "summary",
    "speech",
    "response",
    "content",
    "data",
)
_ERROR_KEYS = ("error", "errors", "exception", "failure")
_STATE_KEYS = (
    "status",
    "ok",
    "success",
    "state",
    "done",
    "booked",
    "confirmed",
    "accepted",
    "sent",
    "cancelled",
)
_HIDDEN_KEYS = word_set("id uuid code lang locale timestamp type object version request ms url href")
_FINITE = word_set(
    "is are was were has have had will would can could may must do does did opens closes costs starts "
    "ends leaves arrives need needs there"
)
_ERROR_TEXT = re.compile(
    r"^\s*(?:error|exception|traceback|failed|failure)\b[\s:]*(.*)", re.IGNORECASE | re.DOTALL
)
_PAST = {
    "set": "set", "put": "put", "send": "sent", "make": "made", "take": "taken", "leave": "left", "buy": "bought",
    "write": "written", "hang": "hung", "run": "run", "begin": "begun", "tell": "told", "give": "given",
    "cancel": "cancelled", "submit": "submitted", "transfer": "transferred", "plan": "planned", "stop": "stopped",
}  # fmt: skip
_STATES = word_set("open closed full available unavailable busy")
_MOST_ITEMS = 5
_SPANS = (
    ("open", "close"),
    ("opens", "closes"),
    ("opening", "closing"),
    ("opens_at", "closes_at"),
    ("open_time", "close_time"),
    ("opening_time", "closing_time"),
    ("start", "end"),
    ("from", "to"),
)
_UNITS = {
    "c": "degrees", "celsius": "degrees", "f": "degrees Fahrenheit", "fahrenheit": "degrees Fahrenheit",
    "percent": "percent", "pct": "percent", "usd": "dollars", "eur": "euros", "gbp": "pounds", "km": "kilometres",
    "kmh": "kilometres an hour", "kph": "kilometres an hour", "mph": "miles an hour", "mm": "millimetres",
    "m": "metres", "minutes": "minutes", "min": "minutes", "mins": "minutes", "seconds": "seconds",
    "s": "seconds", "hours": "hours", "h": "hours", "kg": "kilograms",
}  # fmt: skip


def speak_result(
    tool: Tool | None, name: str, values: Mapping[str, object], text: str, question: Utterance
) -> str:
    """Return a result as it is spoken.

    Args:
        tool: The function, None where it is not registered (any more).
        name: Its name.
        values: The arguments of the call.
        text: The result: JSON or plain text.
        question: What the caller said; "are you open" is answered with "we are open".
    """
    speaker = _Speaker(tool, name, values, question)
    return speaker.say(_parsed(text))


def _parsed(text: str) -> object:
    stripped = text.strip()
    if stripped[:1] in ("{", "[", '"') or stripped in ("true", "false", "null"):
        try:
            # A document nested thousands deep is a RecursionError.
            return json.loads(stripped)
        except (ValueError, RecursionError):
            return stripped
    if re.fullmatch(r"-?\d{1,15}(?:\.\d{1,10})?", stripped):
        return float(stripped) if "." in stripped else int(stripped)
    return stripped


def _unwrapped(value: object) -> object:
    for _ in range(4):
        if is_mapping(value) and len(value) == 1:
            key, inner = next(iter(value.items()))
            if key in _WRAPPERS:
                value = inner
                continue
        if isinstance(value, str) and value.strip()[:1] in ("{", "["):
            parsed = _parsed(value)
            if not isinstance(parsed, str):
                value = parsed
                continue
        break
    return value


class _Speaker:
    def __init__(
        self, tool: Tool | None, name: str, values: Mapping[str, object], question: Utterance
    ) -> None:
        words = list(tool.words if tool is not None else name_words(name))
        self.action = tool is not None and tool.action
        self.verb = words[0] if words else ""
        self.noun = self._noun(words)
        self.parts = circumstances(tool.parameters, values) if tool is not None else []
        self.values = values
        self.question = question

    def _noun(self, words: list[str]) -> str:
        rest = words[1:] if self.action else words
        while len(rest) > 1 and rest[0] in _VERBS_TO_DROP:
            rest = rest[1:]
        if rest and rest[0] in _VERBS_TO_DROP:
            return ""
        return " ".join(rest)

    def say(self, value: object) -> str:
        value = _unwrapped(value)
        problem = _error_of(value)
        if problem is not None:
            return self._failed(problem)
        if value is None or value in ("", {}, []):
            return self._done() if self.action else self._nothing()
        if isinstance(value, bool):
            return self._truth(value)
        if isinstance(value, int | float):
            return self._fragment(f"{value:g}" if abs(value) < 1e15 else str(value))
        if is_mapping(value):
            return self._object(value)
        if is_list(value):
            return self._array(value)
        return self._text(str(value))

    def _failed(self, problem: str) -> str:
        about = f"the {self.noun}" if self.noun else "that"
        if self.action:
            opening = f"I am sorry, I could not {self.verb} {about}"
        else:
            opening = f"I am sorry, I could not get {about}"
        return (
            sentence(f"{opening}: {shortened(readable(problem)).rstrip('.')}")
            if problem
            else sentence(opening)
        )

    def _done(self, detail: str = "") -> str:
        about = f" the {self.noun}" if self.noun else ""
        if self.verb in ("transfer", "connect", "forward"):
            target = " ".join(str(v).replace("_", " ") for v in self.values.values() if isinstance(v, str))
            said = f"I am putting you through{f' to {target}' if target else ''} now"
        elif self.verb in ("book", "reserve", "schedule") or self.noun:
            past = _PAST.get(self.verb) or (f"{self.verb}d" if self.verb.endswith("e") else f"{self.verb}ed")
            said = f"I have {past}{about}{_spaced(self.parts)}"
        else:
            said = "That is done"
        return sentence(f"{said}. {sentence(detail)}" if detail else said)

    def _nothing(self) -> str:
        return sentence(f"I found no {self.noun or 'answer'}{_spaced(self.parts)}")

    def _truth(self, value: bool) -> str:
        if self.action:
            return self._done() if value else self._failed("")
        echo = _inverted(self.question)
        if echo:
            return sentence(f"{'Yes' if value else 'No'}, {echo if value else _negated(echo)}")
        return "Yes, that is right." if value else "No, I am afraid not."

    def _text(self, text: str) -> str:
        bare = text.strip().strip(".!").lower()
        if bare in _DONE or (self.action and (stem(bare) == stem(self.verb) or bare == _PAST.get(self.verb))):
            return self._truth(True)
        if bare in ("no", "false", "failed"):
            return self._truth(False)
        spoken = shortened(readable(text))
        if _is_sentence(spoken):
            return sentence(spoken)
        if self.action:
            return self._done(spoken)
        return self._fragment(spoken)

    def _fragment(self, fragment: str) -> str:
        """Put a piece such as "9 to 5" into a sentence."""
        fragment = fragment.strip().rstrip(".").rstrip()
        if not fragment:
            return self._done() if self.action else self._nothing()
        if self.action:
            return self._done(fragment)
        lead = f"{self.parts[0][0].upper()}{self.parts[0][1:]}" if self.parts else ""
        echo = _opening_echo(self.question, fragment)
        if echo:
            return sentence(f"{lead} {echo}" if lead else echo)
        if fragment.split()[:1] and fragment.split()[0].lower() in _STATES and _plural(self.noun):
            # Not "the opening hours are closed".
            said = f"we are {fragment[:1].lower()}{fragment[1:]}"
            return sentence(f"{lead} {said}" if lead else said)
        if not self.noun:
            return sentence(f"{lead}: {fragment}" if lead else fragment)
        plural = _plural(self.noun)
        if len(fragment.split()) > 6:
            return sentence(
                f"{lead}, the {self.noun}: {fragment}" if lead else f"The {self.noun}: {fragment}"
            )
        verb = "are" if plural else "is"
        said = (
            f"the {self.noun} {verb} {fragment[:1].lower() + fragment[1:] if _lowers(fragment) else fragment}"
        )
        return sentence(f"{lead}, {said}" if lead else said)

    def _object(self, value: Mapping[str, object]) -> str:
        spoken = next(
            (v for k in _WRAPPERS if isinstance(v := value.get(k), str) and len(v.split()) >= 3), None
        )
        if spoken is not None:
            return sentence(shortened(readable(spoken)))
        state = next((value[key] for key in _STATE_KEYS if key in value), None)
        echoes = {str(item).lower() for item in self.values.values()}
        facts = {
            key: item
            for key, item in value.items()
            if item not in (None, "", [], {})
            and str(item).lower() not in echoes
            and not (set(name_words(key)) & _HIDDEN_KEYS and not self._telling(key))
        }
        if self.action and (state is not None or not facts):
            rest = {k: v for k, v in facts.items() if k not in _STATE_KEYS}
            if state is False:
                return self._failed("")
            return self._done(self._facts(rest) if rest else "")
        if not facts:
            return self._done() if self.action else self._nothing()
        if self.action:
            return self._done(self._facts(facts))
        lead = self.parts[0] if self.parts else ""
        said = self._facts(facts)
        return sentence(f"{lead}, {said}" if lead else said)

    def _telling(self, key: str) -> bool:
        """Say whether an identifier is worth reading out: a reference the caller will need."""
        return bool(
            set(name_words(key)) & {"confirmation", "reference", "booking", "order", "ticket", "case"}
        )

    def _facts(self, facts: Mapping[str, object]) -> str:
        said: list[str] = []
        pair = next(((a, b) for a, b in _SPANS if a in facts and b in facts), None)
        if pair is not None:
            first, last = (_plain(facts[key]) for key in pair)
            said.append(f"{'it is open ' if pair[0].startswith('open') else 'it is '}from {first} to {last}")
            facts = {key: item for key, item in facts.items() if key not in pair}
        for key, item in list(facts.items())[:_MOST_ITEMS]:
            name, unit = _with_unit(key)
            text = _plain(item) + (f" {unit}" if unit and not isinstance(item, str | bool) else "")
            plural = _plural(name)
            if isinstance(item, bool):
                said.append(f"it is {'' if item else 'not '}{name}" if " " not in name else f"{name}: {text}")
            elif name in ("price", "total", "cost", "fee"):
                said.append(f"the {name} is {text}")
            else:
                number = " number" if set(name_words(key)) & {"id"} else ""
                said.append(f"the {name}{number} {'are' if plural else 'is'} {text}")
        return listed(said)

    def _array(self, value: Sequence[object]) -> str:
        items = [text for text in (_item(item) for item in value) if text]
        if not items:
            return self._nothing()
        count = len(items)
        what = self.noun or "results"
        more = "" if count <= _MOST_ITEMS else f", and {count - _MOST_ITEMS} more"
        shown = items[:_MOST_ITEMS]
        if count == 1:
            return sentence(f"There is one{_spaced(self.parts)}: {shown[0]}")
        listing = listed(shown) if not more else ", ".join(shown) + more
        if _plural(what):
            return sentence(f"The {what}{_spaced(self.parts)} are {listing}")
        return sentence(f"The {what}{_spaced(self.parts)}: {listing}")


def _with_unit(key: str) -> tuple[str, str]:
    """Return the name of a field and the unit it ends with: "temperature_c" gives temperature, degrees."""
    words = name_words(key)
    if len(words) > 1 and words[-1] in _UNITS:
        return " ".join(words[:-1]), _UNITS[words[-1]]
    return label(key), ""


def _plural(noun: str) -> bool:
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is"))


def _spaced(parts: Sequence[str]) -> str:
    return "".join(f" {part}" for part in parts)


def _error_of(value: object) -> str | None:
    """Return what went wrong, "" where that is all that is known, None where nothing did."""
    if isinstance(value, str):
        match = _ERROR_TEXT.match(value)
        return match[1].strip() if match else None
    if is_mapping(value):
        for key in _ERROR_KEYS:
            if value.get(key):
                inner = value[key]
                if is_mapping(inner):
                    inner = inner.get("message", "")
                return str(inner) if isinstance(inner, str) and inner.strip().lower() != "true" else ""
        if (
            str(value.get("status", "")).lower() in ("error", "failed", "failure")
            or value.get("success") is False
        ):
            reason = value.get("message") or value.get("reason") or value.get("detail") or ""
            return str(reason)
    return None


def _is_sentence(text: str) -> bool:
    words = name_words(text)
    if len(words) < 3:
        return False
    if text.rstrip().endswith((".", "!", "?")) or words[0] in ("we", "you", "it", "i", "they", "there"):
        return True
    return len(words) >= 4 and bool(set(words) & _FINITE)


def _lowers(fragment: str) -> bool:
    """Say whether a piece may lose its capital inside a sentence: "Sunny", but not "NASA" or "Maria Lopez"."""
    first = fragment.split(maxsplit=1)[0] if fragment.split() else ""
    rest = fragment.split()[1:]
    return (
        first[1:].islower() and first[:1].isupper() and not any(w[:1].isupper() for w in rest) and bool(rest)
    )


def _opening_echo(question: Utterance, fragment: str) -> str:
    """Turn "are you open on Friday" and "9 to 5" into "we are open 9 to 5"."""
    echo = _inverted(question, short=True)
    if not echo:
        return ""
    first = fragment.split(maxsplit=1)[0].lower()
    subject = " ".join(echo.split()[:2])
    if stem(first) == stem(echo.split()[2]):
        return f"{subject} {fragment[:1].lower()}{fragment[1:]}"
    if first[:1].isdigit() or first in ("from", "until", "between", "till"):
        return f"{echo} {fragment}"
    if len(fragment.split()) == 1 and fragment.isalpha():
        return f"{subject} {fragment.lower()}"
    return ""


_STOPPERS = word_set("on at in for tomorrow today tonight this next and or by from until with please during")


def _inverted(question: Utterance, *, short: bool = False) -> str:
    """Turn "are you open" into "we are open"; "" where the question is of another form."""
    norms = question.norms
    for index in range(min(len(norms) - 2, 8)):
        if norms[index] == "are" and norms[index + 1] == "you":
            rest = list(norms[index + 2 : index + (3 if short else 7)])
            words: list[str] = []
            for word in rest:
                if word in _STOPPERS and not short:
                    break
                words.append(word)
            if words and words[0] not in _STOPPERS:
                return f"we are {' '.join(words)}"
    return ""


def _negated(echo: str) -> str:
    return echo.replace(" are ", " are not ", 1)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if is_list(value):
        return listed([text for text in (_item(item) for item in value[:_MOST_ITEMS]) if text]) or "none"
    if is_mapping(value):
        return listed([_plain(item) for item in list(value.values())[:3]])
    return shortened(readable(str(value)))


def _item(value: object) -> str:
    """Return one entry of a list; of an object the name and one thing more."""
    if not is_mapping(value):
        return _plain(value) if value is not None else ""
    named = next(
        (k for k in ("name", "title", "label", "time", "day", "date", "description") if k in value), None
    )
    if named is None:
        return ", ".join(_plain(item) for item in list(value.values())[:2] if not is_mapping(item))
    others = [
        _plain(item)
        for key, item in value.items()
        if key != named and isinstance(item, str | int | float) and not set(name_words(key)) & _HIDDEN_KEYS
    ]
    return f"{_plain(value[named])}{f', {others[0]}' if others else ''}"
