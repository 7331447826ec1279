"""The events of a Deepgram client: names, payloads, and how they are made from what comes."""

import inspect
import json
from typing import Any, cast

import pytest

from callboard.actors import _deepgram_events as events
from callboard.actors._agent_events import (
    AgentEvents,
    ClientEvent,
    ConnectorData,
    WebSocketErrorData,
    WebSocketMediaInfo,
    classes_of,
)
from callboard.actors._deepgram_client import VoiceAgentClient
from callboard.actors._deepgram_events import NAMES, DeepgramNews, Events, HTTPResponseData, VoiceAgentEvents
from callboard.protocols import deepgram as wire

V = VoiceAgentEvents
CALL = {"id": "call_1", "name": "track", "arguments": "{}", "client_side": True}

MESSAGES: dict[str, dict[str, object]] = {
    "Welcome": {"type": "Welcome", "request_id": "r-1"},
    "SettingsApplied": {"type": "SettingsApplied"},
    "ConversationText": {"type": "ConversationText", "role": "user", "content": "Hello."},
    "History": {"type": "History", "role": "assistant", "content": "Hello!"},
    "UserStartedSpeaking": {"type": "UserStartedSpeaking"},
    "AgentThinking": {"type": "AgentThinking", "content": "A greeting."},
    "AgentStartedSpeaking": {
        "type": "AgentStartedSpeaking",
        "total_latency": 0.9,
        "tts_latency": 0.2,
        "ttt_latency": 0.5,
    },
    "AgentAudioDone": {"type": "AgentAudioDone"},
    "LatencyReport": {"type": "LatencyReport", "total_latency": 0.7},
    "FunctionCallRequest": {"type": "FunctionCallRequest", "functions": [CALL]},
    "FunctionCallResponse": {"type": "FunctionCallResponse", "id": "call_1", "name": "track", "content": "7"},
    "FunctionCallCancelled": {
        "type": "FunctionCallCancelled",
        "functions": [{"id": "call_1", "name": "track"}],
    },
    "PromptUpdated": {"type": "PromptUpdated"},
    "ThinkUpdated": {"type": "ThinkUpdated"},
    "SpeakUpdated": {"type": "SpeakUpdated"},
    "ListenUpdated": {"type": "ListenUpdated"},
    "ThinkLiveUpdated": {"type": "ThinkLiveUpdated"},
    "InjectionRefused": {"type": "InjectionRefused", "message": "Somebody speaks."},
    "FrustrationDetected": {"type": "FrustrationDetected", "count": 1, "escalated": False},
    "CustomFromThinkProvider": {"type": "__customFromThinkProvider", "content": [1]},
    "Error": {"type": "Error", "description": "Oops", "code": "INTERNAL_SERVER_ERROR"},
    "Warning": {"type": "Warning", "description": "Slow", "code": "SLOW_THINK_REQUEST"},
    "Unknown": {"type": "SomethingNew", "colour": "blue"},
}
NOT_OF_THE_WIRE = {"HTTPResponse", "WebSocketError", "ConnectorInformation"}


class Got(list[Any]):
    """What was published, and the news that publish it."""

    def __init__(self) -> None:
        super().__init__()
        # Only passed on, so anything will do.
        self.client = cast("VoiceAgentClient", object())
        self.news = DeepgramNews(self.client, self.append)


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_is_an_event_with_client_data_and_raw(name: str) -> None:
    message, got = MESSAGES[name], Got()
    got.news.message(wire.decode_server_message(json.dumps(message)))
    (event,) = got
    assert type(event) is getattr(V, name)
    assert event.client is got.client
    assert event.raw == message
    assert event.data.type == message["type"]
    for field, value in message.items():
        if field not in {"type", "functions"}:
            told: object = event.data.raw[field] if name == "Unknown" else getattr(event.data, field)
            assert told == value


def test_there_is_an_event_for_everything_the_server_says() -> None:
    assert set(events.BY_WIRE_TYPE) == {kind.type for kind in wire.SERVER_MESSAGES}
    assert {kind.__name__ for kind in classes_of(V)} == set(MESSAGES) | NOT_OF_THE_WIRE


def test_payload_is_of_the_class_the_event_declares() -> None:
    for wire_type, kind in events.BY_WIRE_TYPE.items():
        (base,) = getattr(kind, "__orig_bases__")  # noqa: B009
        assert base.__args__[0].type == wire_type


def test_audio_is_no_event() -> None:
    got = Got()
    got.news.message(wire.decode_server_message(b"\x00\x01"))
    assert got == []


@pytest.mark.parametrize("kind", [*classes_of(V), *classes_of(Events)])
def test_event_is_found_by_every_name(kind: type[ClientEvent]) -> None:
    space = "Events" if kind in classes_of(Events) else "VoiceAgentEvents"
    for name in (kind, kind.__name__, f"{space}.{kind.__name__}", f"Deepgram.{space}.{kind.__name__}"):
        assert NAMES.find(name) is kind


def test_type_on_the_wire_is_a_name() -> None:
    assert NAMES.find("Error") is V.Error
    assert NAMES.find("__customFromThinkProvider") is V.CustomFromThinkProvider


def test_own_word_goes_before_the_neutral_one() -> None:
    assert NAMES.find("UserStartedSpeaking") is V.UserStartedSpeaking
    assert NAMES.find("AgentEvents.UserStartedSpeaking") is AgentEvents.UserStartedSpeaking


@pytest.mark.parametrize("name", ["welcome", "VoiceAgentEvents.Welcom", ""])
def test_name_of_no_event_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no event"):
        NAMES.find(name)


def test_every_event_is_documented() -> None:
    for kind in (*classes_of(V), *classes_of(Events)):
        assert inspect.getdoc(kind), kind


def test_refused_handshake_is_told_without_credentials() -> None:
    got = Got()
    got.news.handshake_refused(
        401,
        {"Content-Type": "text/plain", "Set-Cookie": "session=secret", "dg-request-id": "r"},
        "x" * 5000,
    )
    (event,) = got
    assert type(event) is V.HTTPResponse
    data: HTTPResponseData = event.data
    assert data.status == 401
    assert data.headers == {"content-type": "text/plain", "dg-request-id": "r"}
    assert data.body == "x" * 2000
    assert event.raw == {}


def test_news_of_the_connection_and_of_audio() -> None:
    got = Got()
    connector = ConnectorData(endpoint="wss://host/", model="", web_socket_id="1", attempt=1)
    got.news.connector(connector)
    got.news.web_socket_error(WebSocketErrorData(message="lost", code=1006))
    got.news.media_started("ULAW")
    got.news.media_ended(WebSocketMediaInfo(duration=1.5, bytes_sent=12000))
    information, error, started, ended = got
    assert type(information) is V.ConnectorInformation
    assert information.data is connector
    assert type(error) is V.WebSocketError
    assert error.data.code == 1006
    assert type(started) is Events.WebSocketMediaStarted
    assert (started.tag, started.encoding, started.custom_parameters) == (None, "ULAW", {})
    assert type(ended) is Events.WebSocketMediaEnded
    assert ended.media_info.bytes_sent == 12000
    assert all(event.client is got.client for event in got)
