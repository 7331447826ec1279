"""The dialect's messages and settings: names, round trips, garbage, and what the two wires call the same thing."""

import json
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, grok
from callboard.protocols.grok import dialect
from tests.protocols.grok_kit import instances, json_objects

ENTRIES = [
    line.split()
    for line in (Path(__file__).parents[1] / "data" / "seed_names_dialect.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
MESSAGES: dict[str, type[dialect.ClientMessage | dialect.ServerMessage]] = {
    **{kind.type: kind for kind in dialect.CLIENT_MESSAGES},
    **{kind.type: kind for kind in dialect.SERVER_MESSAGES},
}

client_messages = st.one_of([instances(kind) for kind in dialect.CLIENT_MESSAGES])
server_messages = st.one_of([instances(kind) for kind in dialect.SERVER_MESSAGES])
texts = st.text(max_size=40) | st.sampled_from([*MESSAGES, "{", '{"type":', "[]", "null", '{"type": 1}'])


def refusal(act: Callable[[], object]) -> RemoteWireError | None:
    """How the peer's input was refused, if it was; anything else that is raised is a bug."""
    try:
        act()
    except RemoteWireError as error:
        return error
    return None


# --- names


def test_list_of_names_is_complete() -> None:
    assert [entry[1] for entry in ENTRIES if entry[0] == "client"] == [
        kind.type for kind in dialect.CLIENT_MESSAGES
    ]
    assert [entry[1] for entry in ENTRIES if entry[0] == "server"] == [
        kind.type for kind in dialect.SERVER_MESSAGES
    ]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry[1] for entry in ENTRIES])
def test_every_documented_name_is_in_the_public_api(entry: list[str]) -> None:
    sender, kind, *fields = entry
    cls = MESSAGES[kind]
    names = attrs.fields_dict(cls)
    assert issubclass(cls, dialect.ClientMessage if sender == "client" else dialect.ServerMessage)
    assert getattr(dialect, cls.__name__) is cls
    inside = {"config": dialect.DialectConfig, "function": dialect.CalledFunction}
    for field in fields:
        outer, _, inner = field.partition(".")
        assert outer in names
        if inner:
            assert inner in attrs.fields_dict(inside[outer])


def test_the_document_has_a_line_for_every_message() -> None:
    text = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert set(MESSAGES) <= rows
    assert dialect.PATH in text


# --- codec


@given(client_messages)
def test_client_messages_survive_a_round_trip(message: dialect.ClientMessage) -> None:
    assert dialect.decode_client_message(dialect.encode(message)).event == message


@given(server_messages)
def test_server_messages_survive_a_round_trip(message: dialect.ServerMessage) -> None:
    decoded = dialect.decode_server_message(dialect.encode(message)).event
    if isinstance(message, dialect.ToolCall) and not message.function.arguments:
        # No arguments at all are an empty object.
        function = attrs.evolve(message.function, arguments="{}")
        message = attrs.evolve(message, function=function)
    if isinstance(message, dialect.ErrorMessage):
        # The fields of an error are anybody's: what is missing is filled in.
        assert isinstance(decoded, dialect.ErrorMessage)
        assert decoded.error.code == message.error.code
        assert decoded.error.message in {message.error.message, "the server gave no reason"}
    else:
        assert decoded == message


@given(st.data())
def test_truncated_messages_are_refused(data: st.DataObject) -> None:
    whole = dialect.encode(data.draw(client_messages | server_messages))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for decode in (dialect.decode_client_message, dialect.decode_server_message):
        with pytest.raises(RemoteWireError):
            decode(cut)


@given(st.one_of(texts, st.binary(max_size=40), json_objects.map(json.dumps)))
def test_garbage_never_raises_anything_else(message: str | bytes) -> None:
    error = refusal(lambda: dialect.decode_client_message(message))
    assert error is None or isinstance(error.reply, dialect.ErrorMessage)
    error = refusal(lambda: dialect.decode_server_message(message))
    assert error is None or error.reply is None


