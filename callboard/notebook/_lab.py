"""A lab: a running actor system that lives as long as its notebook, and can be called, killed and looked at."""

import atexit
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

import attrs
import trio

from callboard.actors import ChildSpec, Scenario, System
from callboard.actors.emulators import Caller, CarrierFaults, ScriptedCaller
from callboard.media.speech import load_speech
from callboard.media.speech._load import SpeechKind

from ._bridge import Bridge
from ._errors import LabRunning
from ._hand_caller import HandCaller
from ._happenings import Crash, EventTable, LogTail
from ._lab_call import LabCall
from ._live_tree import TreeSnapshot, TreeView
from ._players import Player
from ._sounds import Calls, is_steps, steps_of
from ._stage import Stage, StageOptions, check_providers, no_such_actor, open_stage
from ._view import CallView
from ._views import Views, select

if TYPE_CHECKING:
    from ._console import Console

P = ParamSpec("P")
R = TypeVar("R")

# A tree in a notebook is drawn anew so often, float seconds, and for so long.
REDRAW = 0.5
REDRAW_IDLE = 2.0
LIVE_FOR = 600.0
# How long the end of the interpreter waits for calls to be ended, float seconds.
EXIT_WAIT = 5.0
# A server takes a call at once; one that has no route or is full does not take it at all.
TAKEN = 2.0

Draw = Callable[[TreeSnapshot, str], None]


@attrs.frozen(kw_only=True)
class _Last:
    """What is left of a lab that is over, to be looked at."""

    events: EventTable
    errors: tuple[Crash, ...]
    views: dict[int, CallView]


