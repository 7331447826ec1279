"""The codec of the Deepgram wire: round trips, truncation, garbage, wrong types, limits."""

import json
from collections.abc import Callable
from typing import cast, get_args

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, deepgram as dg
from callboard.protocols._converter import MAX_DEPTH
from tests.protocols.deepgram_kit import (
    PAIRS,
    accepts,
    client_messages,
    decode,
    example_object,
    hints,
    instances,
    is_open,
    required,
    server_messages,
)
from tests.protocols.grok_kit import json_objects, json_values

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
@settings(max_examples=150)
def test_client_message_round_trips(message: dg.ClientMessage) -> None:
    text = dg.encode(message)
    decoded = dg.decode_client_message(text)
    assert decoded.event == message
    assert type(decoded.event) is type(message)
    assert decoded.raw == json.loads(text)
    assert dg.encode(decoded.event) == text


@given(server_messages)
@settings(max_examples=150)
def test_server_message_round_trips(message: dg.ServerMessage) -> None:
    text = dg.encode(message)
    decoded = dg.decode_server_message(text)
    assert decoded.event == message
    assert type(decoded.event) is type(message)
    assert decoded.raw == json.loads(text)
    assert dg.encode(decoded.event) == text


@by_class
def test_every_class_round_trips_with_every_field(side: str, cls: type[dg.Message]) -> None:
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


@by_class
def test_every_class_needs_only_its_required_fields(side: str, cls: type[dg.Message]) -> None:
    needed = required(cls) | ({"message"} if cls is dg.InjectAgentMessage else set[str]())
    wire = {key: value for key, value in example_object(cls).items() if key in {"type", *needed}}
    encoded = json.loads(dg.encode(decode(side, json.dumps(wire)).event))
    # The defaults that are written.
    defaults: dict[type, dict[str, object]] = {
        dg.ConversationText: {"conversational_behavior": "default"},
        dg.ErrorMessage: {"description": "", "code": ""},
        dg.WarningMessage: {"description": "", "code": ""},
        dg.CustomToThinkProvider: {"content": None},
        dg.CustomFromThinkProvider: {"content": None},
    }
    assert encoded == wire | defaults.get(cls, {})


@by_class
def test_missing_field_is_named(side: str, cls: type[dg.Message]) -> None:
    for name in required(cls):
        wire = example_object(cls)
        del wire[name]
        with pytest.raises(RemoteWireError, match="is missing") as caught:
            decode(side, json.dumps(wire))
        assert caught.value.path == name


@by_class
def test_null_is_as_good_as_absent_where_a_field_is_optional(side: str, cls: type[dg.Message]) -> None:
    for name in (
        hints(cls).keys() - required(cls) - {"content", "conversational_behavior", "description", "code"}
    ):
        if cls is dg.InjectAgentMessage:
            continue
        wire = example_object(cls)
        without = {key: value for key, value in wire.items() if key != name}
        assert (
            decode(side, json.dumps(wire | {name: None})).event == decode(side, json.dumps(without)).event
        ), name


@by_class
def test_unknown_fields_of_a_message(side: str, cls: type[dg.Message]) -> None:
    wire = example_object(cls)
    more = json.dumps(wire | {"weather": {"sun": [True]}})
    if cls in {dg.InjectAgentMessage, dg.InjectUserMessage}:
        with pytest.raises(RemoteWireError, match="is not a field") as caught:
            decode(side, more)
        assert (caught.value.path, code_of(caught.value)) == ("weather", "UNPARSABLE_CLIENT_MESSAGE")
        return
    decoded = decode(side, more)
    assert decoded.raw["weather"] == {"sun": [True]}
    if is_open(cls):
        assert json.loads(dg.encode(decoded.event)) == decoded.raw
    else:
        assert decoded.event == decode(side, json.dumps(wire)).event


