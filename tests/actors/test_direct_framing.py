"""Our framing says what the library says, whatever comes, and however it is cut (RFC 6455, section 5)."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings, strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from callboard.actors._direct_framing import Framing

MAX_MESSAGE = 3000


class Unchecked(Frame):
    """A frame that may break the rules."""

    def check(self) -> None:
        """Anything goes."""


class Reference:
    """The same with the library alone: each octet goes through its protocol object."""

    def __init__(self, side: Side) -> None:
        self._protocol = Protocol(side, max_size=MAX_MESSAGE)
        self._parts: list[bytes] = []
        self._is_text = False
        self.messages: list[str | bytes] = []
        self.replies = bytearray()
        self.last = False
        self._failed = False

    def feed(self, octets: bytes) -> None:
        # A message with broken text fails the connection in the middle of a read.
        for at in range(len(octets)):
            self._protocol.receive_data(octets[at : at + 1])
            for frame in self._protocol.events_received():
                assert isinstance(frame, Frame)
                self._frame(frame)
            for part in self._protocol.data_to_send():
                self.replies += part
                self.last = self.last or not part

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._is_text = frame.opcode is Opcode.TEXT
            self._parts = []
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin and self._protocol.state is OPEN:
            payload = b"".join(self._parts)
            try:
                self.messages.append(payload.decode() if self._is_text else payload)
            except UnicodeDecodeError as error:
                self._protocol.fail(1007, f"{error.reason} at position {error.start}")

    @property
    def close(self) -> tuple[int, str] | None:
        close = self._protocol.close_rcvd or self._protocol.close_sent
        return None if close is None else (close.code, close.reason)


def both(side: Side, pieces: Sequence[bytes]) -> None:
    """Feed both, and compare all that can be seen of them."""
    ours = Framing(Protocol(side, max_size=MAX_MESSAGE), MAX_MESSAGE)
    reference = Reference(side)
    replies = bytearray()
    last = False
    for piece in pieces:
        ours.feed(piece)
        octets, ends = ours.replies()
        replies += octets
        last = last or ends
        reference.feed(piece)
    assert list(ours.messages) == reference.messages
    assert (None if ours.closed is None else (ours.closed.code, ours.closed.reason or "")) == reference.close
    assert last == reference.last
    if side is Side.SERVER:
        assert bytes(replies) == bytes(reference.replies)
    else:
        # Masked with other masks.
        assert len(replies) == len(reference.replies)


payloads = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=60).map(str.encode),
    st.sampled_from([0, 125, 126, 127, 1000, MAX_MESSAGE, MAX_MESSAGE + 1, 65535, 65536]).map(
        lambda n: b"x" * n
    ),
)
good_frames = st.builds(
    Unchecked, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.text(max_size=60).map(str.encode)
)
fragments = st.builds(
    Unchecked,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.text(max_size=3).map(str.encode),
    st.booleans(),
)
control_frames = st.one_of(
    st.builds(Unchecked, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
    st.builds(
        Unchecked, st.just(Opcode.CLOSE), st.sampled_from([b"", b"\x03\xe8bye", b"\x03", b"\x03\xedx"])
    ),
)
frames = st.one_of(
    good_frames,
    fragments,
    control_frames,
    st.builds(Unchecked, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), payloads),
    st.builds(Unchecked, st.sampled_from(list(Opcode)), payloads, st.booleans(), st.booleans()),
)
sides = st.sampled_from(list(Side))


def cut(octets: bytes, points: Sequence[int]) -> list[bytes]:
    """The octets in pieces."""
    ends = sorted({point % (len(octets) + 1) for point in points} | {len(octets)})
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


@given(sides, st.lists(frames, max_size=8), st.lists(st.integers(0, 100_000), max_size=6))
@example(Side.SERVER, [Unchecked(Opcode.TEXT, b"\xff"), Unchecked(Opcode.TEXT, b"x")], [])
@example(Side.SERVER, [Unchecked(Opcode.TEXT, b"x" * 65536), Unchecked(Opcode.TEXT, b"x")], [3])
@example(Side.SERVER, [Unchecked(Opcode.TEXT, b"x" * (MAX_MESSAGE + 1))], [])
@example(Side.CLIENT, [Unchecked(Opcode.BINARY, b"a", fin=False), Unchecked(Opcode.BINARY, b"b")], [])
def test_any_frames_in_any_pieces(side: Side, given_frames: list[Frame], points: list[int]) -> None:
    octets = b"".join(frame.serialize(mask=side is Side.SERVER) for frame in given_frames)
    both(side, cut(octets, points))


@settings(max_examples=300)
@given(
    sides,
    st.lists(good_frames, max_size=3),
    st.binary(max_size=60),
    st.lists(st.integers(0, 500), max_size=3),
)
@example(Side.SERVER, [], b"\x81\x7e", [])
@example(Side.CLIENT, [], b"\x83\x7f", [1])
def test_garbage_behind_frames(side: Side, first: list[Frame], garbage: bytes, points: list[int]) -> None:
    octets = b"".join(frame.serialize(mask=side is Side.SERVER) for frame in first) + garbage
    both(side, cut(octets, points))


@given(sides, st.lists(good_frames, min_size=1, max_size=3), st.booleans(), st.integers(0, 200))
def test_wrong_masking(side: Side, some: list[Frame], first_is_right: bool, end: int) -> None:
    right, wrong = side is Side.SERVER, side is not Side.SERVER
    octets = some[0].serialize(mask=right if first_is_right else wrong)
    octets += b"".join(frame.serialize(mask=wrong) for frame in some[1:])
    both(side, [octets[:end], octets[end:]])


@given(sides, st.one_of(st.text(), st.binary(), st.sampled_from([b"x" * 65535, "y" * 65536, "z" * 126])))
def test_the_library_reads_what_we_write(side: Side, message: str | bytes) -> None:
    octets = Framing(Protocol(side), 1 << 20).encode(message)
    other = Protocol(Side.SERVER if side is Side.CLIENT else Side.CLIENT, max_size=1 << 20)
    other.receive_data(octets)
    (frame,) = other.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin) == (Opcode.TEXT if isinstance(message, str) else Opcode.BINARY, True)
    assert bytes(frame.data) == (message.encode() if isinstance(message, str) else message)


def test_no_two_masks_are_the_same() -> None:
    framing = Framing(Protocol(Side.CLIENT), 1 << 20)
    masks = {framing.encode(b"")[2:6] for _ in range(500)}
    assert len(masks) == 500


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (1000, "", b"\x03\xe8"),
        (4321, "so it goes", b"\x10\xe1so it goes"),
        (1005, "dropped", b""),
        (1006, "must not travel", b"\x03\xe8must not travel"),
        (1000, "\u4e2d" * 60, b"\x03\xe8" + "\u4e2d".encode() * 41),
    ],
)
def test_a_close_frame_has_what_may_travel(code: int, reason: str, payload: bytes) -> None:
    framing = Framing(Protocol(Side.SERVER), 1 << 20)
    assert framing.close(code, reason) == bytes((0x88, len(payload))) + payload
    assert framing.closed is not None
    assert framing.closed.code == code
    assert framing.close(1000, "again") == b""


def test_what_comes_after_our_close_is_dropped_up_to_the_peers() -> None:
    framing = Framing(Protocol(Side.SERVER), 1 << 20)
    framing.feed(Frame(Opcode.TEXT, b"before").serialize(mask=True))
    framing.close(4000, "")
    assert not framing.messages
    framing.feed(Frame(Opcode.TEXT, b"between").serialize(mask=True))
    assert not framing.messages
    assert not framing.over
    framing.feed(Frame(Opcode.CLOSE, b"\x0f\xa1").serialize(mask=True))
    assert framing.over
    assert framing.closed is not None
    assert framing.closed.code == 4001


def test_pongs_are_told() -> None:
    framing = Framing(Protocol(Side.CLIENT), 1 << 20)
    framing.feed(
        Frame(Opcode.PONG, b"one").serialize(mask=False) + Frame(Opcode.PONG, b"").serialize(mask=False)
    )
    assert (framing.pongs, framing.news) == ([b"one", b""], True)
