"""Monitors one by one: what each of them notices besides the ten broken variants, and what it leaves alone."""

import base64
import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from callboard import Call, grok
from callboard.actors import (
    ActorExited,
    Bound,
    ChildSpec,
    Context,
    Exit,
    ExitKind,
    Restart,
    Route,
    ServerOptions,
    Speaker,
    Switchboard,
    open_server,
    open_system,
)
from callboard.actors._leg_playout import LegPlayout
from callboard.actors.emulators import (
    CarrierEmulator,
    GrokEmulator,
    GrokEmulatorOptions,
    HangUp,
    ScriptedCaller,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media.speech import load_speech
from callboard.protocols import RemoteWireError
from callboard.testing import (
    INVARIANTS,
    Board,
    InvariantViolated,
    Monitors,
    open_board,
)
from callboard.testing._monitors_secrets import Secrets
from callboard.testing._world import KEY

from .monitors_kit import (
    Source,
    idle,
    nothing,
    numbers,
    on_a_board,
    texts,
)

LOG = logging.getLogger("callboard.test")


def stay_on_the_wheel(playout: LegPlayout) -> None:
    playout._idle.set()


def percent(text: str) -> str:
    return quote(text)


def base_64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# The monitors as such


async def test_whatever_goes_wrong_in_a_monitor_is_kept_and_the_call_goes_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a mistake in a monitor")

    monkeypatch.setattr("callboard.testing._monitors_audio.GenerationMonitor._accepted", fail)
    monkeypatch.setattr("callboard.testing._monitors_end.EndMonitor.actor_event", fail)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        Source(call.scope).play(call, 1.0)
        await leg.talk(0.2)
        assert leg.heard()
        leg.hang_up()
        await call.wait_ended()
        with pytest.raises(ExceptionGroup, match="monitors failed") as failed:
            monitors.check()
        assert failed.group_contains(ZeroDivisionError)

    monitors = await on_a_board(act)
    assert monitors.violations == []


async def test_leaving_takes_every_spy_away(autojump_clock: MockClock) -> None:
    async with open_board(idle) as board:
        leg, call = await board.call()
        objects = (call, leg, call._hub, call.transcript, board.switchboard, board.system.network)
        before = [dict(vars(one)) for one in objects]
        with Monitors(board.system, switchboard=board.switchboard) as monitors:
            await leg.talk(0.1)
            assert any(set(vars(one)) - set(names) for one, names in zip(objects, before, strict=True))
            with pytest.raises(RuntimeError, match="in use"), monitors:
                pass
        assert [set(vars(one)) for one in objects] == [set(names) for names in before]
        assert not board.system.watched
        await leg.talk(0.1)
        leg.hang_up()
        await call.wait_ended()
        monitors.check()


async def test_call_that_runs_already_is_watched_from_where_it_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async def record(call: Call) -> None:
        await call.record(tmp_path / "call.wav")
        await call.wait_ended()

    async with open_board(record) as board:
        leg, call = await board.call()
        await leg.talk(1.0)
        async with Monitors(board.system) as monitors:
            await leg.talk(1.0)
            board.system.nursery.start_soon(trio.sleep, 0.1)
            leg.hang_up()
            await call.wait_ended()
            await monitors.settle()
        monitors.check()
        checked = {row.invariant: row.checked for row in monitors.table()}
        assert (checked["I1"], checked["I7"]) == (1, 2)


async def test_table_has_a_row_for_each_invariant_and_skipped_ones_are_not_checked(
    autojump_clock: MockClock,
) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act, skip=["I1"])
    assert [row.invariant for row in monitors.table()] == list(INVARIANTS)
    assert [row.meaning for row in monitors.table()] == list(INVARIANTS.values())
    checked = {row.invariant: row.checked for row in monitors.table()}
    assert checked["I1"] == 0
    assert checked["I7"] > 0


async def test_unknown_invariant_to_skip_is_refused() -> None:
    async with open_system() as system:
        with pytest.raises(ValueError, match="'I12'"):
            Monitors(system, skip=["I12"])


async def test_error_of_the_body_comes_out_as_it_is() -> None:
    async with open_system() as system:
        with pytest.raises(LookupError, match="as it is"):
            async with Monitors(system):
                raise LookupError("as it is")