def test_unknown_fields_of_every_part_stay_where_they_are() -> None:
    wire = example_object(dg.Settings)

    def fill(value: object) -> int:
        if isinstance(value, list):
            return sum(fill(entry) for entry in cast("list[object]", value))
        if not isinstance(value, dict) or set(cast("dict[str, object]", value)) <= {"k", "extra"}:
            return 0
        fields = cast("dict[str, object]", value)
        n = sum(fill(entry) for entry in list(fields.values()))
        if fields.get("type") == "History" or "client_side" in fields:
            return n
        fields["from_the_future"] = {"deep": [1, None]}
        # A field that happens to have the name of the attribute.
        fields["extra"] = 5
        return n + 1

    n_filled = fill(wire)
    assert n_filled > 12
    settings_ = dg.parse_settings(wire)
    assert isinstance(settings_.agent, dg.Agent)
    assert settings_.agent.extra == {"from_the_future": {"deep": [1, None]}, "extra": 5}
    assert dg.settings_to_wire(settings_) == wire
    assert json.loads(dg.encode(settings_)) == wire


def test_attribute_wins_over_extra() -> None:
    provider = dg.ThinkProvider(type="open_ai", model="a", extra={"model": "b", "type": "c", "new": 1})
    update = dg.UpdateThink(think=dg.ThinkEntry(provider=provider))
    sent = json.loads(dg.encode(update))["think"]["provider"]
    assert sent == {"type": "open_ai", "model": "a", "new": 1}


@given(
    json_objects.filter(lambda raw: "type" not in raw),
    st.sampled_from(["weather", "", "welcome", "EndOfThought"]),
)
def test_unknown_type_is_kept_whole_by_a_client(raw: dict[str, object], kind: str) -> None:
    decoded = dg.decode_server_message(json.dumps({"type": kind} | raw))
    assert isinstance(decoded.event, dg.Unknown)
    assert decoded.event.kind == decoded.event.type == kind
    assert decoded.event.raw == decoded.raw == {"type": kind} | raw
    assert json.loads(dg.encode(decoded.event)) == decoded.raw


@pytest.mark.parametrize("kind", ["weather", "", "settings", "Welcome", "Close", "UpdateThinkLive"])
def test_unknown_type_is_refused_by_a_server(kind: str) -> None:
    with pytest.raises(RemoteWireError) as caught:
        dg.decode_client_message(json.dumps({"type": kind}))
    assert (caught.value.path, code_of(caught.value)) == ("type", "UNPARSABLE_CLIENT_MESSAGE")


def test_messages_of_the_other_side_are_unknown_to_a_client() -> None:
    assert isinstance(dg.decode_server_message('{"type":"KeepAlive"}').event, dg.Unknown)
    assert isinstance(dg.decode_server_message('{"type":"Settings"}').event, dg.Unknown)


# --- wrong types, nothing coerced

WRONG: tuple[object, ...] = (None, True, False, 1, 1.5, "x", "false", [], {}, [1], {"k": 1})


def _leaves(
    cls: type, wire: dict[str, object], path: str = ""
) -> list[tuple[str, dict[str, object], str, object]]:
    """Every field of an example, with those of the objects inside: path, holder, name, type."""
    found: list[tuple[str, dict[str, object], str, object]] = []
    for name, hint in hints(cls).items():
        found.append((f"{path}{name}", wire, name, hint))
        inner = next(
            (kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and attrs.has(kind)), None
        )
        value = wire[name]
        if inner is not None and isinstance(value, dict):
            found += _leaves(inner, cast("dict[str, object]", value), f"{path}{name}.")
    return found


@by_class
def test_field_of_a_wrong_type_is_named_and_not_coerced(side: str, cls: type[dg.Message]) -> None:
    for index in range(len(_leaves(cls, example_object(cls)))):
        for wrong in WRONG:
            message = example_object(cls)
            path, holder, name, hint = _leaves(cls, message)[index]
            if accepts(hint, wrong):
                continue
            holder[name] = wrong
            with pytest.raises(RemoteWireError) as caught:
                decode(side, json.dumps(message))
            assert caught.value.path.startswith(path)
            if side == "client":
                assert code_of(caught.value) == "UNPARSABLE_CLIENT_MESSAGE"
            else:
                assert caught.value.reply is None


