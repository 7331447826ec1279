"""The conversation so far, for a session that has to go on where another ended. Bounded, the same for all providers."""

from collections import OrderedDict

import attrs

# Entries kept. A long call has a few hundred; the oldest go first.
MAX_ENTRIES = 1000


@attrs.frozen(kw_only=True)
class HistoryMessage:
    """Something that was said: by the agent as far as it was heard."""

    id: str
    """The provider's id of the item, or ours where it has none."""
    role: str
    """`user`, `assistant` or `system`."""
    text: str


@attrs.frozen(kw_only=True)
class HistoryCall:
    """The model called a function."""

    call_id: str
    name: str
    arguments: str
    """A JSON object, as the model wrote it."""


@attrs.frozen(kw_only=True)
class HistoryResult:
    """A function call was answered."""

    call_id: str
    name: str
    output: str


HistoryEntry = HistoryMessage | HistoryCall | HistoryResult


class AgentHistory:
    """Entries in the order in which they joined the conversation."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, HistoryEntry] = OrderedDict()

    @property
    def entries(self) -> tuple[HistoryEntry, ...]:
        """What was said, called and answered; turns without any words are left out."""
        return tuple(
            entry
            for entry in self._entries.values()
            if not isinstance(entry, HistoryMessage) or entry.text.strip()
        )

    @property
    def unanswered(self) -> tuple[HistoryCall, ...]:
        """Calls without a result, oldest first."""
        return tuple(
            entry
            for entry in self._entries.values()
            if isinstance(entry, HistoryCall) and f"output {entry.call_id}" not in self._entries
        )

    def joined(self, item_id: str, role: str, text: str) -> None:
        """A message joined; one with the same id is replaced only by one that says more."""
        if text or item_id not in self._entries:
            self._put(item_id, HistoryMessage(id=item_id, role=role, text=text.strip()))

    def text(self, item_id: str, role: str, text: str) -> None:
        """The whole text of a message, in the place of what was known of it."""
        self._put(item_id, HistoryMessage(id=item_id, role=role, text=text.strip()))

    def called(self, call_id: str, name: str, arguments: str) -> bool:
        """The model called a function; False for a call that is known."""
        if f"call {call_id}" in self._entries:
            return False
        self._put(f"call {call_id}", HistoryCall(call_id=call_id, name=name, arguments=arguments))
        return True

    def answered(self, call_id: str, output: str) -> bool:
        """A call was answered; False where it had been before."""
        key = f"output {call_id}"
        if key in self._entries:
            return False
        call = self._entries.get(f"call {call_id}")
        name = call.name if isinstance(call, HistoryCall) else ""
        self._put(key, HistoryResult(call_id=call_id, name=name, output=output))
        return True

    def deleted(self, item_id: str) -> None:
        """A message left the conversation."""
        self._entries.pop(item_id, None)

    def _put(self, key: str, entry: HistoryEntry) -> None:
        self._entries[key] = entry
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
