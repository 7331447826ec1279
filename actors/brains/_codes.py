"""Finding e-mail addresses, telephone numbers and codes in what was said."""

from __future__ import annotations

import re

from ._numbers import find_numbers
from ._schema import Parameter, parameter_stems
from ._spans import Span
from ._text import Utterance

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,32})+")

_SPOKEN_EMAIL = re.compile(
    r"\b((?:[\w-]{1,32}\s(?:dot|underscore)\s)*[\w.-]{1,64})\sat\s((?:[\w-]{1,32}\sdot\s){1,3}[\w-]{2,16})\b",
    re.IGNORECASE,
)


def find_email(utterance: Utterance) -> Span | None:
    """Return an e-mail address, written or spoken ("maria at example dot com")."""
    match = _EMAIL.search(utterance.text)
    text = match.group() if match else ""
    if match is None:
        match = _SPOKEN_EMAIL.search(utterance.text)
        if match is None:
            return None
        text = f"{match[1]}@{match[2]}".lower().replace(" dot ", ".").replace(" underscore ", "_")
    inside = [i for i, t in enumerate(utterance.tokens) if match.start() <= t.start and t.end <= match.end()]
    return Span(text=text.strip("."), start=inside[0], end=inside[-1] + 1) if inside else None


def find_phone(utterance: Utterance, taken: frozenset[int]) -> Span | None:
    """Return a telephone number of at least six figures, however it was grouped."""
    best: Span | None = None
    digits, start, end = "", 0, -1
    plus = False
    for number in find_numbers(utterance.tokens):
        if number.start in taken or number.digits.startswith("-") or "." in number.digits:
            continue
        if end == number.start:
            digits += number.digits
        else:
            digits, start = number.digits, number.start
            before = utterance.text[: utterance.tokens[start].start]
            plus = before.endswith("+") or utterance.norms[max(0, start - 1)] == "plus"
        end = number.end
        if len(digits) >= 6:
            best = Span(text=("+" if plus else "") + digits, start=start, end=end)
    return best


_LETTERED = re.compile(r"^[a-z]$")


def find_code(utterance: Utterance, parameter: Parameter, taken: frozenset[int], asked: bool) -> Span | None:
    """Return a number or code: "1842", "A B 12", "XK-7701".

    Args:
        utterance: What was said.
        parameter: What it identifies; a code after one of its words is the surest.
        taken: Tokens that mean something else.
        asked: Whether the agent has just asked for it.
    """
    tokens = utterance.tokens
    stems = parameter_stems(parameter)
    numbers = {span.start: span for span in find_numbers(tokens)}
    best: tuple[int, Span] | None = None
    index = 0
    while index < len(tokens):
        if index in taken:
            index += 1
            continue
        start, text = index, ""
        while index < len(tokens) and index not in taken and (not text or not tokens[index].break_before):
            number = numbers.get(index)
            single = _LETTERED.match(tokens[index].norm) and (
                tokens[index].norm not in ("a", "i")
                or (tokens[index].capital and (text or tokens[index].norm == "a"))
            )
            glued = (
                text
                and tokens[index].start == tokens[index - 1].end + 1
                and (utterance.text[tokens[index - 1].end] == "-")
            )
            if number is not None and not number.ordinal:
                text += ("-" if glued and not text.isdigit() else "") + number.digits
                index = number.end
            elif glued or single or (tokens[index].text.isupper() and len(tokens[index].text) > 1):
                text += ("-" if glued else "") + tokens[index].text.upper()
                index += 1
            else:
                break
        if any(character.isdigit() for character in text):
            near = any(token.stem in stems for token in tokens[max(0, start - 4) : start])
            rank = (2 if near else 0) + (1 if len(text) > 2 else 0) + (1 if asked else 0)
            if best is None or rank > best[0]:
                best = (rank, Span(text=text, start=start, end=index))
        index = max(index, start + 1)
    if best is None:
        return None
    return best[1] if best[0] >= 1 else None
