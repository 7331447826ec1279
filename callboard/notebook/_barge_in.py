# pyright: reportUnknownMemberType=false
"""The anatomy of an interruption: what happened between the caller's first sound and the agent's silence."""

import math

import attrs
import numpy as np

from callboard.actors.emulators import PlayoutKind

from ._html import table
from ._plot import BLUE, GREEN, ORANGE, PURPLE, RED, Plot, new_plot
from ._view import RATE_HZ, CallView, LedgerSample

# What belongs to one interruption happens within so many seconds of the caller's first sound.
WITHIN = 3.0
# A detector may notice a word by its soft beginning, before what counts as audible here, float seconds.
SOFT = 0.1


@attrs.frozen(kw_only=True)
class BargeIn:
    """One interruption. Times are float seconds since the call's audio began; None where it did not happen."""

    spoke_at: float
    """The caller's first audible sample."""
    noticed_at: float | None
    """The provider's word that the caller speaks arrived."""
    cleared_at: float | None
    """Nothing more was sent, and the carrier was told to drop what it has."""
    emptied_at: float | None
    """The carrier had dropped it."""
    silent_at: float
    """The agent's last audible sample at the caller."""
    ledger: LedgerSample | None
    """The account of the answer at the time of the clear."""
    heard: str
    """What the transcript has of the answer: what was heard of it."""
    view: CallView = attrs.field(repr=False)

    @property
    def silenced(self) -> float:
        """From the caller's first sound to the agent's last, float seconds."""
        return self.silent_at - self.spoke_at

    def rows(self) -> list[tuple[str, str, str]]:
        """Milliseconds since the caller's first sound, what happened, and since the step before."""
        steps = (
            (self.spoke_at, "the caller's first audible sample"),
            (self.noticed_at, "the provider says that the caller speaks"),
            (self.cleared_at, "queues dropped, clear sent to the carrier"),
            (self.emptied_at, "the carrier has dropped what it had"),
            (self.silent_at, "the agent's last audible sample"),
        )
        rows: list[tuple[str, str, str]] = []
        before = self.spoke_at
        for at, text in sorted((at, text) for at, text in steps if at is not None):
            rows.append((f"{(at - self.spoke_at) * 1000:.1f}", f"{(at - before) * 1000:.1f}", text))
            before = at
        return rows

    def plot(self, *, before: float = 0.6, after: float = 0.5) -> Plot:
        """Both waveforms around the interruption, with its steps.

        Args:
            before: How much to show before the caller's first sound, float seconds.
            after: And behind the last step.
        """
        plot, parts = new_plot(2, height=4.2, sharex=True, sharey=True)
        start, end = self.spoke_at - before, self.silent_at + after
        samples = self.view.samples()[max(0, round(start * RATE_HZ)) : round(end * RATE_HZ)] / 32768.0
        at = (np.arange(len(samples)) / RATE_HZ + max(0.0, start) - self.spoke_at) * 1000
        steps = (
            (self.spoke_at, "caller speaks", BLUE, "-"),
            (self.noticed_at, "provider noticed", PURPLE, "--"),
            (self.cleared_at, "clear sent", RED, "-"),
            (self.emptied_at, "carrier emptied", GREEN, ":"),
            (self.silent_at, "agent silent", ORANGE, "--"),
        )
        for axes, side, channel, colour in zip(
            parts, ("caller", "agent"), (0, 1), (BLUE, ORANGE), strict=True
        ):
            axes.plot(at, samples[:, channel], color=colour, linewidth=0.5, alpha=0.8)
            axes.set_ylabel(f"{side}\n(full scale = 1)", fontsize=9)
            for when, text, ink, style in steps:
                if when is not None:
                    axes.axvline(
                        (when - self.spoke_at) * 1000, color=ink, linestyle=style, linewidth=1.4, label=text
                    )
        parts[0].set_xlim((start - self.spoke_at) * 1000, (end - self.spoke_at) * 1000)
        parts[1].set_xlabel("milliseconds since the caller's first sound")
        parts[0].legend(fontsize=8, loc="upper left", ncols=5, bbox_to_anchor=(0, 1.28), frameon=False)
        return plot

    def _repr_html_(self) -> str:
        note = f"the transcript keeps {self.heard!r}" if self.heard else ""
        if self.ledger is not None:
            account = self.ledger
            note = (
                f"of the answer {account.queued:.2f} s had been received, {account.sent:.2f} s sent, "
                f"{account.likely:.2f} s likely heard, {account.confirmed:.2f} s confirmed by marks; {note}"
            )
        return table(("ms", "step", ""), self.rows(), note=note)


def barge_ins(view: CallView) -> tuple[BargeIn, ...]:
    """The interruptions of a call; see `CallView.barge_ins`."""
    found: list[BargeIn] = []
    agent = view.speech("agent")
    for said in view.speech("caller"):
        cut = next((span for span in agent if span.start < said.start < span.end), None)
        if cut is None:
            continue
        until = said.start + WITHIN
        clears = view.events.where("clear", after=said.start - SOFT, before=until)
        if not clears:
            continue
        cleared = clears[0].at
        noticed = view.events.where("UserStartedSpeaking", after=said.start - SOFT, before=until)
        emptied = [
            entry.at
            for entry in view.result.log
            if entry.kind is PlayoutKind.CLEAR and cleared - 0.01 <= entry.at < until
        ]
        samples = [sample for sample in view.ledger if sample.at <= cleared]
        lines = [line for line in view.lines if line.interrupted and line.at <= said.start]
        found.append(
            BargeIn(
                spoke_at=said.start,
                noticed_at=noticed[0].at if noticed else None,
                cleared_at=cleared,
                emptied_at=min(emptied, default=math.nan) if emptied else None,
                silent_at=cut.end,
                ledger=samples[-1] if samples else None,
                heard=lines[-1].text if lines else "",
                view=view,
            )
        )
    return tuple(found)
