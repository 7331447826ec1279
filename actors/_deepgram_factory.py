"""Making Deepgram clients."""

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from callboard.protocols import deepgram as wire

from ._agent_events import WebSocketClosed
from ._agent_factory import CONNECT_TIMEOUT, ClientOptions, FillerSound, Owner, open_client
from ._deepgram_adapter import DeepgramAdapter, resolve_url
from ._deepgram_client import VoiceAgentClient
from ._deepgram_driver import DeepgramDriver
from ._deepgram_events import DeepgramNews
from ._deepgram_settings import DeepgramSettings
from ._provider_credential import KeySource
from ._provider_options import ConnectionOptions
from ._scope import Scope

SettingsLike = wire.Settings | Mapping[str, object]
"""Deepgram's `Settings`: as the class, or as a mapping with the names of the wire."""


@attrs.frozen(kw_only=True)
class Provider:
    """Deepgram as one of the providers of a voice agent; see `create_voice_agent`."""

    api_key: KeySource | None = attrs.field(default=None, repr=False)
    """As for `create_voice_agent_client`."""
    access_token: KeySource | None = attrs.field(default=None, repr=False)
    settings_options: SettingsLike | None = attrs.field(default=None, repr=False)
    """Models, voice and whatever `configure` has no word for; without `agent.greeting`, which every provider would
    have to know: use `say`."""
    voice: str | None = None
    """Such as `flux-kit-en` or `aura-2-thalia-en`."""
    base_url: str | None = None

    def driver(self, scope: Scope) -> DeepgramDriver:
        """See `Provider` of `create_voice_agent`."""
        settings = DeepgramSettings(scope.preferred_format, self.settings_options)
        if self.voice is not None:
            settings.configure(live=False, voice=self.voice)
        adapter = DeepgramAdapter(
            url=resolve_url(self.base_url),
            key=self.api_key,
            access_token=self.access_token,
            more_secrets=settings.secrets,
        )
        return DeepgramDriver(adapter, settings)


async def create_voice_agent_client(
    owner: Owner,
    *,
    api_key: KeySource | None = None,
    access_token: KeySource | None = None,
    settings_options: SettingsLike | None = None,
    statistics: bool = False,
    trace: bool | str | Path = False,
    privacy: bool = False,
    on_web_socket_close: Callable[[WebSocketClosed], object] | None = None,
    base_url: str | None = None,
    barge_in: bool = True,
    trace_audio: bool = False,
    connect_timeout: float = CONNECT_TIMEOUT,
    options: ConnectionOptions | None = None,
    filler: FillerSound | None = None,
) -> VoiceAgentClient:
    """Connect to Deepgram's Voice Agent API.

    Args:
        owner: The call that the client belongs to; a system, for a client without a call.
        api_key: The key, or a plain or async function that returns one and is asked at each connect. Default: the
            environment's `DEEPGRAM_API_KEY`. A server on this machine needs none.
        access_token: Instead of a key, a token that was granted for a short time; a function, so that each connection
            has a fresh one.
        settings_options: The settings, sent once the server has greeted us. What they leave open is filled in: the
            audio formats with what the call's carrier speaks, so that nothing has to be converted. Without them the
            first `configure` sends them.
        statistics: Also log the counters of `client.statistics()` when the client ends (level INFO).
        trace: Write every message to a file, readable for us alone, without credentials; True for the directory of
            `CALLBOARD_TRACE_DIR` (default: `callboard` in the platform's folder for temporary files), or a directory.
            The file is in `client.trace_path`.
        privacy: Nothing that was said appears in a log. A trace then has the envelopes of the messages only.
        on_web_socket_close: Called when a socket has closed, also after `close`; `will_reconnect` tells whether another
            follows.
        base_url: Where the API is. Default: `CALLBOARD_DEEPGRAM_URL`, else Deepgram's global host.
        barge_in: Interrupt the agent when the caller begins to speak (`client.interrupt`).
        trace_audio: Keep audio in the trace, as base64. Without it, its length.
        connect_timeout: Until the server has greeted us, retries included, float seconds.
        options: Deadlines and retries of the connection.
        filler: A sound that is played over and over while a session is replaced; see `create_voice_agent`.

    Returns:
        The client, connected, its settings on their way or still to be configured.

    Raises:
        ProviderFailed: There is no credential, it was refused, the server cannot be reached, or it does not accept the
            settings.
        ClientClosed: The owner ended meanwhile.
        ValueError: The URL is not one, or the settings are none.
        OSError: The trace file cannot be made.

    A cancelled call leaves nothing behind.
    """
    provider = _ClientProvider(
        api_key=api_key, access_token=access_token, settings_options=settings_options, base_url=base_url
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
    return await open_client(owner, [provider], VoiceAgentClient, "deepgram", common, DeepgramNews)


@attrs.frozen(kw_only=True)
class _ClientProvider(Provider):
    """Settings that are given to the client are complete; those of one provider among several are a basis."""

    def driver(self, scope: Scope) -> DeepgramDriver:
        driver = super().driver(scope)
        if self.settings_options is not None:
            driver.complete()
        return driver
