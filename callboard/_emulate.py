"""`callboard emulate`: an emulated provider or carrier as a program of its own."""

import secrets
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import trio

from callboard.actors import TcpNetwork, open_plain_nursery
from callboard.actors.brains import Brain, RuleBrain, ScriptedBrain, ScriptError as BrainScriptError
from callboard.actors.emulators import (
    CallEnd,
    Caller,
    CallResult,
    CarrierEmulator,
    DeepgramEmulator,
    DeepgramEmulatorOptions,
    GrokEmulator,
    GrokEmulatorOptions,
    HangUp,
    InterruptAfter,
    Say,
    ScriptedCaller,
    ScriptError as CallerScriptError,
    SpeechBank,
    Step,
    WaitForAgent,
    WaitForSilence,
    WavCaller,
    load_script,
)
from callboard.media import WavError
from callboard.media.speech import SpeechEngines, SpeechUnavailable, load_speech
from callboard.protocols import deepgram
from callboard.protocols.grok import Profile

from ._app import UsageError

SpeechKind = Literal["auto", "local", "tones"]

# A caller for those who give none: greets, asks, interrupts, says goodbye.
CALLER: tuple[Step, ...] = (
    WaitForAgent(timeout=20.0),
    WaitForSilence(0.7),
    Say("Good morning. Are you open on Saturday?"),
    InterruptAfter(0.6, "Wait, I meant Thursday."),
    WaitForAgent(timeout=20.0),
    WaitForSilence(1.0),
    Say("Thank you, goodbye."),
    WaitForSilence(1.5),
    HangUp(),
)


def load_engines(kind: SpeechKind, model_dir: Path | None = None) -> SpeechEngines:
    """Load speech.

    Raises:
        UsageError: The engines asked for are not installed.
    """
    try:
        return load_speech(kind, model_dir=model_dir)
    except SpeechUnavailable as error:
        raise UsageError(str(error)) from error


def run_grok(
    *,
    host: str,
    port: int,
    speech: SpeechKind,
    model_dir: Path | None,
    script: Path | None,
    profile: Literal["observed", "documented"],
    seed: int | None,
) -> int:
    """Emulate the Grok Voice Agent API until interrupted."""
    brains = load_brains(script)
    engines = load_engines(speech, model_dir)
    emulator = GrokEmulator(
        GrokEmulatorOptions(profile=Profile(profile), seed=seed), engines=engines, brain_factory=brains
    )
    _serve(emulator, host, port, "/v1/realtime")
    return 0


def run_deepgram(
    *,
    host: str,
    port: int,
    speech: SpeechKind,
    model_dir: Path | None,
    script: Path | None,
    seed: int | None,
) -> int:
    """Emulate the Deepgram Voice Agent API until interrupted."""
    brains = load_brains(script)
    engines = load_engines(speech, model_dir)
    emulator = DeepgramEmulator(DeepgramEmulatorOptions(seed=seed), engines=engines, brain_factory=brains)
    _serve(emulator, host, port, deepgram.PATH)
    return 0


def load_brains(script: Path | None) -> Callable[[], Brain]:
    """What makes the brains of an emulated provider: of a script, or of rules.

    Raises:
        UsageError: The script is not one.
    """
    if script is None:
        return RuleBrain
    try:
        ScriptedBrain.load(script)
    except BrainScriptError as error:
        raise UsageError(str(error)) from error
    return lambda: ScriptedBrain.load(script)


def _serve(emulator: GrokEmulator | DeepgramEmulator, host: str, port: int, path: str) -> None:
    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with open_plain_nursery() as nursery:
                bound = await nursery.start(emulator.run, TcpNetwork(), host, port)
                print(f"listening on ws://{bound.authority}{path}", flush=True)
                await signals.__anext__()
                nursery.cancel_scope.cancel(reason="interrupted")

    trio.run(main)


def run_twilio(
    url: str,
    *,
    n_calls: int,
    script: Path | None,
    wav: Path | None,
    seconds: float,
    speech: SpeechKind,
    to: str,
    out: Path | None,
) -> int:
    """Place calls to a media socket; 0 if every one of them ended as it should."""
    if n_calls < 1:
        raise UsageError(f"--calls is {n_calls}, expected at least 1")
    callers = _callers(n_calls, script, wav, speech)
    carrier = CarrierEmulator(
        TcpNetwork(),
        url,
        custom_parameters={"to": to} if to else {},
        time_limit=seconds,
        # Another run of the program makes other calls.
        seed=secrets.randbits(64),
    )

    async def main() -> Sequence[CallResult]:
        return await carrier.place_calls(callers)

    try:
        results = trio.run(main)
    except* (ValueError, WavError) as group:
        raise UsageError(str(group.exceptions[0])) from group
    good = 0
    for number, result in enumerate(results, 1):
        good += result.outcome.end in {CallEnd.HUNG_UP, CallEnd.TIME_LIMIT, CallEnd.REMOTE_CLOSED}
        print(
            f"{result.call_sid}  {result.duration:7.2f} s  {result.outcome.end.value}  {result.outcome.reason}".rstrip()
        )
        if out is not None and result.started_at is not None:
            out.mkdir(parents=True, exist_ok=True)
            result.write_wav(out / f"caller-{number}.wav")
    return 0 if good == len(results) else 1


def _callers(n_calls: int, script: Path | None, wav: Path | None, speech: SpeechKind) -> list[Caller]:
    try:
        if wav is not None:
            return [WavCaller(wav) for _ in range(n_calls)]
        steps = CALLER if script is None else load_script(script)
    except (CallerScriptError, WavError) as error:
        raise UsageError(str(error)) from error
    bank = SpeechBank(load_engines(speech))
    return [ScriptedCaller(steps, bank) for _ in range(n_calls)]
