"""Lines to be said, turns that are written, and messages that are none."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from callboard import AgentEvents, deepgram
from callboard.actors._errors import MailboxFull
from callboard.actors._transcript import Speaker
from tests.actors.deepgram_kit import Message, Rig, V, create, open_rig, open_server, open_session, settle

Client = deepgram.VoiceAgentClient


async def line(rig: Rig) -> str:
    """The next message, which must have something said."""
    message = await rig.peer.next("InjectAgentMessage")
    assert message["behavior"] == "queue"
    return str(message["message"])


async def test_say_returns_when_the_server_begins_and_waits_to_the_end_if_asked(
    autojump_clock: object,
) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def serve() -> None:
            for _ in range(2):
                text = await line(rig)
                await trio.sleep(1.0)
                await rig.peer.sentence(text, 3.0)
                await rig.peer.audio_done()

        nursery.start_soon(serve)
        start = trio.current_time()
        assert await rig.client.say("Hello.")
        assert trio.current_time() - start == pytest.approx(1.0)
        assert await rig.client.wait_played()
        assert trio.current_time() - start == pytest.approx(4.0, abs=0.02)
        assert await rig.client.say("Goodbye.", wait=True)
        assert trio.current_time() - start == pytest.approx(8.0, abs=0.02)


async def test_a_line_of_several_sentences_is_one_answer(autojump_clock: object) -> None:
    async with open_session() as rig:
        started = rig.client.events(AgentEvents.TurnStarted)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.client.say, "Hello  there.\nHow are you?")
            await line(rig)
            await rig.peer.sentence("Hello there.", 1.0)
            await rig.peer.sentence("How are you?", 1.0)
            await rig.peer.audio_done()
        await settle()
        assert started.pending == 1
        assert rig.history() == [("assistant", "Hello there. How are you?")]


async def test_say_tells_that_it_was_interrupted(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def serve() -> None:
            await rig.peer.sentence(await line(rig), 3.0)
            await rig.peer.audio_done()
            await trio.sleep(1.0)
            await rig.peer.send("UserStartedSpeaking")

        nursery.start_soon(serve)
        start = trio.current_time()
        assert not await rig.client.say("A long story.", wait=True)
        assert trio.current_time() - start == pytest.approx(1.0)


async def test_a_line_that_is_not_interruptible_is_heard_to_its_end(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def serve() -> None:
            await rig.peer.sentence(await line(rig), 3.0)
            await rig.peer.audio_done()
            await trio.sleep(1.0)
            await rig.peer.send("UserStartedSpeaking")

        nursery.start_soon(serve)
        assert await rig.client.say("This call is recorded.", interruptible=False, wait=True)
        assert rig.ear.flushed == []


async def test_lines_are_said_one_after_the_other(autojump_clock: object) -> None:
    async with open_session() as rig:
        begun: list[str] = []

        async def say(text: str) -> None:
            await rig.client.say(text)
            begun.append(text)

        async with trio.open_nursery() as nursery:
            for text in ("One.", "Two."):
                nursery.start_soon(say, text)
                await settle()
            assert [await line(rig), await line(rig)] == ["One.", "Two."]
            for text in ("One.", "Two."):
                await rig.peer.sentence(text, 0.5)
                await rig.peer.audio_done()
                await settle()
                assert begun[-1] == text


REFUSALS: list[tuple[str, list[tuple[str, Message]], str]] = [
    ("refused", [("InjectionRefused", {"message": "the user speaks"})], "the user speaks"),
    ("refused without words", [("InjectionRefused", {})], "somebody is speaking"),
    (
        "warned",
        [
            (
                "Warning",
                {"code": "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH", "description": "the user speaks"},
            )
        ],
        "the user speaks",
    ),
    (
        "warned of the agent",
        [
            (
                "Warning",
                {"code": "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH", "description": "the agent speaks"},
            )
        ],
        "the agent speaks",
    ),
    (
        "both",
        [
            ("InjectionRefused", {}),
            ("Warning", {"code": "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH", "description": "again"}),
        ],
        "somebody is speaking",
    ),
]


@pytest.mark.parametrize(
    ("messages", "text"), [entry[1:] for entry in REFUSALS], ids=[entry[0] for entry in REFUSALS]
)
async def test_say_raises_what_the_server_refused_in_either_form(
    messages: list[tuple[str, Message]], text: str, autojump_clock: object
) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:
        second: list[Exception | bool] = []

        async def say_more() -> None:
            try:
                second.append(await rig.client.say("Two."))
            except deepgram.RequestRefused as error:
                second.append(error)

        async def refuse() -> None:
            await line(rig)
            nursery.start_soon(say_more)
            await line(rig)
            for kind, fields in messages:
                await rig.peer.send(kind, **fields)
            # One refusal, however it is told.
            await rig.peer.sentence("Two.")

        nursery.start_soon(refuse)
        with pytest.raises(deepgram.RequestRefused, match=text) as caught:
            await rig.client.say("One.")
        assert caught.value.kind == "injection refused"
        await settle()
        assert second == [True]


async def test_two_lines_refused_one_after_the_other_are_both_told(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def refuse() -> None:
            for _ in range(2):
                await line(rig)
                await rig.peer.send("InjectionRefused", message="the user speaks")

        nursery.start_soon(refuse)
        for _ in range(2):
            with pytest.raises(deepgram.RequestRefused):
                await rig.client.say("Hello.")


async def test_a_refusal_of_a_line_that_nobody_waits_for_is_an_event_only(autojump_clock: object) -> None:
    async with open_session() as rig:
        refused = rig.client.events(V.InjectionRefused)
        rig.client.send_inject_agent_message({"message": "Hello."})
        await rig.peer.next("InjectAgentMessage")
        await rig.peer.send("InjectionRefused")
        assert (await refused.receive()).data.message is None


async def test_what_is_said_before_the_settings_are_applied_is_said_then(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        nursery.start_soon(rig.client.say, "Hello.")
        await rig.peer.next("Settings")
        assert await rig.peer.quiet(2) == []
        await rig.peer.send("SettingsApplied")
        await rig.peer.sentence(await line(rig))
        assert await rig.peer.quiet(2) == []


async def test_settings_that_are_told_twice_repeat_nothing(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        nursery.start_soon(rig.client.say, "Hello.")
        await rig.applied()
        await line(rig)
        await rig.peer.send("SettingsApplied")
        assert await rig.peer.quiet(2) == []
        await rig.peer.sentence("Hello.")


async def test_a_line_that_was_not_begun_is_given_to_the_next_session(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def cut() -> None:
            assert await line(rig) == "Hello."
            await rig.renewed()
            assert await line(rig) == "Hello."
            await rig.peer.sentence("Hello.")

        nursery.start_soon(cut)
        assert await rig.client.say("Hello.")


async def test_of_a_line_that_was_begun_the_next_session_says_the_rest(autojump_clock: object) -> None:
    async with open_session() as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.client.say, "Hello there. How are you?")
            await line(rig)
            await rig.peer.sentence("Hello there.", 1.0)
        settings = await rig.renewed()
        assert settings["agent"]["context"]["messages"][-1]["content"] == "Hello there."
        assert await line(rig) == "How are you?"
        await rig.peer.sentence("How are you?")
        assert await rig.peer.quiet() == []


async def test_a_line_of_which_only_the_words_came_is_said_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.client.say, "Hello there.")
            await line(rig)
            await rig.peer.text("assistant", "Hello there.")
        settings = await rig.renewed()
        assert "context" not in settings["agent"]
        assert await line(rig) == "Hello there."


async def test_say_fails_with_the_client(autojump_clock: object) -> None:
    async with open_session() as rig, trio.open_nursery() as nursery:

        async def end() -> None:
            await line(rig)
            rig.server.refuse_always = (401, b"")
            await rig.peer.cut()

        nursery.start_soon(end)
        with pytest.raises(deepgram.ProviderFailed) as caught:
            await rig.client.say("Hello.")
        assert caught.value.reason is deepgram.ProviderFailure.BAD_KEY


async def test_there_has_to_be_something_to_say(autojump_clock: object) -> None:
    async with open_session() as rig:
        with pytest.raises(ValueError, match="nothing to say"):
            await rig.client.say(" ")
        with pytest.raises(ValueError, match="nothing to ask"):
            rig.client.ask("\n")


# Turns that are written


@pytest.mark.parametrize("echo", [True, False], ids=["with its echo", "without an echo"])
async def test_ask_gives_a_turn_and_it_is_answered(echo: bool, autojump_clock: object) -> None:
    async with open_session() as rig:
        texts = rig.client.events(AgentEvents.UserText)
        native = rig.client.events(V.ConversationText)
        rig.client.ask(" When is the last train? ")
        assert await rig.peer.next() == {"type": "InjectUserMessage", "content": "When is the last train?"}
        if echo:
            await rig.peer.text("user", "When is the last train?")
        await rig.peer.sentence("At ten.")
        await settle()
        assert rig.history() == [("user", "When is the last train?"), ("assistant", "At ten.")]
        # Known already, and said by nobody.
        assert texts.pending == 0
        assert native.pending == (2 if echo else 1)
        assert not [kept for kept in rig.client.transcript.lines if kept.speaker is Speaker.CALLER]


async def test_an_echo_that_never_came_does_not_swallow_what_the_caller_says(autojump_clock: object) -> None:
    async with open_session() as rig:
        rig.client.ask("Yes.")
        await rig.peer.next("InjectUserMessage")
        await rig.peer.sentence("Fine.", 0.5)
        await rig.peer.audio_done()
        await trio.sleep(1)
        await rig.peer.user("Yes.")
        await settle()
        assert rig.history() == [("user", "Yes."), ("assistant", "Fine."), ("user", "Yes.")]


async def test_a_turn_that_is_written_without_a_connection_is_given_to_the_next_session(
    autojump_clock: object,
) -> None:
    async with open_session() as rig:
        await rig.peer.cut()
        await settle()
        rig.client.ask("When is the last train?")
        await rig.reconnected()
        settings = await rig.applied()
        assert "context" not in settings["agent"]
        assert (await rig.peer.next())["content"] == "When is the last train?"
        assert await rig.peer.quiet(2) == []


async def test_a_written_turn_without_an_answer_is_given_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        rig.client.ask("When is the last train?")
        await rig.peer.next("InjectUserMessage")
        await rig.peer.text("user", "When is the last train?")
        await settle()
        await rig.renewed()
        assert (await rig.peer.next())["content"] == "When is the last train?"
        assert rig.history() == [("user", "When is the last train?")]


# What is no message


WRONG: list[tuple[Callable[[Client], None], str]] = [
    (lambda c: c.send_inject_agent_message({"content": "Hello."}), "content"),
    (lambda c: c.send_inject_agent_message({"message": "Hello.", "behavior": "loud"}), "behavior"),
    (lambda c: c.send_inject_user_message({}), "content"),
    (lambda c: c.send_update_prompt({"prompt": 7}), "prompt"),
    (lambda c: c.send_update_think({"think": {}}), "provider"),
    (lambda c: c.send_update_speak({"type": "UpdateThink", "speak": {}}), "expected 'UpdateSpeak'"),
    (lambda c: c.send_function_call_response({"id": "c1", "name": "f"}), "content"),
    (lambda c: c.send_update_prompt({"prompt": object()}), "serializable"),
]


@pytest.mark.parametrize(("act", "text"), WRONG)
async def test_what_the_server_would_end_the_session_for_is_refused_here(
    act: Callable[[Client], None], text: str, autojump_clock: object
) -> None:
    async with open_session() as rig:
        with pytest.raises(ValueError, match=text):
            act(rig.client)
        with pytest.raises(TypeError, match="expected a mapping"):
            rig.client.send_update_prompt("more")  # type: ignore[arg-type]
        assert await rig.peer.quiet() == []


async def test_settings_that_are_none_are_refused_at_once(autojump_clock: object) -> None:
    wrong: list[Any] = [
        {"agent": {"think": {"provider": 7}}},
        {"audio": {"output": {"encoding": "mp3"}}},
        {"audio": {"output": {"encoding": "mulaw", "container": "wav"}}},
    ]
    async with open_server() as (system, server):
        for settings in wrong:
            with pytest.raises(ValueError, match=r"agent|audio"):
                await create(system, server, settings_options=settings)
        with pytest.raises(ValueError, match="both an API key and an access token"):
            await create(system, server, access_token="jwt")
        assert server.n_accepted == 0


async def test_a_configuration_that_cannot_be_changes_nothing(autojump_clock: object) -> None:
    async with open_session() as rig:
        with pytest.raises(ValueError, match="speed"):
            await rig.client.configure(speed=9.0)
        with pytest.raises(ValueError, match="cannot be changed in a session"):
            await rig.client.configure(extra={"tags": ["pilot"]})
        assert await rig.peer.quiet() == []


async def test_too_many_waiting_messages_are_refused(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.cut()
        await settle()
        for _ in range(256):
            rig.client.send_inject_agent_message({"message": "Hello."})
            # Of no use later, so they do not pile up.
            rig.client.send_keep_alive()
            rig.client.send_force_end_turn()
        with pytest.raises(MailboxFull):
            rig.client.send_inject_agent_message({"message": "Hello."})


async def test_clear_media_buffer_empties_the_ear_and_lets_the_answer_go_on(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.sentence("One two.", 2.0, octet=0x01)
        await settle()
        await trio.sleep(0.5)
        rig.client.clear_media_buffer()
        await rig.peer.sentence("Three four.", 1.0, octet=0x02)
        await settle()
        assert len(rig.ear.flushed) == 1
        assert rig.ear.frames[-1].payload == b"\x02" * 8000
        assert rig.ear.stale == 0
        assert await rig.peer.quiet() == []


async def test_names_of_clients(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        first = await create(system, server)
        second = await create(first.scope, server)
        assert (first.id(), second.id()) == ("deepgram-1", "deepgram-2")
