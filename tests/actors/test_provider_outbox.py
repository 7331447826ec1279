"""What waits for a connection: order, bounds, and what survives a reconnect."""

import pytest
import trio
from hypothesis import given, strategies as st

from callboard.actors._errors import MailboxFull
from callboard.actors._provider_outbox import COMMAND_CAPACITY, Outbox
from callboard.media import PCM16_8K, ULAW_8K, Converter, decode, encode


def drain(outbox: Outbox) -> list[str | bytes]:
    sent: list[str | bytes] = []
    while outbox._front or outbox._commands or (outbox.gate and outbox._audio):
        command = outbox.command()
        if command is None:
            sent.append(outbox.take_audio())
        else:
            sent.append(command)
            outbox.sent(command)
    return sent


async def test_commands_and_audio_go_in_their_order_and_audio_is_joined() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    outbox.put("first")
    outbox.put_audio(b"a", 0.02)
    outbox.put_audio(b"b", 0.02)
    outbox.put("commit")
    outbox.put_audio(b"c", 0.02)
    assert drain(outbox) == ["first", b"ab", "commit", b"c"]
    assert outbox.statistics().audio == 0


async def test_audio_is_handed_to_an_idle_writer_unless_something_else_is_first() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    sent: list[str | bytes] = []
    outbox.on_audio = sent.append
    outbox.put_audio(b"a", 0.02)
    outbox.put("command")
    outbox.put_audio(b"b", 0.02)
    assert sent == [b"a"]
    assert drain(outbox) == ["command", b"b"]
    outbox.lead(["opening"])
    outbox.put_audio(b"c", 0.02)
    assert sent == [b"a"]
    outbox.close_gate()
    assert drain(outbox) == ["opening"]
    outbox.put_audio(b"d", 0.02)
    assert sent == [b"a"]


async def test_a_batch_is_sent_when_it_is_full_or_a_command_waits_behind_it() -> None:
    outbox = Outbox("x", batch=0.06)
    outbox.open_gate()
    due: list[bool] = []
    for octet in b"abcd":
        outbox.put_audio(bytes([octet]), 0.02)
        due.append(outbox.audio_due)
        if outbox.audio_due:
            assert outbox.take_audio() == b"abc"
    assert due == [False, False, True, False]
    outbox.put("commit")
    assert drain(outbox) == [b"d", "commit"]


async def test_audio_waits_behind_the_gate_and_commands_do_not() -> None:
    outbox = Outbox("x")
    outbox.put_audio(b"a", 0.02)
    outbox.put("command")
    assert drain(outbox) == ["command"]
    outbox.open_gate()
    assert drain(outbox) == [b"a"]
    outbox.close_gate()
    outbox.put_audio(b"b", 0.02)
    assert drain(outbox) == []
    outbox.drop_audio()
    assert outbox.statistics().frames_dropped == 1


async def test_joined_audio_is_bounded() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    for number in range(100):
        outbox.put_audio(bytes([number]), 0.02)
    sizes = [len(message) for message in drain(outbox)]
    assert sum(sizes) == 100
    assert max(sizes) <= 26


async def test_a_command_stays_until_it_was_sent() -> None:
    outbox = Outbox("x")
    outbox.put("a")
    assert outbox.command() == outbox.command() == "a"
    outbox.connected(["opening"])
    assert drain(outbox) == ["opening", "a"]


async def test_commands_about_an_earlier_connection_are_dropped_and_counted() -> None:
    outbox = Outbox("x")
    outbox.put("cancel", bound=True)
    outbox.put("create")
    outbox.connected([])
    assert drain(outbox) == ["create"]
    assert outbox.statistics().commands_purged == 1


async def test_too_many_commands_are_refused_and_none_is_lost() -> None:
    outbox = Outbox("the client")
    for number in range(COMMAND_CAPACITY):
        outbox.put(str(number))
    with pytest.raises(MailboxFull, match="the client"):
        outbox.put("one more")
    assert len(drain(outbox)) == COMMAND_CAPACITY


async def test_wait_returns_when_there_is_something_to_send(autojump_clock: object) -> None:
    outbox = Outbox("x")
    async with trio.open_nursery() as nursery:

        async def later() -> None:
            await trio.sleep(1)
            outbox.put_audio(b"a", 0.02)
            await trio.sleep(1)
            outbox.open_gate()

        nursery.start_soon(later)
        await outbox.wait()
        assert trio.current_time() == pytest.approx(2.0)


