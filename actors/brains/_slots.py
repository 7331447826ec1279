"""Filling a function's arguments from what was said, by its JSON Schema."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TypeVar

import attrs

from ._choices import best_choice, find_choices
from ._codes import find_code, find_email, find_phone
from ._free_text import find_text
from ._names import find_address, find_name, find_place
from ._numbers import NumberSpan, find_numbers
from ._schema import Kind, Parameter, parameter_stems
from ._spans import Span, spoken_answer, titled
from ._text import Utterance, phrases, stem, word_set
from ._times import WEEKDAYS, DayKind, DaySpan, TimeSpan, day_part, find_days, find_times

S = TypeVar("S", DaySpan, TimeSpan)

# Kinds that recognise their words wherever they are come before those that take what is left.
_ORDER = (
    Kind.EMAIL,
    Kind.PHONE,
    Kind.DATETIME,
    Kind.WEEKDAY,
    Kind.DATE,
    Kind.ENUM,
    Kind.TIME,
    Kind.CODE,
    Kind.NUMBER,
    Kind.NAME,
    Kind.PLACE,
    Kind.BOOLEAN,
    Kind.LIST,
    Kind.OBJECT,
    Kind.TEXT,
)
STRONG_KINDS = frozenset(
    (
        Kind.EMAIL,
        Kind.PHONE,
        Kind.DATETIME,
        Kind.WEEKDAY,
        Kind.DATE,
        Kind.ENUM,
        Kind.TIME,
        Kind.NUMBER,
        Kind.LIST,
    )
)
"""Kinds whose values are recognised by themselves."""

_EARLY_HOURS = word_set("alarm wake remind reminder timer")
_PEOPLE = word_set("people person guest persons guests adults party seats of us")
_QUANTITIES = word_set("quantity qty count amount number pieces copies")
_NO_WORDS = phrases("no, not, nope, without, never, do not, none")
_YES_WORDS = phrases(
    "yes, yeah, yep, yup, sure, of course, please, correct, right, definitely, okay, ok, fine"
)


@attrs.frozen(kw_only=True)
class Hints:
    """What else is known when arguments are filled."""

    asked: str = ""
    """The parameter the agent has just asked for."""

    ignore: frozenset[str] = frozenset()
    """Stems that speak of the function itself, so they are nobody's name."""

    today: datetime.date | None = None


def fill(
    parameters: Sequence[Parameter], utterance: Utterance, hints: Hints | None = None
) -> dict[str, object]:
    """Return the arguments that were said, by parameter name; what was not said is left out.

    Args:
        parameters: What can be filled.
        utterance: What was said.
        hints: What else is known.
    """
    return _Filling(utterance, hints or Hints()).run(parameters)


