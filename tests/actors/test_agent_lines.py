"""The transcript: the caller replaced and not repeated, the agent as far as it was heard (I7)."""

import pytest
import trio
from hypothesis import given, strategies as st

from callboard.actors._agent_history import HistoryMessage
from callboard.actors._agent_lines import Segment, words_heard
from callboard.actors._transcript import Speaker, TranscriptLine
from tests.actors.grok_kit import Rig, open_rig, settle

SEGMENTS = [Segment("Last train", 0.0), Segment(" at Derby", 1.0), Segment(" is at a quarter to seven.", 2.0)]
WHOLE = "Last train at Derby is at a quarter to seven."


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (0.0, ""),
        (0.2, ""),
        (0.6, "Last"),
        (1.0, "Last train"),
        (1.2, "Last train"),
        (1.5, "Last train at"),
        (2.0, "Last train at Derby"),
        (2.9, "Last train at Derby is at a"),
        (4.0, WHOLE),
        (9.0, WHOLE),
    ],
)
def test_words_are_cut_by_the_time_of_their_piece(heard: float, expected: str) -> None:
    assert words_heard(SEGMENTS, WHOLE, heard, 4.0) == expected


def test_words_without_times_are_cut_in_proportion() -> None:
    assert words_heard([Segment(WHOLE, None)], WHOLE, 2.0, 4.0) == "Last train at Derby is"


@given(
    st.floats(-1, 10),
    st.floats(0, 10),
    st.lists(st.tuples(st.text(max_size=20), st.floats(0, 10)), max_size=5),
)
def test_what_was_heard_is_the_beginning_of_what_was_said(
    heard: float, received: float, pieces: list[tuple[str, float]]
) -> None:
    segments = [Segment(text, start) for text, start in sorted(pieces, key=lambda piece: piece[1])]
    whole = "".join(segment.text for segment in segments).strip()
    words = words_heard(segments, whole, heard, received)
    assert whole.startswith(words) or "".join(s.text for s in segments).strip().startswith(words)
    assert words == words.strip()


def history(rig: Rig) -> list[tuple[str, str]]:
    return [(entry.role, entry.text) for entry in rig.client.history if isinstance(entry, HistoryMessage)]


def said(rig: Rig) -> list[tuple[str, str, bool]]:
    return [(line.speaker.value, line.text, line.interrupted) for line in rig.client.transcript.lines]


async def caller(rig: Rig, text: str, item_id: str = "u1", status: str | None = "completed") -> None:
    kind = "updated" if status is None else "completed"
    fields = {} if status is None else {"status": status}
    await rig.peer.send(
        f"conversation.item.input_audio_transcription.{kind}", item_id=item_id, transcript=text, **fields
    )


async def agent(rig: Rig, *, seconds: float = 4.0, done: bool = True) -> None:
    await rig.peer.begin()
    await rig.peer.audio(seconds)
    for segment in SEGMENTS:
        await rig.peer.text(segment.text, segment.start or 0.0)
    if done:
        await rig.peer.send(
            "response.output_audio_transcript.done", response_id="r1", item_id="a1", transcript=WHOLE
        )
        await rig.peer.finish()
    await settle()


