"""What waits to be sent to a provider: commands, which are never dropped, and live audio, which may be."""

import math
from collections.abc import Callable, Iterable

import attrs
import trio

from callboard.media import AudioFormat, Converter

from ._errors import MailboxFull

# Commands are a few a second at most. A client that cannot send so many is a client without a connection.
COMMAND_CAPACITY = 256
# Float seconds of audio kept while it cannot be sent. Older audio is of no use: its turn is over.
AUDIO_LIMIT = 2.0
# The same while a lost session is being replaced: what the caller says meanwhile is still to be answered.
HOLD_LIMIT = 10.0
# Audio that was sent is kept for the next session, float seconds: while nobody speaks, as much as a provider needs to
# notice speech; and from there on the turn that it has not made words of, the end of it where it is long.
PREROLL = 0.6
TURN_LIMIT = 20.0
# The most audio put into one message where several frames wait, float seconds.
JOIN_LIMIT = 0.5


@attrs.frozen(kw_only=True)
class OutboxStatistics:
    """Counters of an outbox."""

    commands: int
    """Commands that wait."""
    audio: float
    """Audio that waits, float seconds."""
    audio_dropped: float
    """Audio dropped because it could not be sent in time, float seconds."""
    frames_dropped: int
    commands_purged: int
    """Commands that were about a connection that ended before they were sent."""


