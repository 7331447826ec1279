"""What happens in a demo: who provides the agent, what the caller does, and what must have happened at the end."""

from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from callboard.actors import Bound, Network, Speaker, VoiceAgent
from callboard.actors.emulators import (
    DeepgramEmulator,
    DeepgramEmulatorOptions,
    GrokEmulator,
    GrokEmulatorOptions,
    HangUp,
    InterruptAfter,
    Say,
    Step,
    WaitForAgent,
    WaitForSilence,
)
from callboard.media.speech import SpeechEngines

QUESTION = "Good morning. Could you tell me whether the clinic is open on Saturday?"
INTERRUPTION = "Wait, I meant Thursday. Are you open on Thursday?"
# Only whoever knows the question before can tell what it is about.
NEXT_QUESTION = "And what about Thursday?"
GOODBYE = "Thank you very much, goodbye."
SEED = 7


class Emulator(Protocol):
    """An emulated provider."""

    async def run(
        self, network: Network, host: str = ..., port: int = ..., *, task_status: trio.TaskStatus[Bound]
    ) -> None:
        """Listen and serve until cancelled."""
        ...


EMULATORS: dict[str, Callable[[SpeechEngines], Emulator]] = {
    "grok": lambda engines: GrokEmulator(GrokEmulatorOptions(seed=SEED), engines=engines),
    "deepgram": lambda engines: DeepgramEmulator(DeepgramEmulatorOptions(seed=SEED), engines=engines),
}


@attrs.frozen(kw_only=True)
class DemoPlan:
    """One kind of demo."""

    providers: tuple[str, ...] = ("grok",)
    """The preferred one first; where there are two, the first one dies in the middle of an answer."""

    @property
    def fails_over(self) -> bool:
        """Whether a provider dies."""
        return len(self.providers) > 1

    def steps(self, *, spoken: bool) -> tuple[Step, ...]:
        """What the caller does. Words as tones are much shorter than spoken ones, so they are interrupted sooner.

        Args:
            spoken: The agent speaks, rather than sends tones.
        """
        return (
            WaitForAgent(timeout=20.0),
            WaitForSilence(0.8),
            Say(QUESTION),
            *(self._waits() if self.fails_over else self._interrupts(spoken=spoken)),
            WaitForAgent(min_speech=0.5 if spoken else 0.1, timeout=20.0),
            WaitForSilence(1.0),
            Say(GOODBYE),
            WaitForAgent(timeout=20.0),
            WaitForSilence(1.0),
            HangUp(),
        )

    def _interrupts(self, *, spoken: bool) -> tuple[Step, ...]:
        # In the middle of the answer, behind its "let me check".
        return (InterruptAfter(2.8 if spoken else 1.0, INTERRUPTION, timeout=20.0),)

    def _waits(self) -> tuple[Step, ...]:
        # Longer than the pause between two providers.
        return (WaitForAgent(timeout=20.0), WaitForSilence(3.0), Say(NEXT_QUESTION))

    def faults(self, agent: VoiceAgent) -> list[str]:
        """What should have happened, and has not."""
        lines = agent.transcript.lines
        faults: list[str] = []
        if Speaker.TOOL not in {line.speaker for line in lines}:
            faults.append("no tool was called")
        if not self.fails_over:
            if not any(line.interrupted for line in lines):
                faults.append("no answer was interrupted")
        elif agent.provider != self.providers[-1]:
            faults.append(f"{agent.provider} was not replaced")
        elif not any("9 to 7" in line.text for line in lines if line.speaker is Speaker.AGENT):
            faults.append("the question that leans on the one before was not answered")
        return faults
