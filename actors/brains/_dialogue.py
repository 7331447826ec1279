"""Following a conversation: what is being asked for, what is known, what is missing.

Nothing is kept between responses. The conversation is read from its beginning each time, so a brain that is
restarted or moved to another process goes on where it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from ._forms import Form, started
from ._names import find_name
from ._persona import Persona, recall
from ._schema import Kind, Parameter
from ._slots import STRONG_KINDS, Hints, fill, said_no, said_yes
from ._text import Utterance, is_question, phrases, read, word_set
from ._tools import Tool, Wanted, clauses


@attrs.frozen(kw_only=True)
class Plan:
    """What to do about one turn of the caller."""

    said: Utterance
    calls: tuple[Wanted, ...] = ()
    ask: Parameter | None = None
    """What to ask for, after the calls."""

    tool: Tool | None = None
    """Whose parameter is asked for."""

    form: Form | None = None
    values: dict[str, object] = attrs.field(factory=dict[str, object])
    first: bool = False
    """Whether this is the first question of its task."""

    again: bool = False
    """Whether the last question was not answered."""

    confirm: bool = False
    done: bool = False
    dropped: bool = False
    unsure: bool = False
    """The summary of a form was refused without saying what is wrong."""

    chat: bool = False
    """Nothing for a function: answer in conversation."""


@attrs.define
class _Task:
    tool: Tool
    form: Form | None
    values: dict[str, object]
    asked: str = ""
    confirming: bool = False

    @property
    def missing(self) -> Parameter | None:
        if self.form is not None:
            return self.form.missing(self.values)
        return next((p for p in self.tool.parameters if p.required and p.name not in self.values), None)


_DROPS = phrases(
    "never mind, nevermind, forget it, forget about it, cancel that, cancel it, cancel the order, leave it"
)
_FOLLOW_UPS = phrases(
    "what about, how about, and, actually, make it, instead, i mean, i meant, no, sorry, also, or"
)
_FREE_KINDS = frozenset((Kind.TEXT, Kind.NAME, Kind.PLACE))
_CHANGES = phrases("make it, make that, change it, change that, change the, i said, i meant, rather")
_WEEKEND = re.compile(r"\b(?:the|this|next) weekend\b|\bweekends\b", re.IGNORECASE)
# What the agent may offer, and what accepting it asks for.
_OFFERS = {
    "book an appointment": "book an appointment",
    "come in": "book an appointment",
    "order?": "order a pizza",
}
_DIRECTED = word_set("address origin destination from to source target departure arrival")
_RECENT = 4  # calls that "and on Saturday?" may be about
_LASTING = frozenset((Kind.NAME, Kind.PHONE, Kind.EMAIL))
_PASSING = frozenset((Kind.WEEKDAY, Kind.DATE, Kind.PLACE))
_CALLER = Parameter(name="name", kind=Kind.NAME, words=("name",))
_OTHERS = word_set("doctor contact recipient employee who owner file product")


class Dialogue:
    """The state of a conversation, brought forward one turn of the caller at a time."""

    def __init__(self, understand: Callable[[Utterance, Hints], Sequence[Wanted]], persona: Persona) -> None:
        """Begin a conversation.

        Args:
            understand: Returns the functions an utterance asks for (see `wanted`).
            persona: Who the agent is.
        """
        self._understand = understand
        self._persona = persona
        self._hints = Hints(today=persona.today)
        self._task: _Task | None = None
        self._recent: list[Wanted] = []
        self._known: dict[str, object] = {}
        self._passing: dict[str, object] = {}
        self._passing_from: Tool | None = None

    @property
    def caller(self) -> str:
        """The caller's name, where it was said."""
        return str(self._known.get(_key(_CALLER), ""))

    def hear(self, text: str, previous: str = "") -> Plan:
        """Take the caller's next turn and return what to do about it.

        Args:
            text: What was said.
            previous: What the agent said before it; a bare "yes" accepts what that offered.
        """
        said = read(_WEEKEND.sub("Saturday and Sunday", text))
        if self._task is None and len(said.content) == 0 and said_yes(said):
            offered = next((wish for offer, wish in _OFFERS.items() if offer in previous), "")
            said = read(offered) if offered else said
        name = find_name(said, _CALLER, frozenset(), asked=False)
        if name is not None and said.has("name", "am", "this is"):
            self._known[_key(_CALLER)] = name.text
        plan = self._go_on(said) if self._task is not None else None
        if plan is None:
            plan = self._begin(said)
        if plan.calls:
            self._recent = [*plan.calls[::-1], *self._recent][:_RECENT]
            self._passing = {}
        for want in plan.calls:
            self._remember(want.tool, dict(want.values))
            self._passing_from = want.tool
        if plan.tool is not None:
            self._remember(plan.tool, plan.values)
        return plan

    def _begin(self, said: Utterance) -> Plan:
        wants = [self._with_known(want) for want in self._understand(said, self._hints)]
        if not wants:
            follows = (self._follow_up(said, last) for last in self._recent)
            wants = next((follow for follow in follows if follow), wants)
        if not wants:
            form = started(said, self._persona)
            if form is None:
                return Plan(said=said, chat=True)
            hints = attrs.evolve(self._hints, ignore=form.tool.own)
            self._task = _Task(form.tool, form, fill(form.tool.parameters, said, hints))
            self._task.values.setdefault("name", self.caller)
            if not self._task.values["name"]:
                del self._task.values["name"]
            return self._advance(said, first=True)
        calls = tuple(want for want in wants if want.missing is None)
        open_ = next((want for want in wants if want.missing is not None), None)
        if open_ is None:
            return Plan(said=said, calls=calls)
        self._task = _Task(open_.tool, None, dict(open_.values))
        return attrs.evolve(self._advance(said, first=True), calls=calls)

    def _advance(self, said: Utterance, *, first: bool = False) -> Plan:
        """Ask for what the task lacks, or finish it."""
        task = self._task
        assert task is not None
        lacking = task.missing
        plan = Plan(said=said, tool=task.tool, form=task.form, values=dict(task.values), first=first)
        if lacking is not None:
            task.asked, task.confirming = lacking.name, False
            return attrs.evolve(plan, ask=lacking)
        if task.form is not None:
            task.asked, task.confirming = "", True
            return attrs.evolve(plan, confirm=True)
        self._task = None
        want = Wanted(tool=task.tool, values=dict(task.values), said=said)
        return attrs.evolve(plan, calls=(want,), tool=None)

    def _go_on(self, said: Utterance) -> Plan | None:
        """Read a turn as the answer to our question; None where it begins something else."""
        task = self._task
        assert task is not None
        if said.has(*_DROPS) and len(said.tokens) <= 8:
            self._task = None
            return Plan(said=said, dropped=True)
        hints = attrs.evolve(self._hints, asked=task.asked, ignore=task.tool.own)
        asked = next((p for p in task.tool.parameters if p.name == task.asked), None)
        values = fill(task.tool.parameters, said, hints)
        asking = is_question(said)
        if asking and asked is not None and asked.kind in _FREE_KINDS:
            values.pop(asked.name, None)
        if asking and recall(self._persona, said):
            # "Is delivery free?" is not an answer to "delivery or pick up?".
            values = {}
        others = [want for want in self._understand(said, self._hints) if want.tool is not task.tool]
        if others and (task.asked not in values or asking):
            return self._aside(said, others, asked)
        if task.confirming:
            return self._confirmed(said, values)
        if task.asked in values or (values and not asking):
            task.values.update(values)
            return self._advance(said)
        if asking or len(said.content) > 3 or not said.tokens:
            return Plan(
                said=said,
                chat=True,
                ask=asked,
                tool=task.tool,
                form=task.form,
                values=dict(task.values),
                again=True,
            )
        return Plan(
            said=said, ask=asked, tool=task.tool, form=task.form, values=dict(task.values), again=True
        )

    def _aside(self, said: Utterance, others: list[Wanted], asked: Parameter | None) -> Plan:
        """Answer a question in between; the task goes on after it."""
        task = self._task
        assert task is not None
        wants = [self._with_known(want) for want in others]
        calls = tuple(want for want in wants if want.missing is None)
        if not calls:
            self._task = _Task(wants[0].tool, None, dict(wants[0].values))
            return self._advance(said, first=True)
        if task.confirming:
            return Plan(
                said=said, calls=calls, tool=task.tool, form=task.form, values=dict(task.values), confirm=True
            )
        return Plan(
            said=said, calls=calls, ask=asked, tool=task.tool, form=task.form, values=dict(task.values)
        )

    def _confirmed(self, said: Utterance, values: dict[str, object]) -> Plan:
        task = self._task
        assert task is not None
        changed = {name: value for name, value in values.items() if task.values.get(name) != value}
        if changed:
            task.values.update(changed)
            return self._advance(said)
        plan = Plan(said=said, tool=task.tool, form=task.form, values=dict(task.values))
        if said_no(said):
            return attrs.evolve(plan, unsure=True)
        if said_yes(said) or said.has(
            "perfect", "great", "thanks", "thank", "good", "exactly", "sounds good"
        ):
            self._task = None
            return attrs.evolve(plan, done=True)
        if is_question(said) or len(said.content) > 2:
            return attrs.evolve(plan, chat=True, confirm=True, again=True)
        return attrs.evolve(plan, confirm=True, again=True)

    def _follow_up(self, said: Utterance, last: Wanted) -> list[Wanted]:
        """Read "and on Saturday?" as an earlier call with another day."""
        if len(said.tokens) > 10 or not said.tokens:
            return []
        # "Okay, and what about Sunday"
        first = next(
            (i for i, norm in enumerate(said.norms) if norm not in ("okay", "ok", "well", "um", "uh")), 0
        )
        said = said.part(first, len(said.tokens))
        marked = any(_starts(said, marker) for marker in _FOLLOW_UPS) or said.has(*_CHANGES)
        if not marked and len(said.tokens) > 3:
            return []
        hints = attrs.evolve(self._hints, ignore=last.tool.own)
        strong = [p for p in last.tool.parameters if p.kind in STRONG_KINDS and p.kind is not Kind.LIST]
        if not marked:
            strong = [p for p in strong if p.kind is not Kind.NUMBER]
        places = [p for p in last.tool.parameters if p.kind is Kind.PLACE] if marked else []
        values = fill([*strong, *places], said, hints)
        start = max((len(m.split()) for m in _FOLLOW_UPS if _starts(said, m)), default=0)
        if not values and places and start:
            rest = said.part(start, len(said.tokens))
            values = fill(places[:1], rest, attrs.evolve(hints, asked=places[0].name)) if rest.tokens else {}
        if not values:
            return []
        found = [Wanted(tool=last.tool, values={**last.values, **values}, said=said)]
        days = [p for p in strong if p.kind in (Kind.WEEKDAY, Kind.DATE, Kind.ENUM) and p.name in values]
        for begin, end, joined in clauses(said) if days else []:
            second = fill(days[:1], said.part(begin, end), hints) if joined else {}
            if second and second[days[0].name] != values[days[0].name]:
                found.append(Wanted(tool=last.tool, values={**last.values, **values, **second}, said=said))
        return found

    def _with_known(self, want: Wanted) -> Wanted:
        """Fill what is missing from what was said before."""
        values = dict(want.values)
        for parameter in want.tool.parameters:
            if parameter.required and parameter.name not in values:
                # "Are you open on Friday?" "Yes." "Then book me in at ten."
                passing = self._passing if want.tool is not self._passing_from else {}
                for memory in (self._known, passing):
                    value = memory.get(_key(parameter))
                    if value is not None:
                        values[parameter.name] = value
                        break
        return attrs.evolve(want, values=values)

    def _remember(self, tool: Tool, values: dict[str, object]) -> None:
        for parameter in tool.parameters:
            if parameter.name not in values:
                continue
            if parameter.kind in _LASTING or parameter.kind is Kind.CODE:
                self._known[_key(parameter)] = values[parameter.name]
            elif parameter.kind in _PASSING and not set(parameter.words) & _DIRECTED:
                self._passing[_key(parameter)] = values[parameter.name]


def _key(parameter: Parameter) -> str:
    if parameter.kind is Kind.NAME:
        return "caller" if not set(parameter.words) & _OTHERS else f"name {parameter.name}"
    if parameter.kind is Kind.CODE or (
        parameter.kind is Kind.PLACE
        and set(parameter.words) & {"address", "origin", "destination", "from", "to"}
    ):
        return f"{parameter.kind.value} {parameter.name}"
    return str(parameter.kind.value)


def _starts(said: Utterance, marker: str) -> bool:
    words = marker.split()
    return list(said.norms[: len(words)]) == words
