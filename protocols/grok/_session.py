"""The configuration of a session as typed values, and as the JSON a client sends.

None means "not given" throughout: an update changes only what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from .._converter import JsonObject, is_object
from ._tools import Tool
from ._unstructure import to_wire

__all__ = [
    "DEFAULT_FORMAT",
    "MANUAL",
    "AudioConfig",
    "AudioFormatConfig",
    "AudioInput",
    "AudioOutput",
    "Reasoning",
    "Resumption",
    "SessionConfig",
    "Transcription",
    "TurnDetection",
]


@attrs.frozen(kw_only=True)
class TurnDetection:
    """Who decides when the caller's turn is over."""

    type: str | None = "server_vad"
    """``server_vad``, or None for the client ("manual"). A fresh session is manual."""
    threshold: float | None = None
    """0.1 to 0.9, default 0.85; higher needs louder speech."""
    silence_duration_ms: int | None = None
    """0 to 10000."""
    prefix_padding_ms: int | None = None
    """0 to 10000, default 333."""
    idle_timeout_ms: int | None = None
    """Check in with the caller after this much silence."""
    create_response: bool | None = None
    """Answer at the end of each turn. Witnesses disagree about the default: say it."""
    interrupt_response: bool | None = None
    """Stop an answer the caller talks over."""

    @property
    def manual(self) -> bool:
        """Whether the client ends turns itself."""
        return self.type is None

    def to_wire(self) -> JsonObject:
        """Return the JSON object; manual mode is spelled ``{"type": null}``."""
        if self.manual:
            return {"type": None}
        return attrs.asdict(self, filter=lambda _, value: value is not None)


MANUAL: Final = TurnDetection(type=None)
"""The client ends turns itself."""


@attrs.frozen(kw_only=True)
class AudioFormatConfig:
    """A codec. Opus is one raw packet per payload, 24 kHz mono."""

    type: str = "audio/pcm"
    """``audio/pcm`` (16 bit little-endian), ``audio/pcmu``, ``audio/pcma`` or ``audio/opus``; all mono."""
    rate: int | None = None
    """Hz, for PCM; default 24000."""

    @property
    def rate_hz(self) -> int:
        """The sampling rate in Hz, whether said or implied."""
        if self.type in {"audio/pcmu", "audio/pcma"}:
            return 8000
        if self.type == "audio/opus":
            return 24000
        return 24000 if self.rate is None else self.rate


DEFAULT_FORMAT: Final = AudioFormatConfig(type="audio/pcm", rate=24000)
"""The codec of both directions in a session that says nothing about it."""


@attrs.frozen(kw_only=True)
class Transcription:
    """Whether and how caller speech is written down."""

    model: str | None = None
    """``grok-transcribe``: wanted for ``...transcription.updated`` events."""
    language_hint: str | None = None
    """BCP 47. Spanish and Portuguese need a region."""
    keyterms: tuple[str, ...] | None = None
    """At most 100 of at most 50 characters."""


@attrs.frozen(kw_only=True)
class AudioInput:
    """Caller audio."""

    format: AudioFormatConfig | None = None
    transport: str | None = None
    """``json`` or ``binary``: a preference, both are understood at any time."""
    transcription: Transcription | None = None


@attrs.frozen(kw_only=True)
class AudioOutput:
    """The assistant's audio."""

    format: AudioFormatConfig | None = None
    transport: str | None = None
    """``json`` or ``binary``; a change takes effect at the next response."""
    speed: float | None = None
    """0.7 to 1.5."""


@attrs.frozen(kw_only=True)
class AudioConfig:
    """Audio both ways."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


@attrs.frozen(kw_only=True)
class Reasoning:
    """How much a thinking model thinks."""

    effort: str | None = None
    """``high`` or ``none``."""


@attrs.frozen(kw_only=True)
class Resumption:
    """Whether the conversation may be resumed on another connection."""

    enabled: bool | None = None


_NO_EXTRA: Mapping[str, object] = {}


@attrs.frozen(kw_only=True)
class SessionConfig:
    """What ``session.update`` may set."""

    instructions: str | None = None
    voice: str | None = None
    model: str | None = None
    """Listed by the schema, ignored by the server: choose the model in the URL."""
    turn_detection: TurnDetection | None = None
    reasoning: Reasoning | None = None
    resumption: Resumption | None = None
    audio: AudioConfig | None = None
    tools: tuple[Tool, ...] | None = None
    replace: Mapping[str, str] | None = None
    """Words to speak otherwise than they are written."""
    extra: JsonObject = _NO_EXTRA
    """Fields of the session object without an attribute here; the server accepts and echoes many."""
    clear: tuple[str, ...] = ()
    """Settings to take back, by path as in ``audio.input.transcription``: on the wire they are null."""

    @property
    def manual(self) -> bool:
        """Whether the client ends turns itself; the default."""
        return self.turn_detection is None or self.turn_detection.manual

    @property
    def input_format(self) -> AudioFormatConfig:
        """The codec of caller audio, whether said or implied."""
        given = self.audio.input.format if self.audio and self.audio.input else None
        return given or DEFAULT_FORMAT

    @property
    def output_format(self) -> AudioFormatConfig:
        """The codec of the assistant's audio, whether said or implied."""
        given = self.audio.output.format if self.audio and self.audio.output else None
        return given or DEFAULT_FORMAT

    @property
    def output_transport(self) -> str:
        """``json`` or ``binary``."""
        given = self.audio.output.transport if self.audio and self.audio.output else None
        return given or "json"

    @property
    def speed(self) -> float:
        """Of speech, 1.0 unless given."""
        given = self.audio.output.speed if self.audio and self.audio.output else None
        return 1.0 if given is None else given

    @property
    def transcription(self) -> Transcription | None:
        """How caller speech is written down, if it is."""
        return self.audio.input.transcription if self.audio and self.audio.input else None

    def to_wire(self) -> JsonObject:
        """Return the JSON object of a ``session.update``: what is given, functions in the flat spelling."""
        wire: dict[str, object] = dict(self.extra)
        for field in attrs.fields(SessionConfig):
            value: object = getattr(self, field.name)
            if field.name not in {"extra", "clear"} and value is not None:
                wire[field.name] = to_wire(value)
        for path in self.clear:
            _put_null(wire, path)
        return wire


def _put_null(wire: dict[str, object], path: str) -> None:
    *outer, last = path.split(".")
    for name in outer:
        inner = wire.setdefault(name, {})
        if not is_object(inner):
            return
        wire = inner
    wire.setdefault(last, None)
