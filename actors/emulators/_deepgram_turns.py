"""Turns of the user: from the audio of a connection to turns that are answered."""

import logging

import numpy as np
import trio

from callboard.media import Samples
from callboard.protocols.deepgram import WarningCode

from ._deepgram_parts import Parts
from ._deepgram_replies import Replies, RepliesBusy
from ._deepgram_reply import UserTurn
from ._ear import Ear, Partial, Started, Stopped

_log = logging.getLogger("callboard.emulators.deepgram")


class Turns:
    """Listens for one connection.

    Args:
        parts: The connection.
        replies: What answers the turns.
    """

    def __init__(self, parts: Parts, replies: Replies) -> None:
        self._parts = parts
        self._replies = replies
        # The wire has no words of a turn before it is over.
        self._ear = Ear(parts.speech.engines, partials=False)
        self._tentative: UserTurn | None = None
        self._before: Samples | None = None
        self.configure()

    @property
    def speaking(self) -> bool:
        """True from the start of the user's speech until the turn is confirmed."""
        return self._ear.speaking or (self._tentative is not None and not self._tentative.confirmed.is_set())

    def configure(self) -> None:
        """Take over the session's settings."""
        session = self._parts.session
        self._ear.configure(session.input_codec, session.vad, manual=False)

    async def hear(self, payload: bytes) -> None:
        """Audio came."""
        for event in self._ear.feed(payload):
            match event:
                case Started():
                    await self._started()
                case Stopped(_, samples):
                    self._stopped(samples)
                case Partial():
                    raise AssertionError("partials were not asked for")

    async def force_end(self) -> None:
        """The client ends the turn."""
        parts = self._parts
        if not parts.session.flux:
            await parts.outlet.warn(
                WarningCode.FORCE_END_TURN_UNSUPPORTED,
                "ForceEndTurn needs a listen provider of version v2",
            )
        elif self._ear.speaking:
            self._end(self._ear.take(), confirm_at=None)
        elif self._tentative is not None:
            self._tentative.confirmed.set()

    async def _started(self) -> None:
        tentative, self._tentative = self._tentative, None
        if tentative is not None and not tentative.confirmed.is_set():
            # The same turn still: its first part is transcribed again with what follows.
            self._before = tentative.samples
        await self._replies.interrupt()

    def _stopped(self, samples: Samples) -> None:
        session = self._parts.session
        waited = session.vad.silence_duration
        rest = session.silence - waited
        ahead = self._parts.options.speculate_after is not None and rest > 0
        self._end(samples, confirm_at=trio.current_time() + rest if ahead else None, waited=waited)

    def _end(self, samples: Samples, *, confirm_at: float | None, waited: float = 0.0) -> None:
        if self._before is not None:
            samples = np.concatenate((self._before, samples))
            self._before = None
        turn = UserTurn(samples=samples, heard_at=trio.current_time() - waited, confirm_at=confirm_at)
        self._tentative = turn if confirm_at is not None else None
        try:
            # The ear may have heard the next turn begin in the same piece of audio.
            self._replies.submit(turn, talked_over=self._ear.speaking)
        except RepliesBusy:
            _log.warning("a turn stays without an answer: too many wait")
            turn.confirmed.set()
