"""The session of a Deepgram client: its one `Settings`, what may go before and after, its events, its end."""

import base64
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from callboard import AgentEvents, deepgram
from callboard.actors._deepgram_events import NAMES
from callboard.media import PCM16_24K, ULAW_8K
from tests.actors.deepgram_kit import (
    KEY,
    SETTINGS,
    Message,
    V,
    create,
    open_rig,
    open_server,
    open_session,
    settle,
)

LINEAR = {"encoding": "linear16", "sample_rate": 24000}
MULAW = {"encoding": "mulaw", "sample_rate": 8000}


async def test_settings_come_first_once_and_behind_the_welcome(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.greets = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, system, server)
            peer = await server.peer()
            assert await peer.quiet(3) == []
            await peer.greet()
        assert await peer.next() == {
            "type": "Settings",
            "audio": {"input": LINEAR, "output": {**LINEAR, "container": "none"}},
            "agent": {
                "listen": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}},
                **SETTINGS["agent"],
            },
        }
        await peer.send("SettingsApplied")
        assert await peer.quiet(5) == []


async def test_audio_formats_are_those_of_the_call(autojump_clock: object) -> None:
    async with open_rig() as rig:
        settings = await rig.applied()
        assert settings["audio"] == {"input": MULAW, "output": {**MULAW, "container": "none"}}
        assert rig.client.input_format == rig.client.output_format == ULAW_8K


async def test_audio_formats_that_the_user_names_are_taken(autojump_clock: object) -> None:
    options = {**SETTINGS, "audio": {"output": LINEAR}}
    async with open_rig(settings_options=options) as rig:
        settings = await rig.applied()
        assert settings["audio"] == {"input": MULAW, "output": {**LINEAR, "container": "none"}}
        assert (rig.client.input_format, rig.client.output_format) == (ULAW_8K, PCM16_24K)


async def test_without_options_nothing_is_sent_until_configure(autojump_clock: object) -> None:
    async with open_rig(settings_options=None) as rig:
        rig.mouth.say(0.5)
        assert await rig.peer.quiet(20) == []
        assert (rig.peer.keep_alives, bytes(rig.peer.heard)) == ([], b"")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: rig.client.configure(instructions="Be brief.", voice="aura-2-thalia-en", speed=1.2)
            )
            agent = (await rig.applied())["agent"]
        assert agent["think"]["prompt"] == "Be brief."
        assert agent["speak"]["provider"]["model"] == "aura-2-thalia-en"
        assert agent["speak"]["provider"]["speed"] == 1.2
        assert await rig.peer.quiet(5) == []


async def test_configure_before_the_welcome_waits_for_it(autojump_clock: object) -> None:
    async with open_rig(settings_options=None) as rig:
        rig.server.greets = False
        await rig.peer.cut()
        await rig.reconnected()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(instructions="Be brief."))
            assert await rig.peer.quiet(2) == []
            await rig.peer.greet()
            assert (await rig.applied())["agent"]["think"]["prompt"] == "Be brief."


async def test_configure_a_running_session_sends_updates_and_waits_for_their_acks(
    autojump_clock: object,
) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:
        done: list[float] = []

        async def configure() -> None:
            await rig.client.configure(instructions="Be polite.", voice="flux-alexis-en")
            done.append(trio.current_time())

        nursery.start_soon(configure)
        think = await rig.peer.next("UpdateThink")
        assert think["think"] == {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": "Be polite.",
        }
        speak = await rig.peer.next("UpdateSpeak")
        assert speak["speak"]["provider"]["model"] == "flux-alexis-en"
        await rig.peer.send("ThinkUpdated")
        await settle()
        assert not done
        await rig.peer.send("SpeakUpdated")
        await settle()
        assert done
        assert await rig.peer.quiet(5) == []


async def test_configure_that_changes_nothing_returns_at_once(autojump_clock: object) -> None:
    async with open_session() as rig:
        with trio.fail_after(0.1):
            await rig.client.configure(instructions="You are brief.")
        assert await rig.peer.quiet() == []


