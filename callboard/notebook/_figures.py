# pyright: reportUnknownMemberType=false
"""Drawings of a call: who spoke when, the audio, the ledger."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from ._plot import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, Plot, new_plot
from ._view import RATE_HZ, CallView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# About so many characters of the smallest text fit the width of a drawing.
CHARACTERS = 150
# Points of a waveform.
BINS = 1900


def timeline(view: CallView, *, start: float = 0.0, end: float | None = None) -> Plot:
    """Who spoke when, what the provider and the tools did, and what fell; see `CallView.timeline`."""
    last = view.duration if end is None else end
    plot, (axes,) = new_plot(height=3.4)
    rows = ("caller speaks", "agent is heard", "answer is made", "tool runs", "session", "actors")
    span = max(last - start, 1e-3)
    _bars(axes, 0, [(each.start, each.end, "") for each in view.speech("caller")], BLUE)
    _bars(axes, 1, [(each.start, each.end, "") for each in view.speech("agent")], ORANGE)
    _bars(axes, 2, list(_pairs(view, "TurnStarted", "TurnDone")), PURPLE)
    _bars(axes, 3, list(_pairs(view, "ToolCalled", "ToolFinished")), GREEN)
    _bars(axes, 4, list(_sessions(view)), GREY)
    for line in view.lines:
        if line.who in {"caller", "agent"} and start <= line.at < last:
            row = 0 if line.who == "caller" else 1
            room = min(
                [other.at for other in view.lines if other.who == line.who and other.at > line.at] or [last]
            )
            length = max(6, int((min(room, last) - line.at) / span * CHARACTERS))
            text = line.text if len(line.text) <= length else line.text[: length - 3] + "..."
            axes.text(max(line.at, start), row - 0.34, text, fontsize=7.5, va="bottom", clip_on=True)
    _mark_actors(axes, view, 5)
    for event in view.events.where("clear"):
        axes.plot([event.at] * 2, [0.6, 1.4], color=RED, linewidth=1.5, label="clear sent")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_xlim(start, last)
    axes.set_xlabel("seconds since the call's audio began")
    axes.grid(axis="x", alpha=0.25)
    _legend(axes)
    return plot


def waveform(view: CallView, *, start: float = 0.0, end: float | None = None) -> Plot:
    """The audio of both sides; see `CallView.waveform`."""
    last = view.duration if end is None else end
    plot, parts = new_plot(2, height=3.4, sharex=True, sharey=True)
    samples = view.samples()[round(start * RATE_HZ) : round(last * RATE_HZ)]
    for axes, side, channel, colour in zip(parts, ("caller", "agent"), (0, 1), (BLUE, ORANGE), strict=True):
        low, high = _envelope(samples[:, channel] / 32768.0)
        at = start + np.arange(len(low)) * (last - start) / max(len(low), 1)
        axes.fill_between(at, low, high, color=colour, linewidth=0.4, edgecolor=colour)
        axes.set_ylabel(f"{side}\n(full scale = 1)", fontsize=9)
        axes.grid(axis="x", alpha=0.25)
        for place, event in enumerate(view.events.where("kill", after=start, before=last)):
            axes.axvline(event.at, color=RED, linewidth=1.2)
            if channel == 0:
                name = event.path.removeprefix(f"{view.path}/").replace(view.call_id, "call")
                axes.annotate(
                    f"kill {name}",
                    # In two rows, for they may be close to one another.
                    (event.at, 1.02 + 0.12 * (place % 2)),
                    xycoords=("data", "axes fraction"),
                    fontsize=7.5,
                    color=RED,
                    ha="left" if event.at < start + 0.8 * (last - start) else "right",
                    va="bottom",
                )
    parts[0].set_xlim(start, last)
    peak = max(0.05, float(np.abs(samples).max(initial=0)) / 32768.0 * 1.1)
    parts[0].set_ylim(-peak, peak)
    parts[1].set_xlabel("seconds since the call's audio began")
    return plot


def ledger(view: CallView, *, start: float = 0.0, end: float | None = None) -> Plot:
    """How much of each answer was queued, sent, likely heard and confirmed; see `CallView.ledger_plot`."""
    last = view.duration if end is None else end
    plot, (axes,) = new_plot(height=3.8)
    generations = list(
        dict.fromkeys(sample.generation for sample in view.ledger if start <= sample.at <= last)
    )
    names = ("queued", "sent", "likely", "confirmed")
    told = (
        "queued: received from the provider",
        "sent to the carrier",
        "likely heard, by the clock",
        "confirmed heard, by marks",
    )
    for number, generation in enumerate(generations):
        own = [sample for sample in view.ledger if sample.generation == generation]
        at = [sample.at for sample in own]
        for name, text, colour in zip(names, told, (GREY, BLUE, ORANGE, GREEN), strict=True):
            values = [getattr(sample, name) for sample in own]
            axes.step(at, values, where="post", color=colour, linewidth=1.5, label="" if number else text)
    for event in view.events.where("clear", after=start, before=last):
        axes.axvline(event.at, color=RED, linewidth=1.2, label="clear sent: barge-in")
    axes.set_xlim(start, last)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the call's audio began")
    axes.set_ylabel("seconds of the answer's audio")
    axes.grid(alpha=0.25)
    _legend(axes, "upper left")
    return plot


def _bars(axes: "Axes", row: int, bars: list[tuple[float, float, str]], colour: str) -> None:
    axes.broken_barh(
        [(begin, max(end - begin, 0.01)) for begin, end, _ in bars],
        (row - 0.3, 0.6),
        color=colour,
        alpha=0.55,
        linewidth=0,
    )
    for begin, _, text in bars:
        if text and axes.get_xlim()[0] <= begin:
            axes.text(begin, row, f" {text}", fontsize=7.5, va="center", clip_on=True)


def _pairs(view: CallView, first: str, second: str) -> Iterator[tuple[float, float, str]]:
    """Stretches from an event to the next of another kind; one that does not end lasts to the end of the call."""
    begun: float | None = None
    text = ""
    for event in view.events.where(first, second):
        if event.kind == first:
            if begun is not None:
                yield begun, event.at, text
            begun = event.at
            text = event.text.partition("name=")[2].partition(" ")[0]
        elif begun is not None:
            yield begun, event.at, text
            begun = None
    if begun is not None:
        yield begun, view.duration, text


def _sessions(view: CallView) -> Iterator[tuple[float, float, str]]:
    begun: float | None = None
    name = ""
    for event in view.events.where("ProviderReady", "ProviderLost"):
        if event.kind == "ProviderReady":
            if begun is not None:
                # The one before ended without a word about it.
                yield begun, event.at, name
            begun, name = event.at, event.text.removeprefix("provider=").partition(" ")[0]
        elif begun is not None:
            yield begun, event.at, name
            begun = None
    if begun is not None:
        yield begun, view.duration, name


def _mark_actors(axes: "Axes", view: CallView, row: int) -> None:
    styles = (
        ("kill", "x", RED, "killed"),
        ("ActorRestarted", "^", GREEN, "restarted"),
    )
    for kind, marker, colour, label in styles:
        at = [event.at for event in view.events.where(kind)]
        if at:
            axes.scatter(at, [row] * len(at), marker=marker, color=colour, s=36, label=label, zorder=3)
    crashed = [event.at for event in view.events.where("ActorExited") if event.text.startswith("crashed")]
    if crashed:
        axes.scatter(crashed, [row] * len(crashed), marker="v", color=PURPLE, s=36, label="crashed", zorder=3)


def _legend(axes: "Axes", place: Literal["lower right", "upper left", "upper right"] = "lower right") -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if unique:
        axes.legend(list(unique.values()), list(unique), fontsize=8, loc=place, framealpha=0.85)


def _envelope(
    samples: "np.typing.NDArray[np.float64]",
) -> "tuple[np.typing.NDArray[np.float64], np.typing.NDArray[np.float64]]":
    """The least and the greatest sample of each stretch, so that no peak is lost."""
    if len(samples) <= 2 * BINS:
        return samples, samples
    width = -(-len(samples) // BINS)
    padded = np.concatenate((samples, np.zeros(-len(samples) % width)))
    cut = padded.reshape(-1, width)
    return cut.min(axis=1), cut.max(axis=1)