async def test_violations_are_shown_one_to_a_line_and_only_the_first_are_kept(
    autojump_clock: MockClock,
) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        for number in range(205):
            monitors._desk.report("I8", f"number {number}", "calls/CA1")
        with pytest.raises(InvariantViolated) as violated:
            monitors.check()
        lines = str(violated.value).splitlines()
        assert lines[0] == "205 violations of invariants:"
        assert lines[1] == "  I8 at 0.000 s, calls/CA1: number 0"
        assert lines[-1] == "  and 5 more"
        assert len(violated.value.violations) == 200

    await on_a_board(act)


async def test_ended_calls_are_not_kept(autojump_clock: MockClock) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await leg.talk(0.1)
        known = weakref.ref(call)
        leg.hang_up()
        await call.wait_ended()
        del leg, call
        await monitors.settle()
        await trio.sleep(5)
        gc.collect()
        assert known() is None

    monitors = await on_a_board(act)
    monitors.check()


@pytest.mark.slow
async def test_live_call_over_real_sockets_in_real_time_violates_nothing(tmp_path: Path) -> None:
    async with open_system() as system:
        # Before anything listens, so that all that is sent to whoever connects is seen.
        async with Monitors(system, secrets=[KEY], log_level=logging.DEBUG) as monitors:
            emulator = GrokEmulator(GrokEmulatorOptions(seed=1, first_audio_delay=0.05))

            async def run(context: Context[Any], /, *, task_status: trio.TaskStatus[Bound]) -> None:
                await emulator.run(system.network, task_status=task_status)

            bound = (await system.start(ChildSpec(name="grok", run=run))).value
            assert isinstance(bound, Bound)

            async def scenario(call: Call) -> None:
                await call.record(tmp_path / "call.wav")
                await call.answer()
                agent = await grok.create_voice_agent_api_client(
                    call, xai_api_key=KEY, base_url=f"ws://{bound.authority}", trace=tmp_path
                )
                await agent.configure(instructions="You are a receptionist.")
                call.send_media_between(agent)
                await agent.say("Hello.")
                await call.wait_ended()

            async with open_server(system, (Route(".*", scenario),), ServerOptions(port=0)) as server:
                carrier = CarrierEmulator(system.network, server.media_url, seed=1)
                caller = ScriptedCaller((WaitForAgent(), WaitForSilence(0.5), HangUp()), load_speech("tones"))
                (await carrier.call(caller).run()).check()
                await monitors.settle()
        monitors.check()
        checked = {row.invariant: row.checked for row in monitors.table()}
        assert checked["I1"] == 1
        assert checked["I7"] == 2
        assert checked["I3"] > 5


# I1


async def test_place_on_the_pacer_that_a_call_leaves_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LegPlayout, "stop", stay_on_the_wheel)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        Source(call.scope).play(call, 20.0)
        await leg.talk(0.5)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I1"}
    assert "pacer's wheel" in texts(monitors)


async def test_file_handle_that_a_recorder_leaves_is_noticed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    kept: list[Any] = []

    async def record(call: Call) -> None:
        await call.record(path)
        kept.append(path.open("rb"))
        await call.wait_ended()

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await leg.talk(0.5)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act, record)
    kept[0].close()
    assert numbers(monitors) == {"I1"}
    assert "file handles: " in texts(monitors)
    assert "call.wav" in texts(monitors)


async def test_call_that_ends_late_is_noticed_and_reported_once(autojump_clock: MockClock) -> None:
    async def stay(call: Call) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2.5)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        leg.hang_up()
        await call.wait_ended()
        assert monitors.violations[0].at == pytest.approx(1.0)

    monitors = await on_a_board(act, stay)
    assert len(monitors.violations) == 1
    assert numbers(monitors) == {"I1"}


async def test_more_time_can_be_given(autojump_clock: MockClock) -> None:
    async def stay(call: Call) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2.5)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        leg.hang_up()
        await call.wait_ended()

    (await on_a_board(act, stay, within=3.0)).check()


async def test_another_call_of_the_same_name_is_not_taken_for_the_rest_of_the_first(
    autojump_clock: MockClock,
) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        for _ in range(3):
            leg, call = await board.call(call_id="CA7")
            await leg.talk(0.3)
            leg.hang_up()
            await call.wait_ended()

    monitors = await on_a_board(act)
    monitors.check()
    assert {row.invariant: row.checked for row in monitors.table()}["I1"] == 3


# I2


