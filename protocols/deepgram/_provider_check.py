"""Rules about what an agent hears, thinks and speaks with.

Names of providers and models are open sets and not looked at; which fields go with the known ones is.

Source: the guides on the settings of an agent, and the schema the official SDKs are made from.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from .._errors import clip
from ._parts import Endpoint, Function, Listen, ListenProvider, SpeakEntry, SpeakProvider, ThinkEntry
from ._problems import refuse_shape, refuse_value

__all__ = ["check_listen", "check_speak", "check_think", "is_speed_possible"]

# Fields of one version of speech recognition only.
_NOVA_ONLY: Final = ("language", "smart_format")
_FLUX_ONLY: Final = ("language_hints", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms")
_MULTILINGUAL: Final = "flux-general-multi"

_THINK_ENDPOINT: Final = frozenset({"groq", "aws_bedrock"})
_THINK_MODEL: Final = frozenset({"open_ai", "anthropic", "google", "aws_bedrock"})

# Speak providers: whether they need an endpoint, and the fields they cannot do without.
_SPEAK_ENDPOINT: Final = frozenset({"eleven_labs", "open_ai", "aws_polly"})
_SPEAK_FIELDS: Final = {
    "deepgram": ("model",),
    "eleven_labs": ("model_id",),
    "cartesia": ("model_id", "voice"),
    "open_ai": ("model", "voice"),
    "aws_polly": ("voice", "engine", "credentials"),
}
# What ElevenLabs takes from the settings, and not from the URL.
_NOT_IN_URL: Final = ("output_format", "model_id")

_SPEED: Final = {"v1": (0.7, 1.5), "v2": (0.5, 1.5)}


def _check_range(path: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise refuse_value(path, f"got {clip(value)}, expected {low} to {high}")


def check_listen(listen: Listen, path: str) -> None:
    """Check speech recognition.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    provider, path = listen.provider, f"{path}.provider"
    if provider.type != "deepgram":
        raise refuse_value(f"{path}.type", f"got {clip(provider.type)}, expected 'deepgram'")
    flux = provider.version == "v2"
    if flux and provider.model is None:
        raise refuse_shape(f"{path}.model", "is missing, which version 'v2' needs")
    if flux or provider.version in {None, "v1"}:
        _check_version(provider, path, flux=flux)
    if provider.language_hints is not None and provider.model != _MULTILINGUAL:
        raise refuse_value(
            f"{path}.language_hints", f"is given with model {clip(provider.model)}, expected {_MULTILINGUAL}"
        )
    _check_range(f"{path}.eot_threshold", provider.eot_threshold, 0.5, 1.0)
    _check_range(f"{path}.eager_eot_threshold", provider.eager_eot_threshold, 0.3, 0.9)
    _check_range(f"{path}.eot_timeout_ms", provider.eot_timeout_ms, 500, 10000)


def _check_version(provider: ListenProvider, path: str, *, flux: bool) -> None:
    version = "v2" if flux else "v1"
    for name in _NOVA_ONLY if flux else _FLUX_ONLY:
        if getattr(provider, name) is not None:
            raise refuse_shape(f"{path}.{name}", f"is not a field of version {version!r}")
    if provider.model is not None and provider.model.startswith("flux") is not flux:
        raise refuse_value(f"{path}.model", f"got {clip(provider.model)}, which version {version!r} lacks")


