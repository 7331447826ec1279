"""Speech engines: recognition, synthesis and voice activity behind small synchronous interfaces."""

# The engines of the [speech] extra import their packages only when they load.
from ._earshot import EarshotDetector as EarshotDetector
from ._hibari import HibariSynthesiser as HibariSynthesiser
from ._load import SpeechKind as SpeechKind, load_speech as load_speech, tone_engines as tone_engines
from ._sentences import split_sentences as split_sentences
from ._tones import (
    ToneDetector as ToneDetector,
    ToneRecogniser as ToneRecogniser,
    ToneSynthesiser as ToneSynthesiser,
)
from ._types import (
    Recogniser as Recogniser,
    SpeechEngines as SpeechEngines,
    SpeechUnavailable as SpeechUnavailable,
    Synthesiser as Synthesiser,
    VoiceDetector as VoiceDetector,
)
from ._whisper import WhisperRecogniser as WhisperRecogniser
