"""Trace files: every message of a provider's socket as a line of JSON, with its time and without secrets."""

import base64
import datetime
import functools
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import quote

import orjson
import trio

# Octets held before they are written: a second or two of a talking agent. Few enough that a write of them
# does not hold up the loop (a page cache takes 64 kB in some ten microseconds), many enough to write rarely.
BUFFER_OCTETS = 64 * 1024
# A crash of the process loses at most so much, float seconds.
FLUSH_AFTER = 1.0
# A trace is a diagnosis of one call; a runaway one must not fill the disk.
MAX_OCTETS = 512 * 1024 * 1024

HIDDEN = "***"
# Parts of names whose values are credentials wherever they appear.
_SECRET_NAME = re.compile(
    r"authorization|api[-_]?key|apikey|access[-_]?token|client[-_]?secret|password|^token$|^secret$|^cookie$",
    re.I,
)
# Nothing a wire of ours sends nests deeper; a peer that tries to gets an ellipsis.
_MAX_DEPTH = 64


class Redactor:
    """Removes secrets from text and from JSON values.

    Args:
        find: Returns the secrets there are now; they may change while a key is rotated.
    """

    def __init__(self, find: Callable[[], Sequence[str]]) -> None:
        self._find = find

    def text(self, text: str) -> str:
        """The text without secrets, also where they are written as in a URL or in base64."""
        for secret in self._find():
            for form in _forms(secret):
                if form in text:
                    text = text.replace(form, HIDDEN)
        return text

    def value(self, value: object, depth: int = 0) -> object:
        """A JSON value without secrets: the known ones, and whatever has a name like `authorization`."""
        if depth > _MAX_DEPTH:
            return "..."
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(name): HIDDEN
                if _SECRET_NAME.search(name) and entry
                else self.value(entry, depth + 1)
                for name, entry in cast("Mapping[str, object]", value).items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(entry, depth + 1) for entry in cast("Sequence[object]", value)]
        return value


# Each message is searched for them; a process has one or two keys for each provider at a time.
@functools.lru_cache(maxsize=8)
def _forms(secret: str) -> tuple[str, ...]:
    # Anything shorter would blank out ordinary words, and is no secret.
    if len(secret) < 4:
        return ()
    basic = base64.b64encode(secret.encode()).decode()
    return tuple(dict.fromkeys((secret, quote(secret, safe=""), basic)))


def trace_directory() -> Path:
    """Where traces go unless another place is given: `CALLBOARD_TRACE_DIR`, or a folder of the platform's."""
    given = os.environ.get("CALLBOARD_TRACE_DIR")
    return Path(given) if given else Path(tempfile.gettempdir()) / "callboard"


class Trace:
    """One trace file.

    Lines are collected and written together, whole lines only, so that a file is readable after a crash up to
    its last second. Writing is done in line: the buffer is small, and a thread would break virtual time.

    Each line has `t` (float seconds of trio's clock since the trace began), `utc` (ISO 8601), `direction`
    (`sent`, `received` or `note`), `kind` (the wire's name of the message), `octets` and, unless
    `envelope_only`, `payload`. Audio is replaced by `{"octets": n}` unless `audio`.

    Args:
        directory: Where the file is made; the folder is made, for us alone, if it is missing.
        redactor: Takes secrets out.
        audio_fields: By wire name of a message, its field that holds audio in base64.
        audio: Whether to keep audio, as base64.
        envelope_only: Leave out payloads altogether.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        redactor: Redactor,
        *,
        audio_fields: Mapping[str, str],
        audio: bool = False,
        envelope_only: bool = False,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.UTC)
        name = f"trace-{now:%Y%m%dT%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self.path = directory / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        self._file: int | None = os.open(self.path, flags, 0o600)
        self._redactor = redactor
        self._audio_fields = audio_fields
        self._audio = audio
        self._envelope_only = envelope_only
        self._lines: list[bytes] = []
        self._size = 0
        self._written = 0
        self._began = self._flushed = trio.current_time()
        self.lost = 0
        """Messages that were not written: the disk is full, or the file is as long as it may be."""

    def sent(self, message: str | bytes) -> None:
        """A message was sent."""
        self._message("sent", message)

    def received(self, message: str | bytes) -> None:
        """A message was received."""
        self._message("received", message)

    def note(self, kind: str, payload: Mapping[str, object]) -> None:
        """Something else happened to the connection."""
        self._line("note", kind, 0, self._redactor.value(payload))
        self.flush()

    def flush(self) -> None:
        """Write what was collected. A full disk ends the trace, not the call."""
        if not self._lines or self._file is None:
            return
        data = b"".join(self._lines)
        n_lines = len(self._lines)
        self._lines.clear()
        self._size = 0
        self._flushed = trio.current_time()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            self.lost += n_lines
            self._close_file()
            return
        self._written += len(data)
        if self._written > MAX_OCTETS:
            self._close_file()

    def close(self) -> None:
        """Write the rest and close the file. Idempotent."""
        self.flush()
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _message(self, direction: str, message: str | bytes) -> None:
        if self._file is None:
            self.lost += 1
            return
        kind, payload = self._read(message)
        self._line(direction, kind, len(message), payload)

    def _read(self, message: str | bytes) -> tuple[str, object]:
        if isinstance(message, bytes):
            audio = base64.b64encode(message).decode() if self._audio else {"octets": len(message)}
            return "binary", audio
        try:
            value: object = orjson.loads(message)
        except orjson.JSONDecodeError:
            # What a broken peer sends may be of any size.
            return "malformed", self._redactor.text(message[:500])
        if not isinstance(value, dict):
            return "malformed", self._redactor.value(value)
        event = cast("dict[str, object]", value)
        kind = event.get("type")
        if not isinstance(kind, str):
            return "malformed", self._redactor.value(event)
        field = self._audio_fields.get(kind)
        if field is not None and not self._audio:
            text = event.get(field)
            # Base64 has four characters for three octets; padding stands for missing ones.
            octets = len(text) * 3 // 4 - text[-2:].count("=") if isinstance(text, str) else 0
            event[field] = {"octets": octets}
        return kind, self._redactor.value(event)

    def _line(self, direction: str, kind: str, octets: int, payload: object) -> None:
        if self._file is None:
            return
        elapsed = trio.current_time() - self._began
        wall = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "t": round(elapsed, 6),
            "utc": wall,
            "direction": direction,
            "kind": self._redactor.text(kind[:200]),
            "octets": octets,
        }
        if not self._envelope_only:
            line["payload"] = payload
        data = orjson.dumps(line) + b"\n"
        self._lines.append(data)
        self._size += len(data)
        if self._size >= BUFFER_OCTETS or trio.current_time() - self._flushed >= FLUSH_AFTER:
            self.flush()
