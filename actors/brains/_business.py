"""What callers ask a business, answered in general where the agent was told nothing."""

from __future__ import annotations

from ._intent import Intent, at_work, in_domain, one_of, says
from ._persona import Domain

_UNKNOWN = "I do not have that in front of me, but a colleague can tell you. Is there anything else?"

BUSINESS: tuple[Intent, ...] = (
    Intent(
        "cancel",
        at_work(says("cancel, reschedule, change my appointment, move my appointment")),
        one_of("I can take care of that. May I have your name, and the day it is about?"),
    ),
    Intent(
        "insurance",
        at_work(says("insurance, insured, insurer, medicare, coverage, covered")),
        one_of(
            "We work with most insurance companies. Please bring your card, and we will check it for you."
        ),
    ),
    Intent(
        "results",
        in_domain(
            Domain.CLINIC,
            says("test result, test results, results, prescription, refill, medicine, medication"),
        ),
        one_of("A nurse will call you back about that today. May I have your name and date of birth?"),
    ),
    Intent(
        "symptoms",
        in_domain(
            Domain.CLINIC,
            says(
                "toothache, headache, fever, cough, hurts, hurt, pain, sick, ill, rash, sore throat, flu, injury, "
                "not feeling well, feel unwell, a cold"
            ),
        ),
        one_of(
            "I am sorry to hear that. Shall I book an appointment for you?",
            "Oh dear, I am sorry. Would you like to come in and have it looked at?",
        ),
    ),
    Intent(
        "complaint",
        says(
            "complaint, complain, unhappy, terrible, awful, angry, disappointed, unacceptable, not happy, "
            "wrong order, ridiculous, rude, not good enough, fed up, still waiting"
        ),
        one_of(
            "I am very sorry about that. Can you tell me what happened, so that I can pass it on?",
            "I am sorry to hear that, and I understand. What can I do to put it right?",
        ),
    ),
    Intent(
        "menu",
        in_domain(
            Domain.PIZZA,
            says("menu, toppings, what do you have, what have you got, what kinds, options, recommend"),
        ),
        one_of(
            "We have small, medium and large pizzas, with toppings such as pepperoni, ham, mushrooms and olives. "
            "What would you like?"
        ),
    ),
    Intent(
        "delivery time",
        in_domain(Domain.PIZZA, says("how long, when will it, delivery time, how soon")),
        one_of("It usually takes about thirty minutes."),
    ),
    Intent(
        "price",
        at_work(says("how much, price, prices, cost, costs, fee, charge, expensive")),
        one_of(_UNKNOWN),
    ),
    Intent(
        "address",
        at_work(says("address, where are you, located, location, directions, parking")),
        one_of(_UNKNOWN),
    ),
    Intent(
        "hours",
        at_work(says("opening hours, are you open, when do you open, when do you close, open on, hours")),
        one_of(_UNKNOWN),
    ),
)
"""What callers ask a business; answered in general where the instructions say nothing."""
