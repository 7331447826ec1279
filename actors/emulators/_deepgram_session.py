"""The settings of one session as they are now, and what they mean to an emulator."""

import attrs

from callboard.actors.brains import ToolSpec
from callboard.media import Encoding
from callboard.protocols import RemoteWireError, deepgram
from callboard.protocols.deepgram import ErrorCode

from ._codec import Codec
from ._deepgram_options import DeepgramEmulatorOptions
from ._ear import VadSettings

DEFAULT_VOICE = "flux-kit-en"
DEFAULT_THINK = deepgram.ThinkEntry(provider=deepgram.ThinkProvider(type="open_ai", model="gpt-4o-mini"))
DEFAULT_SPEAK = deepgram.SpeakEntry(
    provider=deepgram.SpeakProvider(type="deepgram", version="v2", model=DEFAULT_VOICE)
)
DEFAULT_LISTEN = deepgram.Listen(provider=deepgram.ListenProvider(version="v1", model="nova-3"))
# How long Flux waits for more where confidence does not end the turn, milliseconds.
_EOT_TIMEOUT = 5000

_ENCODINGS = {"linear16": Encoding.PCM16, "mulaw": Encoding.ULAW, "alaw": Encoding.ALAW}


class ListenFixed(Exception):
    """An `UpdateListen` would change what this server cannot change during a session."""


class Session:
    """What one agent hears, thinks and speaks with.

    Args:
        settings: As the client sent them, with values that were checked.
        options: Stored agents, and what the server can do.

    Raises:
        RemoteWireError: This server cannot do it; `reply` is the `Error` for the client.
    """

    def __init__(self, settings: deepgram.Settings, options: DeepgramEmulatorOptions) -> None:
        self._options = options
        deepgram.check_settings(settings, early_access=options.early_access)
        if isinstance(settings.agent, str):
            settings = attrs.evolve(settings, agent=_stored_agent(settings.agent, options))
            deepgram.check_settings(settings, early_access=options.early_access)
        audio = settings.audio
        self.input_codec = _codec("audio.input", audio.input or deepgram.AudioInput())
        self.output_codec = _codec("audio.output", audio.output or deepgram.AudioOutput())
        self.wav = audio.output is not None and audio.output.container == "wav"
        self.settings = settings
        """As they are now."""
        self.prompt_was_cut = False
        """Whether a language model takes less than the prompt that was set last."""
        self._take(settings)

    # --- what the settings mean

    @property
    def agent(self) -> deepgram.Agent:
        """The agent, in full."""
        if isinstance(self.settings.agent, str):
            raise AssertionError("a stored agent was not looked up")  # noqa: TRY004  (__init__ did)
        return self.settings.agent

    @property
    def context(self) -> tuple[deepgram.History, ...]:
        """The conversation the client brought."""
        return (self.agent.context and self.agent.context.messages) or ()

    @property
    def think(self) -> tuple[deepgram.ThinkEntry, ...]:
        """The language models in order; there always is one."""
        return self.agent.think_chain

    @property
    def speak(self) -> tuple[deepgram.SpeakEntry, ...]:
        """The voices in order; there always is one."""
        return self.agent.speak_chain or (DEFAULT_SPEAK,)

    @property
    def listen(self) -> deepgram.ListenProvider:
        """Speech recognition."""
        return (self.agent.listen or DEFAULT_LISTEN).provider

    @property
    def flux(self) -> bool:
        """Whether speech recognition is of the second version, which knows about turns."""
        return self.listen.version == "v2"

    @property
    def silence(self) -> float:
        """Silence that ends a turn, seconds."""
        if not self.flux:
            return self._options.silence_duration
        timeout = (self.listen.eot_timeout_ms or _EOT_TIMEOUT) / 1000
        # At 1.0 no confidence is enough, so that only time ends a turn.
        return timeout if self.listen.eot_threshold == 1.0 else min(self._options.silence_duration, timeout)

    @property
    def vad(self) -> VadSettings:
        """How to detect speech; a pause ends it from which the agent begins to think."""
        ahead = self._options.speculate_after
        return VadSettings(silence_duration=self.silence if ahead is None else min(ahead, self.silence))

    @property
    def languages(self) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        """`languages_hinted` and `languages` of what a user says; only one model tells them."""
        if self.listen.model != "flux-general-multi":
            return None, None
        hints = self.listen.language_hints or ()
        return hints, hints[:1] or ("en",)

    def update(self, update: deepgram.Update) -> None:
        """Change the settings.

        Raises:
            ListenFixed: The model would change, or it is one that cannot be changed. Nothing was.
            RemoteWireError: The values are not acceptable; nothing was changed.
        """
        deepgram.check_update(update, self.settings, early_access=self._options.early_access)
        if self._options.same_listen_model and isinstance(update, deepgram.UpdateListen):
            old, new = self.listen, update.listen.provider
            if not self.flux or (old.type, old.version, old.model) != (new.type, new.version, new.model):
                raise ListenFixed
        self._take(deepgram.apply_update(self.settings, update))

    def _take(self, settings: deepgram.Settings) -> None:
        """Take over settings, with prompts cut to what a language model takes."""
        self.settings = settings
        chain = self.agent.think_chain or (DEFAULT_THINK,)
        limit = deepgram.PROMPT_LIMIT
        long = [entry for entry in chain if entry.managed and len(entry.prompt or "") > limit]
        self.prompt_was_cut = bool(long)
        cut = tuple(
            attrs.evolve(entry, prompt=(entry.prompt or "")[:limit]) if entry in long else entry
            for entry in chain
        )
        self.settings = attrs.evolve(settings, agent=attrs.evolve(self.agent, think=cut))


