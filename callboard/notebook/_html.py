"""Small pieces of HTML that look right in a light and in a dark notebook."""

from collections.abc import Sequence
from html import escape

CELL = "text-align:left;padding:1px 10px 1px 0;white-space:pre-wrap;vertical-align:top"
NUMBER = "text-align:right;padding:1px 10px 1px 0;font-variant-numeric:tabular-nums;vertical-align:top"
NOTE = "opacity:0.65;font-size:90%"
# A text longer than this is cut in a table.
MAX_CELL = 240


def is_number(text: str) -> bool:
    """Whether a cell is set to the right."""
    return bool(text) and text.replace(".", "", 1).replace("-", "", 1).isdigit()


def cut(text: str, length: int = MAX_CELL) -> str:
    """A text of at most this length."""
    return text if len(text) <= length else text[: length - 3] + "..."


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", note: str = "") -> str:
    """A table; the texts are escaped here."""
    lines: list[str] = []
    if title:
        lines.append(f"<div><b>{escape(title)}</b></div>")
    lines.append('<table style="border-collapse:collapse">')
    if any(head):
        cells = "".join(f'<th style="{CELL}">{escape(text)}</th>' for text in head)
        lines.append(f"<tr>{cells}</tr>")
    for row in rows:
        cells = "".join(
            f'<td style="{NUMBER if is_number(text) else CELL}">{escape(cut(text))}</td>' for text in row
        )
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</table>")
    if note:
        lines.append(f'<div style="{NOTE}">{escape(note)}</div>')
    return "\n".join(lines)
