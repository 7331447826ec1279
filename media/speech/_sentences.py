"""Cutting text into what is synthesised at once."""

from __future__ import annotations

import re

# Longer pieces delay the first sound and, with a small model, drift in tone; a sentence rarely needs more.
MAX_SEGMENT_CHARACTERS = 220

_END = re.compile(r"[.!?…]+[\"'\u201d\u2019)\]]*(?=\s|$)")
_CLAUSE = re.compile(r"(?<=[,;:])\s+")


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words whose full stop does not end a sentence, wrongly now and then ("on Main St. We"): a joined pair of
# sentences sounds better than a name cut in two.
_ABBREVIATIONS = _word_set("mr mrs ms dr prof st rd ave blvd sr jr vs approx dept e.g i.e")
# These take a number after their full stop, or end a sentence.
_BEFORE_NUMBER = _word_set("no nos p pp jan feb mar apr jun jul aug sep sept oct nov dec")


def split_sentences(text: str) -> list[str]:
    """Cut a text into sentences, and long sentences at their commas.

    Args:
        text: Any text. Line breaks always cut.

    Returns:
        The pieces in order, without surrounding space, none empty; joined by spaces they give the words of
        the text again.
    """
    pieces: list[str] = []
    for line in text.splitlines():
        for sentence in _sentences_of_line(line.strip()):
            pieces.extend(_cut_long(sentence))
    return pieces


def _sentences_of_line(line: str) -> list[str]:
    found: list[str] = []
    start = 0
    for match in _END.finditer(line):
        if not _ends_sentence(line, match.start(), match.end()):
            continue
        sentence = line[start : match.end()].strip()
        if sentence:
            found.append(sentence)
        start = match.end()
    rest = line[start:].strip()
    if rest:
        found.append(rest)
    return found


def _ends_sentence(line: str, stop: int, after: int) -> bool:
    following = line[after:].lstrip()
    if not following:
        return True
    if following[0].islower():
        return False
    if line[stop : stop + 1] != "." or line[stop : stop + 2] == "..":
        return True
    before = line[:stop].split()
    word = before[-1].lstrip("(\"'\u201c\u2018").lower() if before else ""
    if word in _BEFORE_NUMBER:
        return not following[0].isdigit()
    # A single letter is an initial: "J. Smith".
    return word not in _ABBREVIATIONS and not (len(word) == 1 and word.isalpha() and word != "i")


def _cut_long(sentence: str) -> list[str]:
    if len(sentence) <= MAX_SEGMENT_CHARACTERS:
        return [sentence]
    pieces: list[str] = []
    current = ""
    for part in _CLAUSE.split(sentence):
        for bit in _cut_words(part):
            if current and len(current) + 1 + len(bit) > MAX_SEGMENT_CHARACTERS:
                pieces.append(current)
                current = bit
            else:
                current = f"{current} {bit}" if current else bit
    if current:
        pieces.append(current)
    return pieces


def _cut_words(part: str) -> list[str]:
    """Cut a clause without commas between words; a single monstrous word is cut anywhere."""
    if len(part) <= MAX_SEGMENT_CHARACTERS:
        return [part] if part else []
    pieces: list[str] = []
    current = ""
    for word in part.split():
        if current and len(current) + 1 + len(word) > MAX_SEGMENT_CHARACTERS:
            pieces.append(current)
            current = ""
        if len(word) > MAX_SEGMENT_CHARACTERS:
            pieces.extend(
                word[i : i + MAX_SEGMENT_CHARACTERS] for i in range(0, len(word), MAX_SEGMENT_CHARACTERS)
            )
            continue
        current = f"{current} {word}" if current else word
    if current:
        pieces.append(current)
    return pieces
