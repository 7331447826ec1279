"""A brain made of rules: intents with slots, functions, forms and small talk."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence

import attrs

from ._dialogue import Dialogue, Plan
from ._forms import confirmation
from ._go_on import question_again
from ._instructed import instructed
from ._intent import Setting
from ._intents import answers_question, converse, greeting, social
from ._persona import read_persona
from ._questions import question
from ._schema import is_mapping
from ._speak_result import speak_result
from ._text import Utterance, join, read
from ._tools import Tool, Understanding, Wanted
from ._types import BrainInput, CallTool, Speak, Turn

MAX_TURNS = 400
"""Turns of a conversation that are read; older ones are forgotten."""

_CHECKING = (
    "Let me check that for you.",
    "One moment, please.",
    "Let me have a look.",
    "Just a moment, I will check.",
)
_DOING = ("Of course, one moment, please.", "Sure, I will do that for you.", "Gladly, just a moment.")
_LATER_PREAMBLE = 0.6  # people do not announce every single thing they do
_FIRST_QUESTION = ("Of course.", "Gladly.", "Sure.", "Happy to help.")
_NEXT_QUESTION = ("Thank you.", "Great.", "Got it.", "All right.")
_NOT_CAUGHT = ("Sorry, I did not catch that.", "I am sorry, I did not get that.")
_DROPPED = (
    "No problem, I have left that. Is there anything else?",
    "All right, never mind. What else can I do for you?",
)


@attrs.frozen(kw_only=True)
class _Call:
    """A function call of the conversation, and its result where there is one."""

    name: str
    arguments: Mapping[str, object]
    call_id: str
    result: str | None = None
    spoken: bool = False


class RuleBrain:
    """Answers by rules, the same way for the same conversation.

    It chooses any registered function by the words it shares with what was said, fills its arguments by their
    JSON Schema, asks for what is missing, says results in sentences, and talks about the rest as a clinic's
    reception, a pizzeria or good company would. Asked to go on, or asked again with nothing new said, it takes
    up the caller's last question again.
    """

    def __init__(self, seed: int = 0) -> None:
        """Make a brain.

        Args:
            seed: Chooses among ways of saying the same.
        """
        self._seed = seed
        self._understanding = Understanding(())

    def respond(self, given: BrainInput) -> Sequence[Speak | CallTool]:
        """Answer the latest turn; see `Brain.respond`."""
        if self._understanding.specs != given.tools:
            self._understanding = Understanding(given.tools)
        return _Answer(given, self._seed, self._understanding).actions()


class _Answer:
    """One response."""

    def __init__(self, given: BrainInput, seed: int, understanding: Understanding) -> None:
        self.given = given
        turns = given.history[-MAX_TURNS:]
        self.turns = turns if given.response_instructions else question_again(turns)
        extra = given.response_instructions or ""
        self.persona = read_persona(f"{given.instructions}\n{extra}" if extra else given.instructions)
        self.tools = understanding.tools
        self.dialogue = Dialogue(understanding.wanted, self.persona)
        self.rng = random.Random(f"{seed} {len(given.history)}")
        self.asked_at = max((i for i, turn in enumerate(self.turns) if turn.role == "user"), default=-1)
        self.calls = _calls(self.turns)

    def actions(self) -> list[Speak | CallTool]:
        previous = next(
            (t.text for t in reversed(self.turns) if t.role == "assistant" and t.text.strip()), ""
        )
        plan = self._replay()
        setting = Setting(
            persona=self.persona,
            tools=self.tools,
            rng=self.rng,
            previous=previous,
            caller=self.dialogue.caller,
        )
        tail = self.turns[self.asked_at + 1 :]
        unspoken = [call for call in self.calls if call.result is not None and not call.spoken]
        if self.given.response_instructions:
            heard = plan is not None and not any(turn.role == "assistant" for turn in tail)
            text = instructed(self.given.response_instructions, setting, heard=heard)
            if text:
                return [Speak(text=text)]
        if plan is None:
            if unspoken:
                return _spoken([self._result(call, read("")) for call in unspoken])
            return [Speak(text="How can I help you?" if previous else greeting(setting))]
        made = [call for call in _calls(tail) if call.name]
        results_wait = any(turn.role == "tool" for turn in tail) and bool(unspoken)
        if results_wait:
            return self._after_results(plan, made, unspoken, setting)
        if any(turn.role == "assistant" for turn in tail):
            # Nothing new was said since we answered.
            return [] if made and unspoken else [Speak(text=setting.pick(_ANYTHING_ELSE))]
        if unspoken and plan.chat and _impatient(plan.said):
            return _spoken([self._result(call, plan.said) for call in unspoken])
        return self._first_answer(plan, setting)

    def _replay(self) -> Plan | None:
        """Bring the dialogue forward over the caller's turns; returns what to do about the last one."""
        plan: Plan | None = None
        waiting: list[str] = []
        previous = ""
        for index, turn in enumerate(self.turns):
            if turn.role == "user":
                waiting.append(turn.text.strip())
                following = self.turns[index + 1] if index + 1 < len(self.turns) else None
                if following is None or following.role in ("assistant", "tool"):
                    # Turns without an answer between them are one: the caller paused for breath.
                    plan = self.dialogue.hear(_joined(waiting), previous)
                    waiting = []
            elif turn.role == "assistant" and turn.text:
                previous = turn.text
        if waiting:
            plan = self.dialogue.hear(_joined(waiting), previous)
        return plan

    # --- functions

    def _first_answer(self, plan: Plan, setting: Setting) -> list[Speak | CallTool]:
        if not plan.calls:
            return _spoken([self._without_calls(plan, setting)])
        calls = plan.calls if self.given.parallel else plan.calls[:1]
        ending = any(want.tool.ends_call for want in calls)
        if ending:
            words = social(plan.said, setting) or "Thank you for calling. Goodbye."
            return [Speak(text=words), *map(_call, calls)]
        actions: list[Speak | CallTool] = []
        if not self.calls or self.rng.random() < _LATER_PREAMBLE:
            actions.append(Speak(text=setting.pick(_DOING if calls[0].tool.action else _CHECKING)))
        return [*actions, *map(_call, calls)]

    def _after_results(
        self, plan: Plan, made: list[_Call], unspoken: list[_Call], setting: Setting
    ) -> list[Speak | CallTool]:
        remaining = [want for want in plan.calls if not _was_made(want, made)]
        if remaining:
            # Calls that may not run side by side, or a question that came while one was running.
            return list(map(_call, remaining if self.given.parallel else remaining[:1]))
        ended = [call for call in unspoken if (tool := self._tool(call.name)) is not None and tool.ends_call]
        said = [self._result(call, self._question_for(call, plan)) for call in unspoken if call not in ended]
        if ended and not said:
            return []
        return _spoken([*said, self._ask(plan, setting, after_calls=True)])

    def _question_for(self, call: _Call, plan: Plan) -> Utterance:
        """Return the words that asked for a call, where they are known."""
        for want in plan.calls:
            if want.tool.name == call.name and dict(want.values) == dict(call.arguments):
                return want.said
        return plan.said

    def _result(self, call: _Call, asked: Utterance) -> str:
        return speak_result(self._tool(call.name), call.name, call.arguments, call.result or "", asked)

    def _tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    # --- words

    def _without_calls(self, plan: Plan, setting: Setting) -> str:
        if plan.dropped:
            return setting.pick(_DROPPED)
        if plan.done and plan.form is not None:
            name = str(plan.values.get("name", ""))
            return f"{plan.form.done} Thank you{f', {name}' if name else ''}."
        if plan.unsure:
            return "No problem. What should I change?"
        if plan.chat:
            pending = self._ask(plan, setting)
            if pending:
                answer = _statement(answers_question(plan.said, setting))
                text = self._ask(plan, setting, bare=True)
                # "What sizes do you have?" is answered by the question itself.
                return join([answer or ("" if ":" in text else setting.pick(_NOT_CAUGHT)), text])
            return converse(plan.said, setting)
        return self._ask(plan, setting)

    def _ask(self, plan: Plan, setting: Setting, *, after_calls: bool = False, bare: bool = False) -> str:
        """Return the question that comes next, "" where there is none."""
        if plan.confirm and plan.form is not None:
            text = confirmation(plan.form, plan.values)
            return text if bare or after_calls or not plan.again else f"{setting.pick(_NOT_CAUGHT)} {text}"
        if plan.ask is None or plan.tool is None:
            return ""
        if plan.form is not None:
            text = plan.form.questions.get(plan.ask.name) or question(plan.ask, action=True)
        else:
            text = question(plan.ask, action=plan.tool.action)
        if bare or after_calls:
            return text
        if plan.again:
            return f"{setting.pick(_NOT_CAUGHT)} {text}"
        return f"{setting.pick(_FIRST_QUESTION if plan.first else _NEXT_QUESTION)} {text}"


