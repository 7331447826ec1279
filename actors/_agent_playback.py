"""The agent's voice on its way to the caller: responses, stretches of audio, and barge-in.

Plain functions, called by the connection's reader; nothing waits, so nothing happens between a decision and
its effects. The one actor here ends stretches of audio and lines of the transcript when their time has come.
"""

import math
from typing import TYPE_CHECKING, Any, Protocol

import trio

from callboard.media import Encoding

from ._agent_events import WebSocketMediaInfo
from ._agent_lines import AgentLines
from ._agent_media import MediaStretch
from ._agent_statistics import Counters
from ._agent_turns import NEGLIGIBLE, AgentTurns, ResponseState
from ._context import Context
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._ports import MediaUnit

_ENCODINGS = {Encoding.ULAW: "ULAW", Encoding.ALAW: "ALAW", Encoding.PCM16: "PCM16"}


class PlaybackSide(Protocol):
    """What playback needs of its client."""

    def media_started(self, encoding: str) -> None:
        """Audio begins to play."""
        ...

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """No audio has played for a while."""
        ...

    def answer_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """An answer was interrupted after `heard` seconds of it; `text` is what was heard, if it is known."""
        ...

    def stop_answer(self, state: ResponseState) -> None:
        """The answer that is being made is not wanted any more."""
        ...


class AgentPlayback:
    """What the agent says, and how much of it was heard.

    Args:
        unit: The media unit that emits the audio.
        side: The rest of the client.
        transcript: Where lines are written.
        counters: What is counted.
    """

    def __init__(
        self, unit: "MediaUnit", side: PlaybackSide, transcript: Transcript, counters: Counters
    ) -> None:
        self._unit = unit
        self._side = side
        self._counters = counters
        self._timer = trio.Event()
        self.turns = AgentTurns(unit.next_generation)
        self.media = MediaStretch()
        self.lines = AgentLines(transcript)
        self.changed = trio.lowlevel.ParkingLot()
        """Whoever waits for a response to come on."""

    # Audio

    def play(self, state: ResponseState, item_id: str, content_index: int, payload: bytes) -> None:
        """Audio of a response came."""
        now = trio.current_time()
        first = state.starts_at is None
        frame = self.turns.audio(state, item_id, content_index, payload, now)
        if frame is None:
            if state.dead:
                self._counters.audio_out_dropped += len(payload)
            return
        self.begin_output(state)
        self._unit.emit(frame)
        seconds = frame.duration
        self._counters.audio_out += seconds
        if first:
            self._counters.first_audio(now)
        if self.media.audio(seconds, len(frame.payload), now):
            self._side.media_started(_ENCODINGS[frame.format.encoding])
            self.touch()

    def play_end(self, state: ResponseState) -> float:
        """When all received audio of a response will have been played, by the clock."""
        return -math.inf if state.starts_at is None else state.starts_at + state.received

    def begin_output(self, state: ResponseState | None) -> None:
        """A response says or does something: the caller's turn before it is complete."""
        if state is not None and state.first_output_at is None and not state.dead:
            state.first_output_at = trio.current_time()
            self.lines.answered()

    def barge(self, now: float) -> None:
        """The caller began to speak: interrupt what is being said or made, unless it is not to be interrupted."""
        active = self.turns.active
        playing = [state for state in self.turns.playing if self.unheard(state, now) > NEGLIGIBLE]
        affected = playing if active is None or active in playing else [*playing, active]
        if affected and all(state.interruptible for state in affected):
            self.interrupt()

    # Barge-in

    def heard(self, state: ResponseState, now: float) -> float:
        """How much of a response was heard, float seconds: by the sinks where they know, else by the clock."""
        reports = [
            max(report.likely, report.confirmed)
            for edge in self._unit.outputs
            if (report := edge.sink.heard(edge, state.generation)) is not None
        ]
        heard = state.base + max(reports) if reports else state.heard_by_clock(now)
        return min(heard, state.received)

    def unheard(self, state: ResponseState, now: float) -> float:
        """How much received audio of a response is still to be heard, float seconds."""
        return 0.0 if state.dead else state.received - self.heard(state, now)

    def interrupt(self) -> bool:
        """Barge-in, in one piece; see `VoiceAgent.interrupt`."""
        now = trio.current_time()
        # First of all what the caller notices: silence.
        self._unit.flush_output(self._unit.next_generation())
        self.media.cut(now)
        active = self.turns.active
        states = list(self.turns.playing)
        if active is not None and active not in states:
            states.append(active)
        did = False
        for state in states:
            heard = self.heard(state, now)
            if state.done and state.received - heard <= NEGLIGIBLE:
                continue
            did = True
            self.lines.agent_cut(state.id, heard, state.received, now)
            self._side.answer_cut(state, heard, self.lines.agent_heard(state.id))
            self.turns.kill(state)
        if active is not None:
            self._side.stop_answer(active)
        self.turns.interrupted(now)
        if did:
            self._counters.interruptions += 1
        self.changed.unpark_all()
        self.touch()
        return did

    def clear_media_buffer(self) -> None:
        """Drop received audio that was not played; the response goes on."""
        now = trio.current_time()
        generation = self._unit.next_generation()
        self._unit.flush_output(generation)
        self.media.cut(now)
        self.turns.flush(generation, now)
        self.touch()

    # Time

    def touch(self) -> None:
        """Have deadlines looked at again."""
        self._timer.set()

    async def run_timer(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """The actor that ends stretches of audio and lines of the transcript when their time has come."""
        del context
        task_status.started()
        while True:
            self._timer = trio.Event()
            with trio.move_on_at(min(self.media.deadline, self.lines.deadline)):
                await self._timer.wait()
            now = trio.current_time()
            self.lines.handle_timer(now)
            info = self.media.ended(now)
            if info is not None:
                self._side.media_ended(info)
