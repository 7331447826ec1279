"""Deepgram's `Settings` as values: what is filled in, which audio formats follow, which credentials are in them."""

import copy
from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

from callboard.media import ALAW_8K, PCM16_24K, ULAW_8K, AudioFormat, Encoding
from callboard.protocols import RemoteWireError, deepgram as wire

Json = dict[str, object]

# What an agent is made of where the settings do not say. The voice is the one the server would take.
DEFAULT_LISTEN: Final[Mapping[str, object]] = {
    "type": "deepgram",
    "version": "v2",
    "model": "flux-general-en",
}
DEFAULT_THINK: Final[Mapping[str, object]] = {"type": "open_ai", "model": "gpt-4o-mini"}
DEFAULT_SPEAK: Final[Mapping[str, object]] = {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}

_ENCODINGS = {"linear16": Encoding.PCM16, "mulaw": Encoding.ULAW, "alaw": Encoding.ALAW}
_NAMES = {encoding: name for name, encoding in _ENCODINGS.items()}
_RATES = {"mulaw": ULAW_8K.rate_hz, "alaw": ALAW_8K.rate_hz}
# Rates of linear audio that each of Deepgram's voices can have, Hz.
_SPEECH_RATES_HZ = frozenset({8000, 16000, 24000, 32000, 48000})


def parse(raw: Mapping[str, object]) -> wire.Settings:
    """The typed settings of a JSON object.

    Raises:
        ValueError: It cannot be settings; the text names the field.
    """
    try:
        return wire.parse_settings(raw)
    except RemoteWireError as error:
        raise ValueError(f"these are no settings of Deepgram: {error}") from None


def fill(given: wire.Settings | Mapping[str, object] | None, preferred: AudioFormat) -> wire.Settings:
    """The settings of a session: those given, and what they leave open.

    Args:
        given: As the user wrote them; unknown fields are kept.
        preferred: The audio format of both directions where none is named.

    Raises:
        ValueError: They cannot be settings.
    """
    if isinstance(given, wire.Settings):
        raw = wire.settings_to_wire(given)
    elif given is None:
        raw = {}
    else:
        # A copy, for the user may go on to change what was given.
        raw = copy.deepcopy(dict(given))
    if preferred.encoding is Encoding.PCM16 and preferred.rate_hz not in _SPEECH_RATES_HZ:
        preferred = PCM16_24K
    raw["audio"] = audio = _object(raw.get("audio"), "audio")
    for direction in ("input", "output"):
        audio[direction] = _fill_format(_object(audio.get(direction), f"audio.{direction}"), preferred)
    output = cast("Json", audio["output"])
    if output.get("container") is None:
        output["container"] = "none"
    if not isinstance(raw.get("agent"), str):
        raw["agent"] = agent = _object(raw.get("agent"), "agent")
        _fill_agent(agent)
    return parse(raw)


def _as_object(value: object) -> Json | None:
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else None


def _as_list(value: object) -> Sequence[object] | None:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else None


def _object(value: object, name: str) -> Json:
    if value is None:
        return {}
    found = _as_object(value)
    if found is None:
        raise ValueError(
            f"these are no settings of Deepgram: {name}: got {repr(value)[:80]}, expected an object"
        )
    return found


def _fill_format(given: Json, preferred: AudioFormat) -> Json:
    encoding, rate = given.get("encoding"), given.get("sample_rate")
    if encoding is None:
        # A rate alone is one of the wire's default encoding.
        encoding = _NAMES[preferred.encoding] if rate is None else "linear16"
    if rate is None and isinstance(encoding, str):
        linear = preferred if preferred.encoding is Encoding.PCM16 else PCM16_24K
        rate = _RATES.get(encoding, linear.rate_hz)
    return {**given, "encoding": encoding, "sample_rate": rate}


def _fill_agent(agent: Json) -> None:
    agent["listen"] = listen = _object(agent.get("listen"), "agent.listen")
    provider = _object(listen.get("provider"), "agent.listen.provider") or dict(DEFAULT_LISTEN)
    provider.setdefault("type", "deepgram")
    listen["provider"] = _versioned(provider)
    for part, default in (("think", DEFAULT_THINK), ("speak", DEFAULT_SPEAK)):
        chain = _as_list(agent.get(part))
        if chain is None:
            agent[part] = _fill_entry(agent.get(part), part, default)
        else:
            agent[part] = [_fill_entry(entry, part, default) for entry in chain or (None,)]


