"""Whole conversations, asserted on what they mean: the function, its arguments, the words that matter."""

import itertools
import json

import pytest

from callboard.actors.brains import BrainInput, CallTool, RuleBrain, Speak, ToolSpec, Turn

from .talk import INTEGER, STRING, Talk, enum, schema

CLINIC = "You are Ada, the receptionist of the Harbour Street clinic. A check-up costs 60 dollars. Be brief."
PIZZERIA = "You take orders for Tony's Pizza. Delivery is free above 20 dollars."


def clinic() -> Talk:
    talk = Talk(instructions=CLINIC)
    talk.tool(
        "opening_hours",
        lambda arguments: "closed" if arguments["day"] == "Sunday" else "9 to 5",
        "When the clinic is open on a weekday.",
        schema(day=STRING),
    )
    talk.tool(
        "book_appointment",
        '{"status": "booked", "confirmation_id": "A17"}',
        "Book an appointment for a patient.",
        schema(day=STRING, time=STRING, name=STRING),
    )
    return talk


# --- clinic


def test_a_question_calls_the_function_and_its_result_is_spoken() -> None:
    talk = clinic()
    answer = talk.say("Are you open on Friday?")
    assert talk.calls == [("opening_hours", {"day": "Friday"})]
    assert "on friday we are open 9 to 5." in answer


def test_the_first_call_is_announced() -> None:
    talk = clinic()
    talk.history.append(Turn(role="user", text="Are you open on Friday?"))
    first, second = talk.brain.respond(talk.input())
    assert isinstance(first, Speak)
    assert second == CallTool(name="opening_hours", arguments={"day": "Friday"})


def test_a_follow_up_changes_one_argument() -> None:
    talk = clinic()
    talk.say("When do you close on Saturday?")
    answer = talk.say("And on Sunday?")
    assert talk.calls == [("opening_hours", {"day": "Saturday"}), ("opening_hours", {"day": "Sunday"})]
    assert "on sunday we are closed" in answer


def test_missing_arguments_are_asked_for_one_at_a_time() -> None:
    talk = clinic()
    assert "day" in talk.say("I'd like to book an appointment, please")
    assert "time" in talk.say("next Tuesday")
    assert "name" in talk.say("at half past three")
    assert talk.calls == []
    answer = talk.say("it's Maria Gonzalez")
    expected = {"day": "Tuesday", "time": "15:30", "name": "Maria Gonzalez"}
    assert talk.calls == [("book_appointment", expected)]
    assert "booked" in answer
    assert "a17" in answer


def test_two_wishes_in_one_breath_call_two_functions_at_once() -> None:
    talk = clinic()
    talk.history.append(
        Turn(
            role="user",
            text="What are your hours on Friday and book me in for Monday at ten, my name is Tom Smith",
        )
    )
    calls = [action for action in talk.brain.respond(talk.input()) if isinstance(action, CallTool)]
    assert calls == [
        CallTool(name="opening_hours", arguments={"day": "Friday"}),
        CallTool(name="book_appointment", arguments={"day": "Monday", "time": "10:00", "name": "Tom Smith"}),
    ]
    answer = talk.respond().lower()
    assert "9 to 5" in answer
    assert "monday at 10 am" in answer


def test_without_parallel_calls_they_come_one_after_the_other() -> None:
    talk = clinic()
    talk.parallel = False
    talk.history.append(
        Turn(
            role="user",
            text="What are your hours on Friday and book me in for Monday at ten, my name is Tom Smith",
        )
    )
    calls = [action for action in talk.brain.respond(talk.input()) if isinstance(action, CallTool)]
    assert [call.name for call in calls] == ["opening_hours"]
    answer = talk.respond().lower()
    assert [name for name, _ in talk.calls] == ["opening_hours", "book_appointment"]
    assert "9 to 5" in answer
    assert "tom smith" in answer


def test_one_wish_is_done_while_the_other_is_completed() -> None:
    talk = clinic()
    answer = talk.say("Are you open on Friday, and can you book me in for Monday at ten?")
    assert [name for name, _ in talk.calls] == ["opening_hours"]
    assert "9 to 5" in answer
    assert answer.rstrip().endswith("name, please?")
    talk.say("Tom Smith")
    assert talk.calls[-1] == ("book_appointment", {"day": "Monday", "time": "10:00", "name": "Tom Smith"})


