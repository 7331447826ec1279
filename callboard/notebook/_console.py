"""Widgets for trying an agent by hand: type as the caller, play a recording, press a key to interrupt."""

import functools
import importlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from ._errors import LabEnded
from ._players import need

if TYPE_CHECKING:
    from ._lab import Lab
    from ._lab_call import LabCall

# The transcript is looked at so often while a call is up, float seconds.
EVERY = 0.25
# An agent that was silent for no longer than this is in the middle of something, float seconds.
BREATH = 0.4
NO_FILE = "(a WAV file here)"


class Console:
    """A telephone in a notebook; made by `Lab.console`.

    What is typed is said by the caller when Enter is pressed. The first key that is pressed while the agent speaks
    interrupts it: the caller says a short word at once.

    Args:
        lab: Where calls are placed.
        interrupt: That word.
        folder: Where WAV files to choose from are.

    Raises:
        PackageMissing: ipywidgets is not installed.
    """

    def __init__(self, lab: "Lab", *, interrupt: str = "Wait.", folder: Path | str = ".") -> None:
        try:
            widgets: Any = importlib.import_module("ipywidgets")
        except ImportError:
            raise need("ipywidgets") from None
        self._lab = lab
        self._interrupt_text = interrupt
        self._call: LabCall | None = None
        self._interrupted = False
        wide = widgets.Layout(width="34em")
        self.call_button: Any = widgets.Button(description="Call", button_style="success")
        self.hang_up_button: Any = widgets.Button(description="Hang up", disabled=True)
        self.interrupt_button: Any = widgets.Button(description="Interrupt", disabled=True)
        self.line: Any = widgets.Text(
            placeholder="what the caller says, then Enter", layout=wide, continuous_update=True
        )
        self.say_button: Any = widgets.Button(description="Say", disabled=True)
        recordings = [NO_FILE, *sorted(str(path) for path in Path(folder).glob("*.wav"))]
        self.recording: Any = widgets.Dropdown(options=recordings, layout=wide)
        self.play_button: Any = widgets.Button(description="Play", disabled=True)
        self.key_interrupts: Any = widgets.Checkbox(
            value=True, indent=False, description="a key interrupts the agent"
        )
        self.text: Any = widgets.HTML(value="<i>no call</i>")
        self.box: Any = widgets.VBox(
            [
                widgets.HBox(
                    [self.call_button, self.hang_up_button, self.interrupt_button, self.key_interrupts]
                ),
                widgets.HBox([self.line, self.say_button]),
                widgets.HBox([self.recording, self.play_button]),
                self.text,
            ]
        )
        for button, action in (
            (self.call_button, self.dial),
            (self.hang_up_button, self.hang_up),
            (self.interrupt_button, self.interrupt),
            (self.say_button, self.say),
            (self.play_button, self.play),
        ):
            button.on_click(functools.partial(_clicked, action))
        self.line.on_msg(self._entered)
        self.line.observe(self._typed, names="value")

    # What the widgets do; a program may, too.

    def dial(self) -> "Future[None]":
        """Place a call."""
        return self._begin(self._dial)

    def say(self, text: str | None = None) -> "Future[None]":
        """Have the caller say what was typed.

        Args:
            text: Or this.
        """
        said = self.line.value if text is None else text
        self.line.value = ""
        return self._begin(self._say, said)

    def play(self) -> "Future[None]":
        """Have the caller play the recording that is chosen."""
        return self._begin(self._say, "" if self.recording.value == NO_FILE else self.recording.value)

    def interrupt(self) -> "Future[None]":
        """Have the caller cut in."""
        return self._begin(self._say, self._interrupt_text)

    def hang_up(self) -> "Future[None]":
        """End the call as its caller."""
        return self._begin(self._hang_up)

    # Where the system is

    async def _dial(self) -> None:
        if self._call is not None and self._call.up:
            return
        self._call = await self._lab.call()
        # What is said at the press of a key is there beforehand.
        await self._lab.speak(self._interrupt_text)
        self._enable(True)
        try:
            while self._call.up:
                self._show()
                await trio.sleep(EVERY)  # what is shown has many sources
        finally:
            self._show()
            self._enable(False)

    async def _say(self, text: str) -> None:
        if self._call is not None and text.strip():
            await self._call.say(text, wait=False)

    async def _hang_up(self) -> None:
        if self._call is not None and self._call.up:
            await self._call.hang_up()

    def _entered(self, _widget: object, content: Mapping[str, object], _buffers: object) -> None:
        """Enter was pressed."""
        if content.get("event") == "submit":
            self.say()

    def _typed(self, change: Any) -> None:
        """A key was pressed."""
        call = self._call
        if not change["new"]:
            self._interrupted = False
        elif (
            self.key_interrupts.value
            and not self._interrupted
            and call is not None
            and call.agent_talks(BREATH)
        ):
            self._interrupted = True
            self.interrupt()

    def _begin(self, function: Callable[..., Awaitable[None]], *arguments: object) -> "Future[None]":
        try:
            future = self._lab.submit(function, *arguments)
        except LabEnded as ended:
            self.text.value = f"<b>{escape(str(ended))}</b>"
            raise
        future.add_done_callback(self._told)
        return future

    def _told(self, future: "Future[None]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self.text.value += f"<div><b>{escape(type(error).__name__)}: {escape(str(error))}</b></div>"

    def _enable(self, up: bool) -> None:
        self.call_button.disabled = up
        for button in (self.hang_up_button, self.interrupt_button, self.say_button, self.play_button):
            button.disabled = not up

    def _show(self) -> None:
        if self._call is not None:
            html = self._call.view()._repr_html_()
            if html != self.text.value:
                self.text.value = html

    def _ipython_display_(self) -> None:
        display: Any = importlib.import_module("IPython.display").display
        display(self.box)


def _clicked(action: Callable[[], object], _button: object) -> None:
    action()
