"""A nursery for API borders: one error comes out as itself, not as a group of one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def open_plain_nursery() -> AsyncGenerator[trio.Nursery, None]:
    """A nursery whose single error is raised bare, so that `except OSError` at a border matches.

    Raises:
        BaseExceptionGroup: Several tasks failed.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        error = only_error(group)
        if error is None:
            raise
        raise error from error.__cause__
