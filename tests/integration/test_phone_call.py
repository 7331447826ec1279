"""Whole calls in virtual time: carrier, server, Grok client, Grok emulator and tools in one process, words as tones."""

import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from callboard import grok
from callboard.actors import (
    Bound,
    Call,
    CallServer,
    ChildSpec,
    Context,
    EndReason,
    Restart,
    Route,
    ServerOptions,
    Speaker,
    System,
    open_server,
    open_system,
    tool,
)
from callboard.actors.emulators import (
    CallEnd,
    CallResult,
    CarrierEmulator,
    CarrierFaults,
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
from callboard.media import read_wav
from callboard.media.speech import load_speech
from callboard.testing import MemoryNetwork

KEY = "xai-very-secret-key-0123456789"
ENGINES = load_speech("tones")

QUESTION = "Are you open on Saturday?"
SECOND = "Sorry, I meant Thursday. Are you open on Thursday?"
STEPS: tuple[Step, ...] = (
    WaitForAgent(),
    WaitForSilence(0.8),
    Say(QUESTION),
    InterruptAfter(1.0, SECOND),
    WaitForAgent(),
    WaitForSilence(1.0),
    Say("Thank you, goodbye."),
    WaitForAgent(),
    WaitForSilence(1.0),
    HangUp(),
)


@tool
async def opening_hours(day: str) -> str:
    """When the clinic is open on a weekday.

    Args:
        day: The day of the week.
    """
    return f"open on {day} from 9 to 5, and the last appointment is half an hour before we close"


@attrs.define
class Office:
    system: System
    server: CallServer
    carrier: CarrierEmulator
    calls: list[Call]
    agents: list[grok.VoiceAgentAPIClient]

    async def phone(
        self, steps: Sequence[Step] = STEPS, *, faults: CarrierFaults | None = None
    ) -> CallResult:
        return await self.carrier.call(ScriptedCaller(steps, ENGINES), faults=faults).run()

    def left(self) -> list[str]:
        return [path for path in self.system.registry if path.startswith("calls/")]


@asynccontextmanager
async def open_office(
    tmp_path: Path, *, options: GrokEmulatorOptions | None = None
) -> AsyncGenerator[Office, None]:
    emulator = GrokEmulator(options or GrokEmulatorOptions(seed=3), engines=ENGINES)
    calls: list[Call] = []
    agents: list[grok.VoiceAgentAPIClient] = []

    async def scenario(call: Call) -> None:
        calls.append(call)
        await call.record(tmp_path / f"{call.id()}.wav")
        await call.answer()
        agent = await grok.create_voice_agent_api_client(
            call, xai_api_key=KEY, base_url="ws://127.0.0.1:9000/v1/realtime", trace=tmp_path
        )
        agents.append(agent)
        await agent.configure(
            instructions="You are a clinic's receptionist.", voice="eve", tools=[opening_hours]
        )
        call.send_media_between(agent)
        await agent.say("Hello, this is the clinic.")
        await call.wait_ended()

    before = trio.lowlevel.current_statistics().tasks_living
    async with open_system(network=MemoryNetwork(), seed=5) as system:

        async def run_emulator(context: Context[None], /, *, task_status: trio.TaskStatus[Bound]) -> None:
            await emulator.run(system.network, "127.0.0.1", 9000, task_status=task_status)

        await system.start(ChildSpec[None, Bound](name="grok", run=run_emulator, restart=Restart.TEMPORARY))
        async with open_server(system, (Route(".*", scenario),), ServerOptions(port=8080)) as server:
            carrier = CarrierEmulator(system.network, server.media_url, seed=1)
            yield Office(system, server, carrier, calls, agents)
            await trio.sleep(1)
    assert trio.lowlevel.current_statistics().tasks_living == before


def agent_lines(call: Call) -> list[tuple[str, bool]]:
    return [(line.text, line.interrupted) for line in call.transcript.lines if line.speaker is Speaker.AGENT]


async def test_call_with_a_tool_and_a_barge_in(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        result = await office.phone()
        result.check()
        with trio.fail_after(1):
            end = await office.calls[0].wait_ended()
        assert office.left() == []
        call = office.calls[0]
        assert end.reason is EndReason.CALLER_HUNG_UP

        callers = [line.text for line in call.transcript.lines if line.speaker is Speaker.CALLER]
        assert callers == [QUESTION, SECOND, "Thank you, goodbye."]
        tools = [line.text for line in call.transcript.lines if line.speaker is Speaker.TOOL]
        assert ["Saturday" in text for text in tools] == [True, False]
        assert ["Thursday" in text for text in tools] == [False, True]
        cut = [text for text, interrupted in agent_lines(call) if interrupted]
        assert len(cut) == 1
        whole = "open on Saturday from 9 to 5, and the last appointment is half an hour before we close"
        # Cut in the middle of the answer, and at a word.
        assert "Saturday" in cut[0]
        assert "before we close" not in cut[0]
        assert cut[0].split()[-1].strip(".,") in whole.replace(",", "").split()

        measures = result.measures()
        assert measures.underruns == ()
        barge_in = [reply.silenced for reply in measures.replies if reply.silenced is not None]
        assert len(barge_in) == 1
        assert barge_in[0] < 0.25

        samples, _ = read_wav(tmp_path / f"{call.id()}.wav")
        assert len(samples) == result.carrier.frames_sent * 160

        statistics = office.agents[0].statistics()
        assert (statistics.tool_calls, statistics.interruptions) == (2, 1)


async def test_key_is_nowhere(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with open_office(tmp_path) as office:
        result = await office.phone()
        result.check()
        shown = office.system.tree().render() + repr(office.agents) + repr(office.calls) + repr(result)
    (trace_path,) = (Path(tmp_path, name) for name in os.listdir(tmp_path) if name.endswith(".jsonl"))
    trace = trace_path.read_text(encoding="utf-8")
    assert "session.update" in trace
    for line in trace.splitlines():
        json.loads(line)
    assert KEY not in trace + caplog.text + shown
    assert trace_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("victim", ["socket", "writer"])
async def test_killing_a_part_of_the_provider_connection_mid_call_does_not_end_the_call(
    autojump_clock: MockClock, tmp_path: Path, victim: str
) -> None:
    async with open_office(tmp_path) as office, trio.open_nursery() as nursery:
        steps = (
            WaitForAgent(),
            WaitForSilence(8.0, timeout=30),
            Say(QUESTION),
            WaitForAgent(),
            WaitForSilence(1.5),
            HangUp(),
        )
        results: list[CallResult] = []

        async def phone() -> None:
            results.append(await office.phone(steps))

        nursery.start_soon(phone)
        await trio.sleep(3)
        call = office.calls[0]
        path = f"{call.scope.path}/providers/{office.agents[0].id()}/connection/{victim}"
        office.system.kill(path)
        await trio.sleep(30)
        results[0].check()
        assert any("9 to 5" in text for text, _ in agent_lines(call))
        assert office.agents[0].statistics().connects == 2


async def test_killing_every_actor_of_a_call_in_turn_heals_or_ends_it_and_leaves_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with open_office(tmp_path) as office:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(office.phone)
            await trio.sleep(4)
            base = office.calls[0].scope.path
            names = [path.removeprefix(base) for path in office.left()]
            nursery.cancel_scope.cancel()
        assert len(names) >= 12
        await trio.sleep(2)
        for name in names:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(office.phone)
                await trio.sleep(4)
                call = office.calls[-1]
                victim = call.scope.path + name
                if office.system.lookup(victim) is not None:
                    office.system.kill(victim, "chaos")
                await trio.sleep(12)
                if call.end is not None:
                    assert [path for path in office.left() if path.startswith(call.scope.path)] == []
                nursery.cancel_scope.cancel()
            with trio.fail_after(2):
                await call.wait_ended()
            assert office.left() == [], name


async def test_carrier_that_vanishes_ends_the_call_within_a_second_with_nothing_left(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with open_office(tmp_path) as office:
        result = await office.phone(faults=CarrierFaults(drop_at=4.0))
        assert result.outcome.end is CallEnd.DROPPED
        with trio.fail_after(1):
            end = await office.calls[0].wait_ended()
        assert end.reason is EndReason.LEG_LOST
        assert office.left() == []


async def test_twenty_calls_at_once_do_not_notice_each_other(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with open_office(tmp_path) as office:
        callers = [ScriptedCaller(STEPS, ENGINES) for _ in range(20)]
        results = await office.carrier.place_calls(callers, interval=0.037)
        for result in results:
            result.check()
            assert result.measures().underruns == ()
        await trio.sleep(1)
        assert office.left() == []
        for call, result in zip(
            office.calls, sorted(results, key=lambda one: one.started_at or 0), strict=True
        ):
            samples, _ = read_wav(tmp_path / f"{call.id()}.wav")
            assert call.id() == result.call_sid
            assert len(samples) == result.carrier.frames_sent * 160
