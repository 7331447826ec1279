"""Our classes beside those of Deepgram's own client: the same messages, the same fields."""

import inspect
import json
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import cast

import attrs
import pytest
from hypothesis import given

from callboard.protocols import deepgram as dg
from tests.protocols.deepgram_kit import example_object, hints, server_messages
from tests.protocols.test_deepgram_settings import FULL

pydantic = pytest.importorskip("pydantic")
sdk: ModuleType = pytest.importorskip("deepgram.agent.v1.types")

# Ours to the ending of theirs, where there is more than our name.
NAMES: dict[type[dg.Message], tuple[str, ...]] = {
    dg.ErrorMessage: ("Error",),
    dg.WarningMessage: ("Warning",),
    dg.History: ("HistoryContent", "HistoryFunctionCalls"),
    dg.FunctionCallResponse: ("SendFunctionCallResponse", "ReceiveFunctionCallResponse"),
    dg.InjectAgentMessage: ("InjectAgentMessage", "InjectDynamicAgentMessage"),
}
ALL = {*dg.CLIENT_MESSAGES, *dg.SERVER_MESSAGES}


class Field(typing.Protocol):
    """What we look at of a field of theirs."""

    alias: str | None
    annotation: object


def theirs(cls: type[dg.Message]) -> tuple[type, ...]:
    return tuple(getattr(sdk, f"AgentV1{name}") for name in NAMES.get(cls, (cls.__name__,)))


def fields_of(model: type) -> dict[str, Field]:
    found = cast("dict[str, Field]", getattr(model, "model_fields"))  # noqa: B009
    return {field.alias or name: field for name, field in found.items()}


def inner(hint: object, base: typing.Callable[[type], bool]) -> Iterator[type]:
    """The classes inside a type."""
    if inspect.isclass(hint) and base(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from inner(argument, base)


def paths_of_theirs(model: type, path: str = "") -> Iterator[str]:
    for name, field in fields_of(model).items():
        yield f"{path}{name}"
        for part in inner(field.annotation, lambda cls: issubclass(cls, pydantic.BaseModel)):
            yield from paths_of_theirs(part, f"{path}{name}.")


def paths_of_ours(cls: type, path: str = "") -> Iterator[str]:
    for name, hint in hints(cls).items():
        yield f"{path}{name}"
        for part in inner(hint, attrs.has):
            yield from paths_of_ours(part, f"{path}{name}.")


def through_theirs(model: type, wire: dict[str, object]) -> dict[str, object]:
    """What one of their classes makes of a message."""
    instance = getattr(model, "model_validate")(wire)  # noqa: B009
    return cast("dict[str, object]", instance.model_dump(mode="json", by_alias=True, exclude_none=True))


# Mappings with us: what is in them is between a client and a provider.
OPEN = (".credentials.", ".voice.")


@pytest.mark.parametrize("name", sorted(cls.__name__ for cls in ALL))
def test_every_field_of_theirs_is_one_of_ours(name: str) -> None:
    cls: type[dg.Message] = getattr(dg, name)
    expected = {path for model in theirs(cls) for path in paths_of_theirs(model)}
    # The type of a message is no field with us.
    expected -= {"type", "agent.context.messages.type"}
    expected = {path for path in expected if not any(part in f".{path}" for part in OPEN)}
    # Another name of language_hints inside their client, which it does not send.
    expected = {path for path in expected if not path.endswith("language_hint")}
    found = set(paths_of_ours(cls))
    assert expected <= found
    more = {path for path in found - expected if not path.endswith("endpoint.method")}
    assert more <= {"thought_signature"}


@given(server_messages)
def test_their_client_reads_what_our_server_writes(message: dg.ServerMessage) -> None:
    if isinstance(message, dg.History):
        kind = "HistoryFunctionCalls" if message.function_calls is not None else "HistoryContent"
        if message.function_calls is None and (message.role is None or message.content is None):
            return
        model = getattr(sdk, f"AgentV1{kind}")
    else:
        model = theirs(type(message))[-1]
    if isinstance(message, dg.InjectionRefused) and message.message is None:
        return
    read = through_theirs(model, json.loads(dg.encode(message)))
    assert dg.decode_server_message(json.dumps(read)).event == message


def test_our_server_reads_what_their_client_writes() -> None:
    written = through_theirs(sdk.AgentV1Settings, FULL)
    decoded = dg.decode_client_message(json.dumps(written)).event
    assert isinstance(decoded, dg.Settings)
    dg.check_settings(decoded)
    agent = decoded.agent
    assert isinstance(agent, dg.Agent)
    assert agent.greeting == "Boatyard, good morning."
    assert len(agent.think_chain) == len(agent.speak_chain) == 2
    assert agent.context is not None
    assert [entry.role for entry in agent.context.messages or ()] == ["user", None, "assistant"]


AGENT = cast("dict[str, object]", FULL["agent"])
UPDATES: dict[type[dg.ClientMessage], dict[str, object]] = {
    dg.UpdateListen: {"listen": AGENT["listen"]},
    dg.UpdateThink: {"think": AGENT["think"]},
    dg.UpdateSpeak: {"speak": AGENT["speak"]},
    dg.UpdateThinkLive: {"think_live": {"provider": {"version": "v1", "frustration_max_count": 1}}},
}


@pytest.mark.parametrize(
    "cls",
    [cls for cls in dg.CLIENT_MESSAGES if cls not in {dg.Settings, dg.InjectAgentMessage}],
    ids=lambda cls: cls.__name__,
)
def test_our_server_reads_every_message_of_their_client(cls: type[dg.ClientMessage]) -> None:
    written = through_theirs(theirs(cls)[0], {"type": cls.type, **UPDATES.get(cls, example_object(cls))})
    assert type(dg.decode_client_message(json.dumps(written)).event) is cls


def test_both_forms_of_their_injections_are_read() -> None:
    said = sdk.AgentV1InjectAgentMessage(message="Closing.", behavior="queue").model_dump(exclude_none=True)
    assert dg.decode_client_message(json.dumps(said)).event == dg.InjectAgentMessage(
        message="Closing.", behavior="queue"
    )
    free = sdk.AgentV1InjectDynamicAgentMessage().model_dump(exclude_none=True)
    assert dg.decode_client_message(json.dumps(free)).event == dg.InjectAgentMessage(is_dynamic=True)
