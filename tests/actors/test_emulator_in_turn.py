"""Work in turn: the order, what is active, how it ends."""

import attrs
import pytest
import trio
import trio.testing

from callboard.actors.emulators._in_turn import InTurn


@attrs.define(eq=False)
class Job:
    name: str
    finished: trio.Event = attrs.field(factory=trio.Event)


async def test_pieces_are_worked_on_in_order_one_at_a_time(autojump_clock: trio.abc.Clock) -> None:
    queue: InTurn[Job] = InTurn(2)
    done: list[tuple[str, float]] = []

    async def work(job: Job) -> None:
        assert queue.active is job
        await trio.sleep(1.0)
        done.append((job.name, trio.current_time()))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run, work)
        await trio.testing.wait_all_tasks_blocked()
        assert not queue.busy
        jobs = [Job("a"), Job("b"), Job("c")]
        queue.put(jobs[0])
        await trio.testing.wait_all_tasks_blocked()
        assert queue.busy
        assert not queue.full
        for job in jobs[1:]:
            queue.put(job)
        assert queue.full
        await jobs[2].finished.wait()
        assert not queue.busy
        queue.put(Job("d"))
        await trio.sleep(2.0)
        nursery.cancel_scope.cancel()
    assert done == [("a", began + 1), ("b", began + 2), ("c", began + 3), ("d", began + 4)]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_piece_is_finished_however_its_work_ends(
    autojump_clock: trio.abc.Clock, cancelled: bool
) -> None:
    queue: InTurn[Job] = InTurn(2)
    first, second = Job("a"), Job("b")
    queue.put(first)
    queue.put(second)

    async def work(job: Job) -> None:
        await trio.sleep(1.0)
        raise RuntimeError(job.name)

    with trio.move_on_after(0.5 if cancelled else 5.0):
        with pytest.raises(RuntimeError, match="a"):
            await queue.run(work)
        assert not cancelled
    assert first.finished.is_set()
    assert queue.active is None
    # What waits is left to whoever runs it next.
    assert list(queue.waiting) == [second]
    assert not second.finished.is_set()