@given(st.lists(st.sampled_from(["command", "audio", "open", "close", "connect"])))
def test_no_command_is_lost_or_repeated_and_order_is_kept(steps: list[str]) -> None:
    outbox = Outbox("x")
    put: list[str] = []
    sent: list[str | bytes] = []
    audio = b""
    since = 0
    for number, step in enumerate(steps):
        match step:
            case "command":
                put.append(str(number))
                outbox.put(str(number))
            case "audio":
                audio += bytes([number % 256])
                outbox.put_audio(bytes([number % 256]), 0.001)
            case "open":
                outbox.open_gate()
                sent += drain(outbox)
            case "close":
                outbox.close_gate()
            case _:
                outbox.connected([])
                since = len(sent)
    outbox.open_gate()
    sent += drain(outbox)
    assert [message for message in sent if isinstance(message, str)] == put
    # The last connection has heard all of it, also what an earlier one had heard a moment before.
    assert b"".join(message for message in sent[since:] if isinstance(message, bytes)) == audio


def test_a_new_connection_hears_the_turn_that_has_no_words_yet() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    for number in range(50):
        outbox.put_audio(bytes([number]), 0.1)
        drain(outbox)
        if number == 19:
            outbox.turn_began()
    outbox.connected([])
    # What came before the turn is kept for a moment: speech is noticed late.
    assert b"".join(m for m in drain(outbox) if isinstance(m, bytes)) == bytes(range(14, 50))
    outbox.turn_over()
    outbox.connected([])
    assert drain(outbox) == []


def test_the_turn_that_is_kept_is_bounded() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    outbox.turn_began()
    for number in range(250):
        outbox.put_audio(bytes([number]), 0.1)
        drain(outbox)
    outbox.connected([])
    assert b"".join(m for m in drain(outbox) if isinstance(m, bytes)) == bytes(range(50, 250))


def test_a_turn_is_heard_again_in_messages_of_half_a_second() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    outbox.turn_began()
    frames = [bytes([number]) * 960 for number in range(200)]  # 24 kHz, 16 bits
    for frame in frames:
        outbox.put_audio(frame, 0.02)
        drain(outbox)
    outbox.connected([])
    assert outbox.statistics().audio == pytest.approx(4.0)
    again = drain(outbox)
    assert b"".join(m for m in again if isinstance(m, bytes)) == b"".join(frames)
    assert [len(m) for m in again] == [24_000] * 8


@given(st.lists(st.integers(1, 50), max_size=60), st.booleans())
def test_kept_audio_is_the_end_of_what_was_sent_in_whole_samples(lengths: list[int], turn: bool) -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    if turn:
        outbox.turn_began()
    said = b""
    for number, n_samples in enumerate(lengths):
        frame = bytes([number, 255 - number]) * 8 * n_samples
        outbox.put_audio(frame, n_samples / 1000)
        said += frame
        drain(outbox)
    outbox.connected([])
    again = b"".join(m for m in drain(outbox) if isinstance(m, bytes))
    assert said.endswith(again)
    assert len(again) % 16 == 0
    # As much as is wanted, or a frame more or less.
    assert len(again) >= min(len(said), (20_000 if turn else 600) * 16) - 50 * 16


def test_behind_a_lost_session_more_is_kept() -> None:
    outbox = Outbox("x")
    outbox.hold()
    for number in range(120):
        outbox.put_audio(bytes([number]), 0.1)
    outbox.connected([])
    outbox.open_gate()
    assert b"".join(m for m in drain(outbox) if isinstance(m, bytes)) == bytes(range(20, 120))
    outbox.close_gate()
    for number in range(30):
        outbox.put_audio(bytes([number]), 0.1)
    assert outbox.statistics().audio == pytest.approx(2.0)


def test_kept_audio_follows_the_format() -> None:
    outbox = Outbox("x")
    outbox.open_gate()
    outbox.put_audio(b"\xff" * 160, 0.02)
    drain(outbox)
    outbox.put_audio(b"\x00" * 160, 0.02)
    outbox.convert(Converter(ULAW_8K, PCM16_8K), PCM16_8K)
    outbox.connected([])
    assert drain(outbox) == [encode(decode(b"\xff" * 160 + b"\x00" * 160, ULAW_8K), PCM16_8K)]


def test_commands_for_another_wire_are_dropped() -> None:
    outbox = Outbox("x")
    outbox.put("one")
    outbox.drop_commands()
    assert drain(outbox) == []
    assert outbox.statistics().commands_purged == 1