def test_a_question_in_between_is_answered_and_the_booking_goes_on() -> None:
    talk = clinic()
    talk.say("I need to see a doctor tomorrow")
    answer = talk.say("What are your hours on Friday?")
    assert "9 to 5" in answer
    assert "time" in answer
    assert "60 dollars" in talk.say("How much is a check-up?")
    talk.say("ten thirty")
    talk.say("Bob Miller")
    assert talk.calls[-1] == ("book_appointment", {"day": "tomorrow", "time": "10:30", "name": "Bob Miller"})


def test_a_day_that_was_just_talked_about_is_known() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    talk.say("Great, book me in at 3 pm, my name is Ann")
    assert talk.calls[-1] == ("book_appointment", {"day": "Friday", "time": "15:00", "name": "Ann"})


def test_a_name_given_early_is_not_asked_for() -> None:
    talk = clinic()
    talk.say("Hi, my name is Ann Lee")
    talk.say("Can I book an appointment on Monday at nine?")
    assert talk.calls == [("book_appointment", {"day": "Monday", "time": "09:00", "name": "Ann Lee"})]


def test_a_booking_is_corrected() -> None:
    talk = clinic()
    talk.say("Book me in for Monday at nine, my name is Ann")
    talk.say("Actually make it four o'clock")
    assert talk.calls[-1] == ("book_appointment", {"day": "Monday", "time": "16:00", "name": "Ann"})


def test_a_wish_can_be_dropped() -> None:
    talk = clinic()
    talk.say("I'd like to book an appointment")
    talk.say("oh, never mind")
    talk.say("Are you open on Friday?")
    assert [name for name, _ in talk.calls] == ["opening_hours"]


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    talk = clinic()
    talk.say("I'd like to book an appointment")
    answer = talk.say("hmm")
    assert "day" in answer
    assert talk.calls == []


def test_thanks_do_not_call_anything_again() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    talk.take_calls()
    talk.say("Thank you")
    talk.say("great")
    assert talk.calls == []


def test_the_same_question_asked_again_is_looked_up_again() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    talk.say("Sorry, are you open on Friday?")
    assert len(talk.calls) == 2


def test_an_error_is_admitted() -> None:
    talk = clinic()
    talk.tool("book_appointment", '{"error": "that slot is taken"}', "", schema(day=STRING))
    answer = talk.say("book an appointment on Friday")
    assert "sorry" in answer
    assert "that slot is taken" in answer


def test_an_appointment_without_any_function() -> None:
    talk = Talk(instructions=CLINIC)
    assert "day" in talk.say("I'd like to make an appointment")
    assert "time" in talk.say("on Friday")
    assert "name" in talk.say("in the morning")
    summary = talk.say("Maria")
    assert "friday in the morning" in summary
    assert "maria" in summary
    assert "monday" in talk.say("No, on Monday please")
    assert "all set" in talk.say("yes, that's right")


def test_the_caller_is_greeted_in_the_business_name() -> None:
    talk = Talk(instructions=CLINIC)
    answer = talk.respond()
    assert "Ada" in answer
    assert "Harbour Street clinic" in answer


def test_facts_of_the_instructions_are_told() -> None:
    talk = Talk(instructions="You are a receptionist. We are at 12 High Street. We accept all insurances.")
    assert "12 high street" in talk.say("Where are you?")
    assert "all insurances" in talk.say("do you take my insurance")


def test_goodbye_hangs_up_where_there_is_a_function_for_it() -> None:
    talk = clinic().tool("hang_up", "", "End the call")
    answer = talk.say("That's all, thank you, goodbye")
    assert "goodbye" in answer or "lovely day" in answer
    assert [name for name, _ in talk.calls] == ["hang_up"]


# --- pizza


def test_a_pizza_order_from_hello_to_done() -> None:
    talk = Talk(instructions=PIZZERIA)
    assert "tony's pizza" in talk.respond().lower()
    assert "size" in talk.say("I'd like a pizza please")
    assert "toppings" in talk.say("large")
    assert "delivery" in talk.say("ham and mushrooms, but no onions")
    assert "address" in talk.say("for delivery")
    assert "name" in talk.say("12 High Street")
    summary = talk.say("Anna")
    for word in ("large", "ham and mushrooms", "12 high street", "anna"):
        assert word in summary
    assert "onions" not in summary
    assert "medium" in talk.say("actually make it medium")
    assert "order is in" in talk.say("yes please")