def check_think(chain: tuple[ThinkEntry, ...], path: str, *, several: bool, live: bool) -> None:
    """Check language models.

    Args:
        chain: The models.
        path: Where in the message they are.
        several: Whether they are a list there.
        live: Whether the agent has a ``think_live``.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    if not chain:
        raise refuse_value(path, "is empty, expected at least one entry")
    for index, entry in enumerate(chain):
        _check_think(entry, f"{path}[{index}]" if several else path, live=live)


def _check_think(entry: ThinkEntry, path: str, *, live: bool) -> None:
    provider = entry.provider
    if provider.type in _THINK_ENDPOINT and entry.endpoint is None:
        raise refuse_value(f"{path}.endpoint", f"is missing, which {provider.type} needs")
    # The URL of one's own Google endpoint names the model.
    named_elsewhere = provider.type == "google" and entry.endpoint is not None
    if provider.type in _THINK_MODEL and provider.model is None and not named_elsewhere:
        raise refuse_shape(f"{path}.provider.model", f"is missing, which {provider.type} needs")
    most = 1 if provider.type == "anthropic" else 2
    _check_range(f"{path}.provider.temperature", provider.temperature, 0, most)
    length = entry.context_length
    if length is not None:
        if entry.endpoint is None:
            raise refuse_value(f"{path}.context_length", "is given without an endpoint")
        if (length != "max") if isinstance(length, str) else (length <= 0):
            raise refuse_value(f"{path}.context_length", f"got {clip(length)}, expected 'max' or a number")
    for index, function in enumerate(entry.functions or ()):
        _check_function(function, f"{path}.functions[{index}]", live=live)


def _check_function(function: Function, path: str, *, live: bool) -> None:
    if not function.name:
        raise refuse_value(f"{path}.name", "is empty")
    for name in ("initial_agent_filler", "agent_filler_max_count", "agent_filler_interval_ms"):
        if getattr(function, name) is not None and not live:
            raise refuse_value(f"{path}.{name}", "is given without agent.think_live")
    if function.agent_filler_max_count:
        _check_range(f"{path}.agent_filler_interval_ms", function.agent_filler_interval_ms, 1000, 60000)


def check_speak(chain: tuple[SpeakEntry, ...], path: str, *, several: bool) -> None:
    """Check voices. Their ``speed`` is not looked at, as the server finds out when it speaks.

    Args:
        chain: The voices.
        path: Where in the message they are.
        several: Whether they are a list there.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    if not chain:
        raise refuse_value(path, "is empty, expected at least one entry")
    for index, entry in enumerate(chain):
        _check_speak(entry, f"{path}[{index}]" if several else path)


def _check_speak(entry: SpeakEntry, path: str) -> None:
    provider, where = entry.provider, f"{path}.provider"
    for name in _SPEAK_FIELDS.get(provider.type, ()):
        if getattr(provider, name) is None:
            raise refuse_shape(f"{where}.{name}", f"is missing, which {provider.type} needs")
    match provider.type:
        case "deepgram":
            if provider.language is not None:
                raise refuse_shape(
                    f"{where}.language", "is not a field of deepgram: the voice has a language"
                )
            _check_voice(provider, where)
        case "cartesia":
            voice = provider.voice
            if isinstance(voice, str) or not {"mode", "id"} <= set(voice or ()):
                raise refuse_shape(f"{where}.voice", "expected an object with mode and id")
            _check_range(f"{where}.volume", provider.volume, 0.5, 2.0)
        case "aws_polly":
            if provider.language is None and provider.language_code is None:
                raise refuse_shape(f"{where}.language", "is missing, which aws_polly needs")
        case _:
            pass
    if entry.endpoint is not None:
        _check_speak_endpoint(entry.endpoint, provider.type, f"{path}.endpoint")
    elif provider.type in _SPEAK_ENDPOINT:
        raise refuse_value(f"{path}.endpoint", f"is missing, which {provider.type} needs")


def _check_voice(provider: SpeakProvider, path: str) -> None:
    model = provider.model or ""
    flux = provider.version == "v2"
    if (flux and model.startswith("aura")) or (provider.version in {None, "v1"} and model.startswith("flux")):
        raise refuse_value(
            f"{path}.model", f"got {clip(model)}, which version {provider.version or 'v1'!r} lacks"
        )
    _check_range(f"{path}.expressivity", provider.expressivity, -2, 2)


def _check_speak_endpoint(endpoint: Endpoint, kind: str, path: str) -> None:
    # Nothing of the URL is quoted: keys are put into queries.
    try:
        parts = urlsplit(endpoint.url)
    except ValueError:
        raise refuse_value(f"{path}.url", "is not a URL") from None
    expected = ("https", "wss") if kind == "eleven_labs" else ("https",)
    if parts.scheme not in expected:
        raise refuse_value(f"{path}.url", f"expected {' or '.join(expected)}")
    if kind == "eleven_labs":
        query = parse_qs(parts.query, keep_blank_values=True)
        for name in _NOT_IN_URL:
            if name in query:
                raise refuse_value(f"{path}.url", f"has {name} in its query, which is not possible")


def is_speed_possible(provider: SpeakProvider) -> bool:
    """Tell whether a Deepgram voice can speak at the ``speed`` it is given.

    Where it cannot, the settings are applied all the same, and the session ends with ``FAILED_TO_SPEAK`` when the agent
    is to say something.
    """
    speed = provider.speed
    span = _SPEED.get(provider.version or "v1")
    if speed is None or provider.type != "deepgram" or span is None:
        return True
    low, high = span
    if not low <= speed <= high:
        return False
    # Steps of 0.05, as far as a float can say so.
    return provider.version != "v2" or abs(speed * 20 - round(speed * 20)) < 1e-6
