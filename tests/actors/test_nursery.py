"""The nursery for API borders."""

import pytest
import trio

from callboard.actors import open_plain_nursery


async def fail(error: Exception) -> None:
    raise error


async def test_single_error_comes_out_as_itself_with_its_cause() -> None:
    error, cause = OSError("the wire"), ValueError("the reason")
    error.__cause__ = cause
    with pytest.raises(OSError, match="the wire") as caught:
        async with open_plain_nursery() as nursery:
            nursery.start_soon(fail, error)
    assert caught.value is error
    assert error.__cause__ is cause


async def test_error_inside_nurseries_comes_out_as_itself() -> None:
    with pytest.raises(KeyError):
        async with open_plain_nursery(), trio.open_nursery() as inner:
            inner.start_soon(fail, KeyError("x"))


async def test_several_errors_stay_a_group() -> None:
    async def fail_twice() -> None:
        async with open_plain_nursery() as nursery:
            nursery.start_soon(fail, KeyError("x"))
            nursery.start_soon(fail, OSError("y"))

    with pytest.RaisesGroup(KeyError, OSError):
        await fail_twice()


async def test_cancellation_passes_through_and_ends_the_tasks() -> None:
    with trio.CancelScope() as scope:
        async with open_plain_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
    assert scope.cancelled_caught
