"""The conversation so far as items, for giving it to another connection later. Bounded."""

from collections import OrderedDict

import attrs

from callboard.protocols import grok as wire

HistoryItem = wire.Message | wire.FunctionCall | wire.FunctionCallOutput

# Items kept. A long call has a few hundred; the oldest go first.
MAX_ITEMS = 1000


class GrokHistory:
    """Items by their id, in the order in which they joined the conversation."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, HistoryItem] = OrderedDict()

    @property
    def items(self) -> tuple[HistoryItem, ...]:
        """What was said, called and answered; turns without any words are left out."""
        return tuple(
            item for item in self._items.values() if not isinstance(item, wire.Message) or item.words.strip()
        )

    def added(self, item: wire.Item) -> None:
        """An item joined; one with the same id is replaced only by one that says more."""
        match item:
            case wire.Message(id=str() as item_id):
                known = self._items.get(item_id)
                if item.words or not isinstance(known, wire.Message):
                    self._put(item_id, _message(item_id, item.role or "user", item.words))
            case _:
                # Calls are taken when their arguments are complete, outputs when they are sent.
                pass

    def text(self, item_id: str, role: str, text: str) -> None:
        """The whole text of a message, in the place of what was known of it."""
        self._put(item_id, _message(item_id, role, text.strip()))

    def called(self, call_id: str, name: str, arguments: str) -> None:
        """The model called a function."""
        self._put(f"call {call_id}", wire.FunctionCall(call_id=call_id, name=name, arguments=arguments))

    def output(self, call_id: str, output: str) -> None:
        """A call was answered."""
        self._put(f"output {call_id}", wire.FunctionCallOutput(call_id=call_id, output=output))

    def deleted(self, item_id: str) -> None:
        """An item left the conversation."""
        self._items.pop(item_id, None)

    def _put(self, key: str, item: HistoryItem) -> None:
        self._items[key] = item
        while len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)


def _message(item_id: str, role: str, text: str) -> wire.Message:
    part = wire.ContentPart.output_text(text) if role == "assistant" else wire.ContentPart.input_text(text)
    return attrs.evolve(wire.Message(id=item_id, role=role), content=(part,))
