"""The small language in which callers are written, and its YAML and JSON form."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import attrs

from ._caller import DTMF_DIGITS

DEFAULT_TIMEOUT = 15.0


@attrs.frozen
class Say:
    """Say a text, to its end."""

    text: str


@attrs.frozen
class Wait:
    """Be silent for a while."""

    seconds: float


@attrs.frozen
class WaitForAgent:
    """Be silent until the agent is heard.

    Only what the agent says after the caller's last words counts.
    """

    min_speech: float = 0.1
    """So much speech must have been heard in one turn, float seconds."""
    timeout: float = DEFAULT_TIMEOUT


@attrs.frozen
class WaitForSilence:
    """Be silent until the agent has been; an agent that has not begun yet counts as silent."""

    seconds: float = 0.8
    timeout: float = 60.0


@attrs.frozen
class InterruptAfter:
    """Begin to speak while the agent speaks, and speak to the end."""

    seconds: float
    """After so much speech of the agent's present turn, float seconds."""
    text: str
    timeout: float = DEFAULT_TIMEOUT


@attrs.frozen
class Press:
    """Press keys, one each 0.2 s."""

    digits: str


@attrs.frozen
class HangUp:
    """End the call here; what follows is not done."""


Step: TypeAlias = Say | Wait | WaitForAgent | WaitForSilence | InterruptAfter | Press | HangUp


class ScriptError(ValueError):
    """A caller's script cannot be used; the text names the step."""


# The written name of each step, its class, and the argument that may stand alone (`say: Hello`).
_STEPS: Mapping[str, tuple[Callable[..., Step], str | None]] = {
    "say": (Say, "text"),
    "wait": (Wait, "seconds"),
    "wait_for_agent": (WaitForAgent, "min_speech"),
    "wait_for_silence": (WaitForSilence, "seconds"),
    "interrupt_after": (InterruptAfter, None),
    "press": (Press, "digits"),
    "hang_up": (HangUp, None),
}


def check_steps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps if they make sense.

    Raises:
        ScriptError: A text is empty, a time is negative, a key does not exist.
    """
    for number, step in enumerate(steps, 1):
        fault = _fault(step)
        if fault:
            raise ScriptError(f"step {number}, {type(step).__name__}: {fault}")
    return tuple(steps)


def parse_script(value: object) -> tuple[Step, ...]:
    """Read steps from decoded JSON or YAML.

    Args:
        value: A list of steps, or an object with such a list under `steps`. A step is a name (`hang_up`) or
            an object of one name: `{"say": "Hello"}`, `{"wait_for_silence": {"seconds": 0.8}}`.

    Raises:
        ScriptError: Something is not a step; the text tells which.
    """
    shown = repr(value)[:80]
    entries = cast("Mapping[str, object]", value).get("steps") if isinstance(value, Mapping) else value
    if not isinstance(entries, list):
        raise ScriptError(f"script is {shown}, expected a list of steps or an object with 'steps'")
    listed = cast("list[object]", entries)
    return check_steps([_step(number, entry) for number, entry in enumerate(listed, 1)])


def load_script(path: str | Path) -> tuple[Step, ...]:
    """Read steps from a `.yaml`, `.yml` or `.json` file.

    Raises:
        OSError: The file cannot be read.
        ScriptError: It is not a script, or YAML needs PyYAML, which is not installed.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        try:
            value: object = json.loads(text)
        except ValueError as error:
            raise ScriptError(f"{path.name} is not JSON: {error}") from None
    else:
        try:
            import yaml
        except ImportError:
            raise ScriptError(
                f"{path.name} needs PyYAML: pip install 'callboard[cli]', or use JSON"
            ) from None
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ScriptError(f"{path.name} is not YAML: {' '.join(str(error).split())[:200]}") from None
    return parse_script(value)


def _step(number: int, entry: object) -> Step:
    shown = repr(entry)[:80]
    name: object = entry
    given: object = None
    if isinstance(entry, Mapping):
        pairs = list(cast("Mapping[object, object]", entry).items())
        name, given = pairs[0] if len(pairs) == 1 else (None, None)
    if not isinstance(name, str) or name not in _STEPS:
        raise ScriptError(f"step {number} is {shown}, expected one of {', '.join(_STEPS)}")
    kind, single = _STEPS[name]
    if isinstance(given, Mapping):
        arguments = {str(key): entry for key, entry in cast("Mapping[object, object]", given).items()}
    elif given is None:
        arguments = {}
    elif single is None:
        raise ScriptError(f"step {number}, {name}: {repr(given)[:80]}, expected its arguments by name")
    else:
        # `press: 12` is a number to YAML.
        arguments = {single: str(given) if single == "digits" else given}
    try:
        return kind(**arguments)
    except TypeError as error:
        text = str(error).partition("() ")[2] or str(error)
        raise ScriptError(f"step {number}, {name}: {text}") from None


def _fault(step: Step) -> str:
    for name in ("text", "digits"):
        value: object = getattr(step, name, "-")
        if not isinstance(value, str) or not value.strip():
            return f"{name} is {repr(value)[:80]}, expected text"
    for name in ("seconds", "timeout", "min_speech"):
        number: object = getattr(step, name, 0.0)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 86400:
            return f"{name} is {repr(number)[:80]}, expected seconds"
    wrong = set(step.digits) - DTMF_DIGITS if isinstance(step, Press) else None
    return f"no such keys: {''.join(sorted(wrong))!r}, expected 0-9 * # A-D" if wrong else ""
