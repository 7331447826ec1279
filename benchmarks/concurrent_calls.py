"""Concurrent phone calls over real sockets, in three processes, and whether each of them was perfect.

Starts `callboard emulate grok` and `callboard serve` as programs of their own, places calls with the emulated carrier
from this process, and checks every call: no gap in the agent's audio, what the caller heard readable word for word
(words travel as tones, so a frame lost or out of order garbles them), the server's recording as long as the caller's
to the sample, and nothing left on the server afterwards.

    python benchmarks/concurrent_calls.py --calls 20 --seconds 60
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trio

from callboard.actors import TcpNetwork
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    CarrierEmulator,
    InterruptAfter,
    Say,
    ScriptedCaller,
    SpeechBank,
    Step,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media import ToneDecoder, read_wav
from callboard.media.speech import load_speech
from programs import fetch, http_url, open_program

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def script(seconds: float, number: int) -> tuple[Step, ...]:
    """A caller who asks about one day after the other, and interrupts every second answer."""
    steps: list[Step] = [WaitForAgent(timeout=20), WaitForSilence(0.8)]
    for turn in range(int(seconds / 3) + 2):
        day = DAYS[(turn + number) % len(DAYS)]
        question = f"Are you open on {day}?"
        steps.append(InterruptAfter(0.9, question, timeout=30) if turn % 2 else Say(question))
        if turn % 2:
            steps += [WaitForAgent(timeout=30), WaitForSilence(1.2)]
    return tuple(steps)


def heard_words(result: CallResult) -> tuple[int, int]:
    """How many utterances of the agent came through whole, and how many did not.

    One that the end of the call cut is neither: it is what the decoder still holds.
    """
    decoder = ToneDecoder()
    utterances = decoder.push(result.heard()[:, 1])
    whole = sum(one.complete for one in utterances)
    return whole, len(utterances) - whole


def check(result: CallResult, folder: Path) -> list[str]:
    """What was wrong with a call."""
    faults: list[str] = []
    if result.outcome.end not in {CallEnd.HUNG_UP, CallEnd.TIME_LIMIT}:
        faults.append(f"ended with {result.outcome.end.value}: {result.outcome.reason}")
    underruns = result.measures().underruns
    if underruns:
        faults.append(f"{len(underruns)} underruns, the first at {underruns[0].start:.2f} s")
    interruptions = sum(isinstance(event.step, InterruptAfter) for event in result.events)
    whole, broken = heard_words(result)
    if broken > interruptions:
        faults.append(f"{broken} utterances garbled, {interruptions} interruptions")
    if whole < 3:
        faults.append(f"only {whole} utterances heard whole")
    recording = folder / f"{result.call_sid}.wav"
    if not recording.exists():
        faults.append("no recording")
    else:
        samples, _ = read_wav(recording)
        if len(samples) != result.carrier.frames_sent * 160:
            faults.append(
                f"recorded {len(samples)} samples, the carrier sent {result.carrier.frames_sent * 160}"
            )
        elif not np.array_equal(samples[:, 0], result.heard()[: len(samples), 0]):
            faults.append("the caller's channel differs from what the caller said")
    return faults


def report(results: Sequence[CallResult], folder: Path) -> int:
    """Print figures and faults; the number of calls with a fault."""
    bad = 0
    for result in results:
        faults = check(result, folder)
        bad += bool(faults)
        for fault in faults:
            print(f"{result.call_sid}: {fault}")
    replies = [reply for result in results for reply in result.measures().replies]
    latencies = sorted(reply.reply for reply in replies if reply.reply is not None)
    silenced = sorted(reply.silenced for reply in replies if reply.silenced is not None)
    for name, values in (
        ("caller stopped -> agent heard", latencies),
        ("interruption -> agent silent", silenced),
    ):
        if values:
            p99 = values[min(len(values) - 1, round(0.99 * len(values)))]
            print(
                f"{name}: n {len(values)}, p50 {statistics.median(values) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
            )
    late = sum(result.carrier.late_ticks for result in results)
    print(f"{len(results)} calls, {bad} with faults; the carrier itself was late {late} times")
    return bad


def main() -> int:
    """Run the calls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    bank = SpeechBank(load_speech("tones"))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_program("emulate", "grok", "--port", "0", "--speech", "tones") as provider,
        open_program(
            "serve", "--port", "0", "--quiet", "--provider-url", provider.url, "--record", folder
        ) as server,
    ):
        carrier = CarrierEmulator(TcpNetwork(), server.url, time_limit=options.seconds)
        callers = [
            ScriptedCaller(script(options.seconds, number), bank, stay=True)
            for number in range(options.calls)
        ]

        async def run() -> tuple[tuple[CallResult, ...], dict[str, object]]:
            results = await carrier.place_calls(callers, interval=0.05)
            await trio.sleep(1)
            health = await trio.to_thread.run_sync(fetch, http_url(server.url, "/healthz"))
            return results, json.loads(health)

        results, left = trio.run(run)
        bad = report(results, Path(folder))
        print(f"on the server 1 s later: {left}")
        return 1 if bad or left.get("calls") else 0


if __name__ == "__main__":
    sys.exit(main())
