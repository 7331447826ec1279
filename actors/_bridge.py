"""The bridge: the actor that carries one media edge and converts only where the formats differ."""

import attrs
import trio

from callboard.media import AudioFormat, AudioFrame, Converter

from ._ports import Edge


class Bridge:
    """Moves frames from an edge's queue into its sink."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._converter: Converter | None = None
        self._formats: tuple[AudioFormat, AudioFormat] | None = None
        self._generation = 0

    async def run(
        self, _context: object = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Carry frames until the edge is closed. A killed bridge loses at most the frames it was holding."""
        task_status.started()
        edge = self._edge
        while edge.open:
            try:
                batch = await edge.frames.receive_batch()
            except trio.EndOfChannel:
                return
            for frame in batch:
                self._carry(frame)
            edge.carried()

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