async def run_crashing(context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep(0.1)
    raise ValueError("broken")


async def test_crash_of_what_calls_share_is_noticed_and_a_kill_is_not(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        board.system.kill("pacer")
        await trio.sleep(2)
        assert monitors.violations == []

        def tick(now: float) -> None:
            raise ValueError("one call's mistake")

        board.switchboard.pacer.register(tick).start()
        await trio.sleep(0.2)
        leg.hang_up()
        await call.wait_ended()
        # The system is done with its pacer: what it shares is broken for good.
        board.switchboard.pacer._wheel[:] = [{} for _ in board.switchboard.pacer._wheel]

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I2"}
    assert {violation.path for violation in monitors.violations} == {"pacer"}


async def test_part_that_does_not_begin_again_is_noticed(autojump_clock: MockClock) -> None:
    lives = 0

    async def run(context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal lives
        lives += 1
        if lives > 1:
            await trio.sleep(60)
        task_status.started()
        await trio.sleep(0.1)
        raise ValueError("broken")

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await call.scope.units.start_child(ChildSpec(name="unit", run=run, restart=Restart.TRANSIENT))
        await trio.sleep(9)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act, heal=5.0)
    assert numbers(monitors) == {"I2"}
    assert monitors.violations[0].path == "calls/CA1/units/unit"


async def test_part_that_begins_again_or_is_over_violates_nothing(autojump_clock: MockClock) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await call.scope.tools.start_child(
            ChildSpec(name="tool", run=run_crashing, restart=Restart.TEMPORARY)
        )
        board.system.kill("calls/CA1/units")
        await trio.sleep(40)
        leg.hang_up()
        await call.wait_ended()

    (await on_a_board(act)).check()


async def test_error_of_one_call_in_another_is_noticed(autojump_clock: MockClock) -> None:
    error = ValueError("shared")

    async def act(board: Board, monitors: Monitors) -> None:
        for name in ("CA1", "CA2"):
            exit = Exit(kind=ExitKind.CRASHED, reason="", error=error)
            event = ActorExited(path=f"calls/{name}/tools/t", time=trio.current_time(), exit=exit, final=True)
            board.system.publish(event)

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I2"}
    assert "an error of calls/CA1 reached this call" in texts(monitors)


# I3


async def test_interruption_that_does_not_tell_the_carrier_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(self: LegPlayout, generation: int) -> None:
        self.buffer.flush(0, trio.current_time())

    monkeypatch.setattr(LegPlayout, "flush", flush)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        source = Source(call.scope)
        source.play(call, 2.0)
        await leg.talk(0.5)
        source.flush_output(source.next_generation())
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I3"}
    assert "was not told to clear" in texts(monitors)


async def test_source_that_plays_on_after_it_was_displaced_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "displaced", nothing)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        Source(call.scope).play(call, 2.0)
        await leg.talk(0.5)
        Source(call.scope).play(call, 0.5)
        await leg.talk(0.5)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I3"}
    assert "had taken its place" in texts(monitors)


async def test_what_is_said_after_an_interruption_violates_nothing(autojump_clock: MockClock) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        source = Source(call.scope)
        source.play(call, 2.0)
        await leg.talk(0.5)
        source.generation = source.next_generation()
        source.flush_output(source.generation)
        source.play(call, 1.0)
        await leg.talk(1.5)
        await call.play(np.zeros(800, np.int16))
        leg.hang_up()
        await call.wait_ended()

    (await on_a_board(act)).check()


# I7


async def test_transcript_out_of_order_is_noticed(autojump_clock: MockClock) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await leg.talk(2.0)
        call.transcript.put(Speaker.AGENT, "second", at=1.5)
        call.transcript.put(Speaker.TOOL, "anywhere", at=0.5)
        call.transcript.put(Speaker.CALLER, "first", at=1.0)
        # It puts them in order itself.
        call.transcript._lines.reverse()
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I7"}
    assert "'first'" in texts(monitors)


async def test_recorder_that_is_killed_and_begins_again_violates_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async def record(call: Call) -> None:
        await call.record(tmp_path / "call.wav")
        await call.wait_ended()

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await leg.talk(1.0)
        board.system.kill("calls/CA1/units/recorder-1")
        await leg.talk(2.0)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act, record)
    monitors.check()
    assert {row.invariant: row.checked for row in monitors.table()}["I7"] == 3


# I9


