"""Garbage is collected when a server has time for it."""

import gc
from collections.abc import Generator
from typing import cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from callboard import _garbage, tend_garbage
from callboard.actors import CallServer


@attrs.define
class Counts:
    """A server, its switchboard and its counters."""

    taken: int = 0
    active: int = 0

    @property
    def switchboard(self) -> "Counts":
        return self

    def statistics(self) -> "Counts":
        return self


@pytest.fixture
def collections() -> Generator[list[int]]:
    """The full collections of garbage, as they are made."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            seen.append(1)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


async def test_garbage_is_collected_once_as_many_calls_have_ended_as_there_are(
    autojump_clock: MockClock, collections: list[int]
) -> None:
    counts, before = Counts(), gc.get_threshold()
    async with tend_garbage(cast("CallServer", counts)):
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() != before
        collections.clear()
        for taken, active, expected in ((40, 9, 0), (41, 9, 1), (60, 0, 1), (200, 90, 1), (300, 120, 2)):
            counts.taken, counts.active = taken, active
            await trio.sleep(_garbage.PAUSE * 1.5)
            assert (taken, len(collections)) == (taken, expected)
            await trio.sleep(_garbage.PAUSE * 0.5)
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
