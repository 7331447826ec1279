"""Pieces of what was said, and answers without the words around them."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ._numbers import NUMBER_WORDS
from ._text import STOP_WORDS, Token, Utterance, phrases, stem, word_set
from ._times import MONTHS, WEEKDAYS

CALENDAR = word_set(
    "today tomorrow tonight yesterday morning afternoon evening noon midday midnight night week weekend "
    "month year oclock am pm day hour minute half quarter past"
) | {name.lower() for name in (*WEEKDAYS, *MONTHS)}

FILLERS = word_set("um uh er erm well so oh ah okay ok yes yeah yep sure right please hmm hi hello")

_ANSWER_LEADS = phrases(
    "my name is, the name is, name is, it is under, it is for, that would be, that is, it is, this is, i "
    "am called, i am, call me, put it under, make it, let us say, i would like, i would say, i want, i "
    "think, you can call me, under the name of, under the name, under, just, for, in, at, to, the, a, "
    "because of, because, i have, i need, about, on"
)

_ANSWER_TAILS = phrases("please, thanks, thank you, thank you very much, i think, is my name, if possible")


@attrs.frozen(kw_only=True)
class Span:
    """A value and the tokens it was said with."""

    text: str
    start: int
    end: int


def known_word(token: Token) -> bool:
    """Say whether a token cannot be part of a name: a day, a number, a word that carries no meaning."""
    return (
        token.norm in STOP_WORDS
        or token.norm in CALENDAR
        or stem(token.norm) in CALENDAR
        or token.norm in NUMBER_WORDS
        or token.is_number
    )


def spoken_answer(utterance: Utterance) -> Span | None:
    """Return an answer without the words around it: "um, it's Maria, thanks" gives "Maria"."""
    norms = utterance.norms
    start, end = 0, len(norms)
    changed = True
    while changed and start < end:
        changed = False
        if norms[start] in FILLERS and start + 1 < end:
            start += 1
            changed = True
            continue
        for lead in _ANSWER_LEADS:
            words = lead.split()
            if list(norms[start : start + len(words)]) == words and start + len(words) < end:
                start += len(words)
                changed = True
                break
    changed = True
    while changed and start < end:
        changed = False
        for tail in _ANSWER_TAILS:
            words = tail.split()
            if list(norms[end - len(words) : end]) == words and end - len(words) > start:
                end -= len(words)
                changed = True
                break
    return Span(text=utterance.slice(start, end), start=start, end=end) if start < end else None


PARTICLES = word_set("de la van von der den del di da st saint mac o al el bin ten ter los las")


def titled(text: str) -> str:
    """Give a name capitals where the recogniser wrote none."""
    if any(character.isupper() for character in text):
        return text
    words = text.split()
    return " ".join(
        word
        if word in PARTICLES and index
        else "-".join(part[:1].upper() + part[1:] for part in word.split("-"))
        for index, word in enumerate(words)
    )


def after(utterance: Utterance, lead: str) -> Iterable[int]:
    """Return the indices after each place where a phrase was said."""
    words = lead.split()
    norms = list(utterance.norms)
    for index in range(len(norms) - len(words)):
        if norms[index : index + len(words)] == words:
            yield index + len(words)


def of_calendar(token: Token) -> bool:
    """Say whether a token belongs to a day, a time or a number."""
    return token.norm in CALENDAR or token.is_number or token.norm in NUMBER_WORDS