async def test_peer_s_message_that_crashes_more_than_its_reader_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async def run(context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        raise RuntimeError("as it came") from RemoteWireError("a message nobody understands")

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        await call.scope.tools.start_child(ChildSpec(name="reader", run=run, restart=Restart.TEMPORARY))
        await trio.sleep(0.1)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I9"}
    assert "though it reads no peer" in texts(monitors)


# I10


@pytest.mark.parametrize("form", [str, percent, base_64])
def test_secrets_are_found_in_every_form_and_not_shown(form: Callable[[str], str]) -> None:
    secrets = Secrets()
    secrets.add(["a key/with=signs", "short"])
    found = secrets.found_in(f"before {form('a key/with=signs')} after")
    assert found == "before ***"
    assert secrets.found_in(f"before {form('a key/with=signs')} after".encode()) == "before ***"
    assert secrets.found_in("short and good") is None


async def test_secret_in_whatever_is_written_is_noticed(autojump_clock: MockClock, tmp_path: Path) -> None:
    secret = "sk-0123456789abcdef"

    async def record(call: Call) -> None:
        await call.record(tmp_path / "call.wav")
        (tmp_path / "call.jsonl").write_text(f'{{"key": "{secret}"}}\n', encoding="utf-8")
        await call.wait_ended()

    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call()
        call.transcript.put(Speaker.AGENT, f"your key is {secret}")
        try:
            raise ValueError(secret)
        except ValueError:
            LOG.exception("it failed")
        board.system.kill("calls/CA1/units/recorder-1", f"for {secret}")
        await trio.sleep(1)
        leg.hang_up()
        await call.wait_ended()

    monitors = await on_a_board(act, record, secrets=[secret])
    assert numbers(monitors) == {"I10"}
    for where in ("the transcript", "the log of callboard.test", "an actor's exit", "the file call.jsonl"):
        assert where in texts(monitors)
    assert secret not in texts(monitors)


async def test_log_is_as_detailed_as_asked_and_then_as_before(autojump_clock: MockClock) -> None:
    logger = logging.getLogger("callboard")
    before, handlers = logger.level, list(logging.getLogger().handlers)

    async def act(board: Board, monitors: Monitors) -> None:
        LOG.debug("a key: %s", "sk-0123456789abcdef")

    monitors = await on_a_board(act, secrets=["sk-0123456789abcdef"], log_level=logging.DEBUG)
    assert numbers(monitors) == {"I10"}
    assert (logger.level, logging.getLogger().handlers) == (before, handlers)


# I11


async def test_drain_that_waits_and_ends_violates_nothing(autojump_clock: MockClock) -> None:
    async def act(board: Board, monitors: Monitors) -> None:
        leg, call = await board.call(call_id="CA1")
        await board.call(call_id="CA2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(board.switchboard.drain, 5.0)
            await leg.talk(1.0)
            leg.hang_up()
            await call.wait_ended()

    monitors = await on_a_board(act)
    monitors.check()
    assert {row.invariant: row.checked for row in monitors.table()}["I11"] == 3


async def test_drain_that_ends_calls_at_once_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Switchboard.drain

    async def drain(self: Switchboard, deadline: float) -> bool:
        return await original(self, 0.1)

    monkeypatch.setattr(Switchboard, "drain", drain)

    async def act(board: Board, monitors: Monitors) -> None:
        await board.call()
        await board.switchboard.drain(30.0)

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I11"}
    assert "29.9 s before its deadline" in texts(monitors)


async def test_drain_without_an_end_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drain(self: Switchboard, deadline: float) -> bool:
        await trio.sleep(1000)
        return True

    monkeypatch.setattr(Switchboard, "drain", drain)

    async def act(board: Board, monitors: Monitors) -> None:
        with trio.move_on_after(20):
            await board.switchboard.drain(5.0)

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I11"}
    assert "has not ended 11 s after it began" in texts(monitors)


async def test_call_that_is_taken_while_it_drains_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Switchboard, "_closed", nothing)

    async def act(board: Board, monitors: Monitors) -> None:
        leg, _ = await board.call(call_id="CA1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(board.switchboard.drain, 5.0)
            await trio.sleep(0.1)
            other, _ = await board.call(call_id="CA2")
            leg.hang_up()
            other.hang_up()

    monitors = await on_a_board(act)
    assert numbers(monitors) == {"I11"}
    assert "1 calls were taken" in texts(monitors)
