"""What each message of the Deepgram server changes.

Called in the order of the wire, before the message is published as an event.
"""

import itertools
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from callboard.protocols import deepgram as wire

from ._agent_dialogue import PendingSay
from ._agent_lines import Segment
from ._agent_turns import ResponseState
from ._provider_errors import RequestRefused

if TYPE_CHECKING:
    from ._agent_core import AgentCore
    from ._deepgram_driver import DeepgramDriver

Handler = Callable[[Any, Any], bool | None]
"""Takes the message of its class; True keeps it from being published."""

_REFUSALS = frozenset(
    {
        wire.WarningCode.INJECT_AGENT_MESSAGE_DURING_USER_SPEECH,
        wire.WarningCode.INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH,
    }
)
# One refusal may be told in both of its forms; the second comes at once, float seconds.
SAME_REFUSAL = 0.5
# Turns given as text whose echo is waited for. Whether there is one is not documented.
MAX_ECHOES = 8


class DeepgramMessages:
    """The handlers of one driver.

    Args:
        core: The client's state.
        driver: Deepgram's.
    """

    def __init__(self, core: "AgentCore", driver: "DeepgramDriver") -> None:
        self._core = core
        self._driver = driver
        self._dialogue = core.dialogue
        self._playback = core.playback
        self._numbers = itertools.count(1)
        self._turn = ""
        self._echoes: deque[str] = deque(maxlen=MAX_ECHOES)
        self._said: dict[str, str] = {}
        self._deaf = False
        """What comes of the agent belongs to an answer that is not wanted any more."""
        self._nudged = False
        """The next entry of the history is a turn that nobody is to know of."""
        self._refused: tuple[type, float] | None = None

    def handle(self, event: wire.Message) -> bool:
        """Act on a message; see `Driver.message`."""
        handler = _HANDLERS.get(type(event))
        return handler is not None and bool(handler(self, event))

    def connected(self) -> None:
        """A connection begins."""
        self._deaf = self._nudged = False
        self._echoes.clear()
        self._refused = None

    def given(self, text: str) -> None:
        """A turn was given as text, and is known; its echo is no news."""
        self._echoes.append(text)

    def ignore_answer(self) -> None:
        """The wire has no way to stop an answer, so what still comes of it is dropped."""
        self._deaf = True

    # The caller

    def _on_user_started(self, event: wire.UserStartedSpeaking) -> None:
        # The same goes on where the words of the turn have not come: the agent had been too quick.
        if not self._dialogue.hearing or not self._turn:
            self._turn = self._new_id("user")
        self._core.user_goes_on()
        self._dialogue.user_started(self._turn, event)
        # Its place is before what the model calls, also where it calls before the words are certain.
        self._dialogue.history.joined(self._turn, "user", "")
        # The server drops its answer with this, and says no more about it.
        self._answer_over(event)
        self._deaf = True

    def _answer_over(self, event: wire.Message) -> None:
        current = self._playback.turns.current
        if current is not None:
            self._dialogue.answer_done(current.id, event)

    def _on_text(self, event: wire.ConversationText) -> bool | None:
        text = event.content.strip()
        if event.role == "user":
            return self._on_user_text(event, text)
        if event.role == "assistant" and text:
            self._on_agent_text(event, text)
        return None

    def _on_user_text(self, event: wire.ConversationText, text: str) -> bool:
        # Whoever speaks has not written; an echo that never came must not swallow the same words.
        if text in self._echoes and not self._dialogue.speaking:
            self._echoes.remove(text)
            self._answer_over(event)
            self._dialogue.owes = True
            self._nudged = text == self._driver.nudge
            return self._nudged
        turn = self._turn or self._new_id("user")
        self._turn = ""
        aside = event.conversational_behavior == "backchannel"
        if not aside:
            # The end of the answer before it may not have been told.
            self._answer_over(event)
            self._deaf = False
        if self._dialogue.speaking:
            self._dialogue.user_stopped(event, answered=not aside)
        self._dialogue.owes = self._dialogue.owes or not aside
        self._dialogue.user_text(turn, text, event, completed=True)
        return False

    def _on_history(self, event: wire.History) -> bool:
        if self._nudged and event.role == "user":
            self._nudged = False
            return True
        for call in event.function_calls or ():
            self._driver.calls.reported(call)
        return False

    # The agent

    def _on_agent_text(self, event: wire.ConversationText, text: str) -> None:
        turns = self._playback.turns
        say, current = self._say_of(text), turns.current
        if say is None and self._deaf and current is not None and current.dead and not current.done:
            # The rest of an answer that was interrupted from here.
            return
        self._deaf = False
        state = turns.active
        if state is None or say is not None:
            state = self._begin(event, say)
        so_far = self._said.get(state.id, "")
        piece = f" {text}" if so_far else text
        whole = self._said[state.id] = so_far + piece
        segment = Segment(piece, state.received)
        self._dialogue.answer_text(state, state.id, segment, event)
        if not state.dead:
            self._dialogue.history.text(state.id, "assistant", whole)

    def _begin(self, event: wire.Message, say: PendingSay | None) -> ResponseState:
        response_id = self._new_id("agent")
        # One answer at a time is told apart on this wire.
        self._said.clear()
        return self._dialogue.answer_began(response_id, self._driver.output_format, event, say=say)

    def _say_of(self, text: str) -> PendingSay | None:
        """The line that an answer beginning with these words is."""
        says = self._dialogue.says
        words = text.split()
        say = next((say for say in says if say.text.split()[: len(words)] == words), None)
        if say is not None:
            says.remove(say)
        return say

    def _on_audio(self, event: wire.BinaryAudio) -> bool:
        if self._deaf:
            self._core.counters.audio_out_dropped += len(event.payload)
            return True
        state = self._playback.turns.active or self._begin(event, None)
        self._dialogue.answer_audio(state, state.id, event.payload)
        return True

    def _on_audio_done(self, event: wire.AgentAudioDone) -> None:
        state = self._playback.turns.current
        if state is None or not state.done:
            # Behind a turn of the caller's it belongs to what was dropped, and what is still on its way as well.
            self._deaf = False
        if state is not None:
            self._dialogue.answer_done(state.id, event)

    # Functions

    def _on_calls(self, event: wire.FunctionCallRequest) -> None:
        self._dialogue.owes = False
        for call in event.functions:
            self._dialogue.called(call.id, call.name, call.arguments, event)
            self._driver.calls.called(call)

    def _on_calls_cancelled(self, event: wire.FunctionCallCancelled) -> None:
        self._driver.calls.cancelled([call.id for call in event.functions])

    def _on_answered_there(self, event: wire.FunctionCallResponse) -> None:
        self._driver.calls.answered_there(event)
        self._dialogue.owes = True

    # Lines that are not said

    def _on_warning(self, event: wire.WarningMessage) -> None:
        if event.code in _REFUSALS:
            self._on_refusal(event)
        else:
            self._driver.warned(event)

    def _on_refusal(self, event: wire.InjectionRefused | wire.WarningMessage) -> None:
        now = trio.current_time()
        if self._refused is not None and self._refused[0] is not type(event):
            last = self._refused[1]
            self._refused = None
            if now - last < SAME_REFUSAL:
                return
        self._refused = (type(event), now)
        says = self._dialogue.says
        if says:
            say = says.pop(0)
            text = event.description if isinstance(event, wire.WarningMessage) else event.message
            say.error = RequestRefused(text or "somebody is speaking", kind="injection refused")
            say.begun.set()

    def _new_id(self, who: str) -> str:
        # The wire has no ids; those of a reconnected session must not meet those of the one before.
        return f"{who}-{self._dialogue.session}-{next(self._numbers)}"


