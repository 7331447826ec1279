"""`callboard demo`: a whole spoken call on this machine, from the caller's mouth to the agent's ear and back."""

import json
import sys
import time
from pathlib import Path

import attrs
import trio

from callboard import grok
from callboard.actors import (
    Call,
    CallServer,
    ChildSpec,
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
INTERRUPTION = "Sorry, I meant Thursday. Are you open on Thursday?"
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
class _Run:
    """What the parts of one demo tell each other."""

    out: Path
    view: View
    call: Call | None = None
    agent: grok.VoiceAgentAPIClient | None = None
    ready_at: float | None = None
    ended_at: float | None = None


def run_demo(out: Path, *, speech: SpeechKind, plain: bool) -> int:
    """Make the call; 0 if everything happened that should."""
    view = make_view(plain=plain)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("recording.wav", "transcript.jsonl", "trace.jsonl", "caller-heard.wav"):
        (out / name).unlink(missing_ok=True)
    view.status("loading speech")
    engines = load_engines(speech)
    started = time.perf_counter()
    warm_up = getattr(engines, "warm_up", None)
    if callable(warm_up):
        warm_up()
    view.status(f"speech: {engines.name}, ready after {time.perf_counter() - started:.1f} s")
    return trio.run(_demo, out, view, engines)


async def _demo(out: Path, view: View, engines: SpeechEngines) -> int:
    run = _Run(out=out, view=view)
    emulator = GrokEmulator(GrokEmulatorOptions(seed=7), engines=engines)
    async with open_system("demo", seed=7) as system:
        provider = await system.start(
            ChildSpec(
                name="emulated-grok",
                run=lambda context, *, task_status: emulator.run(system.network, task_status=task_status),
                restart=Restart.TEMPORARY,
                grace=1.0,
            )
        )
        provider_url = f"ws://{provider.value.authority}/v1/realtime"  # type: ignore[union-attr]

        async def scenario(call: Call) -> None:
            await _scenario(call, run, provider_url)

        options = ServerOptions(port=0)
        async with open_server(system, (Route(".*", scenario),), options) as server:
            view.status(f"provider at {provider_url}")
            view.status(f"carrier's socket at {server.media_url}")
            result = await _place_call(server, engines)
            faults = await _finish(run, server, result)
    return _report(run, result, faults)


async def _scenario(call: Call, run: _Run, provider_url: str) -> None:
    run.call = call
    # Before the answer, so that nothing is missing.
    await call.record(run.out / "recording.wav")
    await call.answer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show, call, run)
        # The same as with a real key, but for the address: an emulator on this machine takes any key.
        run.agent = await grok.create_voice_agent_api_client(call, base_url=provider_url, trace=run.out)
        run.ready_at = trio.current_time()
        await converse(call, run.agent)


async def _show(call: Call, run: _Run) -> None:
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


async def _finish(run: _Run, server: CallServer, result: CallResult) -> list[str]:
    """Wait until nothing of the call is left, write the files, and tell what is missing."""
    faults: list[str] = []
    call = run.call
    if call is None:
        return ["the call never reached its scenario"]
    with trio.move_on_after(1.0):
        await call.wait_ended()
    run.ended_at = trio.current_time()
    left = [node.path for node in server.system.tree().walk() if node.path.startswith("calls/")]
    if call.end is None or left:
        faults.append(f"1 s after the hang-up there was still {left or 'the call'}")
    with (run.out / "transcript.jsonl").open("w", encoding="utf-8") as file:
        for line in call.transcript.lines:
            entry = {
                "at": round(line.at - (result.started_at or 0.0), 3),
                "who": line.speaker.value,
                "text": line.text,
                "interrupted": line.interrupted,
            }
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    if run.agent is not None and run.agent.trace_path is not None:
        Path(run.agent.trace_path).replace(run.out / "trace.jsonl")
    result.write_wav(run.out / "caller-heard.wav")
    if result.outcome.end is not CallEnd.HUNG_UP:
        faults.append(f"the carrier's side ended with {result.outcome.end.value}: {result.outcome.reason}")
    speakers = {line.speaker for line in call.transcript.lines}
    if Speaker.TOOL not in speakers:
        faults.append("no tool was called")
    if not any(line.interrupted for line in call.transcript.lines):
        faults.append("no answer was interrupted")
    return faults


def _report(run: _Run, result: CallResult, faults: list[str]) -> int:
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
    hung_up_at = (result.started_at or 0.0) + result.duration
    if run.ended_at is not None:
        row("teardown", run.ended_at - hung_up_at, "caller hung up -> nothing of the call left")
    run.view.table("Latencies", rows)
    run.view.files(run.out, ("recording.wav", "transcript.jsonl", "trace.jsonl", "caller-heard.wav"))
    for fault in faults:
        print(f"callboard demo: {fault}", file=sys.stderr)
    return 1 if faults else 0
