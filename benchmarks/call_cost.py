"""What a phone call costs, side by side: callboard, a bare relay, and Pipecat.

    python benchmarks/call_cost.py --calls 20 --seconds 24 --repetitions 3
    python benchmarks/call_cost.py --capacity

All systems do the same work for the same callers and the same voice agent, both emulated by `load.py` in a process of
its own. The system under test has the first processor for itself, the load the second one. Repetitions are interleaved,
so that a slow minute of the machine is everybody's; ratios are taken within a repetition, and the median of them is
reported. With `--capacity` the largest number of calls that are all good is searched instead.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import attrs
import orjson

from call_cost_report import report
from load_script import CYCLE
from plots import draw_call_cost
from results import FOLDER, HERE, Json, number, save
from systems import CONFIGS, SYSTEMS, Place, SystemUnderTest, Unavailable, free_port, running

# Other processes that use more of one of the two processors spoil a run, cores.
DISTURBED = 0.25
# The search for the largest number of calls ends when the bounds are so close to each other.
CLOSE = 0.06
GROWTH = 1.5
# More calls than this are not placed: the load would be what limits.
MOST_CALLS = 600
# From here on it is the load that limits, cores of its own one.
LOAD_LIMIT = 0.85
SHOWN = frozenset({"uplink_p50", "uplink_p99", "clear_p50", "clear_p99", "stale_messages"})


def usable_processors() -> set[int]:
    """Where this process may run."""
    return os.sched_getaffinity(0)


def places(nice: int = 0) -> tuple[Place, Place]:
    """Where the system and the load run: each on a processor of its own, where there are two."""
    usable = sorted(usable_processors())
    if len(usable) < 2:
        return Place(nice=nice), Place(nice=nice)
    return Place(processor=usable[0], nice=nice), Place(processor=usable[1], nice=nice)


@attrs.frozen(kw_only=True)
class Level:
    """How a level of load is measured."""

    seconds: float = CYCLE
    retries: int = 1
    """Of one while which the machine was disturbed."""
    nice: int = 0
    pace: float = 0.0
    """Between calls, float seconds."""


def run_level(system: SystemUnderTest, config: str, calls: int, level: Level) -> Json:
    """Measure a system at one level of load.

    Returns:
        What `load.py` printed; with the key `error` where it could not be measured.
    """
    ours, theirs = places(level.nice)
    port = free_port()
    head: Json = {"system": system.name, "config": config}
    try:
        with running(system, config, port, ours) as target:
            command = [sys.executable, str(HERE / "load.py"), "--media-url", target.media_url]
            command += ["--provider-port", str(port), "--pid", str(target.pid), "--calls", str(calls)]
            command += ["--window", str(level.seconds), "--pace", str(level.pace)]
            command += ["--counts-file", str(target.counts_file)]
            # Set-up, window, goodbyes: more than twice of what they take together is not going to end.
            patience = 180.0 + 2 * (level.seconds + calls * max(level.pace, 0.1))
            done = subprocess.run(
                command, capture_output=True, check=False, preexec_fn=theirs.take, timeout=patience
            )
    except subprocess.TimeoutExpired:
        return {**head, "calls": calls, "error": f"{system.name} did not get on with {calls} calls"}
    except Unavailable as error:
        return {**head, "calls": calls, "error": str(error)}
    if not done.stdout:
        return {**head, "calls": calls, "error": done.stderr[-500:].decode(errors="replace")}
    return {**head, "calls": calls, **orjson.loads(done.stdout)}


def disturbed(run: Json) -> bool:
    """Whether others used the machine too much meanwhile."""
    return max(cast("list[float]", run.get("others", [0.0]))[:2]) > DISTURBED


def line(run: Json) -> str:
    """A run, for people who wait."""
    head = f"{run['system']} {run['config']} {run['calls']} calls: "
    if "error" in run:
        return head + str(run["error"])
    seen = {key: number(value) for key, value in cast("Json", run["figures"]).items() if key in SHOWN}
    faults = cast("list[str]", run["faults"])
    return (
        f"{head}{run['cpu_per_call_minute']:.3f} s/call-min ({run['cores']:.2f} cores), "
        f"uplink {seen['uplink_p50']:.1f}/{seen['uplink_p99']:.1f} ms, "
        f"clear {seen['clear_p50']:.1f}/{seen['clear_p99']:.1f} ms, stale {seen['stale_messages']:.0f}, "
        f"{'; '.join(faults) or 'healthy'}{' (machine disturbed)' if disturbed(run) else ''}"
    )


def measured(system: SystemUnderTest, config: str, calls: int, level: Level) -> Json:
    """A run, tried again while others use the machine too much; says what it sees."""
    run: Json = {}
    for _ in range(1 + level.retries):
        run = run_level(system, config, calls, level)
        print(line(run), flush=True)
        if not disturbed(run):
            break
    return {**run, "disturbed": disturbed(run)}


def compare(
    systems: Sequence[SystemUnderTest], configs: Sequence[str], calls: int, repetitions: int, level: Level
) -> list[Json]:
    """Measure all systems at one level, so many times, in turn."""
    runs: list[Json] = []
    missing: set[str] = set()
    for repetition in range(repetitions):
        for config in configs:
            for system in systems:
                if system.name in missing:
                    continue
                run = measured(system, config, calls, level)
                runs.append({**run, "repetition": repetition})
                if "error" in run:
                    missing.add(system.name)
    return runs


class Search:
    """Finds the largest number of calls that are all good.

    Args:
        system: What to measure.
        config: One of `CONFIGS`.
        level: How.
    """

    def __init__(self, system: SystemUnderTest, config: str, level: Level) -> None:
        self._system, self._config, self._level = system, config, level
        self.runs: list[Json] = []
        self.good = 0
        self.bad: int | None = None
        self.load_limited = False

    def healthy(self, calls: int) -> bool:
        """Whether a level passes in one of two attempts."""
        for _ in range(2):
            run = measured(self._system, self._config, calls, self._level)
            self.runs.append(run)
            if run.get("healthy") and not cast("Json", run["figures"])["refused"]:
                return True
            if "error" in run or cast("float", run["cores"]) > 0.97:
                return False
            if cast("float", run["load_cores"]) > LOAD_LIMIT:
                self.load_limited = True
                return False
        return False

    def find(self, start: int, most: int = MOST_CALLS) -> Json:
        """Grow by half until a level fails, then bisect."""
        calls = min(start, most)
        while self.good < most:
            if not self.healthy(calls):
                self.bad = calls
                break
            self.good, calls = calls, min(most, max(calls + 1, int(calls * GROWTH)))
        while self.bad is not None and self.bad - self.good > max(1, CLOSE * self.bad):
            middle = (self.good + self.bad) // 2
            if self.healthy(middle):
                self.good = middle
            else:
                self.bad = middle
        found: Json = {
            "system": self._system.name,
            "config": self._config,
            "good": self.good,
            "bad": self.bad,
            "load_limited": self.load_limited,
        }
        print(
            f"{self._system.name} {self._config}: {self.good} calls are good, {self.bad} are not", flush=True
        )
        return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the tables, leave the figures in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=20, help="at once (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, help=f"measured (default: {CYCLE:.0f}, or {CYCLE / 2:.0f} with --capacity)"
    )
    parser.add_argument("--repetitions", type=int, default=3, help="of everything (default: %(default)s)")
    parser.add_argument(
        "--systems",
        default="relay,callboard,callboard-library,pipecat",
        help=f"of {', '.join(SYSTEMS)}, with commas",
    )
    parser.add_argument("--configs", default=",".join(CONFIGS), help="with commas (default: %(default)s)")
    parser.add_argument("--retries", type=int, default=1, help="of a disturbed run (default: %(default)s)")
    parser.add_argument("--nice", type=int, default=0, help="of system and load; less than 0 needs root")
    parser.add_argument("--capacity", action="store_true", help="search the largest number of good calls")
    parser.add_argument(
        "--start", type=int, default=30, help="where the search begins (default: %(default)s)"
    )
    parser.add_argument("--name", help="of the result (default: call_cost or capacity)")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(argv)
    names, configs = options.systems.split(","), options.configs.split(",")
    for name, known in [(name, SYSTEMS) for name in names] + [(name, CONFIGS) for name in configs]:
        if name not in known:
            parser.error(f"{name!r} is none of {', '.join(known)}")
    systems = [SYSTEMS[name] for name in names]
    for system in list(systems):
        try:
            system.python()
        except Unavailable as error:
            print(error, file=sys.stderr)
            systems.remove(system)
    seconds = options.seconds or (CYCLE / 2 if options.capacity else CYCLE)
    level = Level(seconds=seconds, retries=options.retries, nice=options.nice)
    content: Json
    if options.capacity:
        searches = [Search(system, config, level) for config in configs for system in systems]
        found = [search.find(options.start) for search in searches]
        content = {"capacity": found, "runs": [run for search in searches for run in search.runs]}
        path = save(options.name or "capacity", content, options.out)
    else:
        content = {
            "runs": compare(systems, configs, options.calls, options.repetitions, level),
            "calls": options.calls,
        }
        path = save(options.name or "call_cost", content, options.out)
    print(f"\n{report(content)}\n\nwritten to {path}")
    if not options.capacity:
        drawing = path.with_suffix(".png")
        drawn = draw_call_cost(content, drawing)
        print(f"drawn in {drawing}" if drawn else "not drawn: that takes matplotlib (the extra `bench`)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
