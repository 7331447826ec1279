"""Asking for what is missing."""

from __future__ import annotations

from ._schema import Kind, Parameter
from ._spoken import label, said_value
from ._text import listed, word_set

_MANY = word_set("quantity qty count amount")
_MOST_CHOICES = 6  # nobody remembers a longer list


def question(parameter: Parameter, *, action: bool) -> str:
    """Return the question for a parameter.

    Args:
        parameter: What is missing.
        action: Whether the function does something ("would you like") rather than look something up.
    """
    words = set(parameter.words)
    name = label(parameter.name)
    match parameter.kind:
        case Kind.WEEKDAY | Kind.DATE:
            return "Which day would you like?" if action else "For which day?"
        case Kind.TIME:
            return "What time would suit you?" if action else "At what time?"
        case Kind.DATETIME:
            return "Which day and time would suit you?" if action else "For which day and time?"
        case Kind.NAME:
            if words & {"doctor", "contact", "recipient", "employee", "who"}:
                return (
                    f"Who is it for? I need the {name}." if "recipient" in words else f"Which {name}, please?"
                )
            return "May I have your name, please?"
        case Kind.PLACE:
            if words & {"address", "street"}:
                return "What is the address, please?"
            if words & {"origin", "from", "departure"}:
                return "Where from?"
            if words & {"destination", "to", "arrival"}:
                return "Where to?"
            return f"Which {name} would you like?" if action else f"For which {name}?"
        case Kind.PHONE:
            return "What phone number can I reach you on?"
        case Kind.EMAIL:
            return "What is your email address?"
        case Kind.CODE:
            return f"What is the {name} number, please?" if "id" in words else f"What is the {name}, please?"
        case Kind.NUMBER:
            return _number(parameter, name)
        case Kind.BOOLEAN:
            return f"{name[:1].upper()}{name[1:]}, yes or no?"
        case Kind.ENUM:
            return _which(name, parameter)
        case Kind.LIST:
            inner = parameter.item
            if inner is not None and inner.choices:
                return _which(name, inner)
            return f"Which {name} would you like?"
        case Kind.OBJECT | Kind.TEXT:
            return _text(words, name)


def _which(name: str, parameter: Parameter) -> str:
    choices = [said_value(parameter, choice) for choice in parameter.choices]
    if len(choices) > _MOST_CHOICES:
        return f"Which {name} would you like?"
    return f"Which {name} would you like: {listed(choices, 'or')}?"


def _number(parameter: Parameter, name: str) -> str:
    words = set(parameter.words)
    if words & {"people", "guests", "party", "persons", "guest"}:
        return "For how many people?"
    if words & _MANY:
        return "How many would you like?"
    if "hour" in words:
        return "At what hour?"
    if name.endswith("s") and not name.endswith("ss"):
        return f"How many {name}?"
    return f"What is the {name}?"


def _text(words: set[str], name: str) -> str:
    if words & {"reason", "purpose", "topic", "subject", "concern"}:
        return "What is it about?"
    if words & {"message", "note", "content", "body", "memo"}:
        return f"What should the {name} say?"
    if words & {"query", "search", "keywords", "terms"}:
        return "What should I look for?"
    if words & {"symptom", "symptoms", "problem", "issue", "complaint"}:
        return "Can you tell me what the problem is?"
    return f"What {name} would you like?" if len(name.split()) == 1 else f"What is the {name}?"
