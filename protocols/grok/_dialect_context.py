"""What was said before a connection, for a wire that has no message for it: a part of the instructions."""

from __future__ import annotations

from typing import Final

from ._items import FunctionCall, FunctionCallOutput, Item, Message

__all__ = ["DialectContext"]

# Lines that are kept; the oldest go first. What matters of a call is in less.
_MAX_LINES: Final = 256
_HEADING: Final = "The conversation before this point, which you go on with:"
_NAMES: Final = {"user": "User", "assistant": "You", "system": "Note"}


class DialectContext:
    """Items of a conversation as lines of text (ours: the dialect's server is told nothing but its settings)."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        """Their names by call."""
        self._n_added = 0

    def takes(self, item: Item) -> bool:
        """Whether an item can be told so."""
        return self._line(item) is not None

    def add(self, item: Item) -> None:
        """Append an item, if it can be told so."""
        line = self._line(item)
        if line is None:
            return
        if isinstance(item, FunctionCall):
            self._functions[item.call_id or ""] = item.name or ""
        self._n_added += 1
        self._lines[item.id or f"#{self._n_added}"] = line
        if len(self._lines) > _MAX_LINES:
            del self._lines[next(iter(self._lines))]

    def _line(self, item: Item) -> str | None:
        match item:
            case Message(role="user" | "assistant" | "system" as role) if item.words:
                return f"{_NAMES[role]}: {item.words}"
            case FunctionCall(name=str() as name):
                return f"You called {name}({item.arguments or ''})"
            case FunctionCallOutput(output=str() as output):
                return f"{self._functions.get(item.call_id or '', 'A function')} returned: {output}"
            case _:
                return None

    def remove(self, item_id: str) -> bool:
        """Forget an item; False where it is not known."""
        return self._lines.pop(item_id, None) is not None

    def extend(self, instructions: str | None) -> str | None:
        """Return the instructions with the lines behind them."""
        if not self._lines:
            return instructions
        told = "\n".join((_HEADING, *self._lines.values()))
        return f"{instructions}\n\n{told}" if instructions else told
