"""The messages of the Deepgram wire: all there, under their names, and as tolerant as real servers require."""

import json
from pathlib import Path

import attrs
import pytest
from hypothesis import given

from callboard.protocols import deepgram as dg
from tests.protocols.deepgram_kit import decode, example_object, instances

LIST = Path(__file__).parent.parent / "data" / "deepgram_messages.txt"
LINES = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
SIDES: dict[str, tuple[str, tuple[type[dg.Message], ...]]] = {
    "C": ("client", dg.CLIENT_MESSAGES),
    "S": ("server", dg.SERVER_MESSAGES),
}


@pytest.mark.parametrize("line", LINES, ids=lambda line: "-".join(line[:2]))
def test_every_message_of_the_list_has_its_class(line: list[str]) -> None:
    letter, kind, *name = line
    side, classes = SIDES[letter]
    cls = getattr(dg, name[0] if name else kind)
    assert cls in classes
    assert cls.type == kind
    assert issubclass(cls, dg.ClientMessage if letter == "C" else dg.ServerMessage)
    assert type(decode(side, json.dumps(example_object(cls))).event) is cls


def test_every_class_is_in_the_list() -> None:
    for letter, (_, classes) in SIDES.items():
        assert sorted(cls.__dict__["type"] for cls in classes) == sorted(
            line[1] for line in LINES if line[0] == letter
        )


def test_every_message_is_frozen_and_hashable_without_json() -> None:
    message = dg.Welcome(request_id="r")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        message.request_id = "s"  # type: ignore[misc]
    assert hash(message) == hash(dg.Welcome(request_id="r"))


def receive(**fields: object) -> dg.Message:
    return dg.decode_server_message(json.dumps(fields)).event


# --- what not every server sends


def test_text_of_a_server_without_behaviors() -> None:
    text = receive(type="ConversationText", role="user", content="Any mooring?")
    assert text == dg.ConversationText(role="user", content="Any mooring?", conversational_behavior="default")


def test_text_of_the_multilingual_model() -> None:
    text = receive(
        type="ConversationText",
        role="user",
        content="Bonjour",
        conversational_behavior="default",
        languages_hinted=["en", "fr"],
        languages=["fr"],
    )
    assert isinstance(text, dg.ConversationText)
    assert (text.languages_hinted, text.languages) == (("en", "fr"), ("fr",))


def test_both_shapes_of_history() -> None:
    line = receive(type="History", role="assistant", content="It floats.")
    assert line == dg.History(role="assistant", content="It floats.")
    call = {"id": "c1", "name": "tide", "client_side": False, "arguments": '{"day": 1}', "response": "high"}
    calls = receive(type="History", function_calls=[call])
    assert calls == dg.History(
        function_calls=(
            dg.HistoryFunctionCall(
                id="c1", name="tide", client_side=False, arguments='{"day": 1}', response="high"
            ),
        )
    )


def test_history_of_a_server_is_context_of_a_client() -> None:
    """What was reported live goes into the settings of the next connection as it is."""
    call = dg.HistoryFunctionCall(
        id="c1", name="tide", client_side=True, arguments="{}", response="high", thought_signature="s"
    )
    told = (dg.History(role="user", content="Tide?"), dg.History(function_calls=(call,)))
    heard = tuple(dg.decode_server_message(dg.encode(entry)).event for entry in told)
    assert heard == told
    context = dg.Context(messages=told)
    settings = dg.Settings(audio=dg.Audio(), agent=dg.Agent(context=context))
    dg.check_settings(settings)
    wire = json.loads(dg.encode(settings))
    assert wire["agent"]["context"]["messages"] == [json.loads(dg.encode(entry)) for entry in told]
    assert dg.parse_settings(wire) == settings


@pytest.mark.parametrize("kind", ["Error", "Warning"])
def test_problem_without_its_fields_is_still_one(kind: str) -> None:
    cls = dg.ErrorMessage if kind == "Error" else dg.WarningMessage
    assert receive(type=kind) == cls()
    assert receive(type=kind, message="an older form") == cls()
    assert receive(type=kind, code="DATA-0002", description="d") == cls(code="DATA-0002", description="d")


def test_refusal_with_and_without_a_reason() -> None:
    assert receive(type="InjectionRefused") == dg.InjectionRefused()
    assert receive(type="InjectionRefused", message="m") == dg.InjectionRefused(message="m")


def test_several_calls_in_one_request() -> None:
    call = {"id": "c1", "name": "tide", "arguments": "{}", "client_side": True}
    request = receive(type="FunctionCallRequest", functions=[call, call | {"id": "c2", "client_side": False}])
    assert isinstance(request, dg.FunctionCallRequest)
    assert [(given.id, given.client_side) for given in request.functions] == [("c1", True), ("c2", False)]


@pytest.mark.parametrize("content", [None, 0, "", [1], {"a": None}, True])
def test_custom_content_may_be_anything(content: object) -> None:
    sent = dg.CustomToThinkProvider(content=content)
    assert json.loads(dg.encode(sent)) == {"type": "__customToThinkProvider", "content": content}
    assert dg.decode_client_message(dg.encode(sent)).event == sent
    assert receive(type="__customFromThinkProvider", content=content) == dg.CustomFromThinkProvider(
        content=content
    )


# --- latency


def test_reports_of_one_figure_each_are_merged() -> None:
    whole = dg.LatencyReport()
    for name, value in {"ttt_token_latency": 0.31, "tts_latency": 0, "total_latency": 0.74}.items():
        part = receive(type="LatencyReport", **{name: value})
        assert isinstance(part, dg.LatencyReport)
        whole = whole.merge(part)
    assert whole == dg.LatencyReport(ttt_token_latency=0.31, tts_latency=0.0, total_latency=0.74)
    assert whole.merge(dg.LatencyReport(total_latency=0.8)).total_latency == 0.8


@given(instances(dg.LatencyReport), instances(dg.LatencyReport))
def test_merged_report_has_every_figure_and_the_later_one(
    first: dg.LatencyReport, second: dg.LatencyReport
) -> None:
    merged = first.merge(second)
    for name in attrs.fields_dict(dg.LatencyReport):
        later = getattr(second, name)
        assert getattr(merged, name) == (getattr(first, name) if later is None else later)
    assert first.merge(dg.LatencyReport()) == dg.LatencyReport().merge(first) == first
