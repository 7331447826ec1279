"""Twice as many calls as can be carried: with admission control, and without.

    python benchmarks/overload.py [--healthy 150]

Calls come at an even pace, twice as many as the largest number that `call_cost.py --capacity` found good. With
admission control those that were accepted must be as good as ever, and the others refused with 503.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import attrs

from call_cost import Level, measured
from load_script import CYCLE
from results import FOLDER, Json, load, number, save, table
from systems import CONFIGS, SYSTEMS

# The calls come within so long, float seconds.
RAMP = 30.0
WAYS = {"admission control": ("--refuse",), "everybody is let in": ()}


def report(content: Mapping[str, object]) -> str:
    """The table of a result, in Markdown."""
    rows: list[list[str]] = []
    for run in cast("list[Json]", content["runs"]):
        if "error" in run:
            rows.append([str(run["way"]), str(run["calls"]), " ".join(str(run["error"]).split())])
            continue
        seen = cast("Json", run["figures"])
        faults = cast("list[str]", run["faults"])
        rows.append(
            [
                str(run["way"]),
                str(run["calls"]),
                str(seen["calls"]),
                str(seen["refused"]),
                f"{number(run['cores']):.2f}",
                f"{number(run['load_cores']):.2f}",
                f"{number(seen['uplink_p50']):.1f} / {number(seen['uplink_p99']):.1f}",
                f"{number(seen['clear_p50']):.1f} / {number(seen['clear_p99']):.1f}",
                str(seen["stale_messages"]),
                f"{100 * number(seen['silence']):.2f} %",
                "; ".join(faults) or "all good",
            ]
        )
    head = ["", "offered", "accepted", "refused", "cores", "load, cores", "uplink p50 / p99 ms"]
    return table([*head, "clear p50 / p99 ms", "stale messages", "underrun", "accepted calls"], rows)


def healthy_number(config: str, folder: Path) -> int | None:
    """The largest good number of calls that was found last time."""
    path = folder / "capacity.json"
    if not path.exists():
        return None
    for one in cast("list[Json]", load(path)["capacity"]):
        if (one["system"], one["config"]) == ("callboard", config):
            return cast("int", one["good"]) or None
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Overload the server, print the table, leave the figures in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--healthy", type=int, help="what can be carried (default: as found by --capacity)")
    parser.add_argument("--config", choices=CONFIGS, default=CONFIGS[0])
    parser.add_argument("--seconds", type=float, default=CYCLE, help="measured (default: %(default)s)")
    parser.add_argument("--ramp", type=float, default=RAMP, help="in which calls come (default: %(default)s)")
    parser.add_argument("--nice", type=int, default=0, help="of system and load; less than 0 needs root")
    parser.add_argument("--retries", type=int, default=0, help="of a disturbed run (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(argv)
    healthy = options.healthy or healthy_number(options.config, options.out)
    if healthy is None:
        parser.error("say --healthy N, or run call_cost.py --capacity first")
    calls = 2 * healthy
    level = Level(
        seconds=options.seconds, retries=options.retries, nice=options.nice, pace=options.ramp / calls
    )
    runs: list[Json] = []
    for way, arguments in WAYS.items():
        system = attrs.evolve(SYSTEMS["callboard"], arguments=arguments)
        print(f"{way}: ", end="", flush=True)
        runs.append({**measured(system, options.config, calls, level), "way": way})
    content: Json = {"runs": runs, "healthy": healthy, "config": options.config}
    path = save("overload", content, options.out)
    print(f"\n{report(content)}\n\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
