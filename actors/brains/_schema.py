"""Reading the JSON Schema of a function's arguments: which values are wanted, and of what kind.

Schemas come from whoever wrote the client, so nothing about them is certain: whatever cannot be understood
makes a parameter that takes free text, or none at all; never an error.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard, cast

import attrs

from ._text import name_words, stem, word_set

MAX_PARAMETERS = 40
_MAX_DEPTH = 4


class Kind(enum.Enum):
    """What sort of words fill a parameter."""

    ENUM = "enum"
    BOOLEAN = "boolean"
    NUMBER = "number"
    WEEKDAY = "weekday"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    NAME = "name"
    PLACE = "place"
    PHONE = "phone"
    EMAIL = "email"
    CODE = "code"
    TEXT = "text"
    LIST = "list"
    OBJECT = "object"


@attrs.frozen(kw_only=True)
class Parameter:
    """One argument of a function."""

    name: str
    kind: Kind
    words: tuple[str, ...]
    """The words of its name, in lower case."""

    required: bool = False
    description: str = ""
    choices: tuple[object, ...] = ()
    """The values of an enum."""

    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None
    iso: bool = False
    """Whether the schema asks for ISO 8601 dates."""

    default: object = None
    item: Parameter | None = None
    """What a list holds."""

    fields: tuple[Parameter, ...] = ()
    """What an object holds."""

    @property
    def label(self) -> str:
        """Its name as one would say it."""
        return " ".join(self.words) or "value"


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Say whether a JSON value is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Say whether a JSON value is an array."""
    return isinstance(value, list | tuple)


def read_parameters(schema: object) -> tuple[Parameter, ...]:
    """Return the parameters of an object schema, required ones first in their written order.

    Args:
        schema: A JSON Schema, or anything else: then there are no parameters.
    """
    if not is_mapping(schema):
        return ()
    return _fields(_resolve(schema, schema, 0), schema, 0)


