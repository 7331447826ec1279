"""A brain that follows a script.

A script is a list of turns, in YAML, JSON, TOML or Python:

    - say: "Hello, this is the test line."
    - when: "open on"                     # a part of what the caller said last, any case
      say: "One moment."
      call: {name: opening_hours, arguments: {day: Friday}}
    - tool: opening_hours                 # answers this function's result
      say: "On Friday we are open {result}."
    - when: "/bye|thanks/"                # between slashes: a regular expression
      say: "Goodbye."
      repeat: true                        # may be used any number of times

For each response the first unused turn whose `when` or `tool` fits is taken, otherwise the next unused turn without
either, otherwise the fallback. `{result}` stands for the last result of a function, `{heard}` for what the caller
said last. A file may also be a mapping with `turns` and `fallback`. A Python file defines `TURNS` (and `FALLBACK`),
or a function `respond(given)` that does everything itself.
"""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import attrs

from ._schema import is_list, is_mapping
from ._types import BrainInput, CallTool, Speak, Turn

_FALLBACK = "I am afraid that was all I had to say."
_TURN_KEYS = frozenset(("when", "tool", "say", "call", "repeat"))
_FILE_KEYS = frozenset(("turns", "fallback"))


class ScriptError(ValueError):
    """A script cannot be read or is not of the right form; the message names the place."""


@attrs.frozen(kw_only=True)
class ScriptTurn:
    """One turn of a script."""

    say: tuple[str, ...] = ()
    call: tuple[CallTool, ...] = ()
    when: re.Pattern[str] | None = None
    """What the caller must have said."""

    tool: str = ""
    """The function whose result must have come."""

    repeat: bool = False
    """Whether it may be used more than once."""

    @property
    def conditional(self) -> bool:
        """Whether it waits for something."""
        return self.when is not None or bool(self.tool)


