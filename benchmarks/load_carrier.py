"""A carrier for load: the wire of Twilio Media Streams, marked audio every 20 ms, and a clock that plays what comes."""

import binascii
from collections.abc import Mapping
from typing import cast

import orjson

from load_loop import Loop, clock
from load_marks import AGENT_WALKS, CALLER_WALK, NO_LEVEL, ULAW, Follower, Probe, audio
from load_script import PREBUFFER, Answer, CallRecord
from load_socket import LoadSocket

_RATE_HZ = 8000
_PAYLOADS = tuple(audio(ULAW, (level,)) for level in CALLER_WALK)
# Levels of the upper half belong to answers with an even number.
_UPPER = min(AGENT_WALKS[0])


class CarrierEnd:
    """The carrier's end of a call; a receiver of its socket.

    Args:
        loop: Calls it.
        record: Of the call.
    """

    def __init__(self, loop: Loop, record: CallRecord) -> None:
        self._loop = loop
        self._record = record
        self.socket: LoadSocket
        self._stream = f"MZ{record.number:032x}"
        self._call = f"CA{record.number:032x}"
        self._open = False
        self._sequence = 0
        self._probe = Probe(ULAW)
        self._followers: dict[int, Follower] = {}
        self._marks: list[dict[str, str]] = []
        # Of all answers, the time at which the carrier has played what it has.
        self._plays_until = 0.0

    @property
    def open(self) -> bool:
        """Whether frames can be sent."""
        return self._open and not self._record.hung_up and not self.socket.closed

    def on_open(self) -> None:
        """Begin the stream."""
        self._open = True
        self.socket.send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self._send(
            "start",
            {
                "accountSid": "AC" + "0" * 32,
                "streamSid": self._stream,
                "callSid": self._call,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": _RATE_HZ, "channels": 1},
                "customParameters": {"to": "+15550100002"},
            },
        )

    def on_closed(self, reason: str) -> None:
        """Note when, and whether it was too early."""
        record = self._record
        record.carrier_closed = clock()
        if not self._open:
            record.refused = reason
        elif not record.hung_up:
            record.dropped = record.dropped or f"carrier's socket: {reason}"

    def on_message(self, payload: bytes) -> None:
        """Take a message of the server."""
        message: dict[str, object] = orjson.loads(payload)
        match message.get("event"):
            case "media":
                self._play(binascii.a2b_base64(cast("dict[str, str]", message["media"])["payload"]))
            case "mark":
                mark = cast("dict[str, str]", message["mark"])
                self._marks.append(mark)
                self._loop.at(max(clock(), self._plays_until), self._reach, mark)
            case "clear":
                self._clear()
            case other:
                self._record.odd.append(f"carrier got {other!r}")

    def send_frame(self) -> None:
        """Send the next 20 ms of the caller."""
        record = self._record
        number = len(record.sent)
        self._sequence += 1
        record.delay.append(-1.0)
        message = (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
            b'"payload":"%s"},"streamSid":"%s"}'
            % (
                self._sequence,
                number + 1,
                number * 20,
                _PAYLOADS[number % len(_PAYLOADS)],
                self._stream.encode(),
            )
        )
        record.sent.append(clock())
        self.socket.send(message)

    def hang_up(self) -> None:
        """End the stream and close."""
        if self.open:
            self._send("stop", {"accountSid": "AC" + "0" * 32, "callSid": self._call})
            self._record.hung_up = clock()
            self.socket.close()

    def _send(self, event: str, content: Mapping[str, object]) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: content,
            "streamSid": self._stream,
        }
        self.socket.send(orjson.dumps(message))

    # What the caller hears

    def _play(self, payload: bytes) -> None:
        now = clock()
        record = self._record
        record.downlink_messages += 1
        levels = self._probe.read(payload)
        known = levels.translate(None, bytes((NO_LEVEL,)))
        if not known:
            self._plays_until = max(self._plays_until, now) + len(payload) / _RATE_HZ
            return
        # The last one: what a resampler holds back comes out at the beginning of the next answer.
        answer = self._answer_of(known[-1])
        if answer is None:
            record.odd.append("audio of no answer")
            return
        if answer.cleared:
            answer.stale += 1
            return
        self._advance(answer, now, len(payload) / _RATE_HZ)
        answer.heard_octets += len(payload)
        follower = self._followers.get(answer.number)
        if follower is None:
            follower = self._followers[answer.number] = Follower(AGENT_WALKS[answer.number % 2])
            self._followers.pop(answer.number - 2, None)
        follower.hear(levels, answer.sent_frames - 1)
        answer.gaps = follower.gaps

    def _answer_of(self, level: int) -> Answer | None:
        """The latest answer that may have this level."""
        odd = level < _UPPER
        for answer in reversed(self._record.answers[-2:]):
            if answer.number % 2 == odd:
                return answer
        return None

    def _advance(self, answer: Answer, now: float, duration: float) -> None:
        if not answer.heard_first:
            answer.heard_first = now
            answer.plays_until = max(now + PREBUFFER, self._plays_until) + duration
        elif now > answer.plays_until:
            answer.underruns += 1
            answer.silence += now - answer.plays_until
            answer.plays_until = now + duration
        else:
            answer.plays_until += duration
        self._plays_until = answer.plays_until

    def _clear(self) -> None:
        now = clock()
        self._plays_until = now
        for answer in self._record.answers[-2:]:
            if answer.interrupted and not answer.cleared:
                answer.cleared = now
        while self._marks:
            self._send("mark", self._marks.pop(0))

    def _reach(self, mark: dict[str, str]) -> None:
        """The place of a mark was played; one that was cleared has been sent back already."""
        if self.open and any(mark is waiting for waiting in self._marks):
            self._marks = [waiting for waiting in self._marks if waiting is not mark]
            self._send("mark", mark)
