"""Places calls at a system under test, for a time, and says what it cost and how well it did.

    python benchmarks/load.py --media-url ws://127.0.0.1:8080/twilio/media --provider-port 8765 --pid 4711 --calls 20

The carrier's and the provider's end of all calls are in this one process, with one clock, so that a frame can be timed
through the system. Started by `call_cost.py`; prints one JSON object.
"""

import argparse
import gc
import math
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import orjson

from load_carrier import CarrierEnd
from load_figures import Figures, figures_of
from load_loop import Loop, clock
from load_marks import FRAME
from load_process import Usage, ask_counts, busy_seconds, read_tree
from load_provider import ProviderEnd
from load_script import CYCLE, TURN, TURNS, CallRecord
from load_socket import LoadListener, LoadSocket, connect

# The callers' frames go out on this many points of time in each 20 ms.
SLOTS = 10
# How long a call may take to be answered and configured, float seconds.
SETUP = 10.0
# A turn of the only call there is, before all others: whatever is made once is made then.
WARM_UP = 4.5
# Between the last call and the window, and between the end of the calls and the last look, float seconds.
SETTLE, AFTERWARDS = 1.5, 3.0
# The golden ratio spreads the calls over a turn, however many there are.
SPREAD = (math.sqrt(5) - 1) / 2
# After so many calls that could not be set up in time no more are placed.
HOPELESS = 3


