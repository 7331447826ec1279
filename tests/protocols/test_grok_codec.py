"""The codec of the Grok wire: round trips, truncation, garbage, wrong types, limits."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import cast, get_args

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, grok
from callboard.protocols._converter import MAX_DEPTH, decode_base64
from tests.protocols.grok_kit import (
    EVENTS,
    accepts,
    client_events,
    decode,
    example_object,
    hints,
    json_objects,
    json_values,
    required,
    server_events,
)

by_class = pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
Decoder = Callable[[str | bytes], grok.Decoded]
both_sides = pytest.mark.parametrize("decoder", [grok.decode_client_event, grok.decode_server_event])


# --- round trips


@given(client_events | server_events)
@settings(max_examples=600)
def test_event_round_trips(event: grok.Event) -> None:
    message = grok.encode(event)
    decoded = decode(type(event), message)
    assert decoded.event == event
    assert type(decoded.event) is type(event)
    assert decoded.raw == json.loads(message)
    assert grok.encode(decoded.event) == message


@by_class
def test_every_class_round_trips_with_every_field(cls: type[grok.Event]) -> None:
    wire = example_object(cls)
    decoded = decode(cls, json.dumps(wire))
    assert type(decoded.event) is cls
    assert json.loads(grok.encode(decoded.event)) == wire
    fields = attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))
    assert set(wire) == {"type", *fields}


@by_class
def test_every_class_needs_only_its_required_fields(cls: type[grok.Event]) -> None:
    wire = {key: value for key, value in example_object(cls).items() if key in {"type", *required(cls)}}
    event = decode(cls, json.dumps(wire)).event
    encoded = json.loads(grok.encode(event, profile=grok.Profile.DOCUMENTED))
    encoded.pop("previous_item_id", None)
    # The defaults that are written: the index of the only part there is, and a key nobody named.
    defaults: dict[type, dict[str, object]] = {
        grok.ConversationItemTruncate: {"content_index": 0},
        grok.InputAudioBufferDtmfEventReceived: {"event": ""},
    }
    assert encoded == wire | defaults.get(cls, {})


@by_class
def test_missing_field_is_named(cls: type[grok.Event]) -> None:
    for name in required(cls):
        wire = example_object(cls)
        del wire[name]
        with pytest.raises(RemoteWireError, match="is missing") as caught:
            decode(cls, json.dumps(wire))
        assert caught.value.path == name


@by_class
def test_unknown_fields_are_ignored_and_kept_in_raw(cls: type[grok.Event]) -> None:
    wire = example_object(cls)
    decoded = decode(cls, json.dumps(wire | {"weather": {"sun": [True]}}))
    assert decoded.event == decode(cls, json.dumps(wire)).event
    assert decoded.raw["weather"] == {"sun": [True]}


@given(
    json_objects.filter(lambda raw: "type" not in raw), st.sampled_from(["weather", "response.", "", "Ping"])
)
def test_unknown_type_is_kept_whole(raw: dict[str, object], kind: str) -> None:
    message = json.dumps({"type": kind} | raw)
    for decoder in (grok.decode_client_event, grok.decode_server_event):
        decoded = decoder(message)
        assert isinstance(decoded.event, grok.Unknown)
        assert decoded.event.type == kind
        assert decoded.event.raw == decoded.raw == {"type": kind} | raw
        assert json.loads(grok.encode(decoded.event)) == decoded.raw


def test_events_of_the_other_side_are_unknown() -> None:
    assert isinstance(grok.decode_client_event('{"type":"ping"}').event, grok.Unknown)
    assert isinstance(grok.decode_server_event('{"type":"response.create"}').event, grok.Unknown)


# --- wrong types, nothing coerced

WRONG: tuple[object, ...] = (None, True, False, 1, 1.5, "x", "false", [], {}, [1], {"k": 1})
_VAGUE = (str | float | None, str | dict[str, object] | None)


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
def test_field_of_a_wrong_type_is_named_and_not_coerced(cls: type[grok.Event]) -> None:
    for index in range(len(_leaves(cls, example_object(cls)))):
        for wrong in WRONG:
            message = example_object(cls)
            path, holder, name, hint = _leaves(cls, message)[index]
            if accepts(hint, wrong):
                continue
            holder[name] = wrong
            with pytest.raises(RemoteWireError) as caught:
                decode(cls, json.dumps(message))
            assert caught.value.path.startswith(path)


@pytest.mark.parametrize("wrong", [None, 5, True, ["x"], {"a": 1}])
@both_sides
def test_type_that_is_no_string_is_refused(decoder: Decoder, wrong: object) -> None:
    with pytest.raises(RemoteWireError) as caught:
        decoder(json.dumps({"type": wrong}))
    assert caught.value.path == "type"


def test_entries_of_lists_are_named() -> None:
    wire = example_object(grok.ResponseDone)
    response = cast("dict[str, object]", wire["response"])
    response["output"] = [
        {"type": "function_call"},
        {"type": "message", "content": [{"type": "text", "text": 5}]},
    ]
    with pytest.raises(RemoteWireError) as caught:
        grok.decode_server_event(json.dumps(wire))
    assert caught.value.path == "response.output[1].content[0].text"


# --- truncation and garbage


@by_class
def test_every_truncation_is_an_error_of_the_wire(cls: type[grok.Event]) -> None:
    message = json.dumps(example_object(cls) | {"event_id": "grüß"}, ensure_ascii=False)
    for length in range(len(message)):
        with pytest.raises(RemoteWireError):
            decode(cls, message[:length])


@given(st.text(max_size=100) | json_values.map(json.dumps))
def test_garbage_is_an_error_of_the_wire_or_unknown(message: str) -> None:
    for decoder in (grok.decode_client_event, grok.decode_server_event):
        try:
            decoded = decoder(message)
        except RemoteWireError:
            continue
        assert isinstance(decoded.event, grok.Unknown)


@given(st.sampled_from(EVENTS), json_values, st.data())
@settings(max_examples=400)
def test_any_field_may_hold_anything(cls: type[grok.Event], value: object, data: st.DataObject) -> None:
    message = example_object(cls)
    _, holder, name, _ = data.draw(st.sampled_from(_leaves(cls, message)))
    holder[name] = value
    try:
        decoded = decode(cls, json.dumps(message))
    except RemoteWireError:
        return
    assert type(decoded.event) is cls
    # What was accepted can be written.
    grok.encode(decoded.event)


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "null",
        "[]",
        '"session.update"',
        "NaN",
        '{"type":"ping","timestamp":NaN}',
        '{"type":"ping","timestamp":1e999}',
        '{"type":"ping","timestamp":' + "9" * 400 + "}",
        '{"type":"ping"}{"type":"ping"}',
        "{'type':'ping'}",
        '{"type":"\\ud800"}',
        '{"type":"ping","timestamp":1,}',
        "\ud800",
        '{"type":"pi\x00ng"}',
        "\ufeff{}",
    ],
)
@both_sides
def test_malformed_json_is_an_error_of_the_wire(decoder: Decoder, message: str) -> None:
    with pytest.raises(RemoteWireError):
        grok.decode_server_event(message)
    try:
        event = grok.decode_client_event(message).event
    except RemoteWireError:
        return
    assert isinstance(event, grok.Unknown)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@both_sides
def test_deep_nesting_is_an_error_of_the_wire(decoder: Decoder, opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> str:
        return '{"type":"weather","x":' + opening * levels + "1" + closing * levels + "}"

    decoder(nested(MAX_DEPTH - 1))
    with pytest.raises(RemoteWireError, match="nests"):
        decoder(nested(MAX_DEPTH))
    with pytest.raises(RemoteWireError):
        decoder(nested(100_000))
    # Brackets in a text are no levels, and what is accepted can be written.
    decoder('{"type":"weather","x":"' + "[{" * 500 + '"}')
    grok.encode(decoder(nested(MAX_DEPTH - 1)).event)


# --- limits


@both_sides
def test_size_limit_counts_octets_of_utf8(decoder: Callable[..., grok.Decoded]) -> None:
    for text in ("x" * 100, "é" * 50, "世" * 33):
        message = json.dumps({"type": text}, ensure_ascii=False)
        size = len(message.encode())
        decoder(message, max_octets=size)
        with pytest.raises(RemoteWireError, match="expected at most"):
            decoder(message, max_octets=size - 1)
    decoder(b"x" * 10, max_octets=10)
    with pytest.raises(RemoteWireError, match="binary frame of 11 octets"):
        decoder(b"x" * 11, max_octets=10)


def test_default_limits() -> None:
    grok.decode_server_event('{"type":"' + "x" * 2**20 + '"}')
    with pytest.raises(RemoteWireError):
        grok.decode_server_event(" " * (grok.MAX_SERVER_MESSAGE + 1))
    with pytest.raises(RemoteWireError):
        grok.decode_client_event(" " * (grok.MAX_CLIENT_MESSAGE + 1))


# --- audio


@given(st.binary(max_size=4000))
def test_append_written_by_hand_equals_the_general_encoder(payload: bytes) -> None:
    event = grok.InputAudioBufferAppend(audio=grok.encode_audio(payload))
    assert json.loads(grok.encode_append(payload)) == json.loads(grok.encode(event))
    assert grok.encode_append(bytearray(payload)) == grok.encode_append(memoryview(payload))
    decoded = grok.decode_client_event(grok.encode_append(payload)).event
    assert isinstance(decoded, grok.InputAudioBufferAppend)
    assert decoded.payload() == payload
    assert grok.encode_audio(payload) == base64.b64encode(payload).decode()


def test_append_survives_json_for_every_octet() -> None:
    payload = bytes(range(256)) * 3
    assert "/" in grok.encode_append(payload)
    assert json.loads(grok.encode_append(payload))["audio"] == base64.b64encode(payload).decode()


@given(st.binary(max_size=200))
@both_sides
def test_binary_frame_is_audio_both_ways(decoder: Decoder, payload: bytes) -> None:
    decoded = decoder(payload)
    assert decoded == grok.Decoded(grok.BinaryAudio(payload))
    assert decoded.raw == {}
    assert grok.encode(decoded.event) == payload


BAD_BASE64 = [
    "AAA",
    "A",
    "====",
    "AA=A",
    "AAAA\n",
    " AAAA",
    "AAAA====",
    "AA==AA==",
    "@@@@",
    "AA-_",
    "é",
    "AAAA\x00",
]


@pytest.mark.parametrize("text", BAD_BASE64)
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(RemoteWireError, match="is not base64"):
        grok.decode_audio(text)
    delta = json.dumps(example_object(grok.ResponseOutputAudioDelta) | {"delta": text})
    event = grok.decode_server_event(delta).event
    assert isinstance(event, grok.ResponseOutputAudioDelta)
    with pytest.raises(RemoteWireError, match="is not base64"):
        event.payload()
    sent = grok.InputAudioBufferAppend(audio=text, event_id="e1")
    with pytest.raises(RemoteWireError, match="is not base64") as caught:
        sent.payload()
    assert caught.value.path == "audio"
    reply = caught.value.reply
    assert isinstance(reply, grok.ErrorEvent)
    assert (reply.error.param, reply.error.event_id) == ("audio", "e1")


@given(st.text(max_size=20))
def test_base64_decodes_what_the_standard_library_does_or_refuses(text: str) -> None:
    try:
        payload = decode_base64(text)
    except RemoteWireError:
        return
    assert payload == binascii.a2b_base64(text)
    assert base64.b64encode(payload).rstrip(b"=").decode()[:-1] == text.rstrip("=")[:-1]


def test_only_pcm_can_split_a_sample() -> None:
    assert grok.splits_sample(b"\0\0\0", "audio/pcm")
    assert not grok.splits_sample(b"\0\0", "audio/pcm")
    assert not grok.splits_sample(b"", "audio/pcm")
    for codec in ("audio/pcmu", "audio/pcma", "audio/opus"):
        assert not grok.splits_sample(b"\0\0\0", codec)


# --- answers to undecodable client events


@pytest.mark.parametrize(
    ("message", "kind", "param"),
    [
        ("not json", "invalid_request_error", None),
        ("[]", "invalid_request_error", None),
        ('{"event_id":"e1"}', "invalid_event", None),
        ('{"type":5,"event_id":"e1"}', "invalid_event", None),
        ('{"type":"session.update","event_id":"e1"}', "invalid_request_error", "session"),
        ('{"type":"session.update","session":5,"event_id":"e1"}', "invalid_request_error", "session"),
        ('{"type":"input_audio_buffer.append","event_id":"e1"}', "invalid_request_error", "audio"),
        ('{"type":"conversation.item.create","event_id":"e1"}', "invalid_request_error", "item"),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"picture"}}',
            "invalid_request_error",
            "item.type",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"message","role":"tool","content":[]}}',
            "invalid_request_error",
            "item.role",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"message","role":"user"}}',
            "invalid_request_error",
            "item.content",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_text","text":"a"},{"type":"input_image"}]}}',
            "invalid_request_error",
            "item.content[1].type",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_text"}]}}',
            "invalid_request_error",
            "item.content[0].text",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_audio"}]}}',
            "invalid_request_error",
            "item.content[0].audio",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"force_message","role":"user",'
            '"content":[{"type":"text","text":"a"}]}}',
            "invalid_request_error",
            "item.role",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"function_call","name":"f"}}',
            "invalid_request_error",
            "item.arguments",
        ),
        (
            '{"type":"conversation.item.create","event_id":"e1","item":{"type":"function_call_output","call_id":"c"}}',
            "invalid_request_error",
            "item.output",
        ),
        (
            '{"type":"conversation.item.truncate","event_id":"e1","item_id":"i","audio_end_ms":-1}',
            "invalid_request_error",
            "audio_end_ms",
        ),
        (
            '{"type":"conversation.item.truncate","event_id":"e1","item_id":"i","audio_end_ms":1,"content_index":-1}',
            "invalid_request_error",
            "content_index",
        ),
        (
            '{"type":"response.create","event_id":"e1","response":{"modalities":["smell"]}}',
            "invalid_request_error",
            "response.modalities[0]",
        ),
        (
            '{"type":"response.create","event_id":"e1","response":{"metadata":{"k":5}}}',
            "invalid_request_error",
            "response.metadata",
        ),
    ],
)
def test_undecodable_client_event_has_its_answer(message: str, kind: str, param: str | None) -> None:
    with pytest.raises(RemoteWireError) as caught:
        grok.decode_client_event(message)
    reply = caught.value.reply
    assert isinstance(reply, grok.ErrorEvent)
    assert (reply.error.type, reply.error.code, reply.error.param) == (kind, kind, param)
    assert reply.error.event_id == ("e1" if "e1" in message else None)
    assert reply.error.message == str(caught.value)
    # The answer is an event of the wire.
    again = grok.decode_server_event(grok.encode(reply)).event
    assert again == reply


@pytest.mark.parametrize(
    "metadata",
    [{str(n): "v" for n in range(17)}, {"k" * 65: "v"}, {"k": "v" * 513}],
)
def test_limits_of_metadata(metadata: dict[str, str]) -> None:
    with pytest.raises(RemoteWireError, match=r"response\.metadata"):
        grok.decode_client_event(json.dumps({"type": "response.create", "response": {"metadata": metadata}}))
    full = {f"{n:064}": "v" * 512 for n in range(16)}
    grok.decode_client_event(json.dumps({"type": "response.create", "response": {"metadata": full}}))


@given(st.sampled_from(grok.CLIENT_EVENTS), json_values, st.data())
def test_every_refusal_of_a_client_event_has_a_valid_answer(
    cls: type[grok.ClientEvent], value: object, data: st.DataObject
) -> None:
    message = example_object(cls)
    _, holder, name, _ = data.draw(st.sampled_from(_leaves(cls, message)))
    holder[name] = value
    try:
        grok.decode_client_event(json.dumps(message))
    except RemoteWireError as error:
        reply = error.reply
    else:
        return
    assert isinstance(reply, grok.ErrorEvent)
    assert grok.decode_server_event(grok.encode(reply)).event == reply


# --- what we send, and what is shown


def test_previous_item_id_of_each_profile() -> None:
    def keys(event: grok.ServerEvent, profile: grok.Profile) -> bool:
        return "previous_item_id" in json.loads(grok.encode(event, profile=profile))

    observed, documented = grok.Profile.OBSERVED, grok.Profile.DOCUMENTED
    created = grok.SessionCreated(session={})
    item = grok.ConversationItemAdded(item=grok.Message(role="user"))
    assert (keys(created, observed), keys(grok.Ping(), observed), keys(item, observed)) == (False, True, True)
    assert (keys(created, documented), keys(grok.Ping(), documented), keys(item, documented)) == (
        False,
        False,
        True,
    )
    named = grok.Ping(previous_item_id="i1")
    assert all(json.loads(grok.encode(named, profile=p))["previous_item_id"] == "i1" for p in grok.Profile)


def test_encoding_what_has_no_json_is_our_error() -> None:
    with pytest.raises(LocalWireError):
        grok.encode(grok.SessionUpdate(session={"voice": object()}))
    with pytest.raises(LocalWireError):
        grok.encode(grok.SessionUpdate(session={"voice": 2**70}))
    with pytest.raises(LocalWireError):
        grok.encode(cast("grok.Event", "text"))


def test_errors_quote_at_most_eighty_characters() -> None:
    wire = example_object(grok.ResponseOutputAudioDelta) | {"delta": ["x" * 5000], "rid": 5}
    with pytest.raises(RemoteWireError) as caught:
        grok.decode_server_event(json.dumps(wire))
    assert len(str(caught.value)) < 200
    for message in ("x" * 10_000, json.dumps({"type": ["x" * 10_000]}), json.dumps(["x" * 10_000])):
        with pytest.raises(RemoteWireError) as caught:
            grok.decode_client_event(message)
        assert len(str(caught.value)) < 250


def test_credentials_audio_and_keys_are_not_in_reprs() -> None:
    secret = {"tools": [{"type": "mcp", "authorization": "Bearer hush-hush"}]}
    shown: list[object] = [
        grok.SessionUpdate(session=secret),
        grok.SessionCreated(session=secret),
        grok.SessionUpdated(session=secret),
        grok.decode_client_event(json.dumps({"type": "session.update", "session": secret})),
        grok.decode_client_event(json.dumps({"type": "weather", "x": "hush-hush"})),
        grok.decode_client_event(json.dumps({"type": "input_audio_buffer.append", "audio": "hush-hush"})),
        grok.decode_client_event(b"hush-hush"),
        grok.ContentPart(type="audio", audio="hush-hush"),
        grok.InputAudioBufferDtmfEventReceived(event="hush-hush"),
    ]
    assert [value for value in shown if "hush" in repr(value)] == []
