"""Making clients of voice agents: what is the same for all providers, and the client of several of them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import attrs
import trio

from callboard.media import Samples, read_wav

from ._agent_actor import AgentActor
from ._agent_client import VoiceAgent
from ._agent_core import AgentCore
from ._agent_driver import Driver, News
from ._agent_events import ClientEvent, WebSocketClosed
from ._agent_filler import Filler
from ._ports import MediaUnit
from ._provider_errors import ProviderFailed, ProviderFailure
from ._provider_options import ConnectionOptions
from ._provider_outbox import Outbox
from ._scope import Scope, system_scope
from ._system import System
from ._trace import Redactor, Trace, trace_directory
from ._transcript import Transcript

CONNECT_TIMEOUT = 30.0
# How long to wait for the rest of a greeting after its first message, float seconds.
GREETING = 1.0

C = TypeVar("C", bound=VoiceAgent)


@runtime_checkable
class HasScope(Protocol):
    """A call, or anything else that can own clients."""

    scope: Scope


Owner = HasScope | Scope | System
"""What a client belongs to, and ends with."""

FillerSound = str | Path | tuple[Samples, int]
"""A WAV file, or samples (int16, shape (n,)) and their rate in Hz."""


class Provider(Protocol):
    """Who may provide the agent, and how it is reached: `grok.Provider`, `deepgram.Provider`."""

    def driver(self, scope: Scope) -> Driver:
        """Used by the factory.

        Raises:
            ProviderFailed: There is no credential.
            ValueError: The URL is not one.
        """
        ...


@attrs.frozen(kw_only=True)
class ClientOptions:
    """What all clients have in common; see `create_voice_agent`."""

    statistics: bool = False
    trace: bool | str | Path = False
    privacy: bool = False
    on_web_socket_close: Callable[[WebSocketClosed], object] | None = None
    barge_in: bool = True
    trace_audio: bool = False
    connect_timeout: float = CONNECT_TIMEOUT
    connection: ConnectionOptions | None = None
    filler: FillerSound | None = None


async def create_voice_agent(
    owner: Owner,
    providers: Sequence[Provider],
    *,
    statistics: bool = False,
    trace: bool | str | Path = False,
    privacy: bool = False,
    barge_in: bool = True,
    trace_audio: bool = False,
    connect_timeout: float = CONNECT_TIMEOUT,
    options: ConnectionOptions | None = None,
    filler: FillerSound | None = None,
) -> VoiceAgent:
    """Connect to a voice agent that one of several providers makes: the first that can be reached, and the next one
    when it is lost for good. The conversation goes on where it was.

    Args:
        owner: The call that the client belongs to; a system, for a client without a call.
        providers: `grok.Provider(...)`, `deepgram.Provider(...)`, the preferred one first.
        statistics: Also log the counters of `client.statistics()` when the client ends (level INFO).
        trace: Write every message to a file, readable for us alone, without credentials; True for the directory of
            `CALLBOARD_TRACE_DIR` (default: `callboard` in the platform's folder for temporary files), or a directory.
        privacy: Nothing that was said appears in a log. A trace then has the envelopes of the messages only.
        barge_in: Interrupt the agent when the caller begins to speak (`client.interrupt`).
        trace_audio: Keep audio in the trace, as base64. Without it, its length.
        connect_timeout: Until a provider has greeted us, retries included, float seconds.
        options: Deadlines and retries of each connection.
        filler: A sound that is played over and over while a session is replaced, once the caller has heard what was
            received.

    Returns:
        The client, connected; it is to be configured.

    Raises:
        ProviderFailed: No provider has a key, accepts it and can be reached; the last one's reason.
        ClientClosed: The owner ended meanwhile.
        ValueError: There is no provider, two are the same, a URL is not one, or the filler is empty.
        OSError: The trace file cannot be made, or the filler's file cannot be read.

    A cancelled call leaves nothing behind.
    """
    common = ClientOptions(
        statistics=statistics,
        trace=trace,
        privacy=privacy,
        barge_in=barge_in,
        trace_audio=trace_audio,
        connect_timeout=connect_timeout,
        connection=options,
        filler=filler,
    )
    return await open_client(owner, providers, VoiceAgent, "agent", common)


async def open_client(
    owner: Any,
    providers: Sequence[Provider],
    kind: type[C],
    name: str,
    options: ClientOptions,
    make_news: Callable[[C, Callable[[ClientEvent], None]], News] | None = None,
) -> C:
    """Make a client of a kind; see `create_voice_agent`."""
    on_close = options.on_web_socket_close
    if on_close is not None and not callable(on_close):
        raise TypeError(f"on_web_socket_close is a function, not {repr(on_close)[:80]}")
    filler = _filler_of(options.filler)
    scope, call = await _scope_of(owner)
    drivers = _drivers(providers, scope)
    redactor = Redactor(lambda: [secret for driver in drivers for secret in driver.adapter.secrets()])
    client = kind(_free_name(scope, name), scope)
    record = _open_trace(options, drivers, redactor)
    connection = options.connection or ConnectionOptions()
    core = AgentCore(
        client,
        drivers,
        call=call,
        transcript=scope.transcript if scope.transcript is not None else Transcript(),
        outbox=Outbox(client.id(), batch=connection.uplink_batch),
        redactor=redactor,
        trace=record,
        barge_in=options.barge_in,
        privacy=options.privacy,
    )
    core.on_close = on_close
    if make_news is not None:
        core.news = make_news(client, core.publish)
    if filler is not None:
        filler.bind(core)
    actor = AgentActor(core, connection, report=options.statistics, filler=filler)
    client.attach(core, actor)
    try:
        client.run_as(scope.providers.start_child_soon(actor.child_spec()))
        with trio.move_on_after(options.connect_timeout):
            await core.answered.wait()
            # The order of the greeting has changed over time, and parts of it were missing.
            with trio.move_on_after(GREETING):
                await core.ready.wait()
        core.require_open()
        if not core.answered.is_set():
            why = actor.connection.last_error
            raise ProviderFailed(
                ProviderFailure.TIMEOUT,
                f"the provider was not ready within {options.connect_timeout:g} s"
                + (f"; the last attempt: {why}" if why else ""),
            )
    except Exception:
        client.close()
        await client.wait_closed()
        raise
    except BaseException:
        # A cancelled call cannot wait; the rest ends by itself.
        client.close()
        raise
    core.settled()
    return client


def _drivers(providers: Sequence[Provider], scope: Scope) -> list[Driver]:
    """The drivers of those that can be used at all.

    Raises:
        ProviderFailed: Of none.
    """
    drivers: list[Driver] = []
    failed: ProviderFailed | None = None
    for provider in providers:
        try:
            drivers.append(provider.driver(scope))
        except ProviderFailed as error:
            failed = error
    if not drivers:
        raise failed or ValueError("there is no provider")
    names = [driver.name for driver in drivers]
    if len(set(names)) < len(names):
        raise ValueError(f"a provider is given twice: {names}")
    return drivers


def _filler_of(given: FillerSound | None) -> Filler | None:
    if given is None:
        return None
    if isinstance(given, tuple):
        samples, rate_hz = given
    else:
        stereo, rate_hz = read_wav(Path(given))
        samples = stereo[:, 0]
    return Filler(samples, rate_hz)


async def _scope_of(owner: Any) -> tuple[Scope, MediaUnit | None]:
    if isinstance(owner, System):
        return await system_scope(owner), None
    if isinstance(owner, Scope):
        return owner, None
    if isinstance(owner, HasScope):
        return owner.scope, owner if isinstance(owner, MediaUnit) else None
    raise TypeError(f"a client belongs to a call, a scope or a system, not to {repr(owner)[:80]}")


def _free_name(scope: Scope, prefix: str) -> str:
    number = 1
    while scope.system.lookup(f"{scope.providers.path}/{prefix}-{number}") is not None:
        number += 1
    return f"{prefix}-{number}"


def _open_trace(options: ClientOptions, drivers: Sequence[Driver], redactor: Redactor) -> Trace | None:
    if options.trace is False:
        return None
    directory = trace_directory() if options.trace is True else Path(os.fspath(options.trace))
    audio_fields: dict[str, str] = {}
    for driver in drivers:
        audio_fields.update(driver.adapter.audio_fields)
    return Trace(
        directory,
        redactor,
        audio_fields=audio_fields,
        audio=options.trace_audio,
        envelope_only=options.privacy,
    )
