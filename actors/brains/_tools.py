"""Choosing functions by the words they share with what was said."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import attrs

from ._schema import Kind, Parameter, read_parameters
from ._slots import STRONG_KINDS, Hints, fill, missing
from ._text import STOP_WORDS, Utterance, name_words, phrases, read, stem, word_set
from ._times import MONTHS, WEEKDAYS
from ._types import ToolSpec

THRESHOLD = 2.0
"""From this score on a function is meant: one telling word of its name, or two of its description."""

_NAME, _DESCRIPTION, _PARAMETER, _PARAMETER_TEXT, _CHOICE = 3.0, 1.2, 1.0, 0.4, 1.5
_GENERIC = 0.25  # a word such as "get" or "information" hardly tells functions apart
_BY_SYNONYM = 0.7
_VALUE_SAID = 0.8  # what was said holds a value for a parameter
_MAX_TOOLS = 128
_MAX_CALLS = 4

_GENERIC_STEMS = (
    frozenset(
        stem(word)
        for word in word_set(
            "get set list fetch lookup look find check show search create make run call update add query "
            "info information detail details data tool function api handle request user customer caller "
            "client return returns given use used value optional default name number time date day place "
            "person people string text new current id type kind service system agent assistant question "
            "answer specific certain available particular provide respond"
        )
    )
    | {name.lower() for name in (*WEEKDAYS, *MONTHS)}
    | {stem(w) for w in word_set("today tomorrow week")}
)

# Words for the same thing. A function is also found by a word that only means what its own words say.
_SYNONYMS = tuple(
    frozenset(stem(word) for word in line.split())
    for line in (
        "open opening close closed closing hours",
        "book schedule reserve appointment reservation booking",
        "weather forecast rain raining sunny snow temperature umbrella cold hot warm degrees",
        "price cost costs fee charge expensive cheap much",
        "transfer connect human representative operator forward",
        "cancel cancellation abort",
        "address location located directions where",
        "alarm wake",
        "timer countdown",
        "balance account funds",
        "hang goodbye bye hangup",
        "order purchase buy",
        "delivery deliver shipping shipment package parcel track tracking",
        "message note text sms",
        "mail email",
        "flight fly plane",
        "appointment doctor dentist physician gp checkup",
        "insurance insurer coverage covered",
        "menu dishes food",
        "time clock",
        "tide tides tidal",
        "joke funny laugh",
        "music song play listen",
        "convert exchange conversion",
        "translate translation say",
        "reschedule move postpone change",
        "lights light lamp",
    )
)

_REQUESTS = phrases(
    "please, can you, could you, would you, i want, i need, i would like, look, check, find, show, tell me"
)
_ACTIONS = word_set(
    "book set create order place transfer cancel send add update schedule reserve make delete remove "
    "start stop turn submit register pay confirm hang end log save record dispatch play change move "
    "reschedule notify call connect leave put file report request buy purchase charge refund write post "
    "enable disable switch take join forward"
)
# "order_status" looks something up although one can order.
_LOOKED_UP = word_set(
    "status info information details history list hours number total progress price prices schedule"
)
_LOOKING = word_set("get fetch lookup look find check show list search query read")
_ENDINGS = ({"end", "call"}, {"hang", "up"}, {"hangup"}, {"end", "conversation"}, {"finish", "call"})


@attrs.frozen(kw_only=True, eq=False)
class Tool:
    """A function as the brain sees it."""

    spec: ToolSpec
    parameters: tuple[Parameter, ...]
    words: tuple[str, ...]
    """The words of its name."""

    lexicon: Mapping[str, float]
    """Stem to weight."""

    action: bool
    """Whether it does something, rather than look something up."""

    own: frozenset[str]
    """The stems of its name and of its parameters' names: they speak of the function."""

    @property
    def name(self) -> str:
        """The name it was registered with."""
        return self.spec.name

    @property
    def ends_call(self) -> bool:
        """Whether it hangs up."""
        return any(ending <= set(self.words) for ending in _ENDINGS)


@attrs.frozen(kw_only=True)
class Wanted:
    """A function that was asked for, with the arguments that are known."""

    tool: Tool
    values: Mapping[str, object]
    said: Utterance
    """The part of what was said that asks for it."""

    @property
    def missing(self) -> Parameter | None:
        """The first required parameter that is not known."""
        return missing(self.tool.parameters, dict(self.values))


def study(specs: Sequence[ToolSpec]) -> tuple[Tool, ...]:
    """Return what the brain needs to know of the registered functions."""
    return tuple(_study_one(spec) for spec in specs[:_MAX_TOOLS])


