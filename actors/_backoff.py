"""How long to wait before trying again."""

import random

import attrs


@attrs.frozen(kw_only=True)
class Backoff:
    """Exponential backoff with jitter, so that many victims of one cause do not return at once."""

    initial: float = 0.1
    """Seconds before the first new attempt."""
    factor: float = 2.0
    """Each wait is this much longer than the one before."""
    maximum: float = 10.0
    """Seconds; the waits grow no further than this, before jitter."""
    jitter: float = 0.2
    """The fraction by which a wait is made randomly shorter or longer, 0 to 1."""

    def __attrs_post_init__(self) -> None:
        if self.initial < 0 or self.factor < 1 or self.maximum < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(f"a backoff grows from a wait >= 0 with a jitter of 0 to 1, not {self!r}")

    def delay(self, attempt: int, rng: random.Random) -> float:
        """The seconds to wait before a new attempt.

        Args:
            attempt: 1 for the first new attempt after a failure, then 2, 3, ...; 0 counts as 1.
            rng: Where the jitter comes from.
        """
        # Beyond 2**64 the float would overflow long after `maximum` has decided.
        wait = min(self.initial * self.factor ** min(max(attempt - 1, 0), 64), self.maximum)
        return wait * (1 + self.jitter * rng.uniform(-1, 1))