def tool_specs(entry: deepgram.ThinkEntry) -> tuple[ToolSpec, ...]:
    """The functions of a language model as a brain is given them."""
    return tuple(
        ToolSpec(
            name=function.name, description=function.description or "", parameters=function.parameters or {}
        )
        for function in entry.functions or ()
    )


def voice_name(entry: deepgram.SpeakEntry) -> str:
    """What a voice is called, in whichever field its provider has it."""
    provider = entry.provider
    named = provider.voice if isinstance(provider.voice, str) else None
    return provider.model or provider.model_id or named or provider.type


def refuse(code: ErrorCode, text: str, path: str = "") -> RemoteWireError:
    """The error whose reply ends the session."""
    return RemoteWireError(text, reply=deepgram.ErrorMessage(description=text, code=code), path=path)


def require_early_access(options: DeepgramEmulatorOptions, what: str) -> None:
    """Check that a client may use what is not there for everybody.

    Raises:
        RemoteWireError: It may not.
    """
    if not options.early_access:
        raise refuse(ErrorCode.UNPARSABLE_CLIENT_MESSAGE, f"{what}: not available to this project", what)


def _stored_agent(agent_id: str, options: DeepgramEmulatorOptions) -> deepgram.Agent:
    if options.agents is None:
        raise refuse(ErrorCode.AGENT_ID_NOT_SUPPORTED, "agent: this server has no stored agents", "agent")
    stored = options.agents.get(agent_id)
    if stored is None:
        raise refuse(ErrorCode.INVALID_AGENT_ID, f"agent: there is no agent {agent_id}", "agent")
    agent = deepgram.parse_settings({"audio": {}, "agent": dict(stored)}).agent
    if isinstance(agent, str):
        raise AssertionError("an object was read as an id")  # noqa: TRY004
    return agent


def _codec(path: str, given: deepgram.AudioInput | deepgram.AudioOutput) -> Codec:
    encoding = _ENCODINGS.get(given.encoding or "linear16")
    if encoding is None:
        known = ", ".join(_ENCODINGS)
        raise refuse(
            ErrorCode.INVALID_SETTINGS,
            f"{path}.encoding: {given.encoding} is not available on this server, expected one of {known}",
            f"{path}.encoding",
        )
    rate_hz = given.sample_rate or (24000 if encoding is Encoding.PCM16 else 8000)
    if not 8000 <= rate_hz <= 48000:
        raise refuse(
            ErrorCode.INVALID_SETTINGS,
            f"{path}.sample_rate: got {rate_hz}, expected 8000 to 48000",
            f"{path}.sample_rate",
        )
    return Codec(encoding, rate_hz)