def _fields(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> tuple[Parameter, ...]:
    properties = schema.get("properties")
    if not is_mapping(properties):
        return ()
    required = schema.get("required")
    names = {name for name in required if isinstance(name, str)} if is_list(required) else set[str]()
    found: list[Parameter] = []
    for name, part in list(properties.items())[:MAX_PARAMETERS]:
        if not isinstance(cast("object", name), str):
            continue
        parameter = _parameter(name, part, root, depth)
        if parameter is not None:
            found.append(attrs.evolve(parameter, required=name in names))
    return tuple(sorted(found, key=lambda parameter: not parameter.required))


def _resolve(part: Mapping[str, object], root: Mapping[str, object], depth: int) -> Mapping[str, object]:
    """Follow a local `$ref` and pick the one real alternative of `anyOf`, `oneOf` and `allOf`."""
    if depth > _MAX_DEPTH:
        return {}
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: object = root
        for step in reference[2:].split("/"):
            target = target.get(step) if is_mapping(target) else None
        if is_mapping(target):
            return _resolve({**target, **{k: v for k, v in part.items() if k != "$ref"}}, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        options = part.get(key)
        if is_list(options):
            for option in options:
                if is_mapping(option) and option.get("type") != "null":
                    rest = {k: v for k, v in part.items() if k != key}
                    return _resolve({**option, **rest}, root, depth + 1)
    return part


def _type_of(part: Mapping[str, object]) -> str:
    declared = part.get("type")
    if is_list(declared):
        declared = next((item for item in declared if item != "null"), "")
    if isinstance(declared, str):
        return declared
    if is_mapping(part.get("properties")):
        return "object"
    return "array" if is_mapping(part.get("items")) else "string"


def _parameter(name: str, part: object, root: Mapping[str, object], depth: int) -> Parameter | None:
    if not is_mapping(part):
        # `true` is the schema that allows anything.
        return Parameter(name=name, kind=Kind.TEXT, words=name_words(name)) if part is True else None
    part = _resolve(part, root, depth)
    description = part.get("description")
    text = description[:400] if isinstance(description, str) else ""
    base = Parameter(
        name=name,
        kind=Kind.TEXT,
        words=name_words(name),
        description=text,
        default=part.get("default"),
        minimum=_number(part.get("minimum")),
        maximum=_number(part.get("maximum")),
    )
    choices = part.get("enum")
    if is_list(choices):
        usable = tuple(choice for choice in choices if isinstance(choice, str | int | float) and choice != "")
        if usable:
            return attrs.evolve(base, kind=Kind.ENUM, choices=usable)
    if "const" in part and isinstance(part["const"], str | int | float):
        return attrs.evolve(base, kind=Kind.ENUM, choices=(part["const"],), default=part["const"])
    match _type_of(part):
        case "boolean":
            return attrs.evolve(base, kind=Kind.BOOLEAN)
        case "integer":
            return attrs.evolve(base, kind=Kind.NUMBER, integer=True)
        case "number":
            return attrs.evolve(base, kind=Kind.NUMBER)
        case "array":
            if depth >= _MAX_DEPTH:
                return None
            item = _parameter(_singular(name), part.get("items", True), root, depth + 1)
            return None if item is None else attrs.evolve(base, kind=Kind.LIST, item=item)
        case "object":
            fields = _fields(part, root, depth + 1) if depth < _MAX_DEPTH else ()
            return attrs.evolve(base, kind=Kind.OBJECT, fields=fields) if fields else None
        case "null":
            return None
        case _:
            return _string(base, part)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else None


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


_FORMATS = {
    "date": Kind.DATE,
    "time": Kind.TIME,
    "date-time": Kind.DATETIME,
    "email": Kind.EMAIL,
    "phone": Kind.PHONE,
}

# The kind a string parameter has by the last telling word of its name. Order matters: the first set wins.
_BY_NAME: tuple[tuple[Kind, frozenset[str]], ...] = (
    (Kind.EMAIL, word_set("email mail")),
    (Kind.PHONE, word_set("phone telephone mobile cell callback")),
    (Kind.DATETIME, word_set("datetime when timestamp slot")),
    (Kind.TIME, word_set("time hour clock")),
    (Kind.DATE, word_set("date birthday birthdate dob checkin checkout deadline")),
    (Kind.WEEKDAY, word_set("day weekday")),
    (
        Kind.PLACE,
        word_set(
            "city location place town port harbor harbour address destination origin country airport "
            "station area region street venue where village state county branch"
        ),
    ),
    (
        Kind.CODE,
        word_set(
            "id code number reference ref account zip postcode postal pin sku token serial plate extension"
        ),
    ),
    (
        Kind.NAME,
        word_set(
            "customer patient caller guest person who contact firstname lastname surname fullname "
            "recipient client employee doctor owner"
        ),
    ),
)
# "product_name" is not a person's.
_NAMED_THINGS = word_set(
    "product item file tool song movie company business brand event project plan medication"
)
_WEEKDAY_HINT = re.compile(r"\bweek ?day|day of the week|monday", re.IGNORECASE)
_DATE_HINT = re.compile(r"\bdate\b|yyyy|iso.?8601", re.IGNORECASE)
_PERSON_HINT = re.compile(
    r"\b(full|first|last|patient|customer|caller|person|guest|your|their)\b", re.IGNORECASE
)
_CITY_HINT = re.compile(r"\b(city|cities|town|place|location|country|port)\b", re.IGNORECASE)
_SOFT_ENUM = re.compile(r"\b(?:one of|either)\b:?\s*(.+)", re.IGNORECASE)


def _string(base: Parameter, part: Mapping[str, object]) -> Parameter:
    form = part.get("format")
    iso = isinstance(form, str) and form in _FORMATS
    base = attrs.evolve(base, iso=iso or "yyyy" in base.description.lower())
    if isinstance(form, str) and form in _FORMATS:
        return attrs.evolve(base, kind=_FORMATS[form])
    soft = _soft_choices(base.description)
    if soft:
        return attrs.evolve(base, kind=Kind.ENUM, choices=soft)
    return attrs.evolve(base, kind=_kind_by_words(base))


def _soft_choices(description: str) -> tuple[object, ...]:
    """Read the choices of a description such as "one of: small, medium or large"."""
    match = _SOFT_ENUM.search(description)
    if match is None:
        return ()
    listed = re.split(r"[.;()]", match[1])[0]
    choices = [choice.strip(" '\"`") for choice in re.split(r",|\bor\b|\band\b|/|\|", listed)]
    choices = [choice for choice in choices if choice]
    if len(choices) < 2 or any(len(choice.split()) > 3 for choice in choices):
        return ()
    return tuple(choices)


def _kind_by_words(parameter: Parameter) -> Kind:
    words = parameter.words
    if "name" in words or "names" in words:
        others = set(words) - {"name", "names"}
        if others & _NAMED_THINGS:
            return Kind.TEXT
        kind = next((kind for kind, known in _BY_NAME if others & known), Kind.NAME)
        if kind is Kind.NAME and not others and _CITY_HINT.search(parameter.description):
            return Kind.TEXT if _PERSON_HINT.search(parameter.description) else Kind.PLACE
        return kind if kind is Kind.PLACE else Kind.NAME
    for kind, known in _BY_NAME:
        if any(word in known for word in words):
            if kind is Kind.WEEKDAY and _DATE_HINT.search(parameter.description):
                return Kind.DATE if not _WEEKDAY_HINT.search(parameter.description) else kind
            if kind is Kind.CODE and "phone" in parameter.description.lower():
                return Kind.PHONE
            return kind
    if _WEEKDAY_HINT.search(parameter.description):
        return Kind.WEEKDAY
    return Kind.TEXT


def parameter_stems(parameter: Parameter) -> frozenset[str]:
    """Return the stems of a parameter's name, by which it may be spoken of."""
    return frozenset(stem(word) for word in parameter.words)
