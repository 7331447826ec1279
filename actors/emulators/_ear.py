"""From the octets a client sends to speech that starts, goes on and stops.

No clock and no tasks: all times are milliseconds of audio received since the session began.
"""

from collections import deque

import attrs
import numpy as np

from callboard.media import (
    Encoding,
    Resampler,
    Samples,
    SpeechStarted,
    SpeechStopped,
    ToneDecoder,
    VoiceActivity,
    VoiceState,
)
from callboard.media.speech import SpeechEngines

from ._codec import Codec

# Audio held at most while a turn lasts, seconds: 4 MB at 16 kHz. A longer turn loses its beginning.
MAX_TURN = 120.0
# Audio held while nobody speaks, beyond the padding: a detector needs some of it to make up its mind.
_LOOK_BACK = 1.0
# The wire's thresholds (0.1 to 0.9, default 0.85) on the scale of a detector's probability, where 0.5 is
# the point of equal error.
_THRESHOLD_SCALE = 0.6
# Speech this long begins a turn, seconds: three frames of 16 ms. A caller who interrupts hears the agent stop
# within a tenth of a second then, and a click is still no speech.
_ONSET = 0.048
# Kept of what came before a turn, milliseconds: detectors notice speech late, whatever the padding asked for.
_LEAD = 300
# Long input is heard piece by piece, seconds: a turn that ends within it is not to have what was said later.
_PIECE = 0.1
# Partial transcripts from tones are sent this often at most, milliseconds of audio.
_PARTIAL_STEP = 200

# The octet that silence is made of.
_SILENCE = {Encoding.PCM16: b"\x00", Encoding.ULAW: b"\xff", Encoding.ALAW: b"\xd5"}

_EMPTY: Samples = np.empty(0, np.int16)


@attrs.frozen(kw_only=True)
class VadSettings:
    """Turn detection as the session asks for it. Durations in seconds."""

    threshold: float = 0.85
    prefix_padding: float = 0.333
    silence_duration: float = 0.5


@attrs.frozen
class Started:
    """Somebody began to speak."""

    at_ms: int


@attrs.frozen
class Partial:
    """What the current turn says so far."""

    text: str


@attrs.frozen(eq=False)
class Stopped:
    """The turn is over; `samples` are its audio at the recogniser's rate."""

    at_ms: int
    samples: Samples


Heard = Started | Partial | Stopped


