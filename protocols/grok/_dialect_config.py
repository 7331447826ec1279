"""The settings of the dialect: one flat object, and what it is in the real session's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn

import attrs

from .._converter import JsonObject, is_object, make_converter, structure
from .._errors import LocalWireError, RemoteWireError, clip
from ._session import (
    AudioConfig,
    AudioFormatConfig,
    AudioInput,
    AudioOutput,
    SessionConfig,
    Transcription,
    TurnDetection,
)
from ._session_check import PCM_RATES_HZ
from ._session_parse import parse_session
from ._tools import FunctionTool, Tool
from ._unstructure import to_wire

__all__ = [
    "DEFAULT_RATE",
    "FORMATS",
    "DialectConfig",
    "config_from_session",
    "formats_of",
    "left_out",
    "merge_config",
    "parse_config",
    "session_from_config",
    "voice_model",
]

DEFAULT_RATE: Final = 24000
"""Hz of PCM where ``sample_rate`` is not given (ours; the page's examples say 16000)."""

FORMATS: Final[Mapping[str, str]] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "mulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
    "alaw": "audio/pcma",
}
"""Names of formats, and the codecs they are. Only ``pcm16`` is the page's; for each codec the first is the one sent."""

_NAMES: Final = {codec: name for name, codec in reversed(tuple(FORMATS.items()))}
_G711_RATE: Final = 8000
_DEFAULT_VOICE: Final = "default"
# What the dialect's server does unasked (ours): its client cannot ask for an answer to what was said.
_TURNS: Final = TurnDetection(create_response=True, interrupt_response=True)
_TRANSCRIPTION: Final = Transcription(model="grok-transcribe")

_NO_EXTRA: Mapping[str, object] = {}


@attrs.frozen(kw_only=True)
class DialectConfig:
    """What ``session.configure`` may set. None means "not given", which changes nothing."""

    model: str | None = None
    voice: str | None = None
    """``default`` is whichever the server takes."""
    input_audio_format: str | None = None
    """``pcm16``, ``g711_ulaw`` or ``g711_alaw``; see ``FORMATS``."""
    output_audio_format: str | None = None
    sample_rate: int | None = None
    """Hz of PCM, in both directions."""
    tools: tuple[FunctionTool, ...] | None = None
    """On the wire in the nested spelling."""
    instructions: str | None = None
    """Not on the page (ours)."""
    turn_detection: TurnDetection | None = None
    """Not on the page (ours); as in the real session. Without it the server ends turns and answers them."""
    extra: JsonObject = _NO_EXTRA
    """Settings without an attribute here."""

    @property
    def input_format(self) -> AudioFormatConfig:
        """The codec of caller audio."""
        return self._format(self.input_audio_format)

    @property
    def output_format(self) -> AudioFormatConfig:
        """The codec of the answers."""
        return self._format(self.output_audio_format)

    def _format(self, name: str | None) -> AudioFormatConfig:
        codec = FORMATS.get(name or "pcm16", "audio/pcm")
        if codec != "audio/pcm":
            return AudioFormatConfig(type=codec)
        return AudioFormatConfig(type=codec, rate=self.sample_rate or DEFAULT_RATE)

    def to_wire(self) -> JsonObject:
        """Return the JSON object: what is given."""
        wire: dict[str, object] = dict(self.extra)
        for field in attrs.fields(DialectConfig):
            value: object = getattr(self, field.name)
            if value is not None and field.name not in {"extra", "tools"}:
                wire[field.name] = to_wire(value)
        if self.tools is not None:
            wire["tools"] = [tool.to_nested() for tool in self.tools]
        return wire


_FIELDS: Final = frozenset(field.name for field in attrs.fields(DialectConfig)) - {"extra"}
# Shared with the real session, whose parser knows their insides.
_SHARED: Final = frozenset({"tools", "turn_detection"})
_CONVERTER = make_converter()


@attrs.frozen(kw_only=True)
class _Plain:
    model: str | None = None
    voice: str | None = None
    input_audio_format: str | None = None
    output_audio_format: str | None = None
    sample_rate: int | None = None
    instructions: str | None = None


def _refuse(path: str, what: str) -> NoReturn:
    raise RemoteWireError(f"{path}: {what}", path=path)


def parse_config(raw: JsonObject) -> DialectConfig:
    """Return the settings in the ``config`` of a ``session.configure``.

    Functions are understood nested and flat. Settings without an attribute are kept in ``extra``.

    Raises:
        RemoteWireError: A wrong type, or a value that cannot be had. ``path`` names the field, from ``config`` on.
    """
    plain = structure(_CONVERTER, raw, _Plain, path="config")
    try:
        session = parse_session({name: raw[name] for name in _SHARED if name in raw})
    except RemoteWireError as error:
        path = f"config{error.path.removeprefix('session')}"
        text = str(error).removeprefix("session")
        raise RemoteWireError(f"config{text}", path=path) from None
    config = DialectConfig(
        **attrs.asdict(plain),
        tools=None
        if session.tools is None
        else tuple(map(_function, range(len(session.tools)), session.tools)),
        turn_detection=session.turn_detection,
        extra={name: value for name, value in raw.items() if name not in _FIELDS},
    )
    for name in ("input_audio_format", "output_audio_format"):
        given: str | None = getattr(config, name)
        if given is not None and given not in FORMATS:
            _refuse(f"config.{name}", f"got {clip(given)}, expected one of {', '.join(FORMATS)}")
    if config.sample_rate is not None and config.sample_rate not in PCM_RATES_HZ:
        rates = ", ".join(map(str, sorted(PCM_RATES_HZ)))
        _refuse("config.sample_rate", f"got {config.sample_rate}, expected one of {rates}")
    return config