def test_a_pizza_order_in_one_breath() -> None:
    talk = Talk(instructions=PIZZERIA)
    summary = talk.say("Can I get two small pizzas with pepperoni and olives for pick up under the name Joe?")
    for word in ("2 small pizzas", "pepperoni and olives", "pick up", "joe"):
        assert word in summary
    assert "order is in" in talk.say("perfect")


def test_a_question_during_the_order_is_answered() -> None:
    talk = Talk(instructions=PIZZERIA)
    talk.say("a large pizza with ham")
    answer = talk.say("is delivery free?")
    assert "free above 20 dollars" in answer
    assert "pick up" in answer


def test_a_registered_function_takes_the_order() -> None:
    toppings = {"type": "array", "items": enum("ham", "olives", "extra cheese")}
    talk = Talk(instructions=PIZZERIA).tool(
        "place_order",
        '{"ok": true, "minutes": 25}',
        "Order a pizza",
        schema(("toppings",), size=enum("small", "large"), toppings=toppings, address=STRING),
    )
    assert "address" in talk.say("I want to order a large pizza with extra cheese")
    answer = talk.say("22 Baker Street")
    expected = {"size": "large", "toppings": ["extra cheese"], "address": "22 Baker Street"}
    assert talk.calls == [("place_order", expected)]
    assert "25" in answer


# --- any function


@pytest.mark.parametrize(
    ("name", "parameters", "said", "arguments"),
    [
        ("get_weather", schema(location=STRING), "What's the weather like in Lisbon?", {"location": "Lisbon"}),
        ("get_weather", schema(location=STRING), "do I need an umbrella in Dublin", {"location": "Dublin"}),
        ("train_line", schema(port=STRING), "When are the trains in Dover?", {"port": "Dover"}),
        ("transfer", schema(team=enum("sales", "billing")), "I have a question about my bill", {"team": "billing"}),
        ("set_alarm", schema(hour=INTEGER), "Please wake me up at six", {"hour": 6}),
        ("order_status", schema(order_id=STRING), "where is my order eighteen forty two", {"order_id": "1842"}),
        ("convert", schema(amount=INTEGER, to=enum("EUR", "USD")), "convert fifty to EUR", {"amount": 50, "to": "EUR"}),
        ("SetLights", schema(room=enum("kitchen", "hall")), "lights on in the kitchen", {"room": "kitchen"}),
        ("roll_dice", {}, "roll the dice", {}),
    ],
)  # fmt: skip
def test_any_function_is_found_by_its_words(
    name: str, parameters: dict[str, object], said: str, arguments: dict[str, object]
) -> None:
    talk = Talk().tool("unrelated_thing", "no").tool(name, "fine", "", parameters).tool("other", "no")
    talk.say(said)
    assert talk.calls == [(name, arguments)]


@pytest.mark.parametrize(
    "said", ["hello", "how are you today?", "thank you", "my name is Maria", "yes", "tell me a joke"]
)
def test_no_function_is_called_for_small_talk(said: str) -> None:
    talk = clinic().tool(
        "get_weather", "sunny", "Get the current weather for a location", schema(location=STRING)
    )
    talk.say(said)
    assert talk.calls == []


def test_two_places_call_one_function_twice() -> None:
    talk = Talk().tool(
        "get_weather", lambda a: json.dumps({"sky": f"{a['location']} sky"}), "", schema(location=STRING)
    )
    answer = talk.say("What's the weather in Paris and London?")
    assert talk.calls == [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "London"})]
    assert "in paris" in answer
    assert "in london" in answer


def test_two_functions_share_a_place() -> None:
    talk = Talk().tool("get_weather", "sunny", "", schema(location=STRING))
    talk.tool("train_line", "rising", "", schema(port=STRING))
    talk.say("weather and trains in Dover please")
    assert talk.calls == [("get_weather", {"location": "Dover"}), ("train_line", {"port": "Dover"})]


