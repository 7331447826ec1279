"""What small things cost: channels, supervisors, bridges, codecs, messages, sockets, and how punctual the pacer is.

python benchmarks/micro.py [--quick] [--only actors,media,Twilio,Grok,Deepgram,sockets,pacer]
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import attrs

import micro_actors
import micro_media
import micro_sockets
import micro_wires
from micro_kit import Timing, measure
from micro_pacer import CALLS, measure_lateness
from results import FOLDER, Json, save, table

CASES = (*micro_actors.CASES, *micro_media.CASES, *micro_wires.CASES, *micro_sockets.CASES)
GROUPS = (*dict.fromkeys(case.group for case in CASES), "pacer")


def report(content: Mapping[str, object]) -> str:
    """The tables of a result, in Markdown."""
    timings = [Timing.read(raw) for raw in cast("list[Json]", content["timings"])]
    rows = [[f"{one.group}: {one.name}", f"{one.median:.2f}", f"{one.best:.2f}"] for one in timings]
    tables = [table(["once", "median, us", "best, us"], rows)] if rows else []
    late = cast("list[Json]", content["lateness"])
    if late:
        head = ["calls", "pacer", "late p50 ms", "late p99 ms", "worst ms", "share of a core"]
        lines = [
            [
                str(one["calls"]),
                str(one["way"]),
                *(f"{cast('float', one[key]):.2f}" for key in ("p50", "p99", "worst")),
                f"{100 * cast('float', one['cores']):.1f} %",
            ]
            for one in late
        ]
        tables.append(table(head, lines))
    return "\n\n".join(tables)


def main(argv: Sequence[str] | None = None) -> int:
    """Time everything, print the tables, leave the figures in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short batches; for a first impression")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, with commas (default: all)")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(argv)
    groups = options.only.split(",")
    if not set(groups) <= set(GROUPS):
        parser.error(f"--only is {options.only!r}, expected some of {', '.join(GROUPS)}")
    seconds, batches = (0.01, 3) if options.quick else (0.1, 7)
    timings: list[Timing] = []
    for case in CASES:
        if case.group in groups:
            timings.append(measure(case, seconds=seconds, batches=batches))
            print(f"{case.group}: {case.name}: {timings[-1].median:.2f} us", flush=True)
    late = measure_lateness(CALLS, 0.5 if options.quick else 5.0) if "pacer" in groups else []
    content: Json = {
        "timings": [attrs.asdict(one) for one in timings],
        "lateness": [attrs.asdict(one) for one in late],
    }
    path = save("micro", content, options.out)
    print(f"\n{report(content)}\n\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
