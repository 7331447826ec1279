"""Counting what a session consumes, by the rules seen on the wire."""

import math

import attrs

# Seen: 170 tokens for 3.38 s of speech, both ways.
AUDIO_TOKENS_PER_SECOND = 50
# A usual mean for English text.
_CHARACTERS_PER_TOKEN = 4


def text_tokens(text: str) -> int:
    """About how many tokens a text has."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


@attrs.frozen(kw_only=True)
class Usage:
    """What one response consumed."""

    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    output_audio_seconds: float = 0.0
    billable_audio_seconds: int = 0

    def to_wire(self) -> dict[str, object]:
        """The `usage` object of the wire."""
        n_input = self.input_text_tokens + self.input_audio_tokens
        n_output = self.output_text_tokens + self.output_audio_tokens
        return {
            "input_tokens": n_input,
            "input_token_details": {
                "text_tokens": self.input_text_tokens,
                "audio_tokens": self.input_audio_tokens,
                "grok_tokens": 0,
            },
            "output_tokens": n_output,
            "output_token_details": {
                "text_tokens": self.output_text_tokens,
                "audio_tokens": self.output_audio_tokens,
                "grok_tokens": 0,
            },
            "total_tokens": n_input + n_output,
            "output_audio_seconds": self.output_audio_seconds,
            "billable_audio_seconds": self.billable_audio_seconds,
        }


class Meter:
    """Counts what is new since the last response.

    Args:
        now: The start of the session, float seconds of any one clock.
    """

    def __init__(self, now: float) -> None:
        self._billed_to = now
        self._text_tokens = 0
        self._audio_seconds = 0.0

    def add_text(self, text: str) -> None:
        """The client wrote something."""
        self._text_tokens += text_tokens(text)

    def add_audio(self, seconds: float) -> None:
        """The caller spoke."""
        self._audio_seconds += seconds

    def bill(self, now: float, spoken: str, seconds: float, *, by_clock: bool) -> Usage:
        """The usage of a response that just ended; the next one starts from zero.

        Args:
            now: On the clock given before.
            spoken: The text of the response.
            seconds: Its audio.
            by_clock: True where the time of the session is billed (turn detection by the server), False
                where only audio is.
        """
        billable = now - self._billed_to if by_clock else self._audio_seconds + seconds
        usage = Usage(
            input_text_tokens=self._text_tokens,
            input_audio_tokens=round(self._audio_seconds * AUDIO_TOKENS_PER_SECOND),
            output_text_tokens=text_tokens(spoken),
            output_audio_tokens=round(seconds * AUDIO_TOKENS_PER_SECOND),
            output_audio_seconds=seconds,
            billable_audio_seconds=math.ceil(billable),
        )
        self._billed_to = now
        self._text_tokens = 0
        self._audio_seconds = 0.0
        return usage
