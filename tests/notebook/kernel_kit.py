"""A real Jupyter kernel, driven cell by cell."""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import attrs
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

TIMEOUT = 30.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@attrs.frozen(kw_only=True)
class Cell:
    """What came of a cell."""

    text: str
    """Of its standard output and its result."""
    html: str
    """Of what was displayed."""
    error: str
    """The traceback, without colours."""
    stderr: str


class Kernel:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def send(self, source: str) -> str:
        """Begin a cell; `finish` takes what it returns."""
        return str(self._client.execute(source))

    def run(self, source: str) -> Cell:
        return self.finish(self.send(source))

    def finish(self, request: str, *, timeout: float = TIMEOUT) -> Cell:
        """Wait for the end of a cell."""
        texts: list[str] = []
        pages: list[str] = []
        error, stderr = "", ""
        until = time.monotonic() + timeout
        while True:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=max(0.01, until - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream" if content["name"] == "stderr":
                    stderr += content["text"]
                case "stream":
                    texts.append(content["text"])
                case "execute_result" | "display_data" | "update_display_data":
                    texts.append(content["data"].get("text/plain", ""))
                    pages.append(content["data"].get("text/html", ""))
                case "error":
                    error = _COLOURS.sub("", "\n".join(content["traceback"]))
                case "status" if content["execution_state"] == "idle":
                    return Cell(text="".join(texts), html="\n".join(pages), error=error, stderr=stderr)
                case _:
                    pass

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """As the menu of a notebook does."""
        self._client.stop_channels()
        self._manager.restart_kernel()
        self._client = _connect(self._manager)

    def close(self) -> None:
        self._client.stop_channels()


def _connect(manager: KernelManager) -> BlockingKernelClient:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    return client


@contextmanager
def open_kernel() -> Generator[Kernel, None, None]:
    # Without ports, which others may want.
    manager = KernelManager(transport="ipc")
    manager.start_kernel()
    try:
        kernel = Kernel(manager, _connect(manager))
        try:
            yield kernel
        finally:
            kernel.close()
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
