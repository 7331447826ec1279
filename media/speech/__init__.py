"""Speech engines: recognition, synthesis and voice activity behind small synchronous interfaces."""

# The engines of the [speech] extra import their packages only when they load.
from ._earshot import EarshotDetector as EarshotDetector
from ._hibari import HibariSynthesiser as HibariSynthesiser
from ._load import SpeechKind as SpeechKind
from ._load import load_speech as load_speech
from ._load import tone_engines as tone_engines
from ._sentences import split_sentences as split_sentences
from ._tones import (
    ToneDetector as ToneDetector,
)
from ._tones import (
    ToneRecogniser as ToneRecogniser,
)
from ._tones import (
    ToneSynthesiser as ToneSynthesiser,
)
from ._types import (
    Recogniser as Recogniser,
)
from ._types import (
    SpeechEngines as SpeechEngines,
)
from ._types import (
    SpeechUnavailable as SpeechUnavailable,
)
from ._types import (
    Synthesiser as Synthesiser,
)
from ._types import (
    VoiceDetector as VoiceDetector,
)
from ._whisper import WhisperRecogniser as WhisperRecogniser