@pytest.mark.parametrize("wrong", [None, 5, True, ["x"], {"a": 1}])
@both_sides
def test_type_that_is_no_string_is_refused(decoder: Decoder, wrong: object) -> None:
    with pytest.raises(RemoteWireError) as caught:
        decoder(json.dumps({"type": wrong}))
    assert caught.value.path == "type"


def test_a_whole_number_passes_for_any_number() -> None:
    wire = example_object(dg.UpdateThink)
    think = cast("dict[str, dict[str, object]]", wire["think"])
    think["provider"]["temperature"] = 1
    event = dg.decode_client_message(json.dumps(wire)).event
    assert isinstance(event, dg.UpdateThink)
    assert isinstance(event.think, dg.ThinkEntry)
    assert event.think.provider.temperature == 1.0


AT_FAULT: list[tuple[dict[str, object], str]] = [
    (
        {"audio": {}, "agent": {"think": [{"provider": {"type": "a"}}, {"provider": {}}]}},
        "agent.think[1].provider.type",
    ),
    ({"audio": {}, "agent": {"speak": [{}]}}, "agent.speak[0].provider"),
    ({"audio": {}, "agent": {"think": [5]}}, "agent.think[0]"),
    ({"audio": {}, "agent": {"think": "gpt"}}, "agent.think"),
    (
        {"audio": {}, "agent": {"think": {"provider": {"type": "a"}, "functions": [{"name": 5}]}}},
        "agent.think.functions[0].name",
    ),
    (
        {"audio": {}, "agent": {"context": {"messages": [{"type": "Text", "role": "user"}]}}},
        "agent.context.messages[0]",
    ),
    (
        {"audio": {"input": {"encoding": "mulaw", "sample_rate": 8000.0}}, "agent": {}},
        "audio.input.sample_rate",
    ),
    ({"audio": [], "agent": {}}, "audio"),
    ({"agent": {}}, "audio"),
    ({"audio": {}}, "agent"),
    ({"audio": {}, "agent": ["x"]}, "agent"),
    # Settings as they were before the present version of the wire.
    ({"audio": {}, "agent": {"listen": {"model": "nova-3"}}}, "agent.listen.provider"),
]


@pytest.mark.parametrize(("wire", "path"), AT_FAULT)
def test_field_of_settings_at_fault_is_named(wire: dict[str, object], path: str) -> None:
    with pytest.raises(RemoteWireError) as caught:
        dg.parse_settings(wire)
    assert (caught.value.path, code_of(caught.value)) == (path, "UNPARSABLE_CLIENT_MESSAGE")
    with pytest.raises(RemoteWireError) as again:
        dg.decode_client_message(json.dumps({"type": "Settings"} | wire))
    assert again.value.path == path


def test_parse_settings_wants_settings() -> None:
    with pytest.raises(RemoteWireError) as caught:
        dg.parse_settings({"type": "SettingsConfiguration", "audio": {}, "agent": {}})
    assert caught.value.path == "type"


def test_a_chain_of_one_is_not_an_entry() -> None:
    """Whether it is a list is kept: an update of the one must not come out as the other."""
    entry = {"provider": {"type": "open_ai", "model": "m"}}
    for given_think in (entry, [entry], [entry, entry]):
        wire = {"type": "Settings", "audio": {}, "agent": {"think": given_think}}
        settings_ = dg.parse_settings(wire)
        assert dg.settings_to_wire(settings_) == wire
        assert isinstance(settings_.agent, dg.Agent)
        assert len(settings_.agent.think_chain) == (len(given_think) if isinstance(given_think, list) else 1)


# --- truncation and garbage


@by_class
def test_every_truncation_is_an_error_of_the_wire(side: str, cls: type[dg.Message]) -> None:
    message = json.dumps(example_object(cls) | {"note": "grüß"}, ensure_ascii=False)
    for length in range(len(message)):
        with pytest.raises(RemoteWireError):
            decode(side, message[:length])


