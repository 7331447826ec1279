"""I1: when a call ends, nothing of it is left soon after; and nothing that was told to end begins again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from callboard.actors import ActorExited, ActorRestarted, ActorState, CallRecorder, EndReason
from callboard.actors._watch import WatchEvent

from ._monitors_base import Desk, Monitor, WatchedAgent, WatchedCall, cell_of
from ._monitors_holdings import SocketOwners, TaskOwners, inner_stream, open_files

SHOWN = 3
# Two of its children end a call by their end.
SIGNIFICANT = ("leg", "scenario")


class EndMonitor(Monitor):
    """Tasks, sockets, file handles, places on the clock and actors of calls that have ended."""

    invariant = "I1"

    def __init__(self, desk: Desk, tasks: TaskOwners, sockets: SocketOwners) -> None:
        super().__init__(desk)
        self._tasks = tasks
        self._sockets = sockets
        self._calls: dict[str, WatchedCall] = {}
        self._files: dict[str, set[str]] = {}
        self._agents: dict[str, list[WatchedAgent]] = {}

    def call_seen(self, watched: WatchedCall) -> None:
        """Follow a call to its end."""
        self._calls[watched.path] = watched
        call, leg, spies = watched.call, watched.call.leg, self.desk.spies
        spies.before(call, "leg_ended", partial(self._leg_ended, watched))
        spies.before(leg, "close", partial(self._ends, watched, "its leg was closed"))
        socket: object = getattr(leg, "_socket", None)
        stream = inner_stream(getattr(socket, "_stream", None))
        if stream is not None:
            self._sockets.own(watched.path, "the carrier's socket", stream)

    def _leg_ended(self, watched: WatchedCall, _reason: EndReason, text: str) -> None:
        self._ends(watched, f"the leg ended: {text}")

    def agent_seen(self, agent: WatchedAgent) -> None:
        """Its trace is a file of the call."""
        if agent.call is not None:
            self._agents.setdefault(agent.call.path, []).append(agent)

    def recorder_seen(self, path: str, recorder: CallRecorder, watched: WatchedCall | None) -> None:
        """Its recording is a file of the call."""
        if watched is not None:
            self._files.setdefault(watched.path, set()).add(str(Path(recorder.path).resolve()))

    def actor_event(self, event: WatchEvent) -> None:
        """See that what ends stays ended."""
        match event:
            case ActorExited(path=path, final=True, exit=exit):
                parent, _, name = path.rpartition("/")
                watched = self._calls.get(path) or (self._calls.get(parent) if name in SIGNIFICANT else None)
                if watched is not None:
                    self._ends(watched, f"{name} ended: {exit}")
            case ActorRestarted(path=path):
                self._begins_again(path)
            case _:
                pass

    def _begins_again(self, path: str) -> None:
        """Cancellation wins over a restart."""
        self.count()
        registry = self.desk.system.registry
        own = registry.get(path)
        if own is not None and cell_of(own).stop_reason is not None:
            self.report(f"was restarted after it had been told to end: {cell_of(own).stop_reason}", path)
            return
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            ref = registry.get(above)
            # At the very moment of the request, a restart whose time has come may still be first.
            if (
                ref is not None
                and ref.state is ActorState.STOPPING
                and cell_of(ref).since < trio.current_time() - 1e-6
            ):
                self.report(f"was restarted after {above} had been told to end", path)
                return

    def _ends(self, watched: WatchedCall, cause: str) -> None:
        if watched.ending_at is None:
            watched.ending_at = trio.current_time()
            watched.cause = cause
            self.desk.later(self.desk.within, partial(self._look, watched))

    def _look(self, watched: WatchedCall) -> None:
        """Its time is over: see what is left."""
        self.count()
        kinds = {
            "actors": self._actors_left(watched),
            "sockets": self._sockets.of_call(watched.path),
            "tasks": self._tasks_left(watched),
            "file handles": self._files_left(watched.path),
            "timers": self._timers_left(watched),
        }
        left = [f"{kind}: {_some(names)}" for kind, names in kinds.items() if names]
        if watched.call.end is None:
            left.insert(0, "it has no end")
        if left:
            self.report(
                f"{self.desk.within:g} s after its end ({watched.cause}) it is not gone; " + "; ".join(left),
                watched.path,
            )

    def _mine(self, watched: WatchedCall) -> bool:
        """Whether the path in the registry still means this call: another one of the same name may have come."""
        return self.desk.system.registry.get(watched.path) in {None, watched.ref}

    def _actors_left(self, watched: WatchedCall) -> list[str]:
        path = watched.path
        left = [
            (
                ref.state is not ActorState.STOPPING,
                -name.count("/"),
                f"{name[len(path) + 1 :] or name} ({ref.state.value})",
            )
            for name, ref in self.desk.system.registry.items()
            if (name == path or name.startswith(f"{path}/")) and self._mine(watched)
        ]
        # What all others wait for first: it was asked to end, and nothing below it is left.
        return [text for _, _, text in sorted(left)]

    def _tasks_left(self, watched: WatchedCall) -> list[str]:
        if not self._mine(watched):
            return []
        path = watched.path
        left = [
            (
                "/".join(name.split("/")[:2]) == path,
                name[len(path) + 1 :] if name.startswith(f"{path}/") else name,
                place,
            )
            for name, place in self._tasks.of_call(path)
        ]
        # Those of actors have been named.
        return [f"{name} at {place}" for _, name, place in sorted(left)]

    def _timers_left(self, watched: WatchedCall) -> list[str]:
        handle = getattr(watched.call.leg.playout, "_handle", None)
        if handle is not None and handle.active:
            return ["its playout is still on the pacer's wheel"]
        return []

    def _files_left(self, path: str) -> list[str]:
        files = set(self._files.get(path, ()))
        for agent in self._agents.get(path, ()):
            if agent.client.trace_path is not None:
                files.add(str(Path(agent.client.trace_path).resolve()))
        return [file for file in open_files() if file in files] if files else []

    def call_over(self, watched: WatchedCall) -> None:
        """Nothing more can be seen of it."""
        if self._calls.get(watched.path) is watched:
            del self._calls[watched.path]
        self._files.pop(watched.path, None)
        self._agents.pop(watched.path, None)
        self._sockets.forget(watched.path)


def _some(names: Sequence[str]) -> str:
    """The first few, and how many there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
