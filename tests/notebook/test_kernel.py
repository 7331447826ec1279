"""The life of a lab in a real kernel: cells, exceptions, interrupts, kills, restarts of the kernel."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .kernel_kit import Kernel, open_kernel

pytest.importorskip("ipykernel")

START = """
import trio
from callboard.actors import ChildSpec
from callboard.notebook import start
lab = await start(speech="tones")
print(lab.media_url)
"""
TICKER = """
import pathlib
ticks = []
async def tick(context, /, *, task_status):
    task_status.started()
    try:
        while True:
            ticks.append(trio.current_time())
            await trio.sleep(0.02)
    finally:
        pathlib.Path({path!r}).write_text("closed")
print(await lab.spawn(ChildSpec(name="ticker", run=tick)))
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with open_kernel() as kernel:
        yield kernel


def refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((parts.hostname or "", parts.port or 0)) != 0


@pytest.mark.slow
def test_a_lab_lives_through_everything_that_cells_do(kernel: Kernel, tmp_path: Path) -> None:
    marker = tmp_path / "closed"
    url = kernel.run(START).text.strip()
    assert url.startswith("ws://127.0.0.1:")
    assert kernel.run(TICKER.format(path=str(marker))).text.strip() == "yours/ticker"

    # A call goes on between cells, and while a cell computes.
    assert "up=True" in kernel.run("call = await lab.call()\nprint(repr(call))").text
    before = int(kernel.run("print(len(ticks))").text)
    late = kernel.run(
        "import time; n = len(ticks); time.sleep(1.0); new = ticks[n:]\n"
        "print(len(new), max(b - a for a, b in zip(new, new[1:])))"
    ).text.split()
    assert before > 0
    # On Trio in the kernel's own thread it would be none. Not all 50, for others use the machine as well.
    assert int(late[0]) > 10
    assert float(late[1]) < 0.8

    # An exception in a cell, in the cell's own code and in what it asks of the lab.
    assert "ZeroDivisionError" in kernel.run("1 / 0").error
    assert "NoSuchActor" in kernel.run("await lab.kill('calls/nobody')").error
    assert "up=True" in kernel.run("print(repr(call))").text

    # An interrupted cell that waits, and one that computes.
    request = kernel.send("await call.wait()")
    time.sleep(0.5)
    interrupted_at = time.monotonic()
    kernel.interrupt()
    cell = kernel.finish(request)
    assert time.monotonic() - interrupted_at < 2.0
    assert "CancelledError" in cell.error or "KeyboardInterrupt" in cell.error
    request = kernel.send("while True: pass")
    time.sleep(0.3)
    kernel.interrupt()
    assert "KeyboardInterrupt" in kernel.finish(request).error
    assert "1 calls up" in kernel.run("print(repr(lab))").text

    # A killed actor, seen in the tree; and one that raises.
    kernel.run("await lab.kill('calls/CA1/bridges/CA1-to-agent-1-1')")
    shown = kernel.run("lab.tree(live=False)").html
    assert "CA1-to-agent-1-1" in shown
    assert "killed" in shown
    kernel.run(
        "async def broken(context, /, *, task_status):\n"
        "    task_status.started()\n"
        "    await trio.sleep(0.01)\n"
        "    raise ValueError('a bad day')\n"
        "await lab.spawn(ChildSpec(name='broken', run=broken))"
    )
    assert "a bad day" in kernel.run("import asyncio; await asyncio.sleep(0.2)\nlab.tree(live=False)").html

    # A second start is the same lab.
    cell = kernel.run("before = lab\nlab = await start(speech='tones')\nprint(lab is before)")
    assert "True" in cell.text
    assert "lab.stop()" in cell.text
    assert "lab.stop()" in kernel.run("await start(speech='tones', seed=7)").error

    # A restart of the kernel ends the call and runs what actors have to close.
    assert not refused(url)
    folder = Path(kernel.run("print(lab.folder)").text.strip())
    assert folder.exists()
    kernel.restart()
    assert marker.read_text(encoding="utf-8") == "closed"
    assert refused(url)
    assert not folder.exists()
    assert "NameError" in kernel.run("lab").error

    # And the next lab works.
    kernel.run(START)
    cell = kernel.run(
        "from callboard.actors.emulators import HangUp, WaitForAgent\n"
        "call = await lab.call([WaitForAgent(), HangUp()], wait=True)\ncall"
    )
    assert "Harbour" in cell.html
    # No more than what others leave in a thread that was there before.
    assert kernel.run("await lab.stop()\nprint(lab)").text.strip() == "<Lab, stopped>"
    threads = "import threading; print([t.name for t in threading.enumerate() if 'callboard' in t.name])"
    assert kernel.run(threads).text.strip() == "[]"


@pytest.mark.slow
def test_a_live_tree_is_kept_up_to_date(kernel: Kernel) -> None:
    kernel.run(START)
    first = kernel.run("lab.tree()")
    assert ", live" in first.html
    # What is drawn later belongs to a display, not to a cell.
    cell = kernel.run(
        "call = await lab.call()\nimport asyncio\nawait asyncio.sleep(1.2)\nlab.tree(live=False)"
    )
    assert "CA1" in cell.html
    assert not cell.stderr
    kernel.run("await lab.stop()")


@pytest.mark.slow
def test_the_same_lab_in_the_trio_mode_of_ipython(kernel: Kernel) -> None:
    kernel.run("%autoawait trio")
    try:
        url = kernel.run(START)
        assert url.text.startswith("ws://"), url
        cell = kernel.run(
            "from callboard.actors.emulators import HangUp, WaitForAgent\n"
            "await trio.sleep(0.01)\ncall = await lab.call([WaitForAgent(), HangUp()])"
        )
        assert not cell.error
        # Each cell is a run of its own; the call went on between them.
        assert "Harbour" in kernel.run("print((await call.wait()).lines)").text
        assert "stopped" in kernel.run("await lab.stop()\nprint(lab)").text
    finally:
        kernel.run("%autoawait asyncio")
