"""The Deepgram Voice Agent client: VoxEngine's methods in snake_case, and the rest of Deepgram's wire."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import orjson

from callboard.protocols import RemoteWireError, deepgram as wire

from ._agent_client import VoiceAgent
from ._agent_driver import Wish
from ._agent_requests import Function, declaration_of, message_of, sort_functions
from ._deepgram_driver import DeepgramDriver
from ._deepgram_events import NAMES, DeepgramEvent

M = TypeVar("M", bound=wire.ClientMessage)


class VoiceAgentClient(VoiceAgent):
    """A conversation with a Deepgram Voice Agent; made by `create_voice_agent_client`.

    Methods named `send_...` take the message as Deepgram documents it, as a mapping (the `type` may be left out) or as
    the class of `callboard.deepgram`; they queue it and return at once. Until a session's settings are applied,
    updates, lines and turns wait, and what is about the moment is not sent. They raise `ClientClosed` once the client
    is closed, the `ProviderFailed` that ended it, `ValueError` for a message that Deepgram would end the session for,
    or `MailboxFull` when hundreds of messages wait.

    What updates change stays changed when a session is replaced; see `VoiceAgent`. This wire has no message that stops
    an answer and none that tells how much of it was heard: after `interrupt` the rest of the answer is dropped here.
    """

    _names = NAMES
    _native = DeepgramEvent

    @property
    def _driver(self) -> DeepgramDriver:
        return cast("DeepgramDriver", self._core.driver)

    @property
    def request_id(self) -> str:
        """The server's id of the present session; empty before its greeting."""
        return self._driver.request_id

    # Messages of the wire

    def send_function_call_response(self, input: Mapping[str, object] | wire.FunctionCallResponse) -> None:
        """Answer a function call. Functions given to `configure` as tools are answered without your doing."""
        self._driver.calls.answer(_message(input, wire.FunctionCallResponse))

    def send_inject_agent_message(self, input: Mapping[str, object] | wire.InjectAgentMessage) -> None:
        """Have the agent say something; `behavior` decides what happens where somebody is speaking. See `say`."""
        self._driver.send(_message(input, wire.InjectAgentMessage))

    def send_inject_user_message(self, input: Mapping[str, object] | wire.InjectUserMessage) -> None:
        """Give the agent a turn of the caller's as text; see `ask`."""
        self.ask(_message(input, wire.InjectUserMessage).content)

    def send_update_prompt(self, input: Mapping[str, object] | wire.UpdatePrompt) -> None:
        """Add to the prompt."""
        self._driver.change(_message(input, wire.UpdatePrompt))

    def send_update_speak(self, input: Mapping[str, object] | wire.UpdateSpeak) -> None:
        """Change the voice, from the next turn on."""
        self._driver.change(_message(input, wire.UpdateSpeak))

    def send_update_think(self, input: Mapping[str, object] | wire.UpdateThink) -> None:
        """Replace the language model with everything that belongs to it: provider, prompt, functions."""
        self._driver.change(_message(input, wire.UpdateThink))

    def send_update_listen(self, input: Mapping[str, object] | wire.UpdateListen) -> None:
        """Change how the caller is listened to."""
        self._driver.change(_message(input, wire.UpdateListen))

    def send_force_end_turn(self) -> None:
        """End the caller's turn now. Needs a listen provider of version v2."""
        self._driver.send(wire.ForceEndTurn())

    def send_keep_alive(self) -> None:
        """Tell the server that the client is there. Done by itself when nothing else is sent for 8 s."""
        self._driver.send(wire.KeepAlive())

    # What saves typing

    async def configure(
        self,
        *,
        instructions: str | None = None,
        voice: str | None = None,
        tools: Sequence[Function] | None = None,
        language: str | None = None,
        keyterms: Sequence[str] | None = None,
        speed: float | None = None,
        greeting: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Configure the agent and wait until the server has accepted it.

        The first time, this sends the settings, unless the client was made with `settings_options`; later, the updates
        that lead there.

        Args:
            instructions: The prompt; replaces the one before.
            voice: A model of Deepgram's speech, such as `aura-2-thalia-en` or `flux-kit-en`.
            tools: Replaces the functions. They are run here and answered.
            language: BCP 47, for listening; models with a language of their own ignore it.
            keyterms: Words that recognition should expect.
            speed: Of speech.
            greeting: A line to speak once the settings are applied.
            extra: Further fields of the settings, in the words of the wire; objects are merged, lists replaced.

        Raises:
            RequestRefused: The server did not accept it; the session is replaced by one without the change.
            ProviderFailed: It did not answer within 10 s, or the client is over.
            TypeError: A function cannot be a tool.
            ValueError: The settings cannot be like this.

        A cancelled call may have configured the session.
        """
        own = None if tools is None else sort_functions(tools)
        declared = None if own is None else [declaration_of(made) for made in own]
        wish = Wish(
            instructions=instructions,
            voice=voice,
            declared=declared,
            language=language,
            keyterms=keyterms,
            speed=speed,
            extra=extra,
        )
        await self._configure(wish, own, greeting)


def _message(given: Mapping[str, object] | M, kind: type[M]) -> M:
    if isinstance(given, kind):
        return given
    message = message_of(given, kind)
    try:
        # As text: octets are audio on this wire.
        decoded = wire.decode_client_message(orjson.dumps(message).decode())
    except (RemoteWireError, orjson.JSONEncodeError) as error:
        raise ValueError(str(error)) from None
    assert isinstance(decoded.event, kind)
    return decoded.event
