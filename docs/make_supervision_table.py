"""Writes `docs/supervision.md` from the child specifications themselves; `--check` only compares."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callboard.actors import ChildSpec, Supervisor, call_tree

TARGET = Path(__file__).with_name("supervision.md")

HEAD = """# Supervision of a call

Made by `docs/make_supervision_table.py` from the child specifications, so it cannot be out of date.

A *permanent* child is restarted whenever it ends, a *transient* one when it crashed or was killed, a *temporary*
one never. The end of a *significant* child ends its supervisor. Intensity is how many restarts are fine within so
many seconds; one more and the supervisor itself fails, and its own supervisor decides. Children start from top to
bottom and stop from bottom to top.

| actor | restart | significant | strategy | intensity | what it is |
|---|---|---|---|---|---|
"""


def rows(spec: ChildSpec[Any, Any], depth: int = 0) -> Iterator[str]:
    """One row for a child and each child below it."""
    strategy = intensity = ""
    children: tuple[ChildSpec[Any, Any], ...] = ()
    if isinstance(spec.run, Supervisor):
        inner = spec.run.spec
        strategy = inner.strategy.value
        intensity = f"{inner.intensity.restarts} in {inner.intensity.period:g} s"
        children = inner.children
    indent = "&emsp;" * depth
    yes = "yes" if spec.significant else ""
    yield f"| {indent}{spec.name} | {spec.restart.value} | {yes} | {strategy} | {intensity} | {spec.doc} |\n"
    for child in children:
        yield from rows(child, depth + 1)


def main() -> int:
    """Write the page, or compare it."""
    page = HEAD + "".join(rows(call_tree()))
    if "--check" in sys.argv:
        return 0 if TARGET.read_text(encoding="utf-8") == page else 1
    TARGET.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