async def test_one_line_for_each_turn_of_the_caller(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.speech_started()
        await caller(rig, "When is", status=None)
        await caller(rig, "When is high", status="in_progress")
        await rig.peer.speech_stopped()
        await caller(rig, "When is last train?", status="completed")
        await caller(rig, "When is last train?", status="completed")
        await agent(rig)
        assert said(rig) == [("caller", "When is last train?", False)]
        await trio.sleep(3.9)
        assert len(said(rig)) == 1
        await trio.sleep(0.2)
        assert said(rig) == [("caller", "When is last train?", False), ("agent", WHOLE, False)]


async def test_updates_are_shown_as_they_come(autojump_clock: object) -> None:
    async with open_rig() as rig, rig.client.transcript.watch() as shown:
        await rig.configured()
        await rig.peer.speech_started()
        await caller(rig, "When", status=None)
        await caller(rig, "When is last train?", status=None)
        await rig.peer.begin()
        await rig.peer.text("At seven", 0.0)
        await rig.peer.text(" o'clock.", 0.5)
        await settle()
        lines: list[TranscriptLine] = await shown.receive_batch()
        assert [(line.number, line.text, line.final) for line in lines] == [
            (1, "When", False),
            (1, "When is last train?", False),
            (1, "When is last train?", True),
            (2, "At seven", False),
            (2, "At seven o'clock.", False),
        ]


async def test_a_turn_that_goes_on_after_a_pause_is_one_line(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.speech_started("u1")
        await rig.peer.speech_stopped("u1")
        await caller(rig, "I would like")
        # The server opens a response at every pause, and drops it without a word.
        await rig.peer.send("response.created", response={"id": "dropped", "status": "in_progress"})
        await rig.peer.speech_started("u1")
        await rig.peer.next("response.cancel")
        await caller(rig, "I would like a table for two.")
        await agent(rig)
        assert said(rig)[0] == ("caller", "I would like a table for two.", False)
        assert len(said(rig)) == 1


async def test_a_transcript_that_comes_after_the_answer_began_is_not_lost(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.speech_started()
        await rig.peer.speech_stopped()
        await agent(rig)
        await caller(rig, "When is last train?", status="completed")
        await settle()
        assert said(rig) == [("caller", "When is last train?", False)]


async def test_user_items_that_arrive_with_their_transcript(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        content = [{"type": "input_audio", "transcript": "hello how are you"}]
        item = {"id": "u1", "type": "message", "status": "completed", "role": "user", "content": content}
        await rig.peer.send("conversation.item.added", item=item)
        await agent(rig)
        assert said(rig)[0] == ("caller", "hello how are you", False)


async def test_an_interrupted_answer_is_cut_to_what_was_heard_i7(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await agent(rig)
        await trio.sleep(1.5)
        await rig.peer.speech_started("u2")
        await caller(rig, "Stop.", "u2")
        await rig.peer.begin("r2", "a2")
        await rig.peer.text("Yes?", 0.0, "r2", "a2")
        await trio.sleep(1.0)
        assert said(rig) == [("agent", "Last train at", True), ("caller", "Stop.", False)]
        assert history(rig)[0] == ("assistant", "Last train at")


async def test_the_servers_word_about_what_was_heard_wins_if_it_comes_soon(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await agent(rig)
        await trio.sleep(1.5)
        rig.client.interrupt()
        await rig.peer.send(
            "conversation.item.truncated", item_id="a1", audio_end_ms=1500, transcript="Last train at Derby"
        )
        await settle()
        assert said(rig) == [("agent", "Last train at Derby", True)]
        assert history(rig) == [("assistant", "Last train at Derby")]


async def test_an_answer_of_which_nothing_was_heard_is_no_line(autojump_clock: object) -> None:
    async with open_rig() as rig, rig.client.transcript.watch() as shown:
        await rig.configured()
        await agent(rig)
        rig.client.interrupt()
        await trio.sleep(1.0)
        assert said(rig) == []
        assert (await shown.receive_batch())[-1].text == ""


async def test_text_of_an_interrupted_answer_that_comes_late_is_ignored(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await agent(rig, seconds=2.0, done=False)
        await trio.sleep(1.0)
        rig.client.interrupt()
        await rig.peer.text(" And more.", 4.0)
        await rig.peer.send(
            "response.output_audio_transcript.done",
            response_id="r1",
            item_id="a1",
            transcript="Something else.",
        )
        await trio.sleep(1.0)
        assert said(rig) == [("agent", "Last train", True)]


async def test_closing_makes_everything_final(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await agent(rig, done=False)
        await rig.peer.speech_started("u2")
        await caller(rig, "Sto", "u2", status=None)
        await settle()
        rig.client.close()
        assert [text for speaker, text, _ in said(rig) if speaker == Speaker.CALLER.value] == ["Sto"]


async def test_the_history_has_both_sides(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.speech_started()
        await caller(rig, "When is", status=None)
        await caller(rig, "When is last train?")
        await agent(rig)
        assert history(rig) == [
            ("user", "When is last train?"),
            ("assistant", WHOLE),
        ]
        await rig.peer.send("conversation.item.deleted", item_id="u1")
        await settle()
        assert len(rig.client.history) == 1
