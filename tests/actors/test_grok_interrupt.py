"""Barge-in, in each state of a response: what the caller hears, what the server is told, what comes too late."""

import pytest
import trio

from callboard import grok
from tests.actors.grok_kit import Rig, open_rig, settle


async def playing(rig: Rig, seconds: float, *, after: float, done: bool = False) -> None:
    """An answer of so many seconds, `after` seconds into which the test goes on."""
    await rig.configured()
    await rig.peer.begin()
    await rig.peer.audio(seconds)
    if done:
        await rig.peer.finish()
    await settle()
    await trio.sleep(after)


async def test_interrupt_while_deltas_come(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 5.0, after=1.5)
        assert rig.client.interrupt()
        # The ear is silent before anything else can happen.
        assert len(rig.ear.flushed) == 1
        assert await rig.peer.next("conversation.item.truncate") == {
            "type": "conversation.item.truncate",
            "item_id": "a1",
            "content_index": 0,
            "audio_end_ms": 1500,
        }
        assert await rig.peer.next("response.cancel") == {"type": "response.cancel", "response_id": "r1"}
        assert await rig.peer.quiet() == []


async def test_no_frame_of_an_interrupted_answer_is_played_i3(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 1.0, after=0.5)
        n_frames = len(rig.ear.frames)
        rig.client.interrupt()
        for _ in range(20):
            await rig.peer.audio(0.5)
        await rig.peer.finish(status="cancelled")
        await rig.peer.audio(0.5)
        await rig.peer.begin("r2", "a2")
        await rig.peer.audio(0.5, "r1")
        await rig.peer.audio(0.25, "r2", "a2", octet=0x77)
        await settle()
        assert [frame.payload for frame in rig.ear.frames[n_frames:]] == [b"\x77" * 2000]
        assert rig.ear.stale == 0
        assert rig.client.statistics().audio_out_dropped == 22 * 4000


