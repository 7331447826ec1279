"""What an agent hears, thinks and speaks with: the parts of ``Settings`` that ``Update...`` messages replace.

None means "not given" and is left out on the wire. ``extra`` holds the fields without an attribute and goes on the wire
at the level of its part. No repr shows headers, credentials or ``extra``.

Source: the guides on the settings of an agent, and the schema the official SDKs are made from, as of autumn 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._converter import JsonObject
from ._base import NO_EXTRA

__all__ = [
    "Endpoint",
    "Function",
    "Listen",
    "ListenProvider",
    "SpeakEntry",
    "SpeakProvider",
    "ThinkEntry",
    "ThinkLive",
    "ThinkLiveProvider",
    "ThinkProvider",
]


@attrs.frozen(kw_only=True)
class Endpoint:
    """A URL the server calls: of a language model, of a voice, or of a function."""

    url: str = attrs.field(repr=False)
    """Not in the repr: keys are put into queries."""
    method: str | None = None
    """Of a function's endpoint."""
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class ListenProvider:
    """Speech recognition. Version ``v1`` is Nova, ``v2`` is Flux; they differ in the fields they take."""

    type: str = "deepgram"
    version: str | None = None
    """``v1`` where omitted, which Flux models refuse."""
    model: str | None = None
    """``nova-3``, ``flux-general-en`` and so on; Flux needs it."""
    language: str | None = None
    """Nova only: BCP 47 or ``multi``."""
    smart_format: bool | None = None
    """Nova only."""
    keyterms: tuple[str, ...] | None = None
    language_hints: tuple[str, ...] | None = None
    """``flux-general-multi`` only."""
    eot_threshold: float | None = None
    """Flux only, 0.5 to 1.0, default 0.7. At 1.0 confidence never ends a turn."""
    eager_eot_threshold: float | None = None
    """Flux only, 0.3 to 0.9: from when on to think ahead."""
    eot_timeout_ms: int | None = None
    """Flux only, 500 to 10000, default 5000."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Listen:
    """What the agent hears with."""

    provider: ListenProvider
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Function:
    """A function the model may call. With an ``endpoint`` the server runs it, without one the client does."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    """JSON Schema of the arguments."""
    endpoint: Endpoint | None = None
    defer_until_eot: bool | None = None
    """Hold the call until the user's turn is confirmed; else it may come early and be cancelled."""
    initial_agent_filler: bool | None = None
    """Needs ``think_live``, as do the two below."""
    agent_filler_max_count: int | None = None
    agent_filler_interval_ms: int | None = None
    """1000 to 60000."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class ThinkProvider:
    """A language model."""

    type: str
    """``open_ai``, ``anthropic``, ``google``, ``nvidia``, ``groq``, ``aws_bedrock`` or ``deepgram``."""
    model: str | None = None
    version: str | None = None
    temperature: float | None = None
    """0 to 2; 0 to 1 for ``anthropic``."""
    reasoning_mode: str | None = None
    """``none``, ``minimal``, ``low``, ``medium`` or ``high``."""
    credentials: JsonObject | None = attrs.field(default=None, repr=False)
    """Of ``aws_bedrock``."""
    voice_prompt_opt_out: bool | None = None
    """Of ``deepgram``."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class ThinkEntry:
    """A language model with its instructions. Several are a chain: the next is tried where one fails."""

    provider: ThinkProvider
    endpoint: Endpoint | None = None
    """A model of one's own; ``groq`` and ``aws_bedrock`` need it."""
    prompt: str | None = None
    """At most 25,000 characters unless there is an ``endpoint``; the rest is cut off with a warning."""
    functions: tuple[Function, ...] | None = None
    context_length: str | float | None = None
    """``max``, or how many characters of the conversation to keep. Only with an ``endpoint``."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)

    @property
    def managed(self) -> bool:
        """Whether the server chooses where the model runs, and limits the prompt."""
        return self.endpoint is None


@attrs.frozen(kw_only=True)
class SpeakProvider:
    """A voice. Version ``v1`` of ``deepgram`` is Aura, ``v2`` is Flux."""

    type: str
    """``deepgram``, ``eleven_labs``, ``cartesia``, ``open_ai`` or ``aws_polly``."""
    version: str | None = None
    model: str | None = None
    """``flux-kit-en``, ``aura-2-thalia-en`` and so on; also of ``open_ai``."""
    model_id: str | None = None
    """Of ``eleven_labs`` and ``cartesia``."""
    speed: float | None = None
    """0.7 to 1.5 with Aura, 0.5 to 1.5 in steps of 0.05 with Flux."""
    expressivity: int | None = None
    """Flux only, -2 to 2."""
    voice: str | JsonObject | None = None
    """A name; of ``cartesia`` an object with ``mode`` and ``id``."""
    language: str | None = None
    """Not of ``deepgram``, whose voices have a language."""
    language_code: str | None = None
    """An older name of ``language``."""
    volume: float | None = None
    """Of ``cartesia``, 0.5 to 2.0."""
    engine: str | None = None
    """Of ``aws_polly``."""
    credentials: JsonObject | None = attrs.field(default=None, repr=False)
    """Of ``aws_polly``."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class SpeakEntry:
    """A voice and where it is. Several are a chain: the next is tried where one fails."""

    provider: SpeakProvider
    endpoint: Endpoint | None = None
    """Needed by all but ``deepgram`` and ``cartesia``."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class ThinkLiveProvider:
    """How lively the agent is beside its answers. Only for projects that were invited."""

    type: str = "deepgram"
    version: str | None = None
    agent_backchannel_sensitivity: float | None = None
    """0 is off."""
    presence_check_max_count: int | None = None
    """0 is off."""
    presence_check_interval_ms: int | None = None
    """The first check comes after 3000 at the earliest."""
    frustration_max_count: int | None = None
    """0 is no ``FrustrationDetected``."""
    restricted_terms: tuple[str, ...] | None = None
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class ThinkLive:
    """The ``think_live`` of an agent."""

    provider: ThinkLiveProvider
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)
