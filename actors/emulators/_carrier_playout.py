"""What the far end of a media stream does with audio: a queue played at real time, marks, clear, a log.

Pure state. The clock is a position: samples at 8 kHz since the stream began, which the owner derives from its
own clock and passes in. So everything here is exact to the sample, whatever the scheduler does.
"""

import enum
from collections import deque

import attrs

RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = FRAME_SAMPLES / RATE_HZ
SILENCE = b"\xff"  # mu-law zero

# Twilio keeps ten minutes of audio for a stream and discards what comes on top of it (error 31931).
QUEUE_LIMIT = 600 * RATE_HZ
# A queue that runs dry and is filled again within this time was starved inside one utterance; a longer pause
# is taken for the end of the utterance. Pauses that an agent makes on purpose arrive as samples.
UNDERRUN_LIMIT = RATE_HZ // 2
# Entries the log keeps. A second of a chatty call makes about ten; ten minutes fit.
LOG_LIMIT = 20_000


class PlayoutKind(enum.Enum):
    """What an entry of the playout log tells."""

    STREAM = "stream"
    """Something the carrier itself did: start sent, a fault injected, the end."""
    AUDIO_STARTED = "audio_started"
    """The queue was empty and plays now."""
    AUDIO_ENDED = "audio_ended"
    """The queue ran dry (logged with the time it did) and stayed so, or was cleared."""
    UNDERRUN = "underrun"
    """Audio came too late: the caller heard a gap inside an utterance; logged where the gap ends."""
    MARK_RECEIVED = "mark_received"
    MARK_PLAYED = "mark_played"
    """All audio before the mark was played; logged with the time of its last sample."""
    MARK_FLUSHED = "mark_flushed"
    """The mark came back because of a clear."""
    CLEAR = "clear"
    OVERFLOW = "overflow"
    """Audio discarded because the queue was full (31931), or the caller's because nobody read it (31930)."""
    VIOLATION = "violation"
    """A message that the wire forbids, or forbids at this moment."""
    UNKNOWN = "unknown"
    """A message of an unknown kind; ignored."""


@attrs.frozen(kw_only=True)
class PlayoutEntry:
    """One line of the playout log."""

    at: float
    """Float seconds since the stream began."""
    kind: PlayoutKind
    detail: str = ""
    """A mark's name, a number of samples, the text of a violation."""


@attrs.frozen(kw_only=True)
class PlayoutStatistics:
    """Counters of one stream, in samples where nothing else is said."""

    received: int
    played: int
    queued: int
    """Waiting to be played."""
    flushed: int
    """Discarded by `clear`."""
    overflowed: int
    """Discarded because the queue was full."""
    underruns: int
    """How often the queue ran dry inside an utterance."""
    underrun_samples: int
    """How long it was dry then, in all."""
    high_water: int
    """The longest the queue ever was."""
    marks_played: int
    marks_flushed: int
    clears: int
    violations: int
    """Messages the wire forbids."""
    log_lost: int
    """Entries that no longer fitted the log."""


