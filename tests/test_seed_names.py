"""Every name that VoxEngine documents for its Grok connector exists here."""

import inspect
import re
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from callboard import grok

ENTRIES = [
    line.split()
    for line in (Path(__file__).parent / "data" / "seed_names_grok.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
EVENTS = [entry for entry in ENTRIES if entry[0] == "event"]


def snake(name: str) -> str:
    """`createVoiceAgentAPIClient` as `create_voice_agent_api_client`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def named(kind: str) -> list[str]:
    return [entry[1] for entry in ENTRIES if entry[0] == kind]


def test_the_list_is_complete() -> None:
    assert len(named("method")) == 12
    assert len([entry for entry in EVENTS if entry[1].startswith("VoiceAgentAPIEvents.")]) == 21
    assert len([entry for entry in EVENTS if entry[1].startswith("Events.")]) == 2


@pytest.mark.parametrize("name", named("method"))
def test_method(name: str) -> None:
    assert callable(getattr(grok.VoiceAgentAPIClient, snake(name)))


@pytest.mark.parametrize("name", named("type"))
def test_type(name: str) -> None:
    assert isinstance(getattr(grok, name), type)


@pytest.mark.parametrize("name", named("factory"))
def test_factory(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(grok, snake(name)))


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry[0] == "parameters"])
def test_parameters(entry: list[str]) -> None:
    # The key is xAI's, so its name is not split inside the company's.
    names = {"xAIApiKey": "xai_api_key"}
    wanted = {names.get(name, snake(name)) for name in entry[2:]}
    assert wanted <= set(inspect.signature(grok.create_voice_agent_api_client).parameters)
    assert wanted == set(grok.VoiceAgentAPIClientParameters.__annotations__)


def payload_class(event: type[Any]) -> type[Any]:
    """What `event.data` is."""
    (base,) = (base for base in getattr(event, "__orig_bases__", ()) if get_args(base))
    payload: type[Any] = get_args(base)[0]
    return payload


@pytest.mark.parametrize("entry", EVENTS, ids=[entry[1] for entry in EVENTS])
def test_event(entry: list[str]) -> None:
    namespace, name = entry[1].split(".")
    event: type[Any] = getattr(getattr(grok, namespace), name)
    assert issubclass(event, grok.GrokEvent)
    fields = {field.name for field in attrs.fields(event)}
    for field in entry[2:]:
        if field.startswith("data."):
            payload = payload_class(event)
            own = {attribute.name for attribute in attrs.fields(payload)}
            assert field[5:] in own | {"type"}, f"{payload.__name__} has no {field[5:]}"
            assert hasattr(payload, "type")
        else:
            assert snake(field) in fields
