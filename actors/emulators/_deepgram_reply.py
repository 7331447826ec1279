"""One answer: what the brain decides, called and said, round after round."""

import logging
from collections.abc import Sequence

import attrs
import trio

from callboard.actors.brains import BrainInput, CallTool, Speak, Turn
from callboard.media import Samples
from callboard.protocols import deepgram
from callboard.protocols.deepgram import ErrorCode, WarningCode

from ._deepgram_calls import Call, Calls
from ._deepgram_parts import Parts
from ._deepgram_session import tool_specs, voice_name
from ._deepgram_voice import Timing, Voice, VoiceBusy

# A language model slower than this is reported, seconds, and again after as long.
SLOW_THINKING = 5.0

_log = logging.getLogger("callboard.emulators.deepgram")


@attrs.define(kw_only=True, eq=False)
class UserTurn:
    """A turn of the user that is to be answered."""

    text: str = ""
    """Its words, where they are known."""
    samples: Samples | None = None
    """Its audio, where that is to be transcribed."""
    by_itself: bool = False
    """Nobody said anything: the agent is to find something to say."""
    heard_at: float
    """When its speech ended."""
    confirm_at: float | None = None
    """When it is confirmed if the user does not go on; None where it is already."""
    confirmed: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Around everything that may be given up when the user speaks."""
    finished: trio.Event = attrs.field(factory=trio.Event)
    answering: bool = False


class Reply:
    """Answers one turn.

    Args:
        parts: The connection.
        voice: What says it.
        calls: The function calls.
        turn: What to answer. If it is not confirmed yet, functions are called and the rest waits.
    """

    def __init__(self, parts: Parts, voice: Voice, calls: Calls, turn: UserTurn) -> None:
        self._parts = parts
        self._voice = voice
        self._calls = calls
        self._turn = turn
        self._timing = Timing()
        self._results: frozenset[str] = frozenset()

    async def give(self) -> None:
        """Think, call, speak, until the brain calls nothing more."""
        parts, turn = self._parts, self._turn
        if turn.samples is not None:
            self._timing.stt = trio.current_time() - turn.heard_at
        for _ in range(parts.options.max_rounds):
            began = trio.current_time()
            entry = await self._choose_model()
            lines, wanted = await self._decide(entry)
            await self._think_until(began + parts.options.think_delay)
            self._timing.think = trio.current_time() - began
            calls: list[Call] = []
            if not turn.confirmed.is_set():
                early = [pair for pair in wanted if not pair[0].defer_until_eot]
                wanted = [pair for pair in wanted if pair[0].defer_until_eot]
                calls += await self._calls.ask(early, held=True)
                await self._confirm()
            if parts.options.thinking:
                thought = f"{entry.provider.model or entry.provider.type}: {turn.text}".rstrip(": ")
                await parts.outlet.send(deepgram.AgentThinking(content=thought))
            final = not wanted and not calls
            if lines and not await self._say(lines, final=final):
                return
            if final:
                return
            calls += await self._calls.ask(wanted, held=False)
            asked_at = trio.current_time()
            await self._calls.collect(calls)
            self._results = frozenset(call.id for call in calls)
            self._timing.tool = (self._timing.tool or 0.0) + trio.current_time() - asked_at
        raise await parts.outlet.fail(ErrorCode.FAILED_TO_THINK, "The agent calls functions without end")

    async def _choose_model(self) -> deepgram.ThinkEntry:
        outlet = self._parts.outlet
        for entry in self._parts.session.think:
            name = entry.provider.model or entry.provider.type
            if name not in self._parts.options.failing_models:
                return entry
            await outlet.warn(WarningCode.THINK_REQUEST_FAILED, f"The language model {name[:80]} failed")
        raise await outlet.fail(ErrorCode.FAILED_TO_THINK, "All language models failed")

    async def _decide(
        self, entry: deepgram.ThinkEntry
    ) -> tuple[list[str], list[tuple[deepgram.Function, CallTool]]]:
        parts, turn = self._parts, self._turn
        # Results come last: a line that was injected while they were waited for does not answer them.
        history = sorted(parts.memory.turns(), key=lambda each: each.call_id in self._results)
        if not turn.confirmed.is_set():
            history.append(Turn(role="user", text=turn.text))
        given = BrainInput(
            instructions=entry.prompt or "",
            voice=voice_name(parts.session.speak[0]),
            tools=tool_specs(entry),
            history=tuple(history),
            response_instructions="Say something that keeps the conversation going."
            if turn.by_itself
            else None,
        )
        try:
            actions = parts.brain.respond(given)
        except Exception:  # noqa: BLE001  (a brain is anybody's code; its failure is one the wire knows)
            _log.exception("a brain failed")
            raise await parts.outlet.fail(ErrorCode.FAILED_TO_THINK, "All language models failed") from None
        functions = {function.name: function for function in entry.functions or ()}
        wanted: list[tuple[deepgram.Function, CallTool]] = []
        for action in actions:
            if isinstance(action, CallTool):
                function = functions.get(action.name)
                if function is None:
                    raise await parts.outlet.fail(
                        ErrorCode.NON_EXISTENT_FUNCTION_CALLED,
                        f"The agent called a function that does not exist: {action.name[:80]}",
                    )
                wanted.append((function, action))
        return [action.text for action in actions if isinstance(action, Speak)], wanted

    async def _think_until(self, end: float) -> None:
        while end - trio.current_time() > SLOW_THINKING:
            await trio.sleep(SLOW_THINKING)
            await self._parts.outlet.warn(WarningCode.SLOW_THINK_REQUEST, "The language model is slow")
        await trio.sleep_until(end)

    async def _confirm(self) -> None:
        """Wait until the turn is certain, and tell of it."""
        turn = self._turn
        with trio.move_on_at(turn.heard_at if turn.confirm_at is None else turn.confirm_at):
            await turn.confirmed.wait()
        turn.confirmed.set()
        await self._parts.tell("user", turn.text)
        await self._calls.release()

    async def _say(self, lines: Sequence[str], *, final: bool) -> bool:
        """Say lines; False if they were cut short, so that nothing is to follow."""
        try:
            utterance = self._voice.say(" ".join(lines), timing=self._timing, answer=final)
        except VoiceBusy:
            _log.warning("an answer is not spoken: too much waits to be")
            return False
        await utterance.finished.wait()
        return not utterance.cut
