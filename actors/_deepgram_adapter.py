"""The Deepgram Voice Agent API behind the provider port: URL, credentials, codecs, and which errors are final."""

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from callboard.protocols import deepgram as wire

from ._provider_credential import Credential, KeySource, complete_url, given_or_environment
from ._provider_errors import ProviderFailure
from ._provider_port import Capabilities, ConnectRequest
from ._websocket import DialFailed, DialFailure

_log = logging.getLogger("callboard.deepgram")


def resolve_url(base_url: str | None) -> str:
    """Where the API is: the argument, else `CALLBOARD_DEEPGRAM_URL`, else Deepgram's global server.

    An `http(s)` URL becomes `ws(s)`; a URL that ends at the host, at `/v1` or at `/v1/agent` gets the rest of the
    API's path.

    Raises:
        ValueError: Not a URL of a WebSocket server.
    """
    text = base_url or os.environ.get("CALLBOARD_DEEPGRAM_URL") or wire.DEFAULT_URL
    return complete_url(text, bases={"", "/v1", "/v1/agent"}, path=wire.PATH, argument="api_key")


def _no_secrets() -> Sequence[str]:
    return ()


class DeepgramAdapter:
    """The provider port of one Deepgram client.

    Args:
        url: From `resolve_url`.
        key: The API key; None takes `DEEPGRAM_API_KEY` of the environment.
        access_token: A token that was granted for a short time, instead of a key. One is enough for one connection
            only: give a function that gets a new one, for a client that is to connect again.
        more_secrets: Returns what else must not appear in any text, such as the keys in the settings.

    Raises:
        ProviderFailed: There is no credential, and the URL does not lead to this machine.
        ValueError: Both a key and a token.
    """

    name = "deepgram"
    capabilities = Capabilities(say=True, tools=True)
    # The model is in the settings, not in the URL.
    model = ""
    session_limit: float | None = wire.SESSION_LIMIT
    keep_alive_interval: float | None = wire.KEEP_ALIVE_INTERVAL
    deadline = math.inf
    max_message = wire.MAX_SERVER_MESSAGE
    # Audio travels in binary messages.
    audio_fields: Mapping[str, str] = {}

    def __init__(
        self,
        *,
        url: str,
        key: KeySource | None = None,
        access_token: KeySource | None = None,
        more_secrets: Callable[[], Sequence[str]] = _no_secrets,
    ) -> None:
        if key is not None and access_token is not None:
            raise ValueError("both an API key and an access token were given, expected one of them")
        given = given_or_environment(key if access_token is None else access_token, "DEEPGRAM_API_KEY")
        self._credential = Credential(
            given or None,
            url=url,
            company="Deepgram",
            noun="credential",
            argument="api_key" if access_token is None else "access_token",
            missing="no Deepgram API key: give api_key=... or set DEEPGRAM_API_KEY (for an emulator on this "
            "machine set CALLBOARD_DEEPGRAM_URL, which needs no key)",
            log=_log,
        )
        self.url = url
        self._header = wire.auth_header if access_token is None else wire.bearer_header
        self._more_secrets = more_secrets
        self.alive = False
        """Whether `Settings` were sent: before that the server takes a `KeepAlive` for a mistake."""

    def __repr__(self) -> str:
        return f"<DeepgramAdapter {urlsplit(self.url).hostname!r}>"

    def secrets(self) -> Sequence[str]:
        """The credentials used so far, and those in the settings."""
        return [*self._credential.secrets(), *self._more_secrets()]

    async def connect_request(self) -> ConnectRequest:
        """How to connect; asks the function for a credential if there is one.

        Raises:
            ProviderFailed: It returned none, or one that cannot be sent.
        """
        secret = await self._credential.get()
        return ConnectRequest(url=self.url, headers=(self._header(secret),))

    def begin(self) -> None:
        """See `ProviderAdapter.begin`."""
        self.alive = False

    def encode_opening(self, events: Sequence[wire.ClientMessage]) -> Sequence[str | bytes]:
        """The messages for the events that begin a connection; see `ProviderAdapter.encode_opening`."""
        return [wire.encode(event) for event in events]

    def receive(self, message: str | bytes) -> Sequence[wire.Decoded]:
        """Decode a message; see `ProviderAdapter.receive`."""
        return (wire.decode_server_message(message),)

    def encode(self, event: wire.ClientMessage) -> Sequence[str | bytes]:
        """The message for an event; see `ProviderAdapter.encode`."""
        return (wire.encode(event),)

    def handle_timer(self, now: float) -> Sequence[wire.Decoded]:
        """See `ProviderAdapter.handle_timer`."""
        del now
        return ()

    def keep_alive(self) -> str | None:
        """A `KeepAlive`. Wanted while no audio goes; the server closes a session it hears nothing of."""
        return _KEEP_ALIVE if self.alive else None

    def audio_out(self, payload: bytes) -> bytes:
        """The audio itself, for a binary message."""
        return payload

    def is_permanent(self, error: Exception) -> ProviderFailure | None:
        """Refused handshakes are final; see `ProviderAdapter.is_permanent`.

        A full project (429) is not: it may have room in a while.
        """
        if not isinstance(error, DialFailed) or not error.permanent:
            return None
        if error.kind is DialFailure.TLS:
            return ProviderFailure.INSECURE
        if error.status == 401:
            return ProviderFailure.BAD_KEY
        if error.status == 403:
            return ProviderFailure.FORBIDDEN
        return ProviderFailure.REFUSED


_KEEP_ALIVE = str(wire.encode(wire.KeepAlive()))
