"""Making Grok clients."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import trio

from callboard.protocols import grok as wire

from ._grok_actor import GrokActor
from ._grok_adapter import DEFAULT_MODEL, GrokAdapter, KeySource, resolve_url
from ._grok_client import VoiceAgentAPIClient
from ._grok_core import GrokCore
from ._grok_events import WebSocketClosed
from ._grok_session import GrokSession
from ._ports import MediaUnit
from ._provider import ConnectionOptions, ProviderConnection
from ._provider_errors import ProviderFailed, ProviderFailure
from ._provider_outbox import Outbox
from ._scope import Scope, system_scope
from ._system import System
from ._trace import Redactor, Trace, trace_directory
from ._transcript import Transcript

_log = logging.getLogger("callboard.grok")

CONNECT_TIMEOUT = 30.0
# How long to wait for the rest of a greeting after its first message, float seconds.
GREETING = 1.0


@runtime_checkable
class HasScope(Protocol):
    """A call, or anything else that can own clients."""

    scope: Scope


Owner = HasScope | Scope | System
"""What a client belongs to, and ends with."""


async def create_voice_agent_api_client(
    owner: Owner,
    *,
    xai_api_key: KeySource | None = None,
    model: str = DEFAULT_MODEL,
    statistics: bool = False,
    trace: bool | str | Path = False,
    privacy: bool = False,
    on_web_socket_close: Callable[[WebSocketClosed], object] | None = None,
    base_url: str | None = None,
    barge_in: bool = True,
    trace_audio: bool = False,
    connect_timeout: float = CONNECT_TIMEOUT,
    options: ConnectionOptions | None = None,
) -> VoiceAgentAPIClient:
    """Connect to xAI's Grok Voice Agent API.

    Args:
        owner: The call that the client belongs to; a system, for a client without a call.
        xai_api_key: The key, or a client secret, or a plain or async function that returns one and is asked at each
            connect. Default: the environment's `XAI_API_KEY`. A server on this machine needs none.
        model: The server falls back to its default without a word for a model it does not know.
        statistics: Also log the counters of `client.statistics()` when the client ends (level INFO).
        trace: Write every message to a file, readable for us alone, without credentials; True for the directory of
            `CALLBOARD_TRACE_DIR` (default: `callboard` in the platform's folder for temporary files), or a directory.
            The file is in `client.trace_path`.
        privacy: Nothing that was said appears in a log. A trace then has the envelopes of the messages only.
        on_web_socket_close: Called when a socket has closed, also after `close`; `will_reconnect` tells whether another
            follows.
        base_url: Where the API is. Default: `CALLBOARD_GROK_URL`, else `XAI_BASE_URL`, else xAI.
        barge_in: Interrupt the agent when the caller begins to speak (`client.interrupt`), with `server_vad` and unless
            `interrupt_response` is switched off.
        trace_audio: Keep audio in the trace, as base64. Without it, its length.
        connect_timeout: Until the server has greeted us, retries included, float seconds.
        options: Deadlines and retries of the connection.

    Returns:
        The client, connected and not configured.

    Raises:
        ProviderFailed: There is no key, it was refused, or the server cannot be reached.
        ClientClosed: The owner ended meanwhile.
        ValueError: The URL is not one.
        OSError: The trace file cannot be made.

    A cancelled call leaves nothing behind.
    """
    if on_web_socket_close is not None and not callable(on_web_socket_close):
        raise TypeError(f"on_web_socket_close is a function, not {repr(on_web_socket_close)[:80]}")
    scope, call = await _scope_of(owner)
    session = GrokSession(scope.preferred_format)
    adapter = GrokAdapter(
        key=xai_api_key,
        url=resolve_url(base_url),
        model=model,
        opening=lambda: core.opening(),  # noqa: PLW0108  (made below)
    )
    redactor = Redactor(adapter.secrets)
    client = VoiceAgentAPIClient(_free_name(scope), scope)
    outbox = Outbox(client.id())
    record = _open_trace(trace, adapter, redactor, audio=trace_audio, envelope_only=privacy)
    core = GrokCore(
        client,
        call=call,
        transcript=scope.transcript if scope.transcript is not None else Transcript(),
        outbox=outbox,
        session=session,
        redactor=redactor,
        trace=record,
        model=model,
        barge_in=barge_in,
        privacy=privacy,
        encode=adapter.encode,
    )
    core.on_close = on_web_socket_close
    connection = ProviderConnection[wire.ClientEvent, wire.Decoded](
        adapter, core, outbox, redactor=redactor, options=options or ConnectionOptions(), trace=record
    )
    actor = GrokActor(core, connection, report=statistics)
    client.attach(core, connection, actor)
    try:
        client.run_as(scope.providers.start_child_soon(actor.child_spec()))
        with trio.move_on_after(connect_timeout):
            await core.answered.wait()
            # The order of the greeting has changed over time, and parts of it were missing.
            with trio.move_on_after(GREETING):
                await core.greeted.wait()
        core.require_open()
        if not core.answered.is_set():
            why = f"; the last attempt: {connection.last_error}" if connection.last_error else ""
            raise ProviderFailed(
                ProviderFailure.TIMEOUT, f"the provider was not ready within {connect_timeout:g} s{why}"
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


async def _scope_of(owner: Any) -> tuple[Scope, MediaUnit | None]:
    if isinstance(owner, System):
        return await system_scope(owner), None
    if isinstance(owner, Scope):
        return owner, None
    if isinstance(owner, HasScope):
        return owner.scope, owner if isinstance(owner, MediaUnit) else None
    raise TypeError(f"a client belongs to a call, a scope or a system, not to {repr(owner)[:80]}")


def _free_name(scope: Scope) -> str:
    number = 1
    while scope.system.lookup(f"{scope.providers.path}/grok-{number}") is not None:
        number += 1
    return f"grok-{number}"


def _open_trace(
    trace: bool | str | Path, adapter: GrokAdapter, redactor: Redactor, *, audio: bool, envelope_only: bool
) -> Trace | None:
    if trace is False:
        return None
    directory = trace_directory() if trace is True else Path(os.fspath(trace))
    return Trace(
        directory, redactor, audio_fields=adapter.audio_fields, audio=audio, envelope_only=envelope_only
    )
