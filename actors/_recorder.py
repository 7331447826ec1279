"""The call recorder: a stereo WAV, caller left and agent right, on the timeline of the leg.

What the agent generated and nobody heard is not in it: each chunk lands where the far side plays it, and after a
barge-in the right channel is silent. The file grows while the call lasts and can be read at any moment, also after
a crash.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.media import PlayoutChunk, StereoTimeline, WavWriter, decode

from ._blocking import run_blocking

if TYPE_CHECKING:
    from ._call import Call
    from ._context import Context

# Written to disk this often, float seconds: what a crash of the process may lose.
FLUSH_EVERY = 0.5


@attrs.frozen(kw_only=True)
class Recording:
    """What a recorder has written so far."""

    path: Path
    n_samples: int
    """Samples of each channel in the file."""
    rate_hz: int
    finished: bool


class CallRecorder:
    """Records one call into one file; made by `Call.record`."""

    def __init__(self, call: "Call", path: Path) -> None:
        self._call = call
        self._format = call.leg.format
        self.path = path
        self._timeline = StereoTimeline()
        self._origin = 0
        self._heard_until = 0
        self._written = 0
        self._finished = False

    def recording(self) -> Recording:
        """What is in the file now."""
        return Recording(
            path=self.path, n_samples=self._written, rate_hz=self._format.rate_hz, finished=self._finished
        )

    async def run(self, context: "Context[object]", /, *, task_status: trio.TaskStatus[None]) -> None:
        """Record until the call ends or the recorder is stopped; the file is complete to the sample then.

        A restarted recorder begins a new file beside the first, named with a number.
        """
        path = self.path = await run_blocking(_claim, self.path)
        call = self._call
        self._timeline = StereoTimeline()
        self._written = 0
        self._finished = False
        with path.open("r+b") as file:
            writer = WavWriter(file, self._format.rate_hz, channels=2)
            self._origin = self._heard_until = call.position
            call.on_audio.append(self._caller)
            call.leg.playout.on_chunk.append(self._agent)
            call.leg.playout.on_cut.append(self._cut)
            context.log.info("recording to %s", path)
            task_status.started()
            # Taken from the timeline and not known to be written: a cancellation may come in between.
            taken = b""
            try:
                while True:
                    await trio.sleep(FLUSH_EVERY)
                    taken = self._timeline.take(self._final_until())
                    if taken:
                        await run_blocking(writer.append, taken)
                        self._written += len(taken) // 4
                        taken = b""
            finally:
                call.on_audio.remove(self._caller)
                call.leg.playout.on_chunk.remove(self._agent)
                call.leg.playout.on_cut.remove(self._cut)
                # Inline: at most half a second of audio, and nothing may be lost when we are cancelled.
                octets = taken + self._timeline.finish(self._heard_until - self._origin)
                writer.append(octets)
                self._written += len(octets) // 4
                writer.close()
                self._finished = True

    def _caller(self, payload: bytes, position: int) -> None:
        samples = decode(payload, self._format)
        self._timeline.left(position - self._origin, samples)
        self._heard_until = max(self._heard_until, position + len(samples))

    def _agent(self, chunk: PlayoutChunk) -> None:
        self._timeline.right(chunk.start - self._origin, decode(chunk.payload, self._format))

    def _cut(self, position: int) -> None:
        self._timeline.cut(position - self._origin)

    def _final_until(self) -> int:
        # The caller's audio is behind the clock by a frame, the agent's ahead of it by the lead: what is
        # behind both can no longer change.
        return min(self._heard_until, self._call.position) - self._origin


def _claim(path: Path) -> Path:
    """Create the file, or the first free name beside it, for us alone to read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(1000):
        candidate = path if number == 0 else path.with_stem(f"{path.stem}-{number + 1}")
        try:
            os.close(os.open(candidate, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        return candidate
    raise FileExistsError(f"{path} and 999 names like it exist")
