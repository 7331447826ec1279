"""The conversation of one session: what was said and called, and what a brain is told of it."""

from callboard.actors.brains import Turn
from callboard.protocols import deepgram

# Entries that are kept. A call of two hours has a few hundred; beyond this the oldest go.
MAX_ENTRIES = 4096


class Memory:
    """Ordered entries, as `History` messages have them.

    Args:
        entries: Where they are kept; what is in it already is the context the client brought.
    """

    def __init__(self, entries: list[deepgram.History]) -> None:
        self._entries = entries

    def add(self, entry: deepgram.History) -> None:
        """Append an entry."""
        self._entries.append(entry)
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[0]

    def turns(self) -> tuple[Turn, ...]:
        """The conversation as a brain is given it."""
        return tuple(turn for entry in self._entries for turn in _turns(entry))


def _turns(entry: deepgram.History) -> list[Turn]:
    if entry.function_calls is None:
        return [Turn(role="assistant" if entry.role == "assistant" else "user", text=entry.content or "")]
    turns: list[Turn] = []
    for call in entry.function_calls:
        turns.append(Turn(role="assistant", name=call.name, call_id=call.id, arguments=call.arguments))
        turns.append(
            Turn(role="tool", text=call.response, name=call.name, call_id=call.id, arguments=call.arguments)
        )
    return turns
