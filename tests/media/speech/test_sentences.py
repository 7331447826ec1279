from hypothesis import given, strategies as st

from callboard.media.speech import split_sentences
from callboard.media.speech._sentences import MAX_SEGMENT_CHARACTERS


def test_sentences_are_cut_at_their_ends() -> None:
    assert split_sentences("Hello there. How are you?  Fine!") == ["Hello there.", "How are you?", "Fine!"]


def test_titles_initials_and_decimals_do_not_cut() -> None:
    text = "Dr. Smith sees J. Doe at 3.30 p.m. on level 2. She is in room No. 5."
    assert split_sentences(text) == [
        "Dr. Smith sees J. Doe at 3.30 p.m. on level 2.",
        "She is in room No. 5.",
    ]


def test_a_plain_no_is_a_sentence() -> None:
    assert split_sentences("No. I want a pizza.") == ["No.", "I want a pizza."]


def test_closing_quotes_stay_with_their_sentence() -> None:
    assert split_sentences('He said "Stop." Then he left.') == ['He said "Stop."', "Then he left."]


def test_a_sentence_without_an_end_is_kept() -> None:
    assert split_sentences("one moment") == ["one moment"]


def test_lines_cut() -> None:
    assert split_sentences("first line\n\nsecond line\n") == ["first line", "second line"]


def test_nothing_gives_nothing() -> None:
    assert split_sentences(" \n\t ") == []


def test_a_long_sentence_is_cut_at_a_comma() -> None:
    half = (
        "a fairly long clause that goes on and on about nothing in particular for a while yet and then some"
    )
    pieces = split_sentences(f"{half}, {half}, {half}.")
    assert len(pieces) == 2
    assert pieces[0].endswith(",")


@given(st.text(max_size=600))
def test_no_word_is_lost_and_no_piece_is_long(text: str) -> None:
    pieces = split_sentences(text)
    assert all(piece.strip() for piece in pieces)
    assert all(len(piece) <= MAX_SEGMENT_CHARACTERS for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
