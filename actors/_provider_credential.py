"""What a provider is reached with: the URL of its server, and the credential that is sent there."""

import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Set as AbstractSet
from urllib.parse import urlsplit, urlunsplit

from ._provider_errors import ProviderFailed, ProviderFailure

KeySource = str | Callable[[], str | Awaitable[str]]
"""A credential, or a plain or async function that returns the one to use for the next connection."""

LOCAL_KEY = "local"
"""Sent to a server on this machine where there is no credential."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# How many credentials are remembered; an older one may still be in an error text.
_REMEMBERED = 4


def complete_url(text: str, *, bases: AbstractSet[str], path: str, argument: str) -> str:
    """The URL of a provider's WebSocket server.

    An `http(s)` URL becomes `ws(s)`; one whose path is a beginning of the API's gets the whole of it.

    Args:
        text: As the user gave it.
        bases: The paths that get replaced, without a slash at their end.
        path: What replaces them.
        argument: Where a credential is to be given instead, for the error text.

    Raises:
        ValueError: Not a URL of a WebSocket server, or one with user information.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # Without the offending value, which may hold a password that was not recognised as one.
        raise ValueError(
            "the provider's URL cannot be read: its host or port is malformed; expected wss://host[:port][/path]"
        ) from None
    if parts.username is not None or parts.password is not None:
        # Without the offending value: it may hold a password.
        raise ValueError(f"the provider's URL has user information in it; give the key as {argument}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in {"ws", "wss"} or not parts.hostname or port == 0:
        raise ValueError(f"not a URL of a WebSocket server: {text[:80]!r}; expected wss://host[:port][/path]")
    given = parts.path.rstrip("/")
    return urlunsplit((scheme, parts.netloc, path if given in bases else given, parts.query, ""))


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def given_or_environment(given: KeySource | None, variable: str) -> KeySource | None:
    """What was given, else what the environment has; None where that is nothing or blank."""
    if given is None:
        return os.environ.get(variable, "").strip() or None
    return given.strip() if isinstance(given, str) else given


class Credential:
    """The credential of one client, new for each connection where a function makes it.

    Args:
        source: None where there is none.
        url: Where it is going to be sent.
        company: For texts: whose credential it is.
        noun: For texts: what the company calls it.
        argument: For texts: what the source was given as.
        missing: What to tell a user who gave none.
        log: Where to warn about a connection that is not encrypted.

    Raises:
        ProviderFailed: There is none, and the URL does not lead to this machine.
    """

    def __init__(
        self,
        source: KeySource | None,
        *,
        url: str,
        company: str,
        noun: str,
        argument: str,
        missing: str,
        log: logging.Logger,
    ) -> None:
        if source is None:
            if not is_loopback(url):
                raise ProviderFailed(ProviderFailure.MISSING_KEY, missing)
            source = LOCAL_KEY
        elif url.startswith("ws://") and not is_loopback(url):
            log.warning("the %s %s will be sent unencrypted to %s", company, noun, urlsplit(url).hostname)
        self._source: KeySource = source
        self._company = company
        self._noun = noun
        self._argument = argument
        # The newest last.
        self._seen: list[str] = [source] if isinstance(source, str) else []

    def secrets(self) -> list[str]:
        """The credentials used so far, the newest four."""
        return [secret for secret in self._seen if secret != LOCAL_KEY]

    async def get(self) -> str:
        """The one to connect with now; asks the function if there is one.

        Raises:
            ProviderFailed: It returned none, or one that cannot be sent.
        """
        source = self._source
        if not isinstance(source, str):
            given = source()
            source = await given if inspect.isawaitable(given) else given
        secret = source.strip()
        if not secret:
            raise ProviderFailed(ProviderFailure.MISSING_KEY, f"{self._argument} gave no {self._noun}")
        if secret not in self._seen:
            self._seen = [*self._seen[1 - _REMEMBERED :], secret]
        if not secret.isascii() or not secret.isprintable():
            # An HTTP header cannot carry it, and the error of the HTTP layer would quote it.
            raise ProviderFailed(
                ProviderFailure.BAD_KEY,
                f"the {self._company} {self._noun} has characters no {self._noun} has",
            )
        return secret
