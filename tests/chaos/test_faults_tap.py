"""Faults at single messages: what passes, and finding the messages in octets."""

import math

import pytest
import trio
from hypothesis import given, strategies as st

from callboard.testing import MessageAction, OnMessage, Peer
from callboard.testing._faults_frames import FrameCutter, frame
from callboard.testing._faults_tap import Message, Tap, corrupted, kind_of_message, skewed


def passing(messages: list[Message], *faults: OnMessage) -> list[Message]:
    """What passes of these messages, the end included."""

    async def main() -> list[Message]:
        struck: list[OnMessage] = []
        tap = Tap(faults, struck.append)
        passed = [each for message in messages for each in tap.feed(message)]
        assert all(fault in struck for fault in faults)
        return passed + tap.rest()

    return trio.run(main)


def fault(action: MessageAction, nth: int = 2, **more: object) -> OnMessage:
    return OnMessage(action=action, peer=Peer.PROVIDER, nth=nth, **more)  # type: ignore[arg-type]


THREE: list[Message] = ["one", "two", "three"]


@pytest.mark.parametrize(
    ("action", "left"),
    [
        (MessageAction.DROP, ["one", "three"]),
        (MessageAction.DUPLICATE, ["one", "two", "two", "three"]),
        (MessageAction.REORDER, ["one", "three", "two"]),
        (MessageAction.CORRUPT, ["one", "t#o", "three"]),
        (MessageAction.HALF_CLOSE, ["one"]),
        (MessageAction.RESET, ["one"]),
        (MessageAction.DELAY, THREE),
        (MessageAction.STALL, THREE),
    ],
)
def test_what_passes(action: MessageAction, left: list[Message]) -> None:
    assert passing(THREE, fault(action)) == left


def test_the_last_message_cannot_come_later_than_itself() -> None:
    assert passing(THREE, fault(MessageAction.REORDER, 3)) == THREE


def test_reordering_waits_for_a_message_that_is_not_lost() -> None:
    faults = (fault(MessageAction.REORDER, 1), fault(MessageAction.DROP, 2))
    assert passing(THREE, *faults) == ["three", "one"]


def test_messages_are_counted_by_kind() -> None:
    messages: list[Message] = ['{"type": "a"}', b"\0", '{"event": "b"}', '{"type": "a", "n": 2}', b"\1"]
    left = passing(
        messages,
        fault(MessageAction.DROP, 2, kind="a"),
        fault(MessageAction.DROP, 1, kind="b"),
        fault(MessageAction.DROP, 2, kind="binary"),
    )
    assert left == messages[:2]


async def test_a_delay_holds_for_its_time_and_a_stall_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tap = Tap([fault(MessageAction.DELAY, 1, seconds=2.0)], lambda _: None)
    tap.feed("one")
    assert tap.held
    await trio.sleep(2)
    assert not tap.held
    tap = Tap([fault(MessageAction.STALL, 1)], lambda _: None)
    tap.feed("one")
    assert tap.held_until == math.inf


def test_a_clock_that_jumps_stays_off() -> None:
    media = '{"event": "media", "media": {"timestamp": "%s", "payload": "timestamp"}}'
    messages: list[Message] = [media % 20, media % 40, media % 60]
    left = passing(messages, fault(MessageAction.SKEW, seconds=1.5))
    assert left == [media % 20, media % 1540, media % 1560]
    assert skewed(media % 40, -3.0) == media % 0
    assert skewed(b"\0", 1.0) == b"\0"


def test_corruption_changes_one_place_only() -> None:
    assert corrupted("ab#de") == "ab%de"
    assert corrupted(b"\0\0\0") == b"\0\x55\0"
    assert corrupted("") == "#"
    assert corrupted(b"") == b""


def test_kinds_of_messages() -> None:
    assert kind_of_message('{"type": "x", "event": "y"}') == "x"
    assert kind_of_message('{"event": "y"}') == "y"
    for text in ("", "[1]", "{", '{"type": 1}', "{}"):
        assert kind_of_message(text) == ""


HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
messages_in = st.lists(
    st.one_of(st.text(max_size=300), st.binary(max_size=300), st.just("x" * 70_000)), max_size=5
)


@given(messages_in, st.booleans(), st.integers(1, 500))
def test_messages_are_found_however_their_octets_come(
    messages: list[Message], masked: bool, size: int
) -> None:
    octets = HEAD + b"".join(frame(message, masked=masked) for message in messages)
    cutter = FrameCutter()
    size = max(size, len(octets) // 50)
    pieces = [
        piece for start in range(0, len(octets), size) for piece in cutter.feed(octets[start : start + size])
    ]
    assert [piece.message for piece in pieces] == [None, *messages]
    assert b"".join(piece.octets for piece in pieces) == octets
    assert cutter.rest() == b""


def test_a_masked_frame_is_read_and_control_frames_pass() -> None:
    # RFC 6455, section 5.7: a masked text message with "Hello", a ping, the first part of a fragmented message.
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    ping = bytes.fromhex("890548656c6c6f")
    part = bytes.fromhex("010348656c")
    cutter = FrameCutter()
    pieces = cutter.feed(HEAD + masked + ping + part + b"\x81")
    assert [(piece.message, piece.octets) for piece in pieces] == [
        (None, HEAD),
        ("Hello", masked),
        (None, ping),
        (None, part),
    ]
    assert pieces[1].masked
    assert cutter.rest() == b"\x81"


@given(st.binary(max_size=200))
def test_any_octets_pass_in_the_end(octets: bytes) -> None:
    cutter = FrameCutter()
    passed = b"".join(piece.octets for piece in cutter.feed(octets))
    assert passed + cutter.rest() == octets