class Outbox:
    """Commands and audio in the order in which they are to be sent.

    A command stays in the outbox until it was sent, so that it is sent again on the next connection where the
    sending was cut short. Audio is taken out first: a torn frame is not repeated.

    Args:
        name: For error texts.
        batch: Audio is sent when so much of it waits, float seconds: fewer messages, and so much later.
    """

    def __init__(self, name: str, *, batch: float = 0.0) -> None:
        self._name = name
        self._batch = batch - 1e-6  # for rounding, as in twice 0.02
        # Lists, for they are short: an empty deque takes ten times the memory.
        self._front: list[str | bytes] = []
        # (order, message, about this connection only)
        self._commands: list[tuple[int, str | bytes, bool]] = []
        self._audio: list[tuple[int, bytes, float]] = []
        self._order = 0
        self._seconds = 0.0
        self._lot = trio.lowlevel.ParkingLot()
        self.gate = False
        """Audio is sent only while this is set; see `open_gate`."""
        self.on_audio: Callable[[bytes], None] | None = None
        """Set by the writer while it has nothing to do: given audio that may be sent, in the place of waking it."""
        self._limit = AUDIO_LIMIT
        # In one piece: thirty frames of their own would take twice the memory.
        self._sent = bytearray()
        self._sent_seconds = 0.0
        self._sent_limit = PREROLL
        self._dropped = 0.0
        self._frames_dropped = 0
        self._purged = 0

    def put(self, message: str | bytes, *, bound: bool = False) -> None:
        """Queue a command.

        Args:
            message: The encoded command.
            bound: It is about the present connection and is of no use on another.

        Raises:
            MailboxFull: Too many commands wait.
        """
        if len(self._commands) >= COMMAND_CAPACITY:
            raise MailboxFull(f"outbox of {self._name}", COMMAND_CAPACITY)
        self._order += 1
        self._commands.append((self._order, message, bound))
        self._lot.unpark()

    def put_audio(self, payload: bytes, seconds: float) -> None:
        """Queue audio; where more than 2 s wait (10 s behind a lost session) the oldest is dropped and counted."""
        if (
            self.on_audio is not None
            and not self._audio
            and self.gate
            and seconds >= self._batch
            and self._clear
        ):
            # The usual way: nobody waits, so it need not either.
            self._keep(payload, seconds)
            self.on_audio(payload)
            return
        self._order += 1
        self._audio.append((self._order, payload, seconds))
        self._seconds += seconds
        # The tolerance is for rounding, as in a hundred times 0.02.
        while self._seconds > self._limit + 1e-6 and len(self._audio) > 1:
            self._drop_oldest()
        if self.audio_due:
            if self.on_audio is not None and self._clear:
                self.on_audio(self.take_audio())
            else:
                self._lot.unpark()

    @property
    def _clear(self) -> bool:
        """Whether no command waits."""
        return not (self._front or self._commands)

    def _drop_oldest(self) -> None:
        _, _, seconds = self._audio.pop(0)
        self._seconds -= seconds
        self._dropped += seconds
        self._frames_dropped += 1

    def open_gate(self) -> None:
        """Let audio out."""
        self.gate = True
        self._lot.unpark()

    def close_gate(self) -> None:
        """Hold audio back from now on."""
        self.gate = False

    def hold(self) -> None:
        """A session was lost: keep more of what is said until the next one hears it."""
        self._limit = HOLD_LIMIT

    def turn_began(self) -> None:
        """The caller speaks: audio is kept until `turn_over`, the 20 s before the present at most."""
        self._sent_limit = TURN_LIMIT

    def turn_over(self) -> None:
        """What was said so far has been understood."""
        self._sent_limit = PREROLL
        self._sent.clear()
        self._sent_seconds = 0.0

    def _keep(self, payload: bytes, seconds: float) -> None:
        self._sent += payload
        self._sent_seconds += seconds
        # As much goes as comes, whole samples therefore.
        while self._sent_seconds > self._sent_limit + 1e-6 and len(self._sent) > len(payload) > 0:
            del self._sent[: len(payload)]
            self._sent_seconds -= seconds

    def drop_commands(self) -> None:
        """Forget what waits to be sent but for audio: the next provider speaks another language."""
        self._purged += len(self._commands)
        self._commands.clear()
        self._front.clear()

    def convert(self, converter: Converter, target: AudioFormat) -> None:
        """Bring the audio that waits, and that which is kept, into another format."""
        self._audio = [
            (order, converted, target.duration(len(converted)))
            for order, payload, _ in self._audio
            if (converted := converter.convert(payload))
        ]
        self._seconds = sum(seconds for _, _, seconds in self._audio)
        self._sent = bytearray(converter.convert(bytes(self._sent)))
        self._sent_seconds = target.duration(len(self._sent))

    def drop_audio(self) -> None:
        """Drop and count the audio that waits, as when its format is no longer the one that was agreed."""
        while self._audio:
            self._drop_oldest()
        self._seconds = 0.0
        self._sent.clear()
        self._sent_seconds = 0.0

    def connected(self, opening: list[str | bytes]) -> None:
        """Begin a connection: its opening messages come first, and commands about an earlier one are gone.

        What an earlier session heard and made no words of is heard again.
        """
        # Before everything that waits.
        self._audio[:0] = [(0, payload, seconds) for payload, seconds in self._take_sent()]
        self._seconds = sum(seconds for _, _, seconds in self._audio)
        self._limit = max(self._limit, self._seconds + AUDIO_LIMIT)
        kept = [entry for entry in self._commands if not entry[2]]
        self._purged += len(self._commands) - len(kept)
        self._commands = kept
        self._front = list(opening)
        self._lot.unpark()

    def _take_sent(self) -> list[tuple[bytes, float]]:
        """What was kept, in pieces that each fit a message."""
        sent, seconds = bytes(self._sent), self._sent_seconds
        self._sent.clear()
        self._sent_seconds = 0.0
        if not sent:
            return []
        # Of whole samples, whatever the format.
        size = 8 * math.ceil(len(sent) * min(JOIN_LIMIT / seconds, 1.0) / 8)
        pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
        return [(piece, seconds * len(piece) / len(sent)) for piece in pieces]

    def lead(self, messages: Iterable[str | bytes]) -> None:
        """More of what begins the connection, once it is known: it comes before all that waits."""
        self._front.extend(messages)
        self._lot.unpark()

    @property
    def audio_due(self) -> bool:
        """Whether there is audio that may be sent."""
        # Less than a batch goes only where a command waits behind it.
        return self.gate and bool(self._audio) and (self._seconds >= self._batch or bool(self._commands))

    @property
    def ready(self) -> bool:
        """Whether something can be sent."""
        return bool(self._front or self._commands) or self.audio_due

    async def wait(self) -> None:
        """Wait until something can be sent."""
        while not self.ready:
            await self._lot.park()

    def command(self) -> str | bytes | None:
        """The command whose turn it is, which stays until `sent`; None where it is audio's turn."""
        if self._front:
            return self._front[0]
        if self._commands and not (self.audio_due and self._audio[0][0] < self._commands[0][0]):
            return self._commands[0][1]
        return None

    def sent(self, message: str | bytes) -> None:
        """The command that `command` returned was sent."""
        if self._front and self._front[0] is message:
            self._front.pop(0)
        elif self._commands and self._commands[0][1] is message:
            self._commands.pop(0)

    def take_audio(self) -> bytes:
        """Take the audio that is to be sent now; frames that wait together are joined into one message."""
        until = self._commands[0][0] if self._commands else self._order + 1
        taken: list[bytes] = []
        total = 0.0
        while self._audio and self._audio[0][0] < until and total < JOIN_LIMIT - 1e-6:
            _, payload, seconds = self._audio.pop(0)
            self._seconds -= seconds
            total += seconds
            taken.append(payload)
            self._keep(payload, seconds)
        if not self._audio:
            self._seconds = 0.0  # so that rounding does not add up
            self._limit = AUDIO_LIMIT
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def statistics(self) -> OutboxStatistics:
        """The counters as they are now."""
        return OutboxStatistics(
            commands=len(self._front) + len(self._commands),
            audio=self._seconds,
            audio_dropped=self._dropped,
            frames_dropped=self._frames_dropped,
            commands_purged=self._purged,
        )