@given(st.sampled_from(sorted(MESSAGES)), json_objects, json_objects)
def test_known_types_with_any_fields_raise_nothing_else(
    kind: str, fields: dict[str, object], inner: dict[str, object]
) -> None:
    message = json.dumps(fields | {"config": inner, "function": inner, "error": inner, "type": kind})
    refusal(lambda: dialect.decode_client_message(message))
    refusal(lambda: dialect.decode_server_message(message))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "session.configure"}, "config"),
        ({"type": "session.configure", "config": []}, "config"),
        ({"type": "audio.append"}, "audio"),
        ({"type": "audio.append", "audio": 1}, "audio"),
        ({"type": "text.append"}, "text"),
        ({"type": "tool_result", "result": ""}, "tool_call_id"),
        ({"type": "tool_result", "tool_call_id": "c1", "result": {}}, "result"),
        ({"type": "response.create"}, "type"),
        ({}, "type"),
    ],
)
def test_client_messages_with_a_wrong_field_are_answered(fields: dict[str, object], path: str) -> None:
    with pytest.raises(RemoteWireError) as raised:
        dialect.decode_client_message(json.dumps(fields))
    assert raised.value.path == path
    reply = raised.value.reply
    assert isinstance(reply, dialect.ErrorMessage)
    assert reply.error.type == ("invalid_event" if path == "type" else "invalid_request_error")


def test_binary_frames_are_not_part_of_the_dialect() -> None:
    for decode in (dialect.decode_client_message, dialect.decode_server_message):
        with pytest.raises(RemoteWireError, match="no binary audio"):
            decode(b"\0\0")


def test_unknown_server_messages_are_kept() -> None:
    decoded = dialect.decode_server_message('{"type": "session.created", "session": {}}')
    assert decoded.event == grok.Unknown("session.created", {"type": "session.created", "session": {}})


def test_long_messages_are_refused() -> None:
    message = dialect.encode(dialect.TextAppend(text="x" * 100))
    with pytest.raises(RemoteWireError, match="expected at most 50"):
        dialect.decode_client_message(message, max_octets=50)
    with pytest.raises(RemoteWireError, match="expected at most 50"):
        dialect.decode_server_message(message, max_octets=50)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [('{"a": 1}', '{"a": 1}'), ({"a": 1}, '{"a":1}'), ("", "{}"), (None, "{}"), ({}, "{}")],
)
def test_arguments_of_a_call_are_text_whatever_they_come_as(arguments: object, read: str) -> None:
    message = {"type": "tool_call", "id": "c1", "function": {"name": "f", "arguments": arguments}}
    event = dialect.decode_server_message(json.dumps(message)).event
    assert event == dialect.ToolCall(id="c1", function=dialect.CalledFunction(name="f", arguments=read))


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"error": {"type": "timeout", "message": "too long"}}, "timeout", "too long"),
        ({"error": "too long"}, "error", "too long"),
        ({"message": "too long", "code": "slow"}, "slow", "too long"),
        ({}, "error", "the server gave no reason"),
        ({"error": {"message": 5}}, "error", "the server gave no reason"),
    ],
)
def test_errors_are_read_whatever_they_look_like(fields: dict[str, object], kind: str, text: str) -> None:
    event = dialect.decode_server_message(json.dumps({"type": "error", **fields})).event
    assert isinstance(event, dialect.ErrorMessage)
    assert (event.error.type, event.error.message) == (kind, text)


def test_audio_that_is_not_base64_names_its_field() -> None:
    for message in (dialect.AudioAppend(audio="?"), dialect.AudioDelta(audio="?")):
        with pytest.raises(RemoteWireError) as raised:
            message.payload()
        assert raised.value.path == "audio"


def test_audio_is_encoded_without_a_detour() -> None:
    event = dialect.decode_client_message(dialect.encode_audio_append(b"\1\2\3")).event
    assert isinstance(event, dialect.AudioAppend)
    assert event.payload() == b"\1\2\3"


