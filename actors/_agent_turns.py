"""The answers of an agent: which one is made, which audio belongs to which, and what is still being played.

Audio comes faster than it plays, so a response is generated long before it is heard. Nothing here waits or
reads a clock; times come in as arguments, float seconds of trio's clock.
"""

from collections import OrderedDict
from collections.abc import Callable

import attrs

from callboard.media import AudioFormat, AudioFrame, Encoding

# Responses remembered after their end, so that late messages are told from those of the next one.
REMEMBERED = 64
# A response that the clock has played to its end is forgotten after this, float seconds: where a sink was
# joined late, it never reports the whole of it.
FORGET_AFTER = 5.0
# Less than this much unheard audio is not worth an interruption, float seconds.
NEGLIGIBLE = 0.02


@attrs.define
class AudioItem:
    """The audio of one item of a response."""

    item_id: str
    content_index: int
    start: float
    """Where it begins in the response, float seconds."""
    received: float = 0.0
    """Float seconds."""


@attrs.define(eq=False)
class ResponseState:
    """One response."""

    id: str
    audio_format: AudioFormat
    generation: int
    interruptible: bool = True
    session: int = 0
    """The session that made it; what an earlier one made is unknown to the present one."""
    line: str | None = None
    """What it was told to say, word for word."""
    calls: int = 0
    """Functions it called."""
    items: OrderedDict[str, AudioItem] = attrs.field(factory=OrderedDict[str, AudioItem])
    received: float = 0.0
    """Audio so far, float seconds."""
    position: int = 0
    """Samples so far."""
    base: float = 0.0
    """How much had been received when the present generation began, float seconds."""
    starts_at: float | None = None
    """When its audio began or will begin to play, by the clock."""
    first_output_at: float | None = None
    done: bool = False
    """The server has finished or dropped it."""
    dead: bool = False
    """It was interrupted: later audio is dropped."""
    carry: bytes = b""
    """An odd octet of PCM that waits for its other half."""

    @property
    def active(self) -> bool:
        """Whether the server is known to be making it."""
        return not self.done and not self.dead

    def heard_by_clock(self, now: float) -> float:
        """How much would have been heard where nothing delays it."""
        return 0.0 if self.starts_at is None else min(max(now - self.starts_at, 0.0), self.received)


class AgentTurns:
    """All responses of one client that still matter.

    Args:
        next_generation: Numbers what is played.
    """

    def __init__(self, next_generation: Callable[[], int]) -> None:
        self._next_generation = next_generation
        self._by_id: OrderedDict[str, ResponseState] = OrderedDict()
        self.current: ResponseState | None = None
        """The newest response."""
        self.playing: list[ResponseState] = []
        """Responses with audio that may not have been heard yet, oldest first."""
        self.playing_until = 0.0
        """When all received audio will have been played."""

    @property
    def active(self) -> ResponseState | None:
        """The response the server is known to be making."""
        current = self.current
        return current if current is not None and current.active else None

    def get(self, response_id: str) -> ResponseState | None:
        """A response that is remembered."""
        return self._by_id.get(response_id)

    def created(
        self,
        response_id: str,
        audio_format: AudioFormat,
        *,
        interruptible: bool = True,
        session: int = 0,
        line: str | None = None,
    ) -> ResponseState | None:
        """A response begins.

        Returns:
            The one before, where the server dropped it without a word; it is done now.
        """
        before = self.active
        if before is not None and before.id == response_id:
            return None
        if before is not None:
            # A response the caller talked over ends without a `response.done`.
            before.done = True
        state = ResponseState(
            id=response_id,
            audio_format=audio_format,
            generation=self._next_generation(),
            interruptible=interruptible,
            session=session,
            line=line,
        )
        self._by_id[response_id] = self.current = state
        while len(self._by_id) > REMEMBERED:
            self._by_id.popitem(last=False)
        return before

    def done(self, response_id: str) -> ResponseState | None:
        """A response has been generated."""
        state = self._by_id.get(response_id)
        if state is not None:
            state.done = True
        return state

    def audio(
        self, state: ResponseState, item_id: str, content_index: int, payload: bytes, now: float
    ) -> AudioFrame | None:
        """Audio of a response came; returns the frame to play, or None where there is nothing to play."""
        if state.dead:
            return None
        audio_format = state.audio_format
        if audio_format.encoding is Encoding.PCM16:
            payload = state.carry + payload
            whole = len(payload) - len(payload) % 2
            payload, state.carry = payload[:whole], payload[whole:]
        if not payload:
            return None
        seconds = audio_format.duration(len(payload))
        if state.starts_at is None:
            state.starts_at = max(now, self.playing_until)
            self.playing.append(state)
        elif self.playing_until < now:
            # The audio ran dry: the rest of the answer is heard that much later.
            state.starts_at += now - self.playing_until
        self.playing_until = max(self.playing_until, now) + seconds
        item = state.items.get(item_id)
        if item is None:
            item = state.items[item_id] = AudioItem(item_id, content_index, state.received)
        frame = AudioFrame(
            payload=payload, format=audio_format, position=state.position, generation=state.generation
        )
        item.received += seconds
        state.received += seconds
        state.position += frame.n_samples
        return frame

    def flush(self, generation: int, now: float) -> None:
        """The audio that was to be played is gone, but the response goes on, with a new generation."""
        for state in self.playing:
            if state.active:
                state.generation = generation
                state.base = state.received
                # As if everything up to here had been played: what comes next plays at once.
                state.starts_at = now - state.received
        self.playing_until = min(self.playing_until, now)
        self.playing = [state for state in self.playing if state.active]

    def kill(self, state: ResponseState) -> None:
        """Nothing of a response is played any more."""
        state.dead = True
        state.carry = b""

    def interrupted(self, now: float) -> None:
        """All that was playing was stopped."""
        self.playing.clear()
        self.playing_until = min(self.playing_until, now)

    def prune(self, now: float) -> None:
        """Forget responses that have surely been played."""
        while self.playing:
            first = self.playing[0]
            end = (first.starts_at or 0.0) + first.received
            if not first.done or now < end + FORGET_AFTER:
                return
            self.playing.pop(0)

    def disconnected(self) -> None:
        """The connection is gone: no response goes on."""
        for state in self._by_id.values():
            state.done = True
