import datetime
import json

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from callboard.actors.brains._questions import question
from callboard.actors.brains._schema import Kind, read_parameters
from callboard.actors.brains._slots import Hints, fill
from callboard.actors.brains._text import read, stem, word_set

from .talk import INTEGER, STRING, enum, schema

BOOLEAN: dict[str, object] = {"type": "boolean"}


def filled(
    parameters: object, text: str, *, asked: str = "", about: str = "", today: datetime.date | None = None
) -> dict[str, object]:
    ignore = frozenset(stem(word) for word in about.split())
    return fill(read_parameters(parameters), read(text), Hints(asked=asked, ignore=ignore, today=today))


def test_weekday() -> None:
    assert filled(schema(day=STRING), "are you open on Friday") == {"day": "Friday"}


def test_several_kinds_at_once() -> None:
    text = "book me in for next Tuesday at half past three, my name is Maria Gonzalez"
    expected = {"day": "Tuesday", "time": "15:30", "name": "Maria Gonzalez"}
    assert filled(schema(day=STRING, time=STRING, name=STRING), text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("transfer me to billing please", "billing"),
        ("put me through to technical support", "technical_support"),
        ("tech support", "technical_support"),
        ("my invoice is wrong", "billing"),
        ("I want to buy something", "sales"),
        ("not sales, billing", "billing"),
    ],
)
def test_enum(text: str, value: str) -> None:
    assert filled(schema(department=enum("sales", "billing", "technical_support")), text) == {
        "department": value
    }


def test_an_enum_forgives_a_slip_when_it_was_asked_for() -> None:
    parameters = schema(department=enum("sales", "billing", "support"))
    assert filled(parameters, "biling", asked="department") == {"department": "billing"}
    assert filled(parameters, "the second one", asked="department") == {"department": "billing"}


def test_the_longest_choice_wins() -> None:
    parameters = schema(size=enum("large", "extra large", "small"))
    assert filled(parameters, "an extra large one") == {"size": "extra large"}


def test_short_weekdays_of_an_enum_are_found() -> None:
    assert filled(schema(day=enum("mon", "tue", "fri")), "on Friday please") == {"day": "fri"}


def test_enum_of_numbers() -> None:
    assert filled(schema(bay={"enum": [1, 2, 3]}), "bay two") == {"bay": 2}


def test_choices_in_a_description_count() -> None:
    parameters = schema(size={"type": "string", "description": "One of: small, medium or large"})
    assert filled(parameters, "a large one") == {"size": "large"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("what is the weather in San Francisco", "San Francisco"),
        ("weather in san francisco tomorrow please", "San Francisco"),
        ("London weather today", "London"),
        ("how about the weather for the city of York", "York"),
    ],
)
def test_place(text: str, place: str) -> None:
    assert filled(schema(location=STRING), text, about="weather city") == {"location": place}


def test_two_places_by_their_prepositions() -> None:
    text = "a flight from London to New York on Friday"
    expected = {"origin": "London", "destination": "New York", "date": "Friday"}
    assert filled(schema(origin=STRING, destination=STRING, date=STRING), text) == expected


@pytest.mark.parametrize("text", ["to 12 High Street please", "deliver it to twelve high street"])
def test_address(text: str) -> None:
    assert filled(schema(address=STRING), text) == {"address": "12 High Street"}


@pytest.mark.parametrize(
    ("text", "hour"), [("set an alarm for seven", 7), ("wake me at 6 am", 6), ("alarm at 7 pm", 19)]
)
def test_hour(text: str, hour: int) -> None:
    assert filled(schema(hour=INTEGER), text, about="alarm") == {"hour": hour}


def test_numbers_go_to_the_word_beside_them() -> None:
    parameters = schema(guests=INTEGER, nights=INTEGER)
    assert filled(parameters, "three nights for two guests") == {"guests": 2, "nights": 3}


def test_a_time_is_not_a_number_of_people() -> None:
    parameters = schema(party_size=INTEGER, time=STRING)
    assert filled(parameters, "a table for four people at eight pm") == {"party_size": 4, "time": "20:00"}


def test_bounds_are_kept() -> None:
    assert filled(schema(hour={"type": "integer", "maximum": 23}), "forty", asked="hour") == {}


def test_integer_and_number() -> None:
    assert filled(schema(amount={"type": "number"}), "twenty five point five") == {"amount": 25.5}
    assert filled(schema(amount=INTEGER), "3.5") == {}


def test_boolean_by_its_word_and_by_yes_and_no() -> None:
    assert filled(schema(urgent=BOOLEAN), "it is urgent") == {"urgent": True}
    assert filled(schema(urgent=BOOLEAN), "it is not urgent") == {"urgent": False}
    assert filled(schema(urgent=BOOLEAN), "yes please", asked="urgent") == {"urgent": True}
    assert filled(schema(urgent=BOOLEAN), "no thank you", asked="urgent") == {"urgent": False}


@pytest.mark.parametrize(
    ("text", "code"),
    [("order eighteen forty two", "1842"), ("order number A B 1 2 7", "AB127"), ("it is XK-7701", "XK-7701")],
)
def test_code(text: str, code: str) -> None:
    assert filled(schema(order_id=STRING), text) == {"order_id": code}


def test_phone_and_mail() -> None:
    assert filled(schema(phone=STRING), "it is five five five, one two three four") == {"phone": "5551234"}
    assert filled(schema(phone=STRING), "call me on 020 7946 0018") == {"phone": "02079460018"}
    assert filled(schema(email=STRING), "maria at example dot com") == {"email": "maria@example.com"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("um, it's Maria Gonzalez, thanks", "Maria Gonzalez"),
        ("my name is maria", "Maria"),
        ("this is Doctor Strange", "Doctor Strange"),
        ("April May", "April May"),
        ("Mia", "Mia"),
    ],
)
def test_a_name_that_was_asked_for(text: str, name: str) -> None:
    assert filled(schema(name=STRING), text, asked="name") == {"name": name}


