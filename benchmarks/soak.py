"""Calls that come and go for minutes or hours, over real sockets, and whether the server stays as it was.

Starts an emulated provider and `callboard serve` as programs of their own and has emulated callers phone the server
from this process: conversations of random lengths with random pauses, hang-ups in mid-answer and in mid-tool, some of
them abrupt, carriers that stop reading or fall silent. It goes in rounds: at the end of each everybody hangs up, and
when the server is idle its memory, handles and tasks are compared with what they were before.

    python benchmarks/soak.py --minutes 10 --calls 8

Ends with 1 if memory grows faster than its limit once warm, if handles, tasks or actors do not come back to the idle
level, or if a call ended otherwise than its caller meant it to.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from callboard.actors import TcpNetwork
from callboard.actors.emulators import CallEnd, CallResult, CarrierCall, CarrierEmulator, SpeechBank
from callboard.media.speech import load_speech
from programs import NotMeasurable, Program, fetch, http_url, open_program, read_process
from soak_callers import Manner, Plan, SoakCaller, plan_call
from soak_figures import LEAST_POINTS, SERIES, Sample, complaints, growth, parse_metrics, table, warm

RECEPTION = Path(__file__).with_name("soak_reception.py")

# Between two samples while calls are up.
SAMPLE_SECONDS = 5.0
# A round is this long, shorter in a short run: there must be some to compare.
ROUND_SECONDS = 60.0
SHORTEST_ROUND = 5.0
LEAST_ROUNDS = 8
# At the end of a round calls may still come to their own end for so long.
CLOSING_SECONDS = 3.0
# From the last hang-up until the server must be what it was: a second by itself, the rest for a busy machine. Ports
# of cut sockets are found dead at once on loopback.
SETTLE_SECONDS = 15.0
# Idle, the server is left alone for so long before memory is read.
REST_SECONDS = 1.0
# All calls end because their caller wanted it, or the soak hung up for it.
MEANT = frozenset({CallEnd.HUNG_UP, CallEnd.DROPPED})


@attrs.define
class Tally:
    """What became of the calls."""

    manners: Counter[Manner] = attrs.field(factory=Counter[Manner])
    odd: list[str] = attrs.field(factory=list[str])
    seconds: float = 0.0
    """Of call, in all."""
    pauses: int = 0
    """Of less than half a second in what callers heard: gaps, and what a quick tool takes between two sentences."""
    violations: int = 0
    """Messages of the server that the wire forbids."""
    late: int = 0
    """Frames that this process made late."""

    def add(self, plan: Plan, result: CallResult) -> None:
        """Count a call."""
        self.manners[plan.manner] += 1
        self.seconds += result.duration
        if plan.faults is None:
            # One that does not read hears gaps of its own making.
            self.pauses += result.playout.underruns
        self.violations += result.playout.violations
        self.late += result.carrier.late_ticks
        if result.outcome.end not in MEANT:
            text = f"{result.call_sid} ({plan.manner.value}): {result.outcome.end.value} after {result.duration:.1f} s"
            self.odd.append(f"{text}: {result.outcome.reason[:160]}")


class Soak:
    """One run.

    Args:
        options: Of the command line.
        server: The server under test.
        provider: Its provider.
        objects: Where the server writes how many objects of each type it has.
    """

    def __init__(
        self, options: argparse.Namespace, server: Program, provider: Program, objects: Path
    ) -> None:
        self.seconds: float = options.minutes * 60
        self.at_once: int = options.calls
        self.seed: int = options.seed
        self.samples: list[Sample] = []
        self.tally = Tally()
        self.objects: list[dict[str, int]] = []
        """By type, at the idle moments."""
        self._server, self._provider, self._objects = server, provider, objects
        self._metrics = http_url(server.url, "/metrics")
        self._carrier = CarrierEmulator(TcpNetwork(), server.url, seed=self.seed, record_limit=0)
        self._bank = SpeechBank(load_speech("tones"))
        self._up: dict[CarrierCall, Plan] = {}
        self._round = 0
        self._began_at = 0.0

    async def run(self) -> None:
        """Phone until the time is over and the round that began before it.

        Raises:
            RuntimeError: The server or the provider ended.
        """
        # What the first look at the server loads is not its calls' doing.
        await self._sample(idle=False)
        await trio.sleep(REST_SECONDS)
        self._began_at = trio.current_time()
        await self._idle_moment()
        length = min(ROUND_SECONDS, max(SHORTEST_ROUND, self.seconds / LEAST_ROUNDS))
        ends_at = self._began_at + self.seconds
        # The last round is a whole one, too.
        while trio.current_time() < ends_at:
            self._round += 1
            await self._one_round(length)
            await self._idle_moment()

    async def _one_round(self, seconds: float) -> None:
        closing = trio.Event()
        async with trio.open_nursery() as samplers:
            samplers.start_soon(self._keep_looking)
            async with trio.open_nursery() as lines:
                for line in range(self.at_once):
                    lines.start_soon(self._phone, random.Random(f"{self.seed}/{self._round}/{line}"), closing)
                await trio.sleep(seconds)
                closing.set()
                with trio.move_on_after(CLOSING_SECONDS):
                    while self._up:  # noqa: ASYNC110  (several lines, each with its own end)
                        await trio.sleep(0.1)
                for call, plan in tuple(self._up.items()):
                    # One that does not read or write cannot say goodbye.
                    if plan.faults is None:
                        call.hang_up()
                    else:
                        call.drop()
            samplers.cancel_scope.cancel(reason="the round is over")

    async def _phone(self, rng: random.Random, closing: trio.Event) -> None:
        """One line: call after call."""
        while True:
            plan = plan_call(rng)
            with trio.move_on_after(plan.pause):
                await closing.wait()
            if closing.is_set():
                return
            parameters = {"chime": "1"} if plan.chime else {}
            call = self._carrier.call(
                SoakCaller(plan, self._bank), custom_parameters=parameters, faults=plan.faults
            )
            self._up[call] = plan
            try:
                result = await call.run()
            finally:
                del self._up[call]
            self.tally.add(plan, result)

    async def _keep_looking(self) -> None:
        while True:
            await self._look(idle=False)
            await trio.sleep(SAMPLE_SECONDS)

    async def _idle_moment(self) -> None:
        """Wait until the server is what it was before the first call, or for as long as that may take; look then."""
        with trio.move_on_after(SETTLE_SECONDS):
            while self.samples and not self._settled(await self._sample(idle=True)):  # noqa: ASYNC110
                await trio.sleep(0.25)
        self._objects.unlink(missing_ok=True)
        os.kill(self._server.pid, signal.SIGUSR1)
        with trio.move_on_after(10):
            while not self._objects.exists():  # noqa: ASYNC110  (another process makes it)
                await trio.sleep(0.1)
        if not self._objects.exists():
            raise RuntimeError("the server did not count its objects within 10 s")
        await trio.sleep(REST_SECONDS)
        self.objects.append(json.loads(self._objects.read_text(encoding="utf-8")))
        await self._look(idle=True)

    def _settled(self, sample: Sample) -> bool:
        returning = [series.of for series in SERIES if series.must_return]
        return sample.metrics["callboard_calls_active"] == 0 and all(
            value(sample) <= value(self.samples[0]) for value in returning
        )

    async def _look(self, *, idle: bool) -> None:
        sample = await self._sample(idle=idle)
        self.samples.append(sample)
        kind = "idle" if idle else f"{sample.metrics['callboard_calls_active']:.0f} calls"
        print(
            f"{sample.at:7.1f} s  round {self._round:3}  {kind:>8}  {sample.calls:6.0f} taken  "
            f"{sample.server.rss // 1024:8} kB  {sample.metrics['callboard_python_memory_blocks']:9.0f} blocks  "
            f"{sample.server.handles:4} handles  {sample.metrics['callboard_tasks']:5.0f} tasks",
            file=sys.stderr,
            flush=True,
        )

    async def _sample(self, *, idle: bool) -> Sample:
        for program in (self._server, self._provider):
            if not program.running:
                raise RuntimeError(f"{program.name} ended in the middle of the soak")
        # The processes first: the request below is a handle and a task of its own for a moment.
        server, provider = read_process(self._server.pid), read_process(self._provider.pid)
        text = await trio.to_thread.run_sync(fetch, self._metrics)
        return Sample(
            at=trio.current_time() - self._began_at,
            idle=idle,
            round=self._round,
            server=server,
            provider=provider,
            metrics=parse_metrics(text),
        )


def report(soak: Soak, options: argparse.Namespace) -> int:
    """Print the figures; 0 if nothing is wrong with them."""
    samples, tally = soak.samples, soak.tally
    last = samples[-1]
    counted = last.metrics
    print(
        f"{last.at / 60:.1f} minutes, {last.round} rounds, {last.calls:.0f} calls, {options.calls} at once, "
        f"{tally.seconds / 60:.0f} minutes of call, {options.provider}, seed {options.seed}"
    )
    print("\n".join(table(samples)))
    cpu = last.server.cpu - samples[0].server.cpu
    print(f"\nprocessor time of the server: {cpu / max(tally.seconds, 1) * 60:.2f} s for a minute of call")
    print(f"short pauses heard by callers, those of quick tools included: {tally.pauses}")
    print(f"frames that the callers made late: {tally.late}")
    print(
        f"gaps in answers, by the server's clock: {counted['callboard_playout_underruns_total']:.0f}, "
        f"{counted['callboard_playout_underrun_seconds_total']:.2f} s"
    )
    for name, text in (
        ("callboard_playout_dropped_frames_total", "frames dropped, too much waited to be played"),
        ("callboard_edge_dropped_frames_total", "frames dropped between units"),
        ("callboard_leg_dropped_messages_total", "messages dropped, the carrier did not read"),
        ("callboard_provider_dropped_seconds_total", "seconds dropped on the way to the provider"),
        ("callboard_listener_events_lost_total", "events lost on the way to listeners"),
    ):
        print(f"{text}: {counted[name]:g}")
    for name, text in (
        ("callboard_playout_high_water_seconds", "most audio that waited to be played, s"),
        ("callboard_edge_high_water_frames", "most frames that waited between units"),
        ("callboard_mailbox_high_water_ratio", "fullest mailbox, part of its capacity"),
        ("callboard_mailbox_dropped_messages", "messages dropped by mailboxes, at most at one time"),
    ):
        print(f"{text}: {max(sample.metrics[name] for sample in samples):g}")
    print("calls: " + ", ".join(f"{number} {manner.value}" for manner, number in tally.manners.most_common()))

    wrong = complaints(samples)
    steady = warm(samples)
    if len(steady) < LEAST_POINTS:
        print(
            f"memory is not judged: {len(steady)} idle moments after the warm-up, {LEAST_POINTS} are needed"
        )
    if wrong and len(soak.objects) > 2:
        grown = growth(soak.objects[1], soak.objects[-1], last.round - 1)
        print("objects that became more since the first round: " + (", ".join(grown) or "none"))
    wrong += [f"call {text}" for text in tally.odd]
    if tally.violations:
        wrong.append(f"{tally.violations} messages of the server that the wire forbids")
    for text in wrong:
        print(f"WRONG: {text}")
    if not wrong:
        print("nothing is wrong")
    return 1 if wrong else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a soak; 0 if nothing is wrong, 1 if something is, 2 where it cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=8, help="the most at once (default: %(default)s)")
    parser.add_argument("--provider", choices=("grok", "deepgram"), default="grok")
    parser.add_argument("--seed", type=int, default=0, help="of everything callers do")
    parser.add_argument("--record", type=Path, metavar="DIR", help="have the server record the calls there")
    options = parser.parse_args(argv)
    if options.minutes <= 0 or options.calls < 1:
        parser.error("--minutes and --calls must be positive")
    try:
        read_process(os.getpid())
    except NotMeasurable as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    recording = ("--record", str(options.record)) if options.record else ()
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder) / "objects.json"
        with (
            open_program(
                "emulate", options.provider, "--port", "0", "--speech", "tones", "--quiet"
            ) as provider,
            open_program(
                "serve",
                f"{RECEPTION}:{options.provider}",
                *("--port", "0", "--quiet", "--provider", options.provider, "--provider-url", provider.url),
                *recording,
                environment={**os.environ, "CALLBOARD_SOAK_OBJECTS": str(objects)},
            ) as server,
        ):
            soak = Soak(options, server, provider, objects)
            broken = False
            try:
                trio.run(soak.run)
            except* (RuntimeError, OSError) as group:
                print(f"WRONG: {group.exceptions[0]}")
                broken = True
        return 1 if broken else report(soak, options)


if __name__ == "__main__":
    sys.exit(main())