class _Filling:
    """One pass over one utterance; a word gives its meaning to one argument only."""

    def __init__(self, utterance: Utterance, hints: Hints) -> None:
        self.utterance = utterance
        self.hints = hints
        self.taken: set[int] = set()
        self.values: dict[str, object] = {}
        self.days: list[DaySpan] = find_days(utterance)
        self.times: list[TimeSpan] = find_times(utterance)
        self.office_hours = not hints.ignore & _EARLY_HOURS

    def run(self, parameters: Sequence[Parameter]) -> dict[str, object]:
        """Fill all parameters, the one asked for first."""
        asked = [parameter for parameter in parameters if parameter.name == self.hints.asked]
        rest = [parameter for parameter in parameters if parameter.name != self.hints.asked]
        numbers = [p for p in rest if p.kind is Kind.NUMBER]
        for parameter in asked:
            if parameter.kind in (Kind.TIME, Kind.DATETIME):
                self.times = find_times(self.utterance, expected=True)
            self._one(parameter, asked=True)
        # An answer is words for what was asked; only what is certain may fill other parameters besides.
        if asked and asked[0].name in self.values and asked[0].kind in (Kind.TEXT, Kind.NAME, Kind.PLACE):
            rest = [p for p in rest if p.kind in STRONG_KINDS]
        for parameter in rest:
            if parameter.kind is Kind.PLACE and {"address", "street"} & set(parameter.words):
                # The number of a house is not how many pizzas.
                self._put_span(parameter, find_address(self.utterance, frozenset(self.taken)))
        rest = [p for p in rest if p.name not in self.values]
        numbers_done = False
        for kind in _ORDER:
            if kind is Kind.NUMBER and not numbers_done:
                numbers_done = True
                self._numbers([p for p in numbers if p in rest])
                continue
            for parameter in rest:
                if parameter.kind is kind:
                    self._one(parameter, asked=False)
        return self.values

    def _put(self, parameter: Parameter, value: object, start: int, end: int) -> None:
        self.values[parameter.name] = value
        self.taken.update(range(start, end))

    def _put_span(self, parameter: Parameter, span: Span | None) -> None:
        if span is not None and span.text:
            self._put(parameter, span.text, span.start, span.end)

    def _one(self, parameter: Parameter, *, asked: bool) -> None:
        taken = frozenset(self.taken)
        utterance = self.utterance
        match parameter.kind:
            case Kind.EMAIL:
                self._put_span(parameter, find_email(utterance))
            case Kind.PHONE:
                self._put_span(parameter, find_phone(utterance, taken))
            case Kind.ENUM:
                self._enum(parameter, asked)
            case Kind.WEEKDAY | Kind.DATE:
                self._day(parameter)
            case Kind.TIME:
                self._time(parameter)
            case Kind.DATETIME:
                self._day_and_time(parameter)
            case Kind.CODE:
                self._put_span(parameter, find_code(utterance, parameter, self._reserved(), asked))
            case Kind.NUMBER:
                self._asked_number(parameter)
            case Kind.NAME:
                self._put_span(parameter, find_name(utterance, parameter, self._reserved(), asked))
            case Kind.PLACE:
                self._put_span(
                    parameter,
                    find_place(
                        utterance, parameter, self._reserved(addresses=True), self.hints.ignore, asked
                    ),
                )
            case Kind.BOOLEAN:
                self._boolean(parameter, asked)
            case Kind.LIST:
                self._list(parameter, asked)
            case Kind.OBJECT:
                inner = _Filling(utterance, self.hints)
                inner.taken = set(self.taken)
                values = inner.run(parameter.fields)
                if values:
                    self._put(parameter, values, 0, 0)
                    self.taken |= inner.taken
            case Kind.TEXT:
                span = find_text(utterance, parameter, self._reserved(), self.hints.ignore, asked)
                self._put_span(parameter, span)

    def _reserved(self, *, addresses: bool = False) -> frozenset[int]:
        """Return the tokens that names and texts must not take: those in use, and days and times."""
        reserved = set(self.taken)
        for day in self.days:
            reserved.update(range(day.start, day.end))
        for time in self.times if not addresses else ():
            reserved.update(range(time.start, time.end))
        return frozenset(reserved)

    def _enum(self, parameter: Parameter, asked: bool) -> None:
        matches = find_choices(parameter, self.utterance, asked=asked, taken=frozenset(self.taken))
        best = best_choice(matches, self.utterance)
        if best is not None:
            self._put(parameter, best.choice, best.start, best.end)
            return
        today = self.hints.today
        for day in self.days:
            date = day.resolve(today) if day.offset is not None else None
            if date is not None:
                name = WEEKDAYS[date.weekday()].lower()
                for choice in parameter.choices:
                    if isinstance(choice, str) and len(choice) > 2 and name.startswith(choice.lower()):
                        self._put(parameter, choice, day.start, day.end)
                        return

    def _free(self, spans: Sequence[S]) -> S | None:
        """The first span that no argument has taken; the last one where the speaker corrected themself."""
        free = [span for span in spans if span.start not in self.taken]
        if not free:
            return None
        corrected = self.utterance.has("actually", "sorry", "i mean", "instead", "rather")
        return free[-1] if corrected else free[0]

    def _day(self, parameter: Parameter) -> None:
        day = self._free(self.days)
        if day is None:
            return
        if parameter.kind is Kind.WEEKDAY and day.kind is DayKind.WEEKDAY and day.weekday is not None:
            self._put(parameter, WEEKDAYS[day.weekday], day.start, day.end)
            return
        date = day.resolve(self.hints.today)
        if date is not None and parameter.kind is Kind.WEEKDAY and day.offset is not None:
            self._put(parameter, WEEKDAYS[date.weekday()], day.start, day.end)
        elif date is not None and parameter.iso:
            self._put(parameter, date.isoformat(), day.start, day.end)
        else:
            self._put(parameter, day.said, day.start, day.end)

    def _time(self, parameter: Parameter) -> None:
        time = self._free(self.times)
        if time is not None:
            self._put(parameter, time.clock(office_hours=self.office_hours), time.start, time.end)
            return
        part = day_part(self.utterance)
        if part is not None and not parameter.iso:
            index = next(i for i, norm in enumerate(self.utterance.norms) if norm in (part, "tonight"))
            self._put(parameter, part, index, index + 1)

    def _day_and_time(self, parameter: Parameter) -> None:
        day, time = self._free(self.days), self._free(self.times)
        if day is None and time is None:
            return
        said: list[str] = []
        date = day.resolve(self.hints.today) if day is not None else None
        if day is not None:
            said.append(date.isoformat() if date is not None and parameter.iso else day.said)
            self.taken.update(range(day.start, day.end))
        if time is not None:
            said.append(time.clock(office_hours=self.office_hours))
            self.taken.update(range(time.start, time.end))
        if date is not None and time is not None and parameter.iso:
            self.values[parameter.name] = f"{said[0]}T{said[1]}:00"
        else:
            self.values[parameter.name] = " ".join(said)

    def _free_numbers(self, reserved: Iterable[int]) -> list[NumberSpan]:
        blocked = set(reserved)
        return [
            number
            for number in find_numbers(self.utterance.tokens)
            if not number.ordinal and not blocked & set(range(number.start, number.end))
        ]

    def _asked_number(self, parameter: Parameter) -> None:
        if self._clock_part(parameter):
            return
        for number in self._free_numbers(self.taken):
            if _in_bounds(parameter, number.value):
                self._put(parameter, _as(parameter, number.value), number.start, number.end)
                return
        if self.utterance.has("a couple", "a pair"):
            self.values[parameter.name] = 2
        elif self.utterance.norms[:1] in (("a",), ("an",)) or self.utterance.has("just me", "only me"):
            self.values[parameter.name] = 1

    def _numbers(self, parameters: Sequence[Parameter]) -> None:
        """Share the numbers out among the parameters: to the word beside them, else in order."""
        waiting = [p for p in parameters if not self._clock_part(p)]
        reserved = set(self._reserved())
        numbers = self._free_numbers(reserved)
        scored = [
            (score, index, parameter.name, parameter, number)
            for index, number in enumerate(numbers)
            for parameter in waiting
            if (score := self._nearness(parameter, number)) > 0
        ]
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        for score, _, name, parameter, number in scored:
            if name in self.values or number.start in self.taken:
                continue
            # A number with a word of its own ("ten minutes") is not somebody else's.
            sure = score >= 2 or parameter.required or len(waiting) == 1
            if sure:
                self._put(parameter, _as(parameter, number.value), number.start, number.end)
        for parameter in waiting:
            counts = parameter.required and set(parameter.words) & _QUANTITIES and not numbers
            if counts and parameter.name not in self.values and {"a", "an"} & set(self.utterance.norms):
                self.values[parameter.name] = 1

    def _clock_part(self, parameter: Parameter) -> bool:
        """Fill an hour or minute of a time of day. Says whether the parameter is settled."""
        words = set(parameter.words)
        if not words & word_set("hour hours minute minutes"):
            return False
        time = next(iter(self.times), None)
        if time is None and parameter.name == self.hints.asked:
            time = next(iter(find_times(self.utterance, expected=True)), None)
        if time is None:
            return False
        value = time.hour if words & word_set("hour hours") else time.minute
        if not _in_bounds(parameter, value) or not parameter.words[-1].startswith(("hour", "minute")):
            return False
        self._put(parameter, _as(parameter, value), time.start, time.end)
        return True

    def _nearness(self, parameter: Parameter, number: NumberSpan) -> int:
        if not _in_bounds(parameter, number.value) or (
            parameter.integer and not float(number.value).is_integer()
        ):
            return 0
        if len(number.digits) > 6 and not set(parameter.words) & {"id", "number"}:
            return 0
        tokens = self.utterance.tokens
        stems = parameter_stems(parameter)
        if {"people", "guest", "party", "person", "adult"} & set(parameter.words) | stems & {
            "guest",
            "adult",
        }:
            stems |= {stem(word) for word in _PEOPLE}
        score = 1
        if any(token.stem in stems for token in tokens[number.end : number.end + 1]):
            score += 3
        elif any(token.stem in stems for token in tokens[number.end : number.end + 3]):
            score += 1
        if any(token.stem in stems for token in tokens[max(0, number.start - 3) : number.start]):
            score += 2
        return score

    def _boolean(self, parameter: Parameter, asked: bool) -> None:
        telling = {stem(word) for word in parameter.words} - {
            stem(word)
            for word in word_set("is has have with include want needs wants enable use allow the a of")
        }
        tokens = self.utterance.tokens
        for index, token in enumerate(tokens):
            if token.stem in telling and index not in self.taken:
                before = {
                    t.norm for t in tokens[max(0, index - 3) : index] if not t.break_before or t is token
                }
                refused = bool(before & word_set("no not without never skip"))
                self._put(parameter, not refused, index, index + 1)
                return
        if asked:
            if said_no(self.utterance):
                self.values[parameter.name] = False
            elif said_yes(self.utterance):
                self.values[parameter.name] = True

    def _list(self, parameter: Parameter, asked: bool) -> None:
        item = parameter.item
        if item is None:
            return
        if item.kind is Kind.ENUM:
            matches = find_choices(item, self.utterance, asked=False, taken=frozenset(self.taken))
            if matches:
                self.values[parameter.name] = [match.choice for match in matches]
                for match in matches:
                    self.taken.update(range(match.start, match.end))
            elif asked and self.utterance.has("no", "none", "nothing", "plain", "no thanks"):
                self.values[parameter.name] = []
            return
        if item.kind is Kind.NUMBER:
            numbers = self._free_numbers(self._reserved())
            if numbers:
                self.values[parameter.name] = [_as(item, number.value) for number in numbers]
                self.taken.update(*(range(number.start, number.end) for number in numbers))
            return
        if item.kind in (Kind.WEEKDAY, Kind.DATE):
            free = [day for day in self.days if day.start not in self.taken]
            if free:
                self.values[parameter.name] = [day.said for day in free]
                self.taken.update(*(range(day.start, day.end) for day in free))
            return
        self._list_of_words(parameter, item, asked)

    def _list_of_words(self, parameter: Parameter, item: Parameter, asked: bool) -> None:
        """Read "ham, olives and cheese": the words after "with", or the whole answer."""
        utterance = self.utterance
        if asked and utterance.has("no", "none", "nothing", "plain"):
            self.values[parameter.name] = []
            return
        start, end = 0, 0
        if asked:
            answer = spoken_answer(utterance)
            if answer is not None:
                start, end = answer.start, answer.end
        else:
            for index, token in enumerate(utterance.tokens[:-1]):
                if token.norm == "with" or token.stem in parameter_stems(parameter) | {stem(item.name)}:
                    start, end = index + 1, len(utterance.tokens)
                    break
        items: list[str] = []
        current: list[int] = []
        reserved = self._reserved()
        for index in range(start, end):
            token = utterance.tokens[index]
            if index in reserved or (
                not asked and token.norm in ("to", "for", "at", "on", "please", "delivered")
            ):
                break
            if current and (token.break_before or token.norm in ("and", "plus", "or")):
                items.append(utterance.slice(current[0], current[-1] + 1))
                current = []
            if token.norm not in ("and", "plus", "or", "some", "the", "a", "with", "also", "please", "extra"):
                current.append(index)
        if current:
            items.append(utterance.slice(current[0], current[-1] + 1))
        if items:
            named = item.kind in (Kind.NAME, Kind.PLACE)
            self.values[parameter.name] = [titled(text) if named else text for text in items]
            self.taken.update(range(start, end))


def _in_bounds(parameter: Parameter, value: float) -> bool:
    if parameter.minimum is not None and value < parameter.minimum:
        return False
    return parameter.maximum is None or value <= parameter.maximum


def _as(parameter: Parameter, value: int | float) -> int | float:
    return int(value) if parameter.integer or float(value).is_integer() else value


def said_no(utterance: Utterance) -> bool:
    """Say whether an answer refuses."""
    return utterance.has(*_NO_WORDS) and not utterance.has("no problem", "why not")


def said_yes(utterance: Utterance) -> bool:
    """Say whether an answer agrees."""
    return utterance.has(*_YES_WORDS) and not said_no(utterance)


def missing(parameters: Sequence[Parameter], values: dict[str, object]) -> Parameter | None:
    """Return the first required parameter without a value."""
    return next((p for p in parameters if p.required and p.name not in values), None)
