"""The widgets: what buttons and keys do to a call."""

from collections.abc import Callable

import pytest
import trio

from callboard.notebook import Console, LabCall, LabEnded, start

pytest.importorskip("ipywidgets")


def talks(_call: LabCall, _breath: float = 0.0) -> bool:
    return True


async def until(done: Callable[[], bool]) -> None:
    with trio.fail_after(20.0):
        while not done():  # noqa: ASYNC110  # as somebody who looks at the widgets
            await trio.sleep(0.02)


async def until_said(console: Console, text: str) -> None:
    await until(lambda: text in console.text.value)


async def test_a_call_is_made_by_hand_and_a_key_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with await start(speech="tones") as lab:
        console = lab.console(interrupt="Stop.")
        call = console.dial()
        await until(lambda: bool(console.call_button.disabled))
        # A key while the agent speaks; the next ones are only typed.
        monkeypatch.setattr(LabCall, "agent_talks", talks)
        assert not console.say_button.disabled
        console.line.value = "A"
        console.line.value = "Are you open on Monday?"
        await until(lambda: len(lab.events("says")) == 1)
        console._entered(console.line, {"event": "submit"}, [])
        assert console.line.value == ""
        await until_said(console, "open from 9 to 5")
        console.hang_up()
        await until(call.done)
        assert console.hang_up_button.disabled
        assert [event.text for event in lab.events("says")] == ["Stop.", "Are you open on Monday?"]
    with pytest.raises(LabEnded):
        console.dial()


async def test_what_goes_wrong_is_shown_below_the_buttons() -> None:
    async with await start(speech="tones") as lab:
        console = lab.console()
        console.dial()
        await until_said(console, "call 1")
        console.say("no-such-file.wav")
        await until_said(console, "FileNotFoundError")