class ScriptedBrain:
    """Answers by a script; like every brain it keeps nothing, and reads its place from the conversation."""

    def __init__(
        self, turns: Sequence[ScriptTurn | Mapping[str, object]], *, fallback: str = _FALLBACK
    ) -> None:
        """Make a brain.

        Args:
            turns: The script; mappings have the keys of a script file.
            fallback: What is said when nothing is left; "" says nothing.

        Raises:
            ScriptError: A turn is not of the right form.
        """
        self._turns = tuple(
            turn if isinstance(turn, ScriptTurn) else _turn(turn, f"turn {number}")
            for number, turn in enumerate(turns, 1)
        )
        self._fallback = fallback
        self._respond: Callable[[BrainInput], Sequence[Speak | CallTool]] | None = None

    @classmethod
    def load(cls, path: str | Path) -> ScriptedBrain:
        """Read a script file; the ending (.yaml, .yml, .json, .toml, .py) tells its form.

        A .py file is executed.

        Raises:
            ScriptError: The file cannot be read, or is not of the right form.
        """
        path = Path(path)
        if path.suffix.lower() == ".py":
            return _load_python(cls, path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScriptError(f"cannot read the script {str(path)!r}: {error}") from error
        return _brain_of(cls, _parse(path, text), str(path))

    def respond(self, given: BrainInput) -> Sequence[Speak | CallTool]:
        """Answer with the turn that is due; see `Brain.respond`."""
        if self._respond is not None:
            return self._respond(given)
        used: set[int] = set()
        inputs: list[Turn] = []
        outputs: list[Turn] = []
        names = {
            turn.call_id: turn.name for turn in given.history if turn.role == "assistant" and turn.call_id
        }
        for turn in given.history:
            if turn.role == "tool" and not turn.name:
                turn = attrs.evolve(turn, name=names.get(turn.call_id, ""))  # noqa: PLW2901
            if turn.role == "assistant":
                outputs.append(turn)
                continue
            if outputs:
                self._consume(inputs, outputs, used)
                inputs, outputs = [], []
            if turn.role in ("user", "tool"):
                inputs.append(turn)
        if outputs:
            self._consume(inputs, outputs, used)
            inputs = []
        index = self._due(inputs, used)
        if index is None:
            return [Speak(text=self._fallback)] if self._fallback else []
        return _actions(self._turns[index], given.history)

    def _due(self, inputs: Sequence[Turn], used: set[int]) -> int | None:
        heard = " ".join(turn.text for turn in inputs if turn.role == "user")
        results = {turn.name for turn in inputs if turn.role == "tool"}
        free = [i for i, turn in enumerate(self._turns) if i not in used or turn.repeat]
        for index in free:
            turn = self._turns[index]
            if (turn.when is not None and heard and turn.when.search(heard)) or (
                turn.tool and turn.tool in results
            ):
                return index
        return next((index for index in free if not self._turns[index].conditional), None)

    def _consume(self, inputs: Sequence[Turn], outputs: Sequence[Turn], used: set[int]) -> None:
        """Mark the turn that a past response came from.

        A response that does not look like it (a line the client had spoken) uses none up.
        """
        index = self._due(inputs, used)
        if index is None:
            return
        turn = self._turns[index]
        called = {call.name for call in turn.call}
        for output in outputs:
            if output.name in called and output.name:
                used.add(index)
            # An interrupted line is in the conversation as far as it was heard.
            if output.text and any(_alike(line, output.text) for line in turn.say):
                used.add(index)


def _alike(line: str, said: str) -> bool:
    line, said = (" ".join(text.split()) for text in (line, said))
    fixed = line.split("{", 1)[0]
    return said.startswith(fixed) if "{" in line and fixed else line.startswith(said) or said.startswith(line)


def _actions(turn: ScriptTurn, history: Sequence[Turn]) -> list[Speak | CallTool]:
    result = next((t.text for t in reversed(history) if t.role == "tool"), "")
    heard = next((t.text for t in reversed(history) if t.role == "user"), "")
    lines = (line.replace("{result}", result).replace("{heard}", heard) for line in turn.say)
    return [*(Speak(text=line) for line in lines), *turn.call]


def _parse(path: Path, text: str) -> object:
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return cast("object", json.loads(text))
        if suffix == ".toml":
            return tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise ScriptError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScriptError(f"{path}: {error}") from error
    if suffix in (".yaml", ".yml"):
        return _parse_yaml(path, text)
    raise ScriptError(
        f"the script {str(path)!r} ends in {suffix!r}, expected .yaml, .yml, .json, .toml or .py"
    )


def _parse_yaml(path: Path, text: str) -> object:
    try:
        import yaml
    except ImportError as error:
        raise ScriptError(f'{path}: scripts in YAML need PyYAML: pip install "callboard[cli]"') from error
    try:
        return cast("object", yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ScriptError(f"{path}{place}: {error.problem or error.context or 'not YAML'}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ScriptError(f"{path}: {error}") from error


def _load_python(cls: type[ScriptedBrain], path: Path) -> ScriptedBrain:
    spec = importlib.util.spec_from_file_location(f"_callboard_script_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ScriptError(f"cannot read the script {str(path)!r}: no such file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a script is a program: anything can go wrong in it
        raise ScriptError(f"the script {str(path)!r} failed: {type(error).__name__}: {error}") from error
    names: dict[str, object] = vars(module)
    respond = names.get("respond")
    if callable(respond):
        brain = cls([])
        brain._respond = cast("Callable[[BrainInput], Sequence[Speak | CallTool]]", respond)
        return brain
    if "TURNS" not in names:
        raise ScriptError(f"{path}: expected TURNS (a list) or respond (a function), found neither")
    return _brain_of(cls, {"turns": names["TURNS"], "fallback": names.get("FALLBACK", _FALLBACK)}, str(path))


def _brain_of(cls: type[ScriptedBrain], loaded: object, place: str) -> ScriptedBrain:
    fallback: object = _FALLBACK
    if is_mapping(loaded):
        _known_keys(loaded, _FILE_KEYS, place)
        fallback = loaded.get("fallback", _FALLBACK)
        loaded = loaded.get("turns")
    if not is_list(loaded):
        raise ScriptError(f"{place}: a {type(loaded).__name__}, expected a list of turns")
    if not isinstance(fallback, str):
        raise ScriptError(f"{place}: 'fallback' is {_shown(fallback)}, expected text")
    turns = [
        turn if isinstance(turn, ScriptTurn) else _turn(turn, f"{place}, turn {number}")
        for number, turn in enumerate(loaded, 1)
    ]
    return cls(turns, fallback=fallback)


def _turn(raw: object, place: str) -> ScriptTurn:
    if isinstance(raw, str):
        return ScriptTurn(say=(raw,))
    if not is_mapping(raw):
        raise ScriptError(f"{place}: {_shown(raw)}, expected a mapping with 'say' or 'call'")
    _known_keys(raw, _TURN_KEYS, place)
    say, call, tool, repeat = (
        raw.get("say", ()),
        raw.get("call", ()),
        raw.get("tool", ""),
        raw.get("repeat", False),
    )
    lines = (say,) if isinstance(say, str) else say
    if not is_list(lines) or not all(isinstance(line, str) for line in lines):
        raise ScriptError(f"{place}: 'say' is {_shown(say)}, expected text or a list of texts")
    calls = (call,) if is_mapping(call) else call
    if not is_list(calls):
        raise ScriptError(
            f"{place}: 'call' is {_shown(call)}, expected a mapping with 'name' and 'arguments'"
        )
    if not isinstance(tool, str):
        raise ScriptError(f"{place}: 'tool' is {_shown(tool)}, expected a function's name")
    if not isinstance(repeat, bool):
        raise ScriptError(f"{place}: 'repeat' is {_shown(repeat)}, expected true or false")
    if not lines and not calls:
        raise ScriptError(f"{place}: neither 'say' nor 'call'")
    return ScriptTurn(
        say=tuple(line for line in lines if isinstance(line, str)),
        call=tuple(_call(item, place) for item in calls),
        when=_when(raw.get("when"), place),
        tool=tool,
        repeat=repeat,
    )


def _when(raw: object, place: str) -> re.Pattern[str] | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not raw:
        raise ScriptError(f"{place}: 'when' is {_shown(raw)}, expected text or '/regular expression/'")
    expression = raw[1:-1] if len(raw) > 2 and raw.startswith("/") and raw.endswith("/") else re.escape(raw)
    try:
        return re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise ScriptError(f"{place}: 'when' is not a regular expression: {error}") from error


def _call(raw: object, place: str) -> CallTool:
    if isinstance(raw, CallTool):
        return raw
    if not is_mapping(raw):
        raise ScriptError(f"{place}: 'call' is {_shown(raw)}, expected a mapping with 'name' and 'arguments'")
    _known_keys(raw, frozenset(("name", "arguments")), f"{place}, 'call'")
    name, arguments = raw.get("name"), raw.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise ScriptError(f"{place}: 'call' has the name {_shown(name)}, expected a function's name")
    if not is_mapping(arguments):
        raise ScriptError(f"{place}: 'arguments' is {_shown(arguments)}, expected a mapping")
    return CallTool(name=name, arguments=dict(arguments))


def _known_keys(raw: Mapping[str, object], known: frozenset[str], place: str) -> None:
    for key in raw:
        if key not in known:
            raise ScriptError(f"{place}: unknown key {_shown(key)}, expected {', '.join(sorted(known))}")


def _shown(value: object) -> str:
    return repr(value)[:80]
