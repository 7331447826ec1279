"""`callboard demo`: a whole spoken call on this machine, from the caller's mouth to the agent's ear and back."""

import json
import sys
import time
from pathlib import Path
from typing import cast

import attrs
import trio

from callboard import grok
from callboard.actors import (
    Bound,
    Call,
    CallServer,
    ChildSpec,
    Context,
    Network,
    Restart,
    Route,
    ServerOptions,
    Speaker,
    open_server,
    open_system,
)
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    CarrierEmulator,
    GrokEmulator,
    GrokEmulatorOptions,
    HangUp,
    InterruptAfter,
    PlayoutKind,
    Say,
    ScriptedCaller,
    Step,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media.speech import SpeechEngines

from ._demo_view import View, make_view
from ._emulate import SpeechKind, load_engines
from ._reception import converse

QUESTION = "Good morning. Could you tell me whether the clinic is open on Saturday?"
INTERRUPTION = "Wait, I meant Thursday. Are you open on Thursday?"
FILES = ("recording.wav", "transcript.jsonl", "trace.jsonl", "caller-heard.wav")
GOODBYE = "Thank you very much, goodbye."


def steps(*, spoken: bool) -> tuple[Step, ...]:
    """What the caller does. Words as tones are much shorter than spoken ones, so they are interrupted sooner.

    Args:
        spoken: The agent speaks, rather than sends tones.
    """
    return (
        WaitForAgent(timeout=20.0),
        WaitForSilence(0.8),
        Say(QUESTION),
        # In the middle of the answer, behind its "let me check".
        InterruptAfter(2.8 if spoken else 1.0, INTERRUPTION, timeout=20.0),
        WaitForAgent(min_speech=0.5 if spoken else 0.1, timeout=20.0),
        WaitForSilence(1.0),
        Say(GOODBYE),
        WaitForAgent(timeout=20.0),
        WaitForSilence(1.0),
        HangUp(),
    )


@attrs.define
class DemoRun:
    """What the parts of one demo tell each other."""

    out: Path
    view: View
    call: Call | None = None
    agent: grok.VoiceAgentAPIClient | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    speech_started: list[float] = attrs.field(factory=list[float])
    result: CallResult | None = None
    faults: list[str] = attrs.field(factory=list[str])


def run_demo(out: Path, *, speech: SpeechKind, plain: bool) -> int:
    """Make the call; 0 if everything happened that should."""
    view = make_view(plain=plain)
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    view.status("loading speech")
    engines = load_engines(speech)
    started = time.perf_counter()
    engines.warm_up()
    view.status(f"speech: {engines.name}, ready after {time.perf_counter() - started:.1f} s")
    run = trio.run(make_call, out, view, engines)
    write_files(run)
    return report(run)


async def make_call(
    out: Path, view: View, engines: SpeechEngines, *, network: Network | None = None
) -> DemoRun:
    """Make the call on a network; the loopback if none is given."""
    run = DemoRun(out=out, view=view)
    emulator = GrokEmulator(GrokEmulatorOptions(seed=7), engines=engines)
    async with open_system("demo", network=network, seed=7) as system:

        async def run_emulator(context: Context[None], /, *, task_status: trio.TaskStatus[Bound]) -> None:
            del context
            await emulator.run(system.network, task_status=task_status)

        provider = await system.start(
            ChildSpec[None, Bound](
                name="emulated-grok",
                run=run_emulator,
                restart=Restart.TEMPORARY,
                grace=1.0,
            )
        )
        provider_url = f"ws://{cast(Bound, provider.value).authority}/v1/realtime"

        async def scenario(call: Call) -> None:
            await _scenario(call, run, provider_url)

        options = ServerOptions(port=0)
        async with open_server(system, (Route(".*", scenario),), options) as server:
            view.status(f"provider at {provider_url}")
            view.status(f"carrier's socket at {server.media_url}")
            run.result = await _place_call(server, engines)
            await _finish(run, server, run.result)
    return run


