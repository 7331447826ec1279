"""A sound for the time in which a session is being replaced, so that the caller knows that somebody is there."""

from typing import TYPE_CHECKING, Any

import trio

from callboard.media import AudioFormat, AudioFrame, Resampler, Samples, encode

from ._context import Context

if TYPE_CHECKING:
    from ._agent_core import AgentCore

# How long a session may be away before the sound begins, behind what still plays of the last answer; float seconds.
DELAY = 0.5
# Emitted at once, float seconds.
STEP = 0.1


class Filler:
    """Plays a sound over and over while no session can be talked to.

    Args:
        samples: The sound, int16, shape (n,), mono.
        rate_hz: Of the sound.

    Raises:
        ValueError: There is nothing to play.
    """

    def __init__(self, samples: Samples, rate_hz: int) -> None:
        if samples.ndim != 1 or not len(samples):
            raise ValueError(f"the filler sound has the shape {samples.shape}, expected (n,) with n > 0")
        self._samples = samples
        self._rate_hz = rate_hz
        self._core: AgentCore | None = None

    def bind(self, core: "AgentCore") -> None:
        """Used by the factory."""
        self._core = core

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """The actor: wait for a loss, play, stop when the next session is there."""
        del context
        core = self._core
        assert core is not None
        task_status.started()
        # Nothing is missing before the first session.
        await core.back.wait()
        while True:
            if core.present:
                await core.lost.wait()
                continue
            with trio.move_on_after(DELAY + core.dialogue.play_lag()):
                await core.back.wait()
            if not core.back.is_set() and not core.dialogue.play_lag():
                await self._play(core)

    async def _play(self, core: "AgentCore") -> None:
        # Both now: an answer of the next session may begin before this task runs again, and is not to be flushed.
        generation, end = core.client.next_generation(), core.client.next_generation()
        audio_format = core.output_format
        payload = self._sound(audio_format)
        step = audio_format.n_octets(round(STEP * audio_format.rate_hz))
        position = at = 0
        try:
            while not core.present and not core.closed:
                chunk = (payload[at:] + payload)[:step]
                at = (at + step) % len(payload)
                core.client.emit(
                    AudioFrame(payload=chunk, format=audio_format, position=position, generation=generation)
                )
                position += audio_format.n_samples(len(chunk))
                with trio.move_on_after(STEP):
                    await core.back.wait()
        finally:
            core.client.flush_output(end)

    def _sound(self, audio_format: AudioFormat) -> bytes:
        samples = Resampler(self._rate_hz, audio_format.rate_hz).process(self._samples)
        payload = encode(samples, audio_format)
        # At least a step, so that a very short sound needs no special case.
        n_steps = max(1, round(STEP * audio_format.rate_hz)) * audio_format.sample_width
        return payload * (n_steps // max(len(payload), 1) + 1)
