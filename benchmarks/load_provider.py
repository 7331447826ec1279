"""A voice agent's server for load: the wire of xAI's Grok, a script of turns, marked audio, and no understanding."""

import binascii
from collections.abc import Callable, Mapping
from typing import cast

import orjson

from load_loop import Loop, clock
from load_marks import AGENT_WALKS, CALLER_WALK, FRAME, Encoding, Follower, Probe, audio
from load_script import (
    ANSWER,
    CALLER_SPEECH,
    CANCEL_LAG,
    HASTE,
    PIECE,
    SHORT_ANSWER,
    THINKING,
    TURN,
    TURNS,
    Answer,
    CallRecord,
    Turn,
)
from load_socket import LoadSocket

_PIECE_FRAMES = round(PIECE / FRAME)
_WORDS = "some more words "
_DEFAULT = Encoding(ulaw=False, rate_hz=24000)


def encoding_of(session: Mapping[str, object], direction: str) -> Encoding:
    """The audio format that a session asks for, `input` or `output`."""
    audio_settings = cast("dict[str, dict[str, dict[str, object]]]", session.get("audio") or {})
    wanted = (audio_settings.get(direction) or {}).get("format")
    if not wanted:
        return _DEFAULT
    if wanted.get("type") == "audio/pcmu":
        return Encoding(ulaw=True, rate_hz=8000)
    return Encoding(ulaw=False, rate_hz=int(cast("int", wanted.get("rate") or 24000)))