def test_choices_are_offered_when_one_is_missing() -> None:
    talk = Talk().tool(
        "transfer", "ok", "Put the caller through", schema(department=enum("sales", "billing"))
    )
    assert "sales or billing" in talk.say("Can you transfer me?")
    assert "billing" in talk.say("billing please")
    assert talk.calls == [("transfer", {"department": "billing"})]


def test_optional_arguments_are_not_asked_for() -> None:
    talk = Talk().tool(
        "get_weather", "sunny", "", schema(("unit",), location=STRING, unit=enum("celsius", "kelvin"))
    )
    talk.say("weather in Rome")
    talk.say("weather in Rome in kelvin")
    assert talk.calls[0][1] == {"location": "Rome"}
    assert talk.calls[1][1] == {"location": "Rome", "unit": "kelvin"}


def test_a_result_without_its_question_is_spoken() -> None:
    given = BrainInput(
        tools=(ToolSpec(name="opening_hours"),),
        history=(Turn(role="tool", name="opening_hours", call_id="x", text="We are open from 9 to 5."),),
    )
    assert RuleBrain().respond(given) == [Speak(text="We are open from 9 to 5.")]


def test_a_new_question_after_an_interruption_is_answered() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    talk.history[-1] = Turn(role="assistant", text="On Friday")
    answer = talk.say("Sorry, I meant on Sunday")
    assert talk.calls[-1] == ("opening_hours", {"day": "Sunday"})
    assert "closed" in answer


def test_what_was_said_in_two_breaths_is_one_wish() -> None:
    talk = clinic()
    talk.history.append(Turn(role="user", text="I'd like to book an appointment"))
    talk.say("on Friday at ten for Maria Lopez")
    assert talk.calls == [("book_appointment", {"day": "Friday", "time": "10:00", "name": "Maria Lopez"})]


def test_another_response_without_anything_new_repeats_no_call() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    talk.take_calls()
    assert talk.respond()
    assert talk.calls == []


# --- small talk and single responses


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("how are you?", "thank"),
        ("who are you", "ada"),
        ("are you a robot?", "computer"),
        ("tell me a joke", "?"),
        ("can I speak to a real person", "colleague"),
        ("I want to make a complaint", "sorry"),
        ("are you there?", "here"),
        ("thanks a lot", "?"),
        ("bye", "bye"),
        ("goodbye, have a nice day", "bye"),
        ("my car broke down", "your car"),
        ("", "sorry"),
    ],
)
def test_small_talk(said: str, word: str) -> None:
    assert word in Talk(instructions=CLINIC).say(said)


def test_the_last_answer_is_repeated() -> None:
    talk = Talk(instructions=CLINIC)
    answer = talk.say("How much is a check-up?")
    assert answer in talk.say("Sorry, can you say that again?")


def test_a_chat_does_not_repeat_itself_at_once() -> None:
    talk = Talk()
    answers = [talk.say("asdf") for _ in range(6)]
    assert all(one != two for one, two in itertools.pairwise(answers))


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ("Greet the caller.", "Harbour Street clinic"),
        ('Say: "The line is busy."', "The line is busy."),
        ("Say exactly: One moment, please", "One moment, please"),
        ("Tell the caller that their doctor is late.", "Your doctor is late."),
        ("Ask the caller for their date of birth.", "your date of birth"),
        ("Apologize for the wait.", "sorry about the wait"),
        ("The caller is silent. Ask whether they are still there.", "still there?"),
        ("Say goodbye and end the call", "Goodbye"),
    ],
)
def test_instructions_of_one_response_are_followed(instructions: str, words: str) -> None:
    assert words in Talk(instructions=CLINIC).respond(instructions)


def test_other_instructions_do_not_keep_the_question_from_its_answer() -> None:
    talk = clinic()
    talk.history.append(Turn(role="user", text="Are you open on Friday?"))
    assert "9 to 5" in talk.respond("Be especially friendly and brief.")


def test_the_greeting_of_the_instructions_is_used() -> None:
    talk = Talk(instructions='You work for Acme Bank. Greet callers with "Acme, what can I do for you?"')
    assert talk.respond() == "Acme, what can I do for you?"


