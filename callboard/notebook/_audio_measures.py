"""What audio code does to audio, measured from outside."""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import attrs
import numpy as np
import numpy.typing as npt

from callboard.media import (
    ULAW_8K,
    AudioFrame,
    PlayoutBuffer,
    PlayoutStatistics,
    Samples,
    alaw_decode,
    alaw_encode,
    ulaw_decode,
    ulaw_encode,
)

Floats = npt.NDArray[np.float64]

FULL = 32768.0
# Left out at both ends of a measurement, part of its length: filters have to fill and empty.
EDGE = 0.2
TICK = 0.02


def codec_snr(
    levels_dbfs: Sequence[float], law: Literal["ulaw", "alaw"] = "ulaw", *, seed: int = 0
) -> Floats:
    """The signal-to-noise ratio of G.711 for noise of several levels.

    Args:
        levels_dbfs: RMS of the noise, dB below full scale.
        law: `ulaw` or `alaw`.
        seed: Of the noise.

    Returns:
        Decibels, float64 (n,).
    """
    encode, decode = (ulaw_encode, ulaw_decode) if law == "ulaw" else (alaw_encode, alaw_decode)
    rng = np.random.default_rng(seed)
    ratios: list[float] = []
    for level in levels_dbfs:
        exact = rng.standard_normal(40_000) * FULL * 10 ** (level / 20)
        samples = np.clip(np.round(exact), -32768, 32767).astype(np.int16)
        error = decode(encode(samples)).astype(np.float64) - samples
        ratios.append(
            10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / max(float(np.mean(error**2)), 1e-9))
        )
    return np.array(ratios)


def gain_by_frequency(
    convert: Callable[[Samples], Samples],
    from_hz: int,
    frequencies: Sequence[float],
    *,
    amplitude: float = 0.5,
) -> Floats:
    """What becomes of a tone, by its frequency: for a tone that the target rate cannot carry, how much of it is left as
    an alias.

    Args:
        convert: From int16 (n,) at `from_hz` to int16 at another rate; called once for each tone.
        from_hz: The rate of the tones.
        frequencies: Hz.
        amplitude: Of the tones, full scale is 1.

    Returns:
        Output level over input level in decibels, float64 (n,).
    """
    seconds = 0.5
    at = np.arange(round(seconds * from_hz)) / from_hz
    gains: list[float] = []
    for frequency in frequencies:
        tone = np.round(amplitude * 32767 * np.sin(2 * np.pi * frequency * at)).astype(np.int16)
        out = convert(tone).astype(np.float64)
        edge = round(EDGE * len(out))
        level = np.sqrt(np.mean(out[edge : len(out) - edge] ** 2))
        gains.append(20 * np.log10(max(float(level), 1e-2) / (amplitude * 32767 / np.sqrt(2))))
    return np.array(gains)


@attrs.frozen(kw_only=True)
class PlayoutRun:
    """What a playout buffer did with audio that came at certain times. Float seconds."""

    at: Floats = attrs.field(eq=False)
    """Times, one for each 20 ms."""
    arrived: Floats = attrs.field(eq=False)
    """Audio that had come by then."""
    sent: Floats = attrs.field(eq=False)
    """Audio that had been handed to the carrier by then."""
    played: Floats = attrs.field(eq=False)
    """Audio that the far side had played by then."""
    statistics: PlayoutStatistics


def play_out(
    arrivals: Sequence[tuple[float, float]], *, lead: float = 0.12, chunk: float = 0.06
) -> PlayoutRun:
    """Have audio that arrives in pieces played out, as a leg does.

    Args:
        arrivals: For each piece when it arrives and how long it is, float seconds, in order.
        lead: How far ahead of the far side audio is sent, float seconds.
        chunk: The longest piece that is sent, float seconds.
    """
    buffer = PlayoutBuffer(ULAW_8K, lead=lead, chunk=chunk, limit=600.0, started_at=0.0)
    rate = ULAW_8K.rate_hz
    waiting = list(arrivals)
    spans: list[tuple[int, int]] = []
    arrived = sent = 0
    position = 0
    rows: list[tuple[float, float, float, float]] = []
    now = 0.0
    end = max((at for at, _ in arrivals), default=0.0) + sum(length for _, length in arrivals) + lead
    while now <= end:
        while waiting and waiting[0][0] <= now + 1e-9:
            at, length = waiting.pop(0)
            n = round(length * rate)
            frame = AudioFrame(payload=b"\x80" * n, format=ULAW_8K, position=position)
            position += n
            arrived += n
            buffer.put(frame, max(at, now - TICK))
        for piece in buffer.due(now):
            sent += piece.n_samples
            spans.append((piece.start, piece.n_samples))
        here = now * rate
        played = sum(min(max(here - start, 0), n) for start, n in spans)
        rows.append((now, arrived / rate, sent / rate, played / rate))
        if not waiting and played >= sent and buffer.empty:
            break
        now = round(now + TICK, 6)
    columns = np.array(rows).T
    return PlayoutRun(
        at=columns[0], arrived=columns[1], sent=columns[2], played=columns[3], statistics=buffer.statistics()
    )


def power_by_time(samples: Samples, rate_hz: int, *, width: int = 256) -> tuple[Floats, Floats, Floats]:
    """The spectrum of samples over time.

    Args:
        samples: int16 (n,).
        rate_hz: Their rate.
        width: Samples of one spectrum; half of them belong to the next one, too.

    Returns:
        Times (k,) in seconds, frequencies (width / 2 + 1,) in Hz, and power in dB below a full-scale sine, (f, k).
    """
    hop = width // 2
    padded = np.concatenate((samples.astype(np.float64) / FULL, np.zeros(width)))
    n = max(1, (len(padded) - width) // hop + 1)
    window = np.hanning(width)
    frames = np.stack([padded[k * hop : k * hop + width] * window for k in range(n)])
    spectrum = np.abs(np.fft.rfft(frames, axis=1)).T / (window.sum() / 2)
    power = cast(Floats, 20 * np.log10(np.maximum(spectrum, 1e-6)))
    return (np.arange(n) * hop + hop) / rate_hz, np.linspace(0, rate_hz / 2, width // 2 + 1), power
