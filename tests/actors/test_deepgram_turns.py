"""Turns of a Deepgram conversation: who says what, what is heard of it, and what comes too late."""

from typing import Any

import pytest
import trio

from callboard import AgentEvent, AgentEvents, deepgram
from callboard.actors._provider_options import ConnectionOptions
from callboard.actors._transcript import Speaker
from tests.actors.deepgram_kit import SETTINGS, Rig, V, open_rig, open_session, settle


def notes(event: AgentEvent) -> tuple[object, ...]:
    """An event in short."""
    match event:
        case AgentEvents.UserText(text=text, final=final):
            return ("user", text, final)
        case AgentEvents.AgentText(text=text):
            return ("agent", text)
        case AgentEvents.TurnDone(interrupted=interrupted):
            return ("done", interrupted)
        case _:
            return (type(event).__name__,)


async def drain(stream: Any) -> list[AgentEvent]:
    await settle()
    return [await stream.receive() for _ in range(stream.pending)]


async def test_a_turn_in_neutral_events_each_with_its_message(autojump_clock: object) -> None:
    async with open_session() as rig:
        stream = rig.client.events(AgentEvent)
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.text("user", "Is my parcel late?")
        await rig.peer.send("AgentThinking", content="They ask about the parcel.")
        await rig.peer.sentence("It is on its way.")
        await rig.peer.sentence("It comes on Friday.")
        await rig.peer.send("LatencyReport", total_latency=0.7)
        await rig.peer.audio_done()
        events = await drain(stream)
        assert [notes(event) for event in events] == [
            ("UserStartedSpeaking",),
            ("UserStoppedSpeaking",),
            ("user", "Is my parcel late?", True),
            ("TurnStarted",),
            ("agent", "It is on its way."),
            ("agent", " It comes on Friday."),
            ("done", False),
        ]
        natives: list[Any] = [event.native for event in events]
        assert [native.type for native in natives] == [
            "UserStartedSpeaking",
            "ConversationText",
            "ConversationText",
            "ConversationText",
            "ConversationText",
            "ConversationText",
            "AgentAudioDone",
        ]
        assert all(event.client is rig.client for event in events)
        turns = {event.turn_id for event in events if isinstance(event, (AgentEvents.AgentText,))}
        assert len(turns) == 1


async def test_sentences_are_one_line_and_one_entry(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Is my parcel late?")
        await rig.peer.sentence("It is on its way.")
        await rig.peer.sentence("It comes on Friday.")
        await rig.peer.audio_done()
        await settle()
        await trio.sleep(3)
        # Each line came twice, as text and as history.
        said = [("user", "Is my parcel late?"), ("assistant", "It is on its way. It comes on Friday.")]
        assert rig.history() == said
        assert rig.lines() == [("caller", said[0][1]), ("agent", said[1][1])]
        assert all(line.final for line in rig.client.transcript.lines)


async def test_the_text_of_the_greeting_may_come_before_the_settings_are_applied(
    autojump_clock: object,
) -> None:
    options = {"agent": {**SETTINGS["agent"], "greeting": "Kestrel parcels."}}
    async with open_rig(settings_options=options) as rig:
        ready = rig.client.events(AgentEvents.ProviderReady)
        settings = await rig.peer.next("Settings")
        assert settings["agent"]["greeting"] == "Kestrel parcels."
        await rig.peer.text("assistant", "Kestrel parcels.")
        await rig.peer.send("SettingsApplied")
        await rig.peer.audio(1.0)
        await rig.peer.audio_done()
        await ready.receive()
        await settle()
        assert rig.history() == [("assistant", "Kestrel parcels.")]
        assert len(rig.ear.payload) == 8000
        # Once is enough.
        settings = await rig.renewed()
        assert "greeting" not in settings["agent"]


async def test_a_greeting_of_which_nothing_was_heard_is_asked_for_again(autojump_clock: object) -> None:
    options = {"agent": {**SETTINGS["agent"], "greeting": "Kestrel parcels."}}
    async with open_rig(settings_options=options) as rig:
        await rig.peer.next("Settings")
        await rig.peer.text("assistant", "Kestrel parcels.")
        await settle()
        settings = await rig.renewed()
        assert settings["agent"]["greeting"] == "Kestrel parcels."
        assert "context" not in settings["agent"]
        assert rig.history() == []


async def test_the_greeting_of_configure_is_said_as_a_line(autojump_clock: object) -> None:
    async with open_rig(settings_options=None) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: rig.client.configure(greeting="Kestrel parcels."))
        settings = await rig.applied()
        assert "greeting" not in settings["agent"]
        assert await rig.peer.next() == {
            "type": "InjectAgentMessage",
            "message": "Kestrel parcels.",
            "behavior": "queue",
        }
        await rig.peer.sentence("Kestrel parcels.")


