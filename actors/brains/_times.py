"""Days, dates and times of day, as people say them."""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Sequence

import attrs

from ._numbers import NumberSpan, find_numbers
from ._text import Token, Utterance, word_set

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAY = {day.lower(): index for index, day in enumerate(WEEKDAYS)}
_SHORT_WEEKDAY = {
    "mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4, "sat": 5, "sun": 6,
}  # fmt: skip
_MONTH = {month.lower(): index for index, month in enumerate(MONTHS, 1)}
_SHORT_MONTH = {month[:3].lower(): index for index, month in enumerate(MONTHS, 1)} | {"sept": 9}
_RELATIVE = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}
_DAY_PARTS = {"morning": "morning", "afternoon": "afternoon", "evening": "evening", "tonight": "evening"}
_NAMED_TIMES = {"noon": 12, "midday": 12, "lunchtime": 12, "midnight": 0}
_TIME_LEADS = word_set("at by around about after before until till from to for past say exactly")
_CLOCK = re.compile(r"^(\d{1,2})[:.](\d{2})$")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


class DayKind(enum.Enum):
    """How a day was named."""

    WEEKDAY = "weekday"
    RELATIVE = "relative"
    DATE = "date"


@attrs.frozen(kw_only=True)
class DaySpan:
    """A day and the tokens it was said with."""

    kind: DayKind
    said: str
    """As one would say it: "Friday", "next Tuesday", "tomorrow", "March 3"."""

    start: int
    end: int
    weekday: int | None = None
    """0 is Monday."""

    offset: int | None = None
    """Days from today, where that was said."""

    month: int | None = None
    day: int | None = None
    year: int | None = None
    next_week: bool = False

    def resolve(self, today: datetime.date | None) -> datetime.date | None:
        """Return the date meant, None where that cannot be known.

        Args:
            today: The day of the call, where known.
        """
        try:
            if self.month is not None and self.day is not None:
                if self.year is not None:
                    return datetime.date(self.year, self.month, self.day)
                if today is None:
                    return None
                this_year = datetime.date(today.year, self.month, self.day)
                return this_year if this_year >= today else this_year.replace(year=today.year + 1)
            if today is None:
                return None
            if self.offset is not None:
                return today + datetime.timedelta(days=self.offset)
            if self.weekday is not None:
                ahead = (self.weekday - today.weekday()) % 7 or 7
                return today + datetime.timedelta(days=ahead)
        except (ValueError, OverflowError):
            return None
        return None


@attrs.frozen(kw_only=True)
class TimeSpan:
    """A time of day and the tokens it was said with."""

    hour: int
    """0 to 23; as said where neither am, pm nor a part of the day was."""

    minute: int
    explicit: bool
    """Whether the half of the day is certain."""

    start: int
    end: int

    def clock(self, *, office_hours: bool) -> str:
        """Return "HH:MM" on the 24 hour clock.

        Args:
            office_hours: Whether one to six without am or pm is meant after noon, as in appointments.
        """
        hour = self.hour
        if office_hours and not self.explicit and 1 <= hour <= 6:
            hour += 12
        return f"{hour:02d}:{self.minute:02d}"


def day_part(utterance: Utterance) -> str | None:
    """Return "morning", "afternoon" or "evening" where one was said."""
    for norm in utterance.norms:
        if norm in _DAY_PARTS:
            return _DAY_PARTS[norm]
    return None


def find_days(utterance: Utterance) -> list[DaySpan]:
    """Return the days in what was said, in order."""
    tokens = utterance.tokens
    numbers = {span.start: span for span in find_numbers(tokens)}
    found = _iso_days(utterance)
    index = 0
    while index < len(tokens):
        span = _day_at(tokens, index, numbers)
        if span is None:
            index += 1
            continue
        if not any(span.start < other.end and other.start < span.end for other in found):
            found.append(span)
        index = span.end
    return sorted(found, key=lambda span: span.start)


def _iso_days(utterance: Utterance) -> list[DaySpan]:
    found: list[DaySpan] = []
    for match in _ISO.finditer(utterance.text):
        inside = [
            index
            for index, token in enumerate(utterance.tokens)
            if token.start >= match.start() and token.end <= match.end()
        ]
        year, month, day = (int(group) for group in match.groups())
        if not inside or not (1 <= month <= 12 and 1 <= day <= 31):
            continue
        found.append(
            DaySpan(
                kind=DayKind.DATE,
                said=match.group(),
                start=inside[0],
                end=inside[-1] + 1,
                month=month,
                day=day,
                year=year,
            )
        )
    return found