class Playout:
    """The carrier's end of the audio that goes to the caller.

    Every method first plays up to the position it is given; positions that went by already are taken as
    now. What is heard is taken out with `take_heard`; names of marks to echo with `take_echoes`.

    Args:
        limit: The longest queue, samples.
        underrun_limit: A pause of the queue up to this long is an underrun, samples.
    """

    def __init__(self, *, limit: int = QUEUE_LIMIT, underrun_limit: int = UNDERRUN_LIMIT) -> None:
        self.position = 0
        """How far the caller's clock has come, samples."""
        self._limit = limit
        self._underrun_limit = underrun_limit
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._played = 0
        # (number of samples that must have been played, name)
        self._marks: deque[tuple[int, str]] = deque()
        self._echoes: list[str] = []
        self._heard = bytearray()
        self._dry_since: int | None = None
        self._log: list[PlayoutEntry] = []
        self._log_lost = self._received = self._flushed = self._overflowed = 0
        self._underruns = self._underrun_samples = self._high_water = 0
        self._marks_played = self._marks_flushed = self._clears = self._violations = 0

    @property
    def playing(self) -> bool:
        """Whether something waits to be played."""
        return self._queued > 0

    def advance(self, position: int) -> None:
        """Play up to `position`; silence where nothing is queued."""
        missing = position - self.position
        if missing <= 0:
            return
        start, played_before = self.position, self._played
        while missing and self._queue:
            head = self._queue[0]
            taken = min(len(head), missing)
            self._heard += head[:taken]
            if taken == len(head):
                self._queue.popleft()
            else:
                self._queue[0] = head[taken:]
            self._queued -= taken
            self._played += taken
            missing -= taken
        while self._marks and self._marks[0][0] <= self._played:
            due, name = self._marks.popleft()
            self._echo_played(name, start + due - played_before)
        if self._played > played_before and not self._queued:
            self._dry_since = start + self._played - played_before
        if missing:
            self._heard += SILENCE * missing
        self.position = position
        if self._dry_since is not None and position - self._dry_since > self._underrun_limit:
            self._end_of_audio(self._dry_since)

    def media(self, payload: bytes, position: int) -> None:
        """Queue mu-law audio that arrived at `position`."""
        self.advance(position)
        self._received += len(payload)
        room = self._limit - self._queued
        if len(payload) > room:
            if not self._overflowed:
                # The carrier logs its error once for a stream; the counter tells the rest.
                self.note(
                    PlayoutKind.OVERFLOW, "31931: more than the queue may hold; later audio is discarded"
                )
            self._overflowed += len(payload) - room
            payload = payload[:room]
        if not payload:
            return
        if not self._queued:
            self._begin_audio()
        self._queue.append(memoryview(payload))
        self._queued += len(payload)
        self._high_water = max(self._high_water, self._queued)

    def mark(self, name: str, position: int) -> None:
        """Note a mark; its echo is due when all audio queued before it was played, or at once."""
        self.advance(position)
        self.note(PlayoutKind.MARK_RECEIVED, name)
        if self._queued:
            self._marks.append((self._played + self._queued, name))
        else:
            self._echo_played(name, self.position)

    def clear(self, position: int) -> None:
        """Empty the queue; marks that wait in it are echoed now, in their order."""
        self.advance(position)
        self._clears += 1
        self._flushed += self._queued
        self.note(PlayoutKind.CLEAR, str(self._queued))
        if self._queued:
            self._end_of_audio(self.position)
        elif self._dry_since is not None:
            self._end_of_audio(self._dry_since)
        self._queue.clear()
        self._queued = 0
        while self._marks:
            _, name = self._marks.popleft()
            self._marks_flushed += 1
            self.note(PlayoutKind.MARK_FLUSHED, name)
            self._echoes.append(name)

    def finish(self, position: int) -> None:
        """The stream ends: play up to `position` and close the log."""
        self.advance(position)
        if self._queued:
            self._end_of_audio(self.position)
        elif self._dry_since is not None:
            self._end_of_audio(self._dry_since)

    def take_heard(self, n_samples: int) -> bytes:
        """What the caller heard next, mu-law; at most as much as was played since the last call."""
        taken = bytes(self._heard[:n_samples])
        del self._heard[:n_samples]
        return taken

    def take_echoes(self) -> list[str]:
        """Names of the marks to send back now, in order."""
        echoes, self._echoes = self._echoes, []
        return echoes

    def note(self, kind: PlayoutKind, detail: str = "", *, at: int | None = None) -> None:
        """Write a line of the log, at the present position unless told otherwise (samples)."""
        if kind is PlayoutKind.VIOLATION:
            self._violations += 1
        if len(self._log) >= LOG_LIMIT:
            self._log_lost += 1
            return
        sample = self.position if at is None else at
        self._log.append(PlayoutEntry(at=sample / RATE_HZ, kind=kind, detail=detail[:200]))

    def log(self) -> tuple[PlayoutEntry, ...]:
        """The log so far, by time; entries of one time in the order they were made."""
        return tuple(sorted(self._log, key=lambda entry: entry.at))

    def statistics(self) -> PlayoutStatistics:
        """Counters so far."""
        return PlayoutStatistics(
            received=self._received,
            played=self._played,
            queued=self._queued,
            flushed=self._flushed,
            overflowed=self._overflowed,
            underruns=self._underruns,
            underrun_samples=self._underrun_samples,
            high_water=self._high_water,
            marks_played=self._marks_played,
            marks_flushed=self._marks_flushed,
            clears=self._clears,
            violations=self._violations,
            log_lost=self._log_lost,
        )

    def _echo_played(self, name: str, at: int) -> None:
        self._marks_played += 1
        self.note(PlayoutKind.MARK_PLAYED, name, at=at)
        self._echoes.append(name)

    def _begin_audio(self) -> None:
        gap = None if self._dry_since is None else self.position - self._dry_since
        self._dry_since = None
        if gap is None:
            self.note(PlayoutKind.AUDIO_STARTED)
        elif gap:
            self._underruns += 1
            self._underrun_samples += gap
            self.note(PlayoutKind.UNDERRUN, str(gap))

    def _end_of_audio(self, at: int) -> None:
        self._dry_since = None
        self.note(PlayoutKind.AUDIO_ENDED, at=at)
