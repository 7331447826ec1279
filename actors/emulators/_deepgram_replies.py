"""Answers of one connection: one at a time, all of them given up when the user speaks."""

import logging

from callboard.media import Samples
from callboard.protocols import deepgram

from ._deepgram_calls import Calls
from ._deepgram_parts import Parts
from ._deepgram_reply import Reply, UserTurn
from ._deepgram_voice import Utterance, Voice
from ._in_turn import InTurn

# Turns that wait for their answer; more than this is a client gone wild.
MAX_WAITING = 16

_log = logging.getLogger("callboard.emulators.deepgram")


class RepliesBusy(Exception):
    """Too many turns wait."""


class Replies:
    """Answers turns.

    Args:
        parts: The connection.
        voice: What says the answers.
    """

    def __init__(self, parts: Parts, voice: Voice) -> None:
        self._parts = parts
        self._voice = voice
        self.calls = Calls(parts)
        self._queue: InTurn[UserTurn] = InTurn(MAX_WAITING)

    def submit(self, turn: UserTurn, *, talked_over: bool = False) -> None:
        """Answer a turn after those before it.

        Args:
            turn: The turn.
            talked_over: The user speaks again already, so that its words are told and nothing else.

        Raises:
            RepliesBusy: Too many wait.
        """
        if self._queue.full:
            raise RepliesBusy
        if talked_over:
            turn.scope.cancel(reason="the user speaks")
        self._queue.put(turn)

    async def interrupt(self) -> None:
        """The user speaks: stop everything, and say so."""
        parts = self._parts
        for turn in self._queue.waiting:
            turn.scope.cancel(reason="the user spoke")
        active = self._queue.active
        if active is not None:
            active.scope.cancel(reason="the user spoke")
        cut = await self._voice.stop()
        if active is not None and active.answering:
            await active.finished.wait()
        await parts.outlet.send(deepgram.UserStartedSpeaking())
        cancelled = self.calls.cancel()
        if cancelled:
            await parts.outlet.send(deepgram.FunctionCallCancelled(functions=cancelled))
        if cut is not None:
            await self._linger(cut)

    async def _linger(self, cut: Utterance) -> None:
        """What some servers still send of an utterance that was cut."""
        options, outlet = self._parts.options, self._parts.outlet
        if cut.last_chunk:
            for _ in range(options.stray_chunks):
                await outlet.send(deepgram.BinaryAudio(cut.last_chunk))
        if options.audio_done_after_interruption:
            await outlet.send(deepgram.AgentAudioDone())

    async def run(self) -> None:
        """Answer until cancelled."""
        await self._queue.run(self._answer)

    async def _answer(self, turn: UserTurn) -> None:
        if turn.confirm_at is None:
            # What was said stays said, whatever becomes of the answer.
            turn.confirmed.set()
            if turn.samples is not None:
                turn.text = await self._transcribe(turn.samples)
            if not turn.by_itself:
                if not turn.text:
                    return
                await self._parts.tell("user", turn.text)
        if turn.scope.cancel_called:
            return
        turn.answering = True
        with turn.scope:
            if not turn.confirmed.is_set() and turn.samples is not None:
                turn.text = await self._transcribe(turn.samples)
                if not turn.text:
                    turn.confirmed.set()
                    return
            await Reply(self._parts, self._voice, self.calls, turn).give()

    async def _transcribe(self, samples: Samples) -> str:
        try:
            return await self._parts.speech.transcribe(samples)
        except Exception:  # noqa: BLE001  (a recogniser is anybody's code; one turn stays without words)
            _log.exception("a transcription failed")
            return ""