def _day_at(tokens: Sequence[Token], at: int, numbers: dict[int, NumberSpan]) -> DaySpan | None:
    norm = tokens[at].norm
    norms = [token.norm for token in tokens[at : at + 4]]
    if norms == ["the", "day", "after", "tomorrow"] or norms[:3] == ["day", "after", "tomorrow"]:
        size = 4 if norms[0] == "the" else 3
        return DaySpan(
            kind=DayKind.RELATIVE, said="the day after tomorrow", start=at, end=at + size, offset=2
        )
    if norm in _RELATIVE:
        return DaySpan(
            kind=DayKind.RELATIVE,
            said="today" if norm == "tonight" else norm,
            start=at,
            end=at + 1,
            offset=_RELATIVE[norm],
        )
    if norm in ("next", "this", "coming") and at + 1 < len(tokens):
        weekday = _weekday(tokens, at + 1)
        if weekday is not None:
            said = f"{'next ' if norm == 'next' else ''}{WEEKDAYS[weekday]}"
            return DaySpan(
                kind=DayKind.WEEKDAY,
                said=said,
                start=at,
                end=at + 2,
                weekday=weekday,
                next_week=norm == "next",
            )
        if tokens[at + 1].norm in ("week", "weekend", "month") and norm != "coming":
            return DaySpan(kind=DayKind.RELATIVE, said=f"{norm} {tokens[at + 1].norm}", start=at, end=at + 2)
    weekday = _weekday(tokens, at)
    if weekday is not None:
        return DaySpan(kind=DayKind.WEEKDAY, said=WEEKDAYS[weekday], start=at, end=at + 1, weekday=weekday)
    return _calendar_day(tokens, at, numbers)


def _weekday(tokens: Sequence[Token], at: int) -> int | None:
    token = tokens[at]
    norm = token.norm
    for form in (norm, norm.removesuffix("s")):
        if form in _WEEKDAY:
            return _WEEKDAY[form]
    # "sat" and "sun" are words too: short forms count where they look like a day.
    if norm in _SHORT_WEEKDAY and (
        token.capital or (at > 0 and tokens[at - 1].norm in ("on", "next", "this", "until"))
    ):
        return _SHORT_WEEKDAY[norm]
    return None


def _month(tokens: Sequence[Token], at: int) -> int | None:
    if not 0 <= at < len(tokens):
        return None
    norm = tokens[at].norm
    return _MONTH.get(norm) or _SHORT_MONTH.get(norm)


def _calendar_day(tokens: Sequence[Token], at: int, numbers: dict[int, NumberSpan]) -> DaySpan | None:
    """Read "March 3rd", "the third of March", "3 March", and "the 3rd" alone."""
    month = _month(tokens, at)
    if month is not None:
        after = at + 2 if at + 1 < len(tokens) and tokens[at + 1].norm == "the" else at + 1
        number = numbers.get(after)
        if number is not None and _is_day(number):
            return _dated(tokens, month, number, at, number.end, numbers)
        return None
    number = numbers.get(at)
    if number is None or not _is_day(number):
        return None
    after = number.end
    if after < len(tokens) and tokens[after].norm == "of":
        after += 1
    month = _month(tokens, after)
    if month is not None:
        return _dated(tokens, month, number, at, after + 1, numbers)
    alone = number.ordinal and at > 0 and tokens[at - 1].norm == "the"
    if alone and (at > 1 and tokens[at - 2].norm in ("on", "for", "until", "from")):
        said = f"the {_ordinal(int(number.value))}"
        return DaySpan(kind=DayKind.DATE, said=said, start=at - 1, end=number.end, day=int(number.value))
    return None


def _is_day(number: NumberSpan) -> bool:
    return isinstance(number.value, int) and 1 <= number.value <= 31 and len(number.digits) <= 2


def _dated(
    tokens: Sequence[Token], month: int, day: NumberSpan, start: int, end: int, numbers: dict[int, NumberSpan]
) -> DaySpan:
    year: int | None = None
    following = numbers.get(end)
    if following is not None and isinstance(following.value, int) and 1900 <= following.value <= 2100:
        year = following.value
        end = following.end
    said = f"{MONTHS[month - 1]} {day.value}" + (f", {year}" if year is not None else "")
    return DaySpan(
        kind=DayKind.DATE, said=said, start=start, end=end, month=month, day=int(day.value), year=year
    )


