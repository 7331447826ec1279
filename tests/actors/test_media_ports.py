"""Edges between media units: routing rules, conversion, bounds, and bridges that are killed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._ports import (
    EDGE_CAPACITY,
    Edge,
    InputBusy,
    InputPolicy,
    MediaUnit,
    send_media_between,
    stop_media_between,
)
from callboard.actors._scope import Scope, system_scope
from callboard.actors._system import System, open_system
from callboard.media import PCM16_24K, ULAW_8K, AudioFormat, AudioFrame, Samples, decode, encode


class Unit(MediaUnit):
    """Produces what it is told to and keeps what it gets."""

    def __init__(
        self,
        name: str,
        scope: Scope,
        audio_format: AudioFormat = ULAW_8K,
        policy: InputPolicy = InputPolicy.REPLACE,
    ) -> None:
        super().__init__(name, scope)
        self.format = audio_format
        self.input_policy = policy
        self.got: list[AudioFrame] = []
        self.lost: list[Edge] = []
        self.flushed: list[int] = []

    @property
    def output_format(self) -> AudioFormat:
        return self.format

    @property
    def input_format(self) -> AudioFormat:
        return self.format

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        self.got.append(frame)

    def displaced(self, edge: Edge) -> None:
        self.lost.append(edge)

    def flush_input(self, edge: Edge, generation: int) -> None:
        self.flushed.append(generation)

    def say(self, number: int, generation: int = 0) -> None:
        self.emit(
            AudioFrame(
                payload=bytes([number]) * 160,
                format=self.format,
                position=number * 160,
                generation=generation,
            )
        )

    def heard(self, edge: Edge, generation: int) -> None:
        return None

    @property
    def numbers(self) -> list[int]:
        return [frame.payload[0] for frame in self.got]


@asynccontextmanager
async def open_scope() -> AsyncGenerator[tuple[System, Scope], None]:
    async with open_system(seed=1) as system:
        yield system, await system_scope(system)


async def test_every_sink_gets_every_frame_in_order(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sinks = Unit("a", scope), [Unit(f"s{number}", scope) for number in range(3)]
        for sink in sinks:
            source.send_media_to(sink)
        for number in range(10):
            source.say(number)
        await wait_all_tasks_blocked()
        assert [sink.numbers for sink in sinks] == [list(range(10))] * 3


async def test_second_call_for_the_same_sink_returns_the_same_edge(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        assert source.send_media_to(sink) is source.send_media_to(sink)
        assert source.send_media_to(sink, tag="other") is not source.send_media_to(sink)


async def test_newest_source_displaces_the_old_one_and_the_sink_is_told(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        first, second, ear = Unit("a", scope), Unit("b", scope), Unit("ear", scope)
        old = first.send_media_to(ear)
        second.send_media_to(ear)
        first.say(1)
        second.say(2)
        await wait_all_tasks_blocked()
        assert ear.numbers == [2]
        assert ear.lost == [old]
        assert (old.open, old.displaced_by) == (False, second)
        assert first.outputs == []


async def test_mixing_input_keeps_all_sources_and_rejecting_input_refuses(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        first, second = Unit("a", scope), Unit("b", scope)
        mixer = Unit("mixer", scope, policy=InputPolicy.MIX)
        one = Unit("one", scope, policy=InputPolicy.REJECT)
        for source in (first, second):
            source.send_media_to(mixer)
        first.send_media_to(one)
        with pytest.raises(InputBusy, match="one takes one source and has a"):
            second.send_media_to(one)
        first.say(1)
        second.say(2)
        await wait_all_tasks_blocked()
        assert sorted(mixer.numbers) == [1, 2]
        assert one.numbers == [1]


async def test_both_directions_are_joined_and_parted(autojump_clock: MockClock) -> None:
    async with open_scope() as (system, scope):
        first, second = Unit("a", scope), Unit("b", scope)
        send_media_between(first, second)
        first.say(1)
        second.say(2)
        await wait_all_tasks_blocked()
        stop_media_between(first, second)
        first.say(3)
        second.say(4)
        await wait_all_tasks_blocked()
        assert (first.numbers, second.numbers) == ([2], [1])
        assert (first.inputs, first.outputs, second.inputs, second.outputs) == ([], [], [], [])
        assert scope.bridges.children() == ()
        assert not [path for path in system.registry if path.startswith("clients/bridges/")]


async def test_stopping_an_edge_that_is_not_there_is_harmless(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        Unit("a", scope).stop_media_to(Unit("b", scope))


async def test_octets_pass_untouched_where_formats_agree_and_are_converted_where_not(
    autojump_clock: MockClock,
) -> None:
    async with open_scope() as (_, scope):
        source, same, wide = Unit("a", scope), Unit("same", scope), Unit("wide", scope, PCM16_24K)
        straight, converted = source.send_media_to(same), source.send_media_to(wide)
        samples: Samples = (8000 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000)).astype(np.int16)
        payload = encode(samples, ULAW_8K)
        for position in range(0, len(payload), 160):
            chunk = payload[position : position + 160]
            source.emit(AudioFrame(payload=chunk, format=ULAW_8K, position=position, generation=7))
        await wait_all_tasks_blocked()
        assert b"".join(frame.payload for frame in same.got) == payload
        assert straight.statistics().passthrough
        assert not converted.statistics().passthrough
        assert {(frame.format, frame.generation, frame.n_samples) for frame in wide.got} == {
            (PCM16_24K, 7, 480)
        }
        assert [frame.position for frame in wide.got] == list(range(0, 24000, 480))
        loud = decode(b"".join(frame.payload for frame in wide.got), PCM16_24K)
        assert 5000 < np.sqrt(np.mean(loud[2400:].astype(float) ** 2)) < 6200


async def test_stale_generation_is_dropped_between_queue_and_sink(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        edge = source.send_media_to(sink)
        old = source.next_generation()
        source.say(1, old)
        new = source.next_generation()
        source.flush_output(new)
        source.say(2, old)
        source.say(3, new)
        await wait_all_tasks_blocked()
        assert sink.numbers == [3]
        assert sink.flushed == [new]
        assert edge.statistics().stale == 2


async def test_frames_beyond_the_capacity_drop_the_oldest_and_are_counted(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        edge = source.send_media_to(sink)
        for number in range(EDGE_CAPACITY + 5):
            source.say(number % 251)
        await wait_all_tasks_blocked()
        assert edge.statistics().dropped == 5
        assert sink.numbers == [number % 251 for number in range(5, EDGE_CAPACITY + 5)]


async def test_killed_bridge_heals_and_loses_nothing(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        edge = source.send_media_to(sink)
        assert edge.ref is not None
        await wait_all_tasks_blocked()
        for number in range(100):
            source.say(number)
            if number % 25 == 0:
                edge.ref.kill("test")
                await trio.sleep(10)
        await trio.sleep(10)
        assert sink.numbers == list(range(100))
        assert edge.ref.statistics().restarts == 4


async def test_an_idle_bridge_carries_in_the_step_of_the_source(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        edge = source.send_media_to(sink)
        source.say(1)  # the bridge does not run yet
        assert sink.numbers == []
        await wait_all_tasks_blocked()
        source.say(2)
        assert sink.numbers == [1, 2]
        assert edge.statistics().frames == 2


class Allergic(Unit):
    """Cannot take one kind of frame."""

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        if frame.payload[0] == 13:
            raise RuntimeError("not that one")
        super().accept(edge, frame)


async def test_what_a_sink_raises_ends_the_bridge_and_not_the_source(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        source, sink, other = Unit("a", scope), Allergic("b", scope), Unit("c", scope)
        edge = source.send_media_to(sink)
        source.send_media_to(other)
        assert edge.ref is not None
        await wait_all_tasks_blocked()
        for number in (12, 13, 14):
            source.say(number)
        assert other.numbers == [12, 13, 14]
        await trio.sleep(10)
        source.say(15)
        # What came while the bridge was away waited for it.
        assert sink.numbers == [12, 14, 15]
        exit = edge.ref.statistics().last_exit
        assert exit is not None
        assert isinstance(exit.error, RuntimeError)


async def test_a_sink_may_take_its_edge_away_while_it_is_given_a_frame(autojump_clock: MockClock) -> None:
    class Single(Unit):
        def accept(self, edge: Edge, frame: AudioFrame) -> None:
            super().accept(edge, frame)
            edge.close()

    async with open_scope() as (_, scope):
        source, once, always = Unit("a", scope), Single("b", scope), Unit("c", scope)
        source.send_media_to(once)
        source.send_media_to(always)
        await wait_all_tasks_blocked()
        for number in (1, 2):
            source.say(number)
        assert (once.numbers, always.numbers) == ([1], [1, 2])
        await wait_all_tasks_blocked()
        assert len(scope.bridges.children()) == 1


async def test_scopes_of_one_system_do_not_take_each_others_names(autojump_clock: MockClock) -> None:
    async with open_scope() as (system, first):
        second = await system_scope(system)
        sinks = [Unit("b", first), Unit("b", second)]
        for scope, sink in zip((first, second), sinks, strict=True):
            source = Unit("a", scope)
            source.send_media_to(sink)
            source.say(1)
        await wait_all_tasks_blocked()
        assert [sink.numbers for sink in sinks] == [[1], [1]]


async def test_closing_all_edges_leaves_no_bridge(autojump_clock: MockClock) -> None:
    async with open_scope() as (_, scope):
        middle = Unit("m", scope, policy=InputPolicy.MIX)
        for number in range(4):
            Unit(f"i{number}", scope).send_media_to(middle)
            middle.send_media_to(Unit(f"o{number}", scope))
        await wait_all_tasks_blocked()
        assert len(scope.bridges.children()) == 8
        middle.close_edges()
        await wait_all_tasks_blocked()
        assert scope.bridges.children() == ()
