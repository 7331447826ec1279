"""Conversations the agent can hold without any registered function: an appointment, a pizza order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ._persona import Domain, Persona
from ._schema import Parameter, is_list
from ._slots import fill
from ._spoken import on_day, readable
from ._text import Utterance, listed, phrases, sentence
from ._tools import Tool, study
from ._types import ToolSpec

Values = Mapping[str, object]


@attrs.frozen(kw_only=True, eq=False)
class Form:
    """A set of answers to collect, read back and confirm."""

    tool: Tool
    questions: Mapping[str, str]
    needed: Callable[[Values], tuple[str, ...]]
    """The parameters that must be known, in the order they are asked for."""

    summary: Callable[[Values], str]
    done: str

    def missing(self, values: Values) -> Parameter | None:
        """Return the next parameter to ask for."""
        for name in self.needed(values):
            if name not in values:
                return next(p for p in self.tool.parameters if p.name == name)
        return None


_TOPPINGS = (
    "pepperoni", "ham", "mushrooms", "olives", "onions", "peppers", "pineapple", "bacon", "sausage", "chicken",
    "tomatoes", "spinach", "anchovies", "extra cheese", "garlic", "jalapenos", "artichokes", "tuna", "salami",
    "margherita",
)  # fmt: skip
_STRING = {"type": "string"}


def _pizza_needs(values: Values) -> tuple[str, ...]:
    where = ("address",) if values.get("service") == "delivery" else ()
    return ("size", "toppings", "service", *where, "name")


def _pizza_summary(values: Values) -> str:
    count = values.get("quantity", 1)
    toppings = values.get("toppings")
    names = [str(item) for item in toppings] if is_list(toppings) else []
    text = (
        f"{count} {values.get('size', '')} pizzas"
        if count not in (1, 1.0)
        else f"a {values.get('size', '')} pizza"
    )
    text = " ".join(text.split())
    text += f" with {listed(names)}" if names else " without toppings"
    if values.get("service") == "delivery":
        text += f", delivered to {values.get('address', 'you')}"
    elif values.get("service") == "pickup":
        text += ", for pick up"
    return f"{text}, under the name {values['name']}" if "name" in values else text


PIZZA = Form(
    tool=study(
        [
            ToolSpec(
                name="pizza_order",
                parameters={
                    "type": "object",
                    "properties": {
                        "size": {"enum": ["small", "medium", "large"]},
                        "toppings": {"type": "array", "items": {"enum": list(_TOPPINGS)}},
                        "service": {"enum": ["delivery", "pickup"]},
                        "address": _STRING,
                        "quantity": {"type": "integer", "minimum": 1, "maximum": 20},
                        "name": _STRING,
                    },
                },
            )
        ]
    )[0],
    questions={
        "size": "What size would you like: small, medium or large?",
        "toppings": "Which toppings would you like on it?",
        "service": "Is that for delivery or pick up?",
        "address": "What is the address for the delivery, please?",
        "name": "And what name shall I put it under?",
    },
    needed=_pizza_needs,
    summary=_pizza_summary,
    done="Wonderful, your order is in. It will be ready in about thirty minutes.",
)


def _visit_summary(values: Values) -> str:
    time = readable(str(values.get("time", "")))
    at = f" in the {time}" if time in ("morning", "afternoon", "evening") else f" at {time}" if time else ""
    text = f"an appointment {on_day(str(values.get('day', '')))}{at}"
    return f"{text} for {values['name']}" if "name" in values else text


APPOINTMENT = Form(
    tool=study(
        [
            ToolSpec(
                name="appointment",
                parameters={
                    "type": "object",
                    "properties": {"day": _STRING, "time": _STRING, "name": _STRING, "reason": _STRING},
                },
            )
        ]
    )[0],
    questions={
        "day": "Which day would suit you?",
        "time": "And what time would you like?",
        "name": "May I have your name, please?",
    },
    needed=lambda values: ("day", "time", "name"),
    summary=_visit_summary,
    done="You are all set. We look forward to seeing you.",
)

_BOOKING = phrases(
    "appointment, appointments, book, booking, schedule a visit, check-up, checkup, check up, "
    "reservation, see a doctor, see the doctor, see a dentist, see the dentist, see someone, speak with a "
    "doctor, speak to a doctor, talk to a doctor, see dr, come in, reserve"
)
_UNDOING = phrases("cancel, reschedule, change my appointment, move my appointment")


def started(said: Utterance, persona: Persona) -> Form | None:
    """Return the form that what was said calls for.

    Args:
        said: What was said.
        persona: Who the agent is: in a pizzeria "a large one with ham" is an order.
    """
    if said.has("how much", "price", "cost") or said.has(*_UNDOING):
        return None
    if said.has("pizza", "pizzas"):
        return PIZZA if _wants(said) or persona.domain is Domain.PIZZA else None
    if persona.domain is Domain.PIZZA:
        if said.has("order", "to order", "delivery"):
            return PIZZA
        values = fill(PIZZA.tool.parameters, said)
        return PIZZA if {"size", "toppings"} & values.keys() else None
    return APPOINTMENT if said.has(*_BOOKING) else None


def _wants(said: Utterance) -> bool:
    return said.has(
        *phrases(
            "order, would like, want, get, have, can i, could i, give me, i will have, i will take, need, "
            "please, a, two"
        )
    )


def confirmation(form: Form, values: Values) -> str:
    """Return the question that reads the answers back."""
    return sentence(f"So that is {form.summary(values)}") + " Is that right?"