def _function(index: int, tool: Tool) -> FunctionTool:
    if not isinstance(tool, FunctionTool):
        _refuse(f"config.tools[{index}].type", f"got {clip(tool.type)}, expected 'function'")
    return tool


def merge_config(config: DialectConfig, update: DialectConfig) -> DialectConfig:
    """Return what the settings are after ``update`` (ours; the page does not say whether the others are kept).

    Raises:
        RemoteWireError: The two together cannot be: G.711 both ways has 8000 Hz.
    """
    changes = {
        field.name: getattr(update, field.name)
        for field in attrs.fields(DialectConfig)
        if field.name != "extra" and getattr(update, field.name) is not None
    }
    merged = attrs.evolve(config, **changes, extra={**config.extra, **update.extra})
    pcm = "audio/pcm" in {merged.input_format.type, merged.output_format.type}
    if not pcm and merged.sample_rate not in {None, _G711_RATE}:
        if update.sample_rate is not None:
            _refuse("config.sample_rate", f"got {update.sample_rate} with G.711 both ways, expected 8000")
        # Of the PCM before.
        merged = attrs.evolve(merged, sample_rate=None)
    return merged


def voice_model(model: str | None) -> str | None:
    """Return ``model`` if it is one of a voice session, else None: the page's examples name a text model."""
    is_voice = model is not None and (model.startswith("grok-voice") or model == "grok-realtime")
    return model if is_voice else None


def session_from_config(config: DialectConfig) -> SessionConfig:
    """Return the whole of the real session's settings that ``config`` means.

    The model is not among them: it belongs into the URL.
    """
    turns = config.turn_detection or _TURNS
    if not turns.manual:
        turns = attrs.evolve(
            turns,
            create_response=turns.create_response is not False,
            interrupt_response=turns.interrupt_response is not False,
        )
    return SessionConfig(
        voice=None if config.voice == _DEFAULT_VOICE else config.voice,
        instructions=config.instructions,
        turn_detection=turns,
        audio=AudioConfig(
            input=AudioInput(format=config.input_format, transcription=_TRANSCRIPTION),
            output=AudioOutput(format=config.output_format),
        ),
        tools=config.tools,
    )


def config_from_session(session: SessionConfig, *, model: str | None = None) -> DialectConfig:
    """Return the dialect's settings for a real session.

    Settings the dialect has no place for (speed, key terms, resumption, ...) are left out; see ``left_out``.

    Args:
        session: All settings of the session.
        model: The model, which the real session has in its URL.

    Raises:
        LocalWireError: It cannot be had in the dialect at all: a codec, two rates of PCM, a tool that is no function.
    """
    formats = (session.input_format, session.output_format)
    for given in formats:
        if given.type not in _NAMES:
            raise LocalWireError(f"the dialect has no audio format for {clip(given.type)}")
    rates = {given.rate_hz for given in formats if given.type == "audio/pcm"}
    if len(rates) > 1:
        raise LocalWireError(
            f"the dialect has one sample_rate, expected the same in both directions, got {sorted(rates)}"
        )
    for tool in session.tools or ():
        if not isinstance(tool, FunctionTool):
            raise LocalWireError(f"the dialect has functions only, got the tool {clip(tool.type)}")
    return DialectConfig(
        model=model,
        voice=session.voice,
        input_audio_format=_NAMES[formats[0].type],
        output_audio_format=_NAMES[formats[1].type],
        sample_rate=next(iter(rates), _G711_RATE),
        tools=None
        if session.tools is None
        else tuple(tool for tool in session.tools if isinstance(tool, FunctionTool)),
        instructions=session.instructions,
        turn_detection=_special_turns(session.turn_detection),
        extra=session.extra,
    )


def _special_turns(turns: TurnDetection | None) -> TurnDetection | None:
    """What has to be said about turns: nothing where it is what the dialect does anyway."""
    if turns is None:
        return None
    plain = attrs.evolve(turns, create_response=None, interrupt_response=None) == TurnDetection()
    switched_off = turns.create_response is False or turns.interrupt_response is False
    return None if plain and not switched_off else turns


def left_out(session: SessionConfig) -> tuple[str, ...]:
    """Return the paths of the settings of a real session that the dialect has no place for."""
    wire = session.to_wire()
    names = [name for name in ("reasoning", "resumption", "replace") if name in wire]
    transcription = session.transcription
    if transcription is not None:
        given = attrs.evolve(transcription, model=None)
        names += [f"audio.input.transcription.{name}" for name, value in attrs.asdict(given).items() if value]
    if session.speed != 1.0:
        names.append("audio.output.speed")
    return tuple(names)


def formats_of(echo: JsonObject | None, asked: DialectConfig) -> DialectConfig:
    """Return ``asked`` with the formats a ``session.configured`` names, where it names any that is known."""
    if not is_object(echo):
        return asked
    rate = echo.get("sample_rate")
    return attrs.evolve(
        asked,
        input_audio_format=_known_format(echo.get("input_audio_format")) or asked.input_audio_format,
        output_audio_format=_known_format(echo.get("output_audio_format")) or asked.output_audio_format,
        sample_rate=rate if isinstance(rate, int) and rate in PCM_RATES_HZ else asked.sample_rate,
    )


def _known_format(name: object) -> str | None:
    return name if isinstance(name, str) and name in FORMATS else None
