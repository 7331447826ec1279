"""A call that was placed in a lab."""

from typing import TYPE_CHECKING

import attrs
import trio

from ._bridge import Bridge
from ._hand_caller import HandCaller
from ._players import Player, Side
from ._staged import StagedCall
from ._view import CallView, Conversation, Latencies

if TYPE_CHECKING:
    from ._lab import Lab
    from ._plot import Plot
    from ._stage import Stage


# Longer than a caller that is on the line ever has to wait for the next frame, float seconds.
HEARS = 0.2


@attrs.frozen(kw_only=True)
class _Heard:
    """What a caller waits for, float seconds."""

    speech: float = 0.0
    silence: float = 0.0

    def by(self, caller: HandCaller) -> bool:
        return caller.ear.speech >= self.speech and caller.ear.silence >= self.silence


class LabCall:
    """A call that goes on by itself; made by `Lab.call`. What is looked at is always a copy of this moment."""

    def __init__(self, lab: "Lab", bridge: "Bridge[Stage]", stage: "Stage", staged: StagedCall) -> None:
        self._lab = lab
        self._bridge = bridge
        self._stage = stage
        self._staged = staged
        self._last: CallView | None = None
        self.number = staged.number
        """In the lab, from 1."""
        self.call_id = staged.call_id
        """The carrier's."""
        self.path = f"calls/{staged.call_id}"
        """Of its actors: `await lab.kill(f"{call.path}/leg")`."""

    async def wait(self) -> CallView:
        """Wait until nothing of the call is left.

        Returns:
            The whole of it.

        Raises:
            ScenarioFailed: Its scenario raised.
            CallFailed: The caller's script waited in vain.

        A cancelled call, or an interrupted cell, leaves the call as it is.
        """
        await self._bridge.run(self._staged.over.wait)
        view = self.view()
        view.check()
        return view

    # What the caller does

    async def say(self, text: str, *, wait: bool = True) -> None:
        """Have the caller say a text, or play a WAV file, now: over the agent, if it speaks.

        Args:
            text: The words, or the name of a file that ends in `.wav`.
            wait: Until it has been said.

        Raises:
            ValueError: The caller follows a script, or the call is over.
        """
        await self._bridge.run(self._say, text, wait)

    async def _say(self, text: str, wait: bool) -> None:
        caller = self._by_hand()
        utterance = await self._stage.bank.utterance(text)
        self._staged.note("says", text)
        caller.say(utterance.ulaw)
        while wait and caller.speaking and not self._staged.over.is_set():
            with trio.move_on_after(HEARS):
                await caller.heard.park()

    async def press(self, digits: str) -> None:
        """Press keys.

        Raises:
            ValueError: There is no such key, or the caller follows a script, or the call is over.
        """

        async def press() -> None:
            for digit in digits:
                self._by_hand().press(digit)
                await trio.sleep(0.2)

        await self._bridge.run(press)

    async def hang_up(self) -> CallView:
        """End the call as its caller, and wait until nothing of it is left.

        Raises:
            ScenarioFailed: Its scenario had raised.
        """

        async def hang_up() -> None:
            self._staged.carrier_call.hang_up()

        await self._bridge.run(hang_up)
        return await self.wait()

    async def agent_speaks(self, seconds: float = 0.1, *, patience: float = 20.0) -> bool:
        """Wait until the agent has spoken for a while after the caller's last words; for a caller by hand.

        Args:
            seconds: So long.
            patience: Wait no longer than this, float seconds.

        Returns:
            False where it did not.
        """
        return await self._bridge.run(self._await_ear, _Heard(speech=seconds), patience)

    async def agent_is_silent(self, seconds: float = 1.0, *, patience: float = 60.0) -> bool:
        """Wait until the agent has been silent for a while; for a caller by hand.

        Returns:
            False where it was not within `patience`.
        """
        return await self._bridge.run(self._await_ear, _Heard(silence=seconds), patience)

    def agent_talks(self, breath: float = 0.4) -> bool:
        """Whether the agent speaks at this moment; for a caller by hand.

        Args:
            breath: Pauses up to this long belong to it, float seconds.
        """
        if self._last is not None or not isinstance(self._staged.caller, HandCaller):
            return False
        ear = self._staged.caller.ear
        return self._bridge.call(lambda: ear.speech > 0 and ear.silence < breath)

    async def _await_ear(self, heard: _Heard, patience: float) -> bool:
        caller = self._by_hand()
        with trio.move_on_after(patience):
            while not heard.by(caller) and not self._staged.over.is_set():
                # Every 20 ms, unless the call is over.
                with trio.move_on_after(HEARS):
                    await caller.heard.park()
            return heard.by(caller)
        return False

    def _by_hand(self) -> HandCaller:
        caller = self._staged.caller
        if not isinstance(caller, HandCaller):
            raise ValueError(  # noqa: TRY004  # it is the wrong call, not the wrong type of argument
                "this caller follows a script; `await lab.call()` without one makes a caller by hand"
            )
        if self._staged.over.is_set():
            raise ValueError(f"call {self.number} is over")
        return caller

    # To be looked at

    def view(self) -> CallView:
        """The call as it is now."""
        if self._last is not None:
            return self._last
        view = self._lab.view(self.number)
        if not view.up:
            self._last = view
        return view

    @property
    def up(self) -> bool:
        """Whether it goes on."""
        return self.view().up

    @property
    def lines(self) -> Conversation:
        """The transcript so far."""
        return self.view().lines

    def audio(self, side: Side = "both", *, start: float = 0.0, end: float | None = None) -> Player:
        """See `CallView.audio`."""
        return self.view().audio(side, start=start, end=end)

    def timeline(self, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """See `CallView.timeline`."""
        return self.view().timeline(start=start, end=end)

    def waveform(self, *, start: float = 0.0, end: float | None = None) -> "Plot":
        """See `CallView.waveform`."""
        return self.view().waveform(start=start, end=end)

    def latencies(self) -> Latencies:
        """See `CallView.latencies`."""
        return self.view().latencies()

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def __repr__(self) -> str:
        return repr(self.view())
