"""What a benchmark leaves: a JSON file with the figures, the machine, the date and the command; tables from it."""

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import orjson

HERE = Path(__file__).parent
# Not in the repository.
FOLDER = HERE.parent / "build" / "bench"

Json = dict[str, object]


def machine() -> str:
    """The processors, the memory and the software, in a line."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError):
        memory = ""
    return (
        f"{os.cpu_count()} processors ({model}){memory}, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def revision() -> str:
    """Which state of the code this is: the commit, with a `+` where files of it were changed."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()


def save(name: str, content: Mapping[str, object], folder: Path = FOLDER) -> Path:
    """Write the result of a benchmark.

    Args:
        name: Of the benchmark.
        content: Its figures.
        folder: Where to; made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    head = {
        "benchmark": name,
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": " ".join(["python", os.path.relpath(sys.argv[0], HERE.parent), *sys.argv[1:]]),
        "revision": revision(),
    }
    path.write_bytes(orjson.dumps({**head, **content}, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
    return path


def load(path: Path) -> Json:
    """Read the result of a benchmark."""
    content: object = orjson.loads(path.read_bytes())
    return cast("Json", content)


def origin(content: Mapping[str, object]) -> str:
    """A paragraph that says where figures come from."""
    return (
        f"Measured on {content['date']} at `{content['revision']}` with `{content['command']}`; "
        f"{content['machine']}."
    )


def number(value: object) -> float:
    """A number of a result; JSON has no NaN and says null."""
    return float("nan") if value is None else float(cast("float", value))


def numbers(values: Iterable[object]) -> list[float]:
    """The numbers among values of a result."""
    return [number(value) for value in values if value is not None]


def median(values: Sequence[float]) -> float:
    """The middle one; NaN of nothing."""
    ordered = sorted(values)
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2 if n else float("nan")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; columns after the first are set to the right."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median of values, and in brackets the range where there is one."""
    if not values:
        return "-"
    text = f"{median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"
