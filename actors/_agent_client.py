"""The client of a voice agent: what it can do whoever provides it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame

from ._agent_core import AgentCore
from ._agent_dialogue import PendingSay
from ._agent_driver import Pending, Wish
from ._agent_events import AgentEvent, ClientEvent, EventNames
from ._agent_history import HistoryEntry
from ._agent_requests import Function, declaration_of, sort_functions
from ._agent_statistics import AgentStatistics
from ._agent_turns import ResponseState
from ._listeners import EventHub, EventStream, Listener, Listeners
from ._ports import Edge, MediaUnit
from ._provider_errors import ProviderFailed, ProviderFailure, RequestRefused
from ._tools_schema import AnyTool
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._agent_actor import AgentActor
    from ._ref import ActorRef
    from ._scope import Scope

E = TypeVar("E", bound=ClientEvent)

# How long a session may take to accept its configuration, float seconds.
CONFIGURE_TIMEOUT = 10.0
# How long the far side's report may lag behind the clock until the clock is believed, float seconds.
PLAY_LAG = 2.0


@attrs.frozen(kw_only=True)
class ClearMediaBufferParameters:
    """VoxEngine's parameters of `clear_media_buffer`."""

    tag: str | None = None
    """Accepted; a voice agent's wire has one stream."""


