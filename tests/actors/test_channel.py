import tracemalloc

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from callboard.actors._channel import Channel, Overflow
from callboard.actors._errors import MailboxFull


def full(overflow: Overflow, capacity: int = 3) -> Channel[int]:
    channel = Channel[int](capacity, overflow, name="box")
    for item in range(capacity):
        channel.send_nowait(item)
    return channel


def drain(channel: Channel[int]) -> list[int]:
    items: list[int] = []
    try:
        while True:
            items.append(channel.receive_nowait())
    except (trio.WouldBlock, trio.EndOfChannel):
        return items


@pytest.mark.parametrize("capacity", [0, -1])
def test_channel_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Channel[int](capacity)


async def test_block_makes_the_sender_wait_until_there_is_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    channel = full(Overflow.BLOCK)
    with pytest.raises(trio.WouldBlock):
        channel.send_nowait(3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(channel.send, 3)
        await trio.testing.wait_all_tasks_blocked()
        assert channel.statistics().sent == 3
        assert await channel.receive() == 0
    assert drain(channel) == [1, 2, 3]
    stats = channel.statistics()
    assert (stats.sent, stats.received, stats.dropped) == (4, 4, 0)
    assert (stats.capacity, stats.depth, stats.high_water) == (3, 0, 3)


@pytest.mark.parametrize("nowait", [False, True])
async def test_drop_oldest_keeps_the_newest_and_counts(nowait: bool) -> None:
    channel = full(Overflow.DROP_OLDEST)
    for item in (3, 4):
        if nowait:
            channel.send_nowait(item)
        else:
            await channel.send(item)
    stats = channel.statistics()
    assert (stats.sent, stats.received, stats.dropped) == (5, 0, 2)
    assert (stats.depth, stats.high_water) == (3, 3)
    assert drain(channel) == [2, 3, 4]


@pytest.mark.parametrize("nowait", [False, True])
async def test_drop_newest_keeps_the_oldest_and_counts(nowait: bool) -> None:
    channel = full(Overflow.DROP_NEWEST)
    if nowait:
        channel.send_nowait(3)
    else:
        await channel.send(3)
    stats = channel.statistics()
    assert (stats.sent, stats.dropped, stats.depth, stats.high_water) == (3, 1, 3, 3)
    assert drain(channel) == [0, 1, 2]


@pytest.mark.parametrize("nowait", [False, True])
async def test_fail_raises_to_the_sender(nowait: bool) -> None:
    channel = full(Overflow.FAIL)
    with pytest.raises(MailboxFull, match="'box' is full: 3 items") as caught:
        channel.send_nowait(3) if nowait else await channel.send(3)
    assert (caught.value.name, caught.value.capacity) == ("box", 3)
    assert drain(channel) == [0, 1, 2]


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_send_is_a_checkpoint(overflow: Overflow) -> None:
    channel = Channel[int](1, overflow)
    with trio.testing.assert_checkpoints():
        await channel.send(1)
    if overflow is Overflow.FAIL:
        with trio.testing.assert_checkpoints(), pytest.raises(MailboxFull):
            await channel.send(2)
    with trio.testing.assert_checkpoints():
        await channel.receive()


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_cancelled_send_has_not_sent(overflow: Overflow) -> None:
    channel = Channel[int](1, overflow)
    with trio.CancelScope() as scope:
        scope.cancel()
        await channel.send(1)
    assert scope.cancelled_caught
    stats = channel.statistics()
    assert (stats.sent, stats.depth, stats.dropped) == (0, 0, 0)


async def test_cancelled_blocked_send_has_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    channel = full(Overflow.BLOCK)
    with trio.move_on_after(1) as scope:
        await channel.send(3)
    assert scope.cancelled_caught
    assert drain(channel) == [0, 1, 2]


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_item_goes_to_a_waiting_receiver(overflow: Overflow) -> None:
    channel = Channel[int](1, overflow)
    got: list[int] = []

    async def receive() -> None:
        got.append(await channel.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        channel.send_nowait(7)
    assert got == [7]
    assert channel.statistics().dropped == 0


async def test_close_lets_receivers_drain(autojump_clock: trio.testing.MockClock) -> None:
    channel = full(Overflow.BLOCK)
    channel.close()
    channel.close()
    with pytest.raises(trio.ClosedResourceError):
        channel.send_nowait(9)
    with pytest.raises(trio.ClosedResourceError):
        await channel.send(9)
    assert [item async for item in channel] == [0, 1, 2]
    with pytest.raises(trio.EndOfChannel):
        await channel.receive()
    with pytest.raises(trio.EndOfChannel):
        channel.receive_nowait()
    with pytest.raises(trio.EndOfChannel):
        await channel.receive_batch()


async def test_close_wakes_both_sides() -> None:
    empty, crowded = Channel[int](1), full(Overflow.BLOCK)
    outcomes: list[str] = []

    async def receive() -> None:
        with pytest.raises(trio.EndOfChannel):
            await empty.receive()
        outcomes.append("receiver")

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await crowded.send(3)
        outcomes.append("sender")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        empty.close()
        crowded.close()
    assert sorted(outcomes) == ["receiver", "sender"]


async def test_receive_batch_waits_for_one_and_takes_all() -> None:
    channel = Channel[int](8)
    batches: list[list[int]] = []

    async def receive() -> None:
        batches.extend([await channel.receive_batch() for _ in range(2)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        for item in range(3):
            channel.send_nowait(item)
        await trio.testing.wait_all_tasks_blocked()
        channel.send_nowait(3)
    assert batches == [[0, 1, 2], [3]]
    assert channel.statistics().received == 4


async def test_receive_batch_at_the_end_returns_the_rest() -> None:
    channel = full(Overflow.BLOCK)
    channel.close()
    assert await channel.receive_batch() == [0, 1, 2]


async def test_clear_throws_away_what_waits() -> None:
    channel = full(Overflow.DROP_OLDEST)
    assert channel.clear() == 3
    assert channel.clear() == 0
    channel.send_nowait(5)
    stats = channel.statistics()
    assert (stats.depth, stats.dropped, stats.received, stats.high_water) == (1, 0, 0, 3)
    assert "'box'" in repr(channel)


@given(
    overflow=st.sampled_from([Overflow.DROP_OLDEST, Overflow.DROP_NEWEST]),
    capacity=st.integers(1, 4),
    sends=st.lists(st.booleans(), max_size=40),
)
def test_dropping_channel_accounts_for_every_item(
    overflow: Overflow, capacity: int, sends: list[bool]
) -> None:
    async def main() -> None:
        channel = Channel[int](capacity, overflow)
        got: list[int] = []
        depth = peak = 0
        for number, is_send in enumerate(sends):
            if is_send:
                channel.send_nowait(number)
                depth = min(depth + 1, capacity)
                peak = max(peak, depth)
            elif depth:
                got.append(channel.receive_nowait())
                depth -= 1
        stats = channel.statistics()
        assert stats.depth == depth
        assert stats.high_water == peak
        assert stats.received == len(got)
        assert len(got) + depth + stats.dropped == sum(sends)
        assert got == sorted(got)

    trio.run(main)


class MemoryChannel:
    """A trio memory channel, with the methods of ours."""

    def __init__(self, capacity: int) -> None:
        sender, receiver = trio.open_memory_channel[int](capacity)
        self.send, self.send_nowait, self.close = sender.send, sender.send_nowait, sender.close
        self.receive, self.receive_nowait = receiver.receive, receiver.receive_nowait


async def outcomes(
    channel: Channel[int] | MemoryChannel, steps: list[tuple[str, int]]
) -> list[dict[int, object]]:
    """What each step has come to, after each step; steps that wait are tasks, which `cancel` steps end."""
    results: dict[int, object] = {}
    scopes: list[trio.CancelScope] = []
    history: list[dict[int, object]] = []

    async def run(number: int, action: str, scope: trio.CancelScope) -> None:
        with scope:
            try:
                match action:
                    case "send":
                        await channel.send(number)
                        results[number] = None
                    case "receive":
                        results[number] = await channel.receive()
                    case "send_nowait":
                        channel.send_nowait(number)
                        results[number] = None
                    case "receive_nowait":
                        results[number] = channel.receive_nowait()
                    case _:
                        channel.close()
                        results[number] = None
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError) as error:
                results[number] = type(error)
        if scope.cancelled_caught:
            results[number] = trio.Cancelled

    async with trio.open_nursery() as nursery:
        for number, (action, chosen) in enumerate(steps):
            if action == "cancel":
                for scope in scopes[chosen % 8 :: 8]:
                    scope.cancel()
            else:
                scopes.append(trio.CancelScope())
                nursery.start_soon(run, number, action, scopes[-1])
            await trio.testing.wait_all_tasks_blocked()
            history.append(dict(results))
        nursery.cancel_scope.cancel()
    return history


ACTIONS = ("send", "receive", "send", "receive", "send_nowait", "receive_nowait", "cancel", "close")


@given(
    capacity=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 7)), max_size=24),
)
def test_channel_that_blocks_behaves_as_a_memory_channel_of_trio(
    capacity: int, steps: list[tuple[str, int]]
) -> None:
    ours = trio.run(outcomes, Channel[int](capacity), steps)
    assert ours == trio.run(outcomes, MemoryChannel(capacity), steps)


def test_channel_that_is_not_used_holds_no_queue() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    channels = [Channel[int](64) for _ in range(100)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(channels) < 250  # octets; a pair of trio's ends has 1800
