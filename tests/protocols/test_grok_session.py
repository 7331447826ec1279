"""Settings of a Grok session: both spellings, what is refused, how updates merge."""

import json
from typing import cast

import pytest
from hypothesis import given, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, grok
from tests.protocols.grok_kit import json_objects, json_values

FULL: dict[str, object] = {
    "instructions": "You run a harbour desk.",
    "voice": "eve",
    "model": "grok-voice-latest",
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "silence_duration_ms": 400,
        "prefix_padding_ms": 200,
        "idle_timeout_ms": 9000,
        "create_response": True,
        "interrupt_response": False,
    },
    "reasoning": {"effort": "none"},
    "resumption": {"enabled": True},
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 16000},
            "transport": "binary",
            "transcription": {
                "model": "grok-transcribe",
                "language_hint": "pt-PT",
                "keyterms": ["berth", "spring tide"],
            },
        },
        "output": {"format": {"type": "audio/pcmu"}, "transport": "json", "speed": 1.1},
    },
    "tools": [
        {"type": "function", "name": "berth", "description": "Free berths", "parameters": {"type": "object"}},
        {"type": "web_search", "allowed_domains": ["example.org"], "location": {"city": "Derby"}},
        {"type": "x_search", "from_date": "2026-01-02", "to_date": "2026-01-02"},
        {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3},
        {"type": "mcp", "server_url": "https://mcp.example.org", "server_label": "port"},
    ],
    "replace": {"kn": "knots"},
}


def test_every_setting_round_trips() -> None:
    config = grok.parse_session(FULL)
    assert config.to_wire() == FULL
    assert grok.parse_session(config.to_wire()) == config
    assert grok.SessionUpdate(session=config).session == FULL


def test_settings_are_typed() -> None:
    config = grok.parse_session(FULL)
    assert (config.manual, config.output_transport, config.speed) == (False, "json", 1.1)
    assert (config.input_format.rate_hz, config.output_format.rate_hz) == (16000, 8000)
    assert config.transcription is not None
    assert config.transcription.keyterms == ("berth", "spring tide")
    assert [type(tool) for tool in config.tools or ()] == [
        grok.FunctionTool,
        grok.WebSearch,
        grok.XSearch,
        grok.FileSearch,
        grok.Mcp,
    ]


def test_a_session_without_settings_has_the_defaults_of_the_server() -> None:
    config = grok.parse_session({})
    assert config == grok.SessionConfig()
    assert (config.manual, config.output_transport, config.speed) == (True, "json", 1.0)
    assert config.input_format == config.output_format == grok.DEFAULT_FORMAT
    assert config.transcription is None
    assert config.to_wire() == {}


def test_both_spellings_of_a_function_tool_are_one() -> None:
    flat = {"type": "function", "name": "tide", "description": "d", "parameters": {"type": "object"}}
    nested = {
        "type": "function",
        "function": {key: flat[key] for key in ("name", "description", "parameters")},
    }
    one, two = (grok.parse_session({"tools": [tool]}) for tool in (flat, nested))
    assert one == two
    assert one.to_wire() == two.to_wire() == {"tools": [flat]}
    assert one.tools
    tool = one.tools[0]
    assert isinstance(tool, grok.FunctionTool)
    assert tool.to_nested() == nested
    assert grok.FunctionTool(name="bare").to_nested() == {"type": "function", "function": {"name": "bare"}}


def test_openai_places_are_understood_and_the_root_wins() -> None:
    elsewhere = {
        "audio": {
            "input": {"turn_detection": {"type": "server_vad"}, "transport": "json"},
            "output": {"voice": "leo"},
        }
    }
    config = grok.parse_session(elsewhere)
    assert config.to_wire() == {
        "audio": {"input": {"transport": "json"}, "output": {}},
        "turn_detection": {"type": "server_vad"},
        "voice": "leo",
    }
    both = grok.parse_session(elsewhere | {"voice": "rex", "turn_detection": None})
    assert both.voice == "rex"
    assert both.manual