class VoiceAgent(MediaUnit):
    """A conversation with a voice agent, whoever provides it.

    A media unit: what the agent says is its output, what is sent to it the agent hears. Made by `create_voice_agent`,
    or as a provider's own client (`grok.VoiceAgentAPIClient`, `deepgram.VoiceAgentClient`), which has the messages of
    its wire as methods and as events besides.

    A lost session is replaced: the next one gets the configuration, the conversation with tool calls and results
    (answers as far as they were heard), and the caller's audio that nobody has made words of. What was received of an
    answer plays on, and the rest of it is asked for. Methods raise `ClientClosed` once the client is closed, or the
    `ProviderFailed` that ended it.
    """

    _names: ClassVar[EventNames] = EventNames()
    _native: ClassVar[type[ClientEvent]] = AgentEvent
    """What `events` without arguments brings."""

    def __init__(self, name: str, scope: "Scope") -> None:
        super().__init__(name, scope)
        self.hub: EventHub[ClientEvent] = EventHub(name)
        self.listeners: Listeners[ClientEvent] = Listeners(name)
        # Set by the factory, which is the only one to make clients.
        self._core: AgentCore
        self._actor: AgentActor
        self._ref: ActorRef[object] | None = None

    def attach(self, core: AgentCore, actor: "AgentActor") -> None:
        """Used by the factory."""
        self._core, self._actor = core, actor

    def run_as(self, ref: "ActorRef[object]") -> None:
        """Used by the factory: the actor of the client."""
        self._ref = ref

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id()!r}>"

    # What it is

    @property
    def output_format(self) -> AudioFormat:
        """What the agent's audio comes in: as the session says."""
        return self._core.output_format

    @property
    def input_format(self) -> AudioFormat:
        """What the agent hears: as the session was asked to."""
        return self._core.input_format

    @property
    def provider(self) -> str:
        """Who provides the agent now: `grok` or `deepgram`."""
        return self._core.driver.name

    @property
    def connected(self) -> bool:
        """Whether a socket is open at this moment."""
        return self._actor.connection.connected

    @property
    def closed(self) -> bool:
        """Whether the client is over."""
        return self._core.closed

    @property
    def failure(self) -> ProviderFailed | None:
        """Why the client is over, if it was not closed."""
        return self._core.failure

    @property
    def transcript(self) -> Transcript:
        """The transcript that is written to: the call's, where there is a call."""
        return self._core.transcript

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """The conversation so far, answers cut to what was heard; the latest 1000 entries."""
        return self._core.dialogue.history.entries

    @property
    def trace_path(self) -> str | None:
        """The trace file, if there is one."""
        return None if self._core.trace is None else str(self._core.trace.path)

    def web_socket_id(self) -> str:
        """The id of the latest socket; it changes with each reconnect."""
        return self._actor.connection.web_socket_id

    def statistics(self) -> AgentStatistics:
        """The counters as they are now."""
        return self._actor.statistics()

    # Events

    def add_event_listener(self, event: type[E] | str, callback: Listener) -> None:
        """Have a plain or async function called with each event of a kind, in the order of the wire.

        All listeners of a client are called by one actor, one after the other: a slow one delays the others, but never
        the audio. One that raises is logged, and the others are called all the same.

        Args:
            event: An event class, its name, or the type of a message on the wire: `AgentEvents.UserText`,
                `"AgentEvents.UserText"`, and for Grok `VoiceAgentAPIEvents.ResponseDone`, `"response.done"`.
            callback: The function.

        Raises:
            TypeError: The callback is not a function.
            ValueError: There is no such event.
        """
        kind = self._names.find(event)
        self.listeners.add(kind, callback)
        for held in self._claim(lambda candidate: type(candidate) is kind):
            self.listeners.publish(held)

    def remove_event_listener(self, event: type[E] | str, callback: Listener | None = None) -> None:
        """Take a function away, or all functions of a kind of event. It is not called again.

        Raises:
            ValueError: There is no such event.
        """
        self.listeners.remove(self._names.find(event), callback)

    @overload
    def events(self) -> EventStream[Any]: ...
    @overload
    def events(self, *kinds: type[E]) -> EventStream[E]: ...
    def events(self, *kinds: type[Any]) -> EventStream[Any]:
        """A stream of events from now on, in the order of the wire; it ends when the client does.

        The greeting of the first connection is kept for the first who asks for it.

        Args:
            kinds: Only events of these classes. If none is given: all events of the provider, where the client is one
                provider's, else all `AgentEvents`.

        Iterating raises `SubscriberLagged` where more than 512 events were left unread.
        """
        stream: EventStream[Any] = self.hub.subscribe(*(kinds or (self._native,)))
        for held in self._claim(stream.wants):
            stream.push(held)
        return stream

    def _claim(self, wanted: Callable[[ClientEvent], bool]) -> list[ClientEvent]:
        unclaimed = self._core.unclaimed
        claimed = [event for event in unclaimed if wanted(event)]
        kept = [event for event in unclaimed if not wanted(event)]
        unclaimed.clear()
        unclaimed.extend(kept)
        return claimed

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
        """Barge-in: the agent is silent at once, and the provider knows it where its wire can say so.

        In one piece: queued audio is dropped down to the carrier's buffer, the answer is cut to what was heard of it,
        one that is still being made is cancelled (or the rest of it ignored), and nothing of it is played any more.
        Done by itself when the caller begins to speak, unless the client was made with `barge_in=False`.

        Returns:
            Whether there was anything to interrupt.
        """
        self._core.require_open()
        return self._core.playback.interrupt()

    # The conversation

    async def configure(
        self,
        *,
        instructions: str | None = None,
        tools: Sequence[Function] | None = None,
        language: str | None = None,
        keyterms: Sequence[str] | None = None,
        greeting: str | None = None,
    ) -> None:
        """Configure the agent and wait until its provider has accepted it; what is left out stays as it is.

        Args:
            instructions: What the agent is and should do.
            tools: Replaces the functions that are run here and answered, made by `tool` or not.
            language: BCP 47.
            keyterms: Words that recognition should expect.
            greeting: A line to speak once the session is configured.

        Raises:
            RequestRefused: The provider did not accept it, and nothing has changed.
            ProviderFailed: It did not answer within 10 s, or the client is over.
            TypeError: A function cannot be a tool.

        A cancelled call may have configured the session.
        """
        own = None if tools is None else sort_functions(tools)
        declared = None if own is None else [declaration_of(made) for made in own]
        wish = Wish(instructions=instructions, declared=declared, language=language, keyterms=keyterms)
        await self._configure(wish, own, greeting)

    async def _configure(self, wish: Wish, own: Sequence[AnyTool] | None, greeting: str | None) -> None:
        core = self._core
        core.require_open()
        before = list(core.tools.tools.values())
        if own is not None:
            core.tools.register(own)
        try:
            await self._wait_configured({driver.name: driver.configure(wish) for driver in core.drivers})
        except Exception:
            core.tools.register(before)
            raise
        if greeting is not None:
            await self.say(greeting)

    async def _wait_configured(self, pending: Mapping[str, Pending]) -> None:
        """Wait for the answer of whoever provides the agent; the others are configured when it is their turn."""
        core = self._core
        asked = core.driver.name
        with trio.move_on_after(CONFIGURE_TIMEOUT) as deadline:
            while True:
                asked = core.driver.name
                await pending[asked].done.wait()
                if asked == core.driver.name:
                    break
        if deadline.cancelled_caught:
            raise ProviderFailed(
                ProviderFailure.TIMEOUT, f"no answer to the configuration within {CONFIGURE_TIMEOUT:g} s"
            )
        error = pending[asked].error
        if error is not None:
            core.require_open()
            raise error

    async def say(self, text: str, *, interruptible: bool = True, wait: bool = False) -> bool:
        """Have a line spoken word for word. A line that the provider had not begun with when a session was lost is
        given to the next one.

        Args:
            text: The line.
            interruptible: False: the caller cannot talk over it, where the provider's wire has a way to say so; in any
                case it is not interrupted from here.
            wait: Wait until it has been heard, not only until the provider has begun with it.

        Returns:
            False where it was interrupted before its end; can only be known with `wait`.

        Raises:
            RequestRefused: The provider did not accept it.
            ProviderFailed: The client is over.

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
        if not text.strip():
            raise ValueError("there is nothing to ask")
        self._core.require_open()
        self._core.driver.ask(text)

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
        core = self._core
        core.require_open()
        if not text.strip():
            raise ValueError("there is nothing to say")
        if not core.driver.adapter.capabilities.say:
            raise RequestRefused(
                f"the wire to {self.provider} has no message for a line that is to be spoken",
                kind="not supported",
            )
        say = PendingSay(core.new_id("say"), text, interruptible)
        core.driver.say(say)
        core.dialogue.says.append(say)
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
        self._actor.begin_close()
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
