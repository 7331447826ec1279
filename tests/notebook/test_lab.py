"""A lab: a system in a thread, called, killed and looked at. Real time and real sockets, words as tones."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from callboard.actors import Call, ChildSpec, Context, NoSuchActor, Restart, System
from callboard.actors.emulators import CallFailed, HangUp, Say, WaitForAgent
from callboard.notebook import Lab, LabEnded, LabRunning, ScenarioFailed, running_lab, start


@asynccontextmanager
async def open_lab() -> AsyncGenerator[Lab, None]:
    lab = await start(speech="tones")
    try:
        yield lab
    finally:
        await lab.stop()


async def answer(call: Call) -> None:
    await call.answer()
    await call.wait_ended()


async def raise_soon(call: Call) -> None:
    await call.answer()
    raise ValueError("no such menu")


async def test_a_call_is_placed_and_looked_at_while_it_goes_on() -> None:
    async with open_lab() as lab:
        call = await lab.call([WaitForAgent(), HangUp()])
        assert call.up
        assert call.number == 1
        assert "calls/CA1/leg" in lab.tree().paths("leg")
        view = await call.wait()
        assert not view.up
        assert not call.up
        assert view.end is not None
        assert view.end.reason.value == "caller hung up"
        assert view.events.where("ProviderReady")
        assert view.latencies().first_audio is not None
        assert lab.view().call_id == "CA1"
        # Nothing of it is left.
        assert lab.tree().paths("CA1") == []


async def test_what_was_seen_can_be_seen_after_the_end_of_the_lab() -> None:
    async with open_lab() as lab:
        call = await lab.call(None, scenario=answer)
        await trio.sleep(0.1)
    assert not call.up
    assert lab.view(1).result.duration > 0
    assert lab.events("placed")[0].path == "calls/CA1"
    assert lab.transcript().said_by("agent") == []
    with pytest.raises(LookupError, match="there are"):
        lab.view(7)
    with pytest.raises(LabEnded):
        lab.tree()
    with pytest.raises(LabEnded):
        await lab.call()
    assert repr(lab) == "<Lab, stopped>"


async def test_a_caller_by_hand_talks_to_the_agent(tmp_path: Path) -> None:
    async with open_lab() as lab:
        call = await lab.call()
        assert await call.agent_speaks(0.5)
        await call.say("Hello?")
        assert await call.agent_speaks(0.1)
        assert await call.agent_is_silent(0.5)
        recording = (await lab.speak("Are you open on Saturday?")).write(tmp_path / "question.wav")
        await call.say(str(recording))
        await call.press("1#")
        assert await call.agent_speaks(0.1)
        view = await call.hang_up()
        assert view.lines.said_by("caller") == ["Hello?", "Are you open on Saturday?"]
        assert view.barge_ins()[0].silenced < 1.0
        with pytest.raises(ValueError, match="over"):
            await call.say("Anybody?")


async def test_a_recording_is_played_by_its_name(tmp_path: Path) -> None:
    async with open_lab() as lab:
        name = (await lab.speak("Thank you.")).write(tmp_path / "thanks.wav")
        call = await lab.call([WaitForAgent(), Say(str(name)), WaitForAgent(), HangUp()])
        view = await call.wait()
        assert view.lines.said_by("caller") == ["Thank you."]
        with pytest.raises(FileNotFoundError):
            await lab.call(tmp_path / "nothing.wav")
        assert len(lab.events("placed")) == 2


async def test_an_error_of_a_scenario_is_raised_where_its_call_is_asked_for() -> None:
    async with open_lab() as lab:
        call = await lab.call(scenario=raise_soon)
        with pytest.raises(ScenarioFailed, match="ValueError") as caught:
            await call.wait()
        assert "no such menu" in str(caught.value.__cause__)
        assert [crash.path for crash in lab.errors()] == ["calls/CA1/scenario"]
        assert "no such menu" in str(lab.tree())
        assert "no such menu" in lab.log()


async def test_a_script_that_waits_in_vain_is_told() -> None:
    async with open_lab() as lab:
        call = await lab.call([WaitForAgent(timeout=0.2)], scenario=answer)
        with pytest.raises(CallFailed, match="WaitForAgent"):
            await call.wait()


async def test_a_killed_actor_comes_back_and_a_killed_leg_ends_its_call() -> None:
    async with open_lab() as lab:
        call = await lab.call()
        await call.agent_speaks(0.1)
        await lab.kill("calls/CA1/providers/agent-1/connection/socket")
        await lab.kill("calls/CA1/bridges/CA1-to-agent-1-1")
        await trio.sleep(1.0)
        assert call.up
        restarted = lab.events("ActorRestarted").where(path="calls/CA1/*")
        assert "calls/CA1/bridges/CA1-to-agent-1-1" in [event.path for event in restarted]
        await lab.kill("calls/CA1/leg")
        view = await call.wait()
        assert view.end is not None
        assert len(view.events.where("kill")) == 3
        with pytest.raises(NoSuchActor, match="there are"):
            await lab.kill("calls/CA1/leg")


async def test_actors_of_yours_live_beside_calls_and_their_errors_are_kept() -> None:
    async def count(context: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        async for number in context.mailbox:
            print(1 / number)

    async with open_lab() as lab:
        path = await lab.spawn(ChildSpec[int, None](name="inverse", run=count, restart=Restart.TEMPORARY))
        assert path == "yours/inverse"
        await lab.send(path, 1)
        await lab.send(path, 0)
        await trio.sleep(0.1)
        assert isinstance(lab.errors()[0].exit.error, ZeroDivisionError)
        assert lab.running
        with pytest.raises(NoSuchActor):
            await lab.send("yours/inverse", 1)


async def test_functions_of_yours_run_where_the_system_is() -> None:
    async def paths(system: System, part: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return [path for path in system.registry if part in path]

    async with open_lab() as lab:
        assert await lab.run(paths, "emulated") == ["emulated-grok"]


async def forever(system: System) -> None:
    del system
    await trio.sleep_forever()


async def test_a_system_that_gave_up_is_told_in_the_next_cell() -> None:
    lab = await start(speech="tones")
    await lab.call(scenario=answer)
    await lab.kill("lab")
    with pytest.raises(LabEnded, match="ActorGone") as caught:
        await lab.run(forever)
    assert caught.value.__cause__ is not None
    assert lab.events("kill")
    assert running_lab() is None
    await lab.stop()
    async with open_lab() as another:
        assert another.running


async def test_a_second_start_gives_the_same_lab_or_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_lab() as lab:
        assert await start(speech="tones") is lab
        assert "lab.stop()" in capsys.readouterr().out
        with pytest.raises(LabRunning, match=r"lab\.stop\(\)"):
            await start(speech="tones", providers=["deepgram"])
        with pytest.raises(ValueError, match="providers"):
            await start(providers=["nobody"])
    assert running_lab() is None


async def test_nothing_is_left_of_a_lab() -> None:
    threads, variables = threading.active_count(), dict(os.environ)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set[str]()
    async with open_lab() as lab:
        folder = lab.folder
        assert folder.is_dir()
        assert os.environ["CALLBOARD_GROK_URL"].startswith("ws://127.0.0.1")
        await (await lab.call([HangUp()])).wait()
    assert threading.active_count() == threads
    assert dict(os.environ) == variables
    assert not folder.exists()
    if before:
        assert len(set(os.listdir("/proc/self/fd"))) <= len(before) + 1


def test_the_same_lab_under_asyncio() -> None:
    async def main() -> None:
        async with await start(speech="tones") as lab:
            call = await lab.call([WaitForAgent(), HangUp()])
            assert (await call.wait()).lines.said_by("agent")

    asyncio.run(main())


async def test_a_call_that_is_waited_for_goes_on_when_the_wait_is_interrupted() -> None:
    async with open_lab() as lab:
        call = await lab.call()
        with trio.move_on_after(0.1) as scope:
            await call.wait()
        assert scope.cancelled_caught
        assert call.up
        await call.hang_up()
