"""A call on a stage: placed by the emulated carrier, taken by the server, looked at from both ends."""

from collections import deque

import attrs
import trio

from callboard.actors import AgentEvent, Call, Edge, EventStream, Scenario, VoiceAgent
from callboard.actors.emulators import Caller, CarrierCall
from callboard.media import PlayoutChunk

from ._happenings import EventTable, Happenings, LabEvent
from ._view import CallView, Conversation, LedgerSample, SpokenLine

# An hour of an agent that talks all the time, sampled every 20 ms.
MAX_SAMPLES = 200_000
# After its carrier's end a call is gone within a second; then it is not waited for.
GONE = 3.0
# Whoever waits for more to be played looks so often whether the call is still there, float seconds.
ASLEEP = 30.0
# Nothing has changed for so long: until more is played, the ledger need not be read. Marks come back within it.
IDLE = 2.0


class StagedCall:
    """One call; lives where the system does.

    Args:
        number: From 1.
        carrier_call: The carrier's side.
        scenario: Takes it.
        happenings: Where what happens is noted.
        ledger_every: How often the playout ledger is read, float seconds; 0 for never.
    """

    def __init__(
        self,
        number: int,
        carrier_call: CarrierCall,
        scenario: Scenario,
        happenings: Happenings,
        *,
        ledger_every: float,
    ) -> None:
        self.number = number
        self.carrier_call = carrier_call
        self.scenario = scenario
        self.call: Call | None = None
        self.over = trio.Event()
        """Nothing of it is left."""
        self.taken = trio.Event()
        """The server has it, or it is over."""
        self._happenings = happenings
        self._ledger_every = ledger_every
        self._agents: list[VoiceAgent] = []
        self._generations: dict[int, LedgerSample | None] = {}
        self._ledger: deque[LedgerSample] = deque(maxlen=MAX_SAMPLES)
        self._playing = trio.Event()
        self._stream_at: float | None = None
        self._placed_at = trio.current_time()

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self.carrier_call.caller

    @property
    def call_id(self) -> str:
        """The carrier's name of it."""
        return self.carrier_call.wire.call_sid

    def note(self, kind: str, text: str = "") -> None:
        """Something happened to it."""
        self._happenings.add(kind, trio.current_time(), f"calls/{self.call_id}", text, self.number)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the call; started once its audio flows. Ends when nothing of it is left.

        Raises:
            Exception: What the caller's `prepare` raised; nothing was dialled then.
        """
        self.note("placed")
        try:
            result = await self.carrier_call.run(task_status=task_status)
            if self.call is not None:
                with trio.move_on_after(GONE):
                    await self.call.wait_ended()
            self.note("ended", result.outcome.end.value.replace("_", " "))
        finally:
            self.over.set()
            self.taken.set()

    # The server's side

    def attach(self, call: Call) -> None:
        """The server has it."""
        self.call = call
        self.taken.set()
        call.leg.playout.on_chunk.append(self._chunk)
        call.leg.playout.on_cut.append(self._cut)

    def _chunk(self, chunk: PlayoutChunk) -> None:
        self._generations.setdefault(chunk.generation, None)
        self._playing.set()

    def _cut(self, position: int) -> None:
        self.note("clear", f"nothing is played from sample {position} on")

    async def sample(self) -> None:
        """Read the ledger for as long as the call lasts."""
        call, every = self.call, self._ledger_every
        changed_at = 0.0
        if call is None or not every:
            return
        while not self.over.is_set() and call.end is None:
            at = trio.current_time() - self._began_at()
            changed = False
            for generation, last in list(self._generations.items()):
                heard = call.leg.playout.heard(generation)
                sample = LedgerSample(
                    at=at,
                    generation=generation,
                    queued=heard.queued,
                    sent=heard.sent,
                    likely=heard.likely,
                    confirmed=heard.confirmed,
                )
                if last is not None and attrs.evolve(last, at=at) == sample:
                    # Nothing changes any more; the line it draws is as long as it was.
                    if generation != max(self._generations):
                        del self._generations[generation]
                    continue
                self._generations[generation] = sample
                self._ledger.append(sample)
                changed = True
            if changed:
                changed_at = at
            if at - changed_at > IDLE:
                self._playing = trio.Event()
                with trio.move_on_after(ASLEEP):
                    await self._playing.wait()
            await trio.sleep(every)

    def new_agents(self) -> list[VoiceAgent]:
        """Voice agents that the call was joined with since the last time."""
        call = self.call
        if call is None:
            return []
        edges: list[Edge] = [*call.outputs, *call.inputs]
        units = [unit for edge in edges for unit in (edge.source, edge.sink)]
        found = [
            unit for unit in dict.fromkeys(units) if isinstance(unit, VoiceAgent) and unit not in self._agents
        ]
        self._agents += found
        return found

    @property
    def agents(self) -> tuple[VoiceAgent, ...]:
        """Those that are known to belong to it."""
        return tuple(self._agents)

    def adopt(self, agent: VoiceAgent) -> None:
        """An agent that is known to belong to it."""
        self._agents.append(agent)

    async def follow(self, agent: VoiceAgent, events: EventStream[AgentEvent] | None = None) -> None:
        """Note what a voice agent tells.

        Args:
            agent: The agent.
            events: A stream of its events; one from now on if None, which leaves its scenario all that is held for it.
        """
        async for event in agent.hub.subscribe(AgentEvent) if events is None else events:
            if isinstance(event, AgentEvent):
                self._happenings.agent(event, trio.current_time(), agent.provider, self.number)

    # The view

    def _began_at(self) -> float:
        if self._stream_at is None:
            # A copy of all audio so far: not to be made each time.
            self._stream_at = self.carrier_call.result().started_at
        return self._placed_at if self._stream_at is None else self._stream_at

    @staticmethod
    def _shares(event: LabEvent, began_at: float, ended_at: float) -> bool:
        """Whether something that all calls share was killed while this one was up."""
        return event.kind == "kill" and event.call is None and began_at <= event.at <= ended_at

    def view(self) -> CallView:
        """The call as it is now."""
        call, result = self.call, self.carrier_call.result()
        zero = self._began_at()
        offset = zero - self._happenings.began_at
        lines: tuple[SpokenLine, ...] = ()
        if call is not None:
            lines = tuple(
                SpokenLine(
                    at=line.at - zero, who=line.speaker.value, text=line.text, interrupted=line.interrupted
                )
                for line in call.transcript.lines
            )
        return CallView(
            number=self.number,
            call_id=self.call_id,
            began_at=offset,
            now=trio.current_time() - zero,
            up=not self.over.is_set(),
            end=None if call is None else call.end,
            result=result,
            lines=Conversation(lines),
            events=EventTable(
                (
                    attrs.evolve(event, at=round(event.at - offset, 6))
                    for event in self._happenings.events
                    if event.call == self.number or self._shares(event, offset, offset + result.duration)
                ),
                title=f"call {self.number}",
            ),
            ledger=tuple(self._ledger),
        )
