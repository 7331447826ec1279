"""What was said, cut into words that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

# An utterance is seconds of speech; a message typed by a program may be a book. The rules read the beginning.
MAX_CHARACTERS = 2_000


def word_set(words: str) -> frozenset[str]:
    """Return the words of a string as a set; keeps word lists readable in the source."""
    return frozenset(words.split())


def phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a string, which commas part."""
    return tuple(phrase.strip() for phrase in text.split(","))


_PM = re.compile(r"\b([ap])\.\s?m\b\.?", re.IGNORECASE)
_WHITE = re.compile(r"\s+")
_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:[.:]\d+)*|[^\W\d_]+(?:['-][^\W\d_]+)*|_")
_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
)

_IS_WORDS = "what where who how when that it he she there here name today which this"
_CONTRACTIONS = (
    (re.compile(r"\b(can)'t\b", re.IGNORECASE), r"\1 not"),
    (re.compile(r"\b(wo)n't\b", re.IGNORECASE), "will not"),
    (re.compile(r"\b(sha)n't\b", re.IGNORECASE), "shall not"),
    (re.compile(r"\b([a-z]+)n't\b", re.IGNORECASE), r"\1 not"),
    (re.compile(rf"\b({'|'.join(_IS_WORDS.split())})'s\b", re.IGNORECASE), r"\1 is"),
    (re.compile(r"\b(let)'s\b", re.IGNORECASE), r"\1 us"),
    (re.compile(r"\b(i)'m\b", re.IGNORECASE), r"\1 am"),
    (re.compile(r"\b(i|you|he|she|we|they|it|that)'d\b", re.IGNORECASE), r"\1 would"),
    (re.compile(r"\b(i|you|he|she|we|they|it|that|there)'ll\b", re.IGNORECASE), r"\1 will"),
    (re.compile(r"\b(i|you|we|they)'ve\b", re.IGNORECASE), r"\1 have"),
    (re.compile(r"\b(you|we|they|what)'re\b", re.IGNORECASE), r"\1 are"),
    (re.compile(r"\bo'clock\b", re.IGNORECASE), "oclock"),
    (re.compile(r"\bo clock\b", re.IGNORECASE), "oclock"),
)

STOP_WORDS = word_set(
    "a an the this that these those i me my mine we us our ours you your yours he him his she her hers it "
    "its they them their of in on at to for from with by about as into and or but if then so than too "
    "very just only also am is are was were be been being do does did done have has had having will would "
    "shall should can could may might must not no nor what which who whom whose when where why how there "
    "here please ok okay well um uh er hmm like want need wish get got give let say tell know think make "
    "some any all both more most other such own same yes yeah yep hello hi hey thanks thank much many lot "
    "bit really actually maybe perhaps right now again up out off over under per via one ones im id ill "
    "something anything someone anyone going go come us today would looking look wondering wonder hoping "
    "try trying"
)
"""Words that say little about what is wanted."""


@attrs.frozen(kw_only=True)
class Token:
    """One word or number of an utterance."""

    text: str
    """As said."""

    norm: str
    """Lower case, without a possessive ending."""

    stem: str
    break_before: bool
    """Whether punctuation parts it from the token before."""

    start: int
    end: int

    @property
    def capital(self) -> bool:
        """Whether it is written with a capital."""
        return self.text[:1].isupper()

    @property
    def is_number(self) -> bool:
        """Whether it is written in figures."""
        return self.text[:1].isdigit()


@attrs.frozen
class Utterance:
    """A text with its tokens."""

    text: str
    """Cleaned: plain quotes, contractions written out, one space between words."""

    tokens: tuple[Token, ...]

    @property
    def norms(self) -> tuple[str, ...]:
        """The words in lower case."""
        return tuple(token.norm for token in self.tokens)

    @property
    def stems(self) -> frozenset[str]:
        """The stems of all words."""
        return frozenset(token.stem for token in self.tokens)

    @property
    def content(self) -> tuple[Token, ...]:
        """The tokens that say something: no stop words."""
        return tuple(token for token in self.tokens if token.norm not in STOP_WORDS)

    def has(self, *words: str) -> bool:
        """Say whether any of the words or phrases was said (whole words, lower case)."""
        joined = f" {' '.join(self.norms)} "
        return any(f" {word} " in joined for word in words)

    def slice(self, start: int, end: int) -> str:
        """Return the text of the tokens `start` to `end` (exclusive)."""
        if start >= end:
            return ""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]

    def part(self, start: int, end: int) -> Utterance:
        """Return the tokens `start` to `end` (exclusive) as an utterance of its own."""
        if (start, end) == (0, len(self.tokens)):
            return self
        return read(self.slice(start, end))


def clean(text: str) -> str:
    """Return a text with plain quotes, contractions written out and single spaces, cut to a sane length."""
    text = _WHITE.sub(" ", text[:MAX_CHARACTERS].translate(_QUOTES)).strip()
    text = _PM.sub(r"\1m", text)
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    return text


def read(text: str) -> Utterance:
    """Cut a text into tokens.

    Args:
        text: Anything; only the first `MAX_CHARACTERS` are read.
    """
    text = clean(text)
    tokens: list[Token] = []
    previous = 0
    for match in _TOKEN.finditer(text):
        word = match.group()
        if word == "_":
            continue
        norm = word.lower()
        norm = norm.removesuffix("'s")
        gap = text[previous : match.start()]
        tokens.append(
            Token(
                text=word,
                norm=norm,
                stem=stem(norm),
                break_before=any(character in ",.;:?!()" for character in gap),
                start=match.start(),
                end=match.end(),
            )
        )
        previous = match.end()
    return Utterance(text, tuple(tokens))


def stem(word: str) -> str:
    """Cut the commonest English endings, so that "opening", "opens" and "open" compare equal.

    Args:
        word: One word in lower case.
    """
    if len(word) <= 3 or not word.isascii() or word[0].isdigit():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and any(vowel in base for vowel in "aeiouy"):
            word = base
            # "stopped", "cancelled", but "called", "missed".
            if word[-1] == word[-2] and (word[-1] not in "lsz" or len(word) > 5):
                word = word[:-1]
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^A-Za-z0-9\u00c0-\u024f]+")


def name_words(identifier: str) -> tuple[str, ...]:
    """Return the words of an identifier in lower case: "getOpening_hours" gives get, opening, hours."""
    spaced = _CAMEL.sub(" ", identifier[:MAX_CHARACTERS])
    return tuple(word for word in _NOT_WORD.sub(" ", spaced).lower().split() if word)


_QUESTION_WORDS = word_set(
    "what when where how who which why is are do does can could will would did am should have has"
)
_BEFORE_QUESTIONS = word_set("um uh well so and but oh sorry okay ok yes")


def is_question(said: Utterance) -> bool:
    """Say whether a turn asks something."""
    norms = [norm for norm in said.norms if norm not in _BEFORE_QUESTIONS]
    return said.text.rstrip().endswith("?") or bool(len(norms) > 2 and norms[0] in _QUESTION_WORDS)


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join as people do: "a, b and c"."""
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def sentence(text: str) -> str:
    """Return the text with a capital at its start and punctuation at its end."""
    text = text.strip()
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?\u2026" else text.rstrip(",;:") + "."


def join(parts: Iterable[str]) -> str:
    """Join sentences, leaving out empty ones."""
    return " ".join(part for part in parts if part)
