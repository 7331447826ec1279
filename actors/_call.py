"""A phone call: a media unit with a leg, a scenario and a supervision tree whose end is the call's end."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import trio

from callboard.media import AudioFormat, AudioFrame, Samples, read_wav

from ._blocking import run_blocking
from ._call_end import CallEnd, EndReason
from ._call_events import CallEvent, Connected, Disconnected, MediaDisplaced, ToneReceived
from ._leg import Leg
from ._listeners import EventHub, EventStream
from ._player import Player
from ._ports import Edge, Heard, MediaUnit, send_media_between, stop_media_between
from ._recorder import CallRecorder
from ._scope import SCOPE_CHILDREN, Scope
from ._spec import ActorFn, AutoShutdown, ChildSpec, Restart, Strategy
from ._supervisor import supervisor_child
from ._transcript import Transcript

if TYPE_CHECKING:
    from ._context import Context
    from ._system import System

Scenario = Callable[["Call"], Awaitable[None] | Coroutine[Any, Any, None]]

ANSWER_TIMEOUT = 10.0


class NotSupportedByLeg(Exception):
    """The wire of this call's leg has no way to do that."""


async def _nothing(_context: "Context[Any]", /, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()


def call_tree(
    name: str = "call",
    leg: ActorFn[Any, None] = _nothing,
    scenario: ActorFn[Any, None] = _nothing,
) -> ChildSpec[Any, Any]:
    """The supervision tree of a call, as data.

    Args:
        name: The call's name under `calls`.
        leg: The body of the leg.
        scenario: The body of the scenario.
    """
    return supervisor_child(
        name,
        strategy=Strategy.REST_FOR_ONE,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        children=(
            ChildSpec[Any, None](
                name="leg",
                run=leg,
                restart=Restart.TEMPORARY,
                significant=True,
                grace=2.0,
                doc="owns the carrier's socket; its end ends the call",
            ),
            *SCOPE_CHILDREN,
            ChildSpec[Any, None](
                name="scenario",
                run=scenario,
                restart=Restart.TEMPORARY,
                significant=True,
                grace=2.0,
                doc="the user's function; its end ends the call",
            ),
        ),
        restart=Restart.TEMPORARY,
        doc="one phone call",
    )


class Call(MediaUnit):
    """One phone call, as a scenario sees it.

    What the other party says is its output; what is sent to it, the other party hears. Its input has one place:
    the newest source wins, and the displaced edge is told (`MediaDisplaced`).
    """

    def __init__(self, name: str, system: "System", leg: Leg, scenario: Scenario) -> None:
        transcript = Transcript()
        scope = Scope(system, f"calls/{name}", preferred_format=leg.format, transcript=transcript)
        super().__init__(name, scope)
        self.leg = leg
        self.info = leg.info
        self.transcript = transcript
        self.end: CallEnd | None = None
        """How the call ended; None while it lives."""
        self.on_audio: list[Callable[[bytes, int], None]] = []
        """Plain functions that get each frame of the other party and its position in samples."""
        self.recorder: CallRecorder | None = None
        self._scenario = scenario
        self._hub: EventHub[CallEvent] = EventHub(f"calls/{name}")
        self._started = trio.Event()
        self._started_at = trio.current_time()
        self._cause: tuple[EndReason, str, BaseException | None] | None = None
        self._ended = trio.Event()
        self._players = 0
        leg.attach(self)

    # Media

    @property
    def output_format(self) -> AudioFormat:
        """What the leg's wire carries."""
        return self.leg.format

    @property
    def input_format(self) -> AudioFormat:
        """What the leg's wire carries."""
        return self.leg.format

    @property
    def position(self) -> int:
        """Where the call's timeline is now, in samples since the leg's first frame; 0 before it."""
        if not self._started.is_set():
            return 0
        return max(0, self.leg.playout.buffer.position_at(trio.current_time()))

    def send_media_between(self, unit: MediaUnit) -> None:
        """Join the call and a unit in both directions."""
        send_media_between(self, unit)

    def stop_media_between(self, unit: MediaUnit) -> None:
        """Part the call and a unit in both directions."""
        stop_media_between(self, unit)

    def accept(self, edge: Edge, frame: AudioFrame) -> None:
        """Take audio for the other party's ear; see `MediaUnit.accept`."""
        del edge
        self.leg.playout.put(frame)

    def flush_input(self, edge: Edge, generation: int) -> None:
        """Stop what an edge is playing into the call; see `MediaUnit.flush_input`."""
        del edge
        self.leg.playout.flush(generation)

    def heard(self, edge: Edge, generation: int) -> Heard | None:
        """How much of a generation the other party has heard."""
        del edge
        return self.leg.playout.heard(generation)

    def displaced(self, edge: Edge) -> None:
        """Tell subscribers, and let nothing of the old source play on."""
        self.leg.playout.flush(0)
        self._hub.publish(MediaDisplaced(call=self, edge=edge))

    def interrupt(self) -> None:
        """Barge-in: whatever is being played into the call stops now.

        A source that knows how (a voice agent) also tells its provider what was heard; see its `interrupt`.
        """
        for edge in tuple(self.inputs):
            interrupt = getattr(edge.source, "interrupt", None)
            if callable(interrupt):
                interrupt()
            else:
                edge.source.flush_output(self.next_generation())

    # The leg's reports

    def leg_started(self, now: float) -> None:
        """See `LegEvents`."""
        self._started_at = now
        self._started.set()
        self._hub.publish(Connected(call=self))

    def leg_audio(self, payload: bytes, position: int) -> None:
        """See `LegEvents`."""
        for heard in self.on_audio:
            heard(payload, position)
        if self.outputs:
            self.emit(AudioFrame(payload=payload, format=self.leg.format, position=position))

    def leg_tone(self, digit: str) -> None:
        """See `LegEvents`."""
        self._hub.publish(ToneReceived(call=self, tone=digit))

    def leg_ended(self, reason: EndReason, text: str) -> None:
        """See `LegEvents`."""
        self._because(reason, text)

    # What a scenario does

    async def answer(self) -> None:
        """Answer, and wait until audio flows. On a media-socket leg the carrier has answered before us.

        Raises:
            trio.TooSlowError: No audio came within 10 s.
        """
        with trio.fail_after(ANSWER_TIMEOUT):
            await self._started.wait()

    async def hangup(self, reason: str = "", *, after_playout: bool = False) -> None:
        """End the call. In its own scenario this does not return: the scenario ends with the call.

        Args:
            reason: A line for people.
            after_playout: First let the other party hear what has been sent to it.
        """
        if after_playout:
            await self.leg.playout.wait_played()
        self._because(EndReason.HUNG_UP, reason)
        self.leg.close()
        await self._ended.wait()

    async def wait_ended(self) -> CallEnd:
        """Wait until nothing of the call is left."""
        await self._ended.wait()
        assert self.end is not None
        return self.end

    async def wait_played(self) -> None:
        """Wait until the other party has heard everything that was sent to it, by its clock."""
        await self.leg.playout.wait_played()

    async def play(self, source: "Path | str | Samples", *, rate_hz: int = 8000) -> None:
        """Play a prompt into the call, in the place of what is being played, and wait until it is heard.

        Args:
            source: A WAV file, mono or stereo (mixed), or int16 samples of shape (n,).
            rate_hz: The rate of samples given as an array.

        Raises:
            WavError: The file cannot be read as 16-bit PCM.
            OSError: The file cannot be opened.

        A cancelled call stops the prompt. The source that was displaced is not restored.
        """
        if isinstance(source, str | Path):
            channels, rate_hz = await run_blocking(read_wav, source)
            samples = channels.mean(axis=1).astype("int16")
        else:
            samples = source
        self._players += 1
        player = Player(f"player-{self._players}", self.scope, samples, rate_hz)
        edge = player.send_media_to(self)
        ref = await self.scope.units.start_child(
            ChildSpec(name=player.id(), run=player.run, restart=Restart.TEMPORARY, grace=0.5)
        )
        try:
            await ref.wait_stopped()
            # Through the bridge first, then out of the buffer.
            await edge.wait_empty()
            await self.leg.playout.wait_played()
        except trio.Cancelled:
            ref.kill("the prompt was cancelled")
            if edge.open:
                self.leg.playout.flush(self.next_generation())
            raise
        finally:
            edge.close()

    async def record(self, path: Path | str) -> CallRecorder:
        """Record the call from now on: stereo WAV, caller left, agent right. Returns when it has begun.

        Called before `answer`, the recording is as long as the call to the sample.

        Args:
            path: The file; where it exists, a number is added to the name. Made readable for us alone.

        Raises:
            OSError: The file cannot be made.
        """
        recorder = CallRecorder(self, Path(path))
        await self.scope.units.start_child(
            ChildSpec(name=f"recorder-{len(self.on_audio) + 1}", run=recorder.run, grace=2.0)
        )
        self.recorder = recorder
        return recorder

    async def reject(self, reason: str = "") -> None:
        """Refuse the call. On a media-socket leg that is a hang-up before anything was played."""
        self._because(EndReason.REJECTED, reason)
        self.leg.close()
        await self._ended.wait()

    async def ring(self) -> None:
        """Let the other party hear ringing before the answer; see `send_digits` for what it raises."""
        self._unsupported("cannot ring: its calls have been answered")

    async def send_digits(self, digits: str) -> None:
        """Send key tones to the other party.

        Raises:
            NotSupportedByLeg: Always, for now: Twilio's media wire carries keys towards us only.
        """
        self._unsupported(f"cannot send {len(digits)} key tones")

    async def transfer_to(self, target: str) -> None:
        """Pass the other party on; goes over the carrier's control API, so it raises as `send_digits` does."""
        self._unsupported(f"cannot transfer to {target[:80]!r}")

    async def hold(self) -> None:
        """Put the other party on hold; goes over the carrier's control API, so it raises as `send_digits` does."""
        self._unsupported("cannot hold a call")

    async def resume(self) -> None:
        """Take the other party off hold; raises as `hold` does."""
        self._unsupported("cannot resume a call")

    def _unsupported(self, what: str) -> NoReturn:
        raise NotSupportedByLeg(f"the {self.info.wire} media wire {what}")

    def events(self, *kinds: type[CallEvent]) -> EventStream[CallEvent]:
        """A stream of the call's events from now on, in order; ends after `Disconnected`.

        Args:
            kinds: Only these classes; all if none is given.
        """
        return self._hub.subscribe(*kinds)

    # The tree

    def child_spec(self) -> ChildSpec[Any, Any]:
        """The call as a child of `calls`: its supervision tree."""
        return call_tree(self.id(), self.leg.run, self._run_scenario)

    async def _run_scenario(
        self, context: "Context[object]", /, *, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()
        try:
            await self._scenario(self)
            self._because(EndReason.SCENARIO_DONE, "")
        except Exception as error:
            # The supervisor logs it, with its traceback.
            self._because(EndReason.SCENARIO_FAILED, f"{type(error).__name__}", error)
            raise
        finally:
            if context.swept:
                # A supervisor goes on without a child that it took down itself, and a scenario cannot begin again:
                # the caller would be left with nobody.
                self._because(EndReason.KILLED, "a part of it died that the scenario was built on")
                self.leg.close()

    def _because(self, reason: EndReason, text: str, error: BaseException | None = None) -> None:
        if self._cause is None:
            self._cause = (reason, text, error)

    def finish(self, reason: EndReason, text: str) -> CallEnd:
        """Used by the switchboard when nothing of the call is left; the first cause given counts."""
        if self.end is None:
            self._because(reason, text)
            assert self._cause is not None
            reason, text, error = self._cause
            self.end = CallEnd(
                reason=reason,
                text=text,
                error=error,
                duration=max(0.0, trio.current_time() - self._started_at),
            )
            self.close_edges()
            self._hub.publish(Disconnected(call=self, end=self.end))
            self._hub.close()
            self.transcript.close()
            self._ended.set()
        return self.end
