"""The Grok Voice Agent client: VoxEngine's methods in snake_case, the rest of the wire, and what saves typing."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame
from callboard.protocols import grok as wire

from ._grok_core import PendingSay
from ._grok_events import GrokEvent, event_class
from ._grok_history import HistoryItem
from ._grok_requests import ToolLike, TurnDetectionLike, as_event, session_of, sort_tools, turn_detection_of
from ._grok_statistics import GrokStatistics
from ._grok_turns import ResponseState
from ._listeners import EventHub, EventStream, Listener, Listeners
from ._ports import Edge, MediaUnit
from ._provider_errors import ProviderFailed, ProviderFailure
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._grok_actor import GrokActor
    from ._grok_core import GrokCore
    from ._provider import ProviderConnection
    from ._ref import ActorRef
    from ._scope import Scope

G = TypeVar("G", bound=GrokEvent)

# How long a session may take to accept its configuration, float seconds.
CONFIGURE_TIMEOUT = 10.0
# How long the far side's report may lag behind the clock until the clock is believed, float seconds.
PLAY_LAG = 2.0


@attrs.frozen(kw_only=True)
class ClearMediaBufferParameters:
    """VoxEngine's parameters of `clear_media_buffer`."""

    tag: str | None = None
    """Accepted; Grok's wire has one stream."""


