"""The bridge between a notebook's cells and Trio in a thread of its own.

Everything that cells do to the thread goes through `call` (a plain function, run there between two steps of its tasks)
and `run` (an async function, run there as a task). Nothing else may touch what lives there.

A phone call must not stall because a cell computes or draws, hence the thread: with Trio on the kernel's own loop every
call would stand still meanwhile.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

import trio

from callboard.actors._exit import describe

from ._errors import LabEnded

T = TypeVar("T")
R = TypeVar("R")

# A kernel's loop does not wake up for an interrupt (seen with ipykernel 7.4): an awaiting cell looks this often.
HEARTBEAT = 0.2
# How long a cancelled call from Trio waits for the other side to have cancelled, float seconds.
CANCEL_WAIT = 1.0


class Job(Generic[R]):
    """Something that runs on the other side."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self.future: concurrent.futures.Future[R] = concurrent.futures.Future()
        self.scope = trio.CancelScope()
        self._token = token

    def cancel(self) -> None:
        """End it; harmless when it is over. May be called from any thread."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(functools.partial(self.scope.cancel, reason="the cell was interrupted"))

    def succeed(self, value: R) -> None:
        """Used on the other side."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Used on the other side."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.future.set_exception(error)

    async def task(self, function: Callable[..., Awaitable[R]], *arguments: object) -> None:
        """The task on the other side. What the function raises goes to whoever asked, and no further."""
        try:
            with self.scope:
                self.succeed(await function(*arguments))
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001  # it is raised again where it was asked for
            self.fail(error)
        finally:
            # Cancelled, by us or with the bridge; without effect where there was a result.
            self.future.cancel()