@attrs.frozen(kw_only=True)
class Result:
    """A level of load: so many calls for so long."""

    calls: int
    window: float
    figures: Figures
    alone: Figures
    """Of the warm-up call."""
    cpu: float
    """Of the system, seconds of processor time in the window."""
    cpu_per_call_minute: float
    cores: float
    idle_rss: int
    """Before the first call, octets."""
    rss_per_call: float
    """Growth from after the warm-up call to the top of the window, octets."""
    left: dict[str, int]
    """What there was more of at the end than after the warm-up call: handles, threads, tasks, objects, octets."""
    load_cores: float
    """What this process used."""
    load_late: float
    """How late its timers were, p99, milliseconds."""
    others: tuple[float, ...]
    """What other processes used of each processor, cores."""
    faults: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether all calls were good ones."""
        return not self.faults


class Load:
    """Carrier and provider of many calls.

    Args:
        media_url: The carriers' WebSocket of the system under test.
        provider_port: Where to be the provider.
    """

    def __init__(self, media_url: str, provider_port: int) -> None:
        parts = urlsplit(media_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path or "/"
        self.loop = Loop()
        self._listener = LoadListener(self.loop, self._welcome, provider_port)
        self._expected: CallRecord | None = None
        self._slots: list[list[CarrierEnd]] = [[] for _ in range(SLOTS)]
        self._ends: dict[int, tuple[CarrierEnd, ProviderEnd | None]] = {}
        self.records: list[CallRecord] = []
        self.strangers = 0
        """Connections to the provider that belong to no call."""
        self._begin = clock()
        self.loop.at(self._begin, self._tick, 0)

    def _tick(self, number: int) -> None:
        for carrier in self._slots[number % SLOTS]:
            if carrier.open:
                carrier.send_frame()
        number += 1
        self.loop.at(self._begin + number * FRAME / SLOTS, self._tick, number)

    def _welcome(self, sock: socket.socket) -> None:
        record, self._expected = self._expected, None
        if record is None:
            self.strangers += 1
            sock.close()
            return
        provider = ProviderEnd(self.loop, record, lambda: None)
        provider.socket = LoadSocket(self.loop, sock, provider, None)
        self._ends[record.number] = (self._ends[record.number][0], provider)

    def place(self, number: int) -> CallRecord:
        """Place a call and wait until the provider's session is configured, or the call is refused.

        One after the other: the next connection to the provider belongs to the call that was placed last.
        """
        record = CallRecord(number=number, placed=clock())
        self.records.append(record)
        self._expected = record
        carrier = CarrierEnd(self.loop, record)
        self._ends[number] = (carrier, None)
        carrier.socket = connect(self.loop, self._host, self._port, self._path, carrier)
        self._slots[number * 7 % SLOTS].append(carrier)
        self.loop.run_until(clock() + SETUP, lambda: bool(record.ready or record.refused or record.dropped))
        self._expected = None
        if not record.ready and not record.refused:
            record.dropped = record.dropped or "not set up in time"
        return record

    def begin(self, record: CallRecord, delay: float = 0.2) -> None:
        """Let the turns of a call begin, at its own place in the cycle."""
        provider = self._ends[record.number][1]
        if record.live and provider is not None:
            phase = record.number * SPREAD % 1.0
            provider.begin(clock() + delay + phase * TURN, record.number % len(TURNS))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.run_until(clock() + seconds)

    def hang_up(self, records: Sequence[CallRecord]) -> None:
        """End calls, one every few milliseconds, and wait until their sockets are closed."""
        for record in records:
            self._ends[record.number][0].hang_up()
            self.run(0.003)
        ended = [record for record in records if record.hung_up]
        self.loop.run_until(
            clock() + 5.0, lambda: all(one.provider_closed and one.carrier_closed for one in ended)
        )
        for slot in self._slots:
            slot.clear()

    def close(self) -> None:
        """End everything at once."""
        for carrier, provider in self._ends.values():
            carrier.socket.drop()
            if provider is not None:
                provider.socket.drop()
        self._listener.close()
        self.loop.close()


@attrs.frozen(kw_only=True)
class Plan:
    """A level of load, and how it is reached. Times are float seconds."""

    calls: int
    """At once."""
    window: float = CYCLE
    """How long to measure; multiples of `CYCLE` hold the same work for each call."""
    pace: float = 0.0
    """Between one call and the next, at least."""
    warm_up: float = WARM_UP
    settle: float = TURN + SETTLE
    """From the last call until the window; by default until its turns run as well."""
    afterwards: float = AFTERWARDS


def measure(load: Load, plan: Plan, *, pid: int, counts_file: Path | None) -> Result:
    """Run one level of load.

    Args:
        load: Not used before.
        plan: What to do.
        pid: Of the system under test.
        counts_file: Where the system writes its counts.

    Raises:
        RuntimeError: Not even the first call works.
        ProcessLookupError: The system has ended.
    """
    idle = read_tree(pid)
    alone = _warm_up(load, plan.warm_up)
    counted = ask_counts(pid, counts_file)
    before = read_tree(pid)
    gc.collect()
    gc.freeze()
    failed = 0
    for number in range(1, plan.calls + 1):
        due = clock() + plan.pace
        record = load.place(number)
        load.begin(record)
        load.run(due - clock())
        failed += bool(record.dropped)
        if failed >= HOPELESS:
            break
    records = load.records[1:]
    load.run(plan.settle)
    load.loop.lateness = []
    usage, busy, own, begin = read_tree(pid), busy_seconds(), time.process_time(), clock()
    top = usage.rss
    while clock() - begin < plan.window:
        load.run(min(1.0, max(0.0, begin + plan.window - clock())))
        top = max(top, read_tree(pid).rss)
    end = clock()
    after, busy_after, own_after = read_tree(pid), busy_seconds(), time.process_time()
    late = sorted(load.loop.lateness)
    load.loop.lateness = None
    seconds = end - begin
    # What was sent last is to be heard before the callers are gone.
    load.run(0.5)
    load.hang_up(records)
    load.run(plan.afterwards)
    counted_after = ask_counts(pid, counts_file)
    last = read_tree(pid)
    figures = figures_of(records, begin, end)
    live = max(1, figures.calls)
    used = [(now - then) / seconds for now, then in zip(busy_after, busy, strict=True)]
    return Result(
        calls=plan.calls,
        window=seconds,
        figures=figures,
        alone=alone,
        cpu=after.cpu - usage.cpu,
        cpu_per_call_minute=(after.cpu - usage.cpu) / (seconds / 60) / live,
        cores=(after.cpu - usage.cpu) / seconds,
        idle_rss=idle.rss,
        rss_per_call=(top - before.rss) / live,
        left=_difference(before, last)
        | {name: counted_after[name] - counted[name] for name in counted.keys() & counted_after.keys()},
        load_cores=(own_after - own) / seconds,
        load_late=1000 * late[int(0.99 * len(late))] if late else 0.0,
        others=_others(used, (after.cpu - usage.cpu) / seconds, (own_after - own) / seconds),
        faults=tuple(figures.faults(alone)),
    )


def _warm_up(load: Load, seconds: float) -> Figures:
    """One call alone."""
    first = load.place(0)
    if not first.ready:
        raise RuntimeError(f"the first call does not work: {first.refused or first.dropped}")
    load.begin(first, 0.1)
    load.run(seconds)
    alone = figures_of([first], 0.0, clock())
    load.hang_up([first])
    load.run(1.0)
    return alone


def _difference(before: Usage, after: Usage) -> dict[str, int]:
    return {
        "handles": after.handles - before.handles,
        "threads": after.threads - before.threads,
        "rss": after.rss - before.rss,
    }


def _others(used: Sequence[float], system: float, own: float) -> tuple[float, ...]:
    """What the rest of the machine used: system and load are pinned to the first two processors."""
    shares = list(used)
    for index, share in enumerate((system, own)[: len(shares)]):
        shares[index] -= share
    return tuple(round(max(0.0, share), 3) for share in shares)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one level and print what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--media-url", required=True)
    parser.add_argument("--provider-port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="of the system under test")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--window", type=float, default=CYCLE)
    parser.add_argument("--pace", type=float, default=0.0, help="float seconds between calls")
    parser.add_argument("--counts-file", type=Path)
    options = parser.parse_args(argv)
    load = Load(options.media_url, options.provider_port)
    try:
        result = measure(
            load,
            Plan(calls=options.calls, window=options.window, pace=options.pace),
            pid=options.pid,
            counts_file=options.counts_file,
        )
    except (RuntimeError, ProcessLookupError) as error:
        print(orjson.dumps({"error": str(error)}).decode())
        return 1
    finally:
        load.close()
    print(
        orjson.dumps(
            {**attrs.asdict(result), "healthy": result.healthy, "strangers": load.strangers}
        ).decode()
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
