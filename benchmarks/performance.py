"""The tables of docs/performance.md, from what the benchmarks left in build/bench.

    python benchmarks/performance.py                              # print them
    python benchmarks/performance.py --into docs/performance.md   # replace them in the page, and draw its plot

In the page each table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; one that was not measured stays as it
is.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import call_cost_report
import micro
import overload
import simulation
from budgets import budget_table
from plots import draw_call_cost
from results import FOLDER, Json, load, origin

Section = Callable[[Mapping[str, object]], str]
SECTIONS: dict[str, Section] = {
    "call_cost": call_cost_report.report,
    "call_cost_100": call_cost_report.report,
    "uplink_batch": call_cost_report.report,
    "capacity": call_cost_report.report,
    "overload": overload.report,
    "micro": micro.report,
    "simulation": simulation.report,
}


class PageError(Exception):
    """The page has no place for a table."""


def sections(folder: Path) -> dict[str, str]:
    """What was measured, by name, in Markdown."""
    results: dict[str, Json] = {
        name: load(folder / f"{name}.json") for name in SECTIONS if (folder / f"{name}.json").exists()
    }
    made = {name: f"{SECTIONS[name](content)}\n\n{origin(content)}" for name, content in results.items()}
    return {"budgets": budget_table(results), **made} if results else {}


def replaced(page: str, made: Mapping[str, str]) -> str:
    """A page with new tables.

    Raises:
        PageError: There is no place for one of them.
    """
    for name, text in made.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        found = place.search(page)
        if found is None:
            raise PageError(f"the page has no place for {name!r}: expected <!-- {name} --> and its end")
        page = f"{page[: found.start()]}{found[1]}\n{text}\n\n{found[2]}{page[found.end() :]}"
    return page


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="with results (default: %(default)s)")
    parser.add_argument("--into", type=Path, metavar="FILE", help="the page to change")
    options = parser.parse_args(argv)
    made = sections(options.folder)
    if not made:
        print(f"nothing was measured: {options.folder} has no results", file=sys.stderr)
        return 1
    if options.into is None:
        for name, text in made.items():
            print(f"<!-- {name} -->\n\n{text}\n\n<!-- end of {name} -->\n")
        return 0
    try:
        options.into.write_text(replaced(options.into.read_text(encoding="utf-8"), made), encoding="utf-8")
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    if "call_cost" in made:
        draw_call_cost(load(options.folder / "call_cost.json"), options.into.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
