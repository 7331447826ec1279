"""One answer: what the brain decides, spoken and called, event by event."""

import json

import trio

from callboard.actors.brains import BrainInput, CallTool, Speak
from callboard.media.speech import split_sentences
from callboard.protocols import grok

from ._grok_conversation import Item, ItemKind, ItemStatus
from ._grok_frames import Place
from ._grok_options import TextModality
from ._grok_parts import Parts
from ._grok_plan import Response
from ._speech import Mouth, substitute


class Answer:
    """Makes the events of one response between `response.created` and `response.done`.

    Args:
        parts: The connection.
        response: The response; its items and counters are kept up to date while it is given, so that it
            can be concluded at any point.
    """

    def __init__(self, parts: Parts, response: Response) -> None:
        self._parts = parts
        self._response = response
        self._begun = trio.current_time()
        session = parts.session
        # Settings are taken here: a change during an answer is for the next one.
        self._binary = session.config.output_transport == "binary"
        self._mouth = Mouth(parts.speech.engines, session.output_codec, session.config.speed)

    async def give(self) -> None:
        """Speak, then call."""
        lines, calls = self._decide()
        segments = [segment for line in lines for segment in split_sentences(line)]
        if segments and self._text_only:
            await self._write(segments)
        elif segments:
            await self._speak(segments)
        for index, call in enumerate(calls):
            await self._call(index, call)

    @property
    def _text_only(self) -> bool:
        honoured = self._parts.options.text_modality is TextModality.HONOURED
        plan = self._response.plan
        wanted = plan.options.modalities or self._parts.session.modalities
        return honoured and plan.line is None and wanted == ("text",)

    def _decide(self) -> tuple[list[str], list[CallTool]]:
        plan = self._response.plan
        if plan.line is not None:
            return [plan.line], []
        session = self._parts.session
        actions = self._parts.brain.respond(
            BrainInput(
                instructions=session.config.instructions or "",
                voice=session.voice,
                tools=session.tools,
                history=self._parts.conversation.history(),
                response_instructions=plan.options.instructions,
                parallel=session.parallel_tool_calls,
            )
        )
        lines = [action.text for action in actions if isinstance(action, Speak)]
        return lines, [action for action in actions if isinstance(action, CallTool)]

    def _next_item(self, item: Item) -> Place:
        place = Place(self._response.id, item.id, len(self._response.items))
        self._response.items.append(item)
        return place

    async def _open_message(self, *, spoken: bool) -> tuple[Place, Item]:
        parts = self._parts
        item = Item(
            id=self._response.plan.item_id or parts.ids.new(),
            kind=ItemKind.MESSAGE,
            role="assistant",
            status=ItemStatus.IN_PROGRESS,
            spoken=spoken,
        )
        place = self._next_item(item)
        previous = parts.conversation.last_id
        parts.conversation.add(item)
        await parts.outlet.send(parts.frames.output_item_added(place, item))
        await parts.outlet.send(parts.frames.item_added(item, previous))
        await parts.outlet.send(parts.frames.part_added(place, spoken=spoken))
        return place, item

    # --- speech

    async def _speak(self, segments: list[str]) -> None:
        parts, response = self._parts, self._response
        # The first segment is made before anything is announced: an answer that is interrupted this early
        # leaves no item behind.
        first = await self._utter(segments[0])
        await trio.sleep_until(self._begun + parts.options.first_audio_delay)
        place, item = await self._open_message(spoken=True)
        response.first_audio_at = trio.current_time()
        for index, segment in enumerate(segments):
            payload = first if index == 0 else await self._utter(segment)
            await self._send_segment(place, item, f" {segment}" if index else segment, payload)
        item.status = ItemStatus.COMPLETED
        frames = parts.frames
        tail: list[grok.ServerEvent] = [
            frames.transcript_done(place, response.spoken),
            frames.part_done(place, response.spoken, spoken=True),
            frames.audio_done(place),
            frames.output_item_done(place, item),
        ]
        if not parts.options.observed:
            tail[:3] = [tail[2], tail[0], tail[1]]
        for event in tail:
            await parts.outlet.send(event)

    async def _utter(self, segment: str) -> bytes:
        session = self._parts.session
        written = substitute(segment, session.config.replace or {})
        return self._mouth.utter(await self._parts.speech.synthesise(written, session.voice))

    async def _send_segment(self, place: Place, item: Item, text: str, payload: bytes) -> None:
        parts, response = self._parts, self._response
        rid = parts.ids.new()
        start = response.seconds
        size = self._mouth.octets(parts.options.chunk)
        # An empty payload still has its text.
        for at in range(0, max(len(payload), 1), size):
            chunk = payload[at : at + size]
            if chunk:
                await self._send_chunk(place, item, chunk, rid)
            if at == 0:
                response.spoken += text
                if not item.truncated:
                    item.text += text
                await parts.outlet.send(parts.frames.transcript_delta(place, text, rid, round(start, 3)))

    async def _send_chunk(self, place: Place, item: Item, chunk: bytes, rid: str) -> None:
        parts, response = self._parts, self._response
        began = response.first_audio_at or 0.0
        if parts.options.paced:
            await trio.sleep_until(began + response.seconds / parts.options.output_speed)
        seconds = self._mouth.seconds(len(chunk))
        if self._binary:
            await parts.outlet.send(grok.BinaryAudio(chunk))
        else:
            latency = None if response.has_output else began - self._begun
            await parts.outlet.send(parts.frames.audio_delta(place, chunk, rid, seconds, latency))
        response.has_output = True
        response.seconds += seconds
        if not item.truncated:
            item.seconds = response.seconds

    # --- text

    async def _write(self, segments: list[str]) -> None:
        parts, response = self._parts, self._response
        await trio.sleep_until(self._begun + parts.options.first_audio_delay)
        place, item = await self._open_message(spoken=False)
        for index, segment in enumerate(segments):
            text = f" {segment}" if index else segment
            item.text += text
            response.spoken += text
            response.has_output = True
            await parts.outlet.send(parts.frames.text_delta(place, text))
        item.status = ItemStatus.COMPLETED
        await parts.outlet.send(parts.frames.text_done(place, item.text))
        await parts.outlet.send(parts.frames.part_done(place, item.text, spoken=False))
        await parts.outlet.send(parts.frames.output_item_done(place, item))

    # --- calls

    async def _call(self, index: int, call: CallTool) -> None:
        parts, response = self._parts, self._response
        if not response.has_output:
            await trio.sleep_until(self._begun + parts.options.first_audio_delay)
        item = Item(
            id=parts.ids.new(),
            kind=ItemKind.CALL,
            role="assistant",
            status=ItemStatus.IN_PROGRESS,
            call_id=parts.ids.call(index),
            name=call.name,
            arguments=json.dumps(dict(call.arguments)),
        )
        place = self._next_item(item)
        frames = parts.frames
        previous = parts.conversation.last_id
        parts.conversation.add(item)
        response.has_output = True
        await parts.outlet.send(frames.output_item_added(place, item))
        await parts.outlet.send(frames.item_added(item, previous))
        await parts.outlet.send(frames.arguments_delta(place, item))
        item.status = ItemStatus.COMPLETED
        await parts.outlet.send(frames.arguments_done(place, item))
        await parts.outlet.send(frames.output_item_done(place, item))
