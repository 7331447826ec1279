"""A nursery for API borders: one error comes out as itself, not as a group of one."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import cast

import trio


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The single exception inside a group of groups, or None where there are several.

    A group that also holds `trio.Cancelled` counts as several: a cancellation is never dropped.
    """
    if len(group.exceptions) != 1:
        return None
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return only_error(cast("BaseExceptionGroup[BaseException]", error))
    return error


class _PlainNursery:
    # Not a generator under `asynccontextmanager`: those take half a kilobyte more for as long as the nursery is open.

    __slots__ = ("_manager",)

    async def __aenter__(self) -> trio.Nursery:
        self._manager = trio.open_nursery()
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await self._manager.__aexit__(kind, error, traceback)  # noqa: ASYNC102  (it is the nursery's own)
        except BaseExceptionGroup as group:
            only = only_error(group)
            if only is None:
                raise
            raise only from only.__cause__


def open_plain_nursery() -> AbstractAsyncContextManager[trio.Nursery, bool | None]:
    """A nursery whose single error is raised bare, so that `except OSError` at a border matches.

    Raises:
        BaseExceptionGroup: Several tasks failed.
    """
    return _PlainNursery()