async def test_audio_is_played_as_it_came(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.sentence("One.", 0.5, octet=1)
        await rig.peer.audio(0.3, octet=2)
        await rig.peer.sentence("Two.", 0.2, octet=3)
        await settle()
        assert rig.ear.payload == b"\x01" * 4000 + b"\x02" * 2400 + b"\x03" * 1600
        statistics = rig.client.statistics()
        assert statistics.responses == 1
        assert statistics.audio_out == pytest.approx(1.0)


# Barge-in


async def playing(rig: Rig, *sentences: str, seconds: float = 2.0, after: float, done: bool = False) -> None:
    """An answer of sentences of so many seconds each, `after` seconds into which the test goes on."""
    for sentence in sentences:
        await rig.peer.sentence(sentence, seconds)
    if done:
        await rig.peer.audio_done()
    await settle()
    await trio.sleep(after)


@pytest.mark.parametrize("done", [False, True], ids=["being made", "made"])
@pytest.mark.parametrize("knows", [False, True], ids=["by the clock", "by the ear"])
async def test_speech_of_the_caller_cuts_the_answer_to_what_was_heard(
    done: bool, knows: bool, autojump_clock: object
) -> None:
    async with open_session(knows=knows) as rig:
        stream = rig.client.events(AgentEvents.TurnDone)
        await playing(rig, "One two three four.", "Five six seven eight.", after=3.0, done=done)
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        assert len(rig.ear.flushed) == 1
        assert rig.history() == [("assistant", "One two three four. Five six")]
        assert [event.interrupted for event in await drain(stream)] == [not done]  # type: ignore[attr-defined]
        await rig.peer.text("user", "Stop.")
        await rig.peer.sentence("I stopped.", 1.0)
        await rig.peer.audio_done()
        await settle()
        await trio.sleep(2)
        lines = rig.client.transcript.lines
        assert [(line.text, line.interrupted) for line in lines] == [
            ("One two three four. Five six", True),
            ("Stop.", False),
            ("I stopped.", False),
        ]
        assert rig.client.statistics().interruptions == 1
        # There is no message for any of this.
        assert await rig.peer.quiet() == []


async def test_nothing_of_the_old_answer_is_heard_behind_the_callers_speech_i3(
    autojump_clock: object,
) -> None:
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=0.5)
        n_frames = len(rig.ear.frames)
        await rig.peer.send("UserStartedSpeaking")
        for _ in range(5):
            await rig.peer.audio(0.5)
        # Late, and its audio later still.
        await rig.peer.audio_done()
        await rig.peer.audio(0.5)
        await rig.peer.text("user", "Stop.")
        await rig.peer.sentence("I stopped.", 0.25, octet=0x77)
        await settle()
        assert [frame.payload for frame in rig.ear.frames[n_frames:]] == [b"\x77" * 2000]
        assert rig.ear.stale == 0
        assert rig.client.statistics().audio_out_dropped == 6 * 4000


