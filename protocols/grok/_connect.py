"""What there is to say before the WebSocket opens: the query of the URL, and client secrets for browsers.

Source: the Speech to Speech guide, the guide on ephemeral tokens, and the REST reference of the voice API.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from .._converter import JsonObject, load_object, make_converter, structure
from .._errors import LocalWireError, clip

__all__ = [
    "CLIENT_SECRETS_PATH",
    "MAX_SECRET_LIFETIME",
    "ClientSecret",
    "ClientSecretRequest",
    "build_url",
    "decode_client_secret",
    "encode_client_secret_request",
    "secret_subprotocol",
]

CLIENT_SECRETS_PATH: Final = "/v1/realtime/client_secrets"
"""Where to POST for a client secret, on the host of the WebSocket."""
MAX_SECRET_LIFETIME: Final = 3600
"""Seconds; the default is 600."""

_SECRET_SUBPROTOCOL = "xai-client-secret."
# RFC 6455, section 4.1, wants a "token" of RFC 2616 for a subprotocol.
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Octets. Two short fields; the rest is room for what may be added.
_MAX_RESPONSE = 64 * 1024
_CONVERTER = make_converter()


def build_url(
    base: str,
    *,
    model: str | None = None,
    reasoning_effort: str | None = None,
    conversation_id: str | None = None,
    call_id: str | None = None,
    agent_id: str | None = None,
) -> str:
    """Return the URL of a session.

    Args:
        base: The URL of the endpoint. Query parameters it has are kept, unless an argument sets them anew.
        model: Chosen here or never. The server replaces one it does not know by its default, silently.
        reasoning_effort: ``high`` or ``none``; ``session.reasoning.effort`` says the same later.
        conversation_id: The conversation to resume, from ``conversation.created``.
        call_id: The SIP call to attach to. It brings its own model, and needs an API key instead of a client secret.
        agent_id: A saved agent, which is used instead of a model.

    Raises:
        LocalWireError: Both ``agent_id`` and ``model``, or both ``agent_id`` and ``call_id``, are given, or one of
            them is empty.
    """
    if agent_id is not None and (model is not None or call_id is not None):
        raise LocalWireError("an agent_id is given instead of a model or call_id, not beside one")
    given = {
        "model": model,
        # With the dot: the name is not nested.
        "reasoning.effort": reasoning_effort,
        "conversation_id": conversation_id,
        "call_id": call_id,
        "agent_id": agent_id,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    for name, value in parameters.items():
        if not value:
            raise LocalWireError(f"{name} is empty")
    parts = urlsplit(base)
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in parameters
    ]
    query = urlencode([*kept, *parameters.items()], quote_via=quote)
    return urlunsplit(parts._replace(query=query, fragment=""))


def secret_subprotocol(secret: str) -> str:
    """Return the subprotocol that carries a client secret, for a client that cannot set headers.

    The server selects it in its answer, as RFC 6455 wants of a subprotocol that was offered.

    Raises:
        LocalWireError: The secret has characters a subprotocol cannot have. It is not in the message.
    """
    if not secret or not _TOKEN.issuperset(secret):
        raise LocalWireError(
            "the client secret cannot be a subprotocol: it is empty or has special characters"
        )
    return _SECRET_SUBPROTOCOL + secret


@attrs.frozen(kw_only=True)
class ClientSecretRequest:
    """The body of a request for a client secret."""

    seconds: int | None = None
    """How long it is valid, 1 to 3600; default 600."""
    session: JsonObject | None = None
    """``model`` and ``reasoning`` of the session. One document has it, another says it is not supported."""


@attrs.frozen(kw_only=True)
class ClientSecret:
    """A credential that lives for minutes: for browsers, and for whoever should not have the API key."""

    value: str = attrs.field(repr=False)
    expires_at: int
    """Unix seconds."""


def encode_client_secret_request(request: ClientSecretRequest) -> JsonObject:
    """Return the JSON object to POST.

    Raises:
        LocalWireError: The lifetime is out of range.
    """
    body: dict[str, object] = {}
    if request.seconds is not None:
        if not 1 <= request.seconds <= MAX_SECRET_LIFETIME:
            raise LocalWireError(
                f"client secret for {clip(request.seconds)} seconds, expected 1 to {MAX_SECRET_LIFETIME}"
            )
        body["expires_after"] = {"seconds": request.seconds}
    if request.session is not None:
        body["session"] = request.session
    return body


def decode_client_secret(body: str | bytes) -> ClientSecret:
    """Decode the answer to a request for a client secret.

    Raises:
        RemoteWireError: Not JSON, or without the two fields.
    """
    return structure(_CONVERTER, load_object(body, max_octets=_MAX_RESPONSE), ClientSecret)
