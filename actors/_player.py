"""The player: a media unit that plays a prompt into a call."""

from typing import TYPE_CHECKING

import numpy as np
import trio

from callboard.media import AudioFormat, AudioFrame, Encoding, Samples, encode

from ._ports import MediaUnit

if TYPE_CHECKING:
    from ._context import Context
    from ._scope import Scope

# Handed on at once, and kept ahead of real time, float seconds.
BLOCK = 0.5
AHEAD = 2.0


class Player(MediaUnit):
    """Plays samples once; made by `Call.play`.

    Args:
        name: Its name in the call.
        scope: The call's scope.
        samples: int16 (n,), mono.
        rate_hz: Their rate.
    """

    def __init__(self, name: str, scope: "Scope", samples: Samples, rate_hz: int) -> None:
        super().__init__(name, scope)
        self._format = AudioFormat(Encoding.PCM16, rate_hz)
        self._samples = np.ascontiguousarray(samples, dtype=np.int16)
        self.generation = self.next_generation()
        self.handed_on = trio.Event()
        """Set when the last sample was handed on; the far side still has to play it."""

    @property
    def output_format(self) -> AudioFormat:
        """The format of the samples."""
        return self._format

    async def run(self, context: "Context[object]", /, *, task_status: trio.TaskStatus[None]) -> None:
        """Emit everything, at most two seconds ahead of real time."""
        del context
        task_status.started()
        step = round(BLOCK * self._format.rate_hz)
        started = trio.current_time()
        for position in range(0, len(self._samples), step):
            await trio.sleep_until(started + position / self._format.rate_hz - AHEAD)
            block = self._samples[position : position + step]
            self.emit(
                AudioFrame(
                    payload=encode(block, self._format),
                    format=self._format,
                    position=position,
                    generation=self.generation,
                )
            )
        self.handed_on.set()
