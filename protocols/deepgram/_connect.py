"""What there is to say before the WebSocket opens: hosts, credentials, and tokens for browsers.

Source: the guides on regional endpoints, on authentication by subprotocol, and on granting tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from .._converter import load_object, make_converter, structure
from .._errors import LocalWireError

__all__ = [
    "DEFAULT_URL",
    "GRANT_LIFETIME",
    "GRANT_PATH",
    "HOSTS",
    "KEEP_ALIVE_INTERVAL",
    "MODELS_PATH",
    "PATH",
    "PROMPT_LIMIT",
    "SESSION_LIMIT",
    "SESSION_WARNING",
    "Credential",
    "Grant",
    "auth_header",
    "auth_subprotocols",
    "bearer_header",
    "bearer_subprotocols",
    "decode_grant",
    "encode_grant",
    "read_credential",
]

PATH: Final = "/v1/agent/converse"
HOSTS: Final[Mapping[str, str]] = {
    "global": "agent.deepgram.com",
    "eu": "api.eu.deepgram.com",
    "au": "api.au.deepgram.com",
    "in": "api.in.deepgram.com",
}
"""By region. A dedicated or self-hosted server has the same path on a host of its own."""
DEFAULT_URL: Final = f"wss://{HOSTS['global']}{PATH}"
"""There is nothing to choose in the URL: everything is in ``Settings``."""
GRANT_PATH: Final = "/v1/auth/grant"
"""Where to POST for a token, on ``api.deepgram.com``."""
GRANT_LIFETIME: Final = 30
"""Seconds a token lives unless asked otherwise. It is needed when connecting only."""
MODELS_PATH: Final = "/v1/agent/settings/think/models"
"""Where to GET the list of language models."""

KEEP_ALIVE_INTERVAL: Final = 8.0
"""Seconds between ``KeepAlive`` messages while no audio goes."""
SESSION_LIMIT: Final = 7200.0
"""Seconds after which the server ends a session, whatever happens in it."""
SESSION_WARNING: Final = 6900.0
"""Seconds after which the server warns of that."""
PROMPT_LIMIT: Final = 25_000
"""Characters of a prompt, unless the language model is one's own."""

_TOKEN, _BEARER = "token", "bearer"
# RFC 6455, section 4.1, wants a "token" of RFC 2616 for a subprotocol.
_SUBPROTOCOL = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Octets. Two short fields; the rest is room for what may be added.
_MAX_RESPONSE = 64 * 1024
_CONVERTER = make_converter()


def auth_header(key: str) -> tuple[str, str]:
    """Return the header that carries an API key."""
    return ("Authorization", f"Token {key}")


def bearer_header(token: str) -> tuple[str, str]:
    """Return the header that carries a granted token. A key sent like this is refused."""
    return ("Authorization", f"Bearer {token}")


def auth_subprotocols(key: str) -> tuple[str, str]:
    """Return the subprotocols that carry an API key, for a client that cannot set headers.

    The server selects the first.

    Raises:
        LocalWireError: The key has characters a subprotocol cannot have. It is not in the message.
    """
    return (_TOKEN, _as_subprotocol(key))


def bearer_subprotocols(token: str) -> tuple[str, str]:
    """Return the subprotocols that carry a granted token; see ``auth_subprotocols``.

    Raises:
        LocalWireError: The token has characters a subprotocol cannot have. It is not in the message.
    """
    return (_BEARER, _as_subprotocol(token))


def _as_subprotocol(secret: str) -> str:
    if not secret or not _SUBPROTOCOL.issuperset(secret):
        raise LocalWireError("the credential cannot be a subprotocol: it is empty or has special characters")
    return secret


@attrs.frozen(kw_only=True)
class Credential:
    """What a client shows when it connects."""

    scheme: str
    """``token`` for an API key, ``bearer`` for a granted token; also the subprotocol to select."""
    secret: str = attrs.field(repr=False)
    from_subprotocol: bool = False
    """Whether the server has to select the subprotocol ``scheme``; browsers give up otherwise."""


def read_credential(authorization: str | None, subprotocols: Sequence[str] = ()) -> Credential | None:
    """Return the credential of a handshake, or None if there is none that can be understood.

    Args:
        authorization: The header of that name. It wins over the subprotocols.
        subprotocols: What the client offers, in its order. Others than the two that matter are skipped.
    """
    if authorization is not None:
        scheme, _, secret = authorization.strip().partition(" ")
        scheme, secret = scheme.lower(), secret.strip()
        known = scheme in {_TOKEN, _BEARER} and secret
        return Credential(scheme=scheme, secret=secret) if known else None
    for scheme, secret in itertools.pairwise(subprotocols):
        if scheme.lower() in {_TOKEN, _BEARER}:
            return Credential(scheme=scheme, secret=secret, from_subprotocol=True)
    return None


@attrs.frozen(kw_only=True)
class Grant:
    """A token that lives for seconds: for browsers, and for whoever should not have the API key."""

    access_token: str = attrs.field(repr=False)
    expires_in: float
    """Seconds."""


def encode_grant(grant: Grant) -> dict[str, object]:
    """Return the JSON object a server answers with."""
    return {"access_token": grant.access_token, "expires_in": grant.expires_in}


def decode_grant(body: str | bytes) -> Grant:
    """Decode the answer to a request for a token.

    Raises:
        RemoteWireError: Not JSON, or without the two fields.
    """
    return structure(_CONVERTER, load_object(body, max_octets=_MAX_RESPONSE), Grant)