def _study_one(spec: ToolSpec) -> Tool:
    parameters = read_parameters(spec.parameters)
    words = name_words(spec.name)
    lexicon: dict[str, float] = {}

    def learn(text_words: Sequence[str], weight: float) -> None:
        for word in text_words:
            key = stem(word)
            if word in STOP_WORDS and weight < _NAME:
                continue
            scaled = weight * _GENERIC if key in _GENERIC_STEMS or word in STOP_WORDS else weight
            lexicon[key] = max(lexicon.get(key, 0.0), scaled)

    learn(words, _NAME)
    if not any(lexicon[stem(word)] >= _NAME for word in words):
        # "current_time": all its words are common ones, but they are all it has.
        for word in words:
            if word not in STOP_WORDS and word not in _LOOKING:
                lexicon[stem(word)] = _NAME * _BY_SYNONYM
    learn([token.norm for token in read(spec.description).tokens], _DESCRIPTION)
    for parameter in _all_parameters(parameters):
        learn(parameter.words, _PARAMETER)
        learn([token.norm for token in read(parameter.description).tokens], _PARAMETER_TEXT)
        for choice in parameter.choices:
            learn(name_words(str(choice)), _CHOICE)
        if isinstance(parameter.default, str):
            learn(name_words(parameter.default), _PARAMETER_TEXT)
    own = {stem(word) for word in words} | {stem(w) for p in parameters for w in p.words}
    return Tool(
        spec=spec,
        parameters=parameters,
        words=words,
        lexicon=lexicon,
        action=_is_action(words, spec.description),
        own=frozenset(own),
    )


def _is_action(words: Sequence[str], description: str) -> bool:
    if not words or words[-1] in _LOOKED_UP:
        return False
    if words[0] in _ACTIONS:
        return True
    first = name_words(description)[:1]
    return bool(first) and first[0] in _ACTIONS and words[0] not in _LOOKING


def _all_parameters(parameters: Sequence[Parameter]) -> list[Parameter]:
    found: list[Parameter] = []
    for parameter in parameters:
        found.append(parameter)
        if parameter.item is not None:
            found.append(parameter.item)
        found.extend(parameter.fields)
    return found


def word_score(tool: Tool, said: Utterance) -> float:
    """Return how much the words of what was said speak of a function."""
    total = 0.0
    stems = {token.stem for token in said.tokens}
    content = {token.stem for token in said.tokens if token.norm not in STOP_WORDS}
    for word in stems & tool.lexicon.keys():
        total += tool.lexicon[word]
    norms = said.norms
    for first, second in itertools.pairwise(norms):
        # "look up" for "lookup", "hang up" for "hangup".
        total += tool.lexicon.get(stem(first + second), 0.0)
    telling = {word for word in content if word not in _GENERIC_STEMS}
    if telling and telling <= tool.lexicon.keys() and total >= _DESCRIPTION and said.has(*_REQUESTS):
        # A request with nothing in it that does not fit.
        total += 1.0
    for group in _SYNONYMS:
        meant = group & tool.lexicon.keys()
        spoken = (group & (content | (stems & {"much", "where"}))) - tool.lexicon.keys()
        if spoken and meant and not meant & stems:
            total += _BY_SYNONYM * max(tool.lexicon[word] for word in meant)
    return total


def score(tool: Tool, said: Utterance, hints: Hints) -> float:
    """Return how well a function fits what was said, its parameters included."""
    words = word_score(tool, said)
    if words < _PARAMETER:
        return words
    strong = [parameter for parameter in tool.parameters if parameter.kind in STRONG_KINDS]
    values = fill(strong, said, hints)
    return words + _VALUE_SAID * min(2, len(values))


def best_tool(tools: Sequence[Tool], said: Utterance, hints: Hints) -> tuple[Tool, float] | None:
    """Return the function that fits best and its score; None where none is meant.

    Of equal ones the first registered wins.
    """
    best: tuple[Tool, float] | None = None
    for tool in tools:
        points = score(tool, said, hints)
        if points >= THRESHOLD and (best is None or points > best[1] + 1e-9):
            best = (tool, points)
    return best


_JOINERS = word_set("and then also plus")


def clauses(said: Utterance) -> list[tuple[int, int, bool]]:
    """Cut what was said at pauses and at "and".

    Returns:
        Token ranges, and whether a word such as "and" stands before.
    """
    found: list[tuple[int, int, bool]] = []
    start, joined = 0, False
    for index, token in enumerate(said.tokens):
        if token.norm in _JOINERS:
            if index > start:
                found.append((start, index, joined))
            start, joined = index + 1, True
        elif token.break_before and index > start:
            found.append((start, index, joined))
            start, joined = index, False
    if start < len(said.tokens):
        found.append((start, len(said.tokens), joined))
    return found


