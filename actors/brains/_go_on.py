"""Taking up what was left: the caller asks to go on, or a conversation was cut in the middle of an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ._types import Turn

_GO_ON = re.compile(
    r"(?:(?:yes|yeah|ok|okay|so|sorry|and|well)[,.!]? )*(?:please )?(?:do )?"
    r"(?:go on|go ahead|continue|carry on|keep going)(?: please|,? thank you|,? thanks)?",
    re.IGNORECASE,
)


def asks_to_go_on(text: str) -> bool:
    """Say whether a turn is nothing but a request to continue."""
    said = " ".join(text.replace(",", " ").split()).rstrip(" .!?")
    return _GO_ON.fullmatch(said) is not None


def question_again(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return a conversation as it was before the answer that is to be given again.

    That is without the requests to continue and the lines of the agent at its end, if a question of the
    caller, or a result that such a line told of, then comes last. Any other conversation is returned as it is.
    """
    end = len(turns)
    while end and _is_left(turns[end - 1]):
        end -= 1
    if end == len(turns) or end == 0 or turns[end - 1].role not in {"user", "tool"}:
        # The last of these: a call that waits for its result. Making it again would do its work twice.
        return turns
    if not any(turn.role == "user" for turn in turns[:end]):
        return turns
    return turns[:end]


def _is_left(turn: Turn) -> bool:
    if turn.role == "assistant":
        return not turn.name
    return turn.role == "user" and asks_to_go_on(turn.text)
