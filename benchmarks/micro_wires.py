"""Timed: messages of all wires to events and back."""

import base64

import orjson

from callboard.protocols import deepgram, grok, twilio
from micro_kit import Case, plain

_FRAME = bytes(range(160))
_FRAME_TEXT = base64.b64encode(_FRAME).decode()
_STREAM = "MZ" + "0" * 32
_PART: dict[str, object] = {
    "response_id": "resp_1",
    "item_id": "item_1",
    "output_index": 0,
    "content_index": 0,
}
_ITEM: dict[str, object] = {
    "id": "item_1",
    "object": "realtime.item",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "audio", "transcript": "We open at nine."}],
}


def _text(content: dict[str, object]) -> str:
    return orjson.dumps(content).decode()


TWILIO: dict[str, str] = {
    "media": _text(
        {
            "event": "media",
            "sequenceNumber": "3",
            "media": {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": _FRAME_TEXT},
            "streamSid": _STREAM,
        }
    ),
    "mark": _text({"event": "mark", "sequenceNumber": "4", "mark": {"name": "m1"}, "streamSid": _STREAM}),
    "stop": _text({"event": "stop", "sequenceNumber": "5", "stop": {}, "streamSid": _STREAM}),
}
GROK: dict[str, dict[str, object]] = {
    "response.output_audio.delta, 100 ms of mu-law": {
        "type": "response.output_audio.delta",
        **_PART,
        "delta": base64.b64encode(bytes(800)).decode(),
    },
    "response.output_audio.delta, 100 ms of PCM at 24 kHz": {
        "type": "response.output_audio.delta",
        **_PART,
        "delta": base64.b64encode(bytes(4800)).decode(),
    },
    "response.output_audio_transcript.delta": {
        "type": "response.output_audio_transcript.delta",
        **_PART,
        "delta": " at nine",
    },
    "input_audio_buffer.speech_started": {
        "type": "input_audio_buffer.speech_started",
        "item_id": "item_1",
        "audio_start_ms": 1200,
    },
    "conversation.item.added": {"type": "conversation.item.added", "item": _ITEM},
    "response.done": {
        "type": "response.done",
        "response": {"id": "resp_1", "object": "realtime.response", "status": "completed", "output": [_ITEM]},
    },
}
DEEPGRAM: dict[str, dict[str, object]] = {
    "ConversationText": {"type": "ConversationText", "role": "assistant", "content": "We open at nine."},
    "UserStartedSpeaking": {"type": "UserStartedSpeaking"},
    "AgentAudioDone": {"type": "AgentAudioDone"},
    "FunctionCallRequest": {
        "type": "FunctionCallRequest",
        "functions": [
            {"id": "call_1", "name": "book", "arguments": '{"day": "Friday"}', "client_side": True}
        ],
    },
}


def _cases() -> list[Case]:
    cases: list[Case] = []

    def add(group: str, name: str, function: object, *arguments: object) -> None:
        assert callable(function)
        call = function
        cases.append(Case(group=group, name=name, batch=plain(lambda: call(*arguments))))

    for name, message in TWILIO.items():
        add("Twilio", f"decode {name}", twilio.decode_inbound, message)
    add("Twilio", "encode media, 20 ms", twilio.encode_outbound, twilio.SendMedia(payload=_FRAME), _STREAM)
    add("Twilio", "encode mark", twilio.encode_outbound, twilio.SendMark(name="m1"), _STREAM)
    add("Twilio", "encode clear", twilio.encode_outbound, twilio.Clear(), _STREAM)
    for name, event in GROK.items():
        add("Grok", f"decode {name}", grok.decode_server_event, _text(event))
    add("Grok", "encode input_audio_buffer.append, 20 ms of mu-law", grok.encode_append, _FRAME)
    add("Grok", "encode input_audio_buffer.append, 20 ms of PCM at 24 kHz", grok.encode_append, bytes(960))
    add("Grok", "encode response.create", grok.encode, grok.ResponseCreate())
    for name, event in DEEPGRAM.items():
        add("Deepgram", f"decode {name}", deepgram.decode_server_message, _text(event))
    add("Deepgram", "decode audio, 100 ms of mu-law", deepgram.decode_server_message, bytes(800))
    add("Deepgram", "encode KeepAlive", deepgram.encode, deepgram.KeepAlive())
    add("Deepgram", "encode UpdatePrompt", deepgram.encode, deepgram.UpdatePrompt(prompt="Be brief."))
    return cases


CASES = tuple(_cases())