@given(st.text(max_size=100) | json_values.map(json.dumps))
def test_garbage_is_an_error_of_the_wire_or_unknown(message: str) -> None:
    with pytest.raises(RemoteWireError) as caught:
        dg.decode_client_message(message)
    assert code_of(caught.value) == "UNPARSABLE_CLIENT_MESSAGE"
    try:
        decoded = dg.decode_server_message(message)
    except RemoteWireError:
        return
    assert isinstance(decoded.event, dg.Unknown)


@given(st.sampled_from(PAIRS), json_values, st.data())
@settings(max_examples=400)
def test_any_field_may_hold_anything(
    pair: tuple[str, type[dg.Message]], value: object, data: st.DataObject
) -> None:
    side, cls = pair
    message = example_object(cls)
    leaves = _leaves(cls, message)
    if not leaves:
        return
    _, holder, name, _ = data.draw(st.sampled_from(leaves))
    holder[name] = value
    try:
        decoded = decode(side, json.dumps(message))
    except RemoteWireError as error:
        if side == "client":
            reply = error.reply
            assert isinstance(reply, dg.ErrorMessage)
            assert dg.decode_server_message(dg.encode(reply)).event == reply
        return
    assert type(decoded.event) is cls
    # What was accepted can be written.
    dg.encode(decoded.event)


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "null",
        "[]",
        '"Settings"',
        "NaN",
        '{"type":"FrustrationDetected","escalated":true,"count":NaN}',
        '{"type":"AgentStartedSpeaking","total_latency":1e999,"tts_latency":1,"ttt_latency":1}',
        '{"type":"LatencyReport","tts_latency":"0.2"}',
        '{"type":"KeepAlive"}{"type":"KeepAlive"}',
        "{'type':'KeepAlive'}",
        '{"type":"\\ud800"}',
        '{"type":"KeepAlive",}',
        "\ud800",
        "\ufeff{}",
    ],
)
@both_sides
def test_malformed_json_is_an_error_of_the_wire(decoder: Decoder, message: str) -> None:
    with pytest.raises(RemoteWireError):
        decoder(message)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_an_error_of_the_wire(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> str:
        return (
            '{"type":"__customToThinkProvider","content":' + opening * levels + "1" + closing * levels + "}"
        )

    for decoder in (dg.decode_client_message, dg.decode_server_message):
        dg.encode(decoder(nested(MAX_DEPTH - 1)).event)
        with pytest.raises(RemoteWireError, match="nests"):
            decoder(nested(MAX_DEPTH))
        with pytest.raises(RemoteWireError):
            decoder(nested(100_000))


# --- limits and binary frames


@both_sides
def test_size_limit_counts_octets_of_utf8(decoder: Decoder) -> None:
    for text in ("x" * 100, "é" * 50, "世" * 33):
        message = json.dumps(
            {"type": "FunctionCallResponse", "id": "c", "name": "n", "content": text}, ensure_ascii=False
        )
        size = len(message.encode())
        decoder(message, max_octets=size)
        with pytest.raises(RemoteWireError, match="expected at most"):
            decoder(message, max_octets=size - 1)
    decoder(b"x" * 10, max_octets=10)
    with pytest.raises(RemoteWireError, match="binary frame of 11 octets"):
        decoder(b"x" * 11, max_octets=10)


def test_default_limits() -> None:
    dg.decode_server_message(b"x" * 2**20)
    with pytest.raises(RemoteWireError):
        dg.decode_server_message(" " * (dg.MAX_SERVER_MESSAGE + 1))
    with pytest.raises(RemoteWireError):
        dg.decode_client_message(" " * (dg.MAX_CLIENT_MESSAGE + 1))


@given(st.binary(max_size=200))
@both_sides
def test_binary_frame_is_audio_both_ways(decoder: Decoder, payload: bytes) -> None:
    decoded = decoder(payload)
    assert decoded == dg.Decoded(dg.BinaryAudio(payload))
    assert decoded.raw == {}
    assert dg.encode(decoded.event) == payload


def test_binary_frame_that_looks_like_json_is_audio() -> None:
    assert isinstance(dg.decode_client_message(b'{"type":"KeepAlive"}').event, dg.BinaryAudio)


# --- rules of single messages


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"content": "Hello"}, "content"),
        ({"message": "Hello", "content": "Hello"}, "content"),
        ({}, "message"),
        ({"is_dynamic": False}, "message"),
        ({"message": "Hello", "is_dynamic": True}, "message"),
        ({"message": "Hello", "behavior": "shout"}, "behavior"),
        ({"message": 5}, "message"),
    ],
)
def test_injections_that_say_nothing_are_refused(fields: dict[str, object], path: str) -> None:
    with pytest.raises(RemoteWireError) as caught:
        dg.decode_client_message(json.dumps({"type": "InjectAgentMessage"} | fields))
    assert (caught.value.path, code_of(caught.value)) == (path, "UNPARSABLE_CLIENT_MESSAGE")