def _fill_entry(given: object, part: str, default: Mapping[str, object]) -> Json:
    entry = _object(given, f"agent.{part}")
    provider = _object(entry.get("provider"), f"agent.{part}.provider") or dict(default)
    if part == "speak":
        if "type" not in provider and own_voice(provider.get("model")):
            provider["type"] = "deepgram"
        provider = _versioned(provider)
    return {**entry, "provider": provider}


def own_voice(model: object) -> bool:
    """Whether this is the name of one of Deepgram's own voices."""
    return isinstance(model, str) and model.startswith(("flux-", "aura-"))


def _versioned(provider: Json) -> Json:
    """Flux has to be said by version as well as by model; without it the server looks among the older ones."""
    model = provider.get("model")
    if provider.get("type") == "deepgram" and isinstance(model, str) and model.startswith("flux-"):
        provider.setdefault("version", "v2")
    return provider


def formats(settings: wire.Settings) -> tuple[AudioFormat, AudioFormat]:
    """The audio formats of a session, input and output.

    Raises:
        ValueError: One that cannot be played here.
    """
    audio = settings.audio
    assert audio.input is not None
    assert audio.output is not None
    if audio.output.container != "none":
        raise ValueError(
            f"audio.output.container is {repr(audio.output.container)[:80]}, expected 'none': audio is played as it "
            "comes"
        )
    return _format(audio.input, "input"), _format(audio.output, "output")


def _format(given: wire.AudioInput | wire.AudioOutput, direction: str) -> AudioFormat:
    encoding = _ENCODINGS.get(given.encoding or "")
    if encoding is None:
        raise ValueError(
            f"audio.{direction}.encoding is {repr(given.encoding)[:80]}, expected {', '.join(_ENCODINGS)}"
        )
    try:
        return AudioFormat(encoding, given.sample_rate or 0)
    except ValueError as error:
        raise ValueError(f"audio.{direction}: {error}") from None


def merge(base: Mapping[str, object], update: Mapping[str, object]) -> Json:
    """JSON objects put together: objects are merged, everything else is replaced."""
    merged = dict(base)
    for name, value in update.items():
        old, new = _as_object(merged.get(name)), _as_object(value)
        merged[name] = copy.deepcopy(value) if old is None or new is None else merge(old, new)
    return merged


def secrets_of(settings: wire.Settings) -> set[str]:
    """The credentials in settings: of language models, voices and functions that are not Deepgram's."""
    found: set[str] = set()
    _collect(wire.settings_to_wire(settings).get("agent"), found, inside=False)
    return found


# What the user says to the model may have fields of any name.
_NO_PLACE = frozenset({"parameters", "prompt", "context"})
# Fields of a query that hold credentials.
_QUERY_NAMES = ("key", "token", "secret", "password", "sig", "code")
# Headers whose values are no secrets, and fields of credentials that are none.
_PLAIN = frozenset({"content-type", "accept", "user-agent", "type", "region", "x-deepgram-session-id"})


def _collect(value: object, found: set[str], *, inside: bool) -> None:
    if isinstance(value, Mapping):
        for name, entry in cast("Mapping[str, object]", value).items():
            if name in _NO_PLACE:
                continue
            if name == "url" and isinstance(entry, str):
                found.update(_in_query(entry))
            elif not (inside and name.lower() in _PLAIN):
                _collect(entry, found, inside=inside or name in {"headers", "credentials"})
    elif isinstance(value, (list, tuple)):
        for entry in cast("Sequence[object]", value):
            _collect(entry, found, inside=inside)
    elif inside and isinstance(value, str) and value:
        found.add(value)
        # "Bearer ..." is as secret without its first word.
        found.add(value.rpartition(" ")[2])


def _in_query(url: str) -> set[str]:
    try:
        query = parse_qsl(urlsplit(url).query)
    except ValueError:
        return set()
    return {value for name, value in query if any(part in name.lower() for part in _QUERY_NAMES)}
