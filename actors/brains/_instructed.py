"""Instructions for a single response: "Greet the caller", 'Say: "..."', "Ask for their name"."""

from __future__ import annotations

import re

from ._intent import Setting
from ._intents import greeting
from ._text import sentence

_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2019": "'", "\u2018": "'"})
_SAYING = r"(?:say|speak|announce|repeat|read(?: out)?|respond with|reply with|answer with|tell (?:the )?\w+)"
_QUOTED = re.compile(rf"\b{_SAYING}\b[^\"]{{0,60}}\"(.+)\"", re.IGNORECASE | re.DOTALL)
_VERBATIM = re.compile(
    rf"^\W*(?:please )?(?:just |only )?{_SAYING}(?: (?:exactly|verbatim|only|just|the following|this|these words))*"
    r"(?: to (?:the )?\w+)?\s*:\s*(.+)$",
    re.IGNORECASE | re.DOTALL,
)
_SAY_PLAIN = re.compile(
    r"^\W*(?:please )?(?:just )?say (?!something|goodbye|hello|hi\b|that\b)(.+)$", re.IGNORECASE | re.DOTALL
)
_TELL = re.compile(
    r"\b(?:tell|inform|let|say to) (?:the )?(?:caller|user|customer|patient|guest|them|him|her)(?: know)?,? "
    r"that (.+?)(?:[.!?]|$)",
    re.IGNORECASE,
)
_ASK_FOR = re.compile(r"\bask (?:the )?(?:\w+ )?(?:for|about) (.+?)(?:[.!?]|$)", re.IGNORECASE)
_ASK_IF = re.compile(
    r"\b(?:ask|check|find out)(?: (?:the )?\w+)? (?:if|whether) "
    r"(?:they|he|she|(?:the )?(?:caller|user|customer)) (.+?)(?:[.!?]|$)",
    re.IGNORECASE,
)
_THERE = re.compile(r"\bstill (?:there|here|on the line)\b", re.IGNORECASE)
_GREET = re.compile(
    r"\b(?:greet|welcome|introduce yourself|say (?:hello|hi)|open the call|start the conversation)\b",
    re.IGNORECASE,
)
_PART = re.compile(r"\b(?:say goodbye|farewell|end the call|wrap up|close the call|say bye)\b", re.IGNORECASE)
_SORRY = re.compile(r"\bapologi[sz]e\b(?: (?:for|that|because) (.+?)(?:[.!?]|$))?", re.IGNORECASE)
_SWAPS = (
    (re.compile(r"\b(?:their|his|her)\b", re.IGNORECASE), "your"),
    (
        re.compile(r"\b(?:they|he|she|the caller|the user|the customer) (?:are|is)\b", re.IGNORECASE),
        "you are",
    ),
    (re.compile(r"\b(?:they|he|she|them|him|the caller|the user|the customer)\b", re.IGNORECASE), "you"),
)


def instructed(text: str, setting: Setting, *, heard: bool) -> str:
    """Return what the instructions of one response ask to be said, "" where they ask for nothing special.

    Args:
        text: The instructions of the response.
        setting: Who the agent is.
        heard: Whether the caller has said something that waits for an answer.
    """
    text = " ".join(text[:4_000].translate(_QUOTES).split())
    for pattern in (_QUOTED, _VERBATIM):
        match = pattern.search(text)
        if match:
            return match[1].strip().strip('"').strip()
    if _THERE.search(text):
        return "Hello, are you still there?"
    if _GREET.search(text):
        return greeting(setting)
    if _PART.search(text):
        return "Thank you for calling. Goodbye."
    sorry = _SORRY.search(text)
    if sorry:
        return sentence(f"I am sorry about {_to_you(sorry[1])}" if sorry[1] else "I am very sorry about that")
    match = _TELL.search(text)
    if match:
        return sentence(_to_you(match[1]))
    match = _ASK_IF.search(text)
    if match:
        return f"Could you tell me whether you {_to_you(match[1])}?"
    match = _ASK_FOR.search(text)
    if match:
        return f"Could you tell me {_to_you(match[1])}, please?"
    match = _SAY_PLAIN.search(text)
    if match and not heard:
        return sentence(match[1])
    return ""


def _to_you(text: str) -> str:
    for pattern, replacement in _SWAPS:
        text = pattern.sub(replacement, text)
    return text.strip()
