"""Who the agent is and what it was told, read from the session's instructions."""

from __future__ import annotations

import datetime
import enum
import functools
import re

import attrs

from ._text import Utterance, read, sentence, stem, word_set

MAX_INSTRUCTIONS = 20_000
_OPENING = 3_000
_LONGEST = 300


class Domain(enum.Enum):
    """What sort of place the agent answers for."""

    CLINIC = "clinic"
    PIZZA = "pizza"
    GENERAL = "general"


@attrs.frozen(kw_only=True, eq=False)
class Persona:
    """Who the agent is."""

    agent: str = ""
    """Its own name."""

    business: str = ""
    """Whom it answers for, with an article where one belongs: "the Harbour Street clinic"."""

    role: str = ""
    """What it is: "receptionist"."""

    domain: Domain = Domain.GENERAL
    greeting: str = ""
    """What it was told to say first."""

    facts: tuple[Fact, ...] = ()
    today: datetime.date | None = None


@attrs.frozen(kw_only=True, eq=False)
class Fact:
    """A sentence of the instructions that answers a question."""

    text: str
    stems: frozenset[str]


_NAME = r"[A-Z][\w'&-]*(?:\s+(?:[A-Z][\w'&-]*|of|and|&|de|the(?=\s[A-Z])))*"
_AGENT = (
    re.compile(rf"\b[Yy]our name is ({_NAME})"),
    re.compile(
        rf"(?<!place )(?<!clinic )(?<!shop )(?<!restaurant )(?<!company )\b(?:named|called) ({_NAME})"
    ),
    re.compile(
        rf"\b[Yy]ou(?: are|'re) (?!(?:The|A|An)\b)({_NAME})(?=[,.;]|\s+(?:from|at|the|a|an|of|who)\b|$)"
    ),
)
_KINDS = (
    "clinic|practice|surgery|hospital|dental|dentist|pizzeria|pizza|restaurant|shop|store|hotel|bank|company|"
    "office|agency|salon|garage|school|library|museum|bakery|cafe|harbour|harbor|port|pharmacy|desk|service|line"
)
_WORKPLACE = (
    r"(?:receptionist|assistant|agent|operator|host|hostess|clerk|concierge|representative|order taker)"
)
_BUSINESS = (
    re.compile(rf"\b(?:place|{_KINDS}) (?:named|called) ({_NAME})"),
    re.compile(
        rf"\b{_WORKPLACE}\b[\w\s]{{0,30}}?\b(?:at|of|for|from)\s+((?:the|a|an|our)?\s?[^.,;:\n]{{2,60}})",
        re.IGNORECASE,
    ),
    re.compile(
        r"\byou (?:work|answer|take \w+|speak) [\w\s]{0,30}?\b(?:at|for|from)\s+((?:the|a|an)?\s?[^.,;:\n]{2,60})",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?:at|for|from|of)\s+((?:the\s+)?{_NAME}(?:\s+(?:{_KINDS}))?)"),
    re.compile(rf"\b((?:the\s+)?(?:[A-Z][\w'&-]*\s+)+(?:{_KINDS}))\b", re.IGNORECASE),
)
_ROLE = re.compile(rf"\byou(?: are|'re) (?:the|a|an) ((?:\w+\s){{0,3}}?{_WORKPLACE})\b", re.IGNORECASE)
_GREETING = re.compile(
    r"\b(?:greet|answer|open|begin|start)\b[^.\"]{0,60}?(?:with|by saying|saying|:)\s*[:,]?\s*\"([^\"]{2,200})\"",
    re.IGNORECASE,
)
_TODAY = re.compile(
    r"\b(?:today(?:'s date)?|the date|current date)\s*(?:is|:)?\s*[A-Za-z, ]{0,14}(\d{4}-\d{2}-\d{2})",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+|\s*;\s+")
_BULLET = re.compile(r"^[\s*#>\u2022-]+")
_CLINIC = word_set(
    "clinic doctor doctors patient patients dentist dental medical surgery physician hospital nurse health"
)

# Sentences that tell the agent how to behave are not for the caller's ears.
_ORDERS = word_set(
    "always never be keep speak say do don't avoid ask use call you your if when greet answer act respond "
    "reply only make let please must should try remember help offer take confirm collect transfer stay "
    "talk sound pretend end"
)
_FACT_VERBS = word_set(
    "is are costs cost opens open closes close have has offer offers accept accepts takes take serve "
    "serves includes include deliver delivers lasts starts ends was were can charge charges located sell "
    "sells speaks needs"
)


@functools.lru_cache(maxsize=64)
def read_persona(instructions: str) -> Persona:
    """Read instructions such as "You are Ada, the receptionist of the Harbour Street clinic. ..."."""
    text = (
        instructions[:MAX_INSTRUCTIONS].replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", '"')
    )
    greeting = _GREETING.search(text[:_OPENING])
    # Who the agent is stands in the first sentences. Each is read by itself and cut, because the patterns
    # take time that grows with the square of what they are given.
    opening = [str(line)[:_LONGEST] for line in _SENTENCES.split(text[:_OPENING])]
    role = next((match for line in opening if (match := _ROLE.search(line))), None)
    return Persona(
        agent=next((name for line in opening if (name := _agent(line))), ""),
        business=next((name for line in opening if (name := _business(line))), ""),
        role=" ".join(role[1].split()).lower() if role else "",
        domain=_domain(text),
        greeting=greeting[1].strip() if greeting else "",
        facts=_facts(text),
        today=_today(text),
    )


def _agent(text: str) -> str:
    for pattern in _AGENT:
        match = pattern.search(text)
        if match:
            return match[1].strip()
    return ""


_CUT = re.compile(
    r"\s+(?:that|who|which|and|where|on|in order|to help|helping|answering|with|by)\b.*$", re.IGNORECASE
)


def _business(text: str) -> str:
    for pattern in _BUSINESS:
        match = pattern.search(text)
        if match is None:
            continue
        name = " ".join(_CUT.sub("", match[1]).split()).strip(" '\"")
        name = re.sub(r"^(?:a|an|our)\s+(?=[a-z])", "the ", name)
        words = [word for word in name.split() if word.lower() not in ("the", "a", "an", "our")]
        if (
            words
            and len(words) <= 7
            and words[0].lower() not in ("callers", "customers", "patients", "users", "you")
        ):
            return name
    return ""


def _domain(text: str) -> Domain:
    words = {token.norm for token in read(text).tokens}
    if words & {"pizza", "pizzas", "pizzeria"}:
        return Domain.PIZZA
    return Domain.CLINIC if words & _CLINIC else Domain.GENERAL


def _today(text: str) -> datetime.date | None:
    match = _TODAY.search(text)
    try:
        return datetime.date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _facts(text: str) -> tuple[Fact, ...]:
    found: list[Fact] = []
    for raw in _SENTENCES.split(text):
        line = _BULLET.sub("", raw).strip()
        said = read(line)
        norms = said.norms
        if not 3 <= len(norms) <= 40 or norms[0] in _ORDERS or "you" in norms[:3]:
            continue
        if not set(norms) & _FACT_VERBS and ":" not in line:
            continue
        content = frozenset(stem(part) for token in said.content for part in token.norm.split("-"))
        if content and norms[0] != "today":
            found.append(Fact(text=sentence(line), stems=content))
    return tuple(found[:100])


# How one asks for what a fact holds in other words.
_ASKED_BY = (
    (
        word_set("price cost costs fee charge charges dollars euros pounds"),
        word_set("much price cost charge expensive fee"),
    ),
    (
        word_set("address located street road avenue"),
        word_set("where address located location find directions"),
    ),
    (word_set("open opens close closes hours"), word_set("open hours close closed opening when")),
    (
        word_set("insurance insurances insurers accept accepts"),
        word_set("insurance insurances insurer covered coverage take accept"),
    ),
    (word_set("parking park"), word_set("park parking car")),
    (word_set("phone number email"), word_set("phone number contact email reach")),
    (word_set("deliver delivery minutes takes"), word_set("long deliver delivery take")),
)


def recall(persona: Persona, said: Utterance) -> str:
    """Return the sentences of the instructions that answer what was said, "" where none does."""
    norms = set(said.norms)
    stems = {stem(part) for token in said.content for part in token.norm.split("-")}
    if not stems and not norms & {"much", "where", "long", "when"}:
        return ""
    best: tuple[float, Fact] | None = None
    for fact in persona.facts:
        points = 0.0
        about = set(stems)
        for held, asked in _ASKED_BY:
            if norms & asked and fact.stems & {stem(word) for word in held}:
                points += 1.5
                about -= {stem(word) for word in asked}
        shared = len(stems & fact.stems)
        if about and not about & fact.stems:
            # "How much is a pizza" is not answered by the price of something else.
            continue
        points += shared
        if points >= 1.5 and (best is None or points > best[0]):
            best = (points, fact)
    if best is None and len(stems) == 1:
        best = next(((1.0, fact) for fact in persona.facts if stems <= fact.stems), None)
    return best[1].text if best else ""
