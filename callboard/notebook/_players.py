"""Audio players in a notebook: a WAV of mu-law, the octets as they were on the wire, half the size of 16-bit ones."""

import base64
import struct
from html import escape
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

from callboard.media import Samples, ulaw_decode, ulaw_encode, write_wav

from ._errors import PackageMissing

Side = Literal["both", "caller", "agent"]

SILENCE = b"\xff"
RATE_HZ = 8000
MULAW = 7  # WAVE_FORMAT_MULAW, RFC 2361
TITLES = {"both": "caller left, agent right", "caller": "caller", "agent": "agent, as the caller heard it"}


@attrs.frozen(kw_only=True)
class Player:
    """A sound that a notebook plays; `write` keeps it."""

    ulaw: bytes = attrs.field(repr=False)
    """Mu-law octets at 8 kHz, channels interleaved."""
    channels: int = 1
    title: str = ""

    @property
    def duration(self) -> float:
        """Float seconds."""
        return len(self.ulaw) / self.channels / RATE_HZ

    def wav(self) -> bytes:
        """A WAV file of mu-law samples (RFC 2361, format 7), which browsers play."""
        width = self.channels
        form = struct.pack("<HHIIHHH", MULAW, width, RATE_HZ, RATE_HZ * width, width, 8, 0)
        fact = struct.pack("<I", len(self.ulaw) // width)
        padding = b"\0" * (len(self.ulaw) % 2)
        body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
        body += b"fact" + struct.pack("<I", len(fact)) + fact
        body += b"data" + struct.pack("<I", len(self.ulaw)) + self.ulaw + padding
        return b"RIFF" + struct.pack("<I", len(body)) + body

    def write(self, path: str | Path) -> Path:
        """Keep the sound as a WAV file of 16-bit samples, which everything reads.

        Raises:
            OSError: It cannot be written.
        """
        path = Path(path)
        write_wav(path, ulaw_decode(self.ulaw).reshape(-1, self.channels), RATE_HZ)
        return path

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.wav()).decode("ascii")
        title = f"<div>{escape(self.title)}, {self.duration:.1f} s</div>" if self.title else ""
        return f'{title}<audio controls src="data:audio/wav;base64,{source}"></audio>'


def player(
    caller: bytes, agent: bytes, side: Side = "both", *, start: float = 0.0, end: float | None = None
) -> Player:
    """A player for a call.

    Args:
        caller: Mu-law at 8 kHz.
        agent: The same.
        side: Both in stereo, caller left; or one of them.
        start: From here on, float seconds.
        end: Up to here; to the end if None.
    """
    first = round(start * RATE_HZ)
    last = max(len(caller), len(agent)) if end is None else round(end * RATE_HZ)
    tracks = {"caller": (caller,), "agent": (agent,), "both": (caller, agent)}[side]
    cut = [track[first:last] + SILENCE * (last - first - len(track[first:last])) for track in tracks]
    octets = np.stack([np.frombuffer(track, np.uint8) for track in cut], axis=1)
    return Player(ulaw=octets.tobytes(), channels=len(cut), title=TITLES[side])


def play(samples: Samples, *, title: str = "") -> Player:
    """A player for samples: int16 (n,) at 8 kHz."""
    return Player(ulaw=ulaw_encode(samples), title=title)


def need(module: str) -> PackageMissing:
    """The error for a package that is not there."""
    return PackageMissing(f"{module} is not installed: pip install 'callboard[notebook]'", name=module)
