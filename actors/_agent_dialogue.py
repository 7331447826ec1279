"""The conversation between the caller and the agent, in the same terms for all providers.

A provider's driver translates its messages into calls of `Dialogue`; transcript, history, playback, barge-in and the
provider-neutral events follow from them, and so does what the next session has to be given when one ends.

Plain functions, called in the order of the wire; nothing waits.
"""

from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from callboard.media import AudioFormat

from ._agent_events import AgentEvent, AgentEvents, WebSocketMediaInfo
from ._agent_history import AgentHistory, HistoryEntry
from ._agent_lines import Segment
from ._agent_playback import AgentPlayback
from ._agent_statistics import Counters
from ._agent_turns import ResponseState
from ._provider_outbox import Outbox
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._agent_client import VoiceAgent


@attrs.define(eq=False)
class PendingSay:
    """A line that the agent was told to say and has not begun with."""

    id: str
    text: str
    interruptible: bool = True
    begun: trio.Event = attrs.field(factory=trio.Event)
    response: ResponseState | None = None
    error: Exception | None = None


@attrs.frozen(kw_only=True)
class Handover:
    """What a new session is given."""

    entries: tuple[HistoryEntry, ...] = ()
    """The conversation so far, answers cut to what was heard or will be."""
    owes: bool = False
    """The agent has to speak next: the last turn is without an answer, or with half of one."""
    says: tuple[PendingSay, ...] = ()
    """Lines that are to be said first."""


class DialogueSide(Protocol):
    """What a dialogue needs of the client around it."""

    def publish(self, event: AgentEvent) -> None:
        """Give an event to streams and listeners."""
        ...

    def media_started(self, encoding: str) -> None:
        """See `PlaybackSide`."""
        ...

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """See `PlaybackSide`."""
        ...

    def tell_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """Tell the provider that an answer was interrupted; see `PlaybackSide.answer_cut`."""
        ...

    def stop_answer(self, state: ResponseState) -> None:
        """See `PlaybackSide`."""
        ...


