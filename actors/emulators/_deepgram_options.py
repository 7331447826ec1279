"""What can be set on the emulated Deepgram Voice Agent service."""

import enum
import json
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from callboard.protocols import deepgram

from ._faults import FaultAction
from ._option_checks import not_negative, positive


class Latencies(enum.Enum):
    """How `LatencyReport` comes at the end of an answer; clients were told of both ways."""

    WHOLE = "whole"
    """One message with every figure."""
    SPLIT = "split"
    """One message for each figure."""
    NONE = "none"


class Refusal(enum.Enum):
    """How a client is told that its `InjectAgentMessage` is not spoken."""

    MESSAGE = "message"
    """`InjectionRefused`."""
    WARNING = "warning"
    """A `Warning` that says who is speaking, as older servers send it."""
    BOTH = "both"


class FunctionEndpoint(Protocol):
    """Stands in for the web service of a function that the server runs itself."""

    def __call__(self, name: str, arguments: Mapping[str, object], url: str) -> str:
        """Return the result; an exception is a failed call."""
        ...


def _succeed(name: str, arguments: Mapping[str, object], url: str) -> str:
    del arguments, url
    return json.dumps({"function": name, "status": "done"})


@attrs.frozen(kw_only=True)
class DeepgramFault:
    """One thing that goes wrong, at a chosen point of a connection."""

    action: FaultAction
    event: str = "*"
    """The type of the server message it strikes at; `binary` is audio, `*` is anything."""
    nth: int = 1
    """Strikes at the nth such message of a connection, counted from 1; 0 strikes at every one."""
    connection: int | None = None
    """Only on this connection of the emulator, counted from 1; None is every connection."""
    error_code: str = "INTERNAL_SERVER_ERROR"
    """Of the `Error` of `FaultAction.ERROR`; the socket is closed behind it, as after any `Error`."""
    message: str = "Internal server error"
    seconds: float = 1.0
    code: int = 1011
    """The close code of `FaultAction.CLOSE`; 1005 closes without one."""


def _not_negative_or_none(_: object, attribute: "attrs.Attribute[float | None]", value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{attribute.name} is {value!r}, expected 0 or more, or None")


@attrs.frozen(kw_only=True)
class DeepgramEmulatorOptions:
    """How the emulator behaves. Durations are float seconds of `trio.current_time` unless said otherwise."""

    # --- order and shape of messages
    greeting_first: bool = True
    """The text of the greeting comes before `SettingsApplied`, as was observed; its audio never does."""
    thinking: bool = True
    """Send `AgentThinking` before each answer. The documentation says so, the service often does not."""
    latencies: Latencies = Latencies.WHOLE
    refusal: Refusal = Refusal.MESSAGE
    same_listen_model: bool = False
    """`UpdateListen` may change neither version nor model (the rule of July 2026)."""
    refuse_user_messages: bool = False
    """Refuse an `InjectUserMessage` while the agent speaks, instead of answering it afterwards."""

    # --- turns
    silence_duration: float = attrs.field(default=0.5, validator=positive)
    """Silence that ends a turn."""
    speculate_after: float | None = attrs.field(default=None, validator=_not_negative_or_none)
    """Silence after which the agent thinks ahead: functions are called, and cancelled if the user goes on.
    Less than `silence_duration`, or None not to."""

    # --- answers
    think_delay: float = attrs.field(default=0.3, validator=not_negative)
    """From the end of a turn, or the result of a function, to what comes of it."""
    paced: bool = True
    """Sentences come about as fast as they are spoken, the audio of each at once. False sends all of an answer
    at once."""
    lead: float = attrs.field(default=0.3, validator=not_negative)
    """How long before the end of one sentence's playback the next one is sent."""
    chunk: float = attrs.field(default=0.1, validator=positive)
    """Audio seconds in one binary message."""
    audio_done_after_interruption: bool = False
    """Send `AgentAudioDone` for an utterance that was cut."""
    stray_chunks: int = attrs.field(default=0, validator=not_negative)
    """Binary messages of a cut utterance that arrive behind `UserStartedSpeaking`."""
    max_rounds: int = attrs.field(default=16, validator=positive)
    """Function calls one behind another in one answer; then the agent gives up with `FAILED_TO_THINK`."""
    call_endpoint: FunctionEndpoint = attrs.field(default=_succeed, repr=False)
    """Stands in for the web service of functions that have an `endpoint`."""
    failing_models: frozenset[str] = frozenset()
    """Language models and voices that do not answer, so that the next one of a chain is tried."""

    # --- limits
    settings_timeout: float = attrs.field(default=15.0, validator=positive)
    """A client that sent no `Settings` by then is closed."""
    idle_timeout: float = attrs.field(default=12.0, validator=positive)
    """A client that sends nothing at all for so long is closed."""
    session_limit: float = attrs.field(default=deepgram.SESSION_LIMIT, validator=positive)
    session_warning: float = attrs.field(default=deepgram.SESSION_WARNING, validator=positive)
    """Age of a session at which the client is warned of its end."""
    concurrency: int | None = None
    """Sessions open at once; more are refused with HTTP 429. None is no limit."""
    max_message: int = 10 * 1024 * 1024
    """A longer WebSocket message closes the socket with 1009, octets."""

    # --- accounts
    keys: frozenset[str] | None = attrs.field(default=None, repr=False)
    """API keys that are accepted; None accepts any that is not empty."""
    refused_keys: Mapping[str, int] = attrs.field(factory=dict[str, int], repr=False)
    """Keys refused with a given HTTP status, such as 403 for one without the right role."""
    agents: Mapping[str, Mapping[str, object]] | None = attrs.field(factory=dict[str, Mapping[str, object]])
    """Stored agents by their id, each as the `agent` block of `Settings`. None has no support for them."""
    early_access: bool = False
    """Whether `think_live` and what belongs to it is accepted."""

    # --- determinism and faults
    seed: int | None = None
    """Makes every id repeatable; None takes fresh ones."""
    unix_time: Callable[[], float] = attrs.field(default=time.time, repr=False)
    """The wall clock that goes into access tokens."""
    faults: tuple[DeepgramFault, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.speculate_after is not None and self.speculate_after >= self.silence_duration:
            raise ValueError(
                f"speculate_after is {self.speculate_after!r}, expected less than silence_duration "
                f"({self.silence_duration!r})"
            )
