"""Actors for tests: they write down what happens to them and do what they are told."""

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs
import trio
import trio.testing

from callboard.actors._backoff import Backoff
from callboard.actors._channel import Overflow
from callboard.actors._context import Context
from callboard.actors._exit import Exit
from callboard.actors._ref import ActorRef
from callboard.actors._spec import ChildSpec, Restart, RestartIntensity
from callboard.actors._system import System
from callboard.actors._tree import ActorState
from callboard.actors._watch import WatchEvent

EXACT = Backoff(initial=1.0, factor=2.0, maximum=8.0, jitter=0.0)
OFTEN = RestartIntensity(restarts=1000, period=1.0)


class Boom(Exception):
    """What an actor raises on demand."""


@attrs.define
class Probe:
    """Makes actors that share one log: `+name` when a life begins, `-name` when it is over."""

    log: list[str] = attrs.Factory(list[str])

    def child(
        self,
        name: str,
        restart: Restart = Restart.TRANSIENT,
        *,
        grace: float = 5.0,
        significant: bool = False,
        mailbox: int = 64,
        overflow: Overflow = Overflow.BLOCK,
    ) -> ChildSpec[str, str]:
        return ChildSpec[str, str](
            name=name,
            run=self.run,
            restart=restart,
            grace=grace,
            significant=significant,
            mailbox=mailbox,
            overflow=overflow,
        )

    async def run(self, ctx: Context[str], /, *, task_status: trio.TaskStatus[str]) -> None:
        name = ctx.path.rpartition("/")[2]
        self.log.append(f"+{name}")
        try:
            task_status.started(name)
            async for order in ctx.mailbox:
                if order == "crash":
                    raise Boom(name)
                if order == "return":
                    return
                self.log.append(f"{name}:{order}")
        finally:
            self.log.append(f"-{name}")

    def take(self) -> list[str]:
        """The log since the last call."""
        log, self.log[:] = list(self.log), []
        return log


async def do(ref: ActorRef[Any], what: str) -> None:
    """End a life of a probe actor in one of three ways."""
    if what == "kill":
        ref.kill("test")
    else:
        await ref.send(what)
    await trio.testing.wait_all_tasks_blocked()


def must(system: System, path: str) -> ActorRef[Any]:
    ref = system.lookup(path)
    assert ref is not None, path
    return ref


class Events:
    """What a system tells its watchers, from now until it closes."""

    def __init__(self, system: System, capacity: int = 1024) -> None:
        self._context = system.watch(capacity)
        self._watch = self._context.__enter__()

    def take(self) -> list[WatchEvent]:
        """What has come since the last call."""
        events = list(self._watch._events)
        self._watch._events.clear()
        return events

    def names(self) -> list[str]:
        """The same, as `Started a`."""
        return [
            f"{type(event).__name__.removeprefix('Actor')} {getattr(event, 'path', '')}".strip()
            for event in self.take()
        ]


@types.coroutine
def at_each_checkpoint(
    coro: Coroutine[Any, Any, None], call: Callable[[], None]
) -> Generator[Any, Any, None]:
    """Run a coroutine in this task, with a call just before each time that it suspends."""
    answer: Any = None
    while True:
        try:
            trap = coro.send(answer)
        except StopIteration:
            return
        call()
        answer = yield trap


def state(ref: ActorRef[Any]) -> ActorState:
    """The state now. (Type checkers think that a property stays what it was.)"""
    return ref.state


def final(ref: ActorRef[Any]) -> Exit:
    """The final exit of an actor that has ended."""
    assert ref.exit is not None, ref
    return ref.exit


def last(ref: ActorRef[Any]) -> Exit:
    """How the latest life ended."""
    exit = ref.statistics().last_exit
    assert exit is not None, ref
    return exit
