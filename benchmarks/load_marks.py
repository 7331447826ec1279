"""Audio that says which 20 ms it is, whatever becomes of it: mu-law, PCM, another rate, other lengths of messages.

A frame is one constant level. Levels are far enough apart to survive companding and the ringing of a filter, and follow
one another along a closed walk that takes every step between two different levels just once: so any two neighbours name
their place in the walk, and a loss of frames is told from a delay as long as it is shorter than the walk.

The caller's walk uses eight levels: 56 frames, 1.12 s. The agent's uses four of one sign, so that one answer is told
from the next by its sign: 12 frames, 0.24 s.
"""

import base64
import functools

import attrs

FRAME = 0.02
# Read this often, float seconds. A level counts once two readings in a row agree: one alone may have hit an edge.
PROBE = 0.005
NO_LEVEL = 255

N_LEVELS = 8
_STEP = 7168
# How far from a level a sample may be to count, of the 3584 that would make it another's.
_TOLERANCE = 1600
LEVELS = tuple(_STEP * index - _STEP * (N_LEVELS - 1) // 2 for index in range(N_LEVELS))


def walk(levels: tuple[int, ...]) -> tuple[int, ...]:
    """A closed walk that takes each step between two of the levels once (Hierholzer's algorithm)."""
    left = {level: [other for other in levels if other != level] for level in levels}
    stack, path = [levels[0]], list[int]()
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            path.append(stack.pop())
    return tuple(path[:-1])


CALLER_WALK = walk(tuple(range(N_LEVELS)))
# The walk of answers with an even number, and of those with an odd one.
AGENT_WALKS = (walk((4, 5, 6, 7)), walk((0, 1, 2, 3)))


def ulaw_value(code: int) -> int:
    """The sample that a mu-law octet means (ITU-T G.711)."""
    inverted = ~code & 0xFF
    magnitude = ((((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)) - 0x84
    return -magnitude if inverted & 0x80 else magnitude


def _level_of(sample: int) -> int:
    index = min(range(N_LEVELS), key=lambda level: abs(LEVELS[level] - sample))
    return index if abs(LEVELS[index] - sample) <= _TOLERANCE else NO_LEVEL


_ULAW_LEVEL = bytes(_level_of(ulaw_value(code)) for code in range(256))
# By the high octet of a sample, whose low one is taken to be half way.
_PCM_LEVEL = bytes(_level_of((octet - 256 if octet > 127 else octet) * 256 + 128) for octet in range(256))
_ULAW_CODE = tuple(min(range(256), key=lambda code: abs(ulaw_value(code) - level)) for level in LEVELS)


@attrs.frozen
class Encoding:
    """How audio travels: mu-law, or 16 bit PCM, little-endian."""

    ulaw: bool
    rate_hz: int

    @property
    def name(self) -> str:
        """Short, for tables."""
        return "pcmu" if self.ulaw else f"pcm{self.rate_hz}"

    @property
    def frame_octets(self) -> int:
        """Of 20 ms."""
        return self.rate_hz // 50 * (1 if self.ulaw else 2)

    def frame(self, level: int) -> bytes:
        """20 ms of a level."""
        if self.ulaw:
            return bytes((_ULAW_CODE[level],)) * self.frame_octets
        return LEVELS[level].to_bytes(2, "little", signed=True) * (self.frame_octets // 2)


ULAW = Encoding(ulaw=True, rate_hz=8000)


@functools.cache
def audio(encoding: Encoding, levels: tuple[int, ...]) -> bytes:
    """Frames in base64."""
    return base64.b64encode(b"".join(encoding.frame(level) for level in levels))


class Probe:
    """Reads levels out of a stream of audio, every 5 ms, wherever messages begin and end."""

    def __init__(self, encoding: Encoding) -> None:
        samples = round(encoding.rate_hz * PROBE)
        width = 1 if encoding.ulaw else 2
        self._step = samples * width
        # In the middle between two steps; of a sample of two octets, the high one.
        self._next = samples // 2 * width + width - 1
        self._table = _ULAW_LEVEL if encoding.ulaw else _PCM_LEVEL

    def read(self, payload: bytes) -> bytes:
        """The levels in a piece of the stream, `NO_LEVEL` where there is none."""
        found = payload[self._next :: self._step].translate(self._table)
        self._next += len(found) * self._step - len(payload)
        return found


class Follower:
    """Follows a walk through the levels that are heard, and tells which frames these are.

    Args:
        path: The walk.
    """

    def __init__(self, path: tuple[int, ...]) -> None:
        self._path = path
        self._length = len(path)
        self._place = {(path[index - 1], level): index for index, level in enumerate(path)}
        self._previous = NO_LEVEL
        self._level = NO_LEVEL
        self.newest = -1
        """The number of the latest frame that was heard, counted from 0."""
        self.gaps = 0
        """How often frames were missing, or out of order."""
        self._lost = False

    def hear(self, levels: bytes, limit: int) -> list[int]:
        """Take levels.

        Args:
            levels: From `Probe.read`.
            limit: The number of the latest frame that was sent.

        Returns:
            The numbers of the frames that are heard for the first time, ascending.
        """
        new: list[int] = []
        for level in levels:
            if level == self._previous and level not in (self._level, NO_LEVEL):
                self._change(level, limit, new)
            self._previous = level
        return new

    def _change(self, level: int, limit: int, new: list[int]) -> None:
        expected = self.newest + 1
        if not self._lost and self._path[expected % self._length] == level:
            self.newest = expected
            new.append(expected)
        elif not self._lost:
            # The step to this level may lead over a gap; the next one will tell where it is.
            self._lost = True
        else:
            place = self._place.get((self._level, level))
            if place is not None:
                self._lost = False
                self.gaps += 1
                # The frame before this one was heard as well, at the beginning of the doubt.
                number = self._number(place, limit)
                new += [one for one in (number - 1, number) if one > self.newest]
                self.newest = number
        self._level = level

    def _number(self, place: int, limit: int) -> int:
        """The frame that is meant by a place in the walk."""
        if self.newest < 0:
            # Who heard nothing yet joins late rather than that as much is on its way.
            return max(limit - (limit - place) % self._length, 0)
        return self.newest + (place - self.newest - 1) % self._length + 1
