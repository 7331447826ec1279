"""The conversation of one session: ordered items, and what becomes of them when the caller interrupts."""

import enum
import math
from collections.abc import Iterator

import attrs

from callboard.actors.brains import Turn
from callboard.protocols.grok import ContentPart


class ItemKind(enum.Enum):
    """The kinds of item a conversation holds."""

    MESSAGE = "message"
    CALL = "function_call"
    RESULT = "function_call_output"


class ItemStatus(enum.Enum):
    """How far an item is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


class ConversationError(Exception):
    """An operation named an item that cannot be used so; the text is what the client is told.

    Attributes:
        param: The field of the client's event that is at fault.
    """

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


@attrs.define(kw_only=True, eq=False)
class Item:
    """One entry. Changes while it is spoken or transcribed."""

    id: str
    kind: ItemKind
    role: str
    status: ItemStatus = ItemStatus.COMPLETED
    text: str = ""
    """All that was said or written; what the model remembers of it, once truncated."""
    spoken: bool = False
    """True for audio, of the caller or of the agent."""
    seconds: float = 0.0
    """Length of the audio."""
    content: tuple[ContentPart, ...] = ()
    """The parts of a text message as the client sent them, to be echoed."""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    silent: bool = False
    """A turn in which nobody spoke, made by the idle timer."""
    truncated: bool = False
    """Cut by the client: what is still being generated is no longer remembered."""

    @property
    def known(self) -> bool:
        """Whether there is anything in it to remember."""
        if self.kind is ItemKind.CALL:
            return self.status is not ItemStatus.INCOMPLETE
        return self.kind is ItemKind.RESULT or bool(self.text) or self.silent

    def turn(self) -> Turn:
        """The entry as a brain is given it."""
        match self.kind:
            case ItemKind.CALL:
                return Turn(role="assistant", name=self.name, call_id=self.call_id, arguments=self.arguments)
            case ItemKind.RESULT:
                return Turn(role="tool", text=self.output, name=self.name, call_id=self.call_id)
            case ItemKind.MESSAGE:
                if self.role == "assistant":
                    return Turn(role="assistant", text=self.text)
                return Turn(role="system" if self.role == "system" else "user", text=self.text)

    def remembered(self) -> "Item | None":
        """A copy for a later session, where only text survives; None where there is nothing to keep."""
        if not self.known or (self.kind is ItemKind.MESSAGE and not self.text):
            return None
        return attrs.evolve(self, spoken=False, content=(), status=ItemStatus.COMPLETED)


# What is kept of one conversation. A call of two hours has a few hundred items; beyond this the oldest go,
# so that a client that only ever adds items cannot make the emulator grow without bound.
MAX_ITEMS = 4096


class Conversation:
    """The ordered items of one session."""

    def __init__(self, id: str) -> None:
        self.id = id
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """The id of the newest item."""
        return self._items[-1].id if self._items else None

    def find(self, item_id: str) -> Item | None:
        """The item of that id."""
        return next((item for item in self._items if item.id == item_id), None)

    def before(self, item_id: str) -> str | None:
        """The id of the item before that one."""
        previous = None
        for item in self._items:
            if item.id == item_id:
                return previous
            previous = item.id
        return None

    def add(self, item: Item, after: str | None = None) -> None:
        """Append an item, or insert it behind another.

        Raises:
            ConversationError: The id is taken, or nothing has the id `after`.
        """
        if self.find(item.id) is not None:
            raise ConversationError(f"Item with id {item.id[:80]!r} already exists", "item.id")
        if after is None:
            self._items.append(item)
        else:
            self._items.insert(self._index(after, "previous_item_id") + 1, item)
        if item.kind is ItemKind.RESULT:
            # The wire does not repeat the function's name with its result.
            item.name = next((call.name for call in self._items if call.call_id == item.call_id), "")
        if len(self._items) > MAX_ITEMS:
            del self._items[0]

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            ConversationError: There is no such item.
        """
        del self._items[self._index(item_id, "item_id")]

    def truncate(self, item_id: str, audio_end: int) -> str:
        """Forget what of an answer was not heard.

        Args:
            item_id: An assistant message that was spoken.
            audio_end: What was heard of it, milliseconds.

        Returns:
            The text that is kept: the same share of it as of the audio, cut at a word.

        Raises:
            ConversationError: No such item, not a spoken answer, or shorter than `audio_end`.
        """
        item = self._items[self._index(item_id, "item_id")]
        if item.kind is not ItemKind.MESSAGE or item.role != "assistant" or not item.spoken:
            raise ConversationError(
                f"Cannot truncate item {item_id[:80]!r}: it is not an assistant audio message", "item_id"
            )
        total = math.ceil(item.seconds * 1000)
        if not 0 <= audio_end <= total:
            raise ConversationError(
                f"Cannot truncate item {item_id[:80]!r} to {audio_end} ms: its audio has {total} ms",
                "audio_end_ms",
            )
        if audio_end < total:
            item.text = _cut(item.text, math.floor(len(item.text) * audio_end / total))
            item.seconds = audio_end / 1000
        item.truncated = True
        return item.text

    def history(self) -> tuple[Turn, ...]:
        """The conversation as a brain is given it.

        What has not been said or transcribed yet is left out, and so are calls the client never saw whole.
        """
        return tuple(item.turn() for item in self._items if item.known)

    def snapshot(self) -> tuple[Item, ...]:
        """Copies of what a resumed session gets back."""
        copies = (item.remembered() for item in self._items)
        return tuple(copy for copy in copies if copy is not None)

    def _index(self, item_id: str, param: str) -> int:
        for index, item in enumerate(self._items):
            if item.id == item_id:
                return index
        raise ConversationError(f"Item with id {item_id[:80]!r} not found", param)


def _cut(text: str, length: int) -> str:
    """The first `length` characters without the word that would be torn."""
    if length >= len(text):
        return text
    kept = text[:length]
    if not text[length].isspace():
        kept = kept.rpartition(" ")[0]
    return kept.rstrip()