def test_the_same_conversation_gives_the_same_answers() -> None:
    def run(seed: int) -> list[Turn]:
        talk = clinic()
        talk.brain = RuleBrain(seed)
        for said in ("hello", "Are you open on Friday?", "my cat is ill", "thanks", "bye"):
            talk.say(said)
        return talk.history

    assert run(1) == run(1)
    assert len({tuple(run(seed)) for seed in range(6)}) > 1


# --- what real callers do


def test_a_weekend_is_two_days() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    answer = talk.say("Okay, and what about the weekend?")
    assert [arguments["day"] for _, arguments in talk.calls[1:]] == ["Saturday", "Sunday"]
    assert "closed" in answer


def test_a_general_question_does_not_reuse_the_last_day() -> None:
    talk = clinic()
    talk.say("Are you open on Friday?")
    assert "day" in talk.say("What are your opening hours?")
    talk.say("Monday")
    assert talk.calls[-1] == ("opening_hours", {"day": "Monday"})


def test_an_offer_is_accepted() -> None:
    talk = Talk(instructions=CLINIC)
    talk.history += [
        Turn(role="user", text="I have a headache"),
        Turn(role="assistant", text="Shall I book an appointment?"),
    ]
    assert "day" in talk.say("Yes please")


def test_a_number_of_a_house_is_not_a_quantity() -> None:
    talk = Talk(instructions=PIZZERIA)
    talk.say("A large margherita delivered to 5 Oak Lane please")
    summary = talk.say("Max")
    assert "a large pizza" in summary
    assert "5 oak lane" in summary


def test_a_refused_summary_is_put_right() -> None:
    talk = Talk(instructions=PIZZERIA)
    talk.say("Can I get a small pizza with ham for pick up, my name is Joe")
    assert "change" in talk.say("no")
    assert "a large pizza" in talk.say("make it large")


def test_where_from_is_not_guessed_from_where_to() -> None:
    parameters = schema(origin=STRING, destination=STRING, date={"type": "string", "format": "date"})
    talk = Talk(instructions="You are a travel agent. Today is 2026-03-02.").tool(
        "book_flight", "ok", "", parameters
    )
    assert "where from" in talk.say("Book me a flight to Madrid tomorrow")
    talk.say("from Paris")
    assert talk.calls == [("book_flight", {"destination": "Madrid", "date": "2026-03-03", "origin": "Paris"})]


def test_a_function_with_only_common_words_is_found() -> None:
    talk = Talk().tool("current_time", "14:05", "What time it is now")
    assert "2:05 pm" in talk.say("what time is it?")


def test_words_of_the_description_are_enough_for_a_request() -> None:
    talk = Talk().tool("fetch_x1", "gold", "Find a customer's account", schema(phone=STRING))
    assert "phone" in talk.say("can you look up my account please")
    talk.say("five five five one two three four")
    assert talk.calls == [("fetch_x1", {"phone": "5551234"})]


def test_a_question_with_no_answer_is_no_small_talk_for_a_business() -> None:
    answer = Talk(instructions=CLINIC).say("Can I bring my dog?")
    assert "dog" in answer
    assert "name" not in answer


def test_choices_answer_the_question_what_there_is() -> None:
    talk = Talk(instructions=PIZZERIA)
    talk.say("I'd like a pizza")
    assert talk.say("what sizes do you have?").startswith("what size would you like: small")


def test_a_correction_calls_again_with_the_new_value() -> None:
    talk = Talk().tool("transfer", "ok", "", schema(department=enum("sales", "support")))
    talk.say("transfer me to sales")
    talk.say("No, I said support")
    assert [arguments["department"] for _, arguments in talk.calls] == ["sales", "support"]


def test_an_answer_stays_quick_in_a_long_call() -> None:
    talk = clinic()
    for number in range(60):
        talk.history.append(
            Turn(role="user", text=f"Are you open on Friday, and can I bring {number} friends?")
        )
        talk.history.append(Turn(role="assistant", text="On Friday we are open 9 to 5."))
    brain = RuleBrain()
    brain.respond(talk.input())
    known = set(brain._understanding._memo)
    talk.history.append(Turn(role="user", text="And on Sunday?"))
    brain.respond(talk.input())
    understood = [text for text, _ in set(brain._understanding._memo) - known]
    assert understood == ["And on Sunday?"]
