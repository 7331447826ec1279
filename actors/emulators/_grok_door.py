"""Who may come in: the credentials of a request, and the HTTP answer to the wrong ones."""

import json
from collections.abc import Sequence
from typing import cast

import attrs

from callboard.actors._http import Request, Response, json_response

from ._grok_options import GrokEmulatorOptions
from ._grok_vault import SECRET_LIFETIME, SECRET_LIFETIME_MAX, SECRET_PREFIX, Vault
from ._service import Entry

SECRET_SUBPROTOCOL = "xai-client-secret."
# The spelling of OpenAI's browser clients, which some clients of this service keep.
LEGACY_SUBPROTOCOL = "openai-insecure-api-key."
REALTIME_SUBPROTOCOL = "realtime"

_BAD_REQUEST = "Client specified an invalid argument"
_WRONG_KEY = "Incorrect API key provided. You can obtain an API key from https://console.x.ai."


def refusal(status: int, error: str, code: str = _BAD_REQUEST) -> Response:
    """A refusal with the service's body of two strings."""
    return json_response(status, {"code": code, "error": error})


@attrs.frozen
class _Credential:
    text: str
    subprotocol: str | None
    """The one it came in, or goes with."""


class Door:
    """Checks credentials.

    Args:
        options: Which keys are good.
        vault: Which client secrets are.
    """

    def __init__(self, options: GrokEmulatorOptions, vault: Vault) -> None:
        self._options = options
        self._vault = vault

    def admit(self, request: Request, subprotocols: Sequence[str]) -> Entry | Response:
        """Check the credential of a WebSocket handshake."""
        found = _find(request, subprotocols)
        if found is None:
            return _nobody()
        refused = self._check(found.text, secrets=True)
        if refused is not None:
            return refused
        return Entry(found.subprotocol)

    def check(self, request: Request) -> Response | None:
        """Check the API key of a plain request: None if it is good, else the answer."""
        key = _bearer(request)
        return _nobody() if key is None else self._check(key, secrets=False)

    def mint(self, request: Request) -> Response:
        """Answer `POST /v1/realtime/client_secrets`; the session a client may add is accepted and ignored."""
        try:
            body = _object(json.loads(request.body or b"{}"), "The request body")
            expires = _object(body.get("expires_after") or {}, "expires_after")
        except RecursionError:
            return refusal(400, "The request body nests too deeply")
        except ValueError as error:
            return refusal(400, f"The request body is not acceptable: {error}")
        seconds = expires.get("seconds", SECRET_LIFETIME)
        if type(seconds) is not int or not 0 < seconds <= SECRET_LIFETIME_MAX:
            return refusal(400, f"expires_after.seconds is not an integer from 1 to {SECRET_LIFETIME_MAX}")
        secret = self._vault.mint(seconds)
        expires_at = int(self._options.unix_time()) + seconds
        return json_response(200, {"value": secret, "expires_at": expires_at})

    def _check(self, key: str, *, secrets: bool) -> Response | None:
        status = self._options.refused_keys.get(key)
        if status is not None:
            return refusal(status, "The caller does not have permission", "Permission denied")
        if key.startswith(SECRET_PREFIX):
            good = secrets and self._vault.accepts(key)
        elif self._options.keys is None:
            good = key.isprintable() and " " not in key
        else:
            good = key in self._options.keys
        return None if good else refusal(400, _WRONG_KEY)


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")  # noqa: TRY004  (one kind of error for the caller)
    return cast("dict[str, object]", value)


def _nobody() -> Response:
    return refusal(401, "No credentials provided", "Unauthorized")


def _bearer(request: Request) -> str | None:
    scheme, _, key = (request.header("authorization") or "").strip().partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and key else None


def _find(request: Request, subprotocols: Sequence[str]) -> _Credential | None:
    """The credential of a handshake: the header first, then the subprotocols.

    A browser fails the handshake unless one of the subprotocols it offered is selected (RFC 6455, section
    4.1), so the one that carried the credential, or its companion, is.
    """
    key = _bearer(request)
    if key is not None:
        return _Credential(key, REALTIME_SUBPROTOCOL if REALTIME_SUBPROTOCOL in subprotocols else None)
    for offered in subprotocols:
        for prefix in (SECRET_SUBPROTOCOL, LEGACY_SUBPROTOCOL):
            if offered.startswith(prefix) and len(offered) > len(prefix):
                legacy = prefix == LEGACY_SUBPROTOCOL and REALTIME_SUBPROTOCOL in subprotocols
                return _Credential(offered[len(prefix) :], REALTIME_SUBPROTOCOL if legacy else offered)
    return None
