"""What `/metrics` tells: sums that outlive the calls, and the state of the process."""

import gc
import re
import weakref
from pathlib import Path

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._call import Call
from callboard.actors._loop import LoopWatch
from callboard.actors._metrics import MediaCounters, render_metrics
from callboard.actors._ports import EDGE_CAPACITY, Edge
from callboard.actors._stall import StallWatch
from callboard.actors._switchboard import Switchboard
from callboard.media import ULAW_8K, AudioFrame
from callboard.testing import open_board

from .test_media_ports import Unit, open_scope


async def talk_for_ever(call: Call) -> None:
    await call.answer()
    await trio.sleep_forever()


def values(switchboard: Switchboard) -> dict[str, float]:
    lines = render_metrics(switchboard).splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


def frame(n_samples: int) -> AudioFrame:
    return AudioFrame(payload=bytes(n_samples), format=ULAW_8K, position=0, generation=1)


async def test_every_metric_has_one_type_before_its_samples() -> None:
    async with open_board(talk_for_ever) as board:
        watch = LoopWatch(StallWatch(None))
        watch.stalls.by_kind.update({"calls/*/scenario": 3, 'odd"one': 1})
        lines = render_metrics(board.switchboard, watch).splitlines()
    types: list[str] = []
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name.startswith("callboard_")
            # Prometheus counts on this ending.
            assert name.endswith("_total") == (kind == "counter")
            types.append(name)
        else:
            assert line.split()[0].partition("{")[0] == types[-1]
            float(line.split()[1])
    assert len(types) == len(set(types))
    assert 'callboard_loop_stalls_total{actor="calls/*/scenario"} 3' in lines
    assert 'callboard_loop_stalls_total{actor="odd\\"one"} 1' in lines


async def test_every_metric_is_documented_and_no_other() -> None:
    async with open_board(talk_for_ever) as board:
        watch = LoopWatch(StallWatch(None))
        watch.stalls.by_kind["pacer"] += 1
        lines = render_metrics(board.switchboard, watch).splitlines()
    told = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert told == set(re.findall(r"`(callboard_[a-z0-9_]+)", page))


async def test_actors_and_tasks_come_back_to_what_they_were_before_a_call(autojump_clock: MockClock) -> None:
    async with open_board(talk_for_ever) as board:
        await wait_all_tasks_blocked()
        before = values(board.switchboard)
        leg, _ = await board.call()
        during = values(board.switchboard)
        leg.close()
        await trio.sleep(1)
        after = values(board.switchboard)
    for name in ("callboard_actors", "callboard_tasks", "callboard_calls_active"):
        assert during[name] > before[name] == after[name]
    assert after["callboard_calls_taken_total"] == 1
    assert after["callboard_python_memory_blocks"] > 0


async def test_losses_of_a_call_are_counted_while_it_lives_and_after_it(autojump_clock: MockClock) -> None:
    async with open_board(talk_for_ever) as board:
        leg, call = await board.call()
        leg.playout.put(frame(800))
        await trio.sleep(1)
        # The same turn goes on after a gap of 0.9 s; then comes more than may wait.
        leg.playout.put(frame(8000))
        for _ in range(61):
            leg.playout.put(frame(8000))
        call.scope.audio_in_dropped = 0.5
        call.scope.listener_events_lost = 3
        during = values(board.switchboard)
        leg.close()
        await trio.sleep(1)
        assert not board.switchboard.calls
        after = values(board.switchboard)
    assert during["callboard_playout_underruns_total"] == 1
    assert 0.85 < during["callboard_playout_underrun_seconds_total"] < 0.95
    assert during["callboard_playout_dropped_frames_total"] == 2
    assert 59 < during["callboard_playout_high_water_seconds"] <= 60
    assert during["callboard_provider_dropped_seconds_total"] == 0.5
    assert during["callboard_listener_events_lost_total"] == 3
    lasting = [name for name in during if name.startswith(("callboard_playout", "callboard_provider"))]
    assert all(after[name] == during[name] for name in lasting)


async def test_counters_add_up_sums_and_keep_the_highest_marks() -> None:
    total = MediaCounters(playout_underruns=1, playout_high_water=2.0, edge_high_water=7, leg_missing=1)
    total.add(MediaCounters(playout_underruns=2, playout_high_water=1.0, edge_high_water=9, leg_dropped=4))
    assert total == MediaCounters(
        playout_underruns=3, playout_high_water=2.0, edge_high_water=9, leg_missing=1, leg_dropped=4
    )


async def test_a_closed_edge_is_counted_and_not_kept() -> None:
    async with open_scope() as (_, scope):
        source, sink = Unit("a", scope), Unit("b", scope)
        edge = source.send_media_to(sink)
        for number in range(EDGE_CAPACITY + 5):
            source.say(number % 256)
        assert scope.edge_counters().dropped == 5
        edge.close()
        gone: weakref.ref[Edge] = weakref.ref(edge)
        del edge
        await wait_all_tasks_blocked()
        gc.collect()
        assert gone() is None
        source.send_media_to(sink)
        counted = scope.edge_counters()
        assert (counted.dropped, counted.high_water) == (5, EDGE_CAPACITY)