@pytest.mark.parametrize("manual", [None, {"type": None}, {"type": None, "threshold": 0.4}])
def test_every_spelling_of_manual_mode(manual: object) -> None:
    config = grok.parse_session({"turn_detection": manual})
    assert config.turn_detection == grok.MANUAL
    assert config.clear == ()
    assert config.to_wire() == {"turn_detection": {"type": None}}


def test_empty_turn_detection_says_nothing_and_one_without_type_is_the_servers() -> None:
    assert grok.parse_session({"turn_detection": {}}) == grok.SessionConfig()
    config = grok.parse_session({"turn_detection": {"silence_duration_ms": 300}})
    assert config.turn_detection == grok.TurnDetection(type="server_vad", silence_duration_ms=300)


def test_unknown_fields_are_kept_at_the_root() -> None:
    config = grok.parse_session({"tool_choice": "auto", "x": {"y": None}, "audio": {"z": 1, "input": None}})
    assert config.extra == {"tool_choice": "auto", "x": {"y": None}}
    assert config.to_wire()["tool_choice"] == "auto"


@pytest.mark.parametrize(
    ("session", "path"),
    [
        ({"instructions": 5}, "instructions"),
        ({"voice": {"id": "x"}}, "voice"),
        ({"audio": []}, "audio"),
        ({"audio": {"input": "pcm16"}}, "audio.input"),
        ({"audio": {"input": {"format": "pcm16"}}}, "audio.input.format"),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "audio.input.format.type"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 12345}}}}, "audio.input.format.rate"),
        ({"audio": {"output": {"format": {"rate": "24000"}}}}, "audio.output.format.rate"),
        ({"audio": {"output": {"format": {"rate": True}}}}, "audio.output.format.rate"),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu", "rate": 16000}}}},
            "audio.output.format.rate",
        ),
        ({"audio": {"output": {"transport": "carrier pigeon"}}}, "audio.output.transport"),
        ({"audio": {"output": {"speed": 1.51}}}, "audio.output.speed"),
        ({"audio": {"output": {"speed": 0.69}}}, "audio.output.speed"),
        ({"audio": {"output": {"speed": "fast"}}}, "audio.output.speed"),
        (
            {"audio": {"input": {"transcription": {"keyterms": "berth"}}}},
            "audio.input.transcription.keyterms",
        ),
        (
            {"audio": {"input": {"transcription": {"keyterms": ["a", 1]}}}},
            "audio.input.transcription.keyterms[1]",
        ),
        (
            {"audio": {"input": {"transcription": {"keyterms": ["a"] * 101}}}},
            "audio.input.transcription.keyterms",
        ),
        (
            {"audio": {"input": {"transcription": {"keyterms": ["a", "k" * 51]}}}},
            "audio.input.transcription.keyterms[1]",
        ),
        (
            {"audio": {"input": {"transcription": {"language_hint": "es"}}}},
            "audio.input.transcription.language_hint",
        ),
        (
            {"audio": {"input": {"transcription": {"language_hint": "PT"}}}},
            "audio.input.transcription.language_hint",
        ),
        ({"turn_detection": "server_vad"}, "turn_detection"),
        ({"turn_detection": {"type": "semantic_vad"}}, "turn_detection.type"),
        ({"turn_detection": {"threshold": 0.95}}, "turn_detection.threshold"),
        ({"turn_detection": {"threshold": 0.05}}, "turn_detection.threshold"),
        ({"turn_detection": {"type": None, "threshold": "x"}}, "turn_detection.threshold"),
        ({"turn_detection": {"silence_duration_ms": -1}}, "turn_detection.silence_duration_ms"),
        ({"turn_detection": {"silence_duration_ms": 10001}}, "turn_detection.silence_duration_ms"),
        ({"turn_detection": {"silence_duration_ms": 1.5}}, "turn_detection.silence_duration_ms"),
        ({"turn_detection": {"prefix_padding_ms": 10001}}, "turn_detection.prefix_padding_ms"),
        ({"turn_detection": {"idle_timeout_ms": 0}}, "turn_detection.idle_timeout_ms"),
        ({"turn_detection": {"create_response": "false"}}, "turn_detection.create_response"),
        ({"turn_detection": {"create_response": 1}}, "turn_detection.create_response"),
        ({"resumption": {"enabled": "true"}}, "resumption.enabled"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"replace": {"kn": 1}}, "replace"),
        ({"replace": ["kn"]}, "replace"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"name": "x"}]}, "tools[0]"),
        ({"tools": [{"type": "telepathy"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": ""}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "function": {"name": None}}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": "{}"}]}, "tools[0].parameters"),
        (
            {"tools": [{"type": "web_search", "allowed_domains": ["a"], "excluded_domains": ["b"]}]},
            "tools[0]",
        ),
        ({"tools": [{"type": "web_search", "allowed_domains": ["a"] * 6}]}, "tools[0].allowed_domains"),
        ({"tools": [{"type": "x_search", "excluded_x_handles": ["a"] * 21}]}, "tools[0].excluded_x_handles"),
        ({"tools": [{"type": "x_search", "from_date": "20260102"}]}, "tools[0].from_date"),
        ({"tools": [{"type": "x_search", "to_date": "2026-02-30"}]}, "tools[0].to_date"),
        (
            {"tools": [{"type": "x_search", "from_date": "2026-02-01", "to_date": "2026-01-31"}]},
            "tools[0].from_date",
        ),
        ({"tools": [{"type": "web_search"}, {"type": "file_search"}]}, "tools[1].vector_store_ids"),
        ({"tools": [{"type": "mcp", "server_label": "a"}]}, "tools[0].server_url"),
        ({"tools": [{"type": "mcp", "server_label": "a.b", "server_url": "u"}]}, "tools[0].server_label"),
    ],
)
def test_what_is_refused_names_its_field(session: dict[str, object], path: str) -> None:
    with pytest.raises(RemoteWireError) as caught:
        grok.parse_session(session)
    assert caught.value.path == f"session.{path}"
    assert str(caught.value).startswith(f"session.{path}")


