"""The bridge: the actor that carries one media edge and converts only where the formats differ."""

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame, Converter

from ._ports import Edge


class Bridge:
    """Moves frames from an edge's source into its sink.

    While it runs and nothing is queued it carries each frame in the step in which the source produced it: a task
    switch for each of 50 frames a second would cost more than the carrying. What is emitted while no bridge runs waits
    in the edge's queue, and what goes wrong with a frame ends the bridge, not the source.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._converter: Converter | None = None
        self._formats: tuple[AudioFormat, AudioFormat] | None = None
        self._generation = 0
        self._error: Exception | None = None

    async def run(
        self, _context: object = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Carry frames until the edge is closed. A killed bridge loses at most the frame it was carrying."""
        task_status.started()
        edge = self._edge
        self._error = None
        try:
            while edge.open:
                for frame in edge.waiting():
                    self._carry(frame)
                edge.carry = self._carry_at_once
                await edge.work.park()
                if self._error is not None:
                    raise self._error
        finally:
            edge.carry = None

    def _carry_at_once(self, frame: AudioFrame) -> None:
        try:
            self._carry(frame)
        except Exception as error:  # noqa: BLE001  (raised by `run`, which is woken for it)
            self._error = error
            self._edge.carry = None
            self._edge.work.unpark()

    def _carry(self, frame: AudioFrame) -> None:
        edge = self._edge
        if not edge.open or frame.generation < edge.floor:
            edge.stale += 1
            return
        target = edge.sink.input_format
        if frame.format is not target and frame.format != target:
            frame = self._converted(frame, target)
            if not frame.payload:
                return
        else:
            edge.passthrough = True
        edge.delivered += 1
        edge.sink.accept(edge, frame)

    def _converted(self, frame: AudioFrame, target: AudioFormat) -> AudioFrame:
        if self._converter is None or self._formats != (frame.format, target):
            self._formats = (frame.format, target)
            self._converter = Converter(frame.format, target)
            self._edge.passthrough = False
        elif frame.generation != self._generation:
            # A new answer must not begin with the tail of the one before it.
            self._converter.reset()
        self._generation = frame.generation
        payload = self._converter.convert(frame.payload)
        position = frame.position * target.rate_hz // frame.format.rate_hz
        return attrs.evolve(frame, payload=payload, format=target, position=position)
