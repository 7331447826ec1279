"""The events of one response, made up from the little the dialect says about an answer."""

from __future__ import annotations

from typing import Final, TypedDict

import attrs

from .._converter import JsonObject
from ._base import ServerEvent
from ._items import ContentPart, FunctionCall, Item, Message
from ._response_events import (
    Response,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
)
from ._server_events import ConversationItemAdded

__all__ = ["ITEM", "DialectAnswer"]

ITEM: Final = "realtime.item"
_RESPONSE: Final = "realtime.response"


class _Place(TypedDict):
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class DialectAnswer:
    """A response that is open.

    Args:
        response_id: Its id, made up as well; those of its items begin with it.
        metadata: What ``response.create`` gave.
    """

    def __init__(self, response_id: str, metadata: JsonObject | None = None) -> None:
        self.id = response_id
        self._metadata = metadata
        self._items: list[Item] = []
        self._message = ""
        """The id of the message that is open."""
        self._text: list[str] = []
        self._whole: str | None = None
        self.caused = False
        """What it answers is known."""
        self.after_results = False
        """It answers the results of functions."""
        self.status = "completed"
        """What it will end with."""

    @property
    def whole(self) -> bool:
        """Whether the server has said all of the text."""
        return self._whole is not None

    def created(self) -> ServerEvent:
        """The event that begins it."""
        return ResponseCreated(
            response=Response(
                id=self.id, object=_RESPONSE, status="in_progress", output=(), metadata=self._metadata
            )
        )

    def audio(self, delta: str) -> tuple[ServerEvent, ...]:
        """The events for a piece of audio, in base64."""
        opened = self._open()
        return (*opened, ResponseOutputAudioDelta(**self._place(), delta=delta))

    def text(self, text: str, *, whole: bool) -> tuple[ServerEvent, ...]:
        """The events for a piece of the text, or for all of it."""
        opened = self._open()
        if not whole:
            self._text.append(text)
            return (*opened, ResponseOutputAudioTranscriptDelta(**self._place(), delta=text))
        self._whole = text
        return (*opened, ResponseOutputAudioTranscriptDone(**self._place(), transcript=text))

    def call(self, call_id: str, name: str, arguments: str) -> tuple[ServerEvent, ...]:
        """The events for a function call, which is complete from the start."""
        closed = self._close("completed")
        item = FunctionCall(
            id=self._next_id(),
            object=ITEM,
            status="completed",
            call_id=call_id,
            name=name,
            arguments=arguments,
        )
        index = len(self._items)
        self._items.append(item)
        begun = attrs.evolve(item, status="in_progress", arguments="")
        return (
            *closed,
            ResponseOutputItemAdded(response_id=self.id, output_index=index, item=begun),
            ConversationItemAdded(item=begun),
            ResponseFunctionCallArgumentsDelta(
                response_id=self.id,
                item_id=item.id or "",
                output_index=index,
                call_id=call_id,
                delta=arguments,
            ),
            ResponseFunctionCallArgumentsDone(
                response_id=self.id,
                item_id=item.id or "",
                output_index=index,
                call_id=call_id,
                name=name,
                arguments=arguments,
            ),
            ResponseOutputItemDone(response_id=self.id, output_index=index, item=item),
        )

    def end(self, status: str | None = None) -> tuple[ServerEvent, ...]:
        """The events that end it."""
        status = status or self.status
        closed = self._close("completed" if status == "completed" else "incomplete")
        response = Response(
            id=self.id, object=_RESPONSE, status=status, output=tuple(self._items), metadata=self._metadata
        )
        return (*closed, ResponseDone(response=response, response_id=self.id))

    def _next_id(self) -> str:
        return f"{self.id}-{len(self._items) + 1}"

    def _place(self) -> _Place:
        return {
            "response_id": self.id,
            "item_id": self._message,
            "output_index": len(self._items),
            "content_index": 0,
        }

    def _open(self) -> tuple[ServerEvent, ...]:
        """The events that announce a message, unless one is open."""
        if self._message:
            return ()
        self._message = self._next_id()
        item = Message(id=self._message, object=ITEM, status="in_progress", role="assistant")
        return (
            ResponseOutputItemAdded(response_id=self.id, output_index=len(self._items), item=item),
            ConversationItemAdded(item=attrs.evolve(item, content=())),
            ResponseContentPartAdded(**self._place(), part=ContentPart.spoken_audio("")),
        )

    def _close(self, status: str) -> tuple[ServerEvent, ...]:
        """The events that complete the message, if one is open."""
        if not self._message:
            return ()
        text = "".join(self._text) if self._whole is None else self._whole
        said = () if self.whole else (ResponseOutputAudioTranscriptDone(**self._place(), transcript=text),)
        part = ContentPart.spoken_audio(text)
        item = Message(id=self._message, object=ITEM, status=status, role="assistant", content=(part,))
        events = (
            *said,
            ResponseContentPartDone(**self._place(), part=part),
            ResponseOutputAudioDone(**self._place()),
            ResponseOutputItemDone(response_id=self.id, output_index=len(self._items), item=item),
        )
        self._items.append(item)
        self._message, self._text, self._whole = "", [], None
        return events
