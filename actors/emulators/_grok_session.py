"""The configuration of one session: what the client set, what that means, and what is echoed."""

from collections.abc import Mapping
from typing import cast

from callboard.actors.brains import ToolSpec
from callboard.media import Encoding
from callboard.protocols import RemoteWireError, grok

from ._codec import Codec
from ._ear import VadSettings
from ._grok_options import GrokEmulatorOptions

VOICES = (
    "ara",
    "eve",
    "leo",
    "rex",
    "sal",
    "carina",
    "zagan",
    "helix",
    "orion",
    "luna",
    "iris",
    "altair",
    "zenith",
    "perseus",
    "helios",
    "lux",
    "kepler",
    "rigel",
    "cosmo",
    "celeste",
    "ursa",
    "sirius",
    "lumen",
    "castor",
    "naksh",
    "atlas",
    "aurora",
    "liora",
)
"""The catalogue."""

MODELS = frozenset(
    {
        "grok-voice-latest",
        "grok-voice-3.0",
        "grok-voice-think-fast-2.0",
        "grok-voice-2.0",
        "grok-voice-think-fast-1.0",
        "grok-voice-fast-1.0",
        "grok-realtime",
    }
)
"""The models a session can name; others are silently replaced by the default."""


class Session:
    """The settings of one connection.

    Args:
        options: The emulator's defaults.
        id: 32 hexadecimal digits.
        model: What the URL asked for.
    """

    def __init__(self, options: GrokEmulatorOptions, id: str, model: str | None) -> None:
        self._options = options
        self._id = id
        self._model = model if model in MODELS else options.default_model
        self.config = grok.SessionConfig()

    def update(self, raw: Mapping[str, object]) -> None:
        """Merge what a `session.update` brings.

        Raises:
            RemoteWireError: Something in it is not acceptable; nothing was changed. `path` names the field.
        """
        config = grok.merge_session(self.config, grok.parse_session(raw))
        for direction, format in (("input", config.input_format), ("output", config.output_format)):
            if format.type == "audio/opus":
                path = f"session.audio.{direction}.format.type"
                raise RemoteWireError(f"{path}: audio/opus is not available on this server", path=path)
        self.config = config

    # --- what the settings mean

    @property
    def input_codec(self) -> Codec:
        """How the client writes its audio."""
        return _codec(self.config.input_format)

    @property
    def output_codec(self) -> Codec:
        """How the client wants its audio written."""
        return _codec(self.config.output_format)

    @property
    def manual(self) -> bool:
        """Whether the client ends turns itself."""
        return self.config.manual

    @property
    def _turns(self) -> grok.TurnDetection:
        return self.config.turn_detection or grok.MANUAL

    @property
    def vad(self) -> VadSettings:
        """How to detect turns; the defaults too where the client ends them."""
        given = self._turns
        defaults = VadSettings(silence_duration=self._options.silence_duration)
        return VadSettings(
            threshold=defaults.threshold if given.threshold is None else given.threshold,
            prefix_padding=_seconds(given.prefix_padding_ms, defaults.prefix_padding),
            silence_duration=_seconds(given.silence_duration_ms, defaults.silence_duration),
        )

    @property
    def create_response(self) -> bool:
        """Whether a spoken turn is answered."""
        given = self._turns.create_response
        return self._options.create_response_default if given is None else given

    @property
    def interrupt_response(self) -> bool:
        """Whether speech cancels an answer."""
        given = self._turns.interrupt_response
        return self._options.interrupt_response_default if given is None else given

    @property
    def idle_timeout(self) -> float | None:
        """Silence after which the agent checks in, seconds."""
        given = self._turns.idle_timeout_ms
        return None if given is None or self.manual else given / 1000

    @property
    def transcribing(self) -> bool:
        """Whether the caller's words are sent while they are spoken."""
        given = self.config.transcription
        return given is not None and given.model is not None

    @property
    def resumable(self) -> bool:
        """Whether the conversation is kept."""
        return bool(self.config.resumption and self.config.resumption.enabled)

    @property
    def voice(self) -> str:
        """The voice in use: an unknown one is silently replaced."""
        given = (self.config.voice or "").lower()
        return given if given in VOICES else self._options.default_voice

    @property
    def modalities(self) -> tuple[str, ...] | None:
        """What answers consist of, as far as the client said so; an undocumented field."""
        for name in ("modalities", "output_modalities"):
            given = self.config.extra.get(name)
            if isinstance(given, list):
                return tuple(str(entry) for entry in cast("list[object]", given))
        return None

    @property
    def parallel_tool_calls(self) -> bool:
        """Whether one response may have several calls; an undocumented field."""
        return self.config.extra.get("parallel_tool_calls") is not False

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The client's functions. Tools the server would run itself are accepted and never used."""
        return tuple(
            ToolSpec(name=tool.name, description=tool.description or "", parameters=tool.parameters or {})
            for tool in self.config.tools or ()
            if isinstance(tool, grok.FunctionTool)
        )

    # --- what is echoed

    def created(self) -> dict[str, object]:
        """The `session` of the greeting."""
        return {
            "id": self._id,
            "object": "realtime.session",
            "instructions": "",
            "voice": self._options.default_voice,
            "modalities": ["audio"],
            "turn_detection": {"type": None},
            "tools": [],
            "model": self._model,
        }

    def updated(self) -> dict[str, object]:
        """The `session` of `session.updated`: what was set, in the server's spelling, and what it adds."""
        config = self.config
        echo = dict(config.to_wire())
        if config.voice is not None:
            echo["voice"] = self.voice
        if config.tools is not None:
            # Functions come flat and go back nested.
            echo["tools"] = [
                tool.to_nested() if isinstance(tool, grok.FunctionTool) else given
                for tool, given in zip(config.tools, cast("list[object]", echo["tools"]), strict=True)
            ]
        echo |= {
            "instructions": config.instructions or "",
            "model": self._model,
            "turn_detection": {} if self.manual else self._turns.to_wire(),
        }
        if self._options.observed:
            transcription = config.transcription
            extra: dict[str, object] = {
                "enable_noise_suppression": not self.manual,
                "keep_context": False,
                "enable_phonetic_spelling": False,
                "input_audio_transcription": transcription and {"model": transcription.model},
                "modalities": ["audio"],
                "input_audio_format": "not specified",
                "output_audio_format": "not specified",
                "tool_choice": "auto",
                "temperature": -1.0,
                "max_response_output_tokens": "inf",
            }
            echo = extra | echo
        return echo


def _seconds(milliseconds: int | None, default: float) -> float:
    return default if milliseconds is None else milliseconds / 1000


def _codec(format: grok.AudioFormatConfig) -> Codec:
    encoding = {"audio/pcmu": Encoding.ULAW, "audio/pcma": Encoding.ALAW}.get(format.type, Encoding.PCM16)
    return Codec(encoding, format.rate_hz)
