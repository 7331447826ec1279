"""How much of an emulated call goes by at once.

A carrier sends a message each 20 ms, and so does the emulated one by itself. Simulations of hours of calls are many
times as fast where it looks at its clock less often: while somebody speaks a few frames go by at once, while nobody
does many, until something is played or the caller has something to do.
"""

from typing import Protocol, cast

import attrs

from ._carrier_playout import FRAME_SAMPLES, SILENCE

# The caller has been silent for so many frames before long strides are made, and before the longest are: whoever
# listens for the end of what was said is not to wait for it.
PAUSE, HANGOVER = 5, 50


@attrs.frozen(kw_only=True)
class Stride:
    """How many frames of 20 ms go by at once, at most."""

    speaking: int = 1
    """While the caller speaks, and a tenth of a second more."""
    listening: int = 1
    """While only the agent does, and in the second after the caller."""
    quiet: int = 1
    """After that; ended by the first audio that comes."""
    joined: bool = False
    """Frames that went by together are one message; else each is one."""


WIRE = Stride()
"""As carriers do it."""


class Foresight(Protocol):
    """A caller that knows for how long it will do nothing new; others are asked every 20 ms."""

    def steady(self, *, silence: bool) -> int:
        """For how many frames it only goes on with what it says or does not say.

        Args:
            silence: If it hears nothing in them; else whatever it hears.
        """
        ...

    def skip(self, heard: bytes) -> bytes:
        """Hear some frames, no more than `steady`, and say as many."""
        ...


class Strider:
    """Decides about one call.

    Args:
        stride: The longest ones.
        caller: Who speaks.
    """

    def __init__(self, stride: Stride, caller: object) -> None:
        self._stride = stride
        foresight = hasattr(caller, "steady") and hasattr(caller, "skip")
        self._foresight = cast("Foresight", caller) if foresight else None
        self._silent_for = 0

    def next(self, *, playing: bool) -> int:
        """How many frames go by next.

        Args:
            playing: There is something to be played.
        """
        stride, foresight = self._stride, self._foresight
        n = stride.speaking
        if foresight is None or self._silent_for < PAUSE:
            return n
        most = stride.listening if playing or self._silent_for < HANGOVER else stride.quiet
        # The last of them is one in which the caller may do something.
        return max(n, min(most, foresight.steady(silence=not playing) + 1)) if most > n else n

    def said(self, frames: bytes) -> None:
        """The caller said this."""
        if frames != SILENCE * len(frames):
            self._silent_for = 0
        else:
            self._silent_for += len(frames) // FRAME_SAMPLES

    def skip(self, heard: bytes) -> bytes | None:
        """Have the caller hear frames at once and say as many; None if it wants to be asked about each."""
        foresight = self._foresight
        if foresight is None:
            return None
        n_frames = len(heard) // FRAME_SAMPLES
        silence = heard == SILENCE * len(heard)
        return foresight.skip(heard) if n_frames <= foresight.steady(silence=silence) else None
