"""The Grok Voice Agent client: VoxEngine's methods in snake_case, and the rest of xAI's wire."""

from collections.abc import Mapping, Sequence
from typing import cast

from callboard.protocols import grok as wire

from ._agent_client import VoiceAgent
from ._agent_driver import Wish
from ._grok_driver import GrokDriver
from ._grok_events import NAMES, GrokEvent
from ._grok_requests import ToolLike, TurnDetectionLike, as_event, session_of, sort_tools, turn_detection_of


class VoiceAgentAPIClient(VoiceAgent):
    """A conversation with xAI's Grok; made by `create_voice_agent_api_client`.

    Methods named as messages of the wire take the message as xAI documents it, as a mapping (the `type` may be left
    out) or as the class of `callboard.grok`; they queue it and return at once. They raise `ClientClosed` once the
    client is closed, the `ProviderFailed` that ended it, or `MailboxFull` when hundreds of messages wait for a
    connection.

    While a connection is being replaced, messages wait and caller audio is kept for 10 s. A new connection gets the
    whole configuration again, and the conversation so far; see `VoiceAgent`.
    """

    _names = NAMES
    _native = GrokEvent

    @property
    def _driver(self) -> GrokDriver:
        return cast("GrokDriver", self._core.driver)

    @property
    def conversation_id(self) -> str:
        """The server's id of the conversation; empty before the greeting."""
        return self._driver.conversation_id

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
        self._core.require_open()
        self._driver.update_session(session, event_id)

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

    async def configure(
        self,
        *,
        instructions: str | None = None,
        voice: str | None = None,
        tools: Sequence[ToolLike] | None = None,
        language: str | None = None,
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
            language: BCP 47; Spanish and Portuguese need a region.
            language_hint: The same, in xAI's word.
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
        extra = dict(extra or {})
        if turn_detection != "unchanged" or "turn_detection" not in self._driver.session.config:
            extra.setdefault("turn_detection", turn_detection_of(turn_detection))
        own = None
        if tools is not None:
            own, extra["tools"] = sort_tools(tools)
        wish = Wish(
            instructions=instructions,
            voice=voice,
            language=language if language is not None else language_hint,
            keyterms=keyterms,
            speed=speed,
            extra=extra,
        )
        await self._configure(wish, own, greeting)
