"""The Deepgram Voice Agent API behind the provider port: URL, credentials, codecs, and which errors are final."""

import inspect
import logging
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from callboard.protocols import deepgram as wire

from ._provider_errors import ProviderFailed, ProviderFailure
from ._provider_port import Capabilities, ConnectRequest
from ._websocket import DialFailed, DialFailure

_log = logging.getLogger("callboard.deepgram")

LOCAL_KEY = "local"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Paths a base URL may end with; the rest of the API's path is added.
_BASES = frozenset({"", "/v1", "/v1/agent"})

KeySource = str | Callable[[], str | Awaitable[str]]
"""A credential, or a plain or async function that returns the one to use for the next connection."""


def resolve_url(base_url: str | None) -> str:
    """Where the API is: the argument, else `CALLBOARD_DEEPGRAM_URL`, else Deepgram's global server.

    An `http(s)` URL becomes `ws(s)`; a URL that ends at the host, at `/v1` or at `/v1/agent` gets the rest of the
    API's path.

    Raises:
        ValueError: Not a URL of a WebSocket server.
    """
    text = base_url or os.environ.get("CALLBOARD_DEEPGRAM_URL") or wire.DEFAULT_URL
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # Without the offending value, which may hold a password that was not recognised as one.
        raise ValueError(
            "the provider's URL cannot be read: its host or port is malformed; expected wss://host[:port][/path]"
        ) from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if parts.username is not None or parts.password is not None:
        # Without the offending value: it may hold a password.
        raise ValueError("the provider's URL has user information in it; give the key as api_key")
    if scheme not in {"ws", "wss"} or not parts.hostname or port == 0:
        raise ValueError(f"not a URL of a WebSocket server: {text[:80]!r}; expected wss://host[:port][/path]")
    path = parts.path.rstrip("/")
    if path in _BASES:
        path = wire.PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


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
    capabilities = Capabilities(say=True, tools=True, binary=True)
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
        given = key if access_token is None else access_token
        if given is None:
            given = os.environ.get("DEEPGRAM_API_KEY", "").strip() or None
        elif isinstance(given, str):
            given = given.strip()
        if given is None or given == "":
            if not is_loopback(url):
                raise ProviderFailed(
                    ProviderFailure.MISSING_KEY,
                    "no Deepgram API key: give api_key=... or set DEEPGRAM_API_KEY (for an emulator on this "
                    "machine set CALLBOARD_DEEPGRAM_URL, which needs no key)",
                )
            given = LOCAL_KEY
        elif url.startswith("ws://") and not is_loopback(url):
            _log.warning("the Deepgram credential will be sent unencrypted to %s", urlsplit(url).hostname)
        self.url = url
        self._source: KeySource = given
        self._argument = "api_key" if access_token is None else "access_token"
        self._header = wire.auth_header if access_token is None else wire.bearer_header
        self._more_secrets = more_secrets
        self.alive = False
        """Whether `Settings` were sent: before that the server takes a `KeepAlive` for a mistake."""
        # The newest last; an older one may still be in an error text.
        self._seen: list[str] = [given] if isinstance(given, str) else []

    def __repr__(self) -> str:
        return f"<DeepgramAdapter {urlsplit(self.url).hostname!r}>"

    def secrets(self) -> Sequence[str]:
        """The credentials used so far, and those in the settings."""
        return [*(secret for secret in self._seen if secret != LOCAL_KEY), *self._more_secrets()]

    async def connect_request(self) -> ConnectRequest:
        """How to connect; asks the function for a credential if there is one.

        Raises:
            ProviderFailed: It returned none, or one that cannot be sent.
        """
        source = self._source
        if not isinstance(source, str):
            given = source()
            source = await given if inspect.isawaitable(given) else given
        secret = source.strip()
        if not secret:
            raise ProviderFailed(ProviderFailure.MISSING_KEY, f"{self._argument} gave no credential")
        if secret not in self._seen:
            self._seen = [*self._seen[-3:], secret]
        if not secret.isascii() or not secret.isprintable():
            # An HTTP header cannot carry it, and the error of the HTTP layer would quote it.
            raise ProviderFailed(
                ProviderFailure.BAD_KEY, f"the Deepgram {self._argument} has characters no credential has"
            )
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