@attrs.define
class _Segment:
    tool: Tool | None
    start: int
    end: int
    extras: list[tuple[int, int]] = attrs.field(factory=list[tuple[int, int]])


def wanted(tools: Sequence[Tool], said: Utterance, hints: Hints) -> list[Wanted]:
    """Return the functions that were asked for, in order, with the arguments that were said.

    "When are you open on Friday and book me in for Monday" asks for two; "the weather in Paris and London" for
    one twice.

    Args:
        tools: The registered functions.
        said: What was said.
        hints: What else is known; `ignore` is filled in here.
    """
    whole = best_tool(tools, said, hints)
    if whole is None:
        return []
    segments = _segments(tools, said, hints)
    if not any(segment.tool for segment in segments):
        # Only all the words together point at a function.
        segments = [_Segment(whole[0], 0, len(said.tokens))]
    found: list[Wanted] = []
    for segment in segments:
        tool = segment.tool
        if tool is None:
            continue
        part = said.part(segment.start, segment.end)
        own = attrs.evolve(hints, ignore=hints.ignore | tool.own)
        values = fill(tool.parameters, part, own)
        if len(segments) > 1:
            _borrow(tool, values, said, own)
        found.append(Wanted(tool=tool, values=values, said=part))
        found.extend(_again(tool, values, said, segment, own))
    unique: list[Wanted] = []
    for want in found:
        if not any(w.tool is want.tool and dict(w.values) == dict(want.values) for w in unique):
            unique.append(want)
    return unique[:_MAX_CALLS]


def _segments(tools: Sequence[Tool], said: Utterance, hints: Hints) -> list[_Segment]:
    segments: list[_Segment] = []
    for start, end, joined in clauses(said):
        best = best_tool(tools, said.part(start, end), hints)
        current = segments[-1] if segments else None
        if current is None:
            segments.append(_Segment(best[0] if best else None, start, end))
        elif best is None or (best[0] is current.tool and not _names(best[0], said.part(start, end))):
            current.end = end
            if joined and end - start <= 4 and current.tool is not None:
                current.extras.append((start, end))
        elif current.tool is None:
            # What came before ("Hi, my name is Maria") belongs to what it leads to.
            current.tool, current.end = best[0], end
        else:
            segments.append(_Segment(best[0], start, end))
    return segments


def _names(tool: Tool, part: Utterance) -> bool:
    return any(tool.lexicon.get(token.stem, 0.0) >= _NAME for token in part.tokens)


def _borrow(tool: Tool, values: dict[str, object], said: Utterance, hints: Hints) -> None:
    """Take what a part lacks from the whole: "the weather and the tides in Dover"."""
    lacking = [p for p in tool.parameters if p.required and p.name not in values and p.kind is not Kind.TEXT]
    if lacking:
        values.update(fill(lacking, said, hints))


_REPEATABLE = frozenset((Kind.PLACE, Kind.WEEKDAY, Kind.DATE, Kind.ENUM))


def _again(
    tool: Tool, values: Mapping[str, object], said: Utterance, segment: _Segment, hints: Hints
) -> list[Wanted]:
    """Return further calls for a second value of the same parameter: "... in Paris and London"."""
    more: list[Wanted] = []
    for start, end in segment.extras:
        part = said.part(start, end)
        for parameter in tool.parameters:
            if parameter.kind not in _REPEATABLE or parameter.name not in values:
                continue
            asked = parameter.name if parameter.kind is Kind.PLACE and end - start <= 3 else ""
            second = fill([parameter], part, attrs.evolve(hints, asked=asked)).get(parameter.name)
            before = fill([parameter], said.part(segment.start, start), hints)
            if second is not None and parameter.name in before and second != before[parameter.name]:
                more.append(Wanted(tool=tool, values={**values, **before, parameter.name: second}, said=part))
                break
    return more


_REMEMBERED = 512  # utterances; a long call has some hundred


class Understanding:
    """The registered functions, and what utterances were found to ask of them.

    The conversation is read again for each answer; only its last turn is new. Remembering what the others ask for
    keeps the cost of an answer from growing with the call. It is a memo, no state: the same goes in, the same
    comes out.
    """

    def __init__(self, specs: tuple[ToolSpec, ...]) -> None:
        """Study the functions.

        Args:
            specs: The registered functions.
        """
        self.specs = specs
        self.tools = study(specs)
        self._memo: dict[tuple[str, Hints], tuple[Wanted, ...]] = {}

    def wanted(self, said: Utterance, hints: Hints) -> tuple[Wanted, ...]:
        """Return the functions that were asked for; see `wanted`."""
        key = (said.text, hints)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= _REMEMBERED:
                self._memo.clear()
            found = self._memo[key] = tuple(wanted(self.tools, said, hints))
        return found
