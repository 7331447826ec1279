"""Grok by the dialect of the summary page: the provider port over `callboard.protocols.grok.dialect`.

Nobody has seen a server of xAI that speaks it; ours does, at `/v1/voice/agent`. See `docs/dialects.md`.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import attrs
import trio

from callboard.protocols import grok as wire
from callboard.protocols.grok import dialect

from ._grok_adapter import GrokAdapter, resolve_url
from ._provider_credential import KeySource
from ._provider_port import Capabilities, ConnectRequest

_log = logging.getLogger("callboard.grok")

_REAL_PATH = "/v1/realtime"


def resolve_dialect_url(base_url: str | None) -> str:
    """Where the dialect's server is: as `resolve_url`, on the dialect's path instead of the real one.

    Raises:
        ValueError: Not a URL of a WebSocket server.
    """
    parts = urlsplit(resolve_url(base_url))
    path = dialect.PATH if parts.path == _REAL_PATH else parts.path
    return urlunsplit(parts._replace(path=path))


class DialectGrokAdapter(GrokAdapter):
    """The provider port of one Grok client whose server speaks the dialect.

    Its client sees the real wire's events. A message may mean several of them or none, and an event several messages
    or none; the end of an answer comes from `handle_timer`.

    Args:
        key: As for `GrokAdapter`.
        url: From `resolve_dialect_url`.
        model: Asked for in the settings, not in the URL.
        quiet: Float seconds of silence after all received audio has played that end an answer.
        clock: Float seconds.

    Raises:
        ProviderFailed: There is no credential, and the URL does not lead to this machine.
    """

    # Its server reckons by itself how much of an interrupted answer was heard.
    capabilities = Capabilities(truncate=True, cancel=True, tools=True, translated=True)
    audio_fields: Mapping[str, str] = {"audio.append": "audio", "audio.delta": "audio"}

    def __init__(
        self,
        *,
        key: KeySource | None,
        url: str,
        model: str,
        quiet: float = 1.0,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        super().__init__(key=key, url=url, model=model)
        self._quiet = quiet
        self._clock = clock
        self._n_connections = 0
        self._warned: tuple[str, ...] = ()
        self._translator = self._new_translator()
        """Of the present connection; the first one is for whoever looks before there is any."""

    def __repr__(self) -> str:
        return f"<DialectGrokAdapter {self.model!r}>"

    def _new_translator(self) -> dialect.DialectClient:
        name = f"dialect-{self._n_connections}"
        self._n_connections += 1
        return dialect.DialectClient(model=self.model, name=name, quiet=self._quiet)

    async def connect_request(self) -> ConnectRequest:
        """How to connect; see `ProviderAdapter.connect_request`."""
        request = await super().connect_request()
        return attrs.evolve(request, url=self._url)

    def begin(self) -> None:
        """See `ProviderAdapter.begin`."""
        self._translator = self._new_translator()

    def encode_opening(self, events: Sequence[wire.ClientEvent]) -> Sequence[str | bytes]:
        """The messages that begin a connection.

        Args:
            events: What a client of the real wire begins with. Where they are none there still is a message: the
                dialect's server does not greet.

        Raises:
            LocalWireError: The dialect has no words for one of them.
        """
        messages = self._translator.open(events, self._clock())
        self._warn()
        return [dialect.encode(message) for message in messages]

    def receive(self, message: str | bytes) -> Sequence[wire.Decoded]:
        """The real wire's events that a message means; see `ProviderAdapter.receive`."""
        return self._translator.receive(message, self._clock())

    def encode(self, event: wire.ClientEvent) -> Sequence[str | bytes]:
        """The messages that say an event; see `ProviderAdapter.encode`."""
        messages = self._translator.send(event, self._clock())
        self._warn()
        return [dialect.encode(message) for message in messages]

    def _warn(self) -> None:
        left_out = self._translator.left_out
        if left_out and left_out != self._warned:
            _log.warning("the dialect has no place for these settings: %s", ", ".join(left_out))
        self._warned = left_out

    @property
    def deadline(self) -> float:  # type: ignore[override]  # a constant of the real wire
        """See `ProviderAdapter.deadline`."""
        deadline = self._translator.deadline
        return math.inf if deadline is None else deadline

    def handle_timer(self, now: float) -> Sequence[wire.Decoded]:
        """The end of an answer; see `ProviderAdapter.handle_timer`."""
        return self._translator.handle_timer(now)

    def audio_out(self, payload: bytes) -> str:
        """An `audio.append`."""
        return dialect.encode_audio_append(payload)
