"""Finding names of people, places and addresses in what was said."""

from __future__ import annotations

import attrs

from ._numbers import find_numbers
from ._schema import Parameter
from ._spans import PARTICLES, Span, after, known_word, spoken_answer, titled
from ._text import STOP_WORDS, Utterance, phrases, word_set

_NOT_NAMES = word_set(
    "calling looking here there sorry fine good great sick ill happy new trying interested hoping "
    "wondering late afraid sure going ready done free available busy unable able hungry tired okay not "
    "just also still having back booking book appointment patient customer speaking please thanks thank "
    "hello hi yes no maybe table pizza"
)

_TITLES = word_set("dr doctor mr mrs ms miss professor prof")


def _run(
    utterance: Utterance,
    start: int,
    taken: frozenset[int],
    *,
    lower: int,
    ignore: frozenset[str] = frozenset(),
) -> Span | None:
    """Read a proper name at a token: a run of capitals, or at most `lower` words without."""
    tokens = utterance.tokens
    end = start
    if start >= len(tokens):
        return None
    capital = tokens[start].capital
    while end < len(tokens) and end not in taken:
        token = tokens[end]
        titles_before = end > start and tokens[end - 1].norm in _TITLES | {"st"}
        if end > start and token.break_before and not titles_before:
            break
        if capital:
            inside = token.norm in PARTICLES and end + 1 < len(tokens) and tokens[end + 1].capital
            if not (token.capital or inside) or (known_word(token) and not inside) or token.norm in ignore:
                break
        elif (
            known_word(token)
            or token.norm in _NOT_NAMES
            or token.stem in ignore
            or token.norm in ignore
            or token.capital
            or end - start >= lower
        ):
            break
        end += 1
    if end == start:
        return None
    return Span(text=titled(utterance.slice(start, end)), start=start, end=end)


_SURE_NAME_LEADS = phrases(
    "my name is, the name is, name is, under the name of, under the name, call me, in the name of, my "
    "name, name of"
)

_NAME_LEADS = phrases("this is, i am, under, for, it is")

_CONTACT_LEADS = phrases("speak to, speak with, talk to, talk with, with, to, see, for, from, call")


def find_name(utterance: Utterance, parameter: Parameter, taken: frozenset[int], asked: bool) -> Span | None:
    """Return the name of a person.

    Args:
        utterance: What was said.
        parameter: Whose name is wanted: "doctor" and "contact" are others', the rest the caller's.
        taken: Tokens that mean something else.
        asked: Whether the agent has just asked for it: then a bare name will do.
    """
    others = set(parameter.words) & word_set("doctor contact recipient employee who owner person")
    for lead in _SURE_NAME_LEADS if not others else ():
        for start in after(utterance, lead):
            span = _run(utterance, start, taken, lower=3)
            if span is not None:
                return span
    for lead in _CONTACT_LEADS if others else _NAME_LEADS:
        for start in after(utterance, lead):
            if start < len(utterance.tokens) and utterance.tokens[start].capital:
                span = _run(utterance, start, taken, lower=0)
                if span is not None and span.text.lower() not in _NOT_NAMES:
                    return span
    for ending in ("speaking", "here"):
        norms = utterance.norms
        if ending in norms[1:] and utterance.tokens[norms.index(ending) - 1].capital:
            at = norms.index(ending) - 1
            while at > 0 and utterance.tokens[at - 1].capital and not utterance.tokens[at].break_before:
                at -= 1
            return _run(utterance, at, taken, lower=0)
    if asked:
        answer = spoken_answer(utterance)
        if answer is not None:
            span = _run(utterance, answer.start, taken, lower=3)
            if span is not None:
                return span
            # An odd name ("April May"): take what was said, if it is short enough to be one.
            if answer.end - answer.start <= 3 and not taken & set(range(answer.start, answer.end)):
                first = utterance.tokens[answer.start]
                if not first.is_number and first.norm not in STOP_WORDS:
                    return attrs.evolve(answer, text=titled(answer.text))
    return None


_DIRECTIONS = word_set("from origin departure source to destination arrival target dropoff pickup start end")

_STREETS = word_set(
    "street st road rd avenue ave lane drive way square place court boulevard blvd row close hill"
)


def find_place(
    utterance: Utterance, parameter: Parameter, taken: frozenset[int], ignore: frozenset[str], asked: bool
) -> Span | None:
    """Return a place or an address.

    Args:
        utterance: What was said.
        parameter: Which one is wanted ("origin" is after "from", "destination" after "to").
        taken: Tokens that mean something else.
        ignore: Stems that speak of the function, not of a place.
        asked: Whether the agent has just asked for it.
    """
    words = set(parameter.words)
    if words & {"address", "street"}:
        span = find_address(utterance, taken)
        if span is not None:
            return span
    leads: tuple[str, ...] = ("in", "at", "near", "around", "for", "to", "of", "from", "into")
    if words & word_set("from origin departure start pickup source"):
        leads = ("from", "leaving", "out of")
    elif words & word_set("to destination arrival end dropoff target"):
        leads = ("to", "into", "for")
    for capital in (True, False):
        for lead in leads:
            for start in after(utterance, lead):
                at = (
                    start + 1
                    if start + 1 < len(utterance.tokens) and utterance.norms[start] == "the"
                    else start
                )
                if at >= len(utterance.tokens) or utterance.tokens[at].capital is not capital:
                    continue
                if utterance.tokens[at].break_before:
                    continue
                span = _run(utterance, at, taken, lower=3, ignore=ignore)
                if span is not None:
                    return span
    if asked:
        answer = spoken_answer(utterance)
        if (
            answer is not None
            and not taken & set(range(answer.start, answer.end))
            and answer.end - answer.start <= 6
            and utterance.norms[answer.start] not in ("not", "do", "what")
        ):
            return attrs.evolve(answer, text=titled(answer.text))
    if words & _DIRECTIONS:
        # "A flight to Madrid" says nothing of where from.
        return None
    for index, token in enumerate(utterance.tokens):
        if token.capital and token.stem not in ignore and index not in taken and not known_word(token):
            started = index == 0 or token.break_before
            if not started or (token.norm not in _NOT_NAMES and parameter.required):
                return _run(utterance, index, taken, lower=0, ignore=ignore)
    return None


def find_address(utterance: Utterance, taken: frozenset[int]) -> Span | None:
    """Read "12 High Street": a number and the words after it, up to a street word or a pause."""
    tokens = utterance.tokens
    for number in find_numbers(tokens):
        end = number.end
        while (
            end < len(tokens) and end not in taken and not tokens[end].break_before and end - number.end < 5
        ):
            if tokens[end].norm in STOP_WORDS or tokens[end].norm in ("am", "pm", "oclock"):
                break
            end += 1
            if tokens[end - 1].norm in _STREETS:
                break
        words = tokens[number.end : end]
        if words and (words[-1].norm in _STREETS or all(word.capital for word in words)):
            text = titled(" ".join(word.text for word in words))
            return Span(text=f"{number.digits} {text}", start=number.start, end=end)
    return None