class ProviderEnd:
    """The provider's end of a call; a receiver of its socket.

    Args:
        loop: Calls it.
        record: Of the call.
        on_ready: Called once the session is configured.
    """

    def __init__(self, loop: Loop, record: CallRecord, on_ready: Callable[[], None]) -> None:
        self._loop = loop
        self._record = record
        self._on_ready = on_ready
        self.socket: LoadSocket
        self._events = 0
        self._input: Probe | None = None
        self._output = _DEFAULT
        self._follower = Follower(CALLER_WALK)
        self._turn = 0

    # The socket

    def on_open(self) -> None:
        """Greet."""
        number = self._record.number
        self._send("session.created", session={"id": f"sess_{number}", "object": "realtime.session"})
        self._send(
            "conversation.created", conversation={"id": f"conv_{number}", "object": "realtime.conversation"}
        )

    def on_closed(self, reason: str) -> None:
        """Note when, and whether it was too early."""
        record = self._record
        record.provider_closed = clock()
        if not record.hung_up:
            record.dropped = record.dropped or f"provider's socket: {reason}"

    def on_message(self, payload: bytes) -> None:
        """Take a message of the client."""
        message: dict[str, object] = orjson.loads(payload)
        match message["type"]:
            case "input_audio_buffer.append":
                self._hear(cast("str", message["audio"]))
            case "session.update":
                self._configure(cast("dict[str, object]", message["session"]))
            case "response.cancel":
                self._loop.at(clock() + CANCEL_LAG, self._end, self._answer(), "cancelled")
            case "conversation.item.truncate":
                self._send(
                    "conversation.item.truncated",
                    item_id=message["item_id"],
                    content_index=0,
                    audio_end_ms=message["audio_end_ms"],
                )
            case "conversation.item.create":
                self._send("conversation.item.added", item=message["item"])
            case "response.create":
                pass  # the turns are those of the script
            case other:
                self._record.odd.append(f"provider got {other!r}")

    def _send(self, kind: str, **fields: object) -> None:
        self._events += 1
        event_id = f"event_{self._record.number}_{self._events}"
        self.socket.send(orjson.dumps({"type": kind, "event_id": event_id, **fields}))

    def _configure(self, session: dict[str, object]) -> None:
        record = self._record
        encoding = encoding_of(session, "input")
        self._output = encoding_of(session, "output")
        if self._input is None or encoding.name != record.input_format:
            self._input = Probe(encoding)
        record.input_format = encoding.name
        self._send("session.updated", session=session)
        if not record.ready:
            record.ready = clock()
            self._on_ready()

    def _hear(self, encoded: str) -> None:
        now = clock()
        record = self._record
        record.uplink_messages += 1
        if self._input is None:
            record.odd.append("audio before the session was configured")
            return
        levels = self._input.read(binascii.a2b_base64(encoded))
        sent, delay = record.sent, record.delay
        for number in self._follower.hear(levels, len(sent) - 1):
            if number < len(sent):
                delay[number] = now - sent[number]
            else:
                record.odd.append("a frame was heard that was not sent")
        record.uplink_gaps = self._follower.gaps

    # The script

    def begin(self, when: float, turn: int) -> None:
        """Begin with the turns.

        Args:
            when: Time of the first one.
            turn: Which one of the cycle that is.
        """
        self._turn = turn
        self._loop.at(when, self._begin_turn, when)

    def _gone(self) -> bool:
        return self.socket.closed or self._record.hung_up > 0

    def _answer(self) -> Answer | None:
        return self._record.answers[-1] if self._record.answers else None

    def _begin_turn(self, when: float) -> None:
        if self._gone():
            return
        turn = TURNS[self._turn % len(TURNS)]
        self._turn += 1
        self._loop.at(when + TURN, self._begin_turn, when + TURN)
        self._caller_speaks(when, ANSWER, turn)

    def _caller_speaks(self, when: float, answer: float, turn: Turn) -> None:
        self._events += 1
        item = f"item_u{self._record.number}_{self._events}"
        self._send(
            "input_audio_buffer.speech_started", item_id=item, audio_start_ms=len(self._record.sent) * 20
        )
        stops = when + CALLER_SPEECH
        self._loop.at(stops, self._caller_stops, item)
        self._loop.at(stops + THINKING, self._begin_answer, stops + THINKING, answer, turn)

    def _caller_stops(self, item: str) -> None:
        if self._gone():
            return
        self._send(
            "input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=len(self._record.sent) * 20
        )
        self._send("input_audio_buffer.committed", item_id=item)
        content = [{"type": "input_audio", "transcript": "what the caller said"}]
        self._send("conversation.item.added", item=_message(item, "user", "completed", content))
        self._send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript="what the caller said",
        )

    def _begin_answer(self, when: float, seconds: float, turn: Turn) -> None:
        if self._gone():
            return
        self._end(self._answer(), "cancelled")
        answers = self._record.answers
        answer = Answer(number=len(answers), n_frames=round(seconds / FRAME), begun=clock())
        answers.append(answer)
        response, item = self._ids(answer)
        self._send("response.created", response=_response(response, "in_progress", []))
        empty = _message(item, "assistant", "in_progress", [])
        self._send("response.output_item.added", response_id=response, output_index=0, item=empty)
        self._send("conversation.item.added", item=empty)
        part = {"type": "audio", "transcript": ""}
        self._send("response.content_part.added", **self._part(answer), part=part)
        if turn.value is not None:
            self._loop.at(when + turn.value, self._interrupt, answer)
        self._send_piece(answer, when)

    def _ids(self, answer: Answer) -> tuple[str, str]:
        number = self._record.number
        return f"resp_{number}_{answer.number}", f"item_a{number}_{answer.number}"

    def _part(self, answer: Answer) -> dict[str, object]:
        response, item = self._ids(answer)
        return {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}

    def _send_piece(self, answer: Answer, when: float) -> None:
        if self._gone() or answer.ended:
            return
        path = AGENT_WALKS[answer.number % 2]
        first = answer.sent_frames % len(path)
        levels = tuple(path[(first + index) % len(path)] for index in range(_PIECE_FRAMES))
        response, item = self._ids(answer)
        if not answer.sent_frames:
            answer.sent_first = clock()
        self._events += 1
        # Written out: of all that is sent here this is the most.
        self.socket.send(
            b'{"type":"response.output_audio.delta","event_id":"event_%d_%d","response_id":"%s","item_id":"%s",'
            b'"output_index":0,"content_index":0,"delta":"%s"}'
            % (
                self._record.number,
                self._events,
                response.encode(),
                item.encode(),
                audio(self._output, levels),
            )
        )
        if answer.sent_frames % (2 * _PIECE_FRAMES) == 0:
            self._send("response.output_audio_transcript.delta", **self._part(answer), delta=_WORDS)
        answer.sent_frames += _PIECE_FRAMES
        if answer.sent_frames >= answer.n_frames:
            self._end(answer, "completed")
        else:
            when += PIECE / HASTE
            self._loop.at(when, self._send_piece, answer, when)

    def _interrupt(self, answer: Answer) -> None:
        if self._gone():
            return
        now = clock()
        answer.interrupted = now
        answer.in_flight = not answer.ended
        if answer.in_flight:
            self._loop.at(now + CANCEL_LAG, self._end, answer, "cancelled")
        self._caller_speaks(now, SHORT_ANSWER, Turn.HEARD)

    def _end(self, answer: Answer | None, status: str) -> None:
        if answer is None or answer.ended or self._gone():
            return
        answer.ended = True
        words = _WORDS * (1 + answer.sent_frames // (2 * _PIECE_FRAMES))
        response, item = self._ids(answer)
        state = "completed" if status == "completed" else "incomplete"
        content = [{"type": "audio", "transcript": words}]
        whole = _message(item, "assistant", state, content)
        self._send("response.output_audio_transcript.done", **self._part(answer), transcript=words)
        self._send("response.output_audio.done", **self._part(answer))
        self._send("response.content_part.done", **self._part(answer), part=content[0])
        self._send("response.output_item.done", response_id=response, output_index=0, item=whole)
        self._send("response.done", response=_response(response, status, [whole]))


def _message(item: str, role: str, status: str, content: list[dict[str, str]]) -> dict[str, object]:
    return {
        "id": item,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


def _response(response: str, status: str, output: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": response,
        "object": "realtime.response",
        "status": status,
        "status_details": None,
        "output": output,
        "usage": {"total_tokens": 90, "input_tokens": 50, "output_tokens": 40},
    }
