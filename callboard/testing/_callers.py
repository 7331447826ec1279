"""Callers as they come: made at random, from a seeded generator."""

import enum
import random
from collections.abc import Callable, Sequence

import attrs

from callboard.actors.emulators import (
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForSilence,
)

QUESTIONS = (
    "What are your opening hours on Monday?",
    "What are your opening hours on Thursday?",
    "Are you open on Saturday?",
    "When do you close on Friday?",
)
REMARKS = (
    "What can you do?",
    "Who am I talking to?",
    "Thank you.",
    "I am not sure yet.",
    "Could you say that again?",
    "Hello?",
)
GOODBYES = ("Goodbye.", "Thank you, goodbye.", "That is all, bye.")
KEYS = "0123456789*#"
# A provider that is replaced, its backoff and a failover included, is waited for.
PATIENCE = 60.0


class CallerKind(enum.Enum):
    """What sort of person calls."""

    SHORT = "short"
    """Asks one thing and says goodbye."""
    LONG = "long"
    """Asks many things, one after the other."""
    SILENT = "silent"
    """Says nothing at all."""
    RUDE = "rude"
    """Cuts the agent off, again and again."""
    HASTY = "hasty"
    """Hangs up while the agent looks something up."""
    EARLY = "early"
    """Hangs up at once, or in the greeting."""
    MASHER = "masher"
    """Presses keys without a plan."""
    TALKER = "talker"
    """Talks without a pause."""
    AWAY = "away"
    """Asks something, puts the phone down for minutes, and comes back to ask again."""


@attrs.frozen
class RandomCaller:
    """Somebody who calls."""

    kind: CallerKind
    steps: tuple[Step, ...]


# Most of a day of calls is waiting.
USUAL = (*CallerKind, CallerKind.AWAY)


def random_caller(rng: random.Random, kinds: Sequence[CallerKind] = USUAL) -> RandomCaller:
    """A caller.

    Whoever waits for the agent waits so long that a provider can be replaced meanwhile.

    Args:
        rng: Decides who calls and what they do.
        kinds: What sorts of callers there are.
    """
    kind = rng.choice(kinds)
    return RandomCaller(kind, tuple(_MAKERS[kind](rng)))


def _short(rng: random.Random) -> list[Step]:
    thinks = Wait(_pause(rng))
    return [*_greeted(), thinks, *_exchange(rng), Say(rng.choice(GOODBYES)), _agent(), WaitForSilence()]


def _long(rng: random.Random) -> list[Step]:
    steps = _greeted()
    for _ in range(rng.randint(4, 10)):
        steps += [Wait(_pause(rng)), *_exchange(rng)]
    return [*steps, Say(rng.choice(GOODBYES)), _agent(), WaitForSilence()]


def _silent(rng: random.Random) -> list[Step]:
    return [Wait(_seconds(rng, 3, 40) if rng.random() < 0.5 else _seconds(rng, 40, 900)), HangUp()]


def _rude(rng: random.Random) -> list[Step]:
    steps: list[Step] = [_agent(0.02)]
    for _ in range(rng.randint(2, 6)):
        text = rng.choice(QUESTIONS + REMARKS)
        if rng.random() < 0.5:
            # Answers are at least as long as this.
            steps += [Say(text), InterruptAfter(_seconds(rng, 0, 0.1), rng.choice(REMARKS), PATIENCE)]
        else:
            steps += [Wait(_seconds(rng, 0, 1.5)), Say(text)]
        if rng.random() < 0.5:
            steps.append(Wait(_pause(rng)))
    return [*steps, Wait(_seconds(rng, 0, 3)), HangUp()]


def _hasty(rng: random.Random) -> list[Step]:
    # An answer begins about a second after the question, the tool takes up to two.
    return [*_greeted(), Say(rng.choice(QUESTIONS)), Wait(_seconds(rng, 0.3, 3)), HangUp()]


def _early(rng: random.Random) -> list[Step]:
    return [Wait(_seconds(rng, 0, 1.5)), HangUp()]


def _masher(rng: random.Random) -> list[Step]:
    steps: list[Step] = []
    for _ in range(rng.randint(2, 8)):
        keys = "".join(rng.choice(KEYS) for _ in range(rng.randint(1, 12)))
        steps += [Wait(_pause(rng) if rng.random() < 0.5 else _seconds(rng, 0, 2)), Press(keys)]
        if rng.random() < 0.3:
            steps.append(Say(rng.choice(REMARKS)))
    return [*steps, Wait(_seconds(rng, 0, 2)), HangUp()]


def _talker(rng: random.Random) -> list[Step]:
    texts = [rng.choice(QUESTIONS + REMARKS) for _ in range(rng.randint(5, 20))]
    return [*(Say(text) for text in texts), Wait(_pause(rng)), HangUp()]


def _away(rng: random.Random) -> list[Step]:
    steps = [*_greeted(), *_exchange(rng)]
    for _ in range(rng.randint(1, 3)):
        steps += [Wait(_seconds(rng, 60, 900)), *_exchange(rng)]
    return [*steps, HangUp()]


_MAKERS: dict[CallerKind, Callable[[random.Random], list[Step]]] = {
    CallerKind.SHORT: _short,
    CallerKind.LONG: _long,
    CallerKind.SILENT: _silent,
    CallerKind.RUDE: _rude,
    CallerKind.HASTY: _hasty,
    CallerKind.EARLY: _early,
    CallerKind.MASHER: _masher,
    CallerKind.TALKER: _talker,
    CallerKind.AWAY: _away,
}


def _greeted() -> list[Step]:
    return [_agent(), WaitForSilence()]


def _exchange(rng: random.Random) -> list[Step]:
    """A question or a remark, and what comes of it."""
    text = rng.choice(QUESTIONS) if rng.random() < 0.6 else rng.choice(REMARKS)
    return [Say(text), _agent(), WaitForSilence(1.5)]


def _agent(min_speech: float = 0.1) -> Step:
    return WaitForAgent(min_speech, PATIENCE)


def _pause(rng: random.Random) -> float:
    """How long somebody thinks, looks for a pen, or talks to somebody else."""
    return _seconds(rng, 0, 4) if rng.random() < 0.3 else _seconds(rng, 4, 200)


def _seconds(rng: random.Random, least: float, most: float) -> float:
    """A time in whole frames, so that it is the same when printed."""
    return round(rng.uniform(least, most) / 0.02) * 20 / 1000