def test_encoding_refuses_what_has_no_json_form() -> None:
    with pytest.raises(LocalWireError):
        dialect.encode(dialect.SessionConfigure(config={"model": object()}))


# --- settings

NO_SCHEMA: dict[str, object] = {}
NESTED = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": NO_SCHEMA}}


def test_the_example_of_the_page_is_understood() -> None:
    config = dialect.parse_config(
        {
            "model": "grok-4",
            "voice": "default",
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "sample_rate": 16000,
            "tools": [NESTED],
        }
    )
    session = dialect.session_from_config(config)
    assert session.voice is None
    assert session.input_format == session.output_format
    assert session.input_format == grok.AudioFormatConfig(type="audio/pcm", rate=16000)
    assert session.turn_detection == grok.TurnDetection(create_response=True, interrupt_response=True)
    assert session.tools == (grok.FunctionTool(name="look", description="Look.", parameters={}),)
    assert dialect.voice_model(config.model) is None
    assert dialect.voice_model("grok-voice-latest") == "grok-voice-latest"
    assert dialect.voice_model(None) is None


def test_settings_survive_the_wire() -> None:
    raw = {
        "model": "m",
        "voice": "eve",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "pcm16",
        "sample_rate": 8000,
        "tools": [NESTED],
        "instructions": "Be brief.",
        "turn_detection": {"type": None},
        "temperature": 0.5,
    }
    assert dialect.parse_config(raw).to_wire() == raw


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("pcm16", "audio/pcm", 24000),
        ("g711_ulaw", "audio/pcmu", 8000),
        ("mulaw", "audio/pcmu", 8000),
        ("g711_alaw", "audio/pcma", 8000),
        ("alaw", "audio/pcma", 8000),
    ],
)
def test_formats_by_name(name: str, codec: str, rate: int) -> None:
    config = dialect.parse_config({"input_audio_format": name})
    assert (config.input_format.type, config.input_format.rate_hz) == (codec, rate)
    assert config.output_format.rate_hz == 24000


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"input_audio_format": "opus"}, "config.input_audio_format"),
        ({"output_audio_format": 5}, "config.output_audio_format"),
        ({"sample_rate": 12345}, "config.sample_rate"),
        ({"sample_rate": "16000"}, "config.sample_rate"),
        ({"tools": [{"type": "web_search"}]}, "config.tools[0].type"),
        ({"tools": [{"type": "function", "function": NO_SCHEMA}]}, "config.tools[0].name"),
        ({"tools": NO_SCHEMA}, "config.tools"),
        ({"turn_detection": {"threshold": 7}}, "config.turn_detection.threshold"),
        ({"voice": 1}, "config.voice"),
    ],
)
def test_settings_that_cannot_be_had(raw: dict[str, object], path: str) -> None:
    with pytest.raises(RemoteWireError) as raised:
        dialect.parse_config(raw)
    assert raised.value.path == path
    assert str(raised.value).startswith(path)


@given(json_objects)
def test_any_settings_are_read_or_refused(raw: dict[str, object]) -> None:
    names = [field.name for field in attrs.fields(dialect.DialectConfig)]
    dialect.session_from_config(dialect.parse_config(raw))
    known = dict(zip(names, raw.values(), strict=False))
    error = refusal(lambda: dialect.session_from_config(dialect.parse_config(known)))
    assert error is None or error.path.startswith("config")


def test_later_settings_are_added_to_the_earlier() -> None:
    first = dialect.parse_config({"voice": "eve", "sample_rate": 16000, "one": 1})
    merged = dialect.merge_config(first, dialect.parse_config({"voice": "leo", "tools": [], "two": 2}))
    assert merged.to_wire() == {"voice": "leo", "sample_rate": 16000, "tools": [], "one": 1, "two": 2}