class Bridge(Generic[T]):
    """A Trio run in a thread, with something open in it for as long as it lasts.

    Args:
        open: Makes what is to be open: a function that returns an async context manager.
        name: Of the thread.
    """

    def __init__(
        self, open: Callable[[], AbstractAsyncContextManager[T]], *, name: str = "callboard"
    ) -> None:
        self._open = open
        self._ready: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._exit: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._jobs: trio.Nursery | None = None
        self._stopping = False
        self._told = False
        # What `run` waits for; a run that ends before it began with one lets go of it.
        self._asked: set[Job[Any]] = set()
        # A daemon, so that an interpreter without an atexit hook can end; `stop` joins it.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    # In any thread

    async def start(self) -> T:
        """Start the thread and wait until everything is open.

        Raises:
            Exception: What opening raised; then nothing is left.

        A cancelled call leaves nothing behind.
        """
        self._thread.start()
        try:
            await wait_for(self._ready)
        except BaseException:
            self._request_stop()
            raise
        return self._ready.result()

    @property
    def running(self) -> bool:
        """Whether calls are possible."""
        return self._ready.done() and not self._exit.done() and not self._stopping

    @property
    def alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    @property
    def here(self) -> bool:
        """Whether this is the bridge's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., R], *arguments: object) -> R:
        """Run a plain function on the other side and wait for it, blocking.

        Raises:
            LabEnded: There is no other side any more.
            Exception: What the function raised.
        """
        if self.here:
            return function(*arguments)
        token = self._require()
        job: Job[R] = Job(token)

        def act() -> None:
            try:
                job.succeed(function(*arguments))
            except BaseException as error:  # noqa: BLE001, ASYNC103  # it is raised again where it was asked for
                job.fail(error)

        self._send(act)
        # A run that ends does not run what was sent too late.
        waited: list[concurrent.futures.Future[Any]] = [job.future, self._exit]
        concurrent.futures.wait(waited, return_when=concurrent.futures.FIRST_COMPLETED)
        if not job.future.done():
            raise self._ended()
        return job.future.result()

    async def run(self, function: Callable[..., Awaitable[R]], *arguments: object) -> R:
        """Run an async function on the other side and wait for it. Works under asyncio and under Trio.

        Raises:
            LabEnded: There is no other side any more.
            Exception: What the function raised.

        A cancelled call, or an interrupted cell, cancels the function and nothing else.
        """
        if self.here:
            return await function(*arguments)
        job: Job[R] = Job(self._require())
        self._asked.add(job)
        try:
            self._send(functools.partial(self._start_soon, job, function, arguments))
            await wait_for(job.future)
        except BaseException:
            job.cancel()
            if trio.lowlevel.in_trio_task():
                # Structured: what was begun here has ended when this returns.
                with trio.move_on_after(CANCEL_WAIT, shield=True):
                    await wait_for(job.future)
            raise
        finally:
            self._asked.discard(job)
        if job.future.cancelled():
            raise self._ended()
        return job.future.result()

    def submit(
        self, function: Callable[..., Awaitable[R]], *arguments: object
    ) -> "concurrent.futures.Future[R]":
        """Begin with an async function on the other side, and do not wait for it.

        Returns:
            What will come of it; cancelled where the bridge ends before.

        Raises:
            LabEnded: There is no other side any more.
        """
        job: Job[R] = Job(self._require())
        self._asked.add(job)
        job.future.add_done_callback(lambda _: self._asked.discard(job))
        self._send(functools.partial(self._start_soon, job, function, arguments))
        return job.future

    async def stop(self) -> None:
        """Close everything, and wait until the thread has ended. Idempotent.

        Raises:
            LabEnded: It had ended before, by an error that nobody was told yet.

        An interrupted call has begun with it, and the rest goes on by itself.
        """
        self._request_stop()
        if self.here:
            return
        await wait_for(self._exit)
        self._thread.join()
        self._tell()

    def stop_now(self, timeout: float | None = None) -> bool:
        """The same, blocking; for the end of the interpreter.

        Returns:
            Whether it has ended within `timeout`, float seconds.
        """
        self._request_stop()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def error(self) -> BaseException | None:
        """What ended the run by itself, if something did."""
        return self._exit.exception() if self._exit.done() else None

    def _require(self) -> trio.lowlevel.TrioToken:
        if not self.running:
            raise self._ended()
        assert self._token is not None
        return self._token

    def _send(self, function: Callable[[], None]) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            pass
        else:
            return
        # Not in the handler, whose error would be shown as the reason.
        raise self._ended()

    def _ended(self) -> LabEnded:
        if not self._exit.done() and not self._stopping:
            # Its tasks have been cancelled, and it is about to tell why.
            concurrent.futures.wait((self._exit,), timeout=10.0)
        error = self.error()
        self._told = True
        if error is None:
            return LabEnded(
                "the lab was stopped; `lab = await callboard.notebook.start()` starts another one"
            )
        ended = LabEnded(
            f"the lab ended because of {describe(error)}; "
            "`lab = await callboard.notebook.start()` starts another one"
        )
        ended.__cause__ = error
        return ended

    def _tell(self) -> None:
        if self.error() is not None and not self._told:
            raise self._ended()

    def _request_stop(self) -> None:
        self._stopping = True
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._close)

    # In the thread

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001, ASYNC103  # it is raised again where it was asked for
            self._exit.set_exception(error)
            if not self._ready.done():
                self._ready.set_exception(error)
        else:
            self._exit.set_result(None)
            # Stopped before it was open.
            self._ready.cancel()
        for job in list(self._asked):
            job.future.cancel()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as self._opening:
            if self._stopping:
                return
            async with self._open() as value, trio.open_nursery() as self._jobs:
                self._ready.set_result(value)
                # From now on a stop is not a cancellation for what is open: it closes in its own way.
                await trio.sleep_forever()

    def _close(self) -> None:
        scope = self._opening if self._jobs is None else self._jobs.cancel_scope
        scope.cancel(reason="the lab is stopped")

    def _start_soon(
        self, job: Job[R], function: Callable[..., Awaitable[R]], arguments: tuple[object, ...]
    ) -> None:
        try:
            assert self._jobs is not None
            self._jobs.start_soon(job.task, function, *arguments)
        except RuntimeError:
            # The nursery has closed since.
            job.future.cancel()


async def wait_for(future: "concurrent.futures.Future[R]") -> None:
    """Wait until a future is done, under asyncio or Trio, whichever runs here; its result is not looked at.

    Raises:
        RuntimeError: Neither of them runs.
    """
    if trio.lowlevel.in_trio_task():
        event, token = trio.Event(), trio.lowlevel.current_trio_token()

        def wake_trio(_: object) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

        future.add_done_callback(wake_trio)
        await event.wait()
        return
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake_asyncio(_: object) -> None:
        # The loop may be closed by now, and nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(woken.set)

    future.add_done_callback(wake_asyncio)
    while not future.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await woken.wait()
