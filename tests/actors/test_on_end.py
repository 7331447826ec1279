"""What a spec asks to be called with when an actor has ended for good."""

import pytest
import trio

from callboard.actors import (
    Backoff,
    ChildSpec,
    Context,
    Exit,
    ExitKind,
    Restart,
    Strategy,
    open_system,
    supervisor_child,
)


async def wait(context: Context[None], /, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await context.stop_requested.wait()


async def test_on_end_is_called_once_with_the_last_exit(autojump_clock: trio.testing.MockClock) -> None:
    exits: list[Exit] = []
    async with open_system() as system:
        ref = await system.start(
            ChildSpec(name="one", run=wait, restart=Restart.TRANSIENT, on_end=exits.append)
        )
        ref.kill()
        await trio.sleep(1)
        assert exits == []  # it lives again
        await ref.stop()
    assert [exit.kind for exit in exits] == [ExitKind.STOPPED]


async def test_on_end_is_called_for_an_actor_that_waits_for_its_restart(
    autojump_clock: trio.testing.MockClock,
) -> None:
    exits: list[Exit] = []
    async with open_system() as system:
        await system.start(
            supervisor_child(
                "above",
                strategy=Strategy.ONE_FOR_ONE,
                backoff=Backoff(initial=60.0),
                children=(ChildSpec(name="one", run=wait, on_end=exits.append),),
            )
        )
        system.kill("above/one")
        await trio.sleep(1)
        assert exits == []
    assert len(exits) == 1


async def test_on_end_is_called_for_an_actor_that_never_lived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    exits: list[Exit] = []
    async with open_system() as system:
        root = system.root
    ref = root.start_child_soon(ChildSpec(name="late", run=wait, on_end=exits.append))
    assert ref.exit is not None
    assert len(exits) == 1


async def test_on_end_that_raises_goes_to_the_log(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(exit: Exit) -> None:
        raise RuntimeError("of the hook")

    async with open_system() as system:
        ref = await system.start(ChildSpec(name="one", run=wait, on_end=fail))
        await ref.stop()
        assert "on_end failed" in caplog.text
