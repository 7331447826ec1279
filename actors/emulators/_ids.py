"""Ids as the emulated services make them, from one seedable source."""

import random
import uuid


class Ids:
    """Makes ids. With the same seed and the same order of calls they are the same ids."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4)

    def new(self) -> str:
        """An id of an event, an item, a response or a conversation: the text of a version 4 UUID."""
        return str(self._uuid())

    def session(self) -> str:
        """An id of a session: 32 hexadecimal digits."""
        return self._uuid().hex

    def call(self, index: int) -> str:
        """An id of a function call: `call-<uuid>-<index>`."""
        return f"call-{self.new()}-{index}"

    def fork(self) -> "Ids":
        """A source of its own, so that what one connection draws does not shift another's ids."""
        return Ids(random.Random(self._rng.getrandbits(64)))


def make_ids(seed: int | None) -> Ids:
    """The root source of ids: repeatable with a seed, from the operating system without."""
    return Ids(random.SystemRandom() if seed is None else random.Random(seed))
