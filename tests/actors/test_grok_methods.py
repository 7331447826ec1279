"""Each method of the client as a message on the wire."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio

from callboard import grok
from callboard.actors._errors import MailboxFull
from callboard.protocols import LocalWireError
from tests.actors.grok_kit import KEY, create, open_rig, open_server, settle

Act = Callable[[grok.VoiceAgentAPIClient], None]

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


METHODS: list[tuple[Act, dict[str, Any]]] = [
    (
        lambda c: c.conversation_item_create(
            {"type": "conversation.item.create", "event_id": "event_345", "item": USER}
        ),
        {"type": "conversation.item.create", "event_id": "event_345", "item": USER},
    ),
    (
        lambda c: c.conversation_item_create(
            grok.ConversationItemCreate(
                item=grok.Message(role="user", content=(grok.ContentPart.input_text("Hello"),))
            )
        ),
        {"type": "conversation.item.create", "item": USER},
    ),
    (
        lambda c: c.input_audio_buffer_clear({"type": "input_audio_buffer.clear"}),
        {"type": "input_audio_buffer.clear"},
    ),
    (lambda c: c.input_audio_buffer_clear(), {"type": "input_audio_buffer.clear"}),
    (lambda c: c.input_audio_buffer_commit(), {"type": "input_audio_buffer.commit"}),
    (lambda c: c.response_create({"type": "response.create"}), {"type": "response.create"}),
    (
        lambda c: c.response_create({"response": {"instructions": "One sentence.", "new_field": 1}}),
        {"type": "response.create", "response": {"instructions": "One sentence.", "new_field": 1}},
    ),
    (
        lambda c: c.response_create(
            grok.ResponseCreate(response=grok.ResponseOptions(modalities=("audio",)))
        ),
        {"type": "response.create", "response": {"modalities": ["audio"]}},
    ),
    (lambda c: c.response_cancel(), {"type": "response.cancel"}),
    (
        lambda c: c.conversation_item_truncate({"item_id": "a1", "content_index": 0, "audio_end_ms": 1320}),
        {"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0, "audio_end_ms": 1320},
    ),
    (
        lambda c: c.conversation_item_delete(grok.ConversationItemDelete(item_id="u1")),
        {"type": "conversation.item.delete", "item_id": "u1"},
    ),
]


@pytest.mark.parametrize(("act", "expected"), METHODS)
async def test_method_sends_its_message(act: Act, expected: dict[str, Any], autojump_clock: object) -> None:
    async with open_rig() as rig:
        act(rig.client)
        assert await rig.peer.next() == expected


async def test_force_message_and_say_speak_word_for_word(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.force_message("This line is recorded.", interruptible=False)
        item = (await rig.peer.next("conversation.item.create"))["item"]
        assert item == {
            "type": "force_message",
            "role": "assistant",
            "interruptible": False,
            "content": [{"type": "output_text", "text": "This line is recorded."}],
        }


async def test_session_update_fills_in_what_was_left_open(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.session_update(
            {"type": "session.update", "session": {"voice": "eve", "turn_detection": {"type": "server_vad"}}}
        )
        update = await rig.peer.next("session.update")
        assert update["event_id"]
        assert update["session"] == {
            "voice": "eve",
            "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcmu"}},
            },
        }


async def test_session_update_leaves_alone_what_was_said(autojump_clock: object) -> None:
    async with open_rig() as rig:
        session = {
            "turn_detection": {"type": "server_vad", "create_response": False, "interrupt_response": False},
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 16000}, "transport": "json"},
                "output": {"format": {"type": "audio/pcm", "rate": 48000}},
            },
        }
        rig.client.session_update({"session": session, "event_id": "mine"})
        update = await rig.peer.next("session.update")
        assert update["event_id"] == "mine"
        assert update["session"] == session


async def test_later_updates_send_only_what_changes(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        rig.client.session_update(grok.SessionUpdate(session=grok.SessionConfig(instructions="Be brief.")))
        assert (await rig.peer.next("session.update"))["session"] == {"instructions": "Be brief."}


async def test_formats_follow_the_session(autojump_clock: object) -> None:
    async with open_rig() as rig:
        assert str(rig.client.input_format) == str(rig.client.output_format) == "pcm16/24000"
        rig.client.session_update({"session": {"voice": "eve"}})
        # Audio that is sent behind the update is in the new format, what comes before the answer in the old one.
        assert str(rig.client.input_format) == "ulaw/8000"
        assert str(rig.client.output_format) == "pcm16/24000"
        await rig.peer.accept_session()
        await settle()
        assert str(rig.client.output_format) == "ulaw/8000"


async def test_the_servers_own_word_about_formats_counts(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.session_update({"session": {"voice": "eve"}})
        pcm = {"format": {"type": "audio/pcm", "rate": 24000}}
        await rig.peer.accept_session(audio={"input": pcm, "output": pcm})
        await settle()
        assert str(rig.client.input_format) == str(rig.client.output_format) == "pcm16/24000"


async def test_opus_is_refused_at_once(autojump_clock: object) -> None:
    async with open_rig() as rig:
        with pytest.raises(ValueError, match="audio/opus"):
            rig.client.session_update({"session": {"audio": {"output": {"format": {"type": "audio/opus"}}}}})
        assert await rig.peer.quiet() == []


@pytest.mark.parametrize("wrong", [{"type": "response.create"}, {"type": None}])
async def test_a_message_of_another_type_is_refused(wrong: dict[str, object], autojump_clock: object) -> None:
    async with open_rig() as rig:
        with pytest.raises(ValueError, match=r"expected 'conversation\.item\.create'"):
            rig.client.conversation_item_create(wrong)
        with pytest.raises(TypeError, match="expected a mapping"):
            rig.client.response_create("now")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="session is None"):
            rig.client.session_update({})


async def test_a_message_without_a_json_form_is_refused_where_it_is_given(autojump_clock: object) -> None:
    async with open_rig() as rig:
        with pytest.raises(LocalWireError):
            rig.client.response_create({"response": {"instructions": object()}})
        assert await rig.peer.quiet() == []


async def test_caller_audio_goes_out_unconverted_once_the_session_is_accepted(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.session_update({"session": {"turn_detection": {"type": "server_vad"}}})
        rig.mouth.say(0.02, 0x11)
        await settle()
        await rig.peer.next("session.update")
        assert await rig.peer.quiet(0.2) == []
        assert not rig.peer.heard
        await rig.peer.send("session.updated", session={})
        await settle()
        rig.mouth.say(0.02, 0x22)
        await rig.peer.quiet(0.2)
        assert rig.peer.received[-1]["type"] == "input_audio_buffer.append"
        assert set(rig.peer.received[-1]) == {"type", "audio"}
        assert bytes(rig.peer.heard) == b"\x11" * 160 + b"\x22" * 160


async def test_caller_audio_flows_without_any_session_update(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.mouth.say(0.1)
        await rig.peer.quiet(0.2)
        # 24 kHz PCM16, less what the resampler holds back.
        assert 3000 < len(rig.peer.heard) <= 4800


async def test_caller_audio_waits_for_at_most_two_seconds(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.session_update({"session": {"voice": "eve"}})
        await rig.peer.next("session.update")
        for number in range(150):
            rig.mouth.say(0.02, number)
            await settle()
        await rig.peer.send("session.updated", session={})
        await rig.peer.quiet(0.2)
        assert bytes(rig.peer.heard) == b"".join(bytes([number]) * 160 for number in range(50, 150))
        assert rig.client.statistics().audio_in_dropped == pytest.approx(1.0)


async def test_a_refused_update_reverts_the_format_and_opens_the_gate(autojump_clock: object) -> None:
    async with open_rig() as rig:
        errors = rig.client.events(V_ERROR)
        rig.client.session_update({"session": {"voice": 7}})
        update = await rig.peer.next("session.update")
        await rig.peer.send(
            "error",
            error={
                "type": "invalid_request_error",
                "message": "voice must be a string",
                "param": "session.voice",
                "event_id": update["event_id"],
            },
        )
        event = await errors.receive()
        assert event.data.error.param == "session.voice"
        assert str(rig.client.input_format) == "pcm16/24000"
        rig.mouth.say(0.1)
        await rig.peer.quiet(0.2)
        assert len(rig.peer.heard) > 3000


V_ERROR = grok.VoiceAgentAPIEvents.Error


async def test_configure_returns_when_the_server_has_accepted(autojump_clock: object) -> None:
    async with open_rig() as rig:

        def weather(city: str) -> str:
            """The weather.

            Args:
                city: Where.
            """
            return city

        async with trio.open_nursery() as nursery:
            accepted = False

            async def configure() -> None:
                nonlocal accepted
                await rig.client.configure(
                    instructions="Be brief.",
                    voice="leo",
                    tools=[weather, grok.WebSearch(allowed_domains=("example.org",))],
                    language_hint="es-ES",
                    keyterms=["Derby"],
                    speed=1.2,
                )
                accepted = True

            nursery.start_soon(configure)
            update = await rig.peer.next("session.update")
            await settle()
            assert not accepted
            await rig.peer.send("session.updated", session={})
        assert update["session"] == {
            "instructions": "Be brief.",
            "voice": "leo",
            "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {
                        "model": "grok-transcribe",
                        "language_hint": "es-ES",
                        "keyterms": ["Derby"],
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "speed": 1.2},
            },
            "tools": [
                {
                    "type": "function",
                    "name": "weather",
                    "description": "The weather.",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string", "description": "Where."}},
                        "required": ["city"],
                        "additionalProperties": False,
                    },
                },
                {"type": "web_search", "allowed_domains": ["example.org"]},
            ],
        }


async def test_configure_raises_what_the_server_refused(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:

        async def refuse() -> None:
            update = await rig.peer.next("session.update")
            await rig.peer.send(
                "error",
                error={
                    "type": "invalid_request_error",
                    "message": "out of range",
                    "param": "session.audio.output.speed",
                    "event_id": update["event_id"],
                },
            )

        nursery.start_soon(refuse)
        with pytest.raises(grok.RequestRefused, match="speed: out of range") as caught:
            await rig.client.configure(speed=9.0)
        assert caught.value.param == "session.audio.output.speed"


async def test_a_failure_of_the_server_does_not_count_as_the_answer_to_an_update(
    autojump_clock: object,
) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:

        async def fail_and_accept() -> None:
            update = await rig.peer.next("session.update")
            await rig.peer.send("error", error={"type": "internal_error", "message": "hiccup"})
            session = update["session"]
            assert isinstance(session, dict)
            await rig.peer.send("session.updated", session=cast("dict[str, object]", session))

        nursery.start_soon(fail_and_accept)
        await rig.client.configure(instructions="Remember me.")
        # What was accepted is what the next connection is configured with.
        await rig.peer.close()
        again = await rig.reconnected()
        update = await again.next("session.update")
        session = cast("dict[str, object]", update["session"])
        assert session["instructions"] == "Remember me."


async def test_configure_does_not_wait_for_ever(autojump_clock: object) -> None:
    async with open_rig() as rig:
        before = trio.current_time()
        with pytest.raises(grok.ProviderFailed, match="within 10 s"):
            await rig.client.configure(voice="eve")
        assert trio.current_time() - before == pytest.approx(10.0)


async def test_manual_turns_can_be_asked_for(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: rig.client.configure(turn_detection=None))
        assert (await rig.peer.accept_session())["session"]["turn_detection"] == {"type": None}


async def test_say_returns_when_the_server_begins_and_waits_to_the_end_if_asked(
    autojump_clock: object,
) -> None:
    async with open_rig() as rig:
        await rig.configured()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                for number in (1, 2):
                    await rig.peer.next("conversation.item.create")
                    await trio.sleep(1.0)
                    await rig.peer.begin(f"r{number}", f"a{number}")
                    await rig.peer.audio(3.0, f"r{number}", f"a{number}")
                    await rig.peer.finish(f"r{number}")

            nursery.start_soon(serve)
            start = trio.current_time()
            assert await rig.client.say("Hello.")
            assert trio.current_time() - start == pytest.approx(1.0)
            assert await rig.client.wait_played()
            assert trio.current_time() - start == pytest.approx(4.0, abs=0.02)
            assert await rig.client.say("Goodbye.", wait=True)
            assert trio.current_time() - start == pytest.approx(8.0, abs=0.02)


async def test_say_tells_that_it_was_interrupted(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        await rig.configured()

        async def serve() -> None:
            await rig.peer.next("conversation.item.create")
            await rig.peer.begin()
            await rig.peer.audio(3.0)
            await rig.peer.finish()
            await trio.sleep(1.0)
            await rig.peer.speech_started()

        nursery.start_soon(serve)
        start = trio.current_time()
        assert not await rig.client.say("A long story.", wait=True)
        assert trio.current_time() - start == pytest.approx(1.0)


async def test_say_raises_what_the_server_refused(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:

        async def refuse() -> None:
            item = await rig.peer.next("conversation.item.create")
            detail = {"type": "invalid_request_error", "message": "too long", "event_id": item["event_id"]}
            await rig.peer.send("error", error=detail)

        nursery.start_soon(refuse)
        with pytest.raises(grok.RequestRefused, match="too long"):
            await rig.client.say("A long story.")


async def test_a_line_that_was_not_begun_is_given_to_the_next_session(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        lines: list[str] = []

        async def cut() -> None:
            for _ in range(2):
                item = (await rig.peer.next("conversation.item.create"))["item"]
                lines.append(item["content"][0]["text"])
                if len(lines) == 1:
                    await rig.peer.cut()
                    await rig.reconnected()
            await rig.peer.begin()

        nursery.start_soon(cut)
        assert await rig.client.say("Hello.")
        assert lines == ["Hello.", "Hello."]


async def test_say_fails_with_the_client(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:

        async def end() -> None:
            await rig.peer.next("conversation.item.create")
            rig.server.refuse_always = (401, b"")
            await rig.peer.cut()

        nursery.start_soon(end)
        with pytest.raises(grok.ProviderFailed) as caught:
            await rig.client.say("Hello.")
        assert caught.value.reason is grok.ProviderFailure.BAD_KEY


async def test_ask_adds_a_message_and_has_it_answered(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.ask("When is last train?")
        item = await rig.peer.next("conversation.item.create")
        assert item["item"]["content"] == [{"type": "input_text", "text": "When is last train?"}]
        await rig.peer.next("response.create")


async def test_methods_of_a_closed_client_raise(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.client.close()
        rig.client.close()
        assert rig.client.closed
        for act in (
            rig.client.response_create,
            rig.client.input_audio_buffer_clear,
            rig.client.interrupt,
            lambda: rig.client.session_update({"session": {}}),
            lambda: rig.client.force_message("Hello."),
        ):
            with pytest.raises(grok.ClientClosed):
                act()


async def test_too_many_waiting_messages_are_refused(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.peer.cut()
        await settle()
        for _ in range(256):
            rig.client.response_create()
        with pytest.raises(MailboxFull):
            rig.client.response_create()


async def test_ids_and_the_request(autojump_clock: object) -> None:
    async with open_rig(model="grok-voice-3.0") as rig:
        assert rig.client.id() == "grok-1"
        assert rig.client.web_socket_id()
        assert rig.client.conversation_id == "conv-1"
        assert rig.peer.request.path == "/v1/realtime"
        assert rig.peer.request.query == {"model": "grok-voice-3.0"}
        assert rig.peer.request.header("authorization") == f"Bearer {KEY}"


async def test_two_clients_of_one_call_have_names_of_their_own(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        first = await create(system, server)
        scope = first.scope
        second = await create(scope, server)
        assert (first.id(), second.id()) == ("grok-1", "grok-2")


async def test_clear_media_buffer_empties_the_ear_and_lets_the_answer_go_on(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin()
        await rig.peer.audio(2.0, octet=0x01)
        await settle()
        await trio.sleep(0.5)
        rig.client.clear_media_buffer(grok.ClearMediaBufferParameters())
        rig.client.clear_media_buffer({"tag": "any"})
        await rig.peer.audio(1.0, octet=0x02)
        await settle()
        assert len(rig.ear.flushed) == 2
        assert rig.ear.frames[-1].payload == b"\x02" * 8000
        assert rig.ear.stale == 0
        # Nothing is told to the server.
        assert await rig.peer.quiet() == []
        await rig.peer.speech_started()
        truncate = await rig.peer.next("conversation.item.truncate")
        # What was cleared was not heard, but lies before what was: 2 s, and half a second of the rest.
        assert truncate["audio_end_ms"] == pytest.approx(2500, abs=1)