# Of all instances together: bound methods would be made anew for each call.
_HANDLERS: dict[type, Handler] = {
    wire.Welcome: lambda on, event: on._driver.welcomed(event),
    wire.SettingsApplied: lambda on, event: on._driver.settings_applied(event),
    wire.PromptUpdated: lambda on, event: on._driver.acknowledged(event),
    wire.SpeakUpdated: lambda on, event: on._driver.acknowledged(event),
    wire.ThinkUpdated: lambda on, event: on._driver.acknowledged(event),
    wire.ListenUpdated: lambda on, event: on._driver.acknowledged(event),
    wire.UserStartedSpeaking: DeepgramMessages._on_user_started,
    wire.ConversationText: DeepgramMessages._on_text,
    wire.History: DeepgramMessages._on_history,
    wire.BinaryAudio: DeepgramMessages._on_audio,
    wire.AgentAudioDone: DeepgramMessages._on_audio_done,
    wire.FunctionCallRequest: DeepgramMessages._on_calls,
    wire.FunctionCallCancelled: DeepgramMessages._on_calls_cancelled,
    wire.FunctionCallResponse: DeepgramMessages._on_answered_there,
    wire.InjectionRefused: DeepgramMessages._on_refusal,
    wire.WarningMessage: DeepgramMessages._on_warning,
    wire.ErrorMessage: lambda on, event: on._driver.server_error(event),
}
