"""Matching what was said with the values of an enum."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import attrs

from ._numbers import find_numbers
from ._schema import Parameter
from ._text import STOP_WORDS, Utterance, name_words, read, stem, word_set
from ._times import WEEKDAYS, find_days

_SURE = 0.84
_ASKED = 0.72  # an answer to our question is about the choices, so a poorer likeness will do
_NEGATIONS = word_set("no not without hold skip except minus")

# Ways of saying common choices that share no word with them; tried where the choice itself was not said.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "pickup": (
        "pick up",
        "pick it up",
        "collect",
        "collection",
        "takeaway",
        "take away",
        "carry out",
        "to go",
    ),
    "delivery": ("deliver", "delivered", "bring it", "to my house", "to my place"),
    "billing": ("bill", "invoice", "payment", "charge", "charged", "refund"),
    "sales": ("buy", "purchase", "quote", "pricing"),
    "support": ("help", "technical", "broken", "not working", "problem"),
    "medium": ("regular", "middle"),
    "large": ("big", "biggest"),
    "small": ("little", "smallest"),
    "high": ("urgent",),
    "celsius": ("centigrade",),
}


@attrs.frozen(kw_only=True)
class ChoiceMatch:
    """A choice that was said, and with which tokens."""

    choice: object
    start: int
    end: int
    strength: float
    """1 for the very words, less for a likeness."""


def find_choices(
    parameter: Parameter, utterance: Utterance, *, asked: bool = False, taken: frozenset[int] = frozenset()
) -> list[ChoiceMatch]:
    """Return the choices of an enum that were said, in order, not overlapping; refused ones left out.

    Args:
        parameter: A parameter with choices.
        utterance: What was said.
        asked: Whether the agent has just asked for it.
        taken: Tokens that already mean something else.
    """
    found: list[ChoiceMatch] = []
    for choice in parameter.choices:
        match = _exact(choice, utterance, taken) or _synonym(choice, utterance, taken)
        if match is not None:
            found.append(match)
    if not found:
        found = _alike(parameter, utterance, taken, _ASKED if asked else _SURE)
    if not found and asked:
        found = _by_place(parameter, utterance)
    kept: list[ChoiceMatch] = []
    for match in sorted(found, key=lambda m: (m.start - m.end, -m.strength)):
        if all(match.end <= other.start or other.end <= match.start for other in kept):
            kept.append(match)
    kept.sort(key=lambda match: match.start)
    return [match for match in kept if not _refused(utterance, match)]


def best_choice(matches: Sequence[ChoiceMatch], utterance: Utterance) -> ChoiceMatch | None:
    """Return the choice that is meant: the surest, and the last of those after a correction."""
    if not matches:
        return None
    strongest = max(match.strength for match in matches)
    sure = [match for match in matches if match.strength >= strongest - 0.1]
    return sure[-1] if utterance.has("actually", "no", "sorry", "rather", "instead", "i mean") else sure[0]


def _exact(choice: object, utterance: Utterance, taken: frozenset[int]) -> ChoiceMatch | None:
    if isinstance(choice, bool):
        return None
    if isinstance(choice, int | float):
        for number in find_numbers(utterance.tokens):
            if number.value == choice and number.start not in taken:
                return ChoiceMatch(choice=choice, start=number.start, end=number.end, strength=1.0)
        return None
    weekday = _weekday_of(str(choice))
    if weekday is not None:
        for day in find_days(utterance):
            if day.weekday == weekday and day.start not in taken:
                return ChoiceMatch(choice=choice, start=day.start, end=day.end, strength=1.0)
        return None
    wanted = [stem(word) for word in name_words(str(choice))]
    if not wanted:
        return None
    stems = [token.stem for token in utterance.tokens]
    for start in range(len(stems) - len(wanted) + 1):
        if stems[start : start + len(wanted)] == wanted and start not in taken:
            return ChoiceMatch(choice=choice, start=start, end=start + len(wanted), strength=1.0)
    return None


def _weekday_of(text: str) -> int | None:
    lowered = text.strip().lower()
    for index, day in enumerate(WEEKDAYS):
        if len(lowered) >= 3 and (day.lower().startswith(lowered) or lowered == f"{day.lower()}s"):
            return index
    return None


def _synonym(choice: object, utterance: Utterance, taken: frozenset[int]) -> ChoiceMatch | None:
    for phrase in _SYNONYMS.get("".join(name_words(str(choice))), ()):
        wanted = [token.stem for token in read(phrase).tokens]
        stems = [token.stem for token in utterance.tokens]
        for start in range(len(stems) - len(wanted) + 1):
            if stems[start : start + len(wanted)] == wanted and start not in taken:
                return ChoiceMatch(choice=choice, start=start, end=start + len(wanted), strength=0.8)
    return None


def _alike(
    parameter: Parameter, utterance: Utterance, taken: frozenset[int], threshold: float
) -> list[ChoiceMatch]:
    """Compare single words: a telling word of a choice, a shared beginning, or a close spelling."""
    texts = [choice for choice in parameter.choices if isinstance(choice, str)]
    counts: dict[str, int] = {}
    for text in texts:
        for word in {stem(word) for word in name_words(text)}:
            counts[word] = counts.get(word, 0) + 1
    found: list[ChoiceMatch] = []
    for text in texts:
        telling = [w for w in name_words(text) if counts[stem(w)] == 1 and w not in STOP_WORDS]
        best: ChoiceMatch | None = None
        for index, token in enumerate(utterance.tokens):
            if index in taken or token.norm in STOP_WORDS:
                continue
            for word in telling:
                likeness = max(_likeness(token.stem, stem(word)), _likeness(token.norm, word))
                if likeness >= threshold and (best is None or likeness > best.strength):
                    best = ChoiceMatch(choice=text, start=index, end=index + 1, strength=likeness)
        if best is not None:
            found.append(best)
    return found


def _likeness(said: str, wanted: str) -> float:
    if said == wanted:
        return 0.95
    shorter = min(len(said), len(wanted))
    shared = next((i for i in range(shorter) if said[i] != wanted[i]), shorter)
    if shared >= 5 and shared >= 0.75 * shorter:
        return 0.9
    if shorter < 4:
        return 0.0
    return difflib.SequenceMatcher(None, said, wanted, autojunk=False).ratio()


_PLACES = {"first": 0, "second": 1, "third": 2, "last": -1, "latter": -1, "former": 0}


def _by_place(parameter: Parameter, utterance: Utterance) -> list[ChoiceMatch]:
    for index, norm in enumerate(utterance.norms):
        place = _PLACES.get(norm)
        if place is not None and place < len(parameter.choices):
            return [ChoiceMatch(choice=parameter.choices[place], start=index, end=index + 1, strength=0.7)]
    return []


def _refused(utterance: Utterance, match: ChoiceMatch) -> bool:
    """Say whether the words before refuse the choice: "no onions", "not the large one"."""
    tokens = utterance.tokens
    index = match.start
    for _ in range(3):
        # "No, large": the comma makes it an answer and a wish.
        if index == 0 or tokens[index].break_before:
            return False
        index -= 1
        if tokens[index].norm in _NEGATIONS:
            return True
        if tokens[index].norm not in ("the", "a", "any", "for", "too", "extra", "my"):
            return False
    return False
