"""What happened in a simulated run, line by line, for comparing two of them."""

import hashlib

import trio


class EventLog:
    """Collects lines and their digest. Nothing in them may depend on more than the seed.

    Args:
        keep: Lines that are kept for reading; the digest is over all of them.
    """

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self._hash = hashlib.blake2b(digest_size=16)
        self.lines: list[str] = []
        self.n_lines = 0

    def add(self, kind: str, *values: object) -> None:
        """Write a line: virtual time, kind, values."""
        line = " ".join((f"{trio.current_time():.6f}", kind, *map(str, values)))
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self.n_lines += 1
        if len(self.lines) < self._keep:
            self.lines.append(line)

    def digest(self) -> str:
        """Of all lines so far, hexadecimal."""
        return self._hash.copy().hexdigest()
