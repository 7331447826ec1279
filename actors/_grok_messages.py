"""What each message of the Grok server changes.

Called in the order of the wire, before the message is published as an event.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callboard.protocols import RemoteWireError, grok as wire

from ._agent_lines import Segment

if TYPE_CHECKING:
    from ._agent_core import AgentCore
    from ._grok_driver import GrokDriver

Handler = Callable[[Any, Any], bool | None]
"""Takes the event of its class; True keeps the event from being published."""


class GrokMessages:
    """The handlers of one driver.

    Args:
        core: The client's state.
        driver: Grok's.
    """

    def __init__(self, core: "AgentCore", driver: "GrokDriver") -> None:
        self._core = core
        self._driver = driver
        self._dialogue = core.dialogue
        self._playback = core.playback
        self._last_item: dict[str, str] = {}

    def handle(self, event: wire.Event) -> bool:
        """Act on a message.

        Returns:
            Whether it is kept from users: audio, which they get as media, and races that both sides can lose.

        Raises:
            RemoteWireError: It cannot be used.
        """
        handler = _HANDLERS.get(type(event))
        return handler is not None and bool(handler(self, event))

    # The session

    def _on_conversation_created(self, event: wire.ConversationCreated) -> None:
        self._driver.conversation_id = event.conversation.id

    def _on_session_updated(self, event: wire.SessionUpdated) -> None:
        session, core = self._driver.session, self._core
        old_input = session.input_format
        session.accepted(event.session)
        if session.input_format != old_input:
            core.outbox.drop_audio()
        self._driver.resumed()
        if session.blocked:
            core.move_gate()
        else:
            core.session_ready(event)

    # The caller

    def _on_speech_started(self, event: wire.InputAudioBufferSpeechStarted) -> None:
        if not self._driver.session.server_vad:
            # Some servers send these in manual mode too, where they mean nothing.
            return
        self._driver.tools.caller_speaks(True)
        self._core.user_goes_on()
        interrupts = self._driver.session.turn_option("interrupt_response")
        self._dialogue.user_started(event.item_id, event, interrupts=interrupts)

    def _on_speech_stopped(self, event: wire.InputAudioBufferSpeechStopped) -> None:
        if not self._driver.session.server_vad:
            return
        answered = self._driver.session.turn_option("create_response")
        self._dialogue.user_stopped(event, answered=answered)
        if not answered:
            self._driver.tools.caller_speaks(False)

    def _on_caller_text(
        self,
        event: wire.ConversationItemInputAudioTranscriptionUpdated
        | wire.ConversationItemInputAudioTranscriptionCompleted,
    ) -> None:
        completed = isinstance(
            event, wire.ConversationItemInputAudioTranscriptionCompleted
        ) and event.status in {None, "completed"}
        self._dialogue.user_text(event.item_id, event.transcript, event, completed=completed)

    def _on_item(self, event: wire.ConversationItemAdded | wire.ConversationItemCreated) -> None:
        item = event.item
        history = self._dialogue.history
        match item:
            case wire.Message(id=str() as item_id):
                role = item.role or "user"
                history.joined(item_id, role, item.words)
                self._replayed(item_id)
                heard = "".join(
                    part.transcript or "" for part in item.content or () if part.type == "input_audio"
                )
                if role == "user" and heard and not item.replayed:
                    self._dialogue.user_text(item_id, heard, event, completed=True)
            case wire.FunctionCall(call_id=str() as call_id, name=str(), arguments=str()):
                self._replayed(f"call {call_id}")
            case wire.FunctionCallOutput(call_id=str() as call_id):
                self._replayed(f"output {call_id}")
                # One that was answered by a listener.
                history.answered(call_id, item.output or "")
            case _:
                pass

    def _replayed(self, key: str) -> None:
        if self._driver.replayed is not None:
            self._driver.replayed.add(key)

    # The agent

    def _on_response_created(self, event: wire.ResponseCreated) -> None:
        says = self._dialogue.says
        say = says.pop(0) if says else None
        self._dialogue.answer_began(event.response.id, self._driver.output_format, event, say=say)
        self._driver.tools.response_created()

    def _on_response_done(self, event: wire.ResponseDone) -> None:
        self._dialogue.answer_done(event.response.id, event)
        self._take_calls(event)
        self._driver.tools.response_done(event.response.id)

    def _on_output_item(self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone) -> None:
        self._dialogue.begin_output(self._playback.turns.get(event.response_id))
        self._take_calls(event)
        match event.item:
            case wire.Message(id=str() as item_id) if event.response_id == getattr(
                self._playback.turns.current, "id", ""
            ):
                self._last_item = {event.response_id: item_id}
            case _:
                pass

    def _on_call(self, event: wire.ResponseFunctionCallArgumentsDone) -> None:
        self._dialogue.begin_output(self._playback.turns.get(event.response_id))
        self._take_calls(event)

    def _take_calls(self, event: wire.Event) -> None:
        for call in wire.completed_calls(event):
            self._dialogue.called(call.call_id, call.name, call.arguments, event)
            self._driver.tools.called(call.response_id, call.call_id, call.name, call.arguments)

    def _on_audio(self, event: wire.ResponseOutputAudioDelta) -> bool:
        state = self._playback.turns.get(event.response_id)
        if state is None:
            # No `response.created` came; a server that sends audio has begun all the same.
            state = self._dialogue.answer_began(event.response_id, self._driver.output_format, event)
        self._dialogue.answer_audio(state, event.item_id, event.payload(), event.content_index or 0)
        return True

    def _on_binary(self, event: wire.BinaryAudio) -> bool:
        state = self._playback.turns.current
        if state is None or (state.done and not state.dead):
            raise RemoteWireError(f"{len(event.payload)} octets of binary audio without a response")
        self._dialogue.answer_audio(state, self._last_item.get(state.id, ""), event.payload)
        return True

    def _on_agent_text(self, event: wire.ResponseOutputAudioTranscriptDelta) -> None:
        state = self._playback.turns.get(event.response_id)
        self._dialogue.answer_text(state, event.item_id, Segment(event.delta, event.start_time), event)

    def _on_agent_whole(self, event: wire.ResponseOutputAudioTranscriptDone) -> None:
        if event.transcript is not None:
            self._dialogue.answer_whole(event.response_id, event.item_id, event.transcript)

    def _on_truncated(self, event: wire.ConversationItemTruncated) -> None:
        self._playback.lines.truncated(event.item_id, event.transcript)
        if event.transcript is not None:
            self._dialogue.history.text(event.item_id, "assistant", event.transcript)


# Of all instances together: bound methods would be made anew for each call.
_HANDLERS: dict[type, Handler] = {
    wire.SessionCreated: lambda on, event: on._driver.session.greeted(event.session),
    wire.ConversationCreated: GrokMessages._on_conversation_created,
    wire.SessionUpdated: GrokMessages._on_session_updated,
    wire.ConversationItemAdded: GrokMessages._on_item,
    wire.ConversationItemCreated: GrokMessages._on_item,
    wire.ConversationItemDeleted: lambda on, event: on._dialogue.history.deleted(event.item_id),
    wire.ConversationItemTruncated: GrokMessages._on_truncated,
    wire.ConversationItemInputAudioTranscriptionUpdated: GrokMessages._on_caller_text,
    wire.ConversationItemInputAudioTranscriptionCompleted: GrokMessages._on_caller_text,
    wire.InputAudioBufferSpeechStarted: GrokMessages._on_speech_started,
    wire.InputAudioBufferSpeechStopped: GrokMessages._on_speech_stopped,
    wire.ResponseCreated: GrokMessages._on_response_created,
    wire.ResponseDone: GrokMessages._on_response_done,
    wire.ResponseOutputItemAdded: GrokMessages._on_output_item,
    wire.ResponseOutputItemDone: GrokMessages._on_output_item,
    wire.ResponseOutputAudioDelta: GrokMessages._on_audio,
    wire.BinaryAudio: GrokMessages._on_binary,
    wire.ResponseOutputAudioTranscriptDelta: GrokMessages._on_agent_text,
    wire.ResponseOutputAudioTranscriptDone: GrokMessages._on_agent_whole,
    wire.ResponseFunctionCallArgumentsDone: GrokMessages._on_call,
    wire.ErrorEvent: lambda on, event: on._driver.server_error(event),
}
