"""Timed: channels, supervisors, bridges."""

import time
from typing import Any

import trio
import trio.testing

from callboard.actors import (
    Channel,
    ChildSpec,
    Context,
    Edge,
    MediaUnit,
    Restart,
    open_system,
    system_scope,
)
from callboard.media import PCM16_24K, ULAW_8K, AudioFormat, AudioFrame
from micro_kit import Case, in_trio

BURST = 64


async def channel_hop(times: int) -> float:
    """An item goes to another task and an answer comes back: two hops, each of them a task switch."""
    there, back = Channel[int](8), Channel[int](8)

    async def echo() -> None:
        async for item in there:
            await back.send(item)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo)
        begin = time.process_time()
        for number in range(times):
            await there.send(number)
            await back.receive()
        taken = time.process_time() - begin
        nursery.cancel_scope.cancel()
    return taken / 2


async def burst_by_item(times: int) -> float:
    """Items that are there already are received one by one."""
    channel = Channel[int](BURST)
    begin = time.process_time()
    for start in range(0, times, BURST):
        n_items = min(BURST, times - start)
        for number in range(n_items):
            channel.send_nowait(number)
        for _ in range(n_items):
            await channel.receive()
    return time.process_time() - begin


async def burst_by_batch(times: int) -> float:
    """The same items are drained in one step."""
    channel = Channel[int](BURST)
    begin = time.process_time()
    for start in range(0, times, BURST):
        for number in range(min(BURST, times - start)):
            channel.send_nowait(number)
        await channel.receive_batch()
    return time.process_time() - begin


async def _actor(context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await context.stop_requested.wait()


async def start_and_stop(times: int) -> float:
    """A child is started under a supervisor, and stopped."""
    async with open_system() as system:
        begin = time.process_time()
        for _ in range(times):
            child = await system.root.start_child(
                ChildSpec(name="child", run=_actor, restart=Restart.TEMPORARY)
            )
            await child.stop()
        return time.process_time() - begin


class _Unit(MediaUnit):
    """Takes and produces one format."""

    def __init__(self, name: str, scope: Any, audio_format: AudioFormat) -> None:
        super().__init__(name, scope)
        self._format = audio_format
        self.n_frames = 0

    @property
    def input_format(self) -> AudioFormat:
        return self._format

    @property
    def output_format(self) -> AudioFormat:
        return self._format

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        del edge, frame
        self.n_frames += 1


async def _bridge(times: int, source_format: AudioFormat, sink_format: AudioFormat) -> float:
    async with open_system() as system:
        scope = await system_scope(system)
        source, sink = _Unit("source", scope, source_format), _Unit("sink", scope, sink_format)
        edge = source.send_media_to(sink)
        frame = AudioFrame(
            payload=bytes(source_format.n_octets(source_format.rate_hz // 50)),
            format=source_format,
            position=0,
        )
        source.emit(frame)
        await edge.wait_empty()
        # The bridge is at rest then, as between two frames of a call.
        await trio.testing.wait_all_tasks_blocked()
        begin = time.process_time()
        for _ in range(times):
            source.emit(frame)
        taken = time.process_time() - begin
        assert sink.n_frames == times + 1
        return taken


async def bridge_same(times: int) -> float:
    """20 ms of mu-law from one unit to another."""
    return await _bridge(times, ULAW_8K, ULAW_8K)


async def bridge_converted(times: int) -> float:
    """20 ms of mu-law to a unit that takes PCM at 24 kHz."""
    return await _bridge(times, ULAW_8K, PCM16_24K)


CASES = tuple(
    Case(group="actors", name=name, batch=in_trio(function))
    for name, function in (
        ("channel: a hop to another task", channel_hop),
        ("channel: an item of a burst, received alone", burst_by_item),
        ("channel: an item of a burst, drained", burst_by_batch),
        ("supervisor: a child started and stopped", start_and_stop),
        ("bridge: a frame, formats alike", bridge_same),
        ("bridge: a frame, mu-law to PCM at 24 kHz", bridge_converted),
    )
)
