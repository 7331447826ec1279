"""I10: keys and tokens are in nothing that is written: logs, traces, sidecars, exits, trees, the carrier's wire."""

import base64
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trio

from callboard.actors import ActorExited, CallRecorder, TranscriptLine
from callboard.actors._trace import Redactor, Trace
from callboard.actors._watch import WatchEvent

from ._monitors_base import Desk, Monitor, WatchedAgent, WatchedCall
from ._monitors_holdings import SocketOwners

# Shorter ones would be found by chance, in audio for one.
SHORTEST = 8
# Files beside a recording that are read, octets.
MAX_SIDECAR = 16 * 1024 * 1024
SIDECARS = frozenset({".json", ".jsonl", ".txt", ".log", ".csv", ".md"})
SHOWN = 24
HIDDEN = "***"


class Secrets:
    """Finds secrets in texts and octets, also where they are written as in a URL or in base64."""

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()
        self._octets: tuple[bytes, ...] = ()
        self._known: set[str] = set()

    def add(self, secrets: Iterable[str]) -> None:
        """More of them."""
        fresh = {secret for secret in secrets if len(secret) >= SHORTEST} - self._known
        if not fresh:
            return
        self._known |= fresh
        forms = set(self._texts)
        for secret in fresh:
            forms |= {
                secret,
                quote(secret),
                quote(secret, safe=""),
                base64.b64encode(secret.encode()).decode().rstrip("="),
            }
        self._texts = tuple(sorted(forms))
        self._octets = tuple(form.encode() for form in self._texts)

    def found_in(self, data: str | bytes | bytearray | memoryview) -> str | None:
        """What stands before a secret in a text, if there is one in it."""
        if isinstance(data, str):
            for form in self._texts:
                if (at := data.find(form)) >= 0:
                    return self.hide(data[max(0, at - SHOWN) : at]) + HIDDEN
            return None
        octets = bytes(data)
        for pattern in self._octets:
            if (at := octets.find(pattern)) >= 0:
                return self.hide(octets[max(0, at - SHOWN) : at].decode("utf-8", "replace")) + HIDDEN
        return None

    def hide(self, text: str) -> str:
        """A text without secrets."""
        for form in self._texts:
            text = text.replace(form, HIDDEN)
        return text


class _LogReader(logging.Handler):
    """Looks at every record as it would be written, tracebacks included."""

    def __init__(self, monitor: "SecretMonitor") -> None:
        super().__init__(logging.NOTSET)
        self._monitor = monitor
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # whoever writes it has the same trouble, and shows it
            return
        self._monitor.written(text, f"the log of {record.name}", str(getattr(record, "path", "")))


class SecretMonitor(Monitor):
    """Everything that callboard writes where others may read it.

    Args:
        desk: Where findings go.
        sockets: Tells of accepted streams.
        secrets: Besides those of the providers that are seen.
        log_level: How detailed the log of callboard is to be while it is looked at; None leaves it as it is.
    """

    invariant = "I10"

    def __init__(
        self, desk: Desk, sockets: SocketOwners, secrets: Sequence[str], log_level: int | None
    ) -> None:
        super().__init__(desk)
        self.secrets = Secrets()
        self.secrets.add(secrets)
        self._log_level = log_level
        self._old_level = logging.NOTSET
        self._reader = _LogReader(self)
        self._recordings: dict[str, set[Path]] = {}
        sockets.accepted.append(self._accepted)

    def attach(self) -> None:
        """Read the log."""
        logging.getLogger().addHandler(self._reader)
        if self._log_level is not None:
            logger = logging.getLogger("callboard")
            self._old_level = logger.level
            logger.setLevel(self._log_level)

    def detach(self) -> None:
        """Read it no more."""
        logging.getLogger().removeHandler(self._reader)
        if self._log_level is not None:
            logging.getLogger("callboard").setLevel(self._old_level)

    def written(self, data: str | bytes | bytearray | memoryview, where: str, path: str = "") -> None:
        """Something was written."""
        self.count()
        found = self.secrets.found_in(data)
        if found is not None:
            self.report(f"a secret is in {where}: {found}", self.secrets.hide(path))

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Learn its secrets, and read its trace."""
        core = agent.client._core
        self.secrets.add(core.redactor._find())
        # A key may be rotated with each connection.
        self.desk.spies.after(core, "provider_opening", partial(self._opens, core.redactor))
        if core.trace is not None:
            trace = core.trace
            self.desk.spies.before(trace, "flush", partial(self._trace, trace, agent.path))

    def _opens(self, redactor: Redactor, _messages: object) -> None:
        self.secrets.add(redactor._find())

    def _trace(self, trace: Trace, path: str) -> None:
        if trace._lines:
            self.written(b"".join(trace._lines), "a trace", path)

    def call_seen(self, watched: WatchedCall) -> None:
        """Read what goes to the carrier and into the transcript."""
        call, path, spies = watched.call, watched.path, self.desk.spies
        socket: Any = getattr(call.leg, "_socket", None)
        if socket is not None:
            spies.before(socket, "send", partial(self._sends, path))
        spies.after(call.transcript, "put", partial(self._said, path))

    def _sends(self, path: str, message: str | bytes) -> None:
        self.written(message, "a message for the carrier", path)

    def _said(self, path: str, line: TranscriptLine, *_: object, **__: object) -> None:
        self.written(line.text, "the transcript", path)

    def _answers(self, data: bytes | bytearray | memoryview) -> None:
        self.written(data, "what is sent to whoever connected")

    def _accepted(self, stream: trio.abc.Stream) -> None:
        try:
            self.desk.spies.before(stream, "send_all", self._answers)
        except (AttributeError, TypeError):
            # A stream of a kind that cannot be watched.
            return

    def recorder_seen(self, path: str, recorder: CallRecorder, watched: WatchedCall | None) -> None:
        """What lies beside a recording belongs to it."""
        if watched is not None:
            self._recordings.setdefault(watched.path, set()).add(recorder.path)

    def actor_event(self, event: WatchEvent) -> None:
        """Exits are shown to people."""
        if isinstance(event, ActorExited):
            error = "" if event.exit.error is None else repr(event.exit.error)
            self.written(f"{event.path} {event.exit} {error}", "an actor's exit", event.path)

    def call_over(self, watched: WatchedCall) -> None:
        """Read the files beside its recordings, and what a call shows of itself."""
        call = watched.call
        shown = f"{call!r} {call.end!r} {call.info!r}"
        self.written(shown, "what the call shows of itself", watched.path)
        for recording in self._recordings.pop(watched.path, ()):
            for file in recording.parent.glob(f"{recording.stem}*"):
                if file.suffix in SIDECARS and file.stat().st_size <= MAX_SIDECAR:
                    self.written(file.read_bytes(), f"the file {file.name}", watched.path)

    def settle(self) -> None:
        """The tree is shown to people."""
        self.written(self.desk.system.tree().render(), "the tree of actors")
