"""Validators of the numbers among the options."""

from typing import TypeVar

import attrs

N = TypeVar("N", int, float)


def positive(_: object, attribute: "attrs.Attribute[N]", value: N) -> None:
    """Refuse what is not above 0.

    Raises:
        ValueError: It is not.
    """
    # `not value > 0` and not `value <= 0`: NaN is refused as well.
    if not value > 0:
        raise ValueError(f"{attribute.name} is {value!r}, expected a number above 0")


def not_negative(_: object, attribute: "attrs.Attribute[N]", value: N) -> None:
    """Refuse what is below 0.

    Raises:
        ValueError: It is.
    """
    if not value >= 0:
        raise ValueError(f"{attribute.name} is {value!r}, expected 0 or more")