class VoiceAgentAPIClient(MediaUnit):
    """A conversation with xAI's Grok; made by `create_voice_agent_api_client`.

    A media unit: what the agent says is its output, what is sent to it the agent hears. Methods named as messages of
    the wire take the message as xAI documents it, as a mapping (the `type` may be left out) or as the class of
    `callboard.grok`; they queue it and return at once. They raise `ClientClosed` once the client is closed, the
    `ProviderFailed` that ended it, or `MailboxFull` when hundreds of messages wait for a connection.

    While a connection is being replaced, messages wait and caller audio is kept for 2 s. A new connection gets the
    whole configuration again, but begins without the history.
    """

    def __init__(self, name: str, scope: "Scope") -> None:
        super().__init__(name, scope)
        self.hub: EventHub[GrokEvent] = EventHub(name)
        self.listeners: Listeners[GrokEvent] = Listeners(name)
        # Set by the factory, which is the only one to make clients.
        self._core: GrokCore
        self._connection: ProviderConnection[wire.ClientEvent, wire.Decoded]
        self._actor: GrokActor
        self._ref: ActorRef[object] | None = None

    def attach(
        self,
        core: "GrokCore",
        connection: "ProviderConnection[wire.ClientEvent, wire.Decoded]",
        actor: "GrokActor",
    ) -> None:
        """Used by the factory."""
        self._core, self._connection, self._actor = core, connection, actor

    def run_as(self, ref: "ActorRef[object]") -> None:
        """Used by the factory: the actor of the client."""
        self._ref = ref

    def __repr__(self) -> str:
        return f"<VoiceAgentAPIClient {self.id()!r}>"

    # What it is

    @property
    def output_format(self) -> AudioFormat:
        """What the agent's audio comes in: as the session says."""
        return self._core.session.output_format

    @property
    def input_format(self) -> AudioFormat:
        """What the agent hears: as the session was asked to."""
        return self._core.session.input_format

    @property
    def connected(self) -> bool:
        """Whether a socket is open at this moment."""
        return self._connection.connected

    @property
    def closed(self) -> bool:
        """Whether the client is over."""
        return self._core.closed

    @property
    def failure(self) -> ProviderFailed | None:
        """Why the client is over, if it was not closed."""
        return self._core.failure

    @property
    def conversation_id(self) -> str:
        """The server's id of the conversation; empty before the greeting."""
        return self._core.conversation_id

    @property
    def transcript(self) -> Transcript:
        """The transcript that is written to: the call's, where there is a call."""
        return self._core.transcript

    @property
    def history(self) -> tuple[HistoryItem, ...]:
        """The conversation so far, answers cut to what was heard; the latest 1000 items."""
        return self._core.playback.history.items

    @property
    def trace_path(self) -> str | None:
        """The trace file, if there is one."""
        return None if self._core.trace is None else str(self._core.trace.path)

    def web_socket_id(self) -> str:
        """The id of the latest socket; it changes with each reconnect."""
        return self._connection.web_socket_id

    def statistics(self) -> GrokStatistics:
        """The counters as they are now."""
        return self._actor.statistics()

    # Events

    def add_event_listener(self, event: type[G] | str, callback: Listener) -> None:
        """Have a plain or async function called with each event of a kind, in the order of the wire.

        All listeners of a client are called by one actor, one after the other: a slow one delays the others, but never
        the audio. One that raises is logged, and the others are called all the same.

        Args:
            event: An event class, its name, or the type of a message on the wire:
                `VoiceAgentAPIEvents.ResponseDone`, `"VoiceAgentAPIEvents.ResponseDone"`, `"response.done"`.
            callback: The function.

        Raises:
            TypeError: The callback is not a function.
            ValueError: There is no such event.
        """
        kind = event_class(event)
        self.listeners.add(kind, callback)
        for held in self._claim(lambda candidate: type(candidate) is kind):
            self.listeners.publish(held)

    def remove_event_listener(self, event: type[G] | str, callback: Listener | None = None) -> None:
        """Take a function away, or all functions of a kind of event. It is not called again.

        Raises:
            ValueError: There is no such event.
        """
        self.listeners.remove(event_class(event), callback)

    @overload
    def events(self) -> EventStream[GrokEvent]: ...
    @overload
    def events(self, *kinds: type[G]) -> EventStream[G]: ...
    def events(self, *kinds: type[Any]) -> EventStream[Any]:
        """A stream of events from now on, in the order of the wire; it ends when the client does.

        The greeting of the first connection is kept for the first who asks for it.

        Args:
            kinds: Only events of these classes; all if none is given.

        Iterating raises `SubscriberLagged` where more than 512 events were left unread.
        """
        stream: EventStream[Any] = self.hub.subscribe(*kinds)
        for held in self._claim(stream.wants):
            stream.push(held)
        return stream

    def _claim(self, wanted: Callable[[GrokEvent], bool]) -> list[GrokEvent]:
        unclaimed = self._core.unclaimed
        claimed = [event for event in unclaimed if wanted(event)]
        kept = [event for event in unclaimed if not wanted(event)]
        unclaimed.clear()
        unclaimed.extend(kept)
        return claimed

    # Messages of the wire

    def session_update(self, parameters: Mapping[str, object] | wire.SessionUpdate) -> None:
        """Change the configuration. What is left open is filled in:

        - `audio.input.format` and `audio.output.format`: what the call's carrier speaks, so that nothing has to be
          converted; `audio/pcm` at 24 kHz without a call;
        - `create_response` and `interrupt_response` of a `turn_detection` of the type `server_vad`: true.

        Caller audio is held back, at most 2 s of it, until the first update is answered and whenever the input
        format changes. A refused update changes nothing; it is told as `VoiceAgentAPIEvents.Error`.

        Raises:
            ValueError: A format is none that can be played here (`audio/opus`).
        """
        session, event_id = session_of(parameters)
        self._core.update_session(session, event_id)

    def conversation_item_create(
        self, parameters: Mapping[str, object] | wire.ConversationItemCreate
    ) -> None:
        """Add a message, a function call or the output of one to the conversation."""
        self._pass_on(parameters, wire.ConversationItemCreate)

    def conversation_item_delete(
        self, parameters: Mapping[str, object] | wire.ConversationItemDelete
    ) -> None:
        """Remove an item from the conversation."""
        self._pass_on(parameters, wire.ConversationItemDelete, bound=True)

    def conversation_item_truncate(
        self, parameters: Mapping[str, object] | wire.ConversationItemTruncate
    ) -> None:
        """Tell the server how much of an answer was heard. `interrupt` does it by itself."""
        self._pass_on(parameters, wire.ConversationItemTruncate, bound=True)

    def input_audio_buffer_clear(
        self, parameters: Mapping[str, object] | wire.InputAudioBufferClear | None = None
    ) -> None:
        """Have the server forget the caller audio that is no message yet."""
        self._pass_on(parameters or {}, wire.InputAudioBufferClear, bound=True)

    def input_audio_buffer_commit(
        self, parameters: Mapping[str, object] | wire.InputAudioBufferCommit | None = None
    ) -> None:
        """Make the caller audio so far a message, in manual mode. It does not start a response."""
        self._pass_on(parameters or {}, wire.InputAudioBufferCommit, bound=True)

    def response_create(self, parameters: Mapping[str, object] | wire.ResponseCreate | None = None) -> None:
        """Ask for a response. With `server_vad` a turn of the caller ends in one by itself."""
        self._pass_on(parameters or {}, wire.ResponseCreate)

    def response_cancel(self, parameters: Mapping[str, object] | wire.ResponseCancel | None = None) -> None:
        """Stop the response that is being made. What was received plays on; see `interrupt`."""
        self._pass_on(parameters or {}, wire.ResponseCancel, bound=True)

    def force_message(self, text: str, *, interruptible: bool = True) -> None:
        """Have a line spoken word for word, without waiting for anything; see `say`."""
        self._say(text, interruptible)

    def _pass_on(
        self,
        parameters: Mapping[str, object] | wire.ClientEvent,
        kind: type[wire.ClientEvent],
        *,
        bound: bool = False,
    ) -> None:
        self._core.queue(as_event(parameters, kind), bound=bound)

    # Audio

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        """Take caller audio; see `MediaUnit.accept`."""
        del edge
        self._core.accept(frame)

    def clear_media_buffer(
        self, parameters: ClearMediaBufferParameters | Mapping[str, object] | None = None
    ) -> None:
        """Drop the agent's audio that was received and not played yet, down to the carrier's buffer.

        Nothing is sent to the server: generation goes on, and what comes later is played. See `interrupt`.
        """
        del parameters
        self._core.playback.clear_media_buffer()

    def interrupt(self) -> bool:
        """Barge-in: the agent is silent at once, and the server knows what was heard.

        In one piece: queued audio is dropped down to the carrier's buffer, the answer is truncated on the server
        to what was heard of it, a response that is still being made is cancelled, and nothing of it is played any
        more. Done by itself when the caller begins to speak, unless the client was made with `barge_in=False`.

        Returns:
            Whether there was anything to interrupt.
        """
        self._core.require_open()
        return self._core.playback.interrupt()

    # What saves typing

    async def configure(
        self,
        *,
        instructions: str | None = None,
        voice: str | None = None,
        tools: Sequence[ToolLike] | None = None,
        turn_detection: TurnDetectionLike = "unchanged",
        language_hint: str | None = None,
        keyterms: Sequence[str] | None = None,
        speed: float | None = None,
        greeting: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Configure the session and wait until the server has accepted it.

        Args:
            instructions: What the agent is and should do.
            voice: One of xAI's voices, such as `eve` or `leo`. Cannot be changed in a conversation.
            tools: Replaces the tools. Functions (made by `tool` or not) are run here and answered; declarations,
                such as `grok.WebSearch()`, are passed on.
            turn_detection: Who ends the caller's turns. None is manual. Left alone by default, where a session that
                was never configured gets `server_vad`.
            language_hint: BCP 47; Spanish and Portuguese need a region.
            keyterms: Words that recognition should expect.
            speed: Of speech, 0.7 to 1.5.
            greeting: A line to speak once the session is configured.
            extra: Further fields of xAI's session object.

        Raises:
            RequestRefused: The server did not accept it, and nothing has changed.
            ProviderFailed: It did not answer within 10 s, or the client is over.
            TypeError: A function cannot be a tool.

        A cancelled call may have configured the session.
        """
        session: dict[str, object] = dict(extra or {})
        if instructions is not None:
            session["instructions"] = instructions
        if voice is not None:
            session["voice"] = voice
        known = self._core.session.config
        if turn_detection != "unchanged" or "turn_detection" not in known:
            session.setdefault("turn_detection", turn_detection_of(turn_detection))
        transcription: dict[str, object] = {"model": "grok-transcribe"}
        if language_hint is not None:
            transcription["language_hint"] = language_hint
        if keyterms is not None:
            transcription["keyterms"] = list(keyterms)
        audio: dict[str, object] = {"input": {"transcription": transcription}}
        if speed is not None:
            audio["output"] = {"speed": speed}
        session.setdefault("audio", audio)
        before = dict(self._core.tools.tools)
        if tools is not None:
            own, declared = sort_tools(tools)
            session["tools"] = declared
            self._core.tools.register(own)
        try:
            update = self._core.update_session(session, None)
            with trio.move_on_after(CONFIGURE_TIMEOUT) as deadline:
                await update.done.wait()
            if deadline.cancelled_caught:
                raise ProviderFailed(
                    ProviderFailure.TIMEOUT, f"no answer to the configuration within {CONFIGURE_TIMEOUT:g} s"
                )
            if update.error is not None:
                self._core.require_open()
                raise update.error
        except Exception:
            self._core.tools.register(list(before.values()))
            raise
        if greeting is not None:
            await self.say(greeting)

    async def say(self, text: str, *, interruptible: bool = True, wait: bool = False) -> bool:
        """Have a line spoken word for word.

        Args:
            text: The line.
            interruptible: False: the caller cannot talk over it; what the caller says meanwhile is not heard.
            wait: Wait until it has been heard, not only until the server has begun with it.

        Returns:
            False where it was interrupted before its end; can only be known with `wait`.

        Raises:
            RequestRefused: The server did not accept it.
            ProviderFailed: The connection ended before the server began with it, or the client is over.

        A cancelled call does not take the line back.
        """
        say = self._say(text, interruptible)
        await say.begun.wait()
        if say.error is not None:
            raise say.error
        assert say.response is not None
        return await self._wait_heard(say.response) if wait else True

    def ask(self, text: str) -> None:
        """Say something to the agent as if the caller had written it, and have it answered."""
        item = wire.Message(role="user", content=(wire.ContentPart.input_text(text),))
        self._core.queue(wire.ConversationItemCreate(item=item))
        self._core.queue(wire.ResponseCreate())

    async def wait_played(self) -> bool:
        """Wait until the answer that is being made or played has been heard.

        Returns:
            False where it was interrupted.
        """
        state = self._core.playback.turns.current
        if state is None:
            await trio.lowlevel.checkpoint()
            return True
        return await self._wait_heard(state)

    def _say(self, text: str, interruptible: bool) -> PendingSay:
        if not text.strip():
            raise ValueError("there is nothing to say")
        item = wire.ForceMessage(
            role="assistant",
            content=(wire.ContentPart.output_text(text),),
            interruptible=None if interruptible else False,
        )
        say = PendingSay(f"say-{uuid.uuid4()}", interruptible)
        self._core.queue(wire.ConversationItemCreate(item=item, event_id=say.event_id))
        self._core.says.append(say)
        return say

    async def _wait_heard(self, state: ResponseState) -> bool:
        playback = self._core.playback
        while not state.dead and not self._core.ended.is_set():
            now = trio.current_time()
            if not state.done:
                await playback.changed.park()
                continue
            rest = playback.unheard(state, now)
            if rest < 0.005 or now > playback.play_end(state) + PLAY_LAG:
                await trio.lowlevel.checkpoint()
                return True
            with trio.move_on_after(max(rest, 0.01)):
                await playback.changed.park()
        await trio.lowlevel.checkpoint()
        return False

    # The end

    def close(self) -> None:
        """Close the connection, or stop connecting. Idempotent; nothing is sent or heard after it.

        Messages that still wait are dropped and tool calls cancelled. Streams of events end at once; of the listeners
        only `on_web_socket_close` is still called.
        """
        if self._core.closed:
            return
        self._core.closed = True
        self._connection.begin_close()
        self._core.finish(None)
        self.close_edges()
        if self._ref is not None:
            self._ref.request_stop(reason="the client was closed")
        if self._core.trace is not None and (self._ref is None or self._ref.exit is not None):
            # There is no actor that would do it.
            self._core.trace.close()

    async def wait_closed(self) -> None:
        """Wait until nothing of the client is left."""
        if self._ref is not None:
            await self._ref.wait_stopped()
