"""What goes over a provider's wire about tool calls and history, in the same words for all wires."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import attrs

from callboard.actors import HistoryCall, HistoryEntry, HistoryMessage, HistoryResult
from callboard.actors._trace import Trace

OnMessage = Callable[[str | bytes], object]

# What a message that we look at has in it; all others are let by unread, audio first of all.
AUDIO = "input_audio_buffer.append"
BEGINNING = 64
MARKS = ("function_call_output", "FunctionCallResponse", "tool_result", "function_calls")


@attrs.frozen
class Told:
    """A provider was told the outcome of a call."""

    call_id: str
    output: str


@attrs.frozen
class Item:
    """One entry of a conversation: `user` and the like with a text, `call`, or `result`."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text[:40]!r}"


def field(value: object, *names: str) -> object:
    """A value inside nested JSON objects, or None."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(name)
    return value


def words(value: object, *names: str) -> str:
    """The same as a text; empty for None."""
    found = field(value, *names)
    return "" if found is None else str(found)


def rows(value: object, *names: str) -> list[object]:
    """The same as a list; empty for anything else."""
    found = field(value, *names)
    return cast("list[object]", found) if isinstance(found, list) else []


def read(message: str | bytes) -> object:
    """A message as a JSON value, or None."""
    if isinstance(message, bytes):
        return None
    try:
        value: object = json.loads(message)
    except ValueError:
        return None
    return value


def told(message: str | bytes) -> Iterator[Told]:
    """The outcomes of calls that a message of ours tells."""
    if (
        isinstance(message, bytes)
        or AUDIO in message[:BEGINNING]
        or not any(mark in message for mark in MARKS)
    ):
        return
    value = read(message)
    match field(value, "type"):
        case "conversation.item.create" if field(value, "item", "type") == "function_call_output":
            yield Told(words(value, "item", "call_id"), words(value, "item", "output"))
        case "FunctionCallResponse" if field(value, "id") is not None:
            yield Told(words(value, "id"), words(value, "content"))
        case "tool_result":
            yield Told(words(value, "tool_call_id"), words(value, "result"))
        case "Settings":
            for entry in rows(value, "agent", "context", "messages"):
                for call in rows(entry, "function_calls"):
                    yield Told(words(call, "id"), words(call, "response"))
        case _:
            pass


def cancelled(message: str | bytes) -> Iterator[str]:
    """The calls that a message of the provider's takes back."""
    if isinstance(message, str) and "FunctionCallCancelled" in message:
        for call in rows(read(message), "functions"):
            yield words(call, "id")


def is_settings(message: str | bytes) -> bool:
    """Whether a message of ours is the one that begins a session of Deepgram's."""
    return isinstance(message, str) and '"Settings"' in message and field(read(message), "type") == "Settings"


def handed_over(opening: Sequence[str | bytes]) -> list[Item]:
    """The history in the messages that begin a session."""
    items: list[Item] = []
    for message in opening:
        value = read(message)
        match field(value, "type"):
            case "conversation.item.create":
                items += _of_item(field(value, "item"))
            case "Settings":
                items += _of_context(rows(value, "agent", "context", "messages"))
            case _:
                pass
    return items


def _of_item(item: object) -> Iterator[Item]:
    match field(item, "type"):
        case "message":
            text = "".join(words(part, "text") for part in rows(item, "content"))
            yield Item(words(item, "role"), text)
        case "function_call":
            yield _call(words(item, "call_id"), words(item, "name"), words(item, "arguments"))
        case "function_call_output":
            yield _result(words(item, "call_id"), words(item, "output"))
        case _:
            # A line to be said, which is no part of the history yet.
            pass


def _of_context(messages: Sequence[object]) -> Iterator[Item]:
    for entry in messages:
        for call in rows(entry, "function_calls"):
            yield _call(words(call, "id"), words(call, "name"), words(call, "arguments"))
            yield _result(words(call, "id"), words(call, "response"))
        if field(entry, "role") is not None:
            yield Item(words(entry, "role"), words(entry, "content"))


def _call(call_id: str, name: str, arguments: str) -> Item:
    return Item("call", f"{call_id} {name}({arguments})")


def _result(call_id: str, output: str) -> Item:
    return Item("result", f"{call_id} {output}")


def held(entries: Sequence[HistoryEntry], *, pairs: bool = False) -> list[Item]:
    """The history as the client holds it.

    Args:
        entries: The entries.
        pairs: As on a wire that has a call and its result in one entry, and no place for a call without one.
    """
    items: list[Item] = []
    if pairs:
        results = {entry.call_id: entry for entry in entries if isinstance(entry, HistoryResult)}
        for entry in entries:
            match entry:
                case HistoryCall(call_id=call_id) if call_id in results:
                    items += held((entry, results[call_id]))
                case HistoryMessage(role="user" | "assistant"):
                    items += held((entry,))
                case _:
                    pass
        return items
    for entry in entries:
        match entry:
            case HistoryMessage():
                items.append(Item(entry.role, entry.text))
            case HistoryCall():
                items.append(_call(entry.call_id, entry.name, entry.arguments))
            case HistoryResult():
                items.append(_result(entry.call_id, entry.output))
    return items


class Tee:
    """Takes the place of a connection's trace, and passes everything on.

    Args:
        trace: The one that is there, if there is one.
        sent: Called with each message that was sent.
        received: Called with each message that came.
        failed: Told what these raised.
    """

    def __init__(
        self,
        trace: Trace | None,
        *,
        sent: OnMessage,
        received: OnMessage | None,
        failed: Callable[[Exception], object],
    ) -> None:
        self.trace = trace
        self._sent = sent
        self._received = received
        self._failed = failed

    def sent(self, message: str | bytes) -> None:
        """A message was sent."""
        if self.trace is not None:
            self.trace.sent(message)
        self._tell(self._sent, message)

    def received(self, message: str | bytes) -> None:
        """A message came."""
        if self.trace is not None:
            self.trace.received(message)
        if self._received is not None:
            self._tell(self._received, message)

    def _tell(self, function: OnMessage, message: str | bytes) -> None:
        try:
            function(message)
        except Exception as error:  # noqa: BLE001  # a monitor must not break what it looks at
            self._failed(error)

    def note(self, kind: str, payload: Mapping[str, object]) -> None:
        """Something else happened."""
        if self.trace is not None:
            self.trace.note(kind, payload)

    def flush(self) -> None:
        """Write what was collected."""
        if self.trace is not None:
            self.trace.flush()
