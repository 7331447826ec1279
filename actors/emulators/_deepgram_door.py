"""Who may come in: keys, granted tokens, and the HTTP answers to everything that is not a session."""

import base64
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import trio

from callboard.actors._http import Request, Response, json_response
from callboard.protocols import deepgram

from ._deepgram_options import DeepgramEmulatorOptions
from ._ids import Ids
from ._service import Entry

# Longest lifetime of a granted token, seconds.
MAX_GRANT = 3600
# Tokens that are remembered; the oldest go first.
MAX_TOKENS = 10_000

# A few of each provider; the real list is longer and changes every month.
_MODELS = (
    ("gpt-4o-mini", "GPT-4o mini", "open_ai"),
    ("gpt-5-mini", "GPT-5 mini", "open_ai"),
    ("claude-haiku-4-5", "Claude Haiku 4.5", "anthropic"),
    ("gemini-2.5-flash", "Gemini 2.5 Flash", "google"),
    ("openai/gpt-oss-20b", "GPT OSS 20B", "groq"),
)


def models(_: Request) -> Response:
    """The language models there are."""
    return json_response(
        200, {"models": [{"id": id, "name": name, "provider": provider} for id, name, provider in _MODELS]}
    )


class Door:
    """Checks credentials, and grants tokens.

    Args:
        options: Which keys are good.
        ids: Where tokens and request ids come from.
    """

    def __init__(self, options: DeepgramEmulatorOptions, ids: Ids) -> None:
        self._options = options
        self._ids = ids
        self._tokens: OrderedDict[str, float] = OrderedDict()

    def refusal(self, status: int, code: str, message: str) -> Response:
        """A refusal in the service's shape."""
        return json_response(status, {"err_code": code, "err_msg": message, "request_id": self._ids.new()})

    def admit(self, request: Request, subprotocols: Sequence[str]) -> Entry | Response:
        """Check the credential of a WebSocket handshake."""
        credential = deepgram.read_credential(request.header("authorization"), subprotocols)
        refused = self._check(credential)
        if refused is not None or credential is None:
            return refused or self._unauthorised()
        return Entry(credential.scheme if credential.from_subprotocol else None)

    def grant(self, request: Request) -> Response:
        """Answer `POST /v1/auth/grant`."""
        credential = deepgram.read_credential(request.header("authorization"))
        if credential is None or credential.scheme != "token":
            return self._unauthorised()
        refused = self._check(credential)
        if refused is not None:
            return refused
        try:
            body: object = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            return self.refusal(400, "Bad Request", "The request body is not JSON")
        fields = cast("dict[str, object]", body) if isinstance(body, dict) else {"ttl_seconds": None}
        seconds = fields.get("ttl_seconds", deepgram.GRANT_LIFETIME)
        if type(seconds) is not int or not 1 <= seconds <= MAX_GRANT:
            return self.refusal(400, "Bad Request", f"ttl_seconds is not an integer from 1 to {MAX_GRANT}")
        token = self._mint(seconds)
        return json_response(
            200, deepgram.encode_grant(deepgram.Grant(access_token=token, expires_in=seconds))
        )

    def _mint(self, seconds: int) -> str:
        expires_at = int(self._options.unix_time()) + seconds
        parts: tuple[dict[str, object], ...] = (
            {"alg": "HS256", "typ": "JWT"},
            {"jti": self._ids.new(), "exp": expires_at},
        )
        head = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        token = f"{head}.{_base64(self._ids.session().encode())}"
        self._tokens[token] = trio.current_time() + seconds
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def _check(self, credential: deepgram.Credential | None) -> Response | None:
        """None for a good one, else the answer."""
        if credential is None:
            return self._unauthorised()
        secret = credential.secret
        if credential.scheme == "bearer":
            # A key does not get in as a token.
            expires_at = self._tokens.get(secret)
            good = expires_at is not None and trio.current_time() < expires_at
            return None if good else self._unauthorised()
        status = self._options.refused_keys.get(secret)
        if status is not None:
            return self.refusal(status, "FORBIDDEN", "Insufficient permissions")
        keys = self._options.keys
        good = secret in keys if keys is not None else secret.isprintable() and " " not in secret
        return None if good else self._unauthorised()

    def _unauthorised(self) -> Response:
        return self.refusal(401, "INVALID_AUTH", "Invalid credentials.")


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