async def test_updates_before_the_settings_are_applied_wait_for_that(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        done: list[float] = []

        async def configure() -> None:
            await rig.client.configure(instructions="Be polite.")
            done.append(trio.current_time())

        await rig.peer.next("Settings")
        nursery.start_soon(configure)
        assert await rig.peer.quiet(2) == []
        await rig.peer.send("SettingsApplied")
        assert (await rig.peer.next("UpdateThink"))["think"]["prompt"] == "Be polite."
        await settle()
        # The settings that were applied are not those that were wanted last.
        assert not done
        await rig.peer.send("ThinkUpdated")
        await settle()
        assert done


UPDATES: list[tuple[str, Callable[[deepgram.VoiceAgentClient], None], Message]] = [
    (
        "PromptUpdated",
        lambda c: c.send_update_prompt({"prompt": "The caller is verified."}),
        {"type": "UpdatePrompt", "prompt": "The caller is verified."},
    ),
    (
        "SpeakUpdated",
        lambda c: c.send_update_speak(
            {"speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}}
        ),
        {"type": "UpdateSpeak", "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}},
    ),
    (
        "ThinkUpdated",
        lambda c: c.send_update_think(
            {"type": "UpdateThink", "think": {"provider": {"type": "open_ai", "model": "gpt-5"}}}
        ),
        {"type": "UpdateThink", "think": {"provider": {"type": "open_ai", "model": "gpt-5"}}},
    ),
    (
        "ListenUpdated",
        lambda c: c.send_update_listen(
            {
                "listen": {
                    "provider": {
                        "type": "deepgram",
                        "version": "v2",
                        "model": "flux-general-en",
                        "eot_threshold": 0.9,
                    }
                }
            }
        ),
        {
            "type": "UpdateListen",
            "listen": {
                "provider": {
                    "type": "deepgram",
                    "version": "v2",
                    "model": "flux-general-en",
                    "eot_threshold": 0.9,
                }
            },
        },
    ),
]


@pytest.mark.parametrize(("ack", "act", "message"), UPDATES)
async def test_updates_of_the_users_own_are_sent_and_kept_for_later_sessions(
    ack: str, act: Callable[[deepgram.VoiceAgentClient], None], message: Message, autojump_clock: object
) -> None:
    async with open_session() as rig:
        acks = rig.client.events(getattr(V, ack))
        act(rig.client)
        assert await rig.peer.next() == message
        await rig.peer.send(ack)
        event: Any = await acks.receive()
        assert event.raw == {"type": ack}
        agent = (await rig.renewed())["agent"]
        match message["type"]:
            case "UpdatePrompt":
                assert agent["think"]["prompt"] == "You are brief.\nThe caller is verified."
            case "UpdateSpeak":
                assert agent["speak"] == message["speak"]
            case "UpdateThink":
                assert agent["think"] == message["think"]
            case _:
                assert agent["listen"]["provider"]["eot_threshold"] == 0.9
        # It is in the settings, and not sent again.
        assert await rig.peer.quiet(3) == []


async def test_an_update_that_is_refused_is_told_and_taken_back(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await rig.peer.next("UpdateSpeak")
            await rig.peer.error("FAILED_TO_SPEAK", "no such voice")
            await rig.reconnected()
            settings = await rig.applied()
            assert settings["agent"]["speak"]["provider"]["model"] == "flux-kit-en"

        nursery.start_soon(refuse)
        with pytest.raises(deepgram.RequestRefused, match="no such voice") as caught:
            await rig.client.configure(voice="flux-nobody-en")
        assert caught.value.kind == "FAILED_TO_SPEAK"
        assert not rig.client.closed


async def test_an_update_of_listening_may_be_refused_by_a_warning(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await rig.peer.next("UpdateListen")
            await rig.peer.send(
                "Warning", code="UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED", description="same model only"
            )

        nursery.start_soon(refuse)
        with pytest.raises(deepgram.RequestRefused, match="same model only"):
            await rig.client.configure(language="es")
        assert rig.client.statistics().connects == 1


async def test_an_update_without_an_answer_is_given_up_after_ten_seconds(autojump_clock: object) -> None:
    async with open_session() as rig:
        begin = trio.current_time()
        with pytest.raises(deepgram.ProviderFailed, match="within 10 s"):
            await rig.client.configure(instructions="Be polite.")
        assert trio.current_time() - begin == pytest.approx(10.0)


async def test_an_update_whose_ack_was_lost_is_in_the_next_settings(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:
        done: list[bool] = []

        async def configure() -> None:
            await rig.client.configure(instructions="Be polite.")
            done.append(True)

        nursery.start_soon(configure)
        await rig.peer.next("UpdateThink")
        settings = await rig.renewed()
        assert settings["agent"]["think"]["prompt"] == "Be polite."
        await settle()
        assert done


@pytest.mark.parametrize(
    ("message", "send"),
    [
        ({"message": "Hi."}, deepgram.VoiceAgentClient.send_inject_agent_message),
        ({"content": "Hi."}, deepgram.VoiceAgentClient.send_inject_user_message),
    ],
)
async def test_injections_wait_until_the_settings_are_applied(
    message: Message, send: Callable[[Any, Message], None], autojump_clock: object
) -> None:
    async with open_rig() as rig:
        send(rig.client, message)
        await rig.peer.next("Settings")
        send(rig.client, message)
        rig.client.send_force_end_turn()
        rig.client.send_keep_alive()
        assert await rig.peer.quiet(2) == []
        await rig.peer.send("SettingsApplied")
        sent = await rig.peer.quiet(2)
        assert [{**entry, "type": ""} for entry in sent] == [{**message, "type": ""}] * len(sent)
        assert sent


async def test_nothing_but_settings_can_be_the_first_message(autojump_clock: object) -> None:
    async with open_rig(settings_options=None) as rig:
        rig.client.send_inject_agent_message({"message": "Hi."})
        rig.client.send_function_call_response({"id": "c1", "name": "f", "content": ""})
        rig.client.send_force_end_turn()
        rig.client.send_keep_alive()
        rig.client.send_update_prompt({"prompt": "More."})
        message = await rig.peer.next("Settings")
        assert message["agent"]["think"]["prompt"] == "More."
        assert await rig.peer.quiet(2) == []
        await rig.peer.send("SettingsApplied")
        assert await rig.peer.quiet(2) == [{"type": "InjectAgentMessage", "message": "Hi."}]


METHODS: list[tuple[Callable[[deepgram.VoiceAgentClient], None], Message]] = [
    (
        lambda c: c.send_inject_agent_message({"message": "One moment.", "behavior": "interrupt"}),
        {"type": "InjectAgentMessage", "message": "One moment.", "behavior": "interrupt"},
    ),
    (
        lambda c: c.send_inject_agent_message(deepgram.InjectAgentMessage(message="One moment.")),
        {"type": "InjectAgentMessage", "message": "One moment."},
    ),
    (
        lambda c: c.send_inject_user_message({"type": "InjectUserMessage", "content": "I lost my parcel."}),
        {"type": "InjectUserMessage", "content": "I lost my parcel."},
    ),
    (
        lambda c: c.send_function_call_response({"id": "c1", "name": "track", "content": "{}"}),
        {"type": "FunctionCallResponse", "id": "c1", "name": "track", "content": "{}"},
    ),
    (lambda c: c.send_force_end_turn(), {"type": "ForceEndTurn"}),
]


@pytest.mark.parametrize(("act", "expected"), METHODS)
async def test_method_sends_its_message(
    act: Callable[[deepgram.VoiceAgentClient], None], expected: Message, autojump_clock: object
) -> None:
    async with open_session() as rig:
        act(rig.client)
        assert await rig.peer.next() == expected


async def test_send_keep_alive_sends_one(autojump_clock: object) -> None:
    async with open_session() as rig:
        start = trio.current_time()
        rig.client.send_keep_alive()
        await rig.peer.quiet(1)
        assert rig.peer.keep_alives == [start]


async def test_caller_audio_waits_for_the_settings_to_be_applied(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.mouth.say(0.02, 1)
        await rig.peer.next("Settings")
        rig.mouth.say(0.02, 2)
        assert await rig.peer.quiet(1) == []
        assert not rig.peer.heard
        await rig.peer.send("SettingsApplied")
        await rig.peer.quiet(0.1)
        assert bytes(rig.peer.heard) == b"\x01" * 160 + b"\x02" * 160


async def test_keep_alives_every_eight_seconds_while_nothing_else_is_sent(autojump_clock: object) -> None:
    async with open_rig() as rig:
        start = trio.current_time()
        await rig.peer.next("Settings")
        await rig.peer.quiet(10)
        await rig.peer.send("SettingsApplied")
        await rig.peer.quiet(15)
        assert [at - start for at in rig.peer.keep_alives] == pytest.approx([8.0, 16.0, 24.0])
        rig.mouth.say(0.02)
        await rig.peer.quiet(7.9)
        assert len(rig.peer.keep_alives) == 3
        await rig.peer.quiet(0.2)
        assert len(rig.peer.keep_alives) == 4


async def test_no_keep_alive_while_audio_flows(autojump_clock: object) -> None:
    async with open_session() as rig:
        for _ in range(100):
            rig.mouth.say(0.2)
            await rig.peer.quiet(0.2)
        assert rig.peer.keep_alives == []


async def test_no_keep_alive_before_the_settings_of_a_later_session(autojump_clock: object) -> None:
    async with open_session() as rig:
        rig.server.greets = False
        await trio.sleep(5)
        await rig.peer.cut()
        await rig.reconnected()
        await rig.peer.quiet(9)
        assert rig.peer.keep_alives == []


EVENTS: dict[str, Message] = {
    "Welcome": {"type": "Welcome", "request_id": "again"},
    "SettingsApplied": {"type": "SettingsApplied"},
    "ConversationText": {"type": "ConversationText", "role": "user", "content": "Hi.", "languages": ["en"]},
    "History": {"type": "History", "role": "assistant", "content": "Hello."},
    "UserStartedSpeaking": {"type": "UserStartedSpeaking"},
    "AgentThinking": {"type": "AgentThinking", "content": "Hm."},
    "AgentStartedSpeaking": {
        "type": "AgentStartedSpeaking",
        "total_latency": 0.9,
        "tts_latency": 0.2,
        "ttt_latency": 0.5,
    },
    "AgentAudioDone": {"type": "AgentAudioDone"},
    "LatencyReport": {"type": "LatencyReport", "tts_latency": 0.19, "new_latency": 1},
    "FunctionCallRequest": {
        "type": "FunctionCallRequest",
        "functions": [{"id": "c1", "name": "f", "arguments": "{}", "client_side": True}],
    },
    "FunctionCallResponse": {"type": "FunctionCallResponse", "id": "c1", "name": "f", "content": "x"},
    "FunctionCallCancelled": {"type": "FunctionCallCancelled", "functions": [{"id": "c1", "name": "f"}]},
    "PromptUpdated": {"type": "PromptUpdated"},
    "SpeakUpdated": {"type": "SpeakUpdated"},
    "ThinkUpdated": {"type": "ThinkUpdated"},
    "ListenUpdated": {"type": "ListenUpdated"},
    "ThinkLiveUpdated": {"type": "ThinkLiveUpdated"},
    "InjectionRefused": {"type": "InjectionRefused"},
    "FrustrationDetected": {"type": "FrustrationDetected", "count": 2, "escalated": False},
    "CustomFromThinkProvider": {"type": "__customFromThinkProvider", "content": [1]},
    "Error": {"type": "Error", "code": "SERVER_GOING_AWAY", "description": "maintenance"},
    "Warning": {"type": "Warning", "code": "SLOW_THINK_REQUEST", "description": "5 s"},
    "Unknown": {"type": "SomethingNew", "colour": "blue"},
}


@pytest.mark.parametrize("name", EVENTS)
async def test_each_message_is_an_event_with_client_data_and_raw(name: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        message = EVENTS[name]
        kind: type[Any] = getattr(V, name)
        assert NAMES.find(message["type"] if name != "Unknown" else name).__name__ == name
        got: list[Any] = []
        rig.client.add_event_listener(kind, got.append)
        await settle()
        got.clear()
        stream = rig.client.events(kind)
        fields = {key: value for key, value in message.items() if key != "type"}
        await rig.peer.send(message["type"], **fields)
        event: Any = await stream.receive()
        await settle()
        assert got == [event]
        assert type(event) is kind
        assert event.client is rig.client
        assert event.raw == message
        for field, value in fields.items():
            if name != "Unknown" and field != "new_latency" and not isinstance(value, list):
                assert getattr(event.data, field) == value


async def test_the_beginning_waits_for_the_first_who_asks(autojump_clock: object) -> None:
    async with open_rig() as rig:
        stream = rig.client.events()
        first, second = await stream.receive(), await stream.receive()
        assert isinstance(first, V.ConnectorInformation)
        assert first.data.endpoint.endswith("/v1/agent/converse")
        assert (first.data.attempt, first.data.model) == (1, "")
        assert first.data.web_socket_id == rig.client.web_socket_id()
        assert isinstance(second, V.Welcome)
        assert second.data.request_id == rig.client.request_id == "request-1"
        assert stream.pending == 0


async def test_what_the_request_looks_like(autojump_clock: object) -> None:
    async with open_rig() as rig:
        request = rig.peer.request
        assert (request.method, request.path, dict(request.query)) == ("GET", "/v1/agent/converse", {})
        assert request.header("authorization") == f"Token {KEY}"
        assert rig.client.id() == "deepgram-1"
        assert rig.client.provider == "deepgram"


async def test_an_access_token_is_asked_for_at_each_connect(autojump_clock: object) -> None:
    tokens = iter(["jwt-first-1", "jwt-second-2"])
    async with open_rig(api_key=None, access_token=lambda: next(tokens)) as rig:
        assert rig.peer.request.header("authorization") == "Bearer jwt-first-1"
        await rig.renewed()
        assert rig.peer.request.header("authorization") == "Bearer jwt-second-2"


async def test_ready_is_told_once_the_settings_are_applied(autojump_clock: object) -> None:
    async with open_rig() as rig:
        ready = rig.client.events(AgentEvents.ProviderReady)
        lost = rig.client.events(AgentEvents.ProviderLost)
        await settle()
        assert ready.pending == 0
        await rig.applied()
        event = await ready.receive()
        assert (event.provider, event.session, event.handed_over) == ("deepgram", 1, 0)
        await rig.peer.user("Hello.")
        await settle()
        await rig.renewed()
        event = await ready.receive()
        assert (event.provider, event.session, event.handed_over) == ("deepgram", 2, 1)
        loss = await lost.receive()
        assert (loss.provider, loss.will_reconnect) == ("deepgram", True)


def media(rig: Any, log: list[tuple[float, Any]]) -> None:
    def note(event: Any) -> None:
        log.append((trio.current_time(), event))

    for kind in (deepgram.Events.WebSocketMediaStarted, deepgram.Events.WebSocketMediaEnded):
        rig.client.add_event_listener(kind, note)


async def test_media_ends_one_second_after_the_audio_has_played(autojump_clock: object) -> None:
    async with open_session() as rig:
        log: list[tuple[float, Any]] = []
        media(rig, log)
        start = trio.current_time()
        await rig.peer.sentence("Hello there.", 2.0)
        await rig.peer.audio_done()
        await trio.sleep(10)
        assert [at - start for at, _ in log] == pytest.approx([0.0, 3.0])
        started, ended = log[0][1], log[1][1]
        assert (started.client, started.tag, started.encoding) == (rig.client, None, "ULAW")
        assert ended.media_info.duration == pytest.approx(2.0)
        assert ended.media_info.bytes_sent == 16000


@pytest.mark.parametrize("size", [1, 3, 7, 333])
async def test_odd_octets_of_pcm_are_carried_over(size: int, autojump_clock: object) -> None:
    async with open_rig(preferred=PCM16_24K) as rig:
        await rig.applied()
        payload = bytes(range(250)) * 4
        await rig.peer.text("assistant", "Hello.")
        for at in range(0, 1000, size):
            await rig.peer.socket.send(payload[at : at + size])
        await settle()
        assert rig.ear.payload == payload
        # The next answer begins with a sample of its own, even where the one before ended in the middle of one.
        await rig.peer.socket.send(b"\x01")
        await rig.peer.audio_done()
        await rig.peer.text("assistant", "Again.")
        await rig.peer.socket.send(b"\x02\x03")
        await settle()
        assert rig.ear.payload == payload + b"\x02\x03"


async def test_close_leaves_nothing_and_nothing_reconnects_i1(autojump_clock: object) -> None:
    closes: list[deepgram.WebSocketClosed] = []
    async with open_session(on_web_socket_close=closes.append) as rig:
        await rig.peer.sentence("Hello there.", 5.0)
        stream = rig.client.events(V.AgentAudioDone)
        start = trio.current_time()
        rig.client.close()
        rig.client.close()
        await rig.client.wait_closed()
        assert trio.current_time() - start <= 1.0
        assert not [node.path for node in rig.system.tree().walk() if "deepgram" in node.path]
        assert rig.client.outputs == rig.mouth.outputs == []
        assert [event async for event in stream] == []
        with pytest.raises(deepgram.ClientClosed):
            rig.client.send_force_end_turn()
        with pytest.raises(deepgram.ClientClosed):
            rig.client.send_update_prompt({"prompt": "More."})
        with pytest.raises(deepgram.ClientClosed):
            rig.client.send_function_call_response({"id": "c1", "name": "f", "content": ""})
        with pytest.raises(deepgram.ClientClosed):
            rig.client.send_inject_agent_message({"message": "Hi."})
        with pytest.raises(deepgram.ClientClosed):
            await rig.client.say("Hi.")
        rig.peer.session.done.set()
        await trio.sleep(100)
        assert rig.server.n_accepted == 1
    assert [(close.code, close.was_clean, close.will_reconnect) for close in closes] == [(1000, True, False)]


async def test_a_cancelled_factory_leaves_nothing(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.greets = False
        with trio.move_on_after(3):
            await create(system, server)
        await trio.sleep(2)
        assert not [node.path for node in system.tree().walk() if "deepgram" in node.path]


async def test_a_client_ends_with_its_scope(autojump_clock: object) -> None:
    async with open_session() as rig:
        ref = rig.system.lookup("calls")
        assert ref is not None
        await ref.stop()
        assert rig.client.closed


async def test_the_key_appears_nowhere_i10(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "callboard")
    other = "sk-other-9876543210"
    endpoint = {"url": "https://llm.example.org/v1", "headers": {"authorization": f"Bearer {other}"}}
    think = {
        "provider": {"type": "open_ai", "model": "mine"},
        "endpoint": endpoint,
        "prompt": f"Never say {KEY}",
    }
    options = {"agent": {"think": think}}
    async with open_rig(trace=tmp_path, statistics=True, settings_options=options) as rig:
        assert (await rig.applied())["agent"]["think"]["endpoint"] == endpoint
        events = rig.client.events()
        neutral = rig.client.events(AgentEvents.Error, AgentEvents.ProviderLost)
        texts = [repr(rig.client), repr(rig.client._core.driver.adapter), rig.system.tree().render()]
        for secret in (KEY, other):
            await rig.peer.send("Warning", code="SLOW_THINK_REQUEST", description=f"bad {secret}")
            await rig.peer.send("SomethingNew", key=secret)
            await rig.peer.socket.send(f"rubbish {secret}")
            await rig.peer.send("FunctionCallRequest", functions=secret)
        await settle()
        rig.server.refusals = [(503, f"who is {KEY}?".encode())]
        await rig.peer.error("INTERNAL_SERVER_ERROR", f"bad {KEY} {other}")
        await rig.reconnected()
        await rig.applied()
        texts.append(rig.system.tree().render())
        rig.server.refuse_always = (401, f"Invalid credentials: {KEY}".encode())
        await rig.peer.close(1011, f"bad {KEY}")
        async for event in events:
            if isinstance(event, V.WebSocketError | V.ConnectorInformation | V.HTTPResponse):
                texts.append(repr(event))
        texts += [repr(event) async for event in neutral]
        await rig.client.wait_closed()
        texts += [rig.system.tree().render(), repr(rig.client.failure), caplog.text]
        (path,) = tmp_path.iterdir()
        texts.append(path.read_text())
        assert len(texts) > 12
        for text in texts:
            for secret in (KEY, other):
                assert secret not in text
                assert base64.b64encode(secret.encode()).decode() not in text
        assert '"prompt":"Never say ***"' in texts[-1]


async def test_privacy_keeps_payloads_out_of_logs_and_trace(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "callboard")
    options = {"agent": {"think": {"provider": {"type": "open_ai", "model": "m"}, "prompt": "SAYING"}}}
    async with open_rig(trace=tmp_path, privacy=True, settings_options=options) as rig:
        await rig.applied()
        await rig.peer.user("SAYING")
        await rig.peer.sentence("SAYING")
        await rig.peer.call(("c1", "f", '{"text": "SAYING"}'))
        await rig.peer.send("Warning", code="SLOW_THINK_REQUEST", description="SAYING")
        await rig.peer.socket.send("SAYING")
        await rig.peer.error("INTERNAL_SERVER_ERROR", "SAYING")
        await rig.reconnected()
        await rig.applied()
        rig.client.close()
        await rig.client.wait_closed()
        (path,) = tmp_path.iterdir()
        trace = path.read_text()
        assert "SAYING" not in caplog.text + trace
        assert '"kind":"ConversationText"' in trace


async def test_the_trace_has_lengths_of_audio_only(autojump_clock: object, tmp_path: Path) -> None:
    async with open_rig(trace=tmp_path) as rig:
        await rig.applied()
        await rig.peer.sentence("Hello.", 0.1, octet=0x41)
        rig.mouth.say(0.1, 0x42)
        await rig.peer.quiet(0.5)
        rig.client.close()
        await rig.client.wait_closed()
        (path,) = tmp_path.iterdir()
        trace = path.read_text()
        assert "AAAA" not in trace
        assert "BBBB" not in trace
        assert trace.count("800") >= 2