class Dialogue:
    """What is said, by whom, and who is next.

    Args:
        client: Whose dialogue it is.
        side: The client's inside.
        outbox: Holds the caller's audio.
        transcript: Where lines are written.
        barge_in: Interrupt the agent when the caller begins to speak.
    """

    def __init__(
        self,
        client: "VoiceAgent",
        side: DialogueSide,
        outbox: Outbox,
        transcript: Transcript,
        *,
        barge_in: bool,
    ) -> None:
        self._client = client
        self._side = side
        self._outbox = outbox
        self._barge_in = barge_in
        self.counters = Counters(began_at=trio.current_time())
        self.playback = AgentPlayback(client, self, transcript, self.counters)
        self.history = AgentHistory()
        self.says: list[PendingSay] = []
        self.owes = False
        """The provider is to speak and has not begun."""
        self.hearing = False
        """The caller's turn is not over, or its words have not come yet."""
        self.speaking = False
        """The caller speaks, as far as the provider has told."""
        self._turn_item = ""
        self.session = 0
        """How many sessions there have been."""

    # PlaybackSide

    def media_started(self, encoding: str) -> None:
        """See `PlaybackSide`."""
        self._side.media_started(encoding)

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """See `PlaybackSide`."""
        self._side.media_ended(info)

    def answer_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """See `PlaybackSide`."""
        # Of an answer in several items it is not known which of them said what.
        if text is not None and len(state.items) == 1:
            self.history.text(next(iter(state.items)), "assistant", text)
        if state.active:
            self._publish_done(state, None, interrupted=True)
        self._side.tell_cut(state, heard, text)

    def stop_answer(self, state: ResponseState) -> None:
        """See `PlaybackSide`."""
        self._side.stop_answer(state)

    # The caller

    def user_started(self, item_id: str, native: object, *, interrupts: bool = True) -> None:
        """The caller began to speak, or goes on after a pause."""
        now = trio.current_time()
        self.counters.turns += 1
        self.counters.speech_stopped_at = None
        self.owes = False
        self.hearing = self.speaking = True
        self._turn_item = item_id
        self._outbox.turn_began()
        # Before anything else that can be heard.
        if self._barge_in and interrupts:
            self.playback.barge(now)
        self.playback.lines.caller_began(item_id, now)
        self._side.publish(AgentEvents.UserStartedSpeaking(client=self._client, native=native))

    def user_stopped(self, native: object, *, answered: bool = True) -> None:
        """The caller's turn is over.

        Args:
            native: The message that said so.
            answered: The provider answers it by itself.
        """
        self.speaking = False
        self.counters.speech_stopped(trio.current_time())
        self.owes = self.owes or answered
        self._side.publish(AgentEvents.UserStoppedSpeaking(client=self._client, native=native))
        self.playback.changed.unpark_all()

    def user_text(
        self, item_id: str, text: str, native: object, *, completed: bool, final: bool | None = None
    ) -> None:
        """The words of a turn came, all of them so far.

        Args:
            item_id: The turn.
            text: Its words.
            native: The message that brought them.
            completed: They are complete, unless the caller goes on.
            final: Nothing of the turn is missing; as `completed` if not given.
        """
        final = completed if final is None else final
        self.playback.lines.caller_text(item_id, text, trio.current_time(), completed=completed)
        self.history.text(item_id, "user", text)
        if text.strip():
            self._side.publish(
                AgentEvents.UserText(client=self._client, native=native, text=text.strip(), final=completed)
            )
        if final and not self.speaking:
            self._turn_over()

    def _turn_over(self) -> None:
        if self.hearing:
            self.hearing = False
            self._outbox.turn_over()

    # The agent

    def answer_began(
        self, response_id: str, audio_format: AudioFormat, native: object, *, say: PendingSay | None = None
    ) -> ResponseState:
        """An answer begins, or a line that it was told to say."""
        now = trio.current_time()
        turns = self.playback.turns
        turns.prune(now)
        before = turns.created(
            response_id,
            audio_format,
            interruptible=say is None or say.interruptible,
            session=self.session,
            line=None if say is None else say.text,
        )
        if before is not None:
            self.playback.lines.agent_ends(before.id, max(now, self.playback.play_end(before)))
            self._publish_done(before, native, interrupted=False)
        state = turns.current
        assert state is not None
        self.owes = False
        if say is not None:
            say.response = state
            say.begun.set()
        self.counters.responses += 1
        self.playback.changed.unpark_all()
        self._side.publish(AgentEvents.TurnStarted(client=self._client, native=native, turn_id=response_id))
        return state

    def answer_audio(
        self, state: ResponseState, item_id: str, payload: bytes, content_index: int = 0
    ) -> None:
        """Audio of an answer came."""
        self.begin_output(state)
        self.playback.play(state, item_id, content_index, payload)

    def begin_output(self, state: ResponseState | None) -> None:
        """An answer says or does something: the turn before it is complete."""
        if state is not None and state.first_output_at is None and not state.dead:
            self._turn_over()
        self.playback.begin_output(state)

    def answer_text(
        self, state: ResponseState | None, item_id: str, segment: Segment, native: object
    ) -> None:
        """The next piece of what an answer says came."""
        if state is None or state.dead:
            return
        self.begin_output(state)
        self.playback.lines.agent_text(state.id, item_id, segment, trio.current_time())
        self._side.publish(
            AgentEvents.AgentText(client=self._client, native=native, turn_id=state.id, text=segment.text)
        )

    def answer_whole(self, response_id: str, item_id: str, text: str) -> None:
        """The full text of an item of an answer came."""
        state = self.playback.turns.get(response_id)
        if state is None or not state.dead:
            self.playback.lines.agent_whole(response_id, item_id, text, trio.current_time())
            self.history.text(item_id, "assistant", text)

    def answer_done(self, response_id: str, native: object) -> ResponseState | None:
        """An answer is complete, as the provider sent it."""
        now = trio.current_time()
        was_active = (known := self.playback.turns.get(response_id)) is not None and known.active
        state = self.playback.turns.done(response_id)
        if state is not None and not state.dead:
            self.playback.lines.agent_ends(state.id, max(now, self.playback.play_end(state)))
            if was_active:
                self._publish_done(state, native, interrupted=False)
        self.playback.changed.unpark_all()
        self.playback.touch()
        return state

    def _publish_done(self, state: ResponseState, native: object, *, interrupted: bool) -> None:
        self._side.publish(
            AgentEvents.TurnDone(
                client=self._client, native=native, turn_id=state.id, interrupted=interrupted
            )
        )

    # Tools

    def called(self, call_id: str, name: str, arguments: str, native: object) -> None:
        """The model calls a function."""
        state = self.playback.turns.active
        self.begin_output(state)
        if not self.history.called(call_id, name, arguments):
            return
        if state is not None:
            state.calls += 1
        self._side.publish(
            AgentEvents.ToolCalled(
                client=self._client, native=native, call_id=call_id, name=name, arguments=arguments
            )
        )

    # Sessions

    def session_lost(self) -> None:
        """The connection is gone, with whatever was being made.

        What was received of an answer plays on; what was not is owed by the next session.
        """
        now = trio.current_time()
        playback = self.playback
        state = playback.turns.active
        if state is not None:
            said = playback.lines.agent_broken(state.id, state.received, max(playback.play_end(state), now))
            if said is not None and state.items:
                self.history.text(next(iter(state.items)), "assistant", said)
            self._publish_done(state, None, interrupted=True)
            if state.line is not None:
                self._say_rest(state.line, said or "", state.interruptible)
            elif not state.calls:
                # Where it called functions it is their answers that the model goes on from.
                self.owes = True
        playback.turns.disconnected()
        if self.hearing:
            # Its audio is heard again, and its words come again with it.
            self.history.deleted(self._turn_item)
            playback.lines.caller_lost(self._turn_item)
        self.speaking = False
        playback.changed.unpark_all()
        playback.touch()

    def _say_rest(self, line: str, said: str, interruptible: bool) -> None:
        rest = line[len(said) :] if line.startswith(said) else ""
        if rest.strip():
            # Nobody waits for this one: whoever said the line knows that it was begun.
            self.says.insert(0, PendingSay("rest", rest.strip(), interruptible))

    def handover(self) -> Handover:
        """What a session that begins now is given."""
        # A turn whose words have not come is heard again from its audio, and answered like any other.
        return Handover(
            entries=self.history.entries,
            owes=self.owes and not self.hearing and not self.says,
            says=tuple(self.says),
        )

    @property
    def idle(self) -> bool:
        """Nobody speaks or is about to, as far as can be known."""
        now = trio.current_time()
        turns = self.playback.turns
        return (
            not self.hearing
            and not self.speaking
            and not self.owes
            and not self.says
            and turns.active is None
            and all(self.playback.unheard(state, now) <= 0.02 for state in turns.playing)
        )

    def fail_says(self, error: Exception) -> None:
        """Nothing more is said."""
        for say in self.says:
            say.error = error
            say.begun.set()
        self.says.clear()

    def play_lag(self) -> float:
        """How long what was received still plays, by the clock, float seconds."""
        return max(self.playback.turns.playing_until - trio.current_time(), 0.0)