def test_a_rate_without_pcm_is_refused_unless_it_is_left_over() -> None:
    both = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"}
    old = dialect.parse_config({"sample_rate": 16000})
    assert dialect.merge_config(old, dialect.parse_config(both)).sample_rate is None
    assert dialect.merge_config(old, dialect.parse_config(both | {"sample_rate": 8000})).sample_rate == 8000
    with pytest.raises(RemoteWireError, match="both ways") as raised:
        dialect.merge_config(old, dialect.parse_config(both | {"sample_rate": 16000}))
    assert raised.value.path == "config.sample_rate"


def formats(input_format: dict[str, object], output_format: dict[str, object]) -> dict[str, object]:
    return {"audio": {"input": {"format": input_format}, "output": {"format": output_format}}}


@pytest.mark.parametrize(
    ("session", "wire"),
    [
        ({}, {"input_audio_format": "pcm16", "output_audio_format": "pcm16", "sample_rate": 24000}),
        (
            formats({"type": "audio/pcmu"}, {"type": "audio/pcmu"}),
            {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw", "sample_rate": 8000},
        ),
        (
            formats({"type": "audio/pcma"}, {"type": "audio/pcm", "rate": 16000}),
            {"input_audio_format": "g711_alaw", "output_audio_format": "pcm16", "sample_rate": 16000},
        ),
    ],
)
def test_formats_of_a_session(session: dict[str, object], wire: dict[str, object]) -> None:
    assert dialect.config_from_session(grok.parse_session(session)).to_wire() == wire


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ({"type": "server_vad"}, None),
        ({"type": "server_vad", "create_response": True, "interrupt_response": True}, None),
        ({"type": None}, {"type": None}),
        (
            {"type": "server_vad", "create_response": False},
            {"type": "server_vad", "create_response": False},
        ),
        (
            {"type": "server_vad", "silence_duration_ms": 700},
            {"type": "server_vad", "silence_duration_ms": 700},
        ),
    ],
)
def test_turns_are_mentioned_where_they_are_not_what_happens_anyway(
    turns: dict[str, object], said: object
) -> None:
    config = dialect.config_from_session(grok.parse_session({"turn_detection": turns}))
    assert config.to_wire().get("turn_detection") == said


@pytest.mark.parametrize(
    "session",
    [
        formats({"type": "audio/opus"}, {"type": "audio/pcm"}),
        formats({"type": "audio/pcm", "rate": 8000}, {"type": "audio/pcm", "rate": 24000}),
        {"tools": [{"type": "web_search"}]},
    ],
)
def test_sessions_that_the_dialect_cannot_have(session: dict[str, object]) -> None:
    with pytest.raises(LocalWireError, match="the dialect has"):
        dialect.config_from_session(grok.parse_session(session))


def test_settings_without_a_place_are_named() -> None:
    session = grok.parse_session(
        {
            "reasoning": {"effort": "high"},
            "replace": {"a": "b"},
            "resumption": {"enabled": True},
            "audio": {
                "input": {"transcription": {"model": "grok-transcribe", "keyterms": ["x"]}},
                "output": {"speed": 1.2},
            },
            "voice": "eve",
        }
    )
    assert dialect.left_out(session) == (
        "reasoning",
        "resumption",
        "replace",
        "audio.input.transcription.keyterms",
        "audio.output.speed",
    )
    assert dialect.left_out(grok.SessionConfig()) == ()


@given(json_objects)
def test_settings_come_back_from_the_real_session(extra: dict[str, object]) -> None:
    config = dialect.DialectConfig(
        voice="eve", instructions="x", sample_rate=16000, input_audio_format="g711_ulaw"
    )
    session = dialect.session_from_config(config)
    back = dialect.config_from_session(attrs.evolve(session, extra=extra), model="m")
    assert back.input_format == config.input_format
    assert back.output_format == config.output_format
    assert (back.voice, back.instructions, back.model, back.extra) == ("eve", "x", "m", extra)
