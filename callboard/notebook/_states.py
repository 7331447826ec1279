# pyright: reportUnknownMemberType=false
"""The state tables of the wires, as they run, drawn and listed."""

import enum
import math
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from callboard.protocols.deepgram import _states as deepgram_states
from callboard.protocols.grok import _states as grok_states

from ._html import table
from ._plot import BLUE, GREY, ORANGE, Plot, new_plot
from ._traces import Wire

# Names of one move that are written out.
NAMES = 3
BEND = 0.16
ENDS = frozenset({"ended", "closed"})


@attrs.frozen(kw_only=True)
class Move:
    """A way from one state to another."""

    number: int
    """In the drawing."""
    before: str
    after: str
    sent: tuple[str, ...]
    """Messages that, sent by this side, take it."""
    received: tuple[str, ...]
    """Messages that, received by this side, take it."""

    @property
    def text(self) -> str:
        """The messages, the first few by name."""
        names = [*(f"sends {name}" for name in self.sent), *(f"gets {name}" for name in self.received)]
        more = len(names) - NAMES
        return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")


class StateTable:
    """The table that one side of a wire goes by.

    Args:
        name: Of the wire and the side.
        table: State to trigger to next state.
        initial: The first state.
    """

    def __init__(self, name: str, table: Mapping[Any, Mapping[Any, Any]], initial: enum.Enum) -> None:
        self.name = name
        self.initial = str(initial.value)
        self.states = tuple(str(state.value) for state in table)
        found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        self.stays: dict[str, int] = {}
        """How many messages leave a state as it is, by state."""
        for before, triggers in table.items():
            for (direction, kind), after in triggers.items():
                if before is after:
                    self.stays[str(before.value)] = self.stays.get(str(before.value), 0) + 1
                    continue
                sent, received = found.setdefault((str(before.value), str(after.value)), ([], []))
                (sent if direction.value == "send" else received).append(kind.__name__)
        self.moves = tuple(
            Move(number=number, before=before, after=after, sent=tuple(sent), received=tuple(received))
            for number, ((before, after), (sent, received)) in enumerate(found.items(), 1)
        )

    def draw(self, passed: Mapping[tuple[str, str], int] | None = None, *, closing: bool = False) -> Plot:
        """The states and the ways between them; the messages of each way are beside it, by its number.

        Args:
            passed: How often ways were taken, by the names of both states (`Replay.passed`); those are pointed out.
            closing: Also draw the ways to the end, which are there from almost everywhere: errors that end a session,
                and the closing of the socket.
        """
        from matplotlib.patches import FancyArrowPatch

        passed = passed or {}
        moves = [move for move in self.moves if closing or move.after not in ENDS]
        states = [state for state in self.states if closing or state not in ENDS]
        plot, (axes, legend) = new_plot(1, 2, height=4.6, width=11.0, width_ratios=(1.0, 1.05))
        n = len(states)
        place = {
            state: (math.cos(math.pi * (0.5 - 2 * k / n)) * 1.25, math.sin(math.pi * (0.5 - 2 * k / n)))
            for k, state in enumerate(states)
        }
        for number, move in enumerate(moves, 1):
            (x1, y1), (x2, y2) = place[move.before], place[move.after]
            taken = passed.get((move.before, move.after), 0)
            ink = ORANGE if taken else GREY
            axes.add_patch(
                FancyArrowPatch(
                    (x1, y1),
                    (x2, y2),
                    connectionstyle=f"arc3,rad={BEND}",
                    arrowstyle="-|>",
                    mutation_scale=12,
                    shrinkA=24,
                    shrinkB=24,
                    color=ink,
                    linewidth=2.2 if taken else 1.0,
                )
            )
            # Where the arc is in its middle.
            at = ((x1 + x2) / 2 + BEND / 2 * (y2 - y1), (y1 + y2) / 2 - BEND / 2 * (x2 - x1))
            axes.text(
                *at,
                str(number),
                fontsize=8,
                ha="center",
                va="center",
                bbox={"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": ink, "linewidth": 0.8},
            )
        for state, (x, y) in place.items():
            axes.text(
                x,
                y,
                state.replace(" ", "\n"),
                fontsize=9,
                ha="center",
                va="center",
                bbox={
                    "boxstyle": "round,pad=0.4",
                    "facecolor": "#E8F1F8",
                    "edgecolor": BLUE,
                    "linewidth": 2.4 if state == self.initial else 1.0,
                },
            )
        axes.set_xlim(-1.7, 1.7)
        axes.set_ylim(-1.3, 1.3)
        axes.set_aspect("equal")
        note = "" if closing else ", without the ways to the end"
        axes.set_title(self.name + note, fontsize=10, loc="left")
        for each in (axes, legend):
            each.axis("off")
        step = min(0.075, 1.0 / max(len(moves), 1))
        for row, move in enumerate(moves):
            taken = passed.get((move.before, move.after), 0)
            text = f"{row + 1:2d}  {move.before} → {move.after}:  {move.text}"
            legend.text(
                0.0,
                1.0 - row * step,
                (text if len(text) <= 88 else text[:85] + "...") + (f"  (taken {taken})" if taken else ""),
                fontsize=7.6,
                va="top",
                transform=legend.transAxes,
                weight="bold" if taken else "normal",
            )
        return plot

    def _repr_html_(self) -> str:
        rows = [(str(move.number), move.before, move.after, move.text) for move in self.moves]
        return table(("", "from", "to", "when it"), rows, title=self.name)

    def __repr__(self) -> str:
        return f"<StateTable {self.name}: {len(self.states)} states, {len(self.moves)} moves>"


def state_table(wire: Wire, side: Literal["client", "server"] = "client") -> StateTable:
    """The table that decides which message may come when.

    Args:
        wire: `grok` or `deepgram`.
        side: The client's or the server's.
    """
    if wire == "grok":
        if side == "client":
            return StateTable("Grok, client", grok_states.CLIENT_TABLE, grok_states.ClientState.CONNECTING)
        return StateTable("Grok, server", grok_states.SERVER_TABLE, grok_states.ServerState.OPENED)
    first = deepgram_states.State.AWAIT_WELCOME
    if side == "client":
        return StateTable("Deepgram, client", deepgram_states.CLIENT_TABLE, first)
    return StateTable("Deepgram, server", deepgram_states.SERVER_TABLE, first)
