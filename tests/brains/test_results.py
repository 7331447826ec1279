import json

import pytest
from hypothesis import given, settings, strategies as st

from callboard.actors.brains import BrainInput, RuleBrain, Speak, ToolSpec, Turn
from callboard.actors.brains._speak_result import speak_result
from callboard.actors.brains._spoken import readable
from callboard.actors.brains._text import read
from callboard.actors.brains._tools import study

from .talk import INTEGER, STRING, enum, schema

TOOLS = {
    tool.name: tool
    for tool in study(
        [
            ToolSpec(name="opening_hours", parameters=schema(day=STRING)),
            ToolSpec(name="get_weather", parameters=schema(location=STRING)),
            ToolSpec(name="train_line", parameters=schema(port=STRING)),
            ToolSpec(name="transfer", parameters=schema(department=enum("billing"))),
            ToolSpec(name="set_alarm", parameters=schema(hour=INTEGER)),
            ToolSpec(name="book_appointment", parameters=schema(day=STRING, time=STRING)),
            ToolSpec(name="order_status", parameters=schema(order_id=STRING)),
            ToolSpec(name="list_doctors"),
            ToolSpec(name="check_availability", parameters=schema(day=STRING)),
        ]
    )
}
FRIDAY = {"day": "Friday"}
VISIT = {"day": "Friday", "time": "15:30"}


@pytest.mark.parametrize(
    ("name", "values", "result", "asked", "expected"),
    [
        ("opening_hours", FRIDAY, "9 to 5", "are you open on Friday", "On Friday we are open 9 to 5."),
        ("opening_hours", FRIDAY, "open 9 to 5", "are you open on Friday", "On Friday we are open 9 to 5."),
        ("opening_hours", FRIDAY, "closed", "are you open on Friday", "On Friday we are closed."),
        ("opening_hours", FRIDAY, "closed", "and on Friday?", "On Friday we are closed."),
        (
            "opening_hours",
            FRIDAY,
            "09:00-17:30",
            "your hours?",
            "On Friday, the opening hours are 9 am to 5:30 pm.",
        ),
        (
            "opening_hours",
            FRIDAY,
            '{"open": "09:00", "close": "17:00"}',
            "",
            "On Friday, it is open from 9 am to 5 pm.",
        ),
        ("opening_hours", FRIDAY, "We open at nine.", "", "We open at nine."),
        ("opening_hours", FRIDAY, "true", "are you open on Friday", "Yes, we are open."),
        ("opening_hours", FRIDAY, "false", "are you open on Friday", "No, we are not open."),
        (
            "get_weather",
            {"location": "Paris"},
            "Sunny, 21 degrees",
            "",
            "In Paris, the weather is sunny, 21 degrees.",
        ),
        (
            "get_weather",
            {"location": "Paris"},
            '{"location": "Paris", "temperature_c": 21, "condition": "sunny"}',
            "",
            "In Paris, the temperature is 21 degrees and the condition is sunny.",
        ),
        (
            "train_line",
            {"port": "Dover"},
            '["06:12", "18:40"]',
            "",
            "The train line in Dover: 6:12 am and 6:40 pm.",
        ),
        ("transfer", {"department": "billing"}, "ok", "", "I am putting you through to billing now."),
        ("set_alarm", {"hour": 7}, "done", "", "I have set the alarm for 7 am."),
        (
            "set_alarm",
            {"hour": 7},
            "Error: no battery",
            "",
            "I am sorry, I could not set the alarm: no battery.",
        ),
        ("book_appointment", VISIT, "booked", "", "I have booked the appointment on Friday at 3:30 pm."),
        (
            "book_appointment",
            VISIT,
            '{"ok": true, "confirmation_id": "A17"}',
            "",
            "I have booked the appointment on Friday at 3:30 pm. The confirmation number is A17.",
        ),
        (
            "book_appointment",
            VISIT,
            '{"status": "error", "message": "that slot is taken"}',
            "",
            "I am sorry, I could not book the appointment: that slot is taken.",
        ),
        ("order_status", {"order_id": "7"}, "shipped", "", "The order status is shipped."),
        (
            "list_doctors",
            {},
            '[{"name": "Dr. Lee"}, {"name": "Dr. Fox"}]',
            "",
            "The doctors are Dr. Lee and Dr. Fox.",
        ),
        ("list_doctors", {}, "[]", "", "I found no doctors."),
        ("check_availability", FRIDAY, '{"available": false}', "", "On Friday, it is not available."),
        ("check_availability", FRIDAY, '{"result": {"answer": "Only at noon, I fear"}}', "", None),
    ],
)
def test_results_are_said_in_a_sentence(
    name: str, values: dict[str, object], result: str, asked: str, expected: str | None
) -> None:
    said = speak_result(TOOLS[name], name, values, result, read(asked))
    assert said == expected if expected is not None else "Only at noon, I fear" in said


def test_dates_and_times_are_readable() -> None:
    assert readable("2026-03-03T15:30:00Z") == "Tuesday, March 3rd at 3:30 pm"
    assert readable("from 09:00 to 12:00") == "from 9 am to noon"
    assert readable("3:30 pm stays") == "3:30 pm stays"
    assert readable("2026-13-45 and 99:99 stay") == "2026-13-45 and 99:99 stay"


def test_a_long_result_is_cut_before_it_bores() -> None:
    said = speak_result(TOOLS["opening_hours"], "opening_hours", {}, "word " * 2_000, read(""))
    assert len(said) < 500


def test_a_deeply_nested_result_is_no_error() -> None:
    assert speak_result(None, "thing", {}, "[" * 50_000, read(""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
WORDS = st.sampled_from(
    [
        "error",
        "status",
        "ok",
        "name",
        "open",
        "close",
        "message",
        "temperature_c",
        "failed",
        "id",
        "result",
        "price",
    ]
)
RESULT = st.one_of(
    st.text(max_size=40), JSON.map(json.dumps), st.dictionaries(WORDS, JSON, max_size=4).map(json.dumps)
)


@settings(max_examples=150, deadline=None)
@given(
    RESULT,
    st.sampled_from(sorted(TOOLS)),
    st.sampled_from(["", "are you open on Friday", "are you", "how much"]),
)
def test_any_result_can_be_said(result: str, name: str, asked: str) -> None:
    assert speak_result(TOOLS[name], name, FRIDAY, result, read(asked)).strip()
    assert speak_result(None, name, {}, result, read(asked)).strip()


TURN = st.builds(
    Turn,
    role=st.sampled_from(["user", "assistant", "system", "tool"]),
    text=st.text(max_size=30)
    | st.sampled_from(["Are you open on Friday?", "book me in", "yes", "no", "large pizza", "bye"]),
    name=st.sampled_from(["", "opening_hours", "book_appointment", "ghost"]),
    call_id=st.sampled_from(["", "a", "b"]),
    arguments=st.sampled_from(["", "{}", '{"day": "Friday"}', "[1]", "{", "null"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(TURN, max_size=8),
    st.booleans(),
    st.none() | st.text(max_size=40) | st.sampled_from(['Say: "x"', "Greet them", "ask"]),
    st.text(max_size=60),
)
def test_any_conversation_has_an_answer(
    history: list[Turn], parallel: bool, response_instructions: str | None, instructions: str
) -> None:
    given_ = BrainInput(
        instructions=instructions,
        tools=tuple(tool.spec for tool in TOOLS.values()),
        history=tuple(history),
        response_instructions=response_instructions,
        parallel=parallel,
    )
    actions = RuleBrain().respond(given_)
    assert actions == RuleBrain().respond(given_)
    assert all(action.text.strip() for action in actions if isinstance(action, Speak))