async def _scenario(call: Call, run: DemoRun, provider_url: str) -> None:
    run.call = call
    # Before the answer, so that nothing is missing.
    await call.record(run.out / "recording.wav")
    await call.answer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show, call, run)
        # The same as with a real key, but for the address: an emulator on this machine takes any key.
        run.agent = await grok.create_voice_agent_api_client(call, base_url=provider_url, trace=run.out)
        run.ready_at = trio.current_time()
        run.agent.add_event_listener(
            grok.VoiceAgentAPIEvents.InputAudioBufferSpeechStarted,
            lambda event: run.speech_started.append(trio.current_time()),
        )
        await converse(call, run.agent)


async def _show(call: Call, run: DemoRun) -> None:
    async with call.transcript.watch() as lines:
        async for line in lines:
            run.view.line(line)


async def _place_call(server: CallServer, engines: SpeechEngines) -> CallResult:
    carrier = CarrierEmulator(
        server.system.network,
        server.media_url,
        custom_parameters={"from": "+15550100001", "to": "+15550100002"},
    )
    return await carrier.call(ScriptedCaller(steps(spoken=engines.threaded), engines)).run()


async def _finish(run: DemoRun, server: CallServer, result: CallResult) -> None:
    """Wait until nothing of the call is left, and note what is missing."""
    call, faults = run.call, run.faults
    if call is None:
        faults.append("the call never reached its scenario")
        return
    with trio.move_on_after(1.0):
        await call.wait_ended()
    run.ended_at = trio.current_time()
    left = [node.path for node in server.system.tree().walk() if node.path.startswith("calls/")]
    if call.end is None or left:
        faults.append(f"1 s after the hang-up there was still {left or 'the call'}")
    if result.outcome.end is not CallEnd.HUNG_UP:
        faults.append(f"the carrier's side ended with {result.outcome.end.value}: {result.outcome.reason}")
    if Speaker.TOOL not in {line.speaker for line in call.transcript.lines}:
        faults.append("no tool was called")
    if not any(line.interrupted for line in call.transcript.lines):
        faults.append("no answer was interrupted")


def write_files(run: DemoRun) -> None:
    """Write the transcript, what the caller heard, and give the trace its name."""
    if run.call is None or run.result is None:
        return
    with (run.out / "transcript.jsonl").open("w", encoding="utf-8") as file:
        for line in sorted(run.call.transcript.lines, key=lambda line: line.at):
            entry = {
                "at": round(line.at - (run.result.started_at or 0.0), 3),
                "who": line.speaker.value,
                "text": line.text,
                "interrupted": line.interrupted,
            }
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    if run.agent is not None and run.agent.trace_path is not None:
        Path(run.agent.trace_path).replace(run.out / "trace.jsonl")
    run.result.write_wav(run.out / "caller-heard.wav")
    for path in (run.out / name for name in FILES):
        # What people said is for the eyes of who made the call.
        if path.exists():
            path.chmod(0o600)


def report(run: DemoRun) -> int:
    """Show the figures; 0 if everything happened that should."""
    result = run.result
    if result is not None:
        run.view.table("Latencies", _figures(run, result))
    run.view.files(run.out, FILES)
    for fault in run.faults:
        print(f"callboard demo: {fault}", file=sys.stderr)
    return 1 if run.faults else 0


def _figures(run: DemoRun, result: CallResult) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    measures = result.measures()

    def row(name: str, value: float | None, note: str) -> None:
        rows.append((name, "-" if value is None else f"{value * 1000:.0f} ms", note))

    if run.ready_at is not None and result.started_at is not None:
        row("connect", run.ready_at - result.started_at, "call answered -> agent ready")
    row("first audio", measures.first_audio, "call answered -> first word at the caller")
    for reply in measures.replies:
        row("turn", reply.reply, f"caller stopped -> agent heard: {reply.text[:40]!r}")
        if reply.silenced is not None:
            row("barge-in", reply.silenced, "caller began to interrupt -> agent silent at the caller")
    started_at = result.started_at or 0.0
    clears = [started_at + entry.at for entry in result.log if entry.kind is PlayoutKind.CLEAR]
    for clear in clears:
        before = [at for at in run.speech_started if at <= clear + 0.02]
        if before:
            row("clear", max(0.0, clear - before[-1]), "provider heard speech -> carrier's buffer cleared")
    hung_up_at = (result.started_at or 0.0) + result.duration
    if run.ended_at is not None:
        row("teardown", run.ended_at - hung_up_at, "caller hung up -> nothing of the call left")
    return rows