@pytest.mark.parametrize(
    "session",
    [
        {"voice": "aria"},
        {"model": "gpt-realtime"},
        {"reasoning": {"effort": "low"}},
        {"audio": {"input": {"transcription": {"language_hint": "es-MX"}}}},
        {"audio": {"input": {"transcription": {"language_hint": "xx"}}}},
        {"audio": {"input": {"transcription": {"keyterms": ["k" * 50] * 100}}}},
        {"audio": {"output": {"speed": 1}}},
        {"audio": {"output": {"speed": 0.7}}},
        {"turn_detection": {"threshold": 0.9}},
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 21050}}}},
        {"audio": {"input": {"format": {"type": "audio/pcma", "rate": 8000}}}},
        {"audio": {"input": {"noise_reduction": None}}},
        {"tools": [{"type": "x_search", "allowed_x_handles": ["a"] * 20}]},
    ],
)
def test_what_the_server_does_not_mind_is_accepted(session: dict[str, object]) -> None:
    grok.parse_session(session)


def test_updates_merge_field_by_field() -> None:
    config = grok.parse_session(FULL)
    update = grok.parse_session(
        {
            "instructions": "Be brief.",
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 900},
            "audio": {"input": {"transcription": {"language_hint": "es-MX"}}, "output": {"speed": 0.9}},
            "tools": [],
            "replace": {"nm": "miles"},
        }
    )
    merged = grok.merge_session(config, update).to_wire()
    wanted = json.loads(json.dumps(FULL))
    wanted["instructions"] = "Be brief."
    wanted["turn_detection"]["silence_duration_ms"] = 900
    wanted["audio"]["input"]["transcription"]["language_hint"] = "es-MX"
    wanted["audio"]["output"]["speed"] = 0.9
    wanted["tools"] = []
    wanted["replace"] = {"nm": "miles"}
    assert merged == wanted
    assert config.to_wire() == FULL


