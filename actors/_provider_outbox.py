"""What waits to be sent to a provider: commands, which are never dropped, and live audio, which may be."""

from collections import deque

import attrs
import trio

from ._errors import MailboxFull

# Commands are a few a second at most. A client that cannot send so many is a client without a connection.
COMMAND_CAPACITY = 256
# Float seconds of audio kept while it cannot be sent. Older audio is of no use: its turn is over.
AUDIO_LIMIT = 2.0
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
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._front: deque[str | bytes] = deque()
        # (order, message, about this connection only)
        self._commands: deque[tuple[int, str | bytes, bool]] = deque()
        self._audio: deque[tuple[int, bytes, float]] = deque()
        self._order = 0
        self._seconds = 0.0
        self._lot = trio.lowlevel.ParkingLot()
        self.gate = False
        """Audio is sent only while this is set; see `open_gate`."""
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
        """Queue audio; where more than 2 s wait the oldest is dropped and counted."""
        self._order += 1
        self._audio.append((self._order, payload, seconds))
        self._seconds += seconds
        # The tolerance is for rounding, as in a hundred times 0.02.
        while self._seconds > AUDIO_LIMIT + 1e-6 and len(self._audio) > 1:
            self._drop_oldest()
        if self.gate:
            self._lot.unpark()

    def _drop_oldest(self) -> None:
        _, _, seconds = self._audio.popleft()
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

    def drop_audio(self) -> None:
        """Drop and count the audio that waits, as when its format is no longer the one that was agreed."""
        while self._audio:
            self._drop_oldest()
        self._seconds = 0.0

    def connected(self, opening: list[str | bytes]) -> None:
        """Begin a connection: its opening messages come first, and commands about an earlier one are gone."""
        kept = [entry for entry in self._commands if not entry[2]]
        self._purged += len(self._commands) - len(kept)
        self._commands = deque(kept)
        self._front = deque(opening)
        self._lot.unpark()

    async def wait(self) -> None:
        """Wait until something can be sent."""
        while not (self._front or self._commands or (self.gate and self._audio)):
            await self._lot.park()

    def command(self) -> str | bytes | None:
        """The command whose turn it is, which stays until `sent`; None where it is audio's turn."""
        if self._front:
            return self._front[0]
        if self._commands and not (self.gate and self._audio and self._audio[0][0] < self._commands[0][0]):
            return self._commands[0][1]
        return None

    def sent(self, message: str | bytes) -> None:
        """The command that `command` returned was sent."""
        if self._front and self._front[0] is message:
            self._front.popleft()
        elif self._commands and self._commands[0][1] is message:
            self._commands.popleft()

    def waits(self, message: str | bytes) -> bool:
        """Whether a message was not sent yet; told by its identity."""
        return any(queued is message for _, queued, _ in self._commands)

    def take_audio(self) -> bytes:
        """Take the audio that is to be sent now; frames that wait together are joined into one message."""
        until = self._commands[0][0] if self._commands else self._order + 1
        taken: list[bytes] = []
        total = 0.0
        while self._audio and self._audio[0][0] < until and total < JOIN_LIMIT:
            _, payload, seconds = self._audio.popleft()
            self._seconds -= seconds
            total += seconds
            taken.append(payload)
        if not self._audio:
            self._seconds = 0.0  # so that rounding does not add up
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
