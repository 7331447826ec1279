"""`@tool`: what the model is told, and what becomes of its arguments."""

import contextlib
import dataclasses
import enum
import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, cast

import attrs
import pytest
from hypothesis import given, strategies as st

from callboard.actors._ports import MediaUnit
from callboard.actors._tools_schema import AnyTool, Tool, ToolContext, parse_docstring, tool
from callboard.actors._tools_types import BadArguments, kind_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Place:
    name: str
    point: Point | None = None


class Options(TypedDict):
    size: Literal["small", "large"]
    notes: NotRequired[list[str]]


CONTEXT = ToolContext(call=None, client=cast("MediaUnit", None), call_id="c", name="n")

CASES: list[tuple[Any, dict[str, Any], list[tuple[Any, Any]], list[Any]]] = [
    (str, {"type": "string"}, [("a", "a")], [1, None, ["a"]]),
    (int, {"type": "integer"}, [(3, 3), (3.0, 3)], ["3", 3.5, True, None]),
    (float, {"type": "number"}, [(3, 3.0), (0.5, 0.5)], ["3", True, math.inf, math.nan]),
    (bool, {"type": "boolean"}, [(True, True)], [1, "true", None]),
    (None, {"type": "null"}, [(None, None)], [0]),
    (Any, {}, [([1, "a"], [1, "a"])], []),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, [("a", "a")], ["c", 1]),
    (Literal[1, "a"], {"enum": [1, "a"]}, [(1, 1), ("a", "a")], [True, 2]),
    (Colour, {"type": "string", "enum": ["red", "blue"]}, [("red", Colour.RED)], ["green", "RED"]),
    (
        Optional[int],  # noqa: UP045  (what older code has)
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        [(1, 1), (None, None)],
        ["1"],
    ),
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, [(1, 1), ("1", "1")], [None, 1.5]),
    (list[int], {"type": "array", "items": {"type": "integer"}}, [([1, 2], [1, 2])], [["1"], "1", {"0": 1}]),
    (list, {"type": "array", "items": {}}, [([1, "a"], [1, "a"])], ["a"]),
    (Sequence[str], {"type": "array", "items": {"type": "string"}}, [(["a"], ["a"])], ["a"]),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [([1], (1,))], [["a"]]),
    (
        tuple[int, str],
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
        [([1, "a"], (1, "a"))],
        [[1], [1, "a", 2], ["a", 1]],
    ),
    (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, [(["a"], {"a"})], [[1]]),
    (set, {"type": "array", "items": {}, "uniqueItems": True}, [([1], {1})], [[[1]]]),
    (
        dict[str, int],
        {"type": "object", "additionalProperties": {"type": "integer"}},
        [({"a": 1}, {"a": 1})],
        [[]],
    ),
    (Mapping[str, Any], {"type": "object", "additionalProperties": {}}, [({"a": 1}, {"a": 1})], [3]),
    (
        Annotated[int, "How many."],
        {"type": "integer", "description": "How many."},
        [(1, 1)],
        ["a"],
    ),
    (
        Point,
        {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
            "required": ["x"],
            "additionalProperties": False,
        },
        [({"x": 1}, Point(1)), ({"x": 1, "y": 2}, Point(1, 2))],
        [{}, {"x": "1"}, {"x": 1, "z": 2}, [1, 2]],
    ),
    (
        Place,
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "point": {
                    "anyOf": [
                        {
                            "type": "object",
                            "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
                            "required": ["x"],
                            "additionalProperties": False,
                        },
                        {"type": "null"},
                    ]
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        },
        [({"name": "a", "point": {"x": 1}}, Place("a", Point(1)))],
        [{"name": "a", "point": {"y": 1}}],
    ),
    (
        Options,
        {
            "type": "object",
            "properties": {
                "size": {"type": "string", "enum": ["small", "large"]},
                "notes": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["size"],
            "additionalProperties": False,
        },
        [({"size": "small"}, {"size": "small"})],
        [{"size": "medium"}, {"notes": []}],
    ),
]


@pytest.mark.parametrize(("hint", "schema", "good", "bad"), CASES, ids=[str(case[0]) for case in CASES])
def test_types_become_schema_and_values_come_back(
    hint: Any, schema: dict[str, Any], good: list[tuple[Any, Any]], bad: list[Any]
) -> None:
    kind = kind_of(hint)
    assert kind.schema == schema
    json.dumps(kind.schema)
    for given_value, expected in good:
        loaded = kind.load(given_value)
        assert loaded == expected
        assert type(loaded) is type(expected)
    for value in bad:
        with pytest.raises(BadArguments):
            kind.load(value)


@pytest.mark.parametrize("hint", [bytes, dict[int, str], object.__init__, complex])
def test_types_without_a_json_form_are_refused(hint: Any) -> None:
    with pytest.raises(TypeError):
        kind_of(hint)


def test_errors_name_the_place() -> None:
    kind = kind_of(dict[str, list[Point]])
    with pytest.raises(BadArguments, match=r"^a\[1\]: x: got 'no', expected an integer$"):
        kind.load({"a": [{"x": 1}, {"x": "no"}]})


