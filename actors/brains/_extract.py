"""Finding names, places, codes and free text in what was said."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from ._numbers import NUMBER_WORDS, find_numbers
from ._schema import Parameter, parameter_stems
from ._text import STOP_WORDS, Token, Utterance, phrases, stem, word_set
from ._times import MONTHS, WEEKDAYS

_CALENDAR = word_set(
    "today tomorrow tonight yesterday morning afternoon evening noon midday midnight night week weekend "
    "month year oclock am pm day hour minute half quarter past"
) | {name.lower() for name in (*WEEKDAYS, *MONTHS)}
_NOT_NAMES = word_set(
    "calling looking here there sorry fine good great sick ill happy new trying interested hoping "
    "wondering late afraid sure going ready done free available busy unable able hungry tired okay not "
    "just also still having back booking book appointment patient customer speaking please thanks thank "
    "hello hi yes no maybe table pizza"
)
_PARTICLES = word_set("de la van von der den del di da st saint mac o al el bin ten ter los las")
_TITLES = word_set("dr doctor mr mrs ms miss professor prof")
_FILLERS = word_set("um uh er erm well so oh ah okay ok yes yeah yep sure right please hmm hi hello")

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
        or token.norm in _CALENDAR
        or stem(token.norm) in _CALENDAR
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
        if norms[start] in _FILLERS and start + 1 < end:
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


def titled(text: str) -> str:
    """Give a name capitals where the recogniser wrote none."""
    if any(character.isupper() for character in text):
        return text
    words = text.split()
    return " ".join(
        word
        if word in _PARTICLES and index
        else "-".join(part[:1].upper() + part[1:] for part in word.split("-"))
        for index, word in enumerate(words)
    )


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
            inside = token.norm in _PARTICLES and end + 1 < len(tokens) and tokens[end + 1].capital
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
        for start in _after(utterance, lead):
            span = _run(utterance, start, taken, lower=3)
            if span is not None:
                return span
    for lead in _CONTACT_LEADS if others else _NAME_LEADS:
        for start in _after(utterance, lead):
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


def _after(utterance: Utterance, lead: str) -> Iterable[int]:
    words = lead.split()
    norms = list(utterance.norms)
    for index in range(len(norms) - len(words)):
        if norms[index : index + len(words)] == words:
            yield index + len(words)


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
            for start in _after(utterance, lead):
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
            for start in _after(utterance, lead):
                if not known_word(utterance.tokens[start]) or lead != own:
                    span = _rest(utterance, start, taken)
                    if span is not None and len(words) > 0 and not {stem(own)} & ignore:
                        return span
    for known, leads in _TEXT_LEADS:
        if words & known:
            for lead in leads:
                for start in _after(utterance, lead):
                    if start not in taken and not _calendar(utterance.tokens[start]):
                        span = _rest(utterance, start, taken)
                        if span is not None:
                            return span
    return left_over(utterance, taken, ignore) if parameter.required else None


def _calendar(token: Token) -> bool:
    return token.norm in _CALENDAR or token.is_number or token.norm in NUMBER_WORDS


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
        telling = telling and token.norm not in _FILLERS | _CALENDAR | _WANTING
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
