import builtins
from pathlib import Path

import pytest

from callboard.actors.brains import BrainInput, CallTool, ScriptedBrain, ScriptError, Speak, Turn

from .talk import Talk

YAML = """
- say: Hello, this is the test line.
- when: open on
  say: One moment.
  call: {name: opening_hours, arguments: {day: Friday}}
- tool: opening_hours
  say: "On Friday we are open {result}."
- when: /bye|thanks/
  say: Goodbye.
  repeat: true
- say: [First of two., Second of two.]
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_is_followed(tmp_path: Path) -> None:
    brain = ScriptedBrain.load(written(tmp_path, "script.yaml", YAML))
    talk = Talk(brain=brain).tool("opening_hours", "9 to 5")
    assert talk.respond() == "Hello, this is the test line."
    assert talk.say("are you OPEN ON friday?") == "one moment. on friday we are open 9 to 5."
    assert talk.calls == [("opening_hours", {"day": "Friday"})]
    assert talk.say("thanks") == "goodbye."
    assert talk.say("bye") == "goodbye."
    assert talk.say("something else") == "first of two. second of two."
    assert talk.say("more") == "i am afraid that was all i had to say."


def test_a_line_that_was_cut_off_is_used_up() -> None:
    brain = ScriptedBrain([{"say": "one two three"}, {"say": "four"}])
    history = (
        Turn(role="user", text="a"),
        Turn(role="assistant", text="one two"),
        Turn(role="user", text="b"),
    )
    assert brain.respond(BrainInput(history=history)) == [Speak(text="four")]


def test_a_line_the_client_had_spoken_uses_nothing_up() -> None:
    brain = ScriptedBrain([{"say": "one"}])
    history = (Turn(role="assistant", text="A word from the sponsor."), Turn(role="user", text="hi"))
    assert brain.respond(BrainInput(history=history)) == [Speak(text="one")]


def test_a_script_may_say_nothing_at_its_end() -> None:
    assert ScriptedBrain([], fallback="").respond(BrainInput()) == []


def test_heard_words_can_be_said_back() -> None:
    brain = ScriptedBrain([{"say": "You said {heard}."}])
    assert brain.respond(BrainInput(history=(Turn(role="user", text="boo"),))) == [
        Speak(text="You said boo.")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"turns": ["hello", {"call": {"name": "f"}}], "fallback": "done"}'),
        ("a.toml", 'fallback = "done"\n[[turns]]\nsay = "hello"\n[[turns]]\ncall = {name = "f"}\n'),
        ("a.yml", "turns: [hello, {call: [{name: f}]}]\nfallback: done\n"),
        ("a.py", 'TURNS = ["hello", {"call": {"name": "f"}}]\nFALLBACK = "done"\n'),
    ],
)
def test_all_forms_of_files_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    brain = ScriptedBrain.load(written(tmp_path, name, text))
    first = BrainInput()
    assert brain.respond(first) == [Speak(text="hello")]
    second = BrainInput(history=(Turn(role="assistant", text="hello"), Turn(role="user", text="x")))
    assert brain.respond(second) == [CallTool(name="f")]


def test_a_python_script_may_be_a_function(tmp_path: Path) -> None:
    text = "from callboard.actors.brains import Speak\n\ndef respond(given):\n    return [Speak(text=given.voice)]\n"
    brain = ScriptedBrain.load(written(tmp_path, "a.py", text))
    assert brain.respond(BrainInput(voice="eve")) == [Speak(text="eve")]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.yaml", "- say: hello\n- say: [1]\n", "turn 2: 'say' is"),
        ("a.yaml", "- say: yes\n", "turn 1: 'say' is True"),
        ("a.yaml", "- say: x\n  wen: y\n", "turn 1: unknown key 'wen'"),
        ("a.yaml", "- when: x\n", "turn 1: neither"),
        ("a.yaml", "- call: {arguments: {}}\n", "turn 1: 'call' has the name None"),
        ("a.yaml", "- call: {name: f, arguments: 3}\n", "turn 1: 'arguments' is 3"),
        ("a.yaml", "- say: x\n  when: /(/\n", "turn 1: 'when' is not a regular expression"),
        ("a.yaml", "- 5\n", "turn 1: 5"),
        ("a.yaml", "hello\n", "expected a list of turns"),
        ("a.yaml", "turns: []\nfallback: 3\n", "'fallback' is 3"),
        ("a.yaml", "- say: 'x\n- say: y\n", "line"),
        ("a.json", '["x",\n 3,,]', "line 2"),
        ("a.json", '{"turn": []}', "unknown key 'turn'"),
        ("a.toml", "turns = [", "a.toml"),
        ("a.py", "TURN = []", "found neither"),
        ("a.py", "1 / 0", "ZeroDivisionError"),
        ("a.txt", "hello", "expected .yaml"),
    ],
)
def test_a_bad_script_is_refused_with_its_place(tmp_path: Path, name: str, text: str, place: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(ScriptError) as caught:
        ScriptedBrain.load(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("name", ["a.yaml", "a.py"])
def test_a_missing_script_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScriptError, match="cannot read the script"):
        ScriptedBrain.load(tmp_path / name)


def test_yaml_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ScriptError, match=r"callboard\[cli\]"):
        ScriptedBrain.load(written(tmp_path, "a.yaml", "- say: x\n"))
