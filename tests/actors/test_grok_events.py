"""Events: names, payloads, listeners, streams, and the two about played audio."""

import base64
from typing import Any

import pytest
import trio

from callboard import grok
from callboard.actors._grok_events import NAMES
from tests.actors.grok_kit import KEY, Message, Rig, V, create, open_rig, open_server, settle

ITEM = {"id": "m1", "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
RESPONSE: Message = {"id": "r1", "object": "realtime.response", "status": "completed", "output": []}
PART = {"response_id": "r1", "item_id": "m1", "output_index": 0, "content_index": 0}

MESSAGES: dict[str, Message] = {
    "SessionCreated": {"type": "session.created", "session": {"id": "s"}},
    "ConversationCreated": {"type": "conversation.created", "conversation": {"id": "conv_001"}},
    "SessionUpdated": {"type": "session.updated", "session": {"voice": "Eve"}},
    "Ping": {"type": "ping", "timestamp": 1795226400123},
    "ConversationItemAdded": {"type": "conversation.item.added", "previous_item_id": "m0", "item": ITEM},
    "ConversationItemCreated": {"type": "conversation.item.created", "item": ITEM},
    "ConversationItemDeleted": {"type": "conversation.item.deleted", "item_id": "m1"},
    "ConversationItemTruncated": {"type": "conversation.item.truncated", "item_id": "m1", "transcript": "H"},
    "ConversationItemInputAudioTranscriptionUpdated": {
        "type": "conversation.item.input_audio_transcription.updated",
        "item_id": "m1",
        "transcript": "Hello",
    },
    "ConversationItemInputAudioTranscriptionCompleted": {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "m1",
        "transcript": "Hello, how are you?",
    },
    "InputAudioBufferCommitted": {
        "type": "input_audio_buffer.committed",
        "item_id": "m1",
        "previous_item_id": "m0",
    },
    "InputAudioBufferCleared": {"type": "input_audio_buffer.cleared"},
    "InputAudioBufferSpeechStarted": {"type": "input_audio_buffer.speech_started", "item_id": "m1"},
    "InputAudioBufferSpeechStopped": {"type": "input_audio_buffer.speech_stopped", "item_id": "m1"},
    "InputAudioBufferTimeoutTriggered": {"type": "input_audio_buffer.timeout_triggered", "item_id": "m1"},
    "ResponseCreated": {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
    "ResponseDone": {"type": "response.done", "response": RESPONSE},
    "ResponseOutputItemAdded": {
        "type": "response.output_item.added",
        "response_id": "r1",
        "output_index": 0,
        "item": ITEM,
    },
    "ResponseOutputItemDone": {
        "type": "response.output_item.done",
        "response_id": "r1",
        "output_index": 0,
        "item": ITEM,
    },
    "ResponseContentPartAdded": {"type": "response.content_part.added", **PART, "part": {"type": "audio"}},
    "ResponseContentPartDone": {"type": "response.content_part.done", **PART},
    "ResponseOutputAudioDone": {"type": "response.output_audio.done", **PART},
    "ResponseOutputAudioTranscriptDelta": {
        "type": "response.output_audio_transcript.delta",
        **PART,
        "delta": "Hello!",
    },
    "ResponseOutputAudioTranscriptDone": {
        "type": "response.output_audio_transcript.done",
        **PART,
        "transcript": "Hello!",
    },
    "ResponseFunctionCallArgumentsDone": {
        "type": "response.function_call_arguments.done",
        "response_id": "r1",
        "item_id": "m9",
        "output_index": 0,
        "call_id": "call_001",
        "name": "get_weather",
        "arguments": "{}",
    },
    "Error": {"type": "error", "error": {"type": "internal_error", "message": "Oops"}},
    "Unknown": {"type": "something.new", "colour": "blue"},
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_each_message_is_an_event_with_client_data_and_raw(name: str, autojump_clock: object) -> None:
    async with open_rig() as rig:
        message = MESSAGES[name]
        kind: type[Any] = getattr(V, name)
        got: list[Any] = []
        rig.client.add_event_listener(kind, got.append)
        got.clear()
        await settle()
        got.clear()
        stream = rig.client.events(kind)
        fields = {key: value for key, value in message.items() if key != "type"}
        await rig.peer.send(str(message["type"]), **fields)
        event = await stream.receive()
        await settle()
        assert got == [event]
        assert type(event) is kind
        assert event.client is rig.client
        assert event.raw == message
        assert event.data.type == message["type"]
        for field, value in fields.items():
            if not isinstance(value, dict):
                assert (
                    event.data.raw[field] == value
                    if name == "Unknown"
                    else getattr(event.data, field) == value
                )


@pytest.mark.parametrize(
    "name",
    [
        "response.done",
        "ResponseDone",
        "VoiceAgentAPIEvents.ResponseDone",
        "Grok.VoiceAgentAPIEvents.ResponseDone",
        V.ResponseDone,
    ],
)
def test_events_have_several_names(name: object) -> None:
    assert NAMES.find(name) is V.ResponseDone


def test_media_events_have_names_too() -> None:
    assert NAMES.find("Events.WebSocketMediaStarted") is grok.Events.WebSocketMediaStarted
    assert NAMES.find("WebSocketMediaEnded") is grok.Events.WebSocketMediaEnded


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'response.dome'; perhaps 'response.done'"):
        NAMES.find("response.dome")
    with pytest.raises(TypeError):
        NAMES.find(3)
    with pytest.raises(TypeError):
        NAMES.find(int)


async def test_a_listener_must_be_a_function(autojump_clock: object) -> None:
    async with open_rig() as rig:
        with pytest.raises(TypeError, match="a listener is a function"):
            rig.client.add_event_listener(V.Ping, "on_ping")  # type: ignore[arg-type]


async def test_listeners_run_in_the_order_of_the_wire_one_after_the_other(autojump_clock: object) -> None:
    async with open_rig() as rig:
        log: list[str] = []

        async def slow(event: grok.GrokEvent) -> None:
            await trio.sleep(1.0)
            log.append(f"slow {type(event).__name__}")

        def quick(event: grok.GrokEvent) -> None:
            log.append(f"quick {type(event).__name__}")

        for name in ("input_audio_buffer.committed", "input_audio_buffer.cleared"):
            rig.client.add_event_listener(name, slow)
            rig.client.add_event_listener(name, quick)
        await rig.peer.send("input_audio_buffer.committed", item_id="m1")
        await rig.peer.send("input_audio_buffer.cleared")
        await trio.sleep(5)
        assert log == [
            "slow InputAudioBufferCommitted",
            "quick InputAudioBufferCommitted",
            "slow InputAudioBufferCleared",
            "quick InputAudioBufferCleared",
        ]


async def test_a_hung_listener_does_not_hold_up_reading(autojump_clock: object) -> None:
    async with open_rig() as rig:

        async def hang(_: object) -> None:
            await trio.sleep(5)

        rig.client.add_event_listener(V.ConversationItemDeleted, hang)
        await rig.configured()
        await rig.peer.send("conversation.item.deleted", item_id="m1")
        await rig.peer.begin()
        await rig.peer.audio(0.5)
        await settle()
        assert rig.ear.payload == b"\x55" * 4000


async def test_removing_one_listener_or_all(autojump_clock: object) -> None:
    async with open_rig() as rig:
        log: list[str] = []

        def first(_: object) -> None:
            log.append("first")

        def second(_: object) -> None:
            log.append("second")

        for listener in (first, second):
            rig.client.add_event_listener("input_audio_buffer.cleared", listener)
        rig.client.remove_event_listener("input_audio_buffer.cleared", first)
        rig.client.remove_event_listener("input_audio_buffer.cleared", first)
        await rig.peer.send("input_audio_buffer.cleared")
        await settle()
        assert log == ["second"]
        rig.client.add_event_listener(V.InputAudioBufferCleared, first)
        rig.client.remove_event_listener(V.InputAudioBufferCleared)
        await rig.peer.send("input_audio_buffer.cleared")
        await settle()
        assert log == ["second"]


async def test_a_listener_that_raises_is_logged_and_the_others_run(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_rig() as rig:
        log: list[object] = []

        def broken(event: grok.VoiceAgentAPIEvents.InputAudioBufferCleared) -> None:
            raise ZeroDivisionError

        rig.client.add_event_listener(V.InputAudioBufferCleared, broken)
        rig.client.add_event_listener(V.InputAudioBufferCleared, log.append)
        await rig.peer.send("input_audio_buffer.cleared")
        await rig.peer.send("input_audio_buffer.cleared")
        await settle()
        assert len(log) == 2
        assert "broken failed on VoiceAgentAPIEvents.InputAudioBufferCleared" in caplog.text


async def test_the_greeting_waits_for_the_first_who_asks(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        client = await create(system, server)
        got: list[Any] = []
        client.add_event_listener(V.ConversationCreated, got.append)
        client.add_event_listener(V.ConversationCreated, lambda _: got.append("again"))
        await settle()
        assert [event.data.conversation.id for event in got] == ["conv-1"]
        stream = client.events()
        kinds: list[object] = [type(await stream.receive()) for _ in range(2)]
        assert kinds == [V.ConnectorInformation, V.SessionCreated]
        assert client.events().pending == 0


async def test_connector_information_tells_how_we_are_connected(autojump_clock: object) -> None:
    async with open_rig(model="grok-voice-3.0") as rig:
        stream = rig.client.events(V.ConnectorInformation)
        data = (await stream.receive()).data
        assert data.endpoint.endswith("/v1/realtime?model=grok-voice-3.0")
        assert (data.model, data.attempt, data.trace) == ("grok-voice-3.0", 1, None)
        assert data.web_socket_id == rig.client.web_socket_id()
        await rig.peer.cut()
        again = (await stream.receive()).data
        assert again.attempt == 2
        assert again.web_socket_id != data.web_socket_id
        await rig.reconnected()


async def test_a_stream_has_every_event_in_order_from_the_call_on_i5(autojump_clock: object) -> None:
    async with open_rig() as rig:
        everything = rig.client.events(V.ConversationItemDeleted, V.InputAudioBufferCleared)
        some = rig.client.events(V.ConversationItemDeleted)
        for number in range(50):
            await rig.peer.send("conversation.item.deleted", item_id=f"m{number}")
            await rig.peer.send("input_audio_buffer.cleared")
        await settle()
        rig.client.close()
        seen = [event async for event in everything]
        assert [type(event).__name__ for event in seen] == [
            "ConversationItemDeleted",
            "InputAudioBufferCleared",
        ] * 50
        assert [event.data.item_id async for event in some] == [f"m{number}" for number in range(50)]


async def test_a_stream_that_is_not_read_says_so(autojump_clock: object) -> None:
    async with open_rig() as rig:
        lazy = rig.client.events(V.ConversationItemDeleted)
        busy = rig.client.events(V.ConversationItemDeleted)
        for number in range(600):
            await rig.peer.send("conversation.item.deleted", item_id=f"m{number}")
            await busy.receive()
        for _ in range(512):
            await lazy.receive()
        with pytest.raises(grok.SubscriberLagged, match="more than 512"):
            await lazy.receive()


async def test_streams_end_with_the_client(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        ended: list[int] = []

        async def read() -> None:
            ended.append(len([event async for event in rig.client.events(V.ResponseDone)]))

        nursery.start_soon(read)
        await settle()
        rig.client.close()
        await settle()
        assert ended == [0]
        assert [event async for event in rig.client.events()] == []


async def test_events_match_by_class(autojump_clock: object) -> None:
    async with open_rig() as rig:
        stream = rig.client.events()
        await rig.peer.send("something.new", colour="blue")
        async for event in stream:
            match event:
                case V.Unknown(data=data):
                    assert data.raw["colour"] == "blue"
                    break
                case _:
                    pass


def moments(rig: Rig, log: list[tuple[float, str, Any]]) -> None:
    def note(event: grok.GrokEvent) -> None:
        log.append((round(trio.current_time(), 3), type(event).__name__, event))

    for kind in (grok.Events.WebSocketMediaStarted, grok.Events.WebSocketMediaEnded):
        rig.client.add_event_listener(kind, note)


async def test_media_ends_one_second_after_the_audio_has_played(autojump_clock: object) -> None:
    async with open_rig() as rig:
        log: list[tuple[float, str, Any]] = []
        moments(rig, log)
        await rig.configured()
        start = trio.current_time()
        await rig.peer.begin()
        await rig.peer.audio(2.0)
        await settle()
        await trio.sleep(1.0)
        await rig.peer.audio(1.5)
        await rig.peer.finish()
        await trio.sleep(10)
        assert [name for _, name, _ in log] == ["WebSocketMediaStarted", "WebSocketMediaEnded"]
        assert [at - start for at, _, _ in log] == pytest.approx([0.0, 4.5])
        started, ended = log[0][2], log[1][2]
        assert (started.client, started.tag, started.encoding) == (rig.client, None, "ULAW")
        assert dict(started.custom_parameters) == {}
        assert ended.media_info.duration == pytest.approx(3.5)
        assert ended.media_info.bytes_sent == 28000


async def test_media_that_pauses_for_less_than_a_second_is_one_stretch(autojump_clock: object) -> None:
    async with open_rig() as rig:
        log: list[tuple[float, str, Any]] = []
        moments(rig, log)
        await rig.configured()
        await rig.peer.begin()
        for pause in (1.9, 1.9, 3.0, 3.0):
            await rig.peer.audio(1.0)
            await settle()
            await trio.sleep(pause)
        assert [name for _, name, _ in log] == ["WebSocketMediaStarted", "WebSocketMediaEnded"] * 2
        assert log[1][2].media_info.duration == pytest.approx(3.0)


async def test_a_clear_ends_what_plays(autojump_clock: object) -> None:
    async with open_rig() as rig:
        log: list[tuple[float, str, Any]] = []
        moments(rig, log)
        await rig.configured()
        start = trio.current_time()
        await rig.peer.begin()
        await rig.peer.audio(30.0)
        await settle()
        await trio.sleep(2.0)
        rig.client.clear_media_buffer()
        await trio.sleep(5.0)
        assert [name for _, name, _ in log] == ["WebSocketMediaStarted", "WebSocketMediaEnded"]
        assert log[1][0] - start == pytest.approx(3.0)
        assert log[1][2].media_info.duration == pytest.approx(2.0)


async def test_on_web_socket_close_is_called_for_each_socket(autojump_clock: object) -> None:
    closes: list[grok.WebSocketClosed] = []
    async with open_rig(on_web_socket_close=closes.append) as rig:
        await rig.peer.close(1001, "going away")
        await rig.reconnected()
        rig.client.close()
        await rig.client.wait_closed()
    assert [(close.code, close.reason, close.was_clean, close.will_reconnect) for close in closes] == [
        (1001, "going away", True, True),
        (1000, "", True, False),
    ]
    assert closes[0].client is rig.client


async def test_on_web_socket_close_must_be_a_function(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        with pytest.raises(TypeError, match="on_web_socket_close is a function"):
            await create(system, server, on_web_socket_close=3)


async def test_binary_frames_are_audio_of_the_response(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin()
        await rig.peer.socket.send(b"\x33" * 800)
        await settle()
        assert rig.ear.payload == b"\x33" * 800
        await trio.sleep(0.05)
        rig.client.interrupt()
        assert (await rig.peer.next("conversation.item.truncate"))["item_id"] == "a1"
        await rig.peer.socket.send(b"\x33" * 800)
        await settle()
        assert rig.ear.payload == b"\x33" * 800


async def test_odd_octets_of_pcm_are_carried_over(autojump_clock: object) -> None:
    async with open_rig(preferred=grok_pcm()) as rig:
        await rig.configured()
        payload = bytes(range(250)) * 4
        await rig.peer.begin()
        for at in range(0, 1000, 7):
            delta = base64.b64encode(payload[at : at + 7]).decode()
            await rig.peer.send("response.output_audio.delta", response_id="r1", item_id="a1", delta=delta)
        await settle()
        audio = rig.client.statistics().audio_out
        assert audio == pytest.approx(500 / 24000)


def grok_pcm() -> Any:
    from callboard.media import PCM16_24K

    return PCM16_24K


async def test_no_key_in_any_repr(autojump_clock: object) -> None:
    async with open_rig() as rig:
        stream = rig.client.events()
        texts = [repr(await stream.receive()) for _ in range(3)] + [
            repr(rig.client),
            rig.system.tree().render(),
        ]
        texts += [
            repr(rig.client._actor.connection._adapter),
            repr(await rig.client._actor.connection._adapter.connect_request()),
        ]
        assert not [text for text in texts if KEY in text]
