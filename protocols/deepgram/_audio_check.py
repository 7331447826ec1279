"""Which audio formats a session can have.

Source: the guides on media of the Voice Agent API (Flux), and the table of formats of the text-to-speech API (Aura).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from .._errors import clip
from ._parts import SpeakProvider
from ._problems import refuse_shape, refuse_value
from ._settings import AudioInput, AudioOutput

__all__ = ["INPUT_ENCODINGS", "OUTPUT_ENCODINGS", "check_input", "check_output", "output_rate_hz"]

INPUT_ENCODINGS: Final = frozenset(
    ["linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex", "g729"]
)
"""What caller audio can be."""

_FIXED_INPUT_RATES: Final = {"amr-nb": 8000, "amr-wb": 16000}


@attrs.frozen(kw_only=True)
class _Output:
    """One row of a table of formats: what goes with an encoding. The first rate is the default."""

    rates: tuple[int, ...]
    containers: tuple[str, ...] = ("none",)
    bitrates: tuple[int, int] | None = None
    """The lowest and the highest."""


_FLUX: Final[Mapping[str, _Output]] = {
    "linear16": _Output(rates=(24000, 8000, 16000, 32000, 44100, 48000)),
    "mulaw": _Output(rates=(8000, 16000)),
    "alaw": _Output(rates=(8000, 16000)),
}
_AURA: Final[Mapping[str, _Output]] = {
    "linear16": _Output(rates=(24000, 8000, 16000, 32000, 48000), containers=("none", "wav")),
    "mulaw": _Output(rates=(8000, 16000), containers=("none", "wav")),
    "alaw": _Output(rates=(8000, 16000), containers=("none", "wav")),
    "mp3": _Output(rates=(22050,), bitrates=(32000, 48000)),
    # Written for requests whose container defaults to ogg; that of a session defaults to none.
    "opus": _Output(rates=(48000,), containers=("none", "ogg"), bitrates=(4000, 650000)),
    "flac": _Output(rates=(24000, 8000, 16000, 22050, 32000, 48000)),
    "aac": _Output(rates=(22050,), bitrates=(4000, 192000)),
}
OUTPUT_ENCODINGS: Final = frozenset(_AURA)
"""What the agent's audio can be, though not with every voice."""


def output_rate_hz(output: AudioOutput | None) -> int:
    """Return the sampling rate of the agent's audio, whether said or implied."""
    if output is None:
        return _FLUX["linear16"].rates[0]
    if output.sample_rate is not None:
        return output.sample_rate
    row = _AURA.get(output.encoding or "linear16")
    return _FLUX["linear16"].rates[0] if row is None else row.rates[0]


def check_input(given: AudioInput, path: str) -> None:
    """Check the format of caller audio.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    if given.encoding is None:
        raise refuse_shape(f"{path}.encoding", "is missing")
    if given.sample_rate is None:
        raise refuse_shape(f"{path}.sample_rate", "is missing")
    if given.encoding not in INPUT_ENCODINGS:
        raise refuse_value(
            f"{path}.encoding",
            f"got {clip(given.encoding)}, expected one of {', '.join(sorted(INPUT_ENCODINGS))}",
        )
    fixed = _FIXED_INPUT_RATES.get(given.encoding)
    if fixed is not None and given.sample_rate != fixed:
        raise refuse_value(f"{path}.sample_rate", f"got {clip(given.sample_rate)}, expected {fixed}")
    if given.sample_rate < 1:
        raise refuse_value(f"{path}.sample_rate", f"got {clip(given.sample_rate)}, expected 1 or more")


def check_output(given: AudioOutput, voices: tuple[SpeakProvider, ...], path: str) -> None:
    """Check the format of the agent's audio against each voice that may have to produce it.

    Args:
        given: The format.
        voices: The voices; none stands for the default, a Flux voice.
        path: Where in the message ``given`` is.

    Raises:
        RemoteWireError: With the path of the field, and what a server answers.
    """
    encoding = given.encoding or "linear16"
    if encoding not in OUTPUT_ENCODINGS:
        raise refuse_value(
            f"{path}.encoding", f"got {clip(encoding)}, expected one of {', '.join(sorted(OUTPUT_ENCODINGS))}"
        )
    if not voices:
        _check_row(given, encoding, _FLUX, "a Flux voice", path)
    for voice in voices:
        # There is no table of what other voices are converted to.
        if voice.type == "deepgram" and voice.version == "v2":
            _check_row(given, encoding, _FLUX, "a Flux voice", path)
        elif voice.type == "deepgram" and voice.version in {None, "v1"}:
            _check_row(given, encoding, _AURA, "an Aura voice", path)


def _check_row(given: AudioOutput, encoding: str, table: Mapping[str, _Output], who: str, path: str) -> None:
    row = table.get(encoding)
    if row is None:
        raise refuse_value(
            f"{path}.encoding",
            f"got {clip(encoding)}, expected one of {', '.join(sorted(table))} from {who}",
        )
    if given.sample_rate is not None and given.sample_rate not in row.rates:
        rates = ", ".join(map(str, sorted(row.rates)))
        raise refuse_value(
            f"{path}.sample_rate",
            f"got {clip(given.sample_rate)}, expected one of {rates} with {encoding} from {who}",
        )
    if given.container is not None and given.container not in row.containers:
        raise refuse_value(
            f"{path}.container",
            f"got {clip(given.container)}, expected {' or '.join(row.containers)} with {encoding} from {who}",
        )
    if given.bitrate is None:
        return
    if row.bitrates is None:
        raise refuse_value(f"{path}.bitrate", f"is given, which {encoding} from {who} does not have")
    low, high = row.bitrates
    if not low <= given.bitrate <= high:
        raise refuse_value(f"{path}.bitrate", f"got {clip(given.bitrate)}, expected {low} to {high}")
