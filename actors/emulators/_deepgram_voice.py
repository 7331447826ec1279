"""The agent's mouth: utterances one after the other, sentence by sentence, each cancellable at any point."""

import logging
import struct

import attrs
import trio

from callboard.media import Samples
from callboard.media.speech import split_sentences
from callboard.protocols import deepgram
from callboard.protocols.deepgram import ErrorCode, WarningCode

from ._codec import Codec
from ._deepgram_options import Latencies
from ._deepgram_parts import Parts
from ._deepgram_session import voice_name
from ._in_turn import InTurn
from ._speech import Mouth

# Utterances may be queued behind one another; more than this is a client gone wild.
MAX_QUEUED = 16
# What a stream of unknown length says where its length belongs.
_ENDLESS = 0xFFFFFFFF
# The tags of WAV's three encodings: RFC 2361, appendix A.
_WAV_TAGS = {"pcm16": 1, "alaw": 6, "ulaw": 7}

_log = logging.getLogger("callboard.emulators.deepgram")


class VoiceBusy(Exception):
    """Too many utterances wait."""


@attrs.define(kw_only=True)
class Timing:
    """How long the parts of an answer took, float seconds."""

    stt: float | None = None
    """From the end of the user's speech to its text; None where nobody spoke."""
    think: float = 0.0
    tool: float | None = None
    """Of functions, where there were any."""
    tts: float = 0.0

    def report(self) -> deepgram.LatencyReport:
        """The message about all of it."""
        return deepgram.LatencyReport(
            stt_latency=None if self.stt is None else round(self.stt, 3),
            ttt_token_latency=round(self.think, 3),
            ttt_text_latency=round(self.think, 3),
            ttt_tool_latency=None if self.tool is None else round(self.tool, 3),
            tts_latency=round(self.tts, 3),
            total_latency=round(self.think + (self.tool or 0.0) + self.tts, 3),
        )


@attrs.define(kw_only=True, eq=False)
class Utterance:
    """Something to be said."""

    sentences: list[str]
    timing: Timing = attrs.field(factory=Timing)
    answer: bool = False
    """Whether it is the last word of an answer, which is followed by a report."""
    n_told: int = 0
    """Sentences whose text is out already."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    finished: trio.Event = attrs.field(factory=trio.Event)
    cut: bool = False
    """Whether it was stopped before its end."""
    last_chunk: bytes = b""


class Voice:
    """Speaks for one connection.

    Args:
        parts: The connection.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._queue: InTurn[Utterance] = InTurn(MAX_QUEUED)
        self._played_until = 0.0

    @property
    def busy(self) -> bool:
        """True while something is being sent or waits for that. Playback goes on longer, unknown to us."""
        return self._queue.busy

    def say(self, text: str, *, timing: Timing | None = None, answer: bool = False) -> Utterance:
        """Say something after what is queued.

        Args:
            text: Any number of sentences.
            timing: What is known so far of how long it took.
            answer: Whether a report follows it.

        Raises:
            VoiceBusy: Too much is queued.
        """
        if self._queue.full:
            raise VoiceBusy
        utterance = Utterance(sentences=split_sentences(text), timing=timing or Timing(), answer=answer)
        self._queue.put(utterance)
        return utterance

    async def stop(self) -> Utterance | None:
        """Cut what is being said and forget what is queued; returns once nothing more of it will be sent.

        Returns:
            What was cut.
        """
        for utterance in self._queue.waiting:
            utterance.cut = True
            utterance.finished.set()
        self._queue.waiting.clear()
        self._played_until = 0.0
        active = self._queue.active
        if active is None:
            return None
        active.cut = True
        active.scope.cancel(reason="the agent was interrupted")
        await active.finished.wait()
        return active

    async def run(self) -> None:
        """Speak until cancelled."""
        await self._queue.run(self._utter)

    # --- one utterance

    async def _utter(self, utterance: Utterance) -> None:
        with utterance.scope:
            await self._speak(utterance)

    async def _speak(self, utterance: Utterance) -> None:
        parts = self._parts
        entry = await self._choose_voice()
        # Settings are taken here: a change during an utterance is for the next one.
        codec = parts.session.output_codec
        speed = entry.provider.speed if entry.provider.type == "deepgram" else None
        mouth = Mouth(parts.speech.engines, codec, speed or 1.0)
        for index, sentence in enumerate(utterance.sentences):
            asked_at = trio.current_time()
            payload = mouth.utter(await self._synthesise(sentence, voice_name(entry)))
            if index == 0:
                utterance.timing.tts = trio.current_time() - asked_at
                if parts.session.wav:
                    payload = wav_header(codec) + payload
            if parts.options.paced:
                await trio.sleep_until(self._played_until - parts.options.lead)
            if index >= utterance.n_told:
                await parts.tell("assistant", sentence)
            if index == 0:
                await self._announce(utterance)
            await self._send(utterance, payload, codec)
        if utterance.answer:
            await self._report(utterance.timing)
        await parts.outlet.send(deepgram.AgentAudioDone())

    async def _choose_voice(self) -> deepgram.SpeakEntry:
        parts = self._parts
        for entry in parts.session.speak:
            name = voice_name(entry)
            if name not in parts.options.failing_models:
                return entry
            await parts.outlet.warn(WarningCode.SPEAK_REQUEST_FAILED, f"The voice {name[:80]} failed")
        raise await parts.outlet.fail(ErrorCode.FAILED_TO_SPEAK, "All voices failed")

    async def _synthesise(self, sentence: str, voice: str) -> Samples:
        try:
            return await self._parts.speech.synthesise(sentence, voice)
        except Exception:  # noqa: BLE001  (an engine is anybody's code; its failure is one the wire knows)
            _log.exception("a synthesis failed")
        raise await self._parts.outlet.fail(ErrorCode.FAILED_TO_SPEAK, "All voices failed")

    async def _announce(self, utterance: Utterance) -> None:
        if not self._parts.session.settings.experimental:
            return
        timing = utterance.timing
        await self._parts.outlet.send(
            deepgram.AgentStartedSpeaking(
                total_latency=timing.report().total_latency or 0.0,
                tts_latency=round(timing.tts, 3),
                ttt_latency=round(timing.think, 3),
            )
        )

    async def _send(self, utterance: Utterance, payload: bytes, codec: Codec) -> None:
        size = codec.octets(self._parts.options.chunk)
        self._played_until = max(self._played_until, trio.current_time()) + codec.seconds(len(payload))
        for at in range(0, len(payload), size):
            utterance.last_chunk = payload[at : at + size]
            await self._parts.outlet.send(deepgram.BinaryAudio(utterance.last_chunk))

    async def _report(self, timing: Timing) -> None:
        outlet, whole = self._parts.outlet, timing.report()
        match self._parts.options.latencies:
            case Latencies.WHOLE:
                await outlet.send(whole)
            case Latencies.SPLIT:
                for name, value in attrs.asdict(whole).items():
                    if value is not None:
                        await outlet.send(deepgram.LatencyReport(**{name: value}))
            case Latencies.NONE:
                pass


def wav_header(codec: Codec) -> bytes:
    """The header of a WAV stream whose length is not known."""
    width = codec.sample_width
    form = struct.pack(
        "<HHIIHH",
        _WAV_TAGS[codec.encoding.value],
        1,
        codec.rate_hz,
        codec.rate_hz * width,
        width,
        8 * width,
    )
    return (
        struct.pack("<4sI4s4sI", b"RIFF", _ENDLESS, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", _ENDLESS)
    )
