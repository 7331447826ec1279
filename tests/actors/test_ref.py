import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors._channel import Overflow
from callboard.actors._context import Context
from callboard.actors._errors import ActorGone, MailboxFull
from callboard.actors._exit import MAX_REASON, Exit, ExitKind, crashed
from callboard.actors._ref import ActorRef
from callboard.actors._spec import ChildSpec, SupervisorSpec
from callboard.actors._system import open_system
from callboard.actors._tree import ActorState

from .actor_kit import EXACT, Boom, Probe, do, final, last, state


async def test_ref_and_mailbox_survive_a_restart(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        ref = await system.start(probe.child("a"))
        ref.send_nowait("crash")
        ref.send_nowait("kept 1")
        await wait_all_tasks_blocked()
        assert state(ref) is ActorState.WAITING
        await ref.send("kept 2")
        assert probe.take() == ["+a", "-a"]
        await trio.sleep(2)
        assert probe.take() == ["+a", "a:kept 1", "a:kept 2"]
        assert system.lookup("a") is ref
        assert (ref.name, ref.path, ref.exit) == ("a", "a", None)
        stats = ref.statistics()
        assert (stats.path, stats.state, stats.restarts) == ("a", ActorState.RUNNING, 1)
        assert stats.time_in_state == 1.0
        assert (stats.mailbox.sent, stats.mailbox.received) == (3, 3)
        assert isinstance(last(ref).error, Boom)
        assert repr(ref) == "<ActorRef 'a' running>"


async def test_send_to_an_ended_actor_raises_actor_gone(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system() as system:
        ref = await system.start(probe.child("a"))
        ref.send_nowait("return")
        ref.send_nowait("never read")
        assert (await ref.wait_stopped()).kind is ExitKind.NORMAL
        with pytest.raises(ActorGone, match=r"'a' has ended \(normal: returned\)"):
            ref.send_nowait("hello")
        with pytest.raises(ActorGone, match=r"'a' has ended \(normal: returned\)") as caught:
            await ref.send("hello")
        assert caught.value.path == "a"
        assert caught.value.exit == ref.exit
        assert isinstance(caught.value, trio.BrokenResourceError)
        assert ref.statistics().mailbox.depth == 0
        # What ends an actor that has ended is no error.
        ref.kill()
        assert await ref.stop() is ref.exit


async def test_blocked_sender_learns_that_the_actor_ended(autojump_clock: MockClock) -> None:
    async def deaf(_ctx: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(5)

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="deaf", run=deaf, mailbox=1))
        await ref.send(1)
        with pytest.raises(trio.WouldBlock):
            ref.send_nowait(2)
        with pytest.raises(ActorGone):
            await ref.send(2)
        assert trio.current_time() == 5


async def test_cancelled_send_has_not_sent(autojump_clock: MockClock) -> None:
    async def deaf(_ctx: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="deaf", run=deaf, mailbox=1))
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.send(1)
        await ref.send(1)
        with trio.move_on_after(1) as scope:
            await ref.send(2)
        assert scope.cancelled_caught
        assert (ref.statistics().mailbox.sent, ref.statistics().mailbox.depth) == (1, 1)


async def test_mailbox_has_the_policy_of_the_specification(autojump_clock: MockClock) -> None:
    async def deaf(_ctx: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    def start(overflow: Overflow) -> ActorRef[int]:
        spec = ChildSpec[int, None](name=overflow.name, run=deaf, mailbox=2, overflow=overflow)
        return system.root.start_child_soon(spec)

    async with open_system() as system:
        oldest, newest, fail = map(start, (Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.FAIL))
        for ref in (oldest, newest):
            for item in range(5):
                await ref.send(item)
            assert ref.statistics().mailbox.dropped == 3
            assert ref.statistics().mailbox.depth == 2
        await fail.send(0)
        await fail.send(1)
        with pytest.raises(MailboxFull, match="'FAIL'"):
            await fail.send(2)


async def test_actor_that_closed_its_mailbox_is_gone_for_senders(autojump_clock: MockClock) -> None:
    async def run(ctx: Context[int], /, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        ctx.mailbox.close()
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="a", run=run))
        with pytest.raises(ActorGone, match="closed its mailbox"):
            ref.send_nowait(1)


async def test_wait_stopped_waits_for_the_last_life(autojump_clock: MockClock) -> None:
    probe = Probe()
    async with open_system(root=SupervisorSpec(backoff=EXACT)) as system:
        ref = await system.start(probe.child("a"))
        exits: list[Exit] = []

        async def wait() -> None:
            exits.append(await ref.wait_stopped())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await do(ref, "crash")
            await trio.sleep(2)
            assert exits == []
            await do(ref, "return")
        assert exits == [final(ref)]
        assert final(ref).kind is ExitKind.NORMAL


def test_exit_describes_itself() -> None:
    assert str(Exit(kind=ExitKind.NORMAL)) == "normal"
    assert str(Exit(kind=ExitKind.KILLED, reason="enough")) == "killed: enough"
    assert not Exit(kind=ExitKind.STOPPED).abnormal
    assert Exit(kind=ExitKind.KILLED).abnormal
    error = crashed(ValueError("a\n b " + "x" * 1000))
    assert error.abnormal
    assert error.reason.startswith("ValueError: a b xxx")
    assert len(error.reason) == MAX_REASON
    assert crashed(KeyError()).reason == "KeyError"
