# pyright: reportUnknownMemberType=false
"""A drawing that a notebook shows and that can be saved."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._players import need

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 96
COLOURS = 250
# Told apart in grey and by the colour-blind as well (Okabe and Ito, "Color universal design", 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#777777"


class Plot:
    """A drawing.

    Args:
        figure: Of matplotlib, to be changed as you like.
    """

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    @property
    def axes(self) -> "list[Axes]":
        """The parts of the drawing, from the top."""
        return list(self.figure.axes)

    def save(self, path: str | Path) -> Path:
        """Write the drawing to a file: `.png`, `.svg`, `.pdf`.

        Raises:
            OSError: It cannot be written.
        """
        path = Path(path)
        self.figure.savefig(path, dpi=DPI)
        return path

    def _repr_png_(self) -> bytes:
        from PIL import Image

        drawn, kept = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI)
        # A palette is enough for a drawing, and a third of the size: notebooks are kept with their outputs.
        Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
            kept, "png", optimize=True
        )
        return kept.getvalue()

    def __repr__(self) -> str:
        titles = [axes.get_title() or axes.get_ylabel() for axes in self.figure.axes]
        return f"<Plot: {', '.join(title for title in titles if title)}>"


def new_plot(
    rows: int = 1, columns: int = 1, *, width: float = 9.5, height: float = 3.2, **options: Any
) -> "tuple[Plot, list[Axes]]":
    """An empty drawing; it belongs to no global state, so any thread may draw.

    Args:
        rows: Parts, one below the other.
        columns: And beside one another.
        width: Inches.
        height: Inches.
        options: As for `Figure.subplots`.

    Raises:
        PackageMissing: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise need("matplotlib") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    axes: list[Axes] = [axes for row in grid for axes in row]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=9)
    return Plot(figure), axes