@both_sides
def test_response_without_an_id_is_one(decoder: Decoder) -> None:
    message = '{"type":"FunctionCallResponse","name":"berth","content":"7"}'
    assert decoder(message).event == dg.FunctionCallResponse(name="berth", content="7")


# --- what we send, and what is shown


def test_encoding_what_has_no_json_is_our_error() -> None:
    with pytest.raises(LocalWireError):
        dg.encode(dg.CustomToThinkProvider(content=object()))
    with pytest.raises(LocalWireError):
        dg.encode(dg.Settings(audio=dg.Audio(), agent=dg.Agent(extra={"n": 2**70})))
    with pytest.raises(LocalWireError):
        dg.encode(cast("dg.Message", "text"))


def test_errors_quote_at_most_eighty_characters() -> None:
    messages = (
        "x" * 10_000,
        json.dumps({"type": ["x" * 10_000]}),
        json.dumps({"type": "x" * 10_000}),
        json.dumps(["x" * 10_000]),
        json.dumps({"type": "InjectUserMessage", "content": "x", "y" * 10_000: 1}),
        json.dumps({"type": "InjectAgentMessage", "message": "x", "behavior": "y" * 10_000}),
        json.dumps({"type": "UpdatePrompt", "prompt": ["x" * 10_000]}),
    )
    for message in messages:
        with pytest.raises(RemoteWireError) as caught:
            dg.decode_client_message(message)
        assert len(str(caught.value)) < 250


SECRET_THINK: dict[str, object] = {
    "provider": {
        "type": "aws_bedrock",
        "credentials": {"secret_access_key": "hush-hush"},
        "token": "hush-hush",
    },
    "endpoint": {"url": "https://llm.example/?key=hush-hush", "headers": {"Authorization": "hush-hush"}},
}


def test_credentials_and_audio_are_not_in_reprs() -> None:
    settings_ = {"type": "Settings", "audio": {}, "agent": {"think": SECRET_THINK, "key": "hush-hush"}}
    shown: list[object] = [
        dg.decode_client_message(json.dumps(settings_)),
        dg.decode_client_message(json.dumps({"type": "UpdateThink", "think": SECRET_THINK})),
        dg.decode_server_message(json.dumps({"type": "weather", "x": "hush-hush"})),
        dg.decode_client_message(b"hush-hush"),
        dg.Credential(scheme="token", secret="hush-hush"),
        dg.Grant(access_token="hush-hush", expires_in=30),
    ]
    assert [value for value in shown if "hush" in repr(value)] == []


@pytest.mark.parametrize(
    "think",
    [
        {"provider": {"type": "a", "credentials": "hush-hush"}},
        {"provider": {"type": "a"}, "endpoint": {"url": ["hush-hush"], "headers": {}}},
        {"provider": {"type": "a"}, "endpoint": {"url": "https://x", "headers": "hush-hush"}},
        {"provider": {"type": "a"}, "endpoint": {"url": "https://x", "headers": {"hush-hush": 5}}},
    ],
)
def test_credentials_of_a_wrong_type_are_not_in_error_texts(think: dict[str, object]) -> None:
    with pytest.raises(RemoteWireError, match="has the wrong type") as caught:
        dg.decode_client_message(json.dumps({"type": "UpdateThink", "think": think}))
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(caught.value.reply)