def test_a_codec_is_replaced_as_a_whole() -> None:
    config = grok.parse_session({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 48000}}}})
    update = grok.parse_session({"audio": {"input": {"format": {"type": "audio/pcma"}}}})
    assert grok.merge_session(config, update).input_format == grok.AudioFormatConfig(type="audio/pcma")


def test_manual_mode_forgets_the_settings_of_the_servers_turns() -> None:
    config = grok.merge_session(grok.parse_session(FULL), grok.parse_session({"turn_detection": None}))
    assert config.turn_detection == grok.MANUAL
    again = grok.merge_session(config, grok.parse_session({"turn_detection": {"type": "server_vad"}}))
    assert again.turn_detection == grok.TurnDetection()


def test_null_takes_a_setting_back() -> None:
    update = grok.parse_session(
        {
            "voice": None,
            "replace": None,
            "turn_detection": {"type": "server_vad", "idle_timeout_ms": None},
            "audio": {"input": {"transcription": None}, "output": {"format": None}},
        }
    )
    assert set(update.clear) == {
        "voice",
        "replace",
        "turn_detection.idle_timeout_ms",
        "audio.input.transcription",
        "audio.output.format",
    }
    assert grok.parse_session(update.to_wire()) == update
    config = grok.merge_session(grok.parse_session(FULL), update)
    assert (config.voice, config.replace, config.transcription, config.clear) == (None, None, None, ())
    assert config.output_format == grok.DEFAULT_FORMAT
    assert config.turn_detection is not None
    assert config.turn_detection.idle_timeout_ms is None
    assert config.turn_detection.threshold == 0.5
    # Where there is nothing to take back, nothing happens.
    assert grok.merge_session(grok.SessionConfig(), update).voice is None


def test_clearing_what_is_no_setting_is_our_error() -> None:
    for path in ("weather", "audio.sun", "extra", "clear"):
        with pytest.raises(LocalWireError, match="cannot clear"):
            grok.merge_session(grok.parse_session(FULL), grok.SessionConfig(clear=(path,)))


def test_undocumented_fields_merge_too() -> None:
    config = grok.merge_session(
        grok.parse_session({"a": {"b": 1, "c": 2}, "d": 1}), grok.parse_session({"a": {"b": 3}, "e": None})
    )
    assert config.extra == {"a": {"b": 3, "c": 2}, "d": 1, "e": None}


def test_credentials_of_a_tool_are_not_in_reprs() -> None:
    tool = {
        "type": "mcp",
        "server_url": "u",
        "server_label": "l",
        "authorization": "Bearer hush-hush",
        "headers": {"X-Key": "hush-hush"},
    }
    config = grok.parse_session({"tools": [tool]})
    assert "hush" not in repr(config)
    assert config.to_wire() == {"tools": [tool]}


@given(json_objects)
def test_any_object_is_settings_or_an_error_of_the_wire(session: dict[str, object]) -> None:
    try:
        config = grok.parse_session(session)
    except RemoteWireError:
        return
    assert isinstance(config, grok.SessionConfig)


def _places(value: dict[str, object]) -> list[tuple[dict[str, object], str]]:
    found = [(value, name) for name in value]
    for inner in value.values():
        if isinstance(inner, dict):
            found += _places(cast("dict[str, object]", inner))
    return found


@given(st.data(), json_values)
def test_any_setting_may_hold_anything(data: st.DataObject, value: object) -> None:
    session = json.loads(json.dumps(FULL))
    where, name = data.draw(st.sampled_from(_places(session)))
    where[name] = value
    try:
        config = grok.parse_session(session)
    except RemoteWireError:
        return
    # Whatever is accepted can be merged and written, and reads the same.
    assert grok.parse_session(config.to_wire()) == config
    merged = grok.merge_session(grok.parse_session(FULL), config)
    assert grok.parse_session(merged.to_wire()) == merged


def test_an_update_is_idempotent() -> None:
    config = grok.merge_session(grok.SessionConfig(), grok.parse_session(FULL))
    assert grok.merge_session(config, grok.parse_session(FULL)) == config
