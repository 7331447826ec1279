"""The codec of the Deepgram wire: round trips, truncation, garbage, wrong types, limits."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from callboard.protocols import RemoteWireError, deepgram as dg
from tests.protocols.deepgram_kit import (
    PAIRS,
    client_messages,
    decode,
    example_object,
    hints,
    instances,
    server_messages,
)

by_class = pytest.mark.parametrize(
    ("side", "cls"), PAIRS, ids=[f"{side}-{cls.__name__}" for side, cls in PAIRS]
)
Decoder = Callable[..., dg.Decoded]
both_sides = pytest.mark.parametrize("decoder", [dg.decode_client_message, dg.decode_server_message])


def code_of(error: RemoteWireError) -> str:
    assert isinstance(error.reply, dg.ErrorMessage)
    return error.reply.code


# --- round trips


@given(client_messages)
@settings(max_examples=300)
def test_client_message_round_trips(message: dg.ClientMessage) -> None:
    text = dg.encode(message)
    decoded = dg.decode_client_message(text)
    assert decoded.event == message
    assert type(decoded.event) is type(message)
    assert decoded.raw == json.loads(text)
    assert dg.encode(decoded.event) == text


@given(server_messages)
@settings(max_examples=300)
def test_server_message_round_trips(message: dg.ServerMessage) -> None:
    text = dg.encode(message)
    decoded = dg.decode_server_message(text)
    assert decoded.event == message
    assert type(decoded.event) is type(message)
    assert decoded.raw == json.loads(text)
    assert dg.encode(decoded.event) == text


@by_class
def test_every_class_round_trips_with_every_field(side: str, cls: type[dg.Message]) -> None:
    if cls is dg.InjectAgentMessage:
        assert example_object(cls)["is_dynamic"] is False
    wire = example_object(cls)
    decoded = decode(side, json.dumps(wire))
    assert type(decoded.event) is cls
    assert json.loads(dg.encode(decoded.event)) == wire
    assert set(wire) == {"type", *hints(cls)}


@given(instances(dg.Settings))
def test_settings_become_a_mapping_and_back(message: dg.Settings) -> None:
    wire = dg.settings_to_wire(message)
    assert dg.parse_settings(wire) == message
    assert dg.parse_settings({name: value for name, value in wire.items() if name != "type"}) == message
