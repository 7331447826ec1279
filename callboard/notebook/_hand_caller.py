"""A caller who does what a person at the notebook says."""

import trio

from callboard.actors.emulators import Ear, Line
from callboard.actors.emulators._caller import Voice


class HandCaller:
    """On the line until told to hang up; silent until told what to say.

    Its methods are for the thread in which the call runs.
    """

    def __init__(self) -> None:
        self.ear = Ear()
        self.heard = trio.lowlevel.ParkingLot()
        """Whoever waits for the next 20 ms."""
        self._voice = Voice()
        self._line: Line | None = None

    async def prepare(self) -> None:
        """Nothing to do."""

    def answered(self, line: Line) -> None:
        """See `Caller.answered`."""
        self._line = line

    def hear(self, frame: bytes) -> None:
        """See `Caller.hear`."""
        self.ear.hear(frame)
        self.heard.unpark_all()

    def next_frame(self) -> bytes:
        """See `Caller.next_frame`."""
        speaks = self._voice.speaking
        frame = self._voice.next_frame()
        if speaks and not self._voice.speaking:
            # Only what the agent says after the caller's last words is an answer to them.
            self.ear.new_turn()
        return frame

    @property
    def speaking(self) -> bool:
        """Whether something is left to be said."""
        return self._voice.speaking

    def say(self, ulaw: bytes) -> None:
        """Say mu-law audio, after what is still being said."""
        self._voice.say(ulaw)

    def press(self, digit: str) -> None:
        """Press a key."""
        if self._line is not None:
            self._line.press(digit)

    def hang_up(self) -> None:
        """End the call."""
        if self._line is not None:
            self._line.hang_up()