async def test_frames_on_their_way_to_the_ear_are_dropped_i3(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin()
        await settle()
        # Delivered in one go with the start of speech: the bridge has not run in between.
        await rig.peer.audio(1.0)
        await rig.peer.speech_started()
        await settle()
        assert rig.ear.stale == 0
        assert rig.client.statistics().interruptions == 1


async def test_interrupt_before_any_audio_cancels_only(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin()
        await settle()
        assert rig.client.interrupt()
        await rig.peer.next("response.cancel")
        assert await rig.peer.quiet() == []
        await rig.peer.audio(1.0)
        await settle()
        assert rig.ear.frames == []


async def test_interrupt_after_response_done_truncates_only(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 5.0, after=2.0, done=True)
        assert rig.client.interrupt()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == 2000
        # There is nothing to cancel, and a cancel might hit the next response.
        assert await rig.peer.quiet() == []


async def test_interrupt_with_nothing_playing_tells_the_server_nothing(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        assert not rig.client.interrupt()
        await playing_out(rig)
        assert not rig.client.interrupt()
        assert await rig.peer.quiet() == []
        assert rig.client.statistics().interruptions == 0


async def playing_out(rig: Rig) -> None:
    await rig.peer.begin()
    await rig.peer.audio(1.0)
    await rig.peer.finish()
    await settle()
    await trio.sleep(1.5)


async def test_second_interrupt_does_nothing(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 5.0, after=1.0)
        assert rig.client.interrupt()
        assert not rig.client.interrupt()
        await rig.peer.next("conversation.item.truncate")
        await rig.peer.next("response.cancel")
        assert await rig.peer.quiet() == []


async def test_what_was_heard_is_never_more_than_what_was_received(autojump_clock: object) -> None:
    async with open_rig(knows=False) as rig:
        await rig.configured()
        await rig.peer.begin()
        await rig.peer.audio(1.0)
        await settle()
        await trio.sleep(4.0)
        assert rig.client.interrupt()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == 1000


async def test_without_a_sink_that_knows_the_clock_decides(autojump_clock: object) -> None:
    async with open_rig(knows=False) as rig:
        await playing(rig, 3.0, after=1.25)
        rig.client.interrupt()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == 1250


async def test_an_ear_that_ran_dry_heard_less(autojump_clock: object) -> None:
    async with open_rig(knows=False) as rig:
        await playing(rig, 1.0, after=3.0)
        await rig.peer.audio(2.0)
        await settle()
        await trio.sleep(0.5)
        rig.client.interrupt()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == 1500


async def test_two_answers_in_the_queue_are_both_truncated(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 2.0, after=0.5, done=True)
        await rig.peer.begin("r2", "a2")
        await rig.peer.audio(2.0, "r2", "a2")
        await rig.peer.finish("r2")
        await settle()
        await trio.sleep(0.5)
        rig.client.interrupt()
        first = await rig.peer.next("conversation.item.truncate")
        second = await rig.peer.next("conversation.item.truncate")
        assert (first["item_id"], first["audio_end_ms"]) == ("a1", 1000)
        assert (second["item_id"], second["audio_end_ms"]) == ("a2", 0)


async def test_speech_interrupts_by_itself(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 5.0, after=1.0)
        await rig.peer.speech_started()
        await rig.peer.speech_started()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == 1000
        await rig.peer.next("response.cancel")
        # Never: it would erase the words that interrupt.
        assert await rig.peer.quiet() == []


async def test_speech_after_the_answer_was_heard_interrupts_nothing(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await playing(rig, 1.0, after=1.5, done=True)
        await rig.peer.speech_started()
        assert await rig.peer.quiet() == []
        assert rig.ear.flushed == []


@pytest.mark.parametrize(
    "turn_detection",
    [{"type": None}, {"type": "server_vad", "interrupt_response": False}],
    ids=["manual", "interrupt_response off"],
)
async def test_speech_does_not_interrupt_where_it_should_not(
    turn_detection: dict[str, object], autojump_clock: object
) -> None:
    async with open_rig() as rig:
        await rig.configured(turn_detection=turn_detection)
        await rig.peer.begin()
        await rig.peer.audio(5.0)
        await rig.peer.speech_started()
        assert await rig.peer.quiet() == []
        assert rig.ear.flushed == []


async def test_turns_of_a_saved_agent_are_known_from_the_greeting(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.peer.send("session.created", session={"turn_detection": {"type": "server_vad"}})
        await rig.peer.begin()
        await rig.peer.audio(5.0, rate=48000)
        await settle()
        await trio.sleep(1.0)
        await rig.peer.speech_started()
        assert (await rig.peer.next("conversation.item.truncate"))["audio_end_ms"] == pytest.approx(
            1000, abs=2
        )


async def test_barge_in_can_be_switched_off(autojump_clock: object) -> None:
    async with open_rig(barge_in=False) as rig:
        await playing(rig, 5.0, after=1.0)
        await rig.peer.speech_started()
        assert await rig.peer.quiet() == []


async def test_a_line_that_is_not_interruptible_is_not_interrupted(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        rig.client.force_message("This call is recorded.", interruptible=False)
        await rig.peer.next("conversation.item.create")
        await rig.peer.begin()
        await rig.peer.audio(5.0)
        await rig.peer.speech_started()
        assert await rig.peer.quiet() == []


async def test_lost_races_are_no_errors(autojump_clock: object) -> None:
    async with open_rig() as rig:
        everything = rig.client.events(grok.VoiceAgentAPIEvents.Error)
        for message in (
            "Cancellation failed: no active response found",
            "Conversation already has an active response",
            "Cannot truncate: audio_end_ms is beyond the item",
        ):
            detail = {"type": "invalid_request_error", "message": message}
            await rig.peer.send("error", error=detail)
        await settle()
        assert everything.pending == 0
        assert rig.client.statistics().errors == 3


async def test_a_response_the_server_dropped_is_over_when_the_next_begins(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin("r1", "a1")
        await rig.peer.begin("r2", "a2")
        await rig.peer.audio(1.0, "r2", "a2")
        await settle()
        rig.client.interrupt()
        await rig.peer.next("conversation.item.truncate")
        assert (await rig.peer.next("response.cancel"))["response_id"] == "r2"


async def test_a_new_sink_gets_the_rest_of_an_answer(autojump_clock: object) -> None:
    async with open_rig(joined=False) as rig:
        await rig.configured()
        await rig.peer.begin()
        await rig.peer.audio(1.0, octet=1)
        await settle()
        rig.client.send_media_to(rig.ear)
        await rig.peer.audio(1.0, octet=2)
        await settle()
        assert rig.ear.payload == b"\x02" * 8000
        rig.client.stop_media_to(rig.ear)
        await rig.peer.audio(1.0, octet=3)
        await settle()
        assert rig.ear.payload == b"\x02" * 8000
