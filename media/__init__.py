"""Audio on numpy: functions and objects that neither wait, nor send, nor look at a clock.

Time, where it matters, comes in as an argument in float seconds. Samples are int16 arrays of shape (n,).
"""

from ._convert import Converter as Converter, Reframer as Reframer
from ._formats import (
    ALAW_8K as ALAW_8K,
    G711_RATE_HZ as G711_RATE_HZ,
    PCM16_8K as PCM16_8K,
    PCM16_16K as PCM16_16K,
    PCM16_24K as PCM16_24K,
    PCM16_48K as PCM16_48K,
    PCM_RATES_HZ as PCM_RATES_HZ,
    ULAW_8K as ULAW_8K,
    AudioFormat as AudioFormat,
    AudioFrame as AudioFrame,
    Encoding as Encoding,
)
from ._g711 import (
    Samples as Samples,
    alaw_decode as alaw_decode,
    alaw_encode as alaw_encode,
    alaw_to_ulaw as alaw_to_ulaw,
    decode as decode,
    encode as encode,
    ulaw_decode as ulaw_decode,
    ulaw_encode as ulaw_encode,
    ulaw_to_alaw as ulaw_to_alaw,
)
from ._ledger import Heard as Heard, LedgerStatistics as LedgerStatistics, PlayoutLedger as PlayoutLedger
from ._levels import (
    SILENCE_DBFS as SILENCE_DBFS,
    dual_tone as dual_tone,
    noise as noise,
    rms_dbfs as rms_dbfs,
    tone as tone,
)
from ._playout import (
    Flushed as Flushed,
    PlayoutBuffer as PlayoutBuffer,
    PlayoutChunk as PlayoutChunk,
    PlayoutStatistics as PlayoutStatistics,
)
from ._resample import Resampler as Resampler
from ._timeline import StereoTimeline as StereoTimeline, TimelineStatistics as TimelineStatistics
from ._tonecodec import (
    TONE_RATE_HZ as TONE_RATE_HZ,
    TONE_SYMBOL_SAMPLES as TONE_SYMBOL_SAMPLES,
    ToneDecoder as ToneDecoder,
    ToneEncoder as ToneEncoder,
    ToneText as ToneText,
)
from ._vad import (
    EnergyDetector as EnergyDetector,
    SpeechStarted as SpeechStarted,
    SpeechStopped as SpeechStopped,
    VoiceActivity as VoiceActivity,
    VoiceState as VoiceState,
)
from ._wav import (
    WavError as WavError,
    WavWriter as WavWriter,
    read_wav as read_wav,
    write_wav as write_wav,
)
