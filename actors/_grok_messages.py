"""What each message of the Grok server changes.

Called in the order of the wire, before the message is published as an event.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from callboard.protocols import RemoteWireError, grok as wire

from ._grok_transcript import Segment

if TYPE_CHECKING:
    from ._grok_core import GrokCore

Handler = Callable[[Any], bool | None]
"""Takes the event of its class; True keeps the event from being published."""


class GrokMessages:
    """The handlers of one client.

    Args:
        core: The client's state.
    """

    def __init__(self, core: "GrokCore") -> None:
        self._core = core
        self._playback = core.playback
        self._tools = core.tools
        self._last_item: dict[str, str] = {}
        self._handlers: dict[type, Handler] = {
            wire.SessionCreated: lambda event: core.session.greeted(event.session),
            wire.ConversationCreated: self._on_conversation_created,
            wire.SessionUpdated: core.session_updated,
            wire.ConversationItemAdded: self._on_item,
            wire.ConversationItemCreated: self._on_item,
            wire.ConversationItemDeleted: lambda event: self._playback.history.deleted(event.item_id),
            wire.ConversationItemTruncated: self._on_truncated,
            wire.ConversationItemInputAudioTranscriptionUpdated: self._on_caller_text,
            wire.ConversationItemInputAudioTranscriptionCompleted: self._on_caller_text,
            wire.InputAudioBufferSpeechStarted: self._on_speech_started,
            wire.InputAudioBufferSpeechStopped: self._on_speech_stopped,
            wire.ResponseCreated: self._on_response_created,
            wire.ResponseDone: self._on_response_done,
            wire.ResponseOutputItemAdded: self._on_output_item,
            wire.ResponseOutputItemDone: self._on_output_item,
            wire.ResponseOutputAudioDelta: self._on_audio,
            wire.BinaryAudio: self._on_binary,
            wire.ResponseOutputAudioTranscriptDelta: self._on_agent_text,
            wire.ResponseOutputAudioTranscriptDone: self._on_agent_whole,
            wire.ResponseFunctionCallArgumentsDone: self._on_call,
            wire.ErrorEvent: core.server_error,
        }

    def handle(self, event: wire.Event) -> bool:
        """Act on a message.

        Returns:
            Whether it is kept from users: audio, which they get as media, and races that both sides can lose.

        Raises:
            RemoteWireError: It cannot be used.
        """
        handler = self._handlers.get(type(event))
        return handler is not None and bool(handler(event))

    def _on_conversation_created(self, event: wire.ConversationCreated) -> None:
        self._core.conversation_id = event.conversation.id

    # The caller

    def _on_speech_started(self, event: wire.InputAudioBufferSpeechStarted) -> None:
        now = trio.current_time()
        if not self._core.session.server_vad:
            # Some servers send these in manual mode too, where they mean nothing.
            return
        self._core.counters.turns += 1
        self._core.counters.speech_stopped_at = None
        self._tools.caller_speaks(True)
        if self._core.barge_in and self._core.session.turn_option("interrupt_response"):
            self._playback.barge(now)
        self._playback.lines.caller_began(event.item_id, now)

    def _on_speech_stopped(self, event: wire.InputAudioBufferSpeechStopped) -> None:
        del event
        if not self._core.session.server_vad:
            return
        self._core.counters.speech_stopped(trio.current_time())
        if not self._core.session.turn_option("create_response"):
            self._tools.caller_speaks(False)

    def _on_caller_text(
        self,
        event: wire.ConversationItemInputAudioTranscriptionUpdated
        | wire.ConversationItemInputAudioTranscriptionCompleted,
    ) -> None:
        completed = isinstance(
            event, wire.ConversationItemInputAudioTranscriptionCompleted
        ) and event.status in {None, "completed"}
        self._playback.lines.caller_text(
            event.item_id, event.transcript, trio.current_time(), completed=completed
        )
        self._playback.history.text(event.item_id, "user", event.transcript)

    def _on_item(self, event: wire.ConversationItemAdded | wire.ConversationItemCreated) -> None:
        item = event.item
        self._playback.history.added(item)
        match item:
            case wire.Message(id=str() as item_id, role="user", content=tuple() as content):
                heard = "".join(part.transcript or "" for part in content if part.type == "input_audio")
                if heard and not item.replayed:
                    self._playback.lines.caller_text(item_id, heard, trio.current_time(), completed=True)
            case wire.FunctionCallOutput(call_id=str() as call_id):
                self._tools.confirmed(call_id)
            case _:
                pass

    # The agent

    def _on_response_created(self, event: wire.ResponseCreated) -> None:
        now = trio.current_time()
        self._playback.turns.prune(now)
        say = self._core.says.popleft() if self._core.says else None
        before = self._playback.turns.created(
            event.response.id,
            self._core.session.output_format,
            interruptible=say is None or say.interruptible,
        )
        if before is not None:
            self._playback.lines.agent_ends(before.id, max(now, self._playback.play_end(before)))
        if say is not None:
            say.response = self._playback.turns.current
            say.begun.set()
        self._core.counters.responses += 1
        self._tools.response_created()
        self._playback.changed.unpark_all()

    def _on_response_done(self, event: wire.ResponseDone) -> None:
        now = trio.current_time()
        state = self._playback.turns.done(event.response.id)
        self._take_calls(event)
        if state is not None and not state.dead:
            self._playback.lines.agent_ends(state.id, max(now, self._playback.play_end(state)))
        self._tools.response_done(event.response.id)
        self._playback.changed.unpark_all()
        self._playback.touch()

    def _on_output_item(self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone) -> None:
        self._playback.begin_output(self._playback.turns.get(event.response_id))
        self._take_calls(event)
        match event.item:
            case wire.Message(id=str() as item_id) if event.response_id == getattr(
                self._playback.turns.current, "id", ""
            ):
                self._last_item = {event.response_id: item_id}
            case _:
                pass

    def _on_call(self, event: wire.ResponseFunctionCallArgumentsDone) -> None:
        self._playback.begin_output(self._playback.turns.get(event.response_id))
        self._take_calls(event)

    def _take_calls(self, event: wire.Event) -> None:
        for call in wire.completed_calls(event):
            self._playback.history.called(call.call_id, call.name, call.arguments)
            self._tools.called(call.response_id, call.call_id, call.name, call.arguments)

    def _on_audio(self, event: wire.ResponseOutputAudioDelta) -> bool:
        state = self._playback.turns.get(event.response_id)
        if state is None:
            # No `response.created` came; a server that sends audio has begun all the same.
            self._playback.turns.created(event.response_id, self._core.session.output_format)
            state = self._playback.turns.current
            assert state is not None
        self._playback.play(state, event.item_id, event.content_index or 0, event.payload())
        return True

    def _on_binary(self, event: wire.BinaryAudio) -> bool:
        state = self._playback.turns.current
        if state is None or (state.done and not state.dead):
            raise RemoteWireError(f"{len(event.payload)} octets of binary audio without a response")
        self._playback.play(state, self._last_item.get(state.id, ""), 0, event.payload)
        return True

    def _on_agent_text(self, event: wire.ResponseOutputAudioTranscriptDelta) -> None:
        state = self._playback.turns.get(event.response_id)
        if state is not None and not state.dead:
            self._playback.begin_output(state)
            segment = Segment(event.delta, event.start_time)
            self._playback.lines.agent_text(event.response_id, event.item_id, segment, trio.current_time())

    def _on_agent_whole(self, event: wire.ResponseOutputAudioTranscriptDone) -> None:
        state = self._playback.turns.get(event.response_id)
        if event.transcript is not None and (state is None or not state.dead):
            self._playback.lines.agent_whole(
                event.response_id, event.item_id, event.transcript, trio.current_time()
            )
            self._playback.history.text(event.item_id, "assistant", event.transcript)

    def _on_truncated(self, event: wire.ConversationItemTruncated) -> None:
        self._playback.lines.truncated(event.item_id, event.transcript)
        if event.transcript is not None:
            self._playback.history.text(event.item_id, "assistant", event.transcript)