_ANYTHING_ELSE = ("Is there anything else I can do for you?", "Can I help you with anything else?")


def _statement(text: str) -> str:
    """Return an answer without the question at its end: one question at a time is enough."""
    sentences = re.split(r"(?<=[.!?]) ", text)
    if len(sentences) > 1 and sentences[-1].endswith("?"):
        return " ".join(sentences[:-1])
    return text


def _spoken(sentences: Sequence[str]) -> list[Speak | CallTool]:
    text = join(sentences)
    return [Speak(text=text)] if text else []


def _call(want: Wanted) -> Speak | CallTool:
    return CallTool(name=want.tool.name, arguments=dict(want.values))


def _was_made(want: Wanted, made: Sequence[_Call]) -> bool:
    return any(call.name == want.tool.name and dict(call.arguments) == dict(want.values) for call in made)


def _impatient(said: Utterance) -> bool:
    """Say whether a turn only asks whether we are still there."""
    return len(said.content) == 0 or said.has("hello", "are you there", "still there")


def _joined(texts: Sequence[str]) -> str:
    said = [text for text in texts if text]
    return " ".join(text if text.endswith((".", "?", "!", ",")) else f"{text}," for text in said[:-1]) + (
        f"{' ' if len(said) > 1 else ''}{said[-1]}" if said else ""
    )


def _calls(turns: Sequence[Turn]) -> list[_Call]:
    """Return the function calls of a conversation with their results."""
    found: list[_Call] = []
    for turn in turns:
        if turn.role == "assistant" and turn.name:
            found.append(_Call(name=turn.name, arguments=_arguments(turn.arguments), call_id=turn.call_id))
        elif turn.role == "tool":
            index = next(
                (
                    i
                    for i, call in enumerate(found)
                    if call.result is None
                    and (call.call_id == turn.call_id if turn.call_id else call.name == turn.name)
                ),
                None,
            )
            if index is None:
                # A result without its call: the conversation was cut or made up by the client.
                found.append(
                    _Call(
                        name=turn.name,
                        arguments=_arguments(turn.arguments),
                        call_id=turn.call_id,
                        result=turn.text,
                    )
                )
            else:
                found[index] = attrs.evolve(found[index], result=turn.text)
        elif turn.role == "assistant" and turn.text.strip():
            found = [attrs.evolve(call, spoken=True) if call.result is not None else call for call in found]
    return found


def _arguments(text: str) -> Mapping[str, object]:
    if not text:
        return {}
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if is_mapping(parsed) else {}
