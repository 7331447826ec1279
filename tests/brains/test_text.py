import pytest
from hypothesis import given, strategies as st

from callboard.actors.brains._numbers import find_numbers
from callboard.actors.brains._text import listed, name_words, read, sentence, stem, word_set
from callboard.actors.brains._times import find_days, find_times


def numbers(text: str) -> list[int | float]:
    return [span.value for span in find_numbers(read(text).tokens)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eighteen forty two", [1842]),
        ("order eighteen forty two please", [1842]),
        ("twenty five", [25]),
        ("twenty-five", [25]),
        ("one hundred and five", [105]),
        ("a hundred", [100]),
        ("two thousand and six", [2006]),
        ("twenty twenty six", [2026]),
        ("nineteen oh five", [1905]),
        ("five five five one two three four", [5551234]),
        ("five double two oh", [5220]),
        ("one large pizza and two small ones", [1, 2]),
        ("two and a half", [2.5]),
        ("three point one four", [3.14]),
        ("minus five", [-5]),
        ("a dozen eggs", [12]),
        ("1,250 people", [1250]),
        ("12 thousand", [12000]),
        ("3.5", [3.5]),
        ("no one", []),
        ("which one", []),
        ("hundred", []),
        ("double", []),
    ],
)
def test_numbers_in_words_and_figures(text: str, expected: list[int | float]) -> None:
    assert numbers(text) == expected


def test_figures_keep_their_leading_zeros() -> None:
    assert find_numbers(read("zero two oh seven").tokens)[0].digits == "0207"


def test_an_ordinal_is_told_from_a_number() -> None:
    assert [span.ordinal for span in find_numbers(read("the twenty first of 3rd 4").tokens)] == [
        True,
        True,
        False,
    ]


def test_contractions_and_half_days_are_written_out() -> None:
    said = read("I'd like it at 3 p.m., what\u2019s free? I can't wait")
    assert said.norms[:6] == ("i", "would", "like", "it", "at", "3")
    assert "pm" in said.norms
    assert said.has("what is", "can not")


def test_a_pause_is_kept() -> None:
    assert [token.break_before for token in read("no, Tuesday please").tokens] == [False, True, False]


@pytest.mark.parametrize(
    "words",
    ["open opening opens opened", "book booking booked books", "close closing closed", "price prices"],
)
def test_forms_of_a_word_share_a_stem(words: str) -> None:
    assert len({stem(word) for word in words.split()}) == 1


def test_identifiers_are_cut_into_words() -> None:
    assert name_words("getOpening_hours-v2") == ("get", "opening", "hours", "v2")


def test_lists_and_sentences() -> None:
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b"], "or") == "a or b"
    assert listed([]) == ""
    assert sentence(" on friday, ") == "On friday."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 3 pm", "15:00"),
        ("half past three", "15:30"),
        ("a quarter past ten", "10:15"),
        ("quarter to five", "16:45"),
        ("ten thirty am", "10:30"),
        ("at three thirty", "15:30"),
        ("at 09:30", "09:30"),
        ("seven o'clock", "07:00"),
        ("six in the morning", "06:00"),
        ("at eight tonight", "20:00"),
        ("noon", "12:00"),
        ("at eighteen forty two", "18:42"),
    ],
)
def test_times_of_day(text: str, expected: str) -> None:
    assert [time.clock(office_hours=True) for time in find_times(read(text))] == [expected]


@pytest.mark.parametrize(
    "text", ["at 12 High Street", "it costs 3.30", "for two people", "order 1842", "from 9 to 5"]
)
def test_other_numbers_are_no_times(text: str) -> None:
    assert find_times(read(text)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("are you open on Friday", "Friday"),
        ("fridays", "Friday"),
        ("next tuesday", "next Tuesday"),
        ("tomorrow", "tomorrow"),
        ("the day after tomorrow", "the day after tomorrow"),
        ("March 3rd", "March 3"),
        ("the third of March", "March 3"),
        ("on 2026-05-01", "2026-05-01"),
        ("on the 3rd", "the 3rd"),
    ],
)
def test_days(text: str, expected: str) -> None:
    assert [day.said for day in find_days(read(text))] == [expected]


@pytest.mark.parametrize("text", ["may I come", "I sat down", "march on", "32 March"])
def test_other_words_are_no_days(text: str) -> None:
    assert find_days(read(text)) == []


SPOKEN = st.lists(
    st.sampled_from(
        sorted(
            word_set(
                "one two ten twenty forty hundred thousand million and a half past to quarter oh double "
                "point minus five pm am at on the of march friday next tomorrow 3 15 2026 10:30 3rd - , . "
                "? 1,000 2026-02-30 o'clock dozen"
            )
        )
    ),
    max_size=12,
).map(" ".join)


@given(st.one_of(st.text(max_size=200), SPOKEN))
def test_reading_never_fails_on_any_text(text: str) -> None:
    said = read(text)
    for token in said.tokens:
        assert said.text[token.start : token.end] == token.text
    for number in find_numbers(said.tokens):
        assert 0 <= number.start < number.end <= len(said.tokens)
    for day in find_days(said):
        day.resolve(None)
    for expected in (False, True):
        for time in find_times(said, expected=expected):
            assert 0 <= time.hour <= 23
            assert 0 <= time.minute <= 59
