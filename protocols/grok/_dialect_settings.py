"""The settings of a client of the dialect: asked for in the real session's terms, agreed in the dialect's."""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from .._errors import LocalWireError, RemoteWireError
from ._client_events import SessionUpdate
from ._dialect_config import DialectConfig, config_from_session, formats_of, left_out
from ._dialect_context import DialectContext
from ._dialect_messages import SessionConfigure, SessionConfigured
from ._server_events import ErrorDetail, SessionUpdated
from ._session import AudioConfig, AudioInput, AudioOutput, SessionConfig
from ._session_parse import merge_session, parse_session

__all__ = ["DialectSettings"]

# Where the settings of the flat object are in the real session.
_PATHS: Final = {
    "config.input_audio_format": "session.audio.input.format.type",
    "config.output_audio_format": "session.audio.output.format.type",
    "config.sample_rate": "session.audio.input.format.rate",
}


@attrs.frozen(kw_only=True)
class _Pending:
    """A ``session.configure`` without an answer."""

    update: SessionConfig
    config: DialectConfig
    event_id: str | None = None
    told: bool
    """It was a ``session.update`` of the client, which waits for the answer."""


class DialectSettings:
    """What was asked for on one connection, and what is in force.

    Args:
        model: What to ask for; the real wire has it in the URL.
    """

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._session = SessionConfig()
        self._pending: deque[_Pending] = deque()
        self._accepted_any = False
        self.context = DialectContext()
        """Goes out with the settings."""
        self.config = DialectConfig()
        """In force."""

    @property
    def latest(self) -> SessionConfig:
        """All that was asked for and not refused."""
        session = self._session
        for pending in self._pending:
            session = merge_session(session, pending.update)
        return session

    @property
    def manual(self) -> bool:
        """Whether the client was told to end turns itself. Unlike in a real session, that has to be said."""
        turns = self.latest.turn_detection
        return turns is not None and turns.manual

    @property
    def left_out(self) -> tuple[str, ...]:
        """The settings asked for that the dialect has no place for, by path."""
        return left_out(self.latest)

    def repeat(self) -> SessionConfigure:
        """Return the settings as they are, for the context in them or because the server has to hear some."""
        return self._ask(SessionConfig(), None, told=False)

    def update(self, event: SessionUpdate) -> SessionConfigure:
        """Return the message for an update.

        Raises:
            LocalWireError: It has a mistake, or asks for what the dialect cannot give. Nothing has changed.
        """
        try:
            update = parse_session(event.session)
        except RemoteWireError as error:
            raise LocalWireError(f"cannot send {event.type}: {error}") from None
        return self._ask(update, event.event_id, told=True)

    def _ask(self, update: SessionConfig, event_id: str | None, *, told: bool) -> SessionConfigure:
        # The whole of it each time: the page does not say whether a server keeps what is not repeated.
        config = config_from_session(merge_session(self.latest, update), model=self._model)
        config = attrs.evolve(config, instructions=self.context.extend(config.instructions))
        self._pending.append(_Pending(update=update, config=config, event_id=event_id, told=told))
        return SessionConfigure(config=config)

    def accepted(self, event: SessionConfigured) -> SessionUpdated | None:
        """Take over what the server confirms.

        Returns:
            What to tell the client, if it waits for that.
        """
        self._accepted_any = True
        pending = self._pending.popleft() if self._pending else None
        if pending is not None:
            self._session = merge_session(self._session, pending.update)
            self.config = pending.config
        self.config = formats_of(event.config, self.config)
        if pending is not None and not pending.told:
            return None
        formats = SessionConfig(
            audio=AudioConfig(
                input=AudioInput(format=self.config.input_format),
                output=AudioOutput(format=self.config.output_format),
            )
        )
        return SessionUpdated(session=merge_session(self._session, formats).to_wire())

    def refused(self, error: ErrorDetail) -> ErrorDetail:
        """Take back what ``error`` refuses, if it refuses settings; return it in the real wire's terms."""
        param = error.param or ""
        head, _, rest = param.partition(".")
        # Before the first settings are in force hardly anything else can have been refused.
        if not self._pending or (head not in {"config", "session"} and self._accepted_any):
            return error
        pending = self._pending.popleft()
        path = _PATHS.get(param) or (f"session.{rest}" if rest else "session")
        return attrs.evolve(error, event_id=pending.event_id, param=path)
