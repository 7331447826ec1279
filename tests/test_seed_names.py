"""Every name that VoxEngine documents for its Grok and Deepgram connectors exists here."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import attrs
import pytest

from callboard import deepgram, grok

MODULES: dict[str, ModuleType] = {"grok": grok, "deepgram": deepgram}
CLIENTS: dict[str, type[Any]] = {"grok": grok.VoiceAgentAPIClient, "deepgram": deepgram.VoiceAgentClient}
ROOTS: dict[str, type[Any]] = {"grok": grok.GrokEvent, "deepgram": deepgram.DeepgramEvent}


def entries_of(connector: str) -> list[list[str]]:
    path = Path(__file__).parent / "data" / f"seed_names_{connector}.txt"
    return [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]


ENTRIES = [(connector, entry) for connector in MODULES for entry in entries_of(connector)]


def snake(name: str) -> str:
    """`createVoiceAgentAPIClient` as `create_voice_agent_api_client`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def of_kind(kind: str) -> list[Any]:
    chosen = [(connector, entry) for connector, entry in ENTRIES if entry[0] == kind]
    return [pytest.param(connector, entry, id=f"{connector}-{entry[1]}") for connector, entry in chosen]


@pytest.mark.parametrize(
    ("connector", "n_methods", "namespace", "n_events"),
    [("grok", 12, "VoiceAgentAPIEvents", 21), ("deepgram", 13, "VoiceAgentEvents", 17)],
)
def test_the_list_is_complete(connector: str, n_methods: int, namespace: str, n_events: int) -> None:
    entries = entries_of(connector)
    assert len([entry for entry in entries if entry[0] == "method"]) == n_methods
    events = [entry[1].split(".")[0] for entry in entries if entry[0] == "event"]
    assert events.count(namespace) == n_events
    assert events.count("Events") == 2


@pytest.mark.parametrize(("connector", "entry"), of_kind("method"))
def test_method(connector: str, entry: list[str]) -> None:
    assert callable(getattr(CLIENTS[connector], snake(entry[1])))


@pytest.mark.parametrize(("connector", "entry"), of_kind("type"))
def test_type(connector: str, entry: list[str]) -> None:
    assert isinstance(getattr(MODULES[connector], entry[1]), type)


@pytest.mark.parametrize(("connector", "entry"), of_kind("factory"))
def test_factory(connector: str, entry: list[str]) -> None:
    assert inspect.iscoroutinefunction(getattr(MODULES[connector], snake(entry[1])))


@pytest.mark.parametrize(("connector", "entry"), of_kind("parameters"))
def test_parameters(connector: str, entry: list[str]) -> None:
    # The key is xAI's, so its name is not split inside the company's.
    names = {"xAIApiKey": "xai_api_key"}
    wanted = {names.get(name, snake(name)) for name in entry[2:]}
    factories: dict[str, Callable[..., Any]] = {
        "grok": grok.create_voice_agent_api_client,
        "deepgram": deepgram.create_voice_agent_client,
    }
    assert wanted <= set(inspect.signature(factories[connector]).parameters)
    assert wanted <= set(getattr(MODULES[connector], entry[1]).__annotations__)


def payload_class(event: type[Any]) -> type[Any]:
    """What `event.data` is."""
    (base,) = (base for base in getattr(event, "__orig_bases__", ()) if get_args(base))
    payload: type[Any] = get_args(base)[0]
    return payload


@pytest.mark.parametrize(("connector", "entry"), of_kind("event"))
def test_event(connector: str, entry: list[str]) -> None:
    namespace, name = entry[1].split(".")
    event: type[Any] = getattr(getattr(MODULES[connector], namespace), name)
    assert issubclass(event, ROOTS[connector])
    fields = {field.name for field in attrs.fields(event)}
    for field in entry[2:]:
        if field.startswith("data."):
            payload = payload_class(event)
            own = {attribute.name for attribute in attrs.fields(payload)}
            assert field[5:] in own | {"type"}, f"{payload.__name__} has no {field[5:]}"
            assert hasattr(payload, "type")
        else:
            assert snake(field) in fields
