"""An answer that was cut is given again when the caller, or the session, asks for it."""

from __future__ import annotations

import pytest

from callboard.actors.brains import BrainInput, CallTool, RuleBrain, Speak, Turn
from callboard.actors.brains._go_on import asks_to_go_on, question_again
from tests.brains.talk import STRING, Talk, schema

USER = Turn(role="user", text="What does the train to Derby cost?")
CALL = Turn(role="assistant", name="train_price", call_id="c", arguments='{"town": "Derby"}')
RESULT = Turn(role="tool", name="train_price", call_id="c", text="nine pounds")
HALF = Turn(role="assistant", text="The train to")
GO_ON = Turn(role="user", text="Please go on.")


@pytest.mark.parametrize(
    "text",
    ["please go on", "Go on.", "Continue!", "Yes, please continue.", "ok go ahead", "Carry on, please."],
)
def test_a_request_to_go_on_is_known(text: str) -> None:
    assert asks_to_go_on(text)


@pytest.mark.parametrize("text", ["", "go on Thursday", "How does it go on?", "continue with the booking"])
def test_other_turns_are_no_request_to_go_on(text: str) -> None:
    assert not asks_to_go_on(text)


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        ([USER, HALF], 1),
        ([USER, HALF, GO_ON], 1),
        ([USER, HALF, GO_ON, HALF, GO_ON], 1),
        ([USER, CALL, RESULT, HALF, GO_ON], 3),
        ([USER], 1),
        # A function that still runs is not called again.
        ([USER, CALL, GO_ON], 3),
        # Nothing to go back to.
        ([HALF, GO_ON], 2),
        ([GO_ON], 1),
        ([HALF], 1),
        ([], 0),
    ],
)
def test_the_conversation_goes_back_to_the_question(history: list[Turn], kept: int) -> None:
    assert list(question_again(history)) == history[:kept]


def test_a_question_is_answered_again_after_go_on() -> None:
    talk = Talk().tool("train_price", "nine pounds", "What a train costs", schema(town=STRING))
    first = talk.say("What does the train to Derby cost?")
    assert "nine pounds" in first
    talk.take_calls()
    assert "nine pounds" in talk.say("Please go on.")
    assert talk.take_calls() == []


def test_a_question_whose_call_was_lost_is_looked_up_again() -> None:
    talk = Talk().tool("train_price", "nine pounds", "What a train costs", schema(town=STRING))
    talk.history += [USER, Turn(role="assistant", text="Let me check that for you.")]
    assert "nine pounds" in talk.say("please continue")
    assert talk.take_calls() == [("train_price", {"town": "Derby"})]


def test_a_cut_answer_is_given_again_without_a_word_of_the_caller() -> None:
    (spoken,) = RuleBrain().respond(BrainInput(history=(USER, CALL, RESULT, HALF)))
    assert isinstance(spoken, Speak)
    assert "nine pounds" in spoken.text


def test_a_call_that_waits_is_not_made_twice() -> None:
    talk = Talk().tool("train_price", "nine pounds", "What a train costs", schema(town=STRING))
    talk.history += [USER, CALL, GO_ON]
    assert not any(isinstance(action, CallTool) for action in talk.brain.respond(talk.input()))
