"""The systems that are compared: how each is started, and what it needs.

All of them take `--port --provider-url --config --stats-file` and listen on 127.0.0.1.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs

HERE = Path(__file__).parent
# Environments of other frameworks are made here, once.
ENVIRONMENTS = HERE.parent / "build" / "bench-environments"

CONFIGS = ("passthrough", "transcode")
# Float seconds until a system listens, and until it has ended.
START, STOP = 60.0, 10.0
INSTALL = 900.0


class Unavailable(Exception):
    """A system cannot be run on this machine; the text says why."""


@attrs.frozen(kw_only=True)
class SystemUnderTest:
    """Something that bridges phone calls to a voice agent."""

    name: str
    title: str
    """For tables."""
    script: Path
    arguments: tuple[str, ...] = ()
    path: str = "/"
    """Of the carriers' WebSocket."""
    requirements: tuple[str, ...] = ()
    """What its own environment needs; empty for what runs in ours."""
    environment: str = ""
    """The name of its own environment."""

    def python(self) -> str:
        """The interpreter to run it with; its environment is made where it is missing.

        Raises:
            Unavailable: The environment cannot be made.
        """
        if not self.requirements:
            return sys.executable
        folder = ENVIRONMENTS / self.environment
        python = folder / "bin" / "python"
        stamp = folder / "ready"
        wanted = "\n".join(self.requirements)
        if stamp.exists() and stamp.read_text() == wanted:
            return str(python)
        print(
            f"{self.name}: installing {', '.join(self.requirements)} into {folder}",
            file=sys.stderr,
            flush=True,
        )
        try:
            venv.create(folder, with_pip=True)
            done = subprocess.run(
                [
                    str(python),
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    *self.requirements,
                ],
                capture_output=True,
                text=True,
                timeout=INSTALL,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{self.name} is left out: its environment cannot be made: {error}") from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"{self.name} is left out: it cannot be installed: {reason}")
        stamp.write_text(wanted)
        return str(python)


def _callboard(name: str, title: str, *arguments: str) -> SystemUnderTest:
    return SystemUnderTest(
        name=name, title=title, script=HERE / "sut.py", arguments=arguments, path="/twilio/media"
    )


SYSTEMS = {
    system.name: system
    for system in (
        SystemUnderTest(name="relay", title="bare trio-websocket relay", script=HERE / "relay.py"),
        _callboard("callboard", "callboard, direct WebSockets"),
        _callboard("callboard-library", "callboard, trio-websocket", "--websockets", "library"),
        *(
            _callboard(
                f"callboard-{ms}ms",
                f"callboard, uplink in messages of {ms} ms",
                "--uplink-batch",
                str(ms / 1000),
            )
            for ms in (40, 60, 100)
        ),
        SystemUnderTest(
            name="pipecat",
            title="Pipecat, as in its examples",
            script=HERE / "pipecat_bot.py",
            path="/media",
            requirements=("pipecat-ai[websocket,grok,openai]==1.14.0", "uvicorn==0.54.0"),
            environment="pipecat",
        ),
    )
}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@attrs.frozen(kw_only=True)
class Place:
    """Where and how urgently a process runs."""

    processor: int | None = None
    """None for anywhere."""
    nice: int = 0
    """Less than 0 needs root."""

    def take(self) -> None:
        """What a child process does first."""
        if self.processor is not None:
            os.sched_setaffinity(0, {self.processor})
        if self.nice:
            os.nice(self.nice)
            # Where Linux schedules sessions as groups, a process is only as urgent as its session is.
            os.setsid()
            with contextlib.suppress(OSError):
                Path("/proc/self/autogroup").write_text(str(self.nice))


@attrs.frozen(kw_only=True)
class Running:
    """A system that listens."""

    pid: int
    media_url: str
    counts_file: Path


@contextmanager
def running(
    system: SystemUnderTest, config: str, provider_port: int, place: Place
) -> Generator[Running, None, None]:
    """Run a system for the time of the body.

    Args:
        system: Which one.
        config: One of `CONFIGS`.
        provider_port: Where the provider will be.
        place: Where to run it.

    Raises:
        Unavailable: It does not start.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+b") as log:
        counts_file = Path(folder) / "counts.json"
        command = [system.python(), str(system.script), *system.arguments, "--port", str(port)]
        command += ["--provider-url", f"ws://127.0.0.1:{provider_port}/v1/realtime"]
        command += ["--config", config, "--stats-file", str(counts_file)]

        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=place.take)  # noqa: PLW1509
        try:
            _wait_listening(process, port, system.name)
            url = f"ws://127.0.0.1:{port}{system.path}"
            yield Running(pid=process.pid, media_url=url, counts_file=counts_file)
        except Unavailable as error:
            log.seek(0)
            tail = log.read()[-800:].decode(errors="replace").strip()
            raise Unavailable(f"{error}: {tail}") from None
        finally:
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_listening(process: "subprocess.Popen[bytes]", port: int, name: str) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Unavailable(f"{name} does not listen")
