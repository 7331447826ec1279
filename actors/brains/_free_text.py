"""Finding messages, reasons, queries and other free text in what was said."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ._schema import Parameter
from ._spans import CALENDAR, FILLERS, Span, after, known_word, of_calendar, spoken_answer
from ._text import STOP_WORDS, Utterance, phrases, stem, word_set

_TEXT_LEADS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (
        word_set("reason symptom symptoms complaint problem issue purpose concern topic subject"),
        ("because of", "because", "about", "regarding", "i have", "i have got", "due to", "for"),
    ),
    (
        word_set("message note text content body comment memo reminder announcement task todo what"),
        (
            "saying that",
            "saying",
            "that says",
            "tell them that",
            "tell them",
            "message that",
            "that",
            "to",
            "about",
        ),
    ),
    (word_set("genre style song artist title movie show"), ("some", "play", "by", "called")),
)

_QUERY_WORDS = word_set("query question search prompt request utterance input term terms keyword keywords")

_QUERY_LEADS = phrases(
    "can you, could you, please, would you, i would like to, i want to, search the web for, search for, "
    "look up, look for, find out, find me, find, search, tell me about, tell me, i would like, i need, do "
    "you have, do you know, ask about"
)


def find_text(
    utterance: Utterance, parameter: Parameter, taken: frozenset[int], ignore: frozenset[str], asked: bool
) -> Span | None:
    """Return free text for a parameter.

    Args:
        utterance: What was said.
        parameter: What is wanted.
        taken: Tokens that mean something else.
        ignore: Stems that speak of the function itself.
        asked: Whether the agent has just asked for it: then the whole answer is the text.
    """
    if asked:
        return spoken_answer(utterance)
    quoted = re.search(r'"([^"]{1,200})"', utterance.text)
    if quoted:
        return Span(text=quoted[1], start=0, end=0)
    words = set(parameter.words)
    if words & _QUERY_WORDS:
        return _without_leads(utterance)
    for own in sorted(words - STOP_WORDS):
        for lead in (f"{own} is", f"{own} says", f"{own}"):
            for start in after(utterance, lead):
                if not known_word(utterance.tokens[start]) or lead != own:
                    span = _rest(utterance, start, taken)
                    if span is not None and len(words) > 0 and not {stem(own)} & ignore:
                        return span
    for known, leads in _TEXT_LEADS:
        if words & known:
            for lead in leads:
                for start in after(utterance, lead):
                    if start not in taken and not of_calendar(utterance.tokens[start]):
                        span = _rest(utterance, start, taken)
                        if span is not None:
                            return span
    return left_over(utterance, taken, ignore) if parameter.required else None


def _without_leads(utterance: Utterance) -> Span | None:
    start, end = 0, len(utterance.tokens)
    changed = True
    while changed:
        changed = False
        for lead in _QUERY_LEADS:
            words = lead.split()
            if list(utterance.norms[start : start + len(words)]) == words and start + len(words) < end:
                start += len(words)
                changed = True
    if end - 1 > start and utterance.norms[end - 1] in ("please", "thanks"):
        end -= 1
    return Span(text=utterance.slice(start, end), start=start, end=end) if start < end else None


def _rest(utterance: Utterance, start: int, taken: frozenset[int]) -> Span | None:
    """Read to the next pause, or to where something else is meant."""
    end = start
    while end < len(utterance.tokens) and end not in taken:
        if end > start and utterance.tokens[end].break_before:
            break
        end += 1
    while end > start and utterance.norms[end - 1] in STOP_WORDS:
        end -= 1
    return Span(text=utterance.slice(start, end), start=start, end=end) if end > start else None


_WANTING = word_set("buy order find search show check book look want see hear call start add play put")


def left_over(utterance: Utterance, taken: frozenset[int], ignore: Iterable[str]) -> Span | None:
    """Return the longest run of words that mean something and are not accounted for."""
    ignored = frozenset(ignore)
    best: tuple[int, int] | None = None
    start: int | None = None
    end = 0
    for index, token in enumerate(utterance.tokens):
        telling = index not in taken and token.norm not in STOP_WORDS and token.stem not in ignored
        telling = telling and token.norm not in FILLERS | CALENDAR | _WANTING
        joins = start is not None and not token.break_before and index not in taken
        if telling:
            if start is None or not joins:
                start = index
            end = index + 1
            if best is None or end - start > best[1] - best[0]:
                best = (start, end)
        elif not joins or token.stem in ignored:
            start = None
    if best is None:
        return None
    return Span(text=utterance.slice(*best), start=best[0], end=best[1])
