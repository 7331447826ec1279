"""What a system under test costs, seen from outside: a process and its descendants, and who else uses the machine."""

import os
import signal
import time
from pathlib import Path

import attrs
import orjson

from programs import PROC, read_process

_TICK = os.sysconf("SC_CLK_TCK")


@attrs.frozen(kw_only=True)
class Usage:
    """A process and all that it started, added up."""

    rss: int
    """Octets."""
    handles: int
    threads: int
    cpu: float
    """User and system time, float seconds."""


def read_tree(pid: int, proc: Path = PROC) -> Usage:
    """Look at a process and its descendants.

    Raises:
        NotMeasurable: This is not Linux.
        ProcessLookupError: The process has ended.
    """
    rss = handles = threads = 0
    cpu = 0.0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            figures = read_process(one, proc)
            waiting += children_of(one, proc)
        except ProcessLookupError:
            if one == pid:
                raise
            continue
        rss, handles, threads = rss + figures.rss, handles + figures.handles, threads + figures.threads
        cpu += figures.cpu
    return Usage(rss=rss, handles=handles, threads=threads, cpu=cpu)


def children_of(pid: int, proc: Path = PROC) -> list[int]:
    """The processes that a process started and that still run."""
    try:
        lists = [(task / "children").read_text() for task in (proc / str(pid) / "task").iterdir()]
    except OSError as error:
        raise ProcessLookupError(f"the process {pid} has ended") from error
    return [int(child) for line in lists for child in line.split()]


def busy_seconds(proc: Path = PROC) -> tuple[float, ...]:
    """How long each processor has been busy since the machine started, float seconds."""
    busy: list[float] = []
    for line in (proc / "stat").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, idle, wait, irq, soft_irq, steal, *_ = (int(field) for field in rest.split())
            del idle, wait
            busy.append((user + nice + system + irq + soft_irq + steal) / _TICK)
    return tuple(busy)


def ask_counts(pid: int, answer: Path | None, patience: float = 5.0) -> dict[str, int]:
    """Have a system under test count its tasks and objects, by SIGUSR1; empty where it does not.

    Args:
        pid: Of the system; it must not die of the signal.
        answer: The file it writes.
        patience: How long to wait, float seconds.
    """
    if answer is None:
        return {}
    answer.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer.exists():
            counts: dict[str, int] = orjson.loads(answer.read_bytes())
            return counts
        time.sleep(0.02)
    return {}