async def test_frames_on_their_way_to_the_ear_are_dropped_i3(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.sentence("One two three four.", 1.0)
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        assert rig.ear.stale == 0
        assert rig.client.statistics().interruptions == 1


async def test_an_answer_of_which_nothing_was_heard_was_not_given(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Is my parcel late?")
        await rig.peer.text("assistant", "It is on its way.")
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.text("user", "The blue one.")
        await settle()
        said = ["Is my parcel late?", "The blue one."]
        assert rig.history() == [("user", text) for text in said]
        await rig.peer.sentence("It is late.")
        await rig.peer.audio_done()
        await settle()
        await trio.sleep(2)
        assert rig.lines() == [*(("caller", text) for text in said), ("agent", "It is late.")]


async def test_barge_in_can_be_switched_off(autojump_clock: object) -> None:
    async with open_session(barge_in=False) as rig:
        await playing(rig, "One two three four.", after=0.5, done=True)
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        assert rig.ear.flushed == []


async def test_speech_after_the_answer_was_heard_interrupts_nothing(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=2.5, done=True)
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        assert rig.ear.flushed == []
        assert rig.client.statistics().interruptions == 0


async def test_the_caller_goes_on_before_the_words_are_certain(autojump_clock: object) -> None:
    async with open_session() as rig:
        stream = rig.client.events(AgentEvents.UserText)
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.text("user", "I want a table for two.")
        assert [event.text for event in await drain(stream)] == ["I want a table for two."]  # type: ignore[attr-defined]
        assert rig.history() == [("user", "I want a table for two.")]


async def test_an_aside_of_the_caller_leaves_the_answer_alone(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Go on.")
        await rig.peer.sentence("One two.", 2.0)
        await rig.peer.text("user", "Mhm.", conversational_behavior="backchannel")
        await rig.peer.sentence("Three four.", 2.0)
        await rig.peer.audio_done()
        await settle()
        assert rig.client.statistics().responses == 1
        assert rig.ear.flushed == []
        assert ("assistant", "One two. Three four.") in rig.history()


# The end of an answer


async def test_a_missing_end_is_made_up_by_the_callers_next_turn(autojump_clock: object) -> None:
    async with open_session() as rig:
        stream = rig.client.events(AgentEvents.TurnStarted, AgentEvents.TurnDone, AgentEvents.AgentText)
        await playing(rig, "One two.", seconds=1.0, after=2.0)
        await rig.peer.user("And then?")
        await rig.peer.sentence("Three four.")
        assert [notes(event) for event in await drain(stream)] == [
            ("TurnStarted",),
            ("agent", "One two."),
            # All that came of it was heard, but more might have come.
            ("done", True),
            ("TurnStarted",),
            ("agent", "Three four."),
        ]
        assert rig.history()[0] == ("assistant", "One two.")


async def test_a_missing_end_is_made_up_by_a_turn_that_was_written(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two.", seconds=1.0, after=2.0)
        rig.client.ask("And then?")
        await rig.peer.next("InjectUserMessage")
        await rig.peer.text("user", "And then?")
        await rig.peer.sentence("Three four.")
        await settle()
        assert rig.history() == [
            ("assistant", "One two."),
            ("user", "And then?"),
            ("assistant", "Three four."),
        ]


async def test_a_missing_end_is_made_up_by_a_line_that_was_to_be_said(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two.", seconds=1.0, after=2.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.client.say, "Three four. Five six.")
            await rig.peer.next("InjectAgentMessage")
            await rig.peer.sentence("Three four.")
        await rig.peer.sentence("Five six.")
        await settle()
        assert rig.history() == [("assistant", "One two."), ("assistant", "Three four. Five six.")]


async def test_played_to_the_end_is_later_than_sent_to_the_end(autojump_clock: object) -> None:
    async with open_session() as rig:
        start = trio.current_time()
        await playing(rig, "One two.", seconds=3.0, after=0.0, done=True)
        assert await rig.client.wait_played()
        assert trio.current_time() - start == pytest.approx(3.0, abs=0.02)


async def test_a_long_sentence_is_no_stall(autojump_clock: object) -> None:
    """Its audio comes at once, and nothing more until it has been heard."""
    async with open_session() as rig:
        await rig.peer.user("Tell me a story.")
        await rig.peer.sentence("Once upon a time.", 60.0)
        await trio.sleep(59)
        await rig.peer.sentence("The end.", 1.0)
        await rig.peer.audio_done()
        await settle()
        assert rig.client.statistics().connects == 1
        assert rig.client.statistics().responses == 1


async def test_a_caller_who_speaks_for_long_is_no_stall(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Where is it?")
        await rig.peer.call(("c1", "track", "{}"))
        await settle()
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        rig.client.send_function_call_response({"id": "c1", "name": "track", "content": "here"})
        await trio.sleep(60)
        assert rig.client.statistics().connects == 1


async def test_an_answer_that_is_owed_and_does_not_come_is_a_stall(autojump_clock: object) -> None:
    options = ConnectionOptions(stall_timeout=20.0)
    async with open_session(options=options) as rig:
        await rig.peer.user("Where is it?")
        start = trio.current_time()
        await rig.reconnected()
        assert 20 <= trio.current_time() - start < 35
        await rig.applied()
        assert (await rig.peer.next())["content"] == "Where is it?"


# `interrupt`


async def test_interrupt_silences_without_a_word_to_the_server(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=1.0)
        assert rig.client.interrupt()
        assert len(rig.ear.flushed) == 1
        assert not rig.client.interrupt()
        assert await rig.peer.quiet() == []
        assert rig.history() == [("assistant", "One two")]


async def test_what_comes_of_an_interrupted_answer_is_dropped_to_its_end(autojump_clock: object) -> None:
    async with open_session() as rig:
        texts = rig.client.events(AgentEvents.AgentText)
        native = rig.client.events(V.ConversationText)
        await playing(rig, "One two three four.", after=1.0)
        n_frames = len(rig.ear.frames)
        rig.client.interrupt()
        await rig.peer.audio(0.5)
        await rig.peer.sentence("Five six seven eight.")
        await rig.peer.audio_done()
        await rig.peer.sentence("Something new.", 0.5, octet=0x77)
        await settle()
        assert [frame.payload for frame in rig.ear.frames[n_frames:]] == [b"\x77" * 4000]
        assert [notes(event)[1] for event in await drain(texts)] == ["One two three four.", "Something new."]
        # What the server said is told all the same.
        assert native.pending == 3
        assert rig.history() == [("assistant", "One two"), ("assistant", "Something new.")]


async def test_interrupt_before_any_audio(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.text("assistant", "One two three four.")
        await settle()
        assert rig.client.interrupt()
        await rig.peer.audio(1.0)
        await settle()
        assert rig.ear.frames == []
        assert rig.history() == []


async def test_interrupt_when_all_has_come_drops_nothing_of_the_next(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=1.0, done=True)
        assert rig.client.interrupt()
        await rig.peer.sentence("Something new.", 0.5, octet=0x77)
        await settle()
        assert rig.ear.payload.endswith(b"\x77" * 4000)


async def test_interrupt_with_nothing_to_interrupt(autojump_clock: object) -> None:
    async with open_session() as rig:
        assert not rig.client.interrupt()
        await playing(rig, "One two.", seconds=1.0, after=2.0, done=True)
        assert not rig.client.interrupt()
        await rig.peer.sentence("Three four.")
        await settle()
        assert len(rig.ear.payload) == 16000


async def test_a_line_is_said_behind_an_interrupted_answer(autojump_clock: object) -> None:
    """Also where the server does not tell the end of the one before."""
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=1.0)
        rig.client.interrupt()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.client.say, "One moment.")
            await rig.peer.next("InjectAgentMessage")
            await rig.peer.audio(1.0)
            await rig.peer.sentence("One moment.", 0.5, octet=0x77)
        await settle()
        assert rig.ear.payload.endswith(b"\x55" + b"\x77" * 4000)


async def test_a_question_behind_an_interrupted_answer_is_answered(autojump_clock: object) -> None:
    async with open_session() as rig:
        await playing(rig, "One two three four.", after=1.0)
        rig.client.interrupt()
        rig.client.ask("What else?")
        await rig.peer.next("InjectUserMessage")
        await rig.peer.text("user", "What else?")
        await rig.peer.audio(1.0)
        await rig.peer.sentence("Nothing.", 0.5, octet=0x77)
        await settle()
        assert rig.ear.payload.endswith(b"\x55" + b"\x77" * 4000)
        assert len(rig.ear.payload) == 16000 + 4000
        assert rig.history()[-1] == ("assistant", "Nothing.")


# Speculation


async def test_what_is_called_before_the_words_are_certain_comes_behind_them(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.call(("c1", "track", '{"ref": "K77"}'))
        await settle()
        rig.client.send_function_call_response({"id": "c1", "name": "track", "content": "Friday"})
        await rig.peer.text("user", "Where is K77?")
        await rig.peer.sentence("It comes on Friday.")
        await settle()
        assert rig.history() == [
            ("user", "Where is K77?"),
            ("call", 'track({"ref": "K77"})'),
            ("result", "Friday"),
            ("assistant", "It comes on Friday."),
        ]


async def test_latency_is_counted_from_the_callers_words(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Hello.")
        await settle()
        await trio.sleep(0.6)
        await rig.peer.sentence("Hello yourself.")
        await settle()
        statistics = rig.client.statistics()
        assert (statistics.turns, statistics.responses) == (1, 1)
        assert list(statistics.first_audio_latencies) == pytest.approx([0.6])


async def test_roles_nobody_has_heard_of_say_nothing(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.send("ConversationText", role="system", content="Be brief.")
        await rig.peer.send("ConversationText", role="assistant", content="")
        await settle()
        assert rig.history() == []
        assert rig.client.statistics().responses == 0


async def test_two_clients_of_one_call_do_not_share_lines(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.sentence("Hello.", 0.5)
        await rig.peer.audio_done()
        await trio.sleep(1)
        line = rig.client.transcript.lines[-1]
        assert (line.speaker, line.text, line.final) == (Speaker.AGENT, "Hello.", True)
        assert isinstance(rig.client, deepgram.VoiceAgentClient)
