"""``Settings``, the first message of a client: audio formats, and the agent."""

from __future__ import annotations

from typing import ClassVar, TypeVar, cast

import attrs

from .._converter import JsonObject
from ._base import NO_EXTRA, ClientMessage
from ._history import History
from ._parts import Function, Listen, SpeakEntry, ThinkEntry, ThinkLive

__all__ = ["Agent", "Audio", "AudioInput", "AudioOutput", "Context", "Flags", "Settings", "as_chain"]

T = TypeVar("T")


def as_chain(given: T | tuple[T, ...] | None) -> tuple[T, ...]:
    """Return what is one entry or several in the order in which they are tried."""
    # Our parts are no tuples, which the type of T cannot say.
    return () if given is None else cast("tuple[T, ...]", given if isinstance(given, tuple) else (given,))


@attrs.frozen(kw_only=True)
class AudioInput:
    """The format of caller audio. Where it is given at all, both fields are needed."""

    encoding: str | None = None
    """``linear16`` (little-endian), ``mulaw``, ``alaw`` and compressed ones; all mono."""
    sample_rate: int | None = None
    """Hz. Documents disagree about the default: say it."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class AudioOutput:
    """The format of the agent's audio."""

    encoding: str | None = None
    """``linear16`` (default), ``mulaw``, ``alaw``, ``mp3``, ``opus``, ``flac`` or ``aac``."""
    sample_rate: int | None = None
    """Hz; by default 24000 for ``linear16``, 8000 for ``mulaw`` and ``alaw``."""
    bitrate: int | None = None
    """Bits per second, of compressed formats."""
    container: str | None = None
    """``none`` (default), ``wav`` or ``ogg``."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Audio:
    """Audio both ways."""

    input: AudioInput | None = None
    output: AudioOutput | None = None
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Context:
    """A conversation to go on with."""

    messages: tuple[History, ...] | None = None
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Flags:
    """What the server is to report."""

    history: bool | None = None
    """Send ``History`` messages; default true."""
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)


@attrs.frozen(kw_only=True)
class Agent:
    """The agent, given in full."""

    language: str | None = None
    """Deprecated in favour of that of the providers."""
    listen: Listen | None = None
    think: ThinkEntry | tuple[ThinkEntry, ...] | None = None
    think_live: ThinkLive | None = None
    speak: SpeakEntry | tuple[SpeakEntry, ...] | None = None
    """Default: the voice ``flux-kit-en``."""
    greeting: str | None = None
    """Spoken word for word at the start. Without one the agent waits for the user."""
    context: Context | None = None
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)

    @property
    def think_chain(self) -> tuple[ThinkEntry, ...]:
        """The language models in the order in which they are tried."""
        return as_chain(self.think)

    @property
    def speak_chain(self) -> tuple[SpeakEntry, ...]:
        """The voices in the order in which they are tried."""
        return as_chain(self.speak)

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions of the language model that is tried first."""
        chain = self.think_chain
        return (chain[0].functions or ()) if chain else ()


@attrs.frozen(kw_only=True)
class Settings(ClientMessage):
    """The first message of a client, once per connection. The server answers ``SettingsApplied`` or ``Error``."""

    type: ClassVar[str] = "Settings"
    audio: Audio
    agent: Agent | str
    """The agent, or the id of one that is stored at the server."""
    tags: tuple[str, ...] | None = None
    """Labels to find the usage by."""
    experimental: bool | None = None
    """Turns on what is not released yet, such as ``AgentStartedSpeaking``."""
    mip_opt_out: bool | None = None
    """Keep the conversation out of the training of models."""
    flags: Flags | None = None
    extra: JsonObject = attrs.field(default=NO_EXTRA, repr=False)

    @property
    def history(self) -> bool:
        """Whether the server reports ``History``."""
        return self.flags is None or self.flags.history is not False
