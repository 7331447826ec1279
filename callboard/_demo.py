"""`callboard demo`: a whole spoken call on this machine, from the caller's mouth to the agent's ear and back."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import attrs
import trio

from callboard.actors import (
    AgentEvents,
    Bound,
    Call,
    CallServer,
    ChildSpec,
    Context,
    Network,
    Restart,
    Route,
    ServerOptions,
    System,
    VoiceAgent,
    create_voice_agent,
    open_server,
    open_system,
)
from callboard.actors.emulators import CallEnd, CallResult, CarrierEmulator, PlayoutKind, ScriptedCaller
from callboard.media.speech import SpeechEngines

from ._demo_plan import EMULATORS, SEED, DemoPlan, Emulator
from ._demo_view import View, make_view
from ._emulate import SpeechKind, load_engines
from ._reception import converse, providers_of

FILES = ("recording.wav", "transcript.jsonl", "trace.jsonl", "caller-heard.wav")
# How far into an answer its provider dies, float seconds behind the answer's beginning.
DEATH = 0.7


@attrs.define
class DemoRun:
    """What the parts of one demo tell each other."""

    out: Path
    view: View
    plan: DemoPlan = DemoPlan()  # noqa: RUF009  # frozen
    call: Call | None = None
    agent: VoiceAgent | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    speech_started: list[float] = attrs.field(factory=list[float])
    died_at: float | None = None
    took_over_at: float | None = None
    result: CallResult | None = None
    faults: list[str] = attrs.field(factory=list[str])


def run_demo(out: Path, *, speech: SpeechKind, plain: bool, provider: str, failover: bool) -> int:
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
    others = [name for name in EMULATORS if name != provider]
    plan = DemoPlan(providers=(provider, *others) if failover else (provider,))
    run = trio.run(make_call, out, view, engines, plan)
    write_files(run)
    return report(run)


async def make_call(
    out: Path,
    view: View,
    engines: SpeechEngines,
    plan: DemoPlan | None = None,
    *,
    network: Network | None = None,
) -> DemoRun:
    """Make the call on a network; the loopback if none is given."""
    run = DemoRun(out=out, view=view, plan=plan or DemoPlan())
    async with open_system("demo", network=network, seed=SEED) as system:
        urls: dict[str, str] = {}
        for name in run.plan.providers:
            emulator = await system.start(_emulated(system, name, EMULATORS[name](engines)))
            urls[name] = f"ws://{cast(Bound, emulator.value).authority}"
            view.status(f"{name} at {urls[name]}")

        async def scenario(call: Call) -> None:
            await _scenario(call, run, urls)

        # Voices and recognition of both sides are in this loop as well: who holds it is nothing to warn of.
        options = ServerOptions(port=0, stall_threshold=None)
        async with open_server(system, (Route(".*", scenario),), options) as server:
            view.status(f"carrier's socket at {server.media_url}")
            run.result = await _place_call(server, engines, run.plan)
            await _finish(run, server, run.result)
    return run


def _emulated(system: System, name: str, emulator: Emulator) -> ChildSpec[None, Bound]:
    async def run(context: Context[None], /, *, task_status: trio.TaskStatus[Bound]) -> None:
        del context
        await emulator.run(system.network, task_status=task_status)

    return ChildSpec(name=f"emulated-{name}", run=run, restart=Restart.TEMPORARY, grace=1.0)


async def _scenario(call: Call, run: DemoRun, urls: Mapping[str, str]) -> None:
    run.call = call
    # Before the answer, so that nothing is missing.
    await call.record(run.out / "recording.wav")
    await call.answer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show, call, run)
        # The same as with real keys, but for the addresses: emulators on this machine take any key.
        agent = run.agent = await create_voice_agent(
            call, providers_of(run.plan.providers, urls), trace=run.out
        )
        run.ready_at = trio.current_time()
        agent.add_event_listener(
            AgentEvents.UserStartedSpeaking, lambda event: run.speech_started.append(trio.current_time())
        )
        if run.plan.fails_over:
            nursery.start_soon(_let_die, call, run, agent)
        await converse(call, agent)


async def _let_die(call: Call, run: DemoRun, agent: VoiceAgent) -> None:
    """End the first provider in the middle of its first answer from a tool."""
    events = agent.events(AgentEvents.ToolFinished, AgentEvents.TurnStarted, AgentEvents.ProviderReady)
    answers = False
    async for event in events:
        match event:
            case AgentEvents.ToolFinished():
                answers = True
            case AgentEvents.TurnStarted() if answers and run.died_at is None:
                await trio.sleep(DEATH)
                run.died_at = trio.current_time()
                run.view.status(f"{agent.provider} dies")
                call.scope.system.kill(f"emulated-{agent.provider}")
            case AgentEvents.ProviderReady(provider=provider) if run.died_at is not None:
                run.took_over_at = trio.current_time()
                run.view.status(f"{provider} takes over")
            case _:
                pass


async def _show(call: Call, run: DemoRun) -> None:
    async with call.transcript.watch() as lines:
        async for line in lines:
            run.view.line(line)


async def _place_call(server: CallServer, engines: SpeechEngines, plan: DemoPlan) -> CallResult:
    carrier = CarrierEmulator(
        server.system.network,
        server.media_url,
        custom_parameters={"from": "+15550100001", "to": "+15550100002"},
    )
    return await carrier.call(ScriptedCaller(plan.steps(spoken=engines.threaded), engines)).run()


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
    if run.agent is not None:
        faults.extend(run.plan.faults(run.agent))


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
    if run.died_at is not None and run.took_over_at is not None:
        row(
            "failover",
            run.took_over_at - run.died_at,
            "provider dead -> the next one ready, with the history",
        )
    hung_up_at = (result.started_at or 0.0) + result.duration
    if run.ended_at is not None:
        row("teardown", run.ended_at - hung_up_at, "caller hung up -> nothing of the call left")
    return rows
