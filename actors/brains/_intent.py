"""What an intent is: something people say, and the answers to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

from ._persona import Domain, Persona
from ._text import Utterance, phrases
from ._tools import Tool


@attrs.frozen(kw_only=True, eq=False)
class Setting:
    """What an answer may depend on besides what was said."""

    persona: Persona
    tools: tuple[Tool, ...]
    rng: random.Random
    previous: str = ""
    """What the agent said last."""

    caller: str = ""
    """The caller's name, where known."""

    def pick(self, replies: Sequence[str]) -> str:
        """Choose a reply, another than the last one where there is a choice."""
        fresh = [reply for reply in replies if reply != self.previous] or list(replies)
        return self.rng.choice(fresh)


Predicate = Callable[[Utterance, Setting], bool]

Reply = Callable[[Utterance, Setting], str]


@attrs.frozen(eq=False)
class Intent:
    """Something people say, and the answers to it."""

    name: str
    matches: Predicate
    reply: Reply


def says(words: str) -> Predicate:
    """Match any of the phrases, anywhere in a turn."""
    wanted = phrases(words)

    def matches(said: Utterance, setting: Setting) -> bool:
        del setting
        return said.has(*wanted)

    return matches


def only(words: str, longest: int) -> Predicate:
    """Match phrases in a short turn; in a long one they are an aside."""
    wanted = phrases(words)

    def matches(said: Utterance, setting: Setting) -> bool:
        del setting
        return len(said.tokens) <= longest and said.has(*wanted)

    return matches


def one_of(*replies: str) -> Reply:
    """Answer with one of the replies."""

    def reply(said: Utterance, setting: Setting) -> str:
        del said
        return setting.pick(replies)

    return reply


def in_domain(domain: Domain, predicate: Predicate) -> Predicate:
    """Match only in one sort of business."""

    def matches(said: Utterance, setting: Setting) -> bool:
        return setting.persona.domain is domain and predicate(said, setting)

    return matches


def at_work(predicate: Predicate) -> Predicate:
    """Match only where the agent answers for a business."""

    def matches(said: Utterance, setting: Setting) -> bool:
        return working(setting) and predicate(said, setting)

    return matches


def working(setting: Setting) -> bool:
    """Say whether the agent answers for a business."""
    return setting.persona.domain is not Domain.GENERAL or bool(setting.persona.business)
