"""The tree of actors in a notebook: a picture that stays up to date, with what fell lately below it."""

from collections.abc import Callable, Sequence
from html import escape

import attrs

from callboard.actors import ActorState, TreeNode

from ._happenings import Crash
from ._html import NOTE, cut
from ._show import show_html

COLOURS = {
    ActorState.STARTING: "#c98a00",
    ActorState.RUNNING: "#2e9e4f",
    ActorState.STOPPING: "#c98a00",
    ActorState.WAITING: "#d1495b",
    ActorState.ENDED: "#888888",
}
# So many actors that fell are shown.
FELL = 8


@attrs.frozen(kw_only=True)
class TreeSnapshot:
    """The tree at one moment."""

    at: float
    """Since the lab began, float seconds."""
    root: TreeNode
    fell: tuple[Crash, ...] = ()
    """Actors that were killed or crashed, the latest last."""

    def html(self, note: str = "") -> str:
        """The tree as HTML."""
        rows = list(_rows(self.root, ""))
        lines = ['<div style="font-family:monospace;font-size:13px;line-height:1.35">']
        lines.append('<table style="border-collapse:collapse;font-family:monospace">')
        for lead, node in rows:
            colour = COLOURS[node.state]
            cells = [
                f'{lead}<span style="color:{colour}">&#9679;</span> {escape(node.name)}',
                escape(node.state.value),
                f"{node.time_in_state:.1f} s",
                f"{node.mailbox.depth}/{node.mailbox.capacity}",
                f"restarts {node.restarts}" if node.restarts else "",
                escape(cut(str(node.last_exit), 100)) if node.last_exit is not None else "",
            ]
            style = "text-align:left;padding:0 14px 0 0;white-space:pre"
            lines.append("<tr>" + "".join(f'<td style="{style}">{cell}</td>' for cell in cells) + "</tr>")
        lines.append("</table>")
        for crash in self.fell[-FELL:]:
            what = "for good" if crash.final else "and was restarted"
            lines.append(
                f'<div style="color:{COLOURS[ActorState.WAITING]}">{crash.at:.1f} s: {escape(crash.path)} '
                f"{escape(cut(str(crash.exit), 160))}, {what}</div>"
            )
        lines.append(f'<div style="{NOTE}">at {self.at:.1f} s{escape(note)}</div></div>')
        return "\n".join(lines)

    def __str__(self) -> str:
        text = [self.root.render()]
        for crash in self.fell[-FELL:]:
            what = "for good" if crash.final else "and was restarted"
            text.append(f"{crash.at:.1f} s: {crash.path} {crash.exit}, {what}")
        return "\n".join(text)


class TreeView:
    """What `tree` gives: shown in a notebook, it is kept up to date until the next one is shown.

    Args:
        take: Takes a snapshot.
        keep: Called with a function to be called from time to time with each new snapshot; None for a still picture.
    """

    def __init__(
        self,
        take: Callable[[], TreeSnapshot],
        keep: "Callable[[Callable[[TreeSnapshot, str], None]], None] | None",
    ) -> None:
        self._keep = keep
        self.snapshot = take()
        """As it was when `tree` was called."""

    def find(self, path: str) -> TreeNode | None:
        """The actor at a path in the snapshot, or None."""
        return next((node for node in self.snapshot.root.walk() if node.path == path), None)

    def paths(self, part: str = "") -> Sequence[str]:
        """The paths in the snapshot that have this in them, parents first."""
        return [node.path for node in self.snapshot.root.walk() if part in node.path]

    def _ipython_display_(self) -> None:
        if self._keep is None:
            show_html(self.snapshot.html())
            return
        update = show_html(self.snapshot.html(", live"))
        self._keep(lambda snapshot, note: update(snapshot.html(note)))

    def __str__(self) -> str:
        return str(self.snapshot)

    def __repr__(self) -> str:
        return str(self.snapshot)


def _rows(node: TreeNode, indent: str) -> "list[tuple[str, TreeNode]]":
    rows = [("", node)] if not indent else []
    for number, child in enumerate(node.children, 1):
        last = number == len(node.children)
        rows.append((indent + ("└─ " if last else "├─ "), child))
        rows += _rows(child, indent + ("   " if last else "│  ")) if child.children else []
    return rows
