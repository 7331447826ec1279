# pyright: reportUnknownMemberType=false
"""Drawings of audio and of what is done to it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from callboard.media import Samples

from ._audio_measures import PlayoutRun, power_by_time
from ._plot import BLUE, GREEN, ORANGE, PURPLE, RED, Plot, new_plot

INKS = (BLUE, ORANGE, GREEN, PURPLE, RED)


def curves(
    at: Sequence[float] | npt.NDArray[Any],
    values: Mapping[str, Sequence[float] | npt.NDArray[Any]],
    *,
    x: str,
    y: str,
    title: str = "",
    marks: Mapping[str, float] | None = None,
) -> Plot:
    """Some curves over one axis.

    Args:
        at: Where, for all curves.
        values: The curves by their names.
        x: What `at` is, with its unit.
        y: What the values are, with their unit.
        title: Of the drawing.
        marks: Places on the axis to be pointed out, by their names.
    """
    plot, (axes,) = new_plot(height=3.4)
    for (name, curve), ink in zip(values.items(), INKS * len(values), strict=False):
        axes.plot(at, curve, label=name, color=ink, linewidth=1.6)
    for name, place in (marks or {}).items():
        axes.axvline(place, color="#777777", linestyle=":", linewidth=1.2)
        axes.annotate(
            f" {name}",
            (place, 0.98),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color="#555555",
            va="top",
        )
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(alpha=0.25)
    if len(values) > 1:
        axes.legend(fontsize=8, framealpha=0.85)
    return plot


def spectrogram(samples: Samples, rate_hz: int, *, start: float = 0.0, title: str = "") -> Plot:
    """The spectrum of samples over time.

    Args:
        samples: int16 (n,).
        rate_hz: Their rate.
        start: The time of the first one, float seconds.
        title: Of the drawing.
    """
    plot, (axes,) = new_plot(height=3.0)
    at, frequencies, power = power_by_time(samples, rate_hz)
    # A picture has no more points than this one is wide.
    step = max(1, len(at) // 500)
    shown = axes.pcolormesh(
        at[::step] + start,
        frequencies / 1000,
        power[:, ::step],
        vmin=-90,
        vmax=-10,
        cmap="magma",
        rasterized=True,
    )
    axes.set_xlabel("seconds")
    axes.set_ylabel("kHz")
    axes.set_title(title, fontsize=10, loc="left")
    plot.figure.colorbar(shown, ax=axes, label="dB below a full-scale sine")
    return plot


def playout_figure(run: PlayoutRun, *, title: str = "") -> Plot:
    """How audio arrived, was sent and was played; see `play_out`."""
    plot, (axes,) = new_plot(height=3.4)
    axes.step(run.at, run.arrived, where="post", color=BLUE, linewidth=1.6, label="arrived from the provider")
    axes.step(run.at, run.sent, where="post", color=GREEN, linewidth=1.6, label="sent to the carrier")
    axes.plot(run.at, run.played, color=ORANGE, linewidth=1.6, label="played at the caller")
    axes.set_xlabel("seconds")
    axes.set_ylabel("seconds of audio")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, framealpha=0.85)
    return plot