@pytest.mark.parametrize("text", ["I am calling about Friday", "this is urgent", "for Friday", "hello there"])
def test_no_name_where_none_was_said(text: str) -> None:
    assert filled(schema(name=STRING), text) == {}


def test_free_text() -> None:
    parameters = schema(recipient=STRING, message=STRING)
    expected = {"recipient": "Tom", "message": "I will be late"}
    assert filled(parameters, "send a message to Tom saying I'll be late", about="send message") == expected
    assert filled(schema(query=STRING), "please search for cheap flights to Rome") == {
        "query": "cheap flights to Rome"
    }
    assert filled(schema(reason=STRING), "I have a sore tooth", asked="reason") == {"reason": "sore tooth"}
    assert filled(schema(product=STRING), "I want to buy lamps") == {"product": "lamps"}


def test_lists() -> None:
    toppings = {"type": "array", "items": enum("ham", "mushrooms", "olives")}
    text = "with mushrooms and ham but no olives"
    assert filled(schema(toppings=toppings), text) == {"toppings": ["mushrooms", "ham"]}
    free = {"type": "array", "items": STRING}
    assert filled(schema(items=free), "ham, olives and cheese", asked="items") == {
        "items": ["ham", "olives", "cheese"]
    }


def test_an_object_is_filled_inside() -> None:
    customer = {"type": "object", "properties": {"name": STRING, "phone": STRING}}
    expected = {"customer": {"name": "Ann Lee", "phone": "5551234"}}
    assert filled(schema(customer=customer), "my name is Ann Lee and my number is 555 1234") == expected


def test_dates_are_iso_where_the_schema_says_so_and_the_day_is_known() -> None:
    parameters = schema(date={"type": "string", "format": "date"})
    monday = datetime.date(2026, 3, 2)
    assert filled(parameters, "tomorrow", today=monday) == {"date": "2026-03-03"}
    assert filled(parameters, "on Friday", today=monday) == {"date": "2026-03-06"}
    assert filled(parameters, "on January 5th", today=monday) == {"date": "2027-01-05"}
    assert filled(parameters, "tomorrow") == {"date": "tomorrow"}


def test_a_correction_in_the_same_breath_wins() -> None:
    assert filled(schema(day=STRING), "on Monday, sorry, I mean Tuesday") == {"day": "Tuesday"}


def test_what_was_not_said_is_left_out() -> None:
    assert filled(schema(day=STRING, size=enum("small", "large"), count=INTEGER), "hello") == {}


def test_references_and_alternatives_in_schemas_are_followed() -> None:
    parameters = {
        "type": "object",
        "properties": {"size": {"$ref": "#/$defs/Size"}, "day": {"anyOf": [{"type": "null"}, STRING]}},
        "$defs": {"Size": enum("small", "large")},
    }
    assert [parameter.kind for parameter in read_parameters(parameters)] == [Kind.ENUM, Kind.WEEKDAY]
    assert filled(parameters, "a large one on Friday") == {"size": "large", "day": "Friday"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NOTHING: dict[str, st.SearchStrategy[object]] = {}
PART: st.SearchStrategy[object] = st.recursive(
    st.fixed_dictionaries(
        NOTHING,
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
            | JSON,
            "enum": st.lists(st.sampled_from(["small", "large", "friday", 3, True, None, ""]), max_size=4)
            | JSON,
            "format": st.sampled_from(["date", "time", "date-time", "email"]) | JSON,
            "description": st.sampled_from(["one of: a, b or c", "YYYY-MM-DD", "the caller's name"]) | JSON,
            "minimum": JSON,
            "maximum": JSON,
            "default": JSON,
            "$ref": st.sampled_from(["#", "#/properties/day", "#/properties", "http://x"]) | JSON,
            "required": JSON,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        NOTHING,
        optional={
            "type": st.sampled_from(["object", "array"]),
            "properties": st.dictionaries(
                st.sampled_from(["day", "name", "count", "to", "when", ""]), inner | JSON
            ),
            "items": inner | JSON,
            "anyOf": st.lists(inner | JSON, max_size=3),
            "required": st.lists(st.sampled_from(["day", "name"])) | JSON,
        },
    ),
    max_leaves=8,
)
SPOKEN = st.lists(
    st.sampled_from(
        sorted(
            word_set(
                "my name is Maria book me in for Friday at three thirty pm no not small large please to "
                "London from Paris yes twenty five 1842 A B 12 High Street with ham and olives tomorrow "
                "march 3rd maria@x.org , . ? ' actually"
            )
        )
    ),
    max_size=14,
).map(" ".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    PART | JSON,
    st.one_of(SPOKEN, st.text(max_size=60)),
    st.sampled_from(["", "day", "name", "to", "when", "count"]),
)
def test_filling_never_fails_whatever_the_schema_and_the_text(part: object, text: str, asked: str) -> None:
    parameters = read_parameters(part)
    values = fill(parameters, read(text), Hints(asked=asked, today=datetime.date(2026, 3, 2)))
    assert values.keys() <= {parameter.name for parameter in parameters}
    json.dumps(values)
    for parameter in parameters:
        assert question(parameter, action=True)
        if parameter.kind is Kind.ENUM and parameter.name in values:
            assert values[parameter.name] in parameter.choices
