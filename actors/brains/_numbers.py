"""Numbers, in figures and in words: "25", "twenty five", "eighteen forty two", "five five five"."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ._text import Token, word_set


def _numbered(words: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * place for place, word in enumerate(words.split())}


UNITS = _numbered("zero one two three four five six seven eight nine", 0)
TEENS = _numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)
_SCALES = {"thousand": 1_000, "million": 1_000_000}
_ORDINALS = _numbered(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth",
    1,
) | {"thirtieth": 30}
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
# "the first one", "no one": not a number.
_BEFORE_PRONOUN_ONE = word_set("this that which the any no every each another other first last next good big")
_MAX_FIGURES = 15  # longer strings of figures are identifiers and overflow a float

NUMBER_WORDS = (
    frozenset(UNITS) | frozenset(TEENS) | frozenset(TENS) | frozenset(_SCALES) | {"hundred", "dozen"}
)


@attrs.frozen(kw_only=True)
class NumberSpan:
    """A number and the tokens it was said with."""

    value: int | float
    start: int
    """Index of its first token."""

    end: int
    """Index after its last token."""

    digits: str
    """As a string of figures, with leading zeros; what a code or telephone number needs."""

    parts: tuple[int, ...] = ()
    """The groups of a number said in groups: (18, 42) for "eighteen forty two"."""

    ordinal: bool = False


def find_numbers(tokens: Sequence[Token]) -> list[NumberSpan]:
    """Return the numbers in the tokens, in order, not overlapping."""
    found: list[NumberSpan] = []
    index = 0
    while index < len(tokens):
        span = _number_at(tokens, index)
        if span is None:
            index += 1
        else:
            found.append(span)
            index = span.end
    return found


def _number_at(tokens: Sequence[Token], at: int) -> NumberSpan | None:
    negative = tokens[at].norm in ("minus", "negative") and at + 1 < len(tokens)
    start = at + 1 if negative else at
    token = tokens[start]
    if token.norm == "one" and start > 0 and tokens[start - 1].norm in _BEFORE_PRONOUN_ONE:
        return None
    span = (
        _figures(tokens, start) if token.is_number else (_sequence(tokens, start) or _in_words(tokens, start))
    )
    if span is None or not negative:
        return span
    return attrs.evolve(span, value=-span.value, start=at, digits=f"-{span.digits}")


def _figures(tokens: Sequence[Token], at: int) -> NumberSpan | None:
    text = tokens[at].text.replace(",", "")
    if ":" in text or text.count(".") > 1 or not text.isascii():
        return None
    if at + 1 < len(tokens) and _glued_ordinal(tokens[at], tokens[at + 1]):
        return NumberSpan(value=int(text[:_MAX_FIGURES]), start=at, end=at + 2, digits=text, ordinal=True)
    if "." in text:
        return NumberSpan(value=float(text), start=at, end=at + 1, digits=text)
    end = at + 1
    value: int | float = int(text[:_MAX_FIGURES])
    if end < len(tokens) and tokens[end].norm in _SCALES and not tokens[end].break_before:
        value *= _SCALES[tokens[end].norm]
        text = str(value)
        end += 1
    value, end, text = _and_a_half(tokens, end, value, text)
    return NumberSpan(value=value, start=at, end=end, digits=text)


def _sequence(tokens: Sequence[Token], at: int) -> NumberSpan | None:
    """Read single figures said one after another ("five double two oh"); at least two of them."""
    digits = ""
    index = at
    while index < len(tokens):
        if index > at and tokens[index].break_before and not digits:
            break
        word = tokens[index].norm
        if word in UNITS:
            digits += str(UNITS[word])
        elif word in ("oh", "o") and digits:
            digits += "0"
        elif word in _REPEATS and index + 1 < len(tokens) and tokens[index + 1].norm in UNITS:
            digits += str(UNITS[tokens[index + 1].norm]) * _REPEATS[word]
            index += 1
        else:
            break
        index += 1
    if len(digits) < 2 or (
        index < len(tokens) and tokens[index].norm in ("hundred", "thousand", "million", "point")
    ):
        return None
    return NumberSpan(value=int(digits[:_MAX_FIGURES]), start=at, end=index, digits=digits)


def _in_words(tokens: Sequence[Token], at: int) -> NumberSpan | None:
    if tokens[at].norm in _ORDINALS:
        return _ordinal(tokens, at, 0, at)
    first = _cardinal(tokens, at)
    if first is None:
        return None
    value, end = first
    if value in range(20, 100, 10) and end < len(tokens) and _ORDINALS.get(tokens[end].norm, 99) < 10:
        return _ordinal(tokens, end, value, at)
    parts = [value]
    # "eighteen forty two", "nineteen oh five", "twenty twenty six": two figures at a time.
    while 10 <= parts[-1] <= 99 and end < len(tokens) and not tokens[end].break_before and len(parts) < 4:
        if tokens[end].norm in ("oh", "o") and end + 1 < len(tokens) and tokens[end + 1].norm in UNITS:
            parts.append(UNITS[tokens[end + 1].norm])
            end += 2
            break
        following = _cardinal(tokens, end)
        if following is None or not 10 <= following[0] <= 99:
            break
        parts.append(following[0])
        end = following[1]
    if len(parts) > 1:
        digits = str(parts[0]) + "".join(f"{part:02d}" for part in parts[1:])
        return NumberSpan(value=int(digits), start=at, end=end, digits=digits, parts=tuple(parts))
    number: int | float = value
    text = str(value)
    if end + 1 < len(tokens) and tokens[end].norm == "point" and tokens[end + 1].norm in UNITS:
        decimals = ""
        end += 1
        while end < len(tokens) and tokens[end].norm in UNITS and len(decimals) < 6:
            decimals += str(UNITS[tokens[end].norm])
            end += 1
        text = f"{value}.{decimals}"
        number = float(text)
    number, end, text = _and_a_half(tokens, end, number, text)
    return NumberSpan(value=number, start=at, end=end, digits=text)


def _ordinal(tokens: Sequence[Token], at: int, base: int, start: int) -> NumberSpan:
    value = base + _ORDINALS[tokens[at].norm]
    return NumberSpan(value=value, start=start, end=at + 1, digits=str(value), ordinal=True)


def _and_a_half(
    tokens: Sequence[Token], end: int, value: int | float, text: str
) -> tuple[int | float, int, str]:
    if [token.norm for token in tokens[end : end + 3]] == ["and", "a", "half"]:
        return value + 0.5, end + 3, str(value + 0.5)
    return value, end, text


def _cardinal(tokens: Sequence[Token], at: int) -> tuple[int, int] | None:
    """Read one cardinal ("two hundred and five"); returns its value and the index after it."""
    total = 0
    group: int | None = None
    index = at
    if (
        tokens[at].norm == "a"
        and at + 1 < len(tokens)
        and tokens[at + 1].norm in ("hundred", "thousand", "dozen")
    ):
        group = 1
        index += 1
    while index < len(tokens):
        word = tokens[index].norm
        if index > at and tokens[index].break_before:
            break
        if word == "hundred" and group is not None and group < 100:
            group *= 100
        elif word == "dozen":
            group = (group or 1) * 12
        elif word in _SCALES and group is not None and total == 0:
            total = group * _SCALES[word]
            group = 0
        elif word == "and" and group is not None and (group >= 100 or total) and _small_at(tokens, index + 1):
            pass
        else:
            small = _small(word)
            if small is None or (group is not None and not _fits(group, small)):
                break
            group = (group or 0) + small
        index += 1
    return None if group is None else (total + group, index)


def _small(word: str) -> int | None:
    for table in (UNITS, TEENS, TENS):
        if word in table:
            return table[word]
    tens, _, unit = word.partition("-")
    if tens in TENS and unit in UNITS:
        return TENS[tens] + UNITS[unit]
    return None


def _small_at(tokens: Sequence[Token], index: int) -> bool:
    return index < len(tokens) and _small(tokens[index].norm) is not None


def _fits(group: int, small: int) -> bool:
    """Say whether a number below 100 continues a group: after "twenty" a unit, after "hundred" anything."""
    rest = group % 100
    if rest == 0:
        return True
    return rest % 10 == 0 and rest >= 20 and 0 < small < 10


def _glued_ordinal(number: Token, ending: Token) -> bool:
    return ending.norm in ("st", "nd", "rd", "th") and ending.start == number.end and number.text.isdigit()