class Lab(Views):
    """A running system with a server, emulated providers and an emulated carrier; made by `start`.

    It lives in a thread of its own: calls go on while cells compute, draw or wait for the next one. Its methods may be
    used from a notebook's cells, from asyncio, from Trio and, where they are plain functions, from anywhere.
    """

    def __init__(self, options: StageOptions, log: LogTail) -> None:
        self.options = options
        self._log = log
        self._bridge = Bridge(functools.partial(_open, self, options))
        self._stage: Stage
        self._drawing: trio.CancelScope | None = None
        self._last: _Last | None = None
        self.given: tuple[object, ...] = ()
        """The arguments of `start`."""

    async def _start(self) -> None:
        self._stage = await self._bridge.start()

    # Calls

    async def call(
        self,
        what: "Calls | Caller | None" = None,
        *,
        scenario: Scenario | None = None,
        faults: CarrierFaults | None = None,
        wait: bool = False,
    ) -> LabCall:
        """Place a call, and return as soon as its audio flows; it goes on by itself.

        Args:
            what: What the caller says: a line, or the name of a WAV file, or several of them, one after each answer;
                or steps of `callboard.actors.emulators`, or a caller of yours. If None the caller is on the line until
                told to hang up, and says what `LabCall.say` is given.
            scenario: Takes the call; by default the receptionist of a clinic, with a voice agent.
            faults: What goes wrong on the carrier's side.
            wait: Wait for the end of the call; see `LabCall.wait` for what is raised then.

        Raises:
            OSError: A WAV file cannot be read.
            WavError: It has no 16-bit samples.
            CallFailed: The call could not be placed.
            LabEnded: There is no lab any more.

        A cancelled call, or an interrupted cell, has not placed a call, or the call goes on.
        """
        placed = await self._bridge.run(self._place, what, scenario, faults)
        if wait:
            await placed.wait()
        return placed

    async def _place(
        self, what: "Calls | Caller | None", scenario: Scenario | None, faults: CarrierFaults | None
    ) -> LabCall:
        caller: Caller
        if what is None:
            caller = HandCaller()
        elif is_steps(what):
            caller = ScriptedCaller(steps_of(what), self._stage.bank)
        else:
            caller = cast(Caller, what)
        staged = await self._stage.place(caller, scenario, faults=faults)
        with trio.move_on_after(TAKEN):
            await staged.taken.wait()
        if staged.over.is_set():
            staged.carrier_call.result().check()
        return LabCall(self, self._bridge, self._stage, staged)

    async def speak(self, text: str) -> Player:
        """A text as the lab's callers speak it; `write` of what is returned makes a WAV file of it."""
        utterance = await self._bridge.run(self._utter, text)
        return Player(ulaw=utterance, title=text)

    async def _utter(self, text: str) -> bytes:
        return (await self._stage.bank.utterance(text)).ulaw

    def console(self, *, interrupt: str = "Wait.") -> "Console":
        """Widgets to try an agent by hand: type a line or choose a WAV file, and hear what becomes of it in the text.

        Args:
            interrupt: What the caller says when a key is pressed while the agent speaks.

        Raises:
            PackageMissing: ipywidgets is not installed.
        """
        from ._console import Console

        return Console(self, interrupt=interrupt)

    def submit(self, function: Callable[..., Awaitable[R]], *arguments: object) -> "Future[R]":
        """Begin with an async function where the system is, and do not wait for it: for callbacks, which cannot.

        Raises:
            LabEnded: There is no lab any more.
        """
        return self._bridge.submit(function, *arguments)

    # Actors

    async def kill(self, path: str, reason: str = "killed") -> None:
        """Kill the actor at a path, at once.

        Raises:
            NoSuchActor: There is none; the text names those that are like it.
            LabEnded: There is no lab any more.
        """
        await self._bridge.run(self._kill, path, reason)

    async def _kill(self, path: str, reason: str) -> None:
        self._stage.kill(path, reason)
        # Until it has happened: what is looked at next shows it.
        for _ in range(3):
            await trio.lowlevel.checkpoint()

    async def spawn(self, spec: ChildSpec[Any, Any]) -> str:
        """Start an actor of yours, under a supervisor of its own, and wait until it is ready.

        Returns:
            Its path.

        Raises:
            NameTaken: There is one of that name.
            Exception: What it raised before it was ready. What it raises later is in `errors` and in the tree.
        """
        return await self._bridge.run(self._spawn, spec)

    async def _spawn(self, spec: ChildSpec[Any, Any]) -> str:
        yours = self._stage.system.lookup("yours")
        assert yours is not None
        ref = await self._stage.yours.start_child(spec)
        return ref.path

    async def send(self, path: str, message: object) -> None:
        """Put a message into the mailbox of an actor, and wait until there is room.

        Raises:
            NoSuchActor: There is none at that path.
        """
        await self._bridge.run(self._send, path, message)

    async def _send(self, path: str, message: object) -> None:
        ref = self._stage.system.lookup(path)
        if ref is None:
            raise no_such_actor(path, self._stage.system.registry)
        await ref.send(message)

    async def run(
        self,
        function: Callable[Concatenate[System, P], Awaitable[R]],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> R:
        """Run an async function of yours where the system is, with the system as its first argument.

        What it returns is used in another thread afterwards: let that be values, not actors.

        Raises:
            Exception: What the function raised; the lab goes on.

        A cancelled call, or an interrupted cell, cancels the function and nothing else.
        """
        return await self._bridge.run(functools.partial(function, self._stage.system, *arguments, **options))

    # To be looked at

    @property
    def running(self) -> bool:
        """Whether there is something to be called."""
        return self._bridge.running

    @property
    def media_url(self) -> str:
        """Where a carrier of yours could connect."""
        return self._stage.server.media_url

    @property
    def folder(self) -> Path:
        """For traces and recordings; gone with the lab."""
        return self._stage.folder

    def tree(self, *, live: bool = True) -> TreeView:
        """The actors, their mailboxes, restarts and last exits, and below them what fell lately.

        Args:
            live: Keep the picture up to date until the next tree is shown, ten minutes at most.

        Raises:
            LabEnded: There is no lab any more.
        """
        return TreeView(lambda: self._bridge.call(self._tree), self._keep if live else None)

    def view(self, call: int | None = None) -> CallView:
        """See `Views.view`. Calls of a lab that was stopped can be looked at, too."""
        if self._last is not None:
            return _latest(self._last.views, call)
        return self._bridge.call(lambda: self._stage.call(call).view())

    def events(self, *kinds: str, path: str = "*", last: int | None = None) -> EventTable:
        """See `Views.events`."""
        known = self._last.events if self._last is not None else self._bridge.call(self._events)
        return select(known, kinds, path, last)

    def errors(self) -> tuple[Crash, ...]:
        """See `Views.errors`."""
        if self._last is not None:
            return self._last.errors
        return self._bridge.call(lambda: tuple(self._stage.happenings.crashes))

    def log(self, last: int = 40) -> str:
        """See `Views.log`."""
        return self._log.text(last)

    def _events(self) -> EventTable:
        return EventTable(self._stage.happenings.events)

    def _tree(self) -> TreeSnapshot:
        happenings = self._stage.happenings
        return TreeSnapshot(
            at=trio.current_time() - happenings.began_at,
            root=self._stage.system.tree(),
            fell=tuple(happenings.exits),
        )

    def _keep(self, draw: Draw) -> None:
        with contextlib.suppress(Exception):
            self._bridge.call(self._redraw_from_now, draw)

    def _redraw_from_now(self, draw: Draw) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
        self._drawing = trio.CancelScope()
        self._stage.start_soon(self._redraw, draw, self._drawing)

    async def _redraw(self, draw: Draw, scope: trio.CancelScope) -> None:
        """Draw the tree again whenever it has changed, and from time to time."""
        happenings = self._stage.happenings
        until = trio.current_time() + LIVE_FOR
        shown, drawn, drawn_at = self._tree(), happenings.changes, trio.current_time()
        try:
            with scope:
                while (now := trio.current_time()) < until:
                    await trio.sleep(REDRAW)
                    if happenings.changes != drawn or now - drawn_at >= REDRAW_IDLE:
                        shown, drawn, drawn_at = self._tree(), happenings.changes, now
                        draw(shown, ", live")
        finally:
            # It stays as it was.
            draw(shown, "")

    def _save(self, stage: Stage) -> None:
        """Keep what there is to be seen, for after the end."""
        happenings = stage.happenings
        self._last = _Last(
            events=EventTable(happenings.events),
            errors=tuple(happenings.crashes),
            views={call.number: call.view() for call in stage.calls},
        )

    # The end

    async def stop(self) -> None:
        """End all calls and close everything. Idempotent. Calls and events can be looked at afterwards.

        Raises:
            LabEnded: The lab had ended by itself, and nobody was told yet.

        An interrupted call has begun with it, and the rest goes on by itself.
        """
        with contextlib.suppress(Exception):
            if self._last is None and self._bridge.running:
                await self._bridge.run(self._end_calls)
        try:
            await self._bridge.stop()
        finally:
            if not self._bridge.alive:
                _forget(self)

    async def _end_calls(self) -> None:
        for call in self._stage.calls:
            if not call.over.is_set():
                call.carrier_call.hang_up()
        with trio.move_on_after(3.0):
            for call in self._stage.calls:
                await call.over.wait()

    async def __aenter__(self) -> "Lab":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()  # noqa: ASYNC102  # the body may have been cancelled, and then the rest goes on by itself

    def _at_exit(self) -> None:
        self._bridge.stop_now(EXIT_WAIT)
        _forget(self)

    def __repr__(self) -> str:
        if not self.running:
            return "<Lab, stopped>"
        up = self._bridge.call(lambda: sum(not call.over.is_set() for call in self._stage.calls))
        return f"<Lab, {' then '.join(self.options.providers)}, {self.options.engines.name} speech, {up} calls up>"


@asynccontextmanager
async def _open(lab: Lab, options: StageOptions) -> AsyncGenerator[Stage, None]:
    if options.engines.threaded:
        await trio.to_thread.run_sync(options.engines.warm_up)
    async with open_stage(options) as stage:
        try:
            yield stage
        finally:
            lab._save(stage)


_running: Lab | None = None
_starting = False


def running_lab() -> Lab | None:
    """The lab that runs in this process, or None."""
    return _running if _running is not None and _running.running else None


async def start(*, providers: Sequence[str] = ("grok",), speech: SpeechKind = "auto", seed: int = 0) -> Lab:
    """Start a lab: everything that a phone call takes, on this machine, in a thread beside the notebook.

    There is one lab at a time. Where one runs already it is given back, so that a cell can be run again.

    Args:
        providers: `grok`, `deepgram`, the preferred one first; each is emulated, and clients that are given no URL
            find it.
        speech: `local` speaks and hears with the models of the [speech] extra, `tones` carries words as tones, `auto`
            is the first where it is installed.
        seed: Of everything that is left to chance.

    Raises:
        LabRunning: One runs that was started with other arguments.
        SpeechUnavailable: Local speech is not installed.

    A cancelled call, or an interrupted cell, leaves nothing behind.
    """
    global _running, _starting  # noqa: PLW0603  # there is one
    if _starting:
        raise LabRunning("a lab is being started at this moment: wait for it")
    lab = running_lab()
    if lab is not None:
        given = (check_providers(providers), speech, seed)
        if given != lab.given:
            raise LabRunning(
                f"a lab runs already, started with other arguments ({lab!r}): `await lab.stop()` ends it"
            )
        print("The lab runs already; this is it. `await lab.stop()` and then `start()` makes a new one.")
        return lab
    if _running is not None:
        _forget(_running)
    options = StageOptions(engines=load_speech(speech), providers=check_providers(providers), seed=seed)
    tail = LogTail()
    lab = Lab(options, tail)
    lab.given = (options.providers, speech, seed)
    tail.__enter__()
    _starting = True
    try:
        await lab._start()
    except BaseException:
        tail.__exit__()
        raise
    finally:
        _starting = False
    _running = lab
    atexit.register(lab._at_exit)
    return lab


def _forget(lab: Lab) -> None:
    global _running  # noqa: PLW0603
    lab._log.__exit__()
    atexit.unregister(lab._at_exit)
    if _running is lab:
        _running = None


def _latest(views: dict[int, CallView], call: int | None) -> CallView:
    if not views:
        raise LookupError("there has been no call")
    if call is None:
        return views[max(views)]
    if call not in views:
        raise LookupError(f"there is no call {call!r}; there are {sorted(views)}")
    return views[call]
