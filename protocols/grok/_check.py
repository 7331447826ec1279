"""Rules about client events that types cannot say."""

from __future__ import annotations

from .._errors import RemoteWireError, clip
from ._base import Event
from ._client_events import ConversationItemCreate, ConversationItemTruncate, ResponseCreate, ResponseOptions
from ._items import ForceMessage, FunctionCall, FunctionCallOutput, Message, UnknownItem

__all__ = ["check_client_event"]

_ROLES = frozenset({"user", "assistant", "system"})
_MODALITIES = frozenset({"text", "audio"})
# Part types of a client's message, and the field without which such a part says nothing.
_PARTS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "input_audio": "audio",
    "audio": "audio",
}
# Limits of metadata on response.create: the WebSocket schema.
_MAX_METADATA = 16
_MAX_METADATA_KEY = 64
_MAX_METADATA_VALUE = 512


def _refuse(path: str, what: str) -> RemoteWireError:
    return RemoteWireError(f"{path}: {what}", path=path)


def _check_present(value: object, path: str) -> None:
    if value is None:
        raise _refuse(path, "is missing")


def _check_content(item: Message | ForceMessage) -> None:
    if not item.content:
        raise _refuse("item.content", "is missing or empty")
    for index, part in enumerate(item.content):
        path = f"item.content[{index}]"
        field = _PARTS.get(part.type)
        if field is None:
            raise _refuse(
                f"{path}.type", f"got {clip(part.type)}, expected one of {', '.join(sorted(_PARTS))}"
            )
        if field == "audio":
            if part.audio is None and part.transcript is None:
                raise _refuse(f"{path}.audio", "is missing")
        else:
            _check_present(part.text, f"{path}.text")


def _check_create(event: ConversationItemCreate) -> None:
    match event.item:
        case Message() as item:
            if item.role not in _ROLES:
                raise _refuse("item.role", f"got {clip(item.role)}, expected user, assistant or system")
            _check_content(item)
        case ForceMessage() as item:
            if item.role != "assistant":
                raise _refuse("item.role", f"got {clip(item.role)}, expected assistant")
            _check_content(item)
        case FunctionCall() as item:
            _check_present(item.name, "item.name")
            _check_present(item.arguments, "item.arguments")
        case FunctionCallOutput() as item:
            _check_present(item.call_id, "item.call_id")
            _check_present(item.output, "item.output")
        case UnknownItem() as item:
            raise _refuse("item.type", f"got {clip(item.type)}, expected an item a client may create")


def _check_response(options: ResponseOptions) -> None:
    for index, modality in enumerate(options.modalities or ()):
        if modality not in _MODALITIES:
            raise _refuse(f"response.modalities[{index}]", f"got {clip(modality)}, expected text or audio")
    metadata = options.metadata or {}
    if len(metadata) > _MAX_METADATA:
        raise _refuse("response.metadata", f"has {len(metadata)} entries, expected at most {_MAX_METADATA}")
    for key, value in metadata.items():
        if len(key) > _MAX_METADATA_KEY:
            raise _refuse(
                "response.metadata", f"key {clip(key)} is longer than {_MAX_METADATA_KEY} characters"
            )
        if not isinstance(value, str):
            raise _refuse("response.metadata", f"got {clip(value)} for {clip(key)}, expected a string")
        if len(value) > _MAX_METADATA_VALUE:
            raise _refuse(
                "response.metadata", f"value of {clip(key)} is longer than {_MAX_METADATA_VALUE} characters"
            )


def check_client_event(event: Event) -> None:
    """Check the values of a decoded client event.

    Raises:
        RemoteWireError: With the path of the field; the caller adds the reply.
    """
    match event:
        case ConversationItemCreate():
            _check_create(event)
        case ConversationItemTruncate():
            if event.audio_end_ms < 0:
                raise _refuse("audio_end_ms", f"got {event.audio_end_ms}, expected 0 or more")
            if event.content_index < 0:
                raise _refuse("content_index", f"got {event.content_index}, expected 0 or more")
        case ResponseCreate(response=ResponseOptions() as options):
            _check_response(options)
        case _:
            pass
