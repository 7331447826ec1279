"""What the benchmarks share: callboard's commands as programs of their own, and a look at them from outside."""

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

# A server that is asked to stop lets its calls end for half a minute.
STOP_SECONDS = 40.0
# Warnings and errors of a program that are shown at its end.
SHOWN_LINES = 20

PROC = Path("/proc")


class NotMeasurable(Exception):
    """This machine does not tell what a benchmark needs to know."""


@attrs.frozen(kw_only=True)
class Program:
    """A command of callboard that runs."""

    name: str
    pid: int
    url: str
    """Where it listens."""
    process: "subprocess.Popen[str]"

    @property
    def running(self) -> bool:
        """False once it has ended, which it should not do by itself."""
        return self.process.poll() is None


@contextmanager
def open_program(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Generator[Program, None, None]:
    """Run a callboard command for the time of the body, then print what it warned of to stderr.

    Args:
        arguments: Of the command, such as `serve`, `--port`, `0`.
        environment: Its variables; the ones of this process if None.

    Raises:
        RuntimeError: It ended before it listened.
    """
    # Not a pipe: nobody reads it meanwhile, and a full one would stop the program.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "callboard.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        name = arguments[0]
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.match(r"listening on (\S+)", line)
            if match is None:
                process.wait(10)
                log.seek(0)
                raise RuntimeError(f"{name} did not start: {line}{log.read()[-2000:]}")
            yield Program(name=name, pid=process.pid, url=match[1], process=process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
            log.seek(0)
            for shown in warnings_of(log):
                print(f"{name}: {shown}", file=sys.stderr)


def warnings_of(lines: Iterable[str], limit: int = SHOWN_LINES) -> list[str]:
    """The first warnings and errors among the lines of a log, and a line that says how many more there were."""
    found = [line.rstrip("\n") for line in lines if " WARNING " in line or " ERROR " in line]
    if len(found) > limit:
        found[limit:] = [f"... and {len(found) - limit} more warnings"]
    return found


def fetch(url: str) -> str:
    """What an HTTP address answers; blocks.

    Raises:
        OSError: There is no answer within 10 s, or it is not 200.
    """
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def http_url(media_url: str, path: str) -> str:
    """The address of a page of the server whose media socket is at a URL."""
    return media_url.replace("ws://", "http://", 1).replace("/twilio/media", path)


@attrs.frozen(kw_only=True)
class ProcessFigures:
    """A process as the kernel sees it."""

    rss: int
    """Memory that is resident, octets."""
    handles: int
    """Open files and sockets."""
    threads: int
    cpu: float
    """Processor time since its start, float seconds."""


def read_process(pid: int, proc: Path = PROC) -> ProcessFigures:
    """Look at a process of this user.

    Args:
        pid: Which one.
        proc: Where the kernel shows processes.

    Raises:
        NotMeasurable: This is not Linux.
        ProcessLookupError: It has ended.
    """
    if not (proc / "self").exists():
        raise NotMeasurable(
            f"memory and handles of processes are read from {proc}, which is there on Linux only"
        )
    folder = proc / str(pid)
    try:
        status = {
            name: value
            for name, _, value in (
                line.partition(":") for line in (folder / "status").read_text().splitlines()
            )
        }
        # Its name, in brackets, may hold spaces; the fields behind it are numbers. See proc(5).
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        handles = sum(1 for _ in (folder / "fd").iterdir())
    except OSError as error:
        raise ProcessLookupError(f"the process {pid} has ended") from error
    if "VmRSS" not in status:
        raise ProcessLookupError(f"the process {pid} has ended")
    return ProcessFigures(
        rss=int(status["VmRSS"].split()[0]) * 1024,
        handles=handles,
        threads=int(status["Threads"]),
        cpu=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )
