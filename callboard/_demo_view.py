"""What the demo shows: with rich in a terminal, as plain lines elsewhere."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from callboard.actors import Speaker, TranscriptLine

if TYPE_CHECKING:
    from rich.console import Console

NAMES = {Speaker.CALLER: "caller", Speaker.AGENT: "agent", Speaker.TOOL: "tool"}
STYLES = {Speaker.CALLER: "bold cyan", Speaker.AGENT: "bold green", Speaker.TOOL: "dim"}


class View(Protocol):
    """Shows the progress and the result of a demo."""

    def status(self, text: str) -> None:
        """One line about what is going on."""

    def line(self, line: TranscriptLine) -> None:
        """A line of the transcript, or the newest state of one that is not final."""

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """A table of figures: name, value, what it is."""

    def files(self, folder: Path, names: Sequence[str]) -> None:
        """The files that were left."""


class PlainView:
    """Plain lines, for pipes and for installations without rich."""

    def status(self, text: str) -> None:
        """See `View`."""
        print(f"[{text}]", flush=True)

    def line(self, line: TranscriptLine) -> None:
        """See `View`."""
        if line.final:
            print(f"{NAMES[line.speaker]:>8}: {line.text}{' --' if line.interrupted else ''}", flush=True)

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """See `View`."""
        print(f"\n{title}")
        for name, value, note in rows:
            print(f"  {name:<12} {value:>9}  {note}")

    def files(self, folder: Path, names: Sequence[str]) -> None:
        """See `View`."""
        print()
        for name in names:
            if (folder / name).exists():
                print(f"  {folder / name}")


class RichView:
    """A terminal: the transcript grows line by line, the line that is being said in place."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._partial = False

    def status(self, text: str) -> None:
        """See `View`."""
        self._console.print(f"[dim]{text}[/dim]", highlight=False)

    def line(self, line: TranscriptLine) -> None:
        """See `View`."""
        from rich.text import Text

        text = Text(f"{NAMES[line.speaker]:>8}  ", style=STYLES[line.speaker])
        text.append(line.text, style="dim" if line.speaker is Speaker.TOOL or not line.final else "default")
        if line.interrupted:
            text.append(" -- interrupted", style="yellow")
        if not line.final:
            # The line is rewritten until it is final, so it must not wrap.
            text.truncate(self._console.width - 1, overflow="ellipsis")
        self._clear_partial()
        self._console.print(text, end="" if not line.final else "\n")
        self._partial = not line.final

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """See `View`."""
        from rich.table import Table

        self._clear_partial()
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2))
        table.add_column("", style="bold")
        table.add_column("", justify="right")
        table.add_column("", style="dim")
        for row in rows:
            table.add_row(*row)
        self._console.print()
        self._console.print(table)

    def files(self, folder: Path, names: Sequence[str]) -> None:
        """See `View`."""
        self._console.print()
        for name in names:
            if (folder / name).exists():
                self._console.print(f"  {folder / name}", highlight=False)

    def _clear_partial(self) -> None:
        if self._partial:
            self._console.file.write("\r\x1b[2K")
            self._partial = False


def make_view(*, plain: bool) -> View:
    """The view for this terminal."""
    if plain or not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        return PlainView()
    from rich.console import Console

    return RichView(Console())
