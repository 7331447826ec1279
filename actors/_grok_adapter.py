"""The Grok Voice API behind the provider port: URL, credentials, codecs, and which errors are final."""

import logging
import math
import os
from collections.abc import Mapping, Sequence

from callboard.protocols import grok as wire

from ._provider_credential import Credential, KeySource, complete_url, given_or_environment
from ._provider_errors import ProviderFailure
from ._provider_port import Capabilities, ConnectRequest
from ._websocket import DialFailed, DialFailure

_log = logging.getLogger("callboard.grok")

DEFAULT_URL = "wss://api.x.ai/v1/realtime"
DEFAULT_MODEL = "grok-voice-latest"
SESSION_LIMIT = 7200.0


def resolve_url(base_url: str | None) -> str:
    """Where the API is: the argument, else `CALLBOARD_GROK_URL`, else `XAI_BASE_URL`, else xAI.

    An `http(s)` URL becomes `ws(s)`; a URL that ends at the host or at `/v1` gets the rest of the API's path.

    Raises:
        ValueError: Not a URL of a WebSocket server.
    """
    text = base_url or os.environ.get("CALLBOARD_GROK_URL") or os.environ.get("XAI_BASE_URL") or DEFAULT_URL
    return complete_url(text, bases={"", "/v1"}, path="/v1/realtime", argument="xai_api_key")


class GrokAdapter:
    """The provider port of one Grok client.

    Args:
        key: The credential; None takes `XAI_API_KEY` of the environment.
        url: From `resolve_url`.
        model: Chosen when connecting; the server falls back to its default without a word for one it does
            not know.

    Raises:
        ProviderFailed: There is no credential, and the URL does not lead to this machine.
    """

    name = "grok"
    capabilities = Capabilities(say=True, truncate=True, cancel=True, tools=True)
    session_limit: float | None = SESSION_LIMIT
    keep_alive_interval: float | None = None
    deadline = math.inf
    max_message = wire.MAX_SERVER_MESSAGE
    audio_fields: Mapping[str, str] = {
        "input_audio_buffer.append": "audio",
        "response.output_audio.delta": "delta",
        "response.audio.delta": "delta",
    }

    def __init__(
        self,
        *,
        key: KeySource | None,
        url: str,
        model: str,
    ) -> None:
        self.model = model
        self.conversation_id = ""
        """The conversation to go on with, where the server keeps it; see `resumption` in xAI's documents."""
        self._credential = Credential(
            given_or_environment(key, "XAI_API_KEY"),
            url=url,
            company="xAI API",
            noun="key",
            argument="xai_api_key",
            missing="no xAI API key: give xai_api_key=... or set XAI_API_KEY (for an emulator on this machine "
            "set CALLBOARD_GROK_URL, which needs no key)",
            log=_log,
        )
        self._url = url

    def __repr__(self) -> str:
        return f"<GrokAdapter {self.model!r}>"

    def secrets(self) -> Sequence[str]:
        """The credentials used so far."""
        return self._credential.secrets()

    async def connect_request(self) -> ConnectRequest:
        """How to connect; asks the function for a credential if there is one.

        Raises:
            ProviderFailed: It returned none, or one that cannot be sent.
        """
        key = await self._credential.get()
        url = wire.build_url(self._url, model=self.model, conversation_id=self.conversation_id or None)
        return ConnectRequest(url=url, headers=(("Authorization", f"Bearer {key}"),))

    def begin(self) -> None:
        """See `ProviderAdapter.begin`."""

    def encode_opening(self, events: Sequence[wire.ClientEvent]) -> Sequence[str | bytes]:
        """The messages for the events that begin a connection; see `ProviderAdapter.encode_opening`."""
        return [wire.encode(event) for event in events]

    def receive(self, message: str | bytes) -> Sequence[wire.Decoded]:
        """Decode a message; see `ProviderAdapter.receive`."""
        return (wire.decode_server_event(message),)

    def encode(self, event: wire.ClientEvent) -> Sequence[str | bytes]:
        """The message for an event; see `ProviderAdapter.encode`."""
        return (wire.encode(event),)

    def handle_timer(self, now: float) -> Sequence[wire.Decoded]:
        """See `ProviderAdapter.handle_timer`."""
        del now
        return ()

    def keep_alive(self) -> None:
        """See `ProviderAdapter.keep_alive`; this wire needs none."""

    def audio_out(self, payload: bytes) -> str:
        """An `input_audio_buffer.append`."""
        return wire.encode_append(payload)

    def is_permanent(self, error: Exception) -> ProviderFailure | None:
        """Refused handshakes are final; see `ProviderAdapter.is_permanent`."""
        if not isinstance(error, DialFailed) or not error.permanent:
            return None
        if error.kind is DialFailure.TLS:
            return ProviderFailure.INSECURE
        if error.status == 401:
            return ProviderFailure.BAD_KEY
        if error.status == 403:
            return ProviderFailure.FORBIDDEN
        # An unknown key is answered with 400 and a text, not with 401.
        if error.status == 400 and b"api key" in error.body.lower():
            return ProviderFailure.BAD_KEY
        return ProviderFailure.REFUSED