def _ordinal(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return f"{value}th"
    return f"{value}{({1: 'st', 2: 'nd', 3: 'rd'}).get(value % 10, 'th')}"


def spoken_date(date: datetime.date) -> str:
    """Return "Friday, March 3rd"."""
    return f"{WEEKDAYS[date.weekday()]}, {MONTHS[date.month - 1]} {_ordinal(date.day)}"


def find_times(utterance: Utterance, *, expected: bool = False) -> list[TimeSpan]:
    """Return the times of day in what was said, in order.

    Args:
        utterance: What was said.
        expected: Whether a time was asked for, so that a bare number ("three", "ten thirty") is one.
    """
    tokens = utterance.tokens
    numbers = {span.start: span for span in find_numbers(tokens)}
    part = day_part(utterance)
    found: list[TimeSpan] = []
    index = 0
    while index < len(tokens):
        span = _time_at(tokens, index, numbers, expected)
        if span is None:
            index += 1
            continue
        found.append(_with_day_part(span, part))
        index = span.end
    return found


def _with_day_part(span: TimeSpan, part: str | None) -> TimeSpan:
    if span.explicit or part is None or span.hour > 12:
        return span
    hour = span.hour
    if part == "morning":
        hour %= 12
    elif hour < 12 and (part == "afternoon" or hour >= 4):
        hour += 12
    return attrs.evolve(span, hour=hour, explicit=True)


def _time_at(
    tokens: Sequence[Token], at: int, numbers: dict[int, NumberSpan], expected: bool
) -> TimeSpan | None:
    norm = tokens[at].norm
    if norm in _NAMED_TIMES:
        return TimeSpan(hour=_NAMED_TIMES[norm], minute=0, explicit=True, start=at, end=at + 1)
    spoken = _relative_time(tokens, at, numbers)
    if spoken is not None:
        return spoken
    clock = _CLOCK.match(tokens[at].text)
    if clock:
        # "3.30" is a price as often as a time.
        if "." in tokens[at].text and not (expected or _led(tokens, at) or _half(tokens, at + 1)):
            return None
        return _of(tokens, int(clock[1]), int(clock[2]), at, at + 1, certain=clock[1].startswith("0"))
    number = numbers.get(at)
    if number is None or number.ordinal or not isinstance(number.value, int):
        return None
    hour, minute, end = number.value, 0, number.end
    if len(number.parts) == 2:
        hour, minute = number.parts
    elif len(number.digits) > 2:
        if not (3 <= len(number.digits) <= 4 and (_half(tokens, end) or _led(tokens, at, "at"))):
            return None
        hour, minute = divmod(number.value, 100)
    else:
        following = numbers.get(end)
        if (
            following is not None
            and following.value in range(10, 60)
            and not following.ordinal
            and len(following.digits) == 2
            and not tokens[end].break_before
        ):
            minute, end = int(following.value), following.end
        elif end + 1 < len(tokens) and tokens[end].norm == "oh" and (end + 1) in numbers:
            minute, end = int(numbers[end + 1].value) % 10, numbers[end + 1].end
    oclock = end < len(tokens) and tokens[end].norm == "oclock"
    if oclock:
        end += 1
    in_day_part = [token.norm for token in tokens[end : end + 2]] == ["in", "the"] and (
        end + 2 < len(tokens) and tokens[end + 2].norm in _DAY_PARTS
    )
    led = _led(tokens, at, "at", "by", "around", "until", "till", "before", "after")
    if not (oclock or in_day_part or _half(tokens, end) or expected or led):
        return None
    if not (oclock or _half(tokens, end)) and end < len(tokens) and not _time_may_end(tokens[end]):
        # "at 12 High Street", "for two people"
        return None
    return _of(tokens, hour, minute, at, end)


def _time_may_end(token: Token) -> bool:
    return token.break_before or token.norm in _AFTER_TIME


_AFTER_TIME = word_set(
    "on in the for this next and or please tomorrow today tonight under with to at by if would is works "
    "thanks thank monday tuesday wednesday thursday friday saturday sunday then will my name it i we "
    "because instead sharp"
)


def _relative_time(tokens: Sequence[Token], at: int, numbers: dict[int, NumberSpan]) -> TimeSpan | None:
    """Read "half past three", "quarter to five", "ten past six"."""
    start = at
    if tokens[at].norm == "a" and at + 1 < len(tokens):
        at += 1
    minute: int | None = None
    after = at + 1
    if tokens[at].norm == "half":
        minute = 30
    elif tokens[at].norm == "quarter":
        minute = 15
    elif at in numbers and numbers[at].value in range(1, 30):
        minute = int(numbers[at].value)
        after = numbers[at].end
        if after < len(tokens) and tokens[after].norm in ("minutes", "minute"):
            after += 1
    if minute is None or after + 1 >= len(tokens):
        return None
    direction = tokens[after].norm
    number = numbers.get(after + 1)
    if number is None or number.value not in range(1, 13) or direction not in ("past", "after", "to"):
        return None
    if direction == "after" and minute not in (5, 10, 15, 20, 25):
        return None
    # "five to seven" is also a range: only quarters are sure.
    if direction == "to" and tokens[at].norm != "quarter" and tokens[after - 1].norm != "minutes":
        return None
    hour = int(number.value)
    if direction == "to":
        hour, minute = (hour - 1) or 12, 60 - minute
    return _of(tokens, hour, minute, start, number.end)


def _half(tokens: Sequence[Token], at: int) -> str:
    if at < len(tokens) and tokens[at].norm in ("am", "pm") and not tokens[at].break_before:
        return tokens[at].norm
    return ""


def _led(tokens: Sequence[Token], at: int, *leads: str) -> bool:
    return at > 0 and tokens[at - 1].norm in (leads or _TIME_LEADS)


def _of(
    tokens: Sequence[Token], hour: int, minute: int, start: int, end: int, *, certain: bool = False
) -> TimeSpan | None:
    half = _half(tokens, end)
    if half:
        end += 1
    if not (0 <= hour <= 23 and 0 <= minute <= 59):
        return None
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    return TimeSpan(
        hour=hour, minute=minute, explicit=bool(half) or hour > 12 or certain, start=start, end=end
    )
