"""The transcript of a call: who said what, in the order it was heard, the agent cut to what was heard."""

import bisect
import enum
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from ._channel import Channel, Overflow

# A talkative hour has about a thousand lines.
MAX_LINES = 20_000
WATCH_CAPACITY = 1024


class Speaker(enum.Enum):
    """Who said a line."""

    CALLER = "caller"
    AGENT = "agent"
    TOOL = "tool"
    """A tool call and its outcome, for the reader's sake."""


@attrs.frozen(kw_only=True)
class TranscriptLine:
    """One thing that was said."""

    number: int
    speaker: Speaker
    text: str
    at: float
    """Trio time when it began to be said or heard, float seconds."""
    interrupted: bool = False
    """True for an answer that was cut: `text` is then what was heard of it."""
    final: bool = True
    """False for a partial text that a later update of the same `number` replaces."""


class Transcript:
    """Collects the lines of one call."""

    def __init__(self) -> None:
        self._lines: list[TranscriptLine] = []
        self._numbers = itertools.count(1)
        self._watchers: list[Channel[TranscriptLine]] = []
        self.dropped = 0

    @property
    def lines(self) -> tuple[TranscriptLine, ...]:
        """The final lines so far, in the order they were heard."""
        return tuple(self._lines)

    def reserve(self) -> int:
        """A number for a line that will be updated until it is final."""
        return next(self._numbers)

    def put(
        self,
        speaker: Speaker,
        text: str,
        *,
        number: int | None = None,
        at: float | None = None,
        interrupted: bool = False,
        final: bool = True,
    ) -> TranscriptLine:
        """Add a line or the newest state of one.

        Args:
            speaker: Who says it.
            text: The whole text so far.
            number: From `reserve`, for a line that is put more than once.
            at: When it began, trio time; now if None.
            interrupted: The answer was cut to `text`.
            final: False while the text may still change; such a line is only shown, not kept.
        """
        line = TranscriptLine(
            number=self.reserve() if number is None else number,
            speaker=speaker,
            text=text,
            at=trio.current_time() if at is None else at,
            interrupted=interrupted,
            final=final,
        )
        if final:
            if len(self._lines) < MAX_LINES:
                # An answer is final once it was heard; what the caller said meanwhile may be so before.
                bisect.insort(self._lines, line, key=lambda known: (known.at, known.number))
            else:
                self.dropped += 1
        for watcher in self._watchers:
            watcher.send_nowait(line)
        return line

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[Channel[TranscriptLine], None]:
        """Every later line and update, as a stream; a slow watcher loses the oldest, counted by the channel."""
        channel: Channel[TranscriptLine] = Channel(WATCH_CAPACITY, Overflow.DROP_OLDEST, name="transcript")
        self._watchers.append(channel)
        try:
            yield channel
        finally:
            self._watchers.remove(channel)

    def close(self) -> None:
        """End the streams of all watchers."""
        for watcher in self._watchers:
            watcher.close()
