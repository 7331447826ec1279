"""Conversation items and their content parts, as either side sends them."""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject

__all__ = [
    "ContentPart",
    "ForceMessage",
    "FunctionCall",
    "FunctionCallOutput",
    "Item",
    "ItemBase",
    "Message",
    "UnknownItem",
]


@attrs.frozen(kw_only=True)
class ContentPart:
    """One part of a message: text, or audio with what was said in it.

    One class for all kinds on purpose: the server and its documents do not agree on which kind carries which field, and
    a reader wants ``spoken`` whatever the kind is.
    """

    type: str
    """``input_text``, ``input_audio``, ``output_text``, ``text`` or ``audio``; others are kept as they come."""
    text: str | None = None
    transcript: str | None = None
    audio: str | None = attrs.field(default=None, repr=False)
    """Base64 of audio in the codec of its direction."""

    @classmethod
    def input_text(cls, text: str) -> ContentPart:
        """What the user wrote."""
        return cls(type="input_text", text=text)

    @classmethod
    def output_text(cls, text: str) -> ContentPart:
        """What the assistant says, or is to say word for word."""
        return cls(type="output_text", text=text)

    @classmethod
    def spoken_audio(cls, transcript: str) -> ContentPart:
        """Audio of the assistant, known by its transcript."""
        return cls(type="audio", transcript=transcript)

    @property
    def words(self) -> str:
        """The text or the transcript, whichever is there, else ``""``."""
        return self.text or self.transcript or ""


@attrs.frozen(kw_only=True)
class ItemBase:
    """What every kind of item may carry. All of it is optional: the server leaves out more than it documents."""

    type: ClassVar[str]
    id: str | None = None
    object: str | None = None
    """``realtime.item`` from the server; clients leave it out."""
    status: str | None = None
    """``in_progress``, ``completed``, ``cancelled`` or ``incomplete``."""
    role: str | None = None
    """``user``, ``assistant`` or ``system`` on messages. The server puts ``user`` or ``tool`` on function calls."""
    replayed: bool | None = None
    """True for an item of an earlier connection that a resumed session sends again."""


@attrs.frozen(kw_only=True)
class Message(ItemBase):
    """A turn of the user, of the assistant, or context from the system."""

    type: ClassVar[str] = "message"
    content: tuple[ContentPart, ...] | None = None
    """None where the server leaves it out, as on ``response.output_item.*``."""

    @property
    def words(self) -> str:
        """All texts and transcripts of the content in order."""
        return "".join(part.words for part in self.content or ())


@attrs.frozen(kw_only=True)
class FunctionCall(ItemBase):
    """A call of a client's function."""

    type: ClassVar[str] = "function_call"
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    """JSON text; empty while the call is in progress."""


@attrs.frozen(kw_only=True)
class FunctionCallOutput(ItemBase):
    """The result of a function call. It never starts a response by itself."""

    type: ClassVar[str] = "function_call_output"
    call_id: str | None = None
    output: str | None = None
    """Any text, not encoded as JSON a second time."""


@attrs.frozen(kw_only=True)
class ForceMessage(ItemBase):
    """A line the assistant speaks word for word: a whole response of its own, without ``response.create``."""

    type: ClassVar[str] = "force_message"
    content: tuple[ContentPart, ...] | None = None
    interruptible: bool | None = None
    """False: the server throws caller audio away until playback should be over. Default true."""

    @property
    def words(self) -> str:
        """The line to speak."""
        return "".join(part.words for part in self.content or ())


@attrs.frozen
class UnknownItem:
    """An item of a kind without a class here, such as the server's MCP calls."""

    type: str
    raw: JsonObject

    @property
    def id(self) -> str | None:
        """Its id, if it has one."""
        value = self.raw.get("id")
        return value if isinstance(value, str) else None

    def to_wire(self) -> JsonObject:
        """Return the item as it was received."""
        return self.raw


Item = Message | FunctionCall | FunctionCallOutput | ForceMessage | UnknownItem
"""Anything a conversation consists of."""
