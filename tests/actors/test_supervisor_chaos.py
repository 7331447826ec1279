"""Random plans over a tree of three levels: whatever happens, nothing is left."""

import contextlib
import random
from typing import Any

import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from callboard.actors._backoff import Backoff
from callboard.actors._context import Context
from callboard.actors._errors import ActorGone, NameTaken, RestartsExhausted, StartTimeout
from callboard.actors._ref import ActorRef, SupervisorRef
from callboard.actors._spec import (
    AutoShutdown,
    ChildSpec,
    Restart,
    RestartIntensity,
    Strategy,
    SupervisorSpec,
)
from callboard.actors._supervisor import supervisor_child
from callboard.actors._system import System, open_system
from callboard.actors._tree import ActorState
from callboard.actors._watch import ActorExited, ActorRestarted, ActorStarted, WatchEvent

from .actor_kit import Boom, Events

# What a start can raise, and what ends a system: a worker fails in its start or clean-up, a limit is reached.
EXPECTED = (ActorGone, Boom, ExceptionGroup, NameTaken, RestartsExhausted, StartTimeout)
ACTIONS = ["crash", "kill", "stop", "stop now", "return", "start", "start soon", "spawn", "wait", "long wait"]


class Worker:
    """Moody: slow or fast to start, to stop and to clean up; sometimes unable to start."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.living = 0
        self.serial = 0

    def spec(self, name: str) -> ChildSpec[str, None]:
        rng = self.rng
        return ChildSpec[str, None](
            name=name,
            run=self.run,
            restart=rng.choice(list(Restart)),
            grace=rng.choice([0.0, 0.5, 2.0]),
            start_timeout=rng.choice([0.2, 10.0]),
            significant=rng.random() < 0.2,
        )

    def tree(self, depth: int) -> tuple[ChildSpec[Any, Any], ...]:
        children: list[ChildSpec[Any, Any]] = [self.spec(f"w{n}") for n in range(self.rng.randint(0, 2))]
        if depth:
            children += [self.supervisor(f"s{n}", depth) for n in range(self.rng.randint(1, 2))]
        self.rng.shuffle(children)
        return tuple(children)

    def supervisor(self, name: str, depth: int) -> ChildSpec[Any, Any]:
        return supervisor_child(
            name,
            strategy=self.rng.choice(list(Strategy)),
            intensity=RestartIntensity(restarts=self.rng.randint(0, 4), period=2.0),
            backoff=Backoff(initial=self.rng.choice([0.0, 0.1, 1.0])),
            auto_shutdown=self.rng.choice(list(AutoShutdown)),
            children=self.tree(depth - 1),
            restart=self.rng.choice(list(Restart)),
            significant=self.rng.random() < 0.2,
            grace=self.rng.choice([0.0, 1.0, float("inf")]),
        )

    async def run(self, ctx: Context[str], /, *, task_status: trio.TaskStatus[None]) -> None:
        rng = self.rng
        self.living += 1
        try:
            if rng.random() < 0.3:
                await trio.sleep(rng.choice([0.1, 0.3]))
            if rng.random() < 0.05:
                raise Boom("in the start")
            asked = ctx.stop_requested if rng.random() < 0.3 else None
            task_status.started()
            async with trio.open_nursery() as nursery:
                if asked is not None:
                    nursery.start_soon(self.finish, asked, nursery.cancel_scope)
                async for order in ctx.mailbox:
                    match order:
                        case "crash":
                            raise Boom
                        case "spawn":
                            self.serial += 1
                            await ctx.spawn(self.spec(f"c{self.serial}"))
                        case _:
                            break
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(1, shield=True):
                await trio.sleep(rng.choice([0.0, 0.0, 0.2]))
            self.living -= 1
            if rng.random() < 0.05:
                raise Boom("in the clean-up")

    async def finish(self, asked: trio.Event, scope: trio.CancelScope) -> None:
        await asked.wait()
        await trio.sleep(self.rng.choice([0.0, 0.3, 3.0]))
        scope.cancel()


async def act(system: System, worker: Worker, rng: random.Random, action: str) -> None:
    refs = list(system.registry.values())
    ref: ActorRef[Any] = rng.choice(refs[1:] or refs)
    supervisor = rng.choice([ref for ref in refs if isinstance(ref, SupervisorRef)])
    worker.serial += 1
    with trio.move_on_after(rng.choice([0.0, 0.1, 5.0])):
        match action:
            case "kill":
                if ref is not system.root:
                    ref.kill("chaos")
            case "stop" | "stop now":
                if ref is not system.root:
                    await ref.stop(0 if action == "stop now" else None)
            case "start":
                await supervisor.start_child(worker.spec(f"n{worker.serial}"))
            case "start soon":
                supervisor.start_child_soon(worker.supervisor(f"n{worker.serial}", 1))
            case "wait":
                await trio.sleep(rng.random() / 3)
            case "long wait":
                await trio.sleep(3)
            case _:
                if not isinstance(ref, SupervisorRef):
                    await ref.send(action)


def check(system: System) -> None:
    """The tree and the registry tell the same story."""
    nodes = {node.path: node for node in system.tree().walk()}
    assert nodes.keys() == system.registry.keys()
    for path, ref in system.registry.items():
        assert ref.exit is None
        assert ref.state is nodes[path].state is not ActorState.ENDED
        if ref.state is ActorState.WAITING:
            assert nodes[path].children == ()


def check_story(alive: dict[str, str], events: list[WatchEvent]) -> None:
    """Per path: lives do not overlap, and after the final exit only a new actor starts."""
    for event in events:
        match event:
            case ActorStarted(path=path):
                assert alive.get(path) != "started"
                alive[path] = "started"
            case ActorRestarted(path=path):
                assert alive.get(path) == "down"
                alive[path] = "restarted"
            case ActorExited(path=path, final=final):
                alive[path] = "gone" if final else "down"
            case _:
                raise AssertionError(event)
    assert set(alive.values()) <= {"gone"}


async def chaos(seed: int, actions: list[str], *, cancel: bool) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    rng = random.Random(seed)
    worker = Worker(rng)
    root = SupervisorSpec(
        children=(worker.supervisor("left", 2), worker.supervisor("right", 2)),
        intensity=RestartIntensity(restarts=20, period=1.0),
    )
    system: System | None = None
    events: Events | None = None
    alive: dict[str, str] = {}
    with trio.CancelScope() as scope, contextlib.suppress(*EXPECTED):
        async with open_system(seed=seed, root=root) as system:
            events = Events(system, capacity=100_000)
            for node in system.tree().walk():
                alive[node.path] = "started" if node.state is ActorState.RUNNING else "down"
            for action in actions:
                with contextlib.suppress(*EXPECTED):
                    await act(system, worker, rng, action)
                check(system)
            if cancel:
                scope.cancel()
    assert worker.living == 0
    if system is not None and events is not None:
        assert system.registry == {}
        assert system.root.children() == ()
        del alive["system"]
        check_story(alive, events.take())
    assert trio.lowlevel.current_statistics().tasks_living == tasks


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32), actions=st.lists(st.sampled_from(ACTIONS), max_size=30), cancel=st.booleans()
)
def test_chaos_always_ends_with_nothing_left(seed: int, actions: list[str], *, cancel: bool) -> None:
    async def main() -> None:
        with trio.fail_after(10_000):
            await chaos(seed, actions, cancel=cancel)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
