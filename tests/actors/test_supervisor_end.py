"""A supervisor that ends, and children that wait for their restarts meanwhile."""

import pytest
import trio

from callboard.actors import Backoff, ChildSpec, Context, Strategy, open_system, supervisor_child


@pytest.mark.parametrize("polite", [True, False])
async def test_a_child_that_waits_for_its_restart_does_not_begin_again_while_others_are_stopped(
    autojump_clock: trio.testing.MockClock, *, polite: bool
) -> None:
    lives: list[str] = []

    async def one(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        lives.append(context.path)
        task_status.started()
        await context.stop_requested.wait()

    async def slow_to_end(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await context.stop_requested.wait()
        finally:
            with trio.move_on_after(2.0, shield=True):
                await trio.sleep(2.0)

    async with open_system() as system:
        ref = await system.start(
            supervisor_child(
                "above",
                strategy=Strategy.ONE_FOR_ONE,
                backoff=Backoff(initial=1.0, jitter=0.0),
                children=(ChildSpec(name="first", run=one), ChildSpec(name="behind", run=slow_to_end)),
            )
        )
        system.kill("above/first")
        await trio.sleep(0.5)
        began_at = trio.current_time()
        await ref.stop(None if polite else 0.0)
        assert trio.current_time() - began_at == pytest.approx(2.0)
    assert lives == ["above/first"]