class Ear:
    """Listens to one session's input audio.

    Args:
        engines: Whose detector and whose rates to use.
        partials: Whether to say what a turn says before it is over, where that costs nothing.
    """

    def __init__(self, engines: SpeechEngines, *, partials: bool = True) -> None:
        self._partials = partials and not engines.threaded
        self._rate_hz = engines.recogniser.rate_hz
        self._detector = engines.new_detector()
        self._buffer = _Buffer(self._rate_hz)
        self._codec = Codec(Encoding.PCM16, 24000)
        self._base_ms = 0.0
        self._n_received = 0
        self._turn: _Turn | None = None
        self._vad: _Vad | None = None
        self._manual = True
        # To a detector of tones perfect silence is nothing, and so is more of it.
        self._patient = not engines.threaded
        # Seconds of perfect silence at the end of the stream.
        self._silent_for = 0.0
        self._restart()

    # --- settings

    def configure(self, codec: Codec, vad: VadSettings | None, *, manual: bool) -> None:
        """Take over the session's settings.

        Args:
            codec: How what follows is written.
            vad: How to detect turns, None not to.
            manual: True where the client takes the audio itself: then nothing of it is dropped.
        """
        if codec != self._codec:
            self._base_ms = self._position()
            self._n_received = 0
            self._codec = codec
            self._restart()
        if vad != (self._vad.settings if self._vad else None) or manual != self._manual:
            self._vad = None if vad is None else _Vad(vad, self._position())
            self._detector.reset()
            self._turn = None
            self._silent_for = 0.0
        self._manual = manual

    def _restart(self) -> None:
        from_hz = self._codec.rate_hz
        self._to_recogniser = Resampler(from_hz, self._rate_hz)
        self._to_detector = Resampler(from_hz, self._detector.rate_hz)
        self._torn = b""
        self._rest = _EMPTY
        self._silent_for = 0.0

    # --- state

    @property
    def position_ms(self) -> int:
        """Milliseconds of audio received so far."""
        return int(self._position())

    @property
    def speaking(self) -> bool:
        """True from the start of a turn to its end."""
        return self._turn is not None

    @property
    def buffered_ms(self) -> int:
        """Milliseconds of audio that a commit would take."""
        return int(self._buffer.n_samples * 1000 / self._rate_hz)

    def speech_so_far(self) -> Samples:
        """The audio of the current turn at the recogniser's rate."""
        return self._buffer.joined()

    def _position(self) -> float:
        return self._base_ms + self._n_received * 1000 / self._codec.rate_hz

    # --- audio

    def feed(self, payload: bytes) -> list[Heard]:
        """Hear the next octets of the stream, in the configured codec.

        Returns:
            What they brought, in order.
        """
        heard: list[Heard] = []
        if payload == _SILENCE[self._codec.encoding] * len(payload):
            if self._nothing_new:
                self._go_by(payload)
                return heard
            self._silent_for += self._codec.seconds(len(payload))
        else:
            self._silent_for = 0.0
        size = self._codec.octets(_PIECE)
        for at in range(0, len(payload), size):
            self._feed(payload[at : at + size], heard)
        return heard

    @property
    def _nothing_new(self) -> bool:
        """Whether more silence changes nothing but the time: all that is kept is silence."""
        vad = self._vad
        return (
            self._patient
            and not self._manual
            and self._turn is None
            and vad is not None
            and vad.idle
            and self._silent_for > vad.settings.prefix_padding + _LOOK_BACK + _PIECE
            and not self._torn
        )

    def _go_by(self, payload: bytes) -> None:
        """Hear more silence where there is nothing new in it."""
        whole = len(payload) // self._codec.sample_width
        self._torn = payload[whole * self._codec.sample_width :]
        self._n_received += whole
        self._buffer.slide(whole * self._rate_hz // self._codec.rate_hz, self._position())
        if self._vad is not None:
            self._vad.skip(whole * 1000 / self._codec.rate_hz)

    def _feed(self, payload: bytes, heard: list[Heard]) -> None:
        samples = self._decode(payload)
        self._n_received += len(samples)
        self._buffer.append(self._to_recogniser.process(samples), self._position())
        if self._vad is not None:
            self._rest = np.concatenate((self._rest, self._to_detector.process(samples)))
            size = self._detector.frame_samples
            at = 0
            while len(self._rest) - at >= size:
                self._rate(self._vad, self._rest[at : at + size], heard)
                at += size
            self._rest = self._rest[at:]
            if self._turn is None and not self._manual:
                self._buffer.trim(self._position() - (self._vad.settings.prefix_padding + _LOOK_BACK) * 1000)
        if self._turn is not None:
            text = self._turn.partial(self._buffer, self.position_ms)
            if text:
                heard.append(Partial(text))

    def skip(self, payload: bytes) -> None:
        """Throw octets away; they count as received."""
        n_samples = len(self._decode(payload))
        self._n_received += n_samples
        if self._vad is not None:
            self._vad.skip(n_samples * 1000 / self._codec.rate_hz)

    def convert(self, payload: bytes) -> Samples:
        """A recording in the configured codec at the recogniser's rate; it is not part of the stream."""
        whole = len(payload) - len(payload) % self._codec.sample_width
        samples = self._codec.decode(payload[:whole])
        return Resampler(self._codec.rate_hz, self._rate_hz).process(samples)

    def take(self) -> Samples:
        """Give away all audio not taken yet, at the recogniser's rate; a turn in progress ends with it."""
        samples = self._buffer.joined()
        self.clear()
        return samples

    def clear(self) -> None:
        """Forget all audio not taken yet."""
        self._buffer.clear()
        self._turn = None
        self._silent_for = 0.0
        if self._vad is not None:
            self._vad = _Vad(self._vad.settings, self._position())
            self._detector.reset()

    def _decode(self, payload: bytes) -> Samples:
        if self._codec.sample_width > 1:
            # Clients cut PCM anywhere, also within a sample.
            payload = self._torn + payload
            whole = len(payload) - len(payload) % self._codec.sample_width
            self._torn = payload[whole:]
            payload = payload[:whole]
        return self._codec.decode(payload)

    def _rate(self, vad: "_Vad", frame: Samples, heard: list[Heard]) -> None:
        probability = self._detector.probability(frame)
        event = vad.feed(probability, len(frame) / self._detector.rate_hz)
        match event:
            case Started(at_ms):
                if not self._manual:
                    self._buffer.trim(at_ms - _LEAD)
                self._turn = _Turn(at_ms, readable=self._partials)
                heard.append(event)
            case int(at_ms):
                samples = _EMPTY if self._manual else self._buffer.joined()
                self._turn = None
                if not self._manual:
                    self._buffer.clear()
                self._silent_for = 0.0
                heard.append(Stopped(at_ms, samples))
            case None:
                pass


class _Vad:
    """Turn detection that counts from where it was switched on."""

    def __init__(self, settings: VadSettings, base_ms: float) -> None:
        self.settings = settings
        self._base_ms = base_ms
        self._activity = VoiceActivity(
            threshold=settings.threshold * _THRESHOLD_SCALE,
            prefix_padding=settings.prefix_padding,
            silence_duration=settings.silence_duration,
            onset=_ONSET,
        )

    @property
    def idle(self) -> bool:
        """Whether there is neither a turn nor anything that may become one."""
        return self._activity.state is VoiceState.SILENT

    def skip(self, milliseconds: float) -> None:
        """Audio was thrown away."""
        self._base_ms += milliseconds

    def feed(self, probability: float, duration: float) -> Started | int | None:
        """A start, the millisecond of a stop, or nothing."""
        match self._activity.feed(probability, duration):
            case SpeechStarted(at_ms=at_ms):
                return Started(int(self._base_ms + at_ms))
            case SpeechStopped(at_ms=at_ms):
                return int(self._base_ms + at_ms)
            case _:
                return None


class _Turn:
    """The words of the current turn while it lasts.

    Tones can be read as they come. A recogniser for speech needs a thread, and is asked by the session.
    """

    def __init__(self, start_ms: int, *, readable: bool) -> None:
        self._decoder = ToneDecoder() if readable else None
        self._read_to = 0
        self._next = start_ms
        self._done = ""
        self._said = ""

    def partial(self, buffer: "_Buffer", now_ms: int) -> str:
        """The whole text so far if it has grown by a word, else nothing."""
        if self._decoder is None or now_ms < self._next:
            return ""
        self._next = now_ms + _PARTIAL_STEP
        samples = buffer.since(self._read_to)
        self._read_to = buffer.end
        for done in self._decoder.push(samples):
            self._done = f"{self._done} {done}".strip()
        text = self._done or str(self._decoder.partial).rpartition(" ")[0].strip()
        if not text or text == self._said:
            return ""
        self._said = text
        return text


class _Buffer:
    """Audio at one rate, addressed by the session's milliseconds, bounded."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._chunks: deque[Samples] = deque()
        self._end_ms = 0.0
        self.n_samples = 0
        self.end = 0
        """Samples ever appended: an address that rounding does not touch."""

    @property
    def _start_ms(self) -> float:
        return self._end_ms - self.n_samples * 1000 / self._rate_hz

    def append(self, samples: Samples, end_ms: float) -> None:
        """Add what was received up to `end_ms`."""
        self._end_ms = end_ms
        if len(samples):
            self._chunks.append(samples)
            self.n_samples += len(samples)
            self.end += len(samples)
            self._drop(self.n_samples - int(MAX_TURN * self._rate_hz))

    def slide(self, n: int, end_ms: float) -> None:
        """As `append` and `trim` with samples like all that are there, up to `end_ms`."""
        self._end_ms = end_ms
        self.end += n

    def trim(self, start_ms: float) -> None:
        """Drop what is older than `start_ms`."""
        self._drop(int((start_ms - self._start_ms) * self._rate_hz / 1000))

    def since(self, index: int) -> Samples:
        """What was appended after the first `index` samples, as far as it is still there."""
        return self.joined()[max(0, index - (self.end - self.n_samples)) :]

    def joined(self) -> Samples:
        """All of it as one array."""
        if len(self._chunks) > 1:
            whole = np.concatenate(tuple(self._chunks))
            self._chunks.clear()
            self._chunks.append(whole)
        return self._chunks[0] if self._chunks else _EMPTY

    def clear(self) -> None:
        """Drop everything."""
        self._chunks.clear()
        self.n_samples = 0

    def _drop(self, n: int) -> None:
        while n > 0 and self._chunks:
            first = self._chunks[0]
            if len(first) > n:
                self._chunks[0] = first[n:]
                self.n_samples -= n
                return
            self._chunks.popleft()
            self.n_samples -= len(first)
            n -= len(first)
