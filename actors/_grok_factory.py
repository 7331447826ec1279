"""Making Grok clients."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import attrs

from ._agent_events import WebSocketClosed
from ._agent_factory import CONNECT_TIMEOUT, ClientOptions, FillerSound, Owner, open_client
from ._grok_adapter import DEFAULT_MODEL, GrokAdapter, resolve_url
from ._grok_client import VoiceAgentAPIClient
from ._grok_dialect import DialectGrokAdapter, resolve_dialect_url
from ._grok_driver import GrokDriver
from ._grok_events import GrokNews
from ._grok_session import GrokSession
from ._provider_credential import KeySource
from ._provider_options import ConnectionOptions
from ._scope import Scope

Dialect = Literal["realtime", "agent"]
"""Which messages are spoken; see `docs/dialects.md`."""


@attrs.frozen(kw_only=True)
class Provider:
    """xAI's Grok as one of the providers of a voice agent; see `create_voice_agent`."""

    xai_api_key: KeySource | None = attrs.field(default=None, repr=False)
    """As for `create_voice_agent_api_client`."""
    model: str = DEFAULT_MODEL
    voice: str | None = None
    """One of xAI's voices, such as `eve`; xAI's default otherwise."""
    base_url: str | None = None
    resumption: bool = False
    dialect: Dialect = "realtime"

    def driver(self, scope: Scope) -> GrokDriver:
        """See `Provider` of `create_voice_agent`."""
        if self.dialect not in ("realtime", "agent"):
            raise ValueError(f"dialect is {self.dialect!r}, expected 'realtime' or 'agent'")
        if self.dialect == "agent":
            if self.resumption:
                raise ValueError("the dialect 'agent' has no resumption")
            url = resolve_dialect_url(self.base_url)
            adapter: GrokAdapter = DialectGrokAdapter(key=self.xai_api_key, url=url, model=self.model)
        else:
            adapter = GrokAdapter(key=self.xai_api_key, url=resolve_url(self.base_url), model=self.model)
        driver = GrokDriver(
            adapter, GrokSession(scope.preferred_format, lambda: scope.new_id("update")), voice=self.voice
        )
        driver.resumes = self.resumption
        return driver


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
    resumption: bool = False,
    filler: FillerSound | None = None,
    dialect: Dialect = "realtime",
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
        resumption: Have the server keep the conversation, and ask it for it when a session is replaced, instead of
            giving it the history from here. What it does not have is given to it all the same.
        filler: A sound that is played over and over while a session is replaced; see `create_voice_agent`.
        dialect: `agent` speaks the messages of an unofficial summary page at `/v1/voice/agent` instead of xAI's wire;
            no server of xAI is known to. See `docs/dialects.md`.

    Returns:
        The client, connected and not configured.

    Raises:
        ProviderFailed: There is no key, it was refused, or the server cannot be reached.
        ClientClosed: The owner ended meanwhile.
        ValueError: The URL is not one.
        OSError: The trace file cannot be made.

    A cancelled call leaves nothing behind.
    """
    provider = Provider(
        xai_api_key=xai_api_key, model=model, base_url=base_url, resumption=resumption, dialect=dialect
    )
    common = ClientOptions(
        statistics=statistics,
        trace=trace,
        privacy=privacy,
        on_web_socket_close=on_web_socket_close,
        barge_in=barge_in,
        trace_audio=trace_audio,
        connect_timeout=connect_timeout,
        connection=options,
        filler=filler,
    )
    return await open_client(owner, [provider], VoiceAgentAPIClient, "grok", common, GrokNews)