@tool
async def weather(city: str, days: int = 3, unit: Literal["c", "f"] = "c") -> str:
    """Tell the weather of a city.

    This paragraph is for people.

    Args:
        city: Where, with the country
            if there are several.
        days (int): How far ahead.

    Returns:
        A sentence.
    """
    return f"{city} {days} {unit}"


def test_a_tool_is_described_by_its_function() -> None:
    assert weather.name == "weather"
    assert weather.description == "Tell the weather of a city."
    assert weather.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where, with the country if there are several."},
            "days": {"type": "integer", "description": "How far ahead.", "default": 3},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


async def test_a_tool_is_still_its_function() -> None:
    assert await weather("Derby", days=1) == "Derby 1 c"
    assert weather.__doc__ is not None
    assert repr(weather) == "<Tool 'weather'>"


async def test_bound_arguments_call_the_function() -> None:
    assert await cast("Any", weather.bind('{"city": "Derby", "unit": "f"}', CONTEXT)()) == "Derby 3 f"


def test_a_tool_can_be_named_and_timed() -> None:
    @tool(name="other-name", description="Other.", timeout=1.5)
    def function() -> None: ...

    assert (function.name, function.description, function.timeout) == ("other-name", "Other.", 1.5)
    assert function.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert function.bind("", CONTEXT)() is None


def test_parameters_that_are_filled_in_are_not_shown() -> None:
    class Call(MediaUnit):
        """Stands for a call."""

    def function(context: ToolContext, call: Call, text: str) -> tuple[Any, ...]:
        return context, call, text

    made = Tool(function)
    assert list(cast("dict[str, object]", made.parameters["properties"])) == ["text"]
    with pytest.raises(BadArguments, match="phone call"):
        made.bind('{"text": "a"}', CONTEXT)
    call = Call("call", cast("Any", None))
    context = attrs.evolve(CONTEXT, call=call)
    assert made.bind('{"text": "a"}', context)() == (context, call, "a")
    with pytest.raises(BadArguments, match="unknown argument 'call'"):
        made.bind('{"text": "a", "call": 1}', context)


class Node:
    pass


def _no_hint(a) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore


def _stars(*args: int) -> None: ...


def _keywords(**kwargs: int) -> None: ...


def _unknown_type(a: Node) -> None: ...


def _unresolved(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore


@dataclasses.dataclass
class Recursive:
    child: "Recursive | None"


def _recursive(a: Recursive) -> None: ...


FUNCTIONS: list[Any] = [_no_hint, _stars, _keywords, _unknown_type, _unresolved, _recursive]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_that_cannot_be_tools_are_refused_at_once(function: Any) -> None:
    with pytest.raises(TypeError):
        tool(function)


@pytest.mark.parametrize(
    "parameters", [{"name": "no spaces"}, {"name": "x" * 65}, {"timeout": 0}, {"timeout": -1}]
)
def test_odd_names_and_timeouts_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tool"):
        tool(**parameters)(weather.function)
    with pytest.raises(TypeError):
        Tool(3)  # type: ignore[arg-type]  # pyright: ignore


@pytest.mark.parametrize(
    "arguments",
    ["{", "[]", "null", '"a"', '{"city": NaN}', "[" * 100_000, " " * 300_000, "\x00", '{"city": {}}'],
)
def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: str) -> None:
    with pytest.raises(BadArguments):
        weather.bind(arguments, CONTEXT)


def _bind(made: AnyTool, text: str) -> None:
    with contextlib.suppress(BadArguments):
        made.bind(text, CONTEXT)


@given(st.text())
def test_any_text_is_arguments_or_bad_arguments(text: str) -> None:
    _bind(weather, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@tool
def everything(
    a: Place, b: set[Colour], c: dict[str, tuple[int, str]], d: int | list[float] | None = None
) -> None:
    """Take many types."""


@given(st.fixed_dictionaries({"a": JSON, "b": JSON, "c": JSON}, optional={"d": JSON}))
def test_any_json_is_arguments_or_bad_arguments(value: dict[str, Any]) -> None:
    _bind(everything, json.dumps(value))


@pytest.mark.parametrize(
    ("doc", "summary", "told"),
    [
        ("", "", {}),
        ("One line.", "One line.", {}),
        ("Two\nlines.\n\nMore.", "Two lines.", {}),
        ("Sum.\n\nArgs:\n  a: First.\n    more\n  b: Second.", "Sum.", {"a": "First. more", "b": "Second."}),
        ("Args:\n    a: First.\n\nReturns:\n    b: no", "", {"a": "First."}),
        ("S.\n\nParameters:\n    *a (int, optional): First: yes.", "S.", {"a": "First: yes."}),
        ("S.\n\nArgs:\n    a: First.\nTail: not one", "S.", {"a": "First."}),
    ],
)
def test_docstrings(doc: str, summary: str, told: dict[str, str]) -> None:
    assert parse_docstring(doc) == (summary, told)
