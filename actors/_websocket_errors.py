"""What can go wrong with a WebSocket: one error for dialling, which says whether a retry can help, one for the end."""

import enum
import ssl
from collections.abc import Mapping, Sequence
from typing import cast

import trio
from trio_websocket import ConnectionRejected

HTTP_CLIENT_ERROR = range(400, 500)
# Client errors that time may cure: request timeout, too early, too many requests.
HTTP_TRANSIENT = frozenset({408, 425, 429})


class DialFailure(enum.Enum):
    """Why a connection could not be opened."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    TLS = "tls"
    PROTOCOL = "protocol"


class DialFailed(Exception):
    """A WebSocket could not be opened.

    Attributes:
        kind: What went wrong.
        status: The HTTP status of a rejected upgrade, else None.
        headers: Of a rejected upgrade, with names in lower case; they may hold cookies and the like.
        body: The body of a rejected upgrade, at most 2 kB of it.
        permanent: True where trying again cannot help (a 4xx other than 408, 425, 429; a bad certificate).
    """

    def __init__(
        self,
        message: str,
        *,
        kind: DialFailure,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.body = body[:2048]
        self.permanent = kind is DialFailure.TLS or (
            status is not None and status in HTTP_CLIENT_ERROR and status not in HTTP_TRANSIENT
        )


class SocketClosed(Exception):
    """The WebSocket is closed.

    Attributes:
        code: The close code of RFC 6455, section 7.4; 1006 where the stream ended without one.
        reason: The text that came with it.
        clean: True after a full closing handshake with 1000 or 1001.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"WebSocket closed with {code}" + (f" ({reason[:80]!r})" if reason else ""))
        self.code = code
        self.reason = reason
        self.clean = code in {1000, 1001}


def dial_failed(target: str, timeout: float, error: Exception) -> DialFailed:
    if isinstance(error, trio.TooSlowError):
        return DialFailed(f"{target} did not answer within {timeout:g} s", kind=DialFailure.TIMEOUT)
    tls = error if isinstance(error, ssl.SSLError) else error.__cause__
    # A peer that ends the stream in the middle of TLS's handshake has said nothing about it.
    if isinstance(tls, ssl.SSLError) and not isinstance(tls, ssl.SSLEOFError):
        return DialFailed(
            f"TLS with {target} failed: {tls.reason or 'handshake error'}", kind=DialFailure.TLS
        )
    if isinstance(error, trio.BrokenResourceError):
        return DialFailed(f"{target} broke the connection", kind=DialFailure.PROTOCOL)
    # trio reports a failed connect as OSError from a group with one error per address.
    causes = _causes(error)
    if all(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return DialFailed(f"{target} refused the connection", kind=DialFailure.REFUSED)
    text = getattr(causes[0], "strerror", None) or str(causes[0])
    return DialFailed(f"{target} cannot be reached: {text}", kind=DialFailure.UNREACHABLE)


def _causes(error: Exception) -> Sequence[BaseException]:
    cause: BaseException | None = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", cause).exceptions
    return (cause or error,)


def rejected(target: str, rejection: ConnectionRejected) -> DialFailed:
    body = rejection.body or b""
    text = body[:200].decode("utf-8", "replace")
    return DialFailed(
        f"{target} rejected the upgrade with HTTP {rejection.status_code}" + (f": {text}" if text else ""),
        kind=DialFailure.REJECTED,
        status=rejection.status_code,
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in rejection.headers or ()
        },
        body=body,
    )
